"""Reference values for metrics, curves, rankings, clusterings and paired tests.

Run with Python 3.11 and
    pip install scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0 fairlearn==0.15.0
It writes evaluation.json beside itself. `null` is what scikit-learn does not define (NaN, infinite, or an exception).
"""

import json
import math
import pathlib
import warnings

import numpy as np
from sklearn import metrics
from sklearn.calibration import calibration_curve
from statsmodels.stats.contingency_tables import mcnemar

HERE = pathlib.Path(__file__).parent
warnings.filterwarnings("ignore")


def plain(value):
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, (np.ndarray, list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


def measured(functions):
    values = {}
    for name, function in functions.items():
        try:
            value = plain(function())
        except (ValueError, ZeroDivisionError):
            value = None
        values[name] = value
    return values


# ------------------------------------------------------------- classification


def expected_calibration_error(probability, happened, weight, bins):
    edges = np.linspace(0, 1, bins + 1)
    of = np.searchsorted(edges[1:-1], probability)
    error = 0.0
    for b in range(bins):
        w = weight[of == b]
        if w.sum() > 0:
            gap = np.average(probability[of == b], weights=w) - np.average(happened[of == b], weights=w)
            error += w.sum() * abs(gap)
    return error / weight.sum()


def classification(name, truth, proba, weight=None):
    truth, proba = np.asarray(truth), np.asarray(proba, dtype=float)
    k = proba.shape[1]
    labels = list(range(k))
    predicted = proba.argmax(axis=1)
    w = {} if weight is None else {"sample_weight": np.asarray(weight, dtype=float)}
    ones = np.ones(len(truth)) if weight is None else np.asarray(weight, dtype=float)
    f = {
        "accuracy": lambda: metrics.accuracy_score(truth, predicted, **w),
        "balanced_accuracy": lambda: metrics.balanced_accuracy_score(truth, predicted, **w),
        "balanced_accuracy_adjusted": lambda: metrics.balanced_accuracy_score(truth, predicted, adjusted=True, **w),
        "matthews_corrcoef": lambda: metrics.matthews_corrcoef(truth, predicted, **w),
        "hamming_loss": lambda: metrics.hamming_loss(truth, predicted, **w),
        "zero_one_loss": lambda: metrics.zero_one_loss(truth, predicted, **w),
        "log_loss": lambda: metrics.log_loss(truth, y_proba=proba, labels=labels, **w),
        "d2_log_loss": lambda: metrics.d2_log_loss_score(truth, y_proba=proba, labels=labels, **w),
        "d2_brier": lambda: metrics.d2_brier_score(truth, proba, labels=labels, **w),
    }
    for short in ("linear", "quadratic", None):
        key = "cohen_kappa" + (f"_{short}" if short else "")
        f[key] = lambda s=short: metrics.cohen_kappa_score(truth, predicted, labels=labels, weights=s, **w)
    averages = ["macro", "micro", "weighted"] + (["binary"] if k == 2 else [])
    for average in averages:
        suffix = "" if average == "binary" else f"_{average}"
        for label, zero in (("", 0.0), ("@one", 1.0), ("@skip", np.nan)):
            a = {"average": average, "zero_division": zero} | w
            for short in ("precision", "recall", "f1"):
                score = getattr(metrics, f"{short}_score")
                f[f"{short}{suffix}{label}"] = lambda s=score, a=a: s(truth, predicted, **a)
            for beta in (0.5, 2.0):
                f[f"fbeta{suffix}{label}@{beta}"] = lambda a=a, b=beta: metrics.fbeta_score(truth, predicted, beta=b, **a)
            if label != "@skip":
                f[f"jaccard{suffix}{label}"] = lambda a=a: metrics.jaccard_score(truth, predicted, **a)
    cost = np.arange(k)[:, None] * 2.0 + np.abs(np.arange(k)[:, None] - np.arange(k)[None, :]) * 1.5
    f["cost"] = lambda: np.average(cost[truth, predicted], weights=ones)
    if k == 2:
        p = proba[:, 1]
        f["brier"] = lambda: metrics.brier_score_loss(truth, p, pos_label=1, **w)
        f["roc_auc"] = lambda: metrics.roc_auc_score(truth, p, **w)
        f["average_precision"] = lambda: metrics.average_precision_score(truth, p, **w)
        for most in (0.05, 0.3, 1.0):
            f[f"partial_roc_auc@{most}"] = lambda m=most: metrics.roc_auc_score(truth, p, max_fpr=m, **w)

        def area():
            precision, recall, _ = metrics.precision_recall_curve(truth, p, pos_label=1, **w)
            return metrics.auc(recall, precision)

        f["pr_auc"] = area
        f["top_1_accuracy"] = lambda: metrics.top_k_accuracy_score(truth, p, k=1, labels=labels, **w)
        f["expected_calibration_error"] = lambda: expected_calibration_error(p, truth == 1, ones, 10)
    else:
        f["brier"] = lambda: metrics.brier_score_loss(truth, proba, labels=labels, **w)
        for n in (1, 2, 3):
            f[f"top_{n}_accuracy"] = lambda n=n: metrics.top_k_accuracy_score(truth, proba, k=n, labels=labels, **w)
        for average in ("macro", "micro", "weighted"):
            suffix = "" if average == "macro" else f"_{average}"
            f[f"roc_auc_ovr{suffix}"] = lambda a=average: metrics.roc_auc_score(
                truth, proba, multi_class="ovr", average=a, labels=labels, **w
            )
            if set(truth) == set(labels):
                f[f"average_precision_{average}"] = lambda a=average: metrics.average_precision_score(
                    truth, proba, average=a, **w
                )
        if weight is None:
            for average in ("macro", "weighted"):
                suffix = "" if average == "macro" else f"_{average}"
                f[f"roc_auc_ovo{suffix}"] = lambda a=average: metrics.roc_auc_score(
                    truth, proba, multi_class="ovo", average=a, labels=labels
                )
        top = proba.max(axis=1)
        f["expected_calibration_error"] = lambda: expected_calibration_error(top, truth == predicted, ones, 10)
    matrix = metrics.confusion_matrix(truth, predicted, labels=labels, **w)
    return plain(
        {"name": name, "classes": k, "truth": truth, "scores": proba.ravel(), "weights": weight, "confusion": matrix}
    ) | {"expected": measured(f)}


def two(p):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


def classifications(rng):
    n = 200
    p = rng.uniform(size=n)
    y = (rng.uniform(size=n) < p).astype(int)
    weight = rng.uniform(0.1, 3.0, size=n)
    some = weight * (rng.uniform(size=n) < 0.8)
    tied = np.round(p, 1)
    rare = (rng.uniform(size=n) < 0.03).astype(int)
    cases = [
        classification("two, random", y, two(p)),
        classification("two, weighted", y, two(p), weight),
        classification("two, whole weights", y, two(p), rng.integers(1, 5, size=n)),
        classification("two, weights of zero", y, two(p), some),
        classification("two, ties", y, two(tied)),
        classification("two, ties, weighted", y, two(tied), weight),
        classification("two, rare class", rare, two(p**3)),
        classification("two, constant prediction", y, two(np.full(n, 0.3))),
        classification("two, constant one half", y, two(np.full(n, 0.5)), weight),
        classification("two, perfect", y, two(0.1 + 0.8 * y)),
        classification("two, certain and right", y, two(y)),
        classification("two, certain and wrong", y, two(1 - y)),
        classification("two, certain, some wrong", y, two(np.where(rng.uniform(size=n) < 0.2, 1 - y, y))),
        classification("two, only the first is true", np.zeros(20, dtype=int), two(p[:20])),
        classification("two, only the second is true", np.ones(20, dtype=int), two(p[:20]), weight[:20]),
        classification("two, only the first at all", np.zeros(9, dtype=int), two(p[:9] * 0.4)),
        classification("two, only the second at all", np.ones(9, dtype=int), two(0.6 + p[:9] * 0.4)),
        classification("two, single row, right", [1], two([0.8])),
        classification("two, single row, wrong", [0], two([0.8])),
        classification("two, single weighted row", [1], two([0.2]), [0.7]),
        classification("two, two rows", [0, 1], two([0.7, 0.7])),
        classification("two, tiny differences", y, two(0.5 + (p - 0.5) * 1e-15)),
        classification("two, weights of very different size", y, two(p), 10.0 ** rng.integers(-8, 8, size=n)),
    ]
    for k, n in ((3, 150), (5, 300)):
        proba = rng.dirichlet(np.ones(k), size=n)
        y = np.array([rng.choice(k, p=0.6 * row + 0.4 / k) for row in proba])
        weight = rng.uniform(0.1, 3.0, size=n)
        rounded = np.round(proba * 4) / 4 + 0.25
        rounded /= rounded.sum(axis=1, keepdims=True)
        never = proba.copy()
        never[:, 1] = 0
        never /= never.sum(axis=1, keepdims=True)
        missing = np.where(y == 1, 0, y)
        cases += [
            classification(f"{k}, random", y, proba),
            classification(f"{k}, weighted", y, proba, weight),
            classification(f"{k}, ties", y, rounded),
            classification(f"{k}, ties, weighted", y, rounded, weight),
            classification(f"{k}, a class is never predicted", y, never),
            classification(f"{k}, a class is never true", missing, proba),
            classification(f"{k}, a class is nowhere", missing, never, weight),
            classification(f"{k}, constant prediction", y, np.full((n, k), 1 / k)),
            classification(f"{k}, perfect", y, 0.05 + (1 - 0.05 * k) * np.eye(k)[y]),
            classification(f"{k}, certain", y, np.eye(k)[np.roll(y, 1)]),
            classification(f"{k}, only one is true", np.full(7, 2), proba[:7]),
            classification(f"{k}, single row", [1], proba[:1]),
        ]
    return cases


# ------------------------------------------------------------------ regression


def regression(name, truth, answer, weight=None):
    truth, answer = np.asarray(truth, dtype=float), np.asarray(answer, dtype=float)
    w = {} if weight is None else {"sample_weight": np.asarray(weight, dtype=float)}
    counted = slice(None) if weight is None else np.asarray(weight) > 0
    f = {
        "mae": lambda: metrics.mean_absolute_error(truth, answer, **w),
        "mse": lambda: metrics.mean_squared_error(truth, answer, **w),
        "rmse": lambda: metrics.root_mean_squared_error(truth, answer, **w),
        "median_absolute_error": lambda: metrics.median_absolute_error(truth, answer, **w),
        "mape": lambda: metrics.mean_absolute_percentage_error(truth, answer, **w),
        "msle": lambda: metrics.mean_squared_log_error(truth, answer, **w),
        "rmsle": lambda: metrics.root_mean_squared_log_error(truth, answer, **w),
        "r2": lambda: metrics.r2_score(truth, answer, **w),
        "explained_variance": lambda: metrics.explained_variance_score(truth, answer, **w),
        "max_error": lambda: metrics.max_error(truth[counted], answer[counted]),
    }
    for alpha in (0.0, 0.1, 0.5, 0.9, 1.0):
        f[f"pinball_loss@{alpha}"] = lambda a=alpha: metrics.mean_pinball_loss(truth, answer, alpha=a, **w)
        f[f"d2_pinball@{alpha}"] = lambda a=alpha: metrics.d2_pinball_score(truth, answer, alpha=a, **w)
    f["d2_absolute_error"] = lambda: metrics.d2_absolute_error_score(truth, answer, **w)
    for power in (-1.0, 0.0, 1.0, 1.5, 2.0, 3.0):
        f[f"tweedie_deviance@{power}"] = lambda p=power: metrics.mean_tweedie_deviance(truth, answer, power=p, **w)
        # Of a constant target scikit-learn gives what rounding leaves.
        if len(set(truth)) > 1 or len(truth) == 1:
            f[f"d2_tweedie@{power}"] = lambda p=power: metrics.d2_tweedie_score(truth, answer, power=p, **w)
    return plain({"name": name, "truth": truth, "answer": answer, "weights": weight}) | {"expected": measured(f)}


def regressions(rng):
    n = 200
    y = rng.normal(size=n) * 3 + 1
    answer = y + rng.normal(size=n)
    weight = rng.uniform(0.1, 3.0, size=n)
    some = weight * (rng.uniform(size=n) < 0.8)
    positive = rng.gamma(2.0, 2.0, size=n)
    estimate = positive * rng.uniform(0.5, 2.0, size=n)
    counts = rng.poisson(2.0, size=n).astype(float)
    rate = rng.uniform(0.5, 4.0, size=n)
    return [
        regression("random", y, answer),
        regression("weighted", y, answer, weight),
        regression("whole weights", y, answer, rng.integers(1, 5, size=n)),
        regression("weights of zero", y, answer, some),
        regression("odd number of rows", y[:31], answer[:31], weight[:31]),
        regression("positive", positive, estimate),
        regression("positive, weighted", positive, estimate, weight),
        regression("counts with zeros", counts, rate),
        regression("counts with zeros, weighted", counts, rate, weight),
        regression("ties", np.round(y), np.round(answer)),
        regression("ties, weighted", np.round(y), np.round(answer), weight),
        regression("perfect", y, y),
        regression("perfect, weighted", positive, positive, weight),
        regression("constant target, exact", np.full(5, 2.0), np.full(5, 2.0)),
        regression("constant target, off", np.full(5, 2.0), [2.0, 2.5, 3.0, 2.0, 1.0]),
        regression("constant target, off by the same", np.full(4, 2.0), np.full(4, 3.0)),
        regression("constant answer", y, np.full(n, 1.0)),
        regression("off by the same", [1.0, 2.0, 4.0], [2.0, 3.0, 5.0]),
        regression("single row", [2.0], [3.0]),
        regression("single row, exact", [2.0], [2.0], [0.5]),
        regression("two rows", [1.0, 2.0], [2.0, 1.0]),
        regression("a truth of zero", [0.0, 1.0, 2.0], [0.5, 1.0, 2.5]),
        regression("very large and very small", [1e-12, 1.0, 1e12], [2e-12, 1.5, 1.1e12]),
        regression("negative numbers", -positive, -estimate),
    ]


# ----------------------------------------------------------------------- curves


def curves(name, truth, p, weight=None):
    truth, p = np.asarray(truth), np.asarray(p, dtype=float)
    w = {} if weight is None else {"sample_weight": np.asarray(weight, dtype=float)}
    ones = np.ones(len(truth)) if weight is None else np.asarray(weight, dtype=float)

    def points(curve):
        return [[None if not math.isfinite(x) else float(x) for x in row] for row in zip(*curve)]

    out = {
        "roc": points(metrics.roc_curve(truth, p, drop_intermediate=False, **w)),
        "precision_recall": points(
            (lambda a: (a[0], a[1], np.append(a[2], np.inf)))(metrics.precision_recall_curve(truth, p, **w))
        ),
        "det": points(metrics.det_curve(truth, p, **w)),
    }
    if weight is None:
        out["roc_simplified"] = points(metrics.roc_curve(truth, p, **w))
        for strategy in ("uniform", "quantile"):
            for bins in (5, 10):
                out[f"calibration_{strategy}_{bins}"] = points(
                    calibration_curve(truth, p, n_bins=bins, strategy=strategy)
                )
    order = np.argsort(-p, kind="stable")
    rows, found = np.cumsum(ones[order]), np.cumsum((ones * truth)[order])
    last = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    out["gain"] = points((np.append(0, rows[last] / rows[-1]), np.append(0, found[last] / found[-1])))
    return plain({"name": name, "truth": truth, "scores": p, "weights": weight}) | out


def all_curves(rng):
    n = 60
    p = rng.uniform(size=n)
    y = (rng.uniform(size=n) < p).astype(int)
    return [
        curves("random", y, p),
        curves("weighted", y, p, rng.uniform(0.1, 3.0, size=n)),
        curves("ties", y, np.round(p, 1)),
        curves("ties, weighted", y, np.round(p, 1), rng.uniform(0.1, 3.0, size=n)),
        curves("perfect", y, 0.1 + 0.8 * y),
        curves("all wrong", y, 0.9 - 0.8 * y),
        curves("constant", y, np.full(n, 0.25)),
        curves("two rows", [0, 1], [0.2, 0.9]),
    ]


# --------------------------------------------------------------------- rankings


def ranking(name, relevance, scores, weight=None):
    relevance, scores = np.asarray(relevance, dtype=float), np.asarray(scores, dtype=float)
    w = {} if weight is None else {"sample_weight": np.asarray(weight, dtype=float)}
    relevant = (relevance > 0).astype(int)
    f = {}
    for k in (None, 1, 3):
        suffix = "" if k is None else f"@{k}"
        f[f"dcg{suffix}"] = lambda k=k: metrics.dcg_score(relevance, scores, k=k, **w)
        f[f"ndcg{suffix}"] = lambda k=k: metrics.ndcg_score(relevance, scores, k=k, **w)
    f["label_ranking_average_precision"] = lambda: metrics.label_ranking_average_precision_score(relevant, scores, **w)
    f["label_ranking_loss"] = lambda: metrics.label_ranking_loss(relevant, scores, **w)
    f["coverage_error"] = lambda: metrics.coverage_error(relevant, scores, **w)
    f["mean_average_precision"] = lambda: np.average(
        [metrics.average_precision_score(r, s) for r, s in zip(relevant, scores)], weights=weight
    )

    def reciprocal(r, s):
        return 1 / min(((s >= x).sum() for x in s[r > 0]), default=np.inf)

    f["mean_reciprocal_rank"] = lambda: np.average([reciprocal(r, s) for r, s in zip(relevant, scores)], weights=weight)
    given = {"name": name, "width": relevance.shape[1], "relevance": relevance.ravel(), "scores": scores.ravel()}
    return plain(given | {"weights": weight}) | {"expected": measured(f)}


def rankings(rng):
    graded = rng.integers(0, 4, size=(20, 8))
    scores = rng.normal(size=(20, 8))
    rare = (rng.uniform(size=(20, 8)) < 0.2).astype(int)
    rare[0], rare[1] = 0, 1
    weight = rng.uniform(0.1, 3.0, size=20)
    return [
        ranking("graded", graded, scores),
        ranking("graded, weighted", graded, scores, weight),
        ranking("graded, ties", graded, np.round(scores)),
        ranking("relevant or not", rare, scores),
        ranking("relevant or not, ties, weighted", rare, np.round(scores), weight),
        ranking("constant scores", graded, np.zeros((20, 8))),
        ranking("perfect", graded, graded),
        ranking("a single query", [[0, 1, 2]], [[0.1, 0.2, 0.3]]),
    ]


# ------------------------------------------------------------------- clusterings


def agreement(name, a, b):
    a, b = np.asarray(a), np.asarray(b)
    f = {
        "rand_index": lambda: metrics.rand_score(a, b),
        "adjusted_rand_index": lambda: metrics.adjusted_rand_score(a, b),
        "mutual_information": lambda: metrics.mutual_info_score(a, b),
        "homogeneity": lambda: metrics.homogeneity_score(a, b),
        "completeness": lambda: metrics.completeness_score(a, b),
        "v_measure": lambda: metrics.v_measure_score(a, b),
        "v_measure@0.5": lambda: metrics.v_measure_score(a, b, beta=0.5),
        "fowlkes_mallows": lambda: metrics.fowlkes_mallows_score(a, b),
    }
    for average in ("arithmetic", "geometric", "max", "min"):
        f[f"nmi@{average}"] = lambda m=average: metrics.normalized_mutual_info_score(a, b, average_method=m)
        f[f"ami@{average}"] = lambda m=average: metrics.adjusted_mutual_info_score(a, b, average_method=m)
    return plain({"name": name, "truth": a, "groups": b}) | {"expected": measured(f)}


def agreements(rng):
    a = rng.integers(0, 4, size=60)
    noisy = np.where(rng.uniform(size=60) < 0.3, rng.integers(0, 4, size=60), a)
    return [
        agreement("random", a, rng.integers(0, 5, size=60)),
        agreement("noisy", a, noisy),
        agreement("renamed", a, (a + 1) % 4 * 10),
        agreement("one group against many", np.zeros(20), np.arange(20)),
        agreement("one group in both", np.zeros(7), np.full(7, 3)),
        agreement("each alone in both", np.arange(6), np.arange(6)[::-1]),
        agreement("independent", [0, 0, 1, 1], [0, 1, 0, 1]),
        agreement("a single row", [1], [2]),
        agreement("finer", a, a * 2 + rng.integers(0, 2, size=60)),
    ]


def clustering(name, points, labels):
    points, labels = np.asarray(points, dtype=float), np.asarray(labels)
    f = {
        "silhouette": lambda: metrics.silhouette_score(points, labels),
        "calinski_harabasz": lambda: metrics.calinski_harabasz_score(points, labels),
        "davies_bouldin": lambda: metrics.davies_bouldin_score(points, labels),
    }
    return plain({"name": name, "width": points.shape[1], "points": points.ravel(), "labels": labels}) | {
        "expected": measured(f)
    }


def clusterings(rng):
    labels = rng.integers(0, 3, size=60)
    blobs = rng.normal(size=(60, 3)) + labels[:, None] * 3
    whole = rng.integers(0, 8, size=(30, 2))
    return [
        clustering("blobs", blobs, labels),
        clustering("noise", rng.normal(size=(40, 2)), rng.integers(0, 4, size=40)),
        clustering("equal points", whole, rng.integers(0, 3, size=30)),
        clustering("a cluster of one", whole[:10], [0] * 5 + [1] * 4 + [2]),
        clustering("no spread within", [[0, 0], [0, 0], [1, 1], [1, 1]], [0, 0, 1, 1]),
        clustering("all at one point", np.ones((6, 2)), [0, 0, 0, 1, 1, 1]),
        clustering("one cluster", whole, np.zeros(30)),
    ]


# ------------------------------------------------------------------ paired tests


def paired_tests():
    tables = [[[59, 6], [16, 80]], [[10, 0], [0, 10]], [[30, 12], [40, 18]], [[5, 1], [0, 4]], [[500, 120], [150, 300]]]
    out = []
    for table in tables:
        exact = mcnemar(table, exact=True)
        corrected = mcnemar(table, exact=False, correction=True)
        plain_test = mcnemar(table, exact=False, correction=False)
        out.append(
            plain(
                {
                    "table": table,
                    "exact": exact.pvalue,
                    "corrected": [corrected.statistic, corrected.pvalue],
                    "uncorrected": [plain_test.statistic, plain_test.pvalue],
                }
            )
        )
    return out


# --------------------------------------------------------------------- fairness


def fairness(rng):
    from fairlearn import metrics as fair

    n = 400
    group = rng.choice(["a", "b", "c"], size=n, p=[0.5, 0.4, 0.1])
    p = np.clip(rng.uniform(size=n) + 0.1 * (group == "b"), 0, 1)
    y = (rng.uniform(size=n) < p).astype(int)
    cases = []
    for name, weight in (("random", None), ("weighted", rng.uniform(0.1, 3.0, size=n))):
        given = dict(y_true=y, y_pred=(p > 0.5).astype(int), sensitive_features=group, sample_weight=weight)
        cases.append(
            plain({"name": name, "truth": y, "scores": p, "groups": list(map(str, group)), "weights": weight})
            | {
                "expected": measured(
                    {
                        "demographic_parity_difference": lambda g=given: fair.demographic_parity_difference(**g),
                        "demographic_parity_ratio": lambda g=given: fair.demographic_parity_ratio(**g),
                        "equal_opportunity_difference": lambda g=given: fair.equal_opportunity_difference(**g),
                        "equalized_odds_difference": lambda g=given: fair.equalized_odds_difference(**g),
                    }
                )
            }
        )
    return cases


def main():
    rng = np.random.default_rng(20260704)
    out = {
        "classification": classifications(rng),
        "regression": regressions(rng),
        "curves": all_curves(rng),
        "rankings": rankings(rng),
        "agreements": agreements(rng),
        "clusterings": clusterings(rng),
        "mcnemar": paired_tests(),
        "fairness": fairness(rng),
    }
    lines = []
    for section, cases in out.items():
        body = ",\n".join(json.dumps(case, allow_nan=False, separators=(",", ":")) for case in cases)
        lines.append(f'"{section}":[\n{body}\n]')
    (HERE / "evaluation.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
