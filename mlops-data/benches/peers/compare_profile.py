#!/usr/bin/env python3
"""Holds the JSON that `examples/profile.rs` writes against DuckDB's exact answers, column by column.

    cargo run --release --example profile -- FILE --json profile.json
    venv/bin/python compare_profile.py FILE profile.json     # needs duckdb

Counts, nulls, zeros, extremes: equal. Mean, deviation, skewness, kurtosis: to 1e-9 of their size (skewness and
kurtosis to 1e-9 of at least 1). Quantiles: the share of the values below them is off by at most 0.5 %. Distinct
counts: 1 % of them in the root mean square over all columns, none beyond four standard errors (3.25 %); equal where
the profile calls them exact. Most frequent values: the true count is between `count - error` and `count`. Histograms:
each bin off by at most twice its stated error. Exits with 1 if one is not.
"""

import json
import math
import sys

import duckdb

RELATIVE, RANK, DISTINCT = 1e-9, 0.005, 4 * 0.008117


def main() -> int:
    path, report = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    reader = "read_parquet" if path.endswith("parquet") else "read_csv"
    db.execute(f"CREATE VIEW t AS SELECT * FROM {reader}('{path}')")
    failures, rows, distinct_errors = 0, [], []
    total = db.execute("SELECT count(*) FROM t").fetchone()[0]
    assert report["rows"] == total, (report["rows"], total)
    for column in report["columns"]:
        found = Column(db, column, total)
        problems = found.problems()
        distinct_errors += found.distinct_error()
        failures += len(problems)
        rows.append((column["name"], column["type"][:22], column["semantic"], found.summary(), "; ".join(problems) or "ok"))
    widths = [max(len(str(row[i])) for row in rows) for i in range(5)]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    mean_square = math.sqrt(sum(e * e for e in distinct_errors) / max(len(distinct_errors), 1))
    print(f"{len(rows)} columns, {total} rows, {failures} differences; distinct counts that are estimates: "
          f"{len(distinct_errors)}, off by {mean_square:.2%} in the root mean square")
    return 1 if failures or mean_square > 0.01 else 0


class Column:
    def __init__(self, db, column, total):
        self.db, self.column, self.total = db, column, total
        self.name = '"' + column["name"].replace('"', '""') + '"'
        kind = db.execute(f"SELECT typeof({self.name}) FROM t LIMIT 1").fetchone()[0]
        self.is_number = any(word in kind for word in ("INT", "DOUBLE", "FLOAT", "DECIMAL"))
        self.is_time = any(word in kind for word in ("DATE", "TIME"))
        # Numbers of the profile are the finite ones.
        self.finite = f"isfinite({self.name})" if kind in ("DOUBLE", "FLOAT") else "true"
        self.worst = {"mean": 0.0, "rank": 0.0, "distinct": 0.0}

    def one(self, what, where="true"):
        return self.db.execute(f"SELECT {what} FROM t WHERE {where}").fetchone()[0]

    def problems(self):
        problems, column = [], self.column
        nulls = self.one(f"count(*) - count({self.name})")
        problems += self.equal("nulls", column["nulls"], nulls) + self.equal("count", column["count"], self.total - nulls)
        problems += self.distinct()
        if self.is_number:
            problems += self.numbers()
        if self.is_number or self.is_time:
            problems += self.quantiles()
        return problems + self.top() + self.histogram()

    def equal(self, what, ours, theirs):
        return [] if ours == theirs else [f"{what} {ours}, not {theirs}"]

    def close(self, what, ours, theirs, least):
        if ours is None or theirs is None:
            return self.equal(what, ours, theirs)
        error = abs(ours - theirs) / max(abs(theirs), least)
        self.worst["mean"] = max(self.worst["mean"], error)
        return [] if error <= RELATIVE else [f"{what} {ours}, not {theirs}"]

    def numbers(self):
        column, more = self.column, self.column["more"]["number"]
        zeros = self.one(f"count(*) FILTER ({self.name} = 0)")
        problems = self.equal("zeros", column["zeros"], zeros)
        for what in ("min", "max"):
            problems += self.equal(what, column[what], self.one(f"{what}({self.name})", self.finite))
        wide = f"{self.name}::DOUBLE"
        problems += self.close("mean", column["mean"], self.one(f"favg({wide})", self.finite), 1e-300)
        problems += self.close("std", column["std"], self.deviation(wide), 1e-300)
        # DuckDB sums powers of the values themselves; of values less their mean it keeps its digits.
        centred = f"({wide} - {column['mean']!r})"
        problems += self.close("skew", more["skew"], self.one(f"skewness({centred})", self.finite), 1.0)
        return problems + self.close("kurtosis", more["kurtosis"], self.one(f"kurtosis({centred})", self.finite), 1.0)

    def deviation(self, wide):
        n = self.one(f"count({wide})", self.finite)
        if n < 2:
            return None
        mean = self.column["mean"]
        return math.sqrt(self.one(f"fsum(({wide} - {mean!r}) ** 2)", self.finite) / (n - 1))

    def quantiles(self):
        problems = []
        for share, value in self.column["quantiles"].items():
            literal = f"TIMESTAMP '{value.rstrip('Z')}'" if self.is_time else repr(value)
            counts = f"count(*) FILTER ({self.name} < {literal}), count(*) FILTER ({self.name} <= {literal}), count({self.name})"
            below, up_to, n = self.db.execute(f"SELECT {counts} FROM t WHERE {self.finite}").fetchone()
            # Interpolation lies between two neighbours, one position apart.
            off = max(below / n - float(share), float(share) - up_to / n, 0.0) - 1 / n
            self.worst["rank"] = max(self.worst["rank"], off)
            problems += [f"quantile {share} off by {off:.3%}"] if off > RANK else []
        return problems

    def distinct(self):
        self.truth = self.one(f"count(DISTINCT {self.name})", f"{self.finite} OR isinf({self.name})" if self.finite != "true" else "true")
        ours = self.column["distinct"]
        if ours is None:
            return []
        if self.column["distinct_is_exact"]:
            return self.equal("distinct", ours, self.truth)
        self.worst["distinct"] = abs(ours - self.truth) / self.truth
        return [] if self.worst["distinct"] <= DISTINCT else [f"distinct {ours}, not {self.truth}"]

    def distinct_error(self):
        exact = self.column["distinct"] is None or self.column["distinct_is_exact"]
        return [] if exact else [self.column["distinct"] / self.truth - 1]

    def top(self):
        problems = []
        for hit in self.column["top"]:
            if isinstance(hit["value"], str) and hit["value"].endswith("…"):
                continue
            count = self.db.execute(f"SELECT count(*) FROM t WHERE {self.name} = ?", [hit["value"]]).fetchone()[0]
            if not hit["count"] - hit["error"] <= count <= hit["count"]:
                problems.append(f"{hit['value']!r} {count} times, not {hit['count']} - {hit['error']}")
        return problems

    def histogram(self):
        bins = self.column["histogram"]
        if not bins or not self.is_number:
            return []
        edges = bins["edges"]
        cases = [f"count(*) FILTER ({self.name} {'>=' if i == 0 else '>'} {edges[i]!r} AND {self.name} <= {edges[i + 1]!r})"
                 for i in range(len(edges) - 1)]
        truth = self.db.execute(f"SELECT {', '.join(cases)} FROM t WHERE {self.finite}").fetchone()
        n = sum(truth)
        off = max(abs(ours - theirs) for ours, theirs in zip(bins["counts"], truth)) / max(n, 1)
        return [] if sum(bins["counts"]) == n and off <= 2 * bins["error"] + 1e-12 else [f"histogram off by {off:.3%}"]

    def summary(self):
        return f"mean {self.worst['mean']:.0e}  rank {self.worst['rank']:.3%}  distinct {self.worst['distinct']:.2%}"


if __name__ == "__main__":
    sys.exit(main())
