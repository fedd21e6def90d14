"""Loads models that were written here, and compares what their libraries answer.

    python check.py FOLDER

Beside each NAME (of *.txt, *.json, *.onnx) in the folder lies NAME.expected: rows as little-endian f64, then the
expected numbers; NAME.shape has the number of rows, of columns, and of expected numbers a row. What a model
called `shares` gives is brought to a sum of 1 first. Prints a line for each difference and ends with their number.
"""

import sys
from pathlib import Path

import numpy as np


def lightgbm(path, x):
    import lightgbm

    return lightgbm.Booster(model_file=path).predict(x)


def xgboost(path, x):
    import xgboost

    booster = xgboost.Booster(model_file=path)
    data = xgboost.DMatrix(
        x,
        feature_names=booster.feature_names,
        feature_types=booster.feature_types,
        enable_categorical=True,
    )
    return booster.predict(data)


def onnx(path):
    """Whether onnxruntime gives the columns of NAME.rows.json the answer of NAME.answer.json."""
    import json

    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    columns = json.loads(path.with_suffix(".rows.json").read_text())
    answer = json.loads(path.with_suffix(".answer.json").read_text())
    kinds = {
        "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(string)": object, "tensor(bool)": bool,
    }  # fmt: skip
    feed = {}
    for given in session.get_inputs():
        column = [np.nan if x is None and given.type == "tensor(double)" else x for x in columns[given.name]]
        feed[given.name] = np.array(column, dtype=kinds[given.type]).reshape(-1, 1)
    outputs = session.run(None, feed)
    if len(outputs) > 1:
        labels, expected = outputs[0].tolist(), answer["labels"]
        wrong = sum(a != b for a, b in zip(labels, expected, strict=True))
        if wrong:
            return f"{wrong} of {len(labels)} labels"
    numbers = np.array(answer["values"]).reshape(len(outputs[-1]), -1)
    error = np.abs(outputs[-1] - numbers) / np.maximum(np.abs(numbers), 1)
    return None if error.max() <= 1e-6 else f"{error.max():.3e}"


def main(folder):
    wrong = 0
    readers = {".txt": (lightgbm, 1e-12), ".json": (xgboost, 2e-6)}
    for path in sorted(Path(folder).iterdir()):
        if path.suffix == ".onnx" and (difference := onnx(path)):
            print(f"{path.name}: {difference}")
            wrong += 1
        if path.suffix not in readers or not path.with_suffix(path.suffix + ".shape").exists():
            continue
        read, tolerance = readers[path.suffix]
        rows, width, outputs = map(int, path.with_suffix(path.suffix + ".shape").read_text().split())
        numbers = np.fromfile(path.with_suffix(path.suffix + ".expected"), "<f8")
        x, expected = numbers[: rows * width].reshape(rows, width), numbers[rows * width :].reshape(rows, outputs)
        given = np.asarray(read(str(path), x), dtype=float).reshape(rows, outputs)
        if path.stem == "shares":
            given /= given.sum(axis=1, keepdims=True)
        error = np.abs(given - expected) / np.maximum(np.abs(expected), 1)
        if not error.max() <= tolerance:
            print(f"{path.name}: {error.max():.3e}, {(error > tolerance).sum()} of {error.size} numbers")
            wrong += 1
    print(f"{wrong} models differ")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
