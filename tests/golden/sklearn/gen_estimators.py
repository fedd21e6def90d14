"""Writes what scikit-learn's estimators answer on its bundled data sets: `estimator_data.json` and `estimators.json`.

    pip install scikit-learn==1.9.1 numpy scipy
    python gen_estimators.py

Every fourth row is held back; the answers are those for the rows held back. A case names the recipe as
`mlops` writes it, so the Rust test needs no code of its own for it.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import json
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn import datasets, metrics
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, StackingClassifier, StackingRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import (
    ElasticNet, GammaRegressor, Lasso, LinearRegression, LogisticRegression, PoissonRegressor, Ridge, TweedieRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, QuantileTransformer, StandardScaler
from sklearn.svm import SVC, SVR

HERE = Path(__file__).resolve().parent
assert sklearn.__version__ == "1.9.1", sklearn.__version__
warnings.filterwarnings("ignore", category=FutureWarning)

DATA = {}


def keep(name, x, y):
    DATA[name] = (np.asarray(x, dtype=float), np.asarray(y))


for name, load in [("iris", datasets.load_iris), ("wine", datasets.load_wine),
                   ("breast_cancer", datasets.load_breast_cancer), ("digits", datasets.load_digits)]:
    keep(name, *load(return_X_y=True))
keep("diabetes", *datasets.load_diabetes(return_X_y=True))
# Unscaled units differ by orders of magnitude, which is no use to distances.
for name in ("wine", "breast_cancer"):
    x, y = DATA[name]
    keep(name + "_scaled", np.round(StandardScaler().fit_transform(x), 6), y)
coarse = (DATA["digits"][0] >= 5).astype(int) + (DATA["digits"][0] >= 12)
train = np.arange(len(coarse)) % 4 != 3
seen = coarse[train].max(axis=0) == coarse.max(axis=0)
keep("digits_coarse", coarse[:, seen][:, ::4], DATA["digits"][1])


def split(name):
    x, y = DATA[name]
    held_back = np.arange(len(x)) % 4 == 3
    return x[~held_back], y[~held_back], x[held_back], y[held_back]


CASES = []


def numbers(array):
    return [float(v) for v in np.asarray(array, dtype=float).ravel()]


def classify(case, data, kind, settings, model, tolerance=None, weights=None, **more):
    x, y, x_new, y_new = split(data)
    kwargs = {} if weights is None else {"sample_weight": weights(len(x))}
    model.fit(x, y, **kwargs)
    proba = model.predict_proba(x_new)
    CASES.append({
        "name": case, "data": data, "recipe": {"kind": kind, "settings": settings},
        "weighted": weights is not None,
        "scores": numbers(proba) if tolerance else None, "tolerance": tolerance,
        "metric": "accuracy", "value": float(metrics.accuracy_score(y_new, model.predict(x_new))), **more,
    })
    return model


def regress(case, data, kind, settings, model, tolerance=None, weights=None, columns=None):
    x, y, x_new, y_new = split(data)
    if columns is not None:
        x, x_new = x[:, columns], x_new[:, columns]
    kwargs = {} if weights is None else {"sample_weight": weights(len(x))}
    model.fit(x, y, **kwargs)
    answer = model.predict(x_new)
    CASES.append({
        "name": case, "data": data, "recipe": {"kind": kind, "settings": settings},
        "weighted": weights is not None,
        "scores": numbers(answer) if tolerance else None, "tolerance": tolerance,
        "metric": "r2", "value": float(metrics.r2_score(y_new, answer)),
    })


def some_weights(n):
    return (np.arange(n) % 5 + 1) / 2


logistic = lambda c=1.0: LogisticRegression(C=c, solver="newton-cholesky", tol=1e-12, max_iter=1000)
LOGISTIC = {"kind": "logistic_regression", "settings": {"c": 1.0, "tol": 1e-12}}
GAUSSIAN = {"kind": "gaussian_nb", "settings": {}}
RIDGE = {"kind": "ridge", "settings": {"alpha": 0.5}}

for data in ("iris", "wine", "breast_cancer", "digits"):
    classify("gaussian_nb", data, "gaussian_nb", {}, GaussianNB(), 1e-7)
classify("gaussian_nb weighted", "iris", "gaussian_nb", {"priors": [0.2, 0.3, 0.5]}, GaussianNB(priors=[0.2, 0.3, 0.5]), 1e-7, some_weights)
classify("multinomial_nb", "digits", "multinomial_nb", {"alpha": 0.5}, MultinomialNB(alpha=0.5), 1e-8)
classify("multinomial_nb weighted", "wine", "multinomial_nb", {}, MultinomialNB(), 1e-7, some_weights)
classify("complement_nb", "digits", "complement_nb", {}, ComplementNB(), 1e-8)
classify("complement_nb norm", "iris", "complement_nb", {"norm": True}, ComplementNB(norm=True), 1e-8, some_weights)
classify("bernoulli_nb", "digits", "bernoulli_nb", {"binarize": 7.5}, BernoulliNB(binarize=7.5), 1e-8)
classify("bernoulli_nb weighted", "iris", "bernoulli_nb", {"binarize": 3.0, "alpha": 0.1}, BernoulliNB(binarize=3.0, alpha=0.1), 1e-8, some_weights)
classify("categorical_nb", "digits_coarse", "categorical_nb", {"alpha": 0.7}, CategoricalNB(alpha=0.7), 1e-8)

for data in ("wine_scaled", "breast_cancer_scaled"):
    for k, weights, p in [(5, "uniform", 2), (7, "distance", 2), (4, "distance", 1), (3, "distance", 3)]:
        classify(f"k_neighbors {k} {weights} {p}", data, "k_neighbors", {"n_neighbors": k, "weights": weights, "p": float(p)},
                 KNeighborsClassifier(n_neighbors=k, weights=weights, p=p), 1e-9)
# Distances between whole or rounded numbers are often equal, and which of them counts is left open.
for data in ("iris", "digits"):
    classify("k_neighbors 5", data, "k_neighbors", {"n_neighbors": 5}, KNeighborsClassifier())
regress("k_neighbors 10", "diabetes", "k_neighbors", {"n_neighbors": 10}, KNeighborsRegressor(n_neighbors=10), 1e-9)
regress("k_neighbors 6 distance", "diabetes", "k_neighbors", {"n_neighbors": 6, "weights": "distance"},
        KNeighborsRegressor(n_neighbors=6, weights="distance"), 1e-9)

for alpha, ratio in [(0.01, 0.5), (0.001, 0.9), (0.1, 0.7)]:
    regress(f"elastic_net {alpha} {ratio}", "diabetes", "elastic_net", {"alpha": alpha, "l1_ratio": ratio, "tol": 1e-13, "max_iter": 100000},
            ElasticNet(alpha=alpha, l1_ratio=ratio, tol=1e-13, max_iter=1000000), 1e-6)
regress("elastic_net positive weighted", "diabetes", "elastic_net", {"alpha": 0.005, "positive": True, "tol": 1e-13, "max_iter": 100000},
        ElasticNet(alpha=0.005, positive=True, tol=1e-13, max_iter=1000000), 1e-6, some_weights)
regress("lasso", "diabetes", "lasso", {"alpha": 0.5, "tol": 1e-13, "max_iter": 100000}, Lasso(alpha=0.5, tol=1e-13, max_iter=1000000), 1e-6)

for case, kind, settings, model in [
    ("poisson", "poisson_regressor", {"alpha": 0.001}, PoissonRegressor(alpha=0.001, solver="newton-cholesky", tol=1e-10, max_iter=1000)),
    ("gamma", "gamma_regressor", {"alpha": 0.001}, GammaRegressor(alpha=0.001, solver="newton-cholesky", tol=1e-10, max_iter=1000)),
    ("tweedie 1.5", "tweedie_regressor", {"power": 1.5, "alpha": 0.0001}, TweedieRegressor(power=1.5, alpha=0.0001, solver="newton-cholesky", tol=1e-10, max_iter=1000)),
    ("tweedie 3", "tweedie_regressor", {"power": 3.0, "alpha": 0.000001}, TweedieRegressor(power=3, alpha=0.000001, solver="newton-cholesky", tol=1e-10, max_iter=1000)),
    ("tweedie 0", "tweedie_regressor", {"power": 0.0, "alpha": 0.01}, TweedieRegressor(power=0, alpha=0.01, solver="newton-cholesky", tol=1e-10, max_iter=1000)),
]:
    regress(case, "diabetes", kind, {**settings, "tol": 1e-12}, model, 1e-6)
    regress(case + " weighted", "diabetes", kind, {**settings, "tol": 1e-12}, model, 1e-6, some_weights)

for data in ("breast_cancer", "iris"):
    for ensemble in (True, False):
        for method, tolerance in (("sigmoid", 1e-6), ("isotonic", 1e-7)):
            classify(f"calibrated {method} {ensemble}", data, "calibrated_classifier",
                     {"trainer": GAUSSIAN, "method": method, "ensemble": ensemble},
                     CalibratedClassifierCV(GaussianNB(), method=method, ensemble=ensemble, cv=5), tolerance)
classify("calibrated log odds", "breast_cancer_scaled", "calibrated_classifier",
         {"trainer": LOGISTIC, "method": "sigmoid", "on": "log_odds", "cv": 3},
         CalibratedClassifierCV(logistic(), method="sigmoid", cv=3, ensemble=True), 1e-6)

classify("stacking", "breast_cancer_scaled", "stacking", {"members": [GAUSSIAN, LOGISTIC], "final_estimator": LOGISTIC},
         StackingClassifier([("a", GaussianNB()), ("b", logistic())], final_estimator=logistic()), 1e-6)
classify("stacking passthrough", "iris", "stacking", {"members": [GAUSSIAN, LOGISTIC], "final_estimator": LOGISTIC, "passthrough": True, "cv": 4},
         StackingClassifier([("a", GaussianNB()), ("b", logistic())], final_estimator=logistic(), passthrough=True, cv=4), 1e-6)
regress("stacking", "diabetes", "stacking", {"members": [RIDGE, {"kind": "k_neighbors", "settings": {"n_neighbors": 9}}], "final_estimator": RIDGE},
        StackingRegressor([("a", Ridge(alpha=0.5)), ("b", KNeighborsRegressor(n_neighbors=9))], final_estimator=Ridge(alpha=0.5)), 1e-7)
for data in ("iris", "breast_cancer_scaled", "wine_scaled"):
    classify("one_vs_rest", data, "one_vs_rest", {"trainer": LOGISTIC}, OneVsRestClassifier(logistic()), 1e-7)
classify("class_weighted", "breast_cancer_scaled", "class_weighted", {"trainer": LOGISTIC, "class_weight": "balanced"},
         LogisticRegression(class_weight="balanced", solver="newton-cholesky", tol=1e-12), 1e-7)
classify("class_weighted map", "iris", "class_weighted", {"trainer": LOGISTIC, "class_weight": {"map": {"0": 2.0, "2": 0.5}}},
         LogisticRegression(class_weight={0: 2.0, 2: 0.5}, solver="newton-cholesky", tol=1e-12), 1e-7, some_weights)
for score in ("balanced_accuracy", "f1"):
    model = classify(f"tuned_threshold {score}", "breast_cancer", "tuned_threshold", {"trainer": GAUSSIAN, "score": score},
                     TunedThresholdClassifierCV(GaussianNB(), scoring=score), 1e-7)
    CASES[-1]["threshold"] = float(model.best_threshold_)
classify("bagging", "breast_cancer_scaled", "bagging", {"trainer": LOGISTIC, "drawing": {"n_estimators": 20}},
         BaggingClassifier(logistic(), n_estimators=20, random_state=0))

TARGETS = [
    ("log1p", "log1p", FunctionTransformer(np.log1p, np.expm1)),
    ("box_cox", {"box_cox": {"lambda": None}}, PowerTransformer(method="box-cox")),
    ("quantile", {"quantile": {"normal": False, "n_quantiles": 100}}, QuantileTransformer(n_quantiles=100)),
    ("quantile normal", {"quantile": {"normal": True, "n_quantiles": 100}}, QuantileTransformer(n_quantiles=100, output_distribution="normal")),
    ("standard", "standard", StandardScaler()),
]
for case, target, transformer in TARGETS:
    regress(f"transformed_target {case}", "diabetes", "transformed_target", {"trainer": RIDGE, "map": target},
            TransformedTargetRegressor(Ridge(alpha=0.5), transformer=transformer), 1e-5)
regress("isotonic_regression", "diabetes", "isotonic_regression", {"feature": "x2"}, IsotonicRegression(out_of_bounds="clip"), 1e-9, columns=2)
regress("isotonic_regression weighted", "diabetes", "isotonic_regression", {"feature": "x8"}, IsotonicRegression(out_of_bounds="clip"), 1e-9, some_weights, columns=8)

for data, gamma in (("iris", 0.5), ("wine_scaled", 0.05), ("breast_cancer_scaled", 0.02)):
    x, y, x_new, y_new = split(data)
    model = SVC(C=1.0, gamma=gamma, tol=1e-6, decision_function_shape="ovo").fit(x, y)
    CASES.append({"name": "svc", "data": data, "recipe": {"kind": "svc", "settings": {"c": 1.0, "kernel": {"rbf": {"gamma": gamma}}, "tol": 1e-6}},
                  "weighted": False, "scores": None, "tolerance": None,
                  "decision": numbers(model.decision_function(x_new)),
                  "metric": "accuracy", "value": float(model.score(x_new, y_new))})
x, y, x_new, y_new = split("diabetes")
for kernel, settings in (("rbf", {"rbf": {"gamma": 5.0}}), ("linear", "linear"), ("poly", {"poly": {"degree": 2, "gamma": 3.0, "coef0": 1.0}})):
    gamma = {"rbf": 5.0, "poly": 3.0}.get(kernel, 1.0)
    regress(f"svr {kernel}", "diabetes", "svr", {"c": 50.0, "epsilon": 5.0, "kernel": settings, "tol": 1e-6},
            SVR(C=50.0, epsilon=5.0, kernel=kernel, gamma=gamma, degree=2, coef0=1.0, tol=1e-6), 1e-4)
for data in ("iris", "breast_cancer"):
    classify("ada_boost", data, "ada_boost", {"trainer": GAUSSIAN, "n_estimators": 10, "learning_rate": 0.5},
             AdaBoostClassifier(GaussianNB(), n_estimators=10, learning_rate=0.5), 1e-6)


def cluster(case, data, kind, settings, metric, value, **more):
    CASES.append({"name": case, "data": data, "recipe": {"kind": kind, "settings": settings}, "weighted": False,
                  "scores": None, "tolerance": None, "metric": metric, "value": float(value), **more})


for data, k in (("iris", 3), ("wine_scaled", 3), ("breast_cancer_scaled", 4), ("digits", 10)):
    x, _, x_new, _ = split(data)
    init = x[:: len(x) // k][:k]
    model = KMeans(k, init=init, n_init=1, tol=0.0, max_iter=1000).fit(x)
    cluster("k_means from given centres", data, "k_means", {"n_clusters": k, "init": init.tolist(), "tol": 0.0, "max_iter": 1000},
            "inertia", model.inertia_, labels=[int(v) for v in model.predict(x_new)], exact=True)
    if data != "digits":
        model = KMeans(k, n_init=10, random_state=0).fit(x)
        cluster("k_means, 10 beginnings", data, "k_means", {"n_clusters": k, "n_init": 10}, "inertia", model.inertia_)
    if data in ("iris", "wine_scaled"):
        model = GaussianMixture(k, covariance_type="diag", n_init=10, random_state=0, tol=1e-5, max_iter=1000, reg_covar=1e-3).fit(x)
        cluster("gaussian_mixture diag, 10 beginnings", data, "gaussian_mixture",
                {"n_components": k, "covariance": "diag", "n_init": 10, "tol": 1e-5, "max_iter": 1000, "reg_covar": 1e-3},
                "log_likelihood", model.score(x))
for covariance in ("full", "tied", "spherical", "diag"):
    x, _, x_new, _ = split("iris")
    # From one start: every row in the group of the nearest of three rows' k-means.
    init = x[:: len(x) // 3][:3]
    labels = ((x[:, None, :] - init[None]) ** 2).sum(axis=2).argmin(axis=1)
    model = GaussianMixture(3, covariance_type=covariance, tol=1e-10, max_iter=5000)
    resp = np.eye(3)[labels]
    model._initialize_parameters = lambda X, random_state, xp=None, m=model: m._initialize(X, resp)
    model.fit(x)
    CASES.append({"name": f"gaussian_mixture {covariance}", "data": "iris",
                  "recipe": {"kind": "gaussian_mixture", "settings": {"n_components": 3, "covariance": covariance, "tol": 1e-10, "max_iter": 5000, "means_init": init.tolist()}},
                  "weighted": False, "scores": numbers(model.predict_proba(x_new)), "tolerance": 1e-6, "metric": "log_likelihood", "value": float(model.score(x)), "exact": True})
for data, eps, least in (("iris", 0.5, 5), ("wine_scaled", 2.2, 6), ("digits", 20.0, 5)):
    x, _, _, _ = split(data)
    model = DBSCAN(eps=eps, min_samples=least).fit(x)
    cores = np.zeros(len(x), dtype=bool)
    cores[model.core_sample_indices_] = True
    cluster("dbscan", data, "dbscan", {"eps": eps, "min_samples": least}, "clusters", model.labels_.max() + 1,
            core_labels=[int(v) if core else None for v, core in zip(model.labels_, cores)],
            noise=[bool(v < 0) for v in model.labels_], exact=True)

(HERE / "estimator_data.json").write_text(json.dumps({
    name: {"x": [[int(v) if v == int(v) else float(v) for v in row] for row in x], "y": [int(v) if np.issubdtype(y.dtype, np.integer) else float(v) for v in y],
           "quantity": bool(np.issubdtype(y.dtype, np.floating))}
    for name, (x, y) in DATA.items()}, separators=(",", ":")) + "\n")
(HERE / "estimators.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in CASES) + "\n]\n")
