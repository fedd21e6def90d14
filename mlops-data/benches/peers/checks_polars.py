"""The 32 checks of benches/checks.rs by polars, fused by hand into one query: CPU seconds, peak memory, failed rows.

    python checks_polars.py DATA.parquet [decode|checks]

One process a mode, so that its peak memory is its own. POLARS_MAX_THREADS=1 for one thread.
"""
import json
import resource
import sys
import time

import polars as pl

RANGES = {
    "id": (1, 5_000_000), "age": (18, 95), "quantity": (1, 20), "clicks": (0, 60), "price": (0.0, 10_000.0),
    "amount": (0.0, 200_000.0), "discount": (0.0, 1.0), "rating": (0.0, 5.0), "score": (-6.0, 6.0),
    "ratio": (0.0, 1.0), "target": (0, 1),
}
NOT_NULL = [
    "id", "age", "quantity", "clicks", "price", "amount", "discount", "rating", "score", "country", "sku", "email",
    "created_at", "target",
]
SETS = {"country": "countries", "city": "cities"}
PATTERNS = {"sku": r"^[A-Z]+-[0-9]+$", "email": r"^[^@\s]+@[^@\s]+\.[a-z]+$"}


def failed(sets):
    checks = []
    for name, (low, high) in RANGES.items():
        checks.append((~pl.col(name).is_between(low, high)).sum().alias(f"{name} within"))
    from datetime import date
    checks.append((~pl.col("birth_date").is_between(date(1928, 1, 1), date(2006, 1, 1))).sum().alias("birth_date during"))
    checks += [pl.col(name).null_count().alias(f"{name} never null") for name in NOT_NULL]
    for name, key in SETS.items():
        checks.append((~pl.col(name).is_in(sets[key])).sum().alias(f"{name} one of"))
    checks.append((~pl.col("quantity").is_in(list(range(1, 21)))).sum().alias("quantity one of"))
    checks += [(~pl.col(name).str.contains(pattern)).sum().alias(f"{name} matches") for name, pattern in PATTERNS.items()]
    checks.append((pl.len() - pl.col("id").n_unique()).alias("id unique"))
    return checks


def main():
    path, mode = sys.argv[1], (sys.argv[2:] or ["checks"])[0]
    sets = json.load(open(sys.argv[3])) if len(sys.argv) > 3 else {}
    scan, begun = pl.scan_parquet(path), time.time()
    before = resource.getrusage(resource.RUSAGE_SELF)
    if mode == "decode":
        result = {"rows": pl.read_parquet(path).height}
    else:
        result = scan.select(failed(sets)).collect(engine="streaming").row(0, named=True)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"mode": mode, "cpu": round(cpu, 2), "wall": round(time.time() - begun, 2), "peak_mib": used.ru_maxrss // 1024, "failed": {k: v for k, v in result.items() if v}}))


main()
