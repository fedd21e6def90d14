#!/usr/bin/env bash
# CSV -> Parquet (snappy) with types inferred from every row: CPU seconds and peak memory of mlops and of DuckDB, in one run.
#   benches/peers/csv_to_parquet.sh FILE.csv [ROUNDS]
# PYTHON: an interpreter that has duckdb (default: python3). PROFILE: the cargo profile (default: release).
# The rounds alternate; the medians of the CPU seconds (user + system) make the ratio. DuckDB infers from the whole file
# too (sample_size=-1). Both use the cores that there are.
set -euo pipefail
file=${1:?name a CSV file}; rounds=${2:-3}; python=${PYTHON:-python3}
cd "$(dirname "$0")/../../.."
cargo build --quiet --profile "${PROFILE:-release}" -p mlops-data --example csv_to_parquet
ours=target/${PROFILE:-release}/examples/csv_to_parquet
out=$(mktemp -d); trap 'rm -rf "$out"' EXIT
cat >"$out/duck.py" <<'P'
import sys, duckdb
source, target = sys.argv[1:]
print(duckdb.__version__)
duckdb.sql(f"COPY (SELECT * FROM read_csv('{source}', sample_size=-1)) TO '{target}' (FORMAT parquet, COMPRESSION snappy)")
P
measure() { # name command...
  local name=$1; shift
  /usr/bin/time -f "%U %S %e %M" -o "$out/time" "$@" >"$out/said"
  read -r user system wall memory <"$out/time"
  awk -v n="$name" -v u="$user" -v s="$system" -v w="$wall" -v m="$memory" \
    'BEGIN { printf "%-8s CPU %6.2f s   wall %6.2f s   peak %5d MiB\n", n, u + s, w, m / 1024 }'
  awk -v u="$user" -v s="$system" 'BEGIN { print u + s }' >>"$out/$name.cpu"
}
cat "$file" >/dev/null # into the page cache
for _ in $(seq "$rounds"); do
  measure mlops "$ours" "$file" "$out/mlops.parquet"
  measure duckdb "$python" "$out/duck.py" "$file" "$out/duckdb.parquet"
done
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
awk -v a="$(median "$out/mlops.cpu")" -v b="$(median "$out/duckdb.cpu")" 'BEGIN { printf "CPU, mlops / duckdb: %.2f\n", a / b }'
ls -l "$out"/*.parquet | awk '{ print $5, "bytes", $9 }' | sed "s#$out/##"
