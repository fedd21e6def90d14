"""The same work as `benches/estimators.rs`, by scikit-learn: seconds of wall time, the better of one and two threads.

    pip install scikit-learn==1.9.1 numpy
    python estimators_sklearn.py
"""

import time

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.linear_model import ElasticNet
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_limits


class SplitMix64:
    """The uniforms of `mlops_core::random::SplitMix64`, many at a time."""

    def __init__(self, seed):
        self.state = np.uint64(seed)

    def uniforms(self, n):
        with np.errstate(over="ignore"):
            step = np.uint64(0x9E3779B97F4A7C15)
            z = self.state + step * np.arange(1, n + 1, dtype=np.uint64)
            self.state = z[-1]
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
        return (z >> np.uint64(11)) / float(1 << 53)


def blobs(rows, width):
    rng = SplitMix64(7)
    centres = 10.0 * rng.uniforms(20 * width).reshape(20, width)
    noise = rng.uniforms(rows * width * 2).reshape(rows, width, 2).sum(axis=2) - 1.0
    labels = np.arange(rows) % 20
    return centres[labels] + 4.0 * noise, labels


def best(name, work, repeats=3):
    seconds = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            for _ in range(repeats):
                start = time.perf_counter()
                work()
                seconds.append(time.perf_counter() - start)
    print(f"{name:<48} {min(seconds):9.4f} s")


print(f"scikit-learn {sklearn.__version__}")
x, _ = blobs(100_000, 20)
best("k-means, 100k x 20, 20 groups", lambda: KMeans(20, n_init=1, random_state=0).fit(x))
some, _ = blobs(20_000, 10)
best("mixture, 20k x 10, 5 groups, 10 steps", lambda: GaussianMixture(5, tol=0.0, max_iter=10, random_state=0).fit(some))
for width in (5, 20):
    x, y = blobs(100_000, width)
    model = KNeighborsRegressor(10).fit(x, y.astype(float))
    best(f"5k rows ask 100k x {width}", lambda: model.predict(x[:5_000]), repeats=2)
x, _ = blobs(100_000, 100)
y = x[:, 3] - 2.0 * x[:, 50] + x[:, 99] * x[:, 1]
best("elastic net, 100k x 100", lambda: ElasticNet(alpha=0.1).fit(x, y))
x, y = blobs(100_000, 20)
best("gaussian naive Bayes, 100k x 20, 20 classes", lambda: GaussianNB().fit(x, y))
