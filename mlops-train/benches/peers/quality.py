"""What scikit-learn reaches on its bundled data sets: the figures that tests/quality.rs compares with.

    python quality.py ../../tests/data/peers

writes each data set with a column of folds, and `figures.json`: the mean score over the folds, each of which is judged by
models of the others. Trees of forests are averaged over seeds, so that the figure is not one forest's luck.
scikit-learn 1.9.
"""
import json
import sys
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.ensemble import (ExtraTreesClassifier, ExtraTreesRegressor, HistGradientBoostingClassifier,
                              HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor)
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

FOLDS, SEEDS = 5, 10


def score(task, y, model, x):
    if task == "number":
        return r2_score(y, model.predict(x))
    if task == "two":
        return roc_auc_score(y, model.predict_proba(x)[:, 1])
    return accuracy_score(y, model.predict(x))


def models(task, seed):
    if task == "number":
        return {
            "boosting": HistGradientBoostingRegressor(random_state=seed),
            "forest": RandomForestRegressor(random_state=seed, n_jobs=2),
            "extra_trees": ExtraTreesRegressor(random_state=seed, n_jobs=2),
        }
    return {
        "boosting": HistGradientBoostingClassifier(random_state=seed),
        "forest": RandomForestClassifier(random_state=seed, n_jobs=2),
        "extra_trees": ExtraTreesClassifier(random_state=seed, n_jobs=2),
    }


def main():
    folder = Path(sys.argv[1])
    sets = {
        "breast_cancer": (datasets.load_breast_cancer, "two"),
        "diabetes": (datasets.load_diabetes, "number"),
        "iris": (datasets.load_iris, "classes"),
        "wine": (datasets.load_wine, "classes"),
    }
    figures = {}
    for name, (load, task) in sets.items():
        x, y = load(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(y))
        x, y = x[order], y[order]
        fold = np.arange(len(y)) % FOLDS
        lines = [",".join([f"x{i}" for i in range(x.shape[1])] + ["fold", "y"])]
        for row, f, target in zip(x, fold, y):
            lines.append(",".join([repr(float(v)) for v in row] + [str(f), repr(target.item())]))
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        figures[name] = {}
        for kind in models(task, 0):
            scores = [
                score(task, y[fold == f], models(task, seed)[kind].fit(x[fold != f], y[fold != f]), x[fold == f])
                for seed in range(1 if kind == "boosting" else SEEDS) for f in range(FOLDS)
            ]
            figures[name][kind] = round(float(np.mean(scores)), 6)
        print(name, figures[name], flush=True)
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")


main()
