"""Median impute, standard scale, one-hot and target encode with polars, by hand: the peer of
`examples/prepare.rs`, on the file that `examples/generate.rs` makes.

    /usr/bin/time -v python prepare_polars.py data.parquet {streaming|in-memory} {replace|join}

Fitting is one query (polars reads the file once for all of its parts): the moments after imputing
follow from those before. Prints the rows, the columns and a sum, which must be those of the peer.
"""

import sys

import polars as pl

NUMBERS = ["age", "clicks", "price", "amount", "discount", "rating", "score", "ratio"]
ONE_HOT = ["country", "quantity"]
TARGET_ENCODED = ["city", "sku"]


def present(name):
    return pl.col(name).cast(pl.Float64).fill_nan(None)


def fit(rows, engine):
    numbers = rows.select(
        *(present(n).median().alias(f"{n}.median") for n in NUMBERS),
        *(present(n).mean().alias(f"{n}.mean") for n in NUMBERS),
        *(present(n).var(ddof=0).alias(f"{n}.var") for n in NUMBERS),
        *(present(n).count().alias(f"{n}.count") for n in NUMBERS),
        pl.len().alias("rows"),
        pl.col("target").mean().alias("target.mean"),
        pl.col("target").var(ddof=0).alias("target.var"),
    )
    categories = [rows.select(pl.col(name).unique()) for name in ONE_HOT]
    groups = [
        rows.group_by(name).agg(
            pl.len().cast(pl.Float64).alias("n"),
            pl.col("target").mean().alias("mean"),
            pl.col("target").var(ddof=0).alias("var"),
        )
        for name in TARGET_ENCODED
    ]
    numbers, *rest = pl.collect_all([numbers, *categories, *groups], engine=engine)
    stats = numbers.row(0, named=True)
    total = stats["rows"]
    scales = {}
    for name in NUMBERS:
        median, mean = stats[f"{name}.median"], stats[f"{name}.mean"]
        count, var = stats[f"{name}.count"], stats[f"{name}.var"]
        filled = (count * mean + (total - count) * median) / total
        squares = count * (var + (mean - filled) ** 2) + (total - count) * (median - filled) ** 2
        scales[name] = (median, filled, (squares / total) ** 0.5)
    categories = [sorted(frame.to_series().to_list(), key=lambda c: (c is None, c)) for frame in rest[: len(ONE_HOT)]]
    mean, var = stats["target.mean"], stats["target.var"]
    weight = pl.col("n") * var / (pl.col("n") * var + pl.col("var"))
    encodings = [
        frame.select(pl.col(name), (weight * pl.col("mean") + (1 - weight) * mean).alias(f"{name}.encoding"))
        for name, frame in zip(TARGET_ENCODED, rest[len(ONE_HOT) :])
    ]
    return scales, categories, encodings, mean


def transform(rows, fitted, form):
    scales, categories, encodings, mean = fitted
    columns = [(present(n).fill_null(median) - mean_) / std for n, (median, mean_, std) in scales.items()]
    for name, values in zip(ONE_HOT, categories):
        columns += [
            (pl.col(name).eq_missing(value) if value is not None else pl.col(name).is_null())
            .cast(pl.Float64)
            .alias(f"{name}_{value}")
            for value in values
        ]
    for name, frame in zip(TARGET_ENCODED, encodings):
        encoding = f"{name}.encoding"
        if form == "join":
            rows = rows.join(frame.lazy(), on=name, how="left", nulls_equal=True, maintain_order="left")
            columns.append(pl.col(encoding).fill_null(mean).alias(encoding))
        else:
            old, new = frame[name], frame[encoding]
            encoded = pl.col(name).replace_strict(old, new, default=mean, return_dtype=pl.Float64)
            columns.append(encoded.alias(encoding))
    return rows.select(columns)


def main(path, engine="streaming", form="replace"):
    used = [*NUMBERS, *ONE_HOT, *TARGET_ENCODED, "target"]
    rows = pl.scan_parquet(path).select(used)
    prepared = transform(rows, fit(rows, engine), form)
    count, width, total = 0, 0, 0.0
    if engine == "streaming":
        for batch in prepared.collect_batches(engine="streaming"):
            count, width = count + batch.height, batch.width
            total += batch["sku.encoding"].sum()
    else:
        batch = prepared.collect(engine=engine)
        count, width, total = batch.height, batch.width, batch["sku.encoding"].sum()
    print(f"polars {pl.__version__}: {count} rows, {width} columns, sku sums up to {total:.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
