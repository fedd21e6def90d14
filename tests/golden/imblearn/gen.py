"""Writes the imbalanced-learn reference values that the Rust tests of `Smote` compare against.

    pip install imbalanced-learn==0.14.2 scikit-learn==1.9.1 numpy==2.4.6
    python gen.py            # rewrites smote.json beside this script

Which synthetic rows are drawn depends on the random numbers, so what is compared is what does not: how many rows each
class gets, which neighbours of a row are looked at, and mean and deviation of many synthetic rows.
"""

import json
from pathlib import Path

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.neighbors import NearestNeighbors

K = 5
REPEATS = 400


def main():
    random = np.random.RandomState(7)
    sizes = {"common": 120, "rare": 18, "rarer": 9}
    centres = {"common": (0, 0, 0), "rare": (3, -2, 10), "rarer": (-4, 4, 0)}
    X = np.vstack([np.round(random.normal(centres[c], (1.0, 2.0, 5.0), (n, 3)), 4) for c, n in sizes.items()])
    y = np.repeat(list(sizes), list(sizes.values()))
    order = random.permutation(len(y))
    X, y = X[order], y[order]

    classes = {}
    synthetic = {c: [] for c in sizes}
    for seed in range(REPEATS):
        new, labels = SMOTE(k_neighbors=K, random_state=seed).fit_resample(X, y)
        for c in sizes:
            synthetic[c].append(new[len(X):][labels[len(X):] == c])
    half, half_labels = SMOTE(
        k_neighbors=K, random_state=0, sampling_strategy={"rare": 60, "rarer": 60}
    ).fit_resample(X, y)
    for c in sizes:
        rows = np.flatnonzero(y == c)
        nearest = NearestNeighbors(n_neighbors=K + 1).fit(X[rows]).kneighbors(X[rows], return_distance=False)[:, 1:]
        drawn = np.vstack(synthetic[c])
        classes[c] = {
            "balanced": int((labels == c).sum()),
            "half": int((half_labels == c).sum()),
            "neighbours": {int(row): sorted(int(rows[n]) for n in near) for row, near in zip(rows, nearest)},
            "synthetic": len(drawn),
            "mean": drawn.mean(axis=0).tolist() if len(drawn) else None,
            "std": drawn.std(axis=0).tolist() if len(drawn) else None,
        }
    out = {"k_neighbors": K, "x": X.T.tolist(), "y": y.tolist(), "classes": classes}
    path = Path(__file__).parent / "smote.json"
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(path, {c: (v["balanced"], v["half"], v["synthetic"]) for c, v in classes.items()})


if __name__ == "__main__":
    main()
