#!/usr/bin/env python3
"""scikit-learn's metrics of a million predictions, beside ours.

    python3 -m venv venv && venv/bin/pip install scikit-learn==1.9.1
    cargo bench --workspace --all-features --bench metrics
    venv/bin/python mlops-train/benches/peers/metrics.py [target/criterion]

Ours are criterion's medians, scikit-learn's the median of seven runs in this process; both with all cores, which
scikit-learn does not use here. Data are of the same size and shape, not the same numbers.
"""

import json
import pathlib
import statistics
import sys
import time

import numpy as np
from sklearn import metrics

ROWS = 1_000_000


def milliseconds(function):
    function()
    times = []
    for _ in range(7):
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def ours(place, name):
    path = place / name / "new" / "estimates.json"
    return json.loads(path.read_text())["median"]["point_estimate"] / 1e6 if path.exists() else None


def main():
    place = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/criterion")
    rng = np.random.default_rng(1)
    p = rng.uniform(size=ROWS)
    y = (rng.uniform(size=ROWS) < p).astype(int)
    predicted = (p > 0.5).astype(int)
    w = 0.1 + rng.uniform(size=ROWS)
    five = rng.uniform(size=(200_000, 5))
    five /= five.sum(axis=1, keepdims=True)
    of_five = rng.integers(0, 5, size=200_000)
    truth, answer = rng.uniform(size=ROWS) * 100, rng.uniform(size=ROWS) * 100
    peers = {
        "accuracy": lambda: metrics.accuracy_score(y, predicted),
        "f1": lambda: metrics.f1_score(y, predicted),
        "matthews_corrcoef": lambda: metrics.matthews_corrcoef(y, predicted),
        "log_loss": lambda: metrics.log_loss(y, y_proba=p),
        "brier": lambda: metrics.brier_score_loss(y, p),
        "roc_auc": lambda: metrics.roc_auc_score(y, p),
        "average_precision": lambda: metrics.average_precision_score(y, p),
        "roc_curve": lambda: metrics.roc_curve(y, p),
        "f1_weighted_rows": lambda: metrics.f1_score(y, predicted, sample_weight=w),
        "log_loss_weighted_rows": lambda: metrics.log_loss(y, y_proba=p, sample_weight=w),
        "roc_auc_weighted_rows": lambda: metrics.roc_auc_score(y, p, sample_weight=w),
        "roc_auc_ovr": lambda: metrics.roc_auc_score(of_five, five, multi_class="ovr"),
        "mae": lambda: metrics.mean_absolute_error(truth, answer),
        "mse": lambda: metrics.mean_squared_error(truth, answer),
        "r2": lambda: metrics.r2_score(truth, answer),
        "r2_weighted_rows": lambda: metrics.r2_score(truth, answer, sample_weight=w),
        "median_absolute_error": lambda: metrics.median_absolute_error(truth, answer),
    }
    print(f"{'metric':24} {'ours ms':>9} {'peer ms':>9} {'peer/ours':>9}")
    for name, function in peers.items():
        mine, theirs = ours(place, name), milliseconds(function)
        ratio = "" if mine is None else f"{theirs / mine:9.1f}"
        print(f"{name:24} {'-' if mine is None else f'{mine:.2f}':>9} {theirs:9.2f} {ratio}")


main()
