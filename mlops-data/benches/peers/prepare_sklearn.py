"""Median impute, standard scale, one-hot and target encode with scikit-learn's ColumnTransformer: the
peer of `examples/prepare.rs`, on the file that `examples/generate.rs` makes.

    /usr/bin/time -v python prepare_sklearn.py data.parquet [ROWS]

Holds all rows in memory, several times over: on a small machine give it a file of 500,000 rows.
"""

import sys

import pyarrow.parquet as pq
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

NUMBERS = ["age", "clicks", "price", "amount", "discount", "rating", "score", "ratio"]
ONE_HOT = ["country", "quantity"]
TARGET_ENCODED = ["city", "sku"]


def main(path):
    data = pq.read_table(path, columns=[*NUMBERS, *ONE_HOT, *TARGET_ENCODED, "target"]).to_pandas()
    target = data.pop("target")
    recipe = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
            ("one_hot", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ONE_HOT),
            ("target", TargetEncoder(target_type="binary"), TARGET_ENCODED),
        ]
    )
    prepared = recipe.fit(data, target).transform(data)
    rows, width = prepared.shape
    print(f"scikit-learn {sklearn.__version__}: {rows} rows, {width} columns, sku sums up to {prepared[:, -1].sum():.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
