"""Boosted trees and forests beside their peers, on the same rows and at equal settings.

    cargo build --release --workspace --all-features --example peer_boosting
    pip install lightgbm xgboost scikit-learn onnxruntime onnxmltools forust
    python boosting.py ../../../target/release/examples/peer_boosting [--million] [--forest] [--forust]

Prints a table: CPU seconds of a fit (the least of three, and of one and two threads), log loss and AUC on rows that none has
seen, rows a CPU second that are answered. 100 trees of 31 leaves, a learning rate of 0.1, 20 rows a leaf, 255 bins.

Take several seeds before comparing log losses: which of two equally good first splits is taken moves them by some 0.005.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

WIDTH, TREES, LEAVES, RATE = 20, 100, 31, 0.1


def rows(count, seed):
    """Smooth, thresholded and multiplied features, and noise; the last ten features say nothing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, WIDTH))
    z = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.5 * x[:, 3] ** 2 - 0.7 * (x[:, 4] > 0.3) * x[:, 5]
    z += 0.3 * x[:, 6] + 0.2 * np.abs(x[:, 7]) - 0.8
    y = (rng.random(count) < 1 / (1 + np.exp(-1.5 * z))).astype(float)
    return x, y


def measured(fit, answer, x, y):
    best, rate = float("inf"), 0.0
    for _ in range(3):
        start = time.process_time()
        model = fit()
        best = min(best, time.process_time() - start)
    for _ in range(3):
        start = time.process_time()
        p = answer(model)
        rate = max(rate, len(y) / (time.process_time() - start))
    return best, log_loss(y, p), roc_auc_score(y, p), rate, model


def lightgbm(train, test, threads):
    import lightgbm as lgb

    settings = dict(objective="binary", num_leaves=LEAVES, learning_rate=RATE, num_threads=threads, verbose=-1)
    return measured(lambda: lgb.train(settings, lgb.Dataset(*train), TREES),
                    lambda m: m.predict(test[0], num_threads=1), *test)


def xgboost(train, test, threads):
    import xgboost as xgb

    settings = dict(objective="binary:logistic", max_depth=0, max_leaves=LEAVES, grow_policy="lossguide", eta=RATE,
                    nthread=threads, tree_method="hist")
    return measured(lambda: xgb.train(settings, xgb.DMatrix(train[0], train[1], nthread=threads), TREES),
                    lambda m: m.inplace_predict(test[0]), *test)


def scikit_learn(train, test, threads):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        return measured(lambda: HistGradientBoostingClassifier(max_iter=TREES, early_stopping=False).fit(*train),
                        lambda m: m.predict_proba(test[0])[:, 1], *test)


def scikit_learn_forest(train, test, threads):
    from sklearn.ensemble import RandomForestClassifier

    return measured(lambda: RandomForestClassifier(n_jobs=threads).fit(*train),
                    lambda m: m.predict_proba(test[0])[:, 1], *test)


def forust(train, test, threads):
    from forust import GradientBooster

    settings = dict(objective_type="LogLoss", iterations=TREES, learning_rate=RATE, max_leaves=LEAVES, max_depth=30,
                    nbins=256, l2=0.0, gamma=0.0, min_leaf_weight=1e-3, parallel=threads > 1, grow_policy="LossGuide")

    def fit():
        model = GradientBooster(**settings)
        model.fit(*train)
        return model

    return measured(fit, lambda m: 1 / (1 + np.exp(-m.predict(test[0], parallel=False))), *test)


def onnxruntime(train, test):
    """The rate of answers of LightGBM's trees there."""
    import lightgbm as lgb
    import onnxruntime as ort
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    model = lgb.LGBMClassifier(n_estimators=TREES, num_leaves=LEAVES, n_jobs=1, verbose=-1).fit(*train)
    onnx = convert_lightgbm(model, initial_types=[("x", FloatTensorType([None, WIDTH]))], zipmap=False)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(onnx.SerializeToString(), options)
    x, rate = test[0].astype(np.float32), 0.0
    for _ in range(5):
        start = time.process_time()
        session.run(None, {"x": x})
        rate = max(rate, len(x) / (time.process_time() - start))
    return rate


def ours(program, files, kind, threads):
    environment = dict(os.environ, RAYON_NUM_THREADS=str(threads))
    command = [program, *map(str, files), str(WIDTH), kind, "3"]
    told = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    return told["cpu"], told["log_loss"], told["auc"], told["rows_per_cpu_second"], told["row_us"]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--million", action="store_true")
    arguments.add_argument("--forest", action="store_true")
    arguments.add_argument("--forust", action="store_true")
    arguments = arguments.parse_args()
    train, test = rows(1_000_000 if arguments.million else 100_000, 1), rows(50_000, 3)
    peers = {"LightGBM": lightgbm, "XGBoost": xgboost, "scikit-learn": scikit_learn}
    if arguments.forest:
        peers = {"scikit-learn": scikit_learn_forest}
    if arguments.forust:
        peers["forust"] = forust
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "train.f64", Path(folder) / "test.f64"]
        for file, (x, y) in zip(files, (train, test)):
            np.hstack([x, y[:, None]]).astype("<f8").tofile(file)
        print(f"{'':14}{'fit CPU s':>10}{'log loss':>10}{'AUC':>8}{'rows/s':>10}")
        kind = "forest" if arguments.forest else "boosting"
        found = {"mlops": min((ours(arguments.program, files, kind, threads) for threads in (1, 2)), key=lambda f: f[0])}
        for name, peer in peers.items():
            found[name] = min((peer(train, test, threads) for threads in (1, 2)), key=lambda f: f[0])
        for name, (cpu, loss, auc, rate, *_) in found.items():
            print(f"{name:14}{cpu:10.2f}{loss:10.5f}{auc:8.4f}{rate:10.0f}")
        print(f"one row of mlops: {found['mlops'][4]:.2f} us")
    if not arguments.forest:
        print(f"onnxruntime: {onnxruntime(train, test):.0f} rows/s")


main()
