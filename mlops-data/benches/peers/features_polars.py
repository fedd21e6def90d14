#!/usr/bin/env python3
"""The as-of join of 17,000 rows with 1,000 features by polars: the peer of `examples/features.rs`, on the files that
`features generate DIR` makes. Prints what the example prints, CPU and wall seconds and the peak of memory.

    python features_polars.py DIR
"""

import resource
import sys
import time

import polars as pl


def main(directory: str) -> None:
    start = time.perf_counter()
    events = pl.read_parquet(f"{directory}/events.parquet")
    features = pl.read_parquet(f"{directory}/features.parquet")
    read = time.perf_counter() - start
    start = time.perf_counter()
    # Both are sorted by time; that keys are not checked for it is said once.
    joined = events.join_asof(features, on="time", by="customer", strategy="backward", check_sortedness=False)
    elapsed = time.perf_counter() - start
    last = joined["f999"]
    print(f"polars {pl.__version__}: {joined.height} rows, {joined.width} columns, {last.len() - last.null_count()} found, "
          f"the last feature sums up to {last.sum():.2f}")
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"read in {read:.2f}s, joined in {elapsed:.2f}s, CPU {used.ru_utime + used.ru_stime:.2f} s, "
          f"peak {used.ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main(sys.argv[1])
