#!/usr/bin/env python3
"""The profile of one Parquet file by polars, with approximate distinct counts: what `Profile` is measured against.

Count, nulls, distinct, extremes, mean, deviation, skewness, kurtosis, five quantiles, the ten most frequent values
and a histogram of 20 bins for each column, as far as polars has them for the type. Prints CPU seconds, wall seconds
and the peak of memory.

    python3 -m venv venv && venv/bin/pip install polars && venv/bin/python profile_polars.py FILE
"""

import resource
import sys
import time

import polars as pl


def aggregates(name: str, kind: pl.DataType) -> list[pl.Expr]:
    column = pl.col(name)
    found = [column.count().alias(f"{name}:count"), column.null_count().alias(f"{name}:nulls")]
    if kind != pl.Boolean:
        found.append(column.approx_n_unique().alias(f"{name}:distinct"))
        found += [column.min().alias(f"{name}:min"), column.max().alias(f"{name}:max")]
    if kind.is_numeric():
        found += [column.mean().alias(f"{name}:mean"), column.std().alias(f"{name}:std")]
        found += [column.skew(bias=False).alias(f"{name}:skew"), column.kurtosis(bias=False).alias(f"{name}:kurtosis")]
        found += [column.quantile(q, "linear").alias(f"{name}:{q}") for q in (0.01, 0.25, 0.5, 0.75, 0.99)]
    if kind == pl.String:
        lengths = column.str.len_chars()
        found += [lengths.min().alias(f"{name}:shortest"), lengths.max().alias(f"{name}:longest"),
                  lengths.mean().alias(f"{name}:mean length")]
    if kind == pl.Boolean:
        found.append(column.sum().alias(f"{name}:trues"))
    return found


def main() -> None:
    start = time.perf_counter()
    frame = pl.read_parquet(sys.argv[1])
    read = time.perf_counter()
    summary = frame.select([e for name, kind in frame.schema.items() for e in aggregates(name, kind)])
    aggregated = time.perf_counter()
    tops = {
        name: frame.select(pl.col(name).value_counts(sort=True).head(10)).height
        for name, kind in frame.schema.items()
        if kind == pl.String or kind.is_integer()
    }
    counted = time.perf_counter()
    bins = {
        name: frame[name].drop_nulls().hist(bin_count=20).height
        for name, kind in frame.schema.items()
        if kind.is_numeric()
    }
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"polars {pl.__version__}: {frame.height} rows, {summary.width} aggregates, {len(tops)} tops, {len(bins)} histograms")
    print(f"read {read - start:.1f} s, aggregates {aggregated - read:.1f} s, tops {counted - aggregated:.1f} s, "
          f"histograms {time.perf_counter() - counted:.1f} s")
    print(f"CPU {used.ru_utime + used.ru_stime:.1f} s, wall {time.perf_counter() - start:.1f} s, "
          f"peak {used.ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
