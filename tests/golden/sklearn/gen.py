"""Writes the scikit-learn reference values that the Rust tests compare against.

    pip install scikit-learn==1.9.1 numpy scipy mpmath
    python gen.py            # rewrites the *.json files beside this script

Every input is drawn from a `RandomState` with a fixed seed and rounded to a few
decimals, so a rerun gives the same files. NaN and missing values become `null`.
"""

import os

# One thread: the order of additions, and with it the last bit, stays the same.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import itertools
import json
import math
import warnings
from pathlib import Path

import numpy as np
import scipy.special
import scipy.stats
import sklearn
from sklearn import datasets, metrics
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_selection import (
    RFE,
    RFECV,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
    chi2,
    f_classif,
    f_regression,
    mutual_info_classif,
    mutual_info_regression,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    LabelEncoder,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

HERE = Path(__file__).resolve().parent
EXPECTED_VERSION = "1.9.1"


# ---------------------------------------------------------------- JSON helpers


def plain(value):
    """Turns numpy values into what JSON knows; NaN and None become null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def write(name, content):
    """Writes one field per line: readable as a diff, yet small. An infinity is an error."""

    def compact(value):
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))

    def record(fields):
        lines = [f" {compact(key)}: {compact(value)}" for key, value in fields.items()]
        return "{\n" + ",\n".join(lines) + "\n}"

    content = plain(content)
    text = "[" + ",\n".join(map(record, content)) + "]" if isinstance(content, list) else record(content)
    (HERE / name).write_text(text + "\n", encoding="utf-8")


def matrix(columns):
    """Columns as the 2-D array scikit-learn wants: float64, or objects if any text or integer."""
    values = [[math.nan if item is None else item for item in column] for column in columns.values()]
    numeric = all(isinstance(item, float) for column in values for item in column)
    result = np.empty((len(values[0]), len(values)), dtype=np.float64 if numeric else object)
    for index, column in enumerate(values):
        result[:, index] = column
    return result


def by_column(names, values):
    """Pairs column names with one entry each."""
    return None if values is None else dict(zip(names, values, strict=True))


# ---------------------------------------------------------------- transformers


def transformer_case(name, estimator, params, columns, new, learned, target=None, **extra):
    """Fits, transforms both tables and records everything under the output column names."""
    estimator.fit(matrix(columns), target)
    outputs = list(estimator.get_feature_names_out(list(columns)))
    return {
        "name": name,
        "transformer": type(estimator).__name__,
        "params": {key: getattr(estimator, key) for key in params},
        "columns": columns,
        "new": new,
        "target": target,
        "fitted": learned(estimator, list(columns)),
        "expected_train": by_column(outputs, np.transpose(estimator.transform(matrix(columns)))),
        "expected_new": by_column(outputs, np.transpose(estimator.transform(matrix(new)))),
    } | extra


def standard_scaler_cases():
    random = np.random.RandomState(11)
    rows = 200
    ordinary = np.round(random.normal(3.0, 2.0, rows), 4)
    # Multiples of 2^-16: every partial sum is exact, so the mean is rounded only once.
    offset = 1e6 + np.round(random.normal(0.0, 1e-3, rows) * 2**16) / 2**16
    offset = [None if row % 25 == 7 else float(item) for row, item in enumerate(offset)]
    # The sum of many 0.1 is inexact: a careless variance is tiny here instead of zero.
    columns = {"ordinary": ordinary.tolist(), "constant": [0.1] * rows, "offset": offset}
    new = {
        "ordinary": [0.0, None, -250.5, 3.0],
        "constant": [0.1, 1.1, None, -4.0],
        "offset": [1e6, 1e6 + 2**-10, None, 0.0],
    }

    def learned(scaler, names):
        seen = np.broadcast_to(scaler.n_samples_seen_, len(names)).astype(int)
        return {
            "mean": by_column(names, scaler.mean_),
            "var": by_column(names, scaler.var_),
            "scale": by_column(names, scaler.scale_),
            "count": by_column(names, seen),
        }

    return [
        transformer_case(
            f"standard_scaler_mean_{str(with_mean).lower()}_std_{str(with_std).lower()}",
            StandardScaler(with_mean=with_mean, with_std=with_std),
            ("with_mean", "with_std"),
            columns,
            new,
            learned,
            # Here one unit in the last place of the mean is already 1e-7 standard deviations.
            tolerance={"offset": 1e-6},
        )
        for with_mean in (True, False)
        for with_std in (True, False)
    ]


def simple_imputer_cases():
    numbers = {
        "odd_count": [4.0, None, 1.0, 2.5, None, 10.0, 1.0, 4.0, None, 7.25],  # 1 and 4 tie as the mode
        "even_count": [None, -3.0, 0.5, 8.0, 2.0, None, 3.0, 3.0, 100.0, 9.0],
        "full": [float(value) for value in range(10)],
    }
    new_numbers = {"odd_count": [None, 5.0], "even_count": [None, None], "full": [None, -1.0]}
    texts = {
        "tied": ["b", "a", None, "b", "a", "c", None],
        "mostly": ["x", None, "y", "y", "", "y", "Z"],
    }
    new_texts = {"tied": [None, "unseen"], "mostly": ["x", None]}
    empty = {"kept": [1.0, None, 4.0], "empty": [None, None, None]}
    new_empty = {"kept": [None, 2.0], "empty": [None, 9.0]}

    def learned(imputer, names):
        return {"statistics": by_column(names, imputer.statistics_)}

    def case(name, columns, new, **options):
        params = ("strategy", "fill_value", "keep_empty_features")
        return transformer_case(name, SimpleImputer(**options), params, columns, new, learned)

    return [
        case("simple_imputer_mean", numbers, new_numbers, strategy="mean"),
        case("simple_imputer_median", numbers, new_numbers, strategy="median"),
        case("simple_imputer_most_frequent", numbers, new_numbers, strategy="most_frequent"),
        case("simple_imputer_constant", numbers, new_numbers, strategy="constant", fill_value=-1.5),
        case("simple_imputer_most_frequent_text", texts, new_texts, strategy="most_frequent"),
        case("simple_imputer_constant_text", texts, new_texts, strategy="constant", fill_value="missing"),
        case("simple_imputer_empty_column_dropped", empty, new_empty, strategy="mean"),
        case("simple_imputer_empty_column_kept", empty, new_empty, strategy="mean", keep_empty_features=True),
    ]


def categories_of(encoder, names):
    return {"categories": by_column(names, encoder.categories_)}


def one_hot_cases():
    columns = {
        "colour": ["red", "green", "blue", "green", "Blue", "", "Öl", "red"],
        "size": [10, 2, 1, 2, 10, 1, 2, 10],  # sorted as numbers, not as text
        "flag": ["yes", "no", "yes", "yes", "no", "no", "yes", "no"],
    }
    new = {
        "colour": ["blue", "violet", None, "Öl"],
        "size": [1, 99, 2, None],
        "flag": ["maybe", "no", "yes", "yes"],
    }
    nullable = {"grade": ["b", None, "a", "b", None], "kind": ["u", "v", "v", "u", "u"]}
    new_nullable = {"grade": [None, "a", "c"], "kind": ["v", None, "u"]}

    def learned(encoder, names):
        fitted = categories_of(encoder, names)
        if encoder.drop_idx_ is not None:
            dropped = [
                {"dropped": index is not None, "category": None if index is None else categories[index]}
                for categories, index in zip(encoder.categories_, encoder.drop_idx_, strict=True)
            ]
            fitted["drop"] = by_column(names, dropped)
        return fitted

    def case(name, columns, new, drop=None):
        encoder = OneHotEncoder(handle_unknown="ignore", drop=drop, sparse_output=False)
        return transformer_case(name, encoder, ("handle_unknown", "drop"), columns, new, learned)

    return [
        case("one_hot_ignore", columns, new),
        case("one_hot_drop_first", columns, new, drop="first"),
        case("one_hot_drop_if_binary", columns, new, drop="if_binary"),
        case("one_hot_null_is_a_category", nullable, new_nullable),
    ]


def ordinal_cases():
    columns = {
        "with_null": ["m", None, "s", "l", "s", "m", None],
        "without_null": ["b", "a", "c", "a", "b", "Z", "a"],
        "number": [30, 4, 200, 4, 30, 30, 4],
    }
    new = {
        "with_null": ["s", None, "xl", "l"],
        "without_null": [None, "c", "Z", "d"],  # a null never met in training counts as unknown
        "number": [4, 5, 200, 30],
    }
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=math.nan
    )
    params = ("handle_unknown", "unknown_value", "encoded_missing_value")
    return [transformer_case("ordinal_unknown_is_minus_one", encoder, params, columns, new, categories_of)]


def target_encoder_cases():
    random = np.random.RandomState(23)
    rows = 60
    cities = np.array(["bern", "lyon", "oslo", "pisa", "riga", "york"])
    effect = dict(zip(cities, [-1.5, -0.5, 0.0, 0.3, 0.9, 2.0], strict=True))
    city = random.choice(cities, rows, p=[0.3, 0.25, 0.2, 0.15, 0.05, 0.05]).tolist()
    city[17] = "solo"  # met once, so absent from the fold that has to encode it
    size = [[None, "large", "medium", "small"][code] for code in random.choice(4, rows, p=[0.1, 0.2, 0.3, 0.4])]
    signal = np.array([effect.get(item, 1.0) for item in city]) + random.normal(0.0, 1.0, rows)
    columns = {"city": city, "size": size}
    new = {
        "city": ["bern", "atlantis", None, "solo", "york"],
        "size": ["small", None, "huge", "medium", "large"],
    }
    binary = (signal > 0.0).astype(int)
    targets = {
        "binary": (binary.tolist(), StratifiedKFold(5)),
        "binary_text": (["yes" if item else "no" for item in binary], StratifiedKFold(5)),
        "continuous": (np.round(10.0 + 3.0 * signal, 3).tolist(), KFold(5)),
    }

    def learned(encoder, names):
        fitted = categories_of(encoder, names) | {
            "encodings": by_column(names, encoder.encodings_),
            "target_mean": encoder.target_mean_,
        }
        if encoder.classes_ is not None:
            fitted["positive_class"] = encoder.classes_[1]
        return fitted

    cases = []
    for kind, (target, folds) in targets.items():
        numbers = np.array(target) == "yes" if kind == "binary_text" else np.array(target)
        for smooth in ("auto", 10.0):
            encoder = TargetEncoder(smooth=smooth, cv=folds)
            crossed = encoder.fit_transform(matrix(columns), target)
            assert np.array_equal(crossed, legacy_cross_fit(columns, target, smooth))
            splits = list(folds.split(np.zeros(rows), target))
            case = transformer_case(
                f"target_encoder_{kind}_smooth_{smooth}",
                encoder,
                ("smooth", "target_type"),
                columns,
                new,
                learned,
                target,
                cross_fit={
                    "splitter": f"{type(folds).__name__}(n_splits=5, shuffle=False)",
                    "test_rows": [test for _, test in splits],
                    "train_target_mean": [numbers[train].mean() for train, _ in splits],
                    "expected_train": by_column(columns, crossed.T),
                },
            )
            cases.append(case)
    return cases


def legacy_cross_fit(columns, target, smooth):
    """The same folds as chosen by `cv=5, shuffle=False`, which release 1.9 deprecates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return TargetEncoder(smooth=smooth, cv=5, shuffle=False).fit_transform(matrix(columns), target)


# ---------------------------------------------------------- numeric transformers


def numeric_tables():
    """A plain table, and an ugly one: constants, ties, a huge offset, outliers, denormals, missing values."""
    random = np.random.RandomState(41)
    rows = 36
    plain_columns = {
        "height": np.round(random.normal(170.0, 9.0, rows), 1).tolist(),
        "income": np.round(np.exp(random.normal(7.5, 0.8, rows)), 2).tolist(),
        "change": np.round(random.normal(0.0, 3.0, rows), 3).tolist(),
    }
    plain_new = {
        "height": [170.0, 120.5, 230.0, 166.25],
        "income": [0.5, 1e6, 1800.0, 2500.75],
        "change": [0.0, -25.0, 40.0, 1.5],
    }
    ugly = {
        "constant": [0.1] * rows,
        "ties": [float(value) for value in random.choice([1, 2, 2, 2, 3, 7], rows)],
        "offset": (1e9 + np.round(random.normal(0.0, 4.0, rows) * 2**10) / 2**10).tolist(),
        "outlier": np.round(random.standard_cauchy(rows) ** 3, 4).tolist(),
        "missing": [None if row % 4 == 1 else round(float(random.gamma(2.0, 3.0)), 3) for row in range(rows)],
        "zeros": [0.0 if row % 3 else round(float(random.normal()), 3) for row in range(rows)],
    }
    ugly_new = {
        "constant": [0.1, 0.2, -3.0, 0.1],
        "ties": [2.0, 2.5, 0.0, 9.0],
        "offset": [1e9, 1e9 + 1.0, 1e9 - 100.0, 0.0],
        "outlier": [0.0, 1e8, -1e8, 0.5],
        "missing": [None, 4.5, -1.0, 300.0],
        "zeros": [0.0, 0.5, -0.5, 4.0],
    }
    return {"plain": (plain_columns, plain_new), "ugly": (ugly, ugly_new)}


def without(columns, *names):
    return {name: values for name, values in columns.items() if name not in names}


def numeric_case(name, estimator, params, columns, new, learned=None, target=None, **extra):
    fitted = learned or (lambda *_: None)
    with warnings.catch_warnings():
        # Of bins that are joined and of fewer rows than quantiles.
        warnings.simplefilter("ignore", UserWarning)
        case = transformer_case(name, estimator, params, columns, new, fitted, target, **extra)
    # The order matters for names of products, and a JSON object has none.
    return ordered(case, estimator.get_feature_names_out(list(columns)))


def ordered(case, outputs):
    return case | {"inputs": list(case["columns"]), "outputs": list(outputs)}


def scaler_cases():
    cases = []
    for table, (columns, new) in numeric_tables().items():
        variants = [
            ("min_max", MinMaxScaler(), ("feature_range", "clip")),
            ("min_max_range_clip", MinMaxScaler(feature_range=(-2.0, 3.0), clip=True), ("feature_range", "clip")),
            ("max_abs", MaxAbsScaler(), ("clip",)),
            ("max_abs_clip", MaxAbsScaler(clip=True), ("clip",)),
            ("robust", RobustScaler(), ROBUST),
            ("robust_unit_variance", RobustScaler(quantile_range=(5.0, 90.0), unit_variance=True), ROBUST),
            ("robust_no_centre", RobustScaler(with_centering=False), ROBUST),
        ]
        cases += [numeric_case(f"{name}_{table}", estimator, params, columns, new) for name, estimator, params in variants]
        complete = without(columns, "missing"), without(new, "missing")
        cases += [numeric_case(f"normalizer_{norm}_{table}", Normalizer(norm=norm), ("norm",), *complete) for norm in ("l1", "l2", "max")]
        cases.append(numeric_case(f"binarizer_{table}", Binarizer(threshold=2.0), ("threshold",), *complete))
    zero = {"x": [0.0, 1e-20, -3.0], "y": [0.0, -1e-20, 4.0]}
    cases += [numeric_case(f"normalizer_{norm}_zero", Normalizer(norm=norm), ("norm",), zero, zero) for norm in ("l1", "l2", "max")]
    return cases


ROBUST = ("with_centering", "with_scaling", "quantile_range", "unit_variance")


def greatest_likelihood(values, method, start):
    """The power of the greatest likelihood, by Newton's method on its slope with 60 digits."""
    import mpmath

    with mpmath.workdps(60):
        numbers = [mpmath.mpf(float(item)) for item in values if not math.isnan(item)]

        def likelihood(power):
            bent = lambda base, p: (base**p - 1) / p if p != 0 else mpmath.log(base)
            if method == "box-cox":
                results, logs = [bent(x, power) for x in numbers], [mpmath.log(x) for x in numbers]
            else:
                results = [bent(x + 1, power) if x >= 0 else -bent(1 - x, 2 - power) for x in numbers]
                logs = [mpmath.sign(x) * mpmath.log1p(abs(x)) for x in numbers]
            mean = mpmath.fsum(results) / len(results)
            variance = mpmath.fsum((y - mean) ** 2 for y in results) / len(results)
            return -len(results) * mpmath.log(variance) / 2 + (power - 1) * mpmath.fsum(logs)

        power, step = mpmath.mpf(float(start)), mpmath.mpf(10) ** -20
        for _ in range(4):
            low, middle, high = (likelihood(power + shift) for shift in (-step, 0, step))
            power -= (high - low) / 2 / step / ((high - 2 * middle + low) / step**2)
        return float(power)


def power_cases():
    """Lambda where the likelihood is greatest, and what scikit-learn's search stopped at."""

    def fit(estimator, columns):
        values = matrix(columns)
        estimator.fit(values)
        stopped = estimator.lambdas_.copy()
        constant = [len(set(column)) == 1 for column in columns.values()]
        for index, power in enumerate(stopped):
            if not constant[index]:
                estimator.lambdas_[index] = greatest_likelihood(values[:, index], estimator.method, power)
        if estimator.standardize:
            transform = PowerTransformer(estimator.method, standardize=False)
            transform.lambdas_, transform.n_features_in_ = estimator.lambdas_, values.shape[1]
            estimator._scaler.fit(transform.transform(values))
        return stopped

    def case(name, columns, new, searched, **options):
        estimator = PowerTransformer(**options)
        stopped = estimator.fit(matrix(columns)).lambdas_.copy() if searched else fit(estimator, columns)
        names, params = list(columns), ("method", "standardize")
        at_optimum = {key: greatest_likelihood(matrix({key: columns[key]})[:, 0], estimator.method, power) for key, power in zip(names, stopped, strict=True) if len(set(columns[key])) > 1}
        if searched:
            assert all(abs(at_optimum[key] - power) < 2e-11 for key, power in zip(names, stopped, strict=True)), (stopped, at_optimum)
        estimator.fit = lambda values, target: estimator
        return transformer_case(
            name, estimator, params, columns, new,
            lambda fitted, _: {"lambda": by_column(names, fitted.lambdas_), "lambda_where_the_search_stopped": by_column(names, stopped)},
        )

    tables = numeric_tables()
    columns, new = tables["plain"]
    ugly, ugly_new = without(tables["ugly"][0], "offset"), without(tables["ugly"][1], "offset")
    positive = {
        "income": columns["income"],
        "tiny": [round(value * 1e-9, 12) for value in columns["income"]],
        "ties": tables["ugly"][0]["ties"],
        "missing": tables["ugly"][0]["missing"],
    }
    positive_new = {"income": [1.0, 1e7, 2000.0], "tiny": [1e-9, 1e-3, 1e-6], "ties": [1.0, 2.5, 100.0], "missing": [None, 0.001, 40.0]}
    negative = {"negative": [-1.0 - value for value in columns["income"]], "change": columns["change"]}
    negative_new = {"negative": [-1.0, -5000.0, 3.0], "change": [-40.0, 0.0, 40.0]}
    cases = [
        case("power_yeo_johnson_plain", columns, new, False),
        case("power_yeo_johnson_ugly", ugly, ugly_new, False),
        case("power_yeo_johnson_not_standardised", columns, new, False, standardize=False),
        case("power_yeo_johnson_negative", negative, negative_new, False),
        case("power_box_cox_positive", positive, positive_new, False, method="box-cox"),
        case("power_box_cox_not_standardised", positive, positive_new, False, method="box-cox", standardize=False),
    ]
    # Untouched scikit-learn, on draws for which its search happens to stop on the maximum.
    for method, seed in POWER_SEEDS:
        random = np.random.RandomState(seed)
        drawn = np.round(random.gamma(2.0, 3.0, 80) + 0.05 - (3.0 if method == "yeo-johnson" else 0.0), 3)
        new_values = {"drawn": [0.5, 2.25, 60.0]}
        cases.append(case(f"power_{method.replace('-', '_')}_as_searched_{seed}", {"drawn": drawn.tolist()}, new_values, True, method=method))
    return cases


POWER_SEEDS = [("box-cox", 45), ("box-cox", 156), ("yeo-johnson", 65), ("yeo-johnson", 92)]


def quantile_cases():
    cases = []
    for table, (columns, new) in numeric_tables().items():
        for distribution in ("uniform", "normal"):
            for count in (1000, 7):
                estimator = QuantileTransformer(n_quantiles=count, output_distribution=distribution, subsample=None)
                params = ("n_quantiles", "output_distribution")
                cases.append(numeric_case(f"quantile_{distribution}_{count}_{table}", estimator, params, columns, new))
    return cases


def bins_cases():
    params = ("n_bins", "encode", "strategy", "quantile_method")
    cases = []
    for table, (columns, new) in numeric_tables().items():
        columns, new = without(columns, "missing"), without(new, "missing")
        for strategy in ("uniform", "quantile", "kmeans"):
            for encode in ("ordinal", "onehot-dense"):
                estimator = KBinsDiscretizer(5, encode=encode, strategy=strategy, subsample=None)
                cases.append(numeric_case(f"bins_{strategy}_{encode}_{table}", estimator, params, columns, new))
        for method in (
            "inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull",
            "linear", "median_unbiased", "normal_unbiased",
        ):
            estimator = KBinsDiscretizer(8, encode="ordinal", quantile_method=method, subsample=None)
            cases.append(numeric_case(f"bins_quantile_{method}_{table}", estimator, params, columns, new))
    # The even centres of a skewed column leave clusters empty.
    random = np.random.RandomState(43)
    skewed = {"skewed": np.round(np.exp(random.normal(0.0, 2.5, 200)), 4).tolist(), "few": [float(v) for v in random.choice([0, 1, 2, 50], 200)]}
    new = {"skewed": [0.0, 1.0, 30.0, 1e4], "few": [0.5, 1.5, 25.0, 60.0]}
    for count in (3, 10):
        # With more clusters than values it is left open which of equally far ones fills an empty one.
        names = ["few"] if count > 4 else []
        inputs = without(skewed, *names), without(new, *names)
        estimator = KBinsDiscretizer(count, encode="ordinal", strategy="kmeans", subsample=None)
        cases.append(numeric_case(f"bins_kmeans_{count}_skewed", estimator, params, *inputs))
    return cases


def polynomial_cases():
    params = ("degree", "interaction_only", "include_bias")
    variants = {
        "2": {}, "3_no_bias": {"degree": 3, "include_bias": False}, "interactions": {"degree": 3, "interaction_only": True},
        "2_to_4": {"degree": (2, 4)}, "0": {"degree": 0},
    }
    cases = []
    for table, (columns, new) in numeric_tables().items():
        names = ["missing", "outlier"]
        columns, new = without(columns, *names), without(new, *names)
        cases += [
            numeric_case(f"polynomial_{name}_{table}", PolynomialFeatures(**options), params, columns, new)
            for name, options in variants.items()
        ]
    return cases


def spline_cases():
    params = ("n_knots", "degree", "knots", "extrapolation", "include_bias", "handle_missing")
    cases = []
    for table, (columns, new) in numeric_tables().items():
        columns, new = without(columns, "income"), without(new, "income")
        for knots in ("uniform", "quantile"):
            for extrapolation in ("constant", "linear", "continue", "periodic"):
                # scikit-learn itself loses digits of a polynomial that goes on for 1e9 knots.
                left_out = ["missing", "offset"] if extrapolation == "continue" else ["missing"]
                # With equal knots at an end its tangents are those of whatever basis remains.
                left_out += ["ties", "zeros", "constant"] if extrapolation == "linear" and knots == "quantile" else []
                inputs = without(columns, *left_out), without(new, *left_out)
                options = {"knots": knots, "extrapolation": extrapolation}
                cases.append(numeric_case(f"spline_{knots}_{extrapolation}_{table}", SplineTransformer(**options), params, *inputs))
        inputs = without(columns, "missing"), without(new, "missing")
        for degree in (0, 1, 2, 5):
            options = {"degree": degree, "n_knots": 7, "include_bias": False}
            if degree == 0:
                # scikit-learn fails to go on constantly from steps.
                options["extrapolation"] = "continue"
            cases.append(numeric_case(f"spline_degree_{degree}_{table}", SplineTransformer(**options), params, *inputs))
    columns, new = numeric_tables()["plain"]
    height, new_height = {"height": columns["height"]}, {"height": new["height"]}
    given = [[150.0], [160.0], [163.5], [190.0]]
    for extrapolation in ("constant", "linear", "continue", "periodic"):
        for degree in (1, 3):
            options = {"knots": given, "degree": degree, "extrapolation": extrapolation}
            cases.append(numeric_case(f"spline_given_{extrapolation}_{degree}", SplineTransformer(**options), params, height, new_height))
    inside = {"height": [170.0, 165.5]}
    cases.append(numeric_case("spline_error_inside", SplineTransformer(extrapolation="error"), params, height, inside))
    ugly, ugly_new = numeric_tables()["ugly"]
    missing = SplineTransformer(handle_missing="zeros")
    cases.append(numeric_case("spline_missing_as_zeros", missing, params, {"missing": ugly["missing"]}, {"missing": ugly_new["missing"]}))
    return cases


def missing_indicator_cases():
    params = ("features", "error_on_new")
    cases = []
    for table, (columns, new) in numeric_tables().items():
        new = {name: [None if row == 1 and name in ("height", "ties") else item for row, item in enumerate(values)] for name, values in new.items()}
        for features in ("missing-only", "all"):
            estimator = MissingIndicator(features=features, error_on_new=False)
            case = numeric_case(f"missing_indicator_{features}_{table}", estimator, params, columns, new)
            for part in ("expected_train", "expected_new"):
                case[part] = {name: np.asarray(values, dtype=float) for name, values in case[part].items()}
            cases.append(case)
    return cases


def decomposition_cases():
    random = np.random.RandomState(47)
    rows = 40
    mixing = random.normal(size=(4, 4))
    mixed = np.round(random.normal(size=(rows, 4)) * [9.0, 3.0, 1.0, 0.2] @ mixing, 6)
    well = {f"x{index}": mixed[:, index].tolist() for index in range(4)}
    new = {f"x{index}": [0.0, 1.5, -20.0] for index in range(4)}
    # A constant, a copy, a sum, scales that differ by 1e6, ties and an offset of 1e6.
    base = np.round(random.normal(size=(rows, 3)), 4)
    ugly = {
        "offset": (1e6 + base[:, 0]).tolist(),
        "constant": [4.25] * rows,
        "large": (base[:, 1] * 1e3).tolist(),
        "copy": (base[:, 1] * 1e3).tolist(),
        "small": np.round(base[:, 2] * 1e-3, 9).tolist(),
        "ties": [float(value) for value in random.choice([0, 0, 0, 1], rows)],
    }
    ugly_new = {name: values[:2] + [values[0] + 1.0] for name, values in ugly.items()}

    def spread(fitted, _):
        return {"explained_variance": fitted.explained_variance_, "explained_variance_ratio": fitted.explained_variance_ratio_, "singular_values": fitted.singular_values_, "components": fitted.components_}

    cases = []
    for table, (columns, new_rows), count in (("plain", (well, new), 4), ("ugly", (ugly, ugly_new), 4)):
        for whiten in (False, True):
            for n_components in (count, 2, 0.9):
                estimator = PCA(n_components, whiten=whiten, svd_solver="full")
                name = f"pca_{n_components}{'_whiten' if whiten else ''}_{table}"
                cases.append(numeric_case(name, estimator, ("n_components", "whiten"), columns, new_rows, spread))
        for n_components in (1, 3):
            estimator = TruncatedSVD(n_components, algorithm="arpack")
            name = f"truncated_svd_{n_components}_{table}"
            cases.append(numeric_case(name, estimator, ("n_components",), columns, new_rows, spread))
    return cases


def cyclical_cases():
    """The sine and cosine of scikit-learn's user guide on cyclical features."""
    cases = []
    tables = {
        "hours": (24.0, [float(hour) for hour in range(24)], [24.0, -1.0, 36.5, None]),
        "ugly": (360.0, [0.0, 360.0, -720.0, 1e6, None, 0.1, 359.999999, 5.0, 5.0, 5.0], [1e7, -1e7, 180.0, None]),
    }
    for name, (period, values, new) in tables.items():
        estimator = FunctionTransformer(
            lambda x, period=period: np.hstack([np.sin(x / period * 2 * np.pi), np.cos(x / period * 2 * np.pi)]),
            feature_names_out=lambda _, names: [f"{names[0]}_sin", f"{names[0]}_cos"],
        )
        case = transformer_case(f"cyclical_{name}", estimator, (), {"angle": values}, {"angle": new}, lambda *_: None)
        cases.append(case | {"transformer": "Cyclical", "params": {"period": period}})
    return cases


def winsorizing_cases():
    """Limits by quantile: scipy's `mstats.winsorize` cuts by rank, so this is numpy's clip at its quantiles."""
    cases = []
    for table, (columns, new) in numeric_tables().items():
        limits = np.nanquantile(matrix(columns), [0.05, 0.9], axis=0)
        estimator = FunctionTransformer(lambda x, limits=limits: np.clip(x, *limits), feature_names_out="one-to-one")
        case = transformer_case(f"winsorizing_{table}", estimator, (), columns, new, lambda *_: None)
        cases.append(case | {"transformer": "Winsorizing", "params": {"lower": 0.05, "upper": 0.9}})
    return cases


# --------------------------------------------------------------------- metrics


def measured(functions):
    """Values by metric, and notes by metric where scikit-learn warned or raised."""
    values, notes = {}, {}
    for name, function in functions.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                values[name] = plain(function())
                outcome = "returns nan" if values[name] is None else f"returns {values[name]}"
                texts = [f"warns {item.category.__name__}: {first_sentence(item.message)}" for item in caught]
            except (IndexError, ValueError) as error:
                values[name] = None
                outcome, texts = f"raises {type(error).__name__}: {first_sentence(error)}", []
        if texts or outcome.startswith("raises"):
            notes[name] = "; ".join([outcome, *dict.fromkeys(texts)])
    return {"expected": values, "notes": notes}


def first_sentence(message):
    return " ".join(str(message).split()).split(". ")[0].rstrip(".")


def binary_case(name, truth, score, weight=None):
    """Classes are score >= 0.5; the positive class is 1."""
    predicted = [int(item >= 0.5) for item in score]
    w = {"sample_weight": weight}
    functions = {
        "accuracy": lambda: metrics.accuracy_score(truth, predicted, **w),
        "precision": lambda: metrics.precision_score(truth, predicted, **w),
        "recall": lambda: metrics.recall_score(truth, predicted, **w),
        "f1": lambda: metrics.f1_score(truth, predicted, **w),
        "log_loss": lambda: metrics.log_loss(truth, y_proba=score, **w),
        "log_loss_labels_given": lambda: metrics.log_loss(truth, y_proba=score, labels=[0, 1], **w),
        "roc_auc": lambda: metrics.roc_auc_score(truth, score, **w),
        "average_precision": lambda: metrics.average_precision_score(truth, score, **w),
        "brier": lambda: metrics.brier_score_loss(truth, score, **w),
        "brier_labels_given": lambda: metrics.brier_score_loss(truth, score, labels=[0, 1], **w),
    }
    inputs = {"y_true": truth, "y_score": score, "y_pred": predicted, "sample_weight": weight}
    return {"name": name, "task": "binary"} | inputs | measured(functions)


def binary_cases():
    random = np.random.RandomState(31)

    def sample(rows, share, decimals):
        truth = (random.uniform(size=rows) < share).astype(int)
        score = 1.0 / (1.0 + np.exp(-random.normal(1.6 * truth - 0.8, 1.2)))
        return truth.tolist(), np.clip(np.round(score, decimals), 0.001, 0.999).tolist()

    plain_truth, plain_score = sample(40, 0.5, 6)
    tied_truth, tied_score = sample(60, 0.4, 1)
    weight = np.round(random.uniform(0.1, 3.0, 60), 3)
    weight[::9] = 0.0
    rare_score = np.round(random.uniform(0.01, 0.7, 120), 3)
    rare_truth = [int(row in (5, 31, 77, 100)) for row in range(120)]
    half = [0] * 8 + [1] * 8
    apart = [0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.45, 0.55, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.98]
    return [
        binary_case("binary_plain", plain_truth, plain_score),
        binary_case("binary_ties", tied_truth, tied_score),
        binary_case("binary_ties_weighted", tied_truth, tied_score, weight.tolist()),
        binary_case("binary_imbalanced", rare_truth, rare_score.tolist()),
        binary_case("binary_perfect", half, apart),
        binary_case("binary_reversed", half, apart[::-1]),
        binary_case("binary_perfect_certain", half, [float(item) for item in half]),
        binary_case("binary_reversed_certain", half, [1.0 - item for item in half]),
        binary_case("binary_one_score_for_all", half, [0.5] * 16),
        binary_case("binary_no_positive_predicted", half, [item / 4.0 for item in apart]),
        binary_case("binary_only_negatives", [0] * 6, [0.1, 0.2, 0.3, 0.6, 0.7, 0.9]),
        binary_case("binary_only_positives", [1] * 6, [0.1, 0.2, 0.3, 0.6, 0.7, 0.9]),
        binary_case("binary_empty", [], []),
    ]


def multiclass_case(name, truth, probabilities, labels, weight=None):
    """Classes are the most probable column, the first one when tied."""
    predicted = [labels[index] for index in np.argmax(probabilities, axis=1)]
    w = {"sample_weight": weight}
    functions = {"accuracy": lambda: metrics.accuracy_score(truth, predicted, **w)}
    for average in ("macro", "weighted"):
        for short in ("precision", "recall", "f1"):
            function = getattr(metrics, f"{short}_score")
            functions[f"{short}_{average}"] = lambda f=function, a=average: f(truth, predicted, average=a, **w)
    functions["log_loss"] = lambda: metrics.log_loss(truth, y_proba=probabilities, labels=labels, **w)
    inputs = {"labels": labels, "y_true": truth, "y_proba": probabilities, "y_pred": predicted}
    return {"name": name, "task": "multiclass"} | inputs | {"sample_weight": weight} | measured(functions)


def multiclass_cases():
    random = np.random.RandomState(37)
    rows = 45
    truth = random.choice(3, rows, p=[0.5, 0.3, 0.2]).tolist()
    leaning = np.array([[0.6, 0.25, 0.15], [0.25, 0.5, 0.25], [0.2, 0.3, 0.5]])
    # Hundredths that add up to one and are never zero.
    draws = np.array([random.multinomial(97, random.dirichlet(6.0 * leaning[item])) for item in truth])
    probabilities = ((draws + 1) / 100.0).tolist()
    weight = np.round(random.uniform(0.1, 2.5, rows), 3).tolist()
    names = ["ant", "bee", "cat"]
    certain = np.eye(3)[truth]
    certain[:5] = np.eye(3)[[2, 2, 1, 0, 1]]
    without_last = [[p[0] + p[2], p[1], 0.0] for p in probabilities]
    return [
        multiclass_case("multiclass_plain", truth, probabilities, [0, 1, 2]),
        multiclass_case("multiclass_weighted", truth, probabilities, [0, 1, 2], weight),
        multiclass_case("multiclass_text_labels", [names[item] for item in truth], probabilities, names),
        multiclass_case("multiclass_certain", truth, certain.tolist(), [0, 1, 2]),
        multiclass_case("multiclass_class_never_predicted", truth, without_last, [0, 1, 2]),
        multiclass_case("multiclass_class_never_true", [min(item, 1) for item in truth], probabilities, [0, 1, 2]),
        multiclass_case("multiclass_only_one_class_true", [0] * rows, probabilities, [0, 1, 2]),
    ]


def regression_case(name, truth, predicted, weight=None):
    w = {"sample_weight": weight}
    functions = {
        "mse": lambda: metrics.mean_squared_error(truth, predicted, **w),
        "rmse": lambda: metrics.root_mean_squared_error(truth, predicted, **w),
        "mae": lambda: metrics.mean_absolute_error(truth, predicted, **w),
        "r2": lambda: metrics.r2_score(truth, predicted, **w),
    }
    inputs = {"y_true": truth, "y_pred": predicted, "sample_weight": weight}
    return {"name": name, "task": "regression"} | inputs | measured(functions)


def regression_cases():
    random = np.random.RandomState(41)
    truth = np.round(random.normal(5.0, 4.0, 30), 4)
    close = np.round(truth + random.normal(0.0, 1.0, 30), 4).tolist()
    # Eighths: a weighted mean of equal targets is then exact, as r2 of a constant needs.
    weight = np.round(random.uniform(0.0, 2.0, 30) * 8.0) / 8.0
    weight[::7] = 0.0
    shifted = np.round(truth + 1e6, 4).tolist()
    shifted_close = np.round(np.array(close) + 1e6, 4).tolist()
    truth, weight, constant = truth.tolist(), weight.tolist(), [3.0] * 30
    return [
        regression_case("regression_plain", truth, close),
        regression_case("regression_weighted", truth, close, weight),
        regression_case("regression_large_offset", shifted, shifted_close),
        regression_case("regression_perfect", truth, truth),
        regression_case("regression_worse_than_mean", truth, truth[::-1]),
        regression_case("regression_constant_target", constant, close),
        regression_case("regression_constant_target_weighted", constant, close, weight),
        regression_case("regression_constant_target_perfect", constant, constant),
        regression_case("regression_one_row", [2.0], [3.5]),
        regression_case("regression_empty", [], []),
    ]


# ---------------------------------------------------------------------- models


def models():
    random = np.random.RandomState(53)
    x = np.round(random.normal(0.0, 1.0, (150, 4)) * [1.0, 2.5, 0.4, 10.0] + [0.0, 1.0, -2.0, 30.0], 3)
    x_new = np.round(random.normal(0.0, 1.5, (12, 4)) * [1.0, 2.5, 0.4, 10.0] + [0.0, 1.0, -2.0, 30.0], 3)
    mean = 4.0 + x @ [1.2, -0.7, 3.0, 0.05]
    y = np.round(mean + random.normal(0.0, 0.8, 150), 3)
    label = (mean + random.normal(0.0, 2.0, 150) > np.median(mean)).astype(int)

    def regressor(name, model, params):
        model.fit(x, y)
        return {
            "name": name,
            "params": params,
            "target": "y",
            "coef": model.coef_,
            "intercept": model.intercept_,
            "predict": model.predict(x),
            "predict_new": model.predict(x_new),
        }

    # Newton steps reach the optimum to rounding; lbfgs would stop some 1e-8 short of it.
    logistic = LogisticRegression(C=1.0, tol=1e-10, max_iter=10000, solver="newton-cholesky").fit(x, label)
    residual = logistic.predict_proba(x)[:, 1] - label
    gradient = np.append(x.T @ residual + logistic.coef_[0], residual.sum())
    assert np.abs(gradient).max() < 1e-9, gradient
    params = {"C": 1.0, "penalty": "l2", "fit_intercept": True, "tol": 1e-10, "max_iter": 10000}
    classifier = {
        "name": "logistic_regression",
        "params": params,
        "target": "label",
        "classes": logistic.classes_,
        "coef": logistic.coef_[0],
        "intercept": logistic.intercept_[0],
        "predict_proba": logistic.predict_proba(x)[:, 1],
        "predict_proba_new": logistic.predict_proba(x_new)[:, 1],
        "predict_new": logistic.predict(x_new),
        "gradient_max_abs": np.abs(gradient).max(),
    }
    return {
        "x": x,
        "x_new": x_new,
        "y": y,
        "label": label,
        "linear_regression": regressor("linear_regression", LinearRegression(), {"fit_intercept": True}),
        "ridge": regressor(
            "ridge", Ridge(alpha=1.5, solver="cholesky"), {"alpha": 1.5, "fit_intercept": True}
        ),
        "logistic_regression": classifier,
    }


# ---------------------------------------------------------------------- splits


def split_cases():
    random = np.random.RandomState(67)
    rows = 23
    targets = {
        "binary": random.choice(2, rows, p=[0.6, 0.4]).tolist(),
        "sorted_binary": [0] * 14 + [1] * 9,
        "three_classes": random.choice(3, rows, p=[0.5, 0.3, 0.2]).tolist(),
        # Classes count in the order they first appear, which is not the sorted order here.
        "text": ["zeta", "alpha", "beta"] + random.choice(["alpha", "beta", "zeta"], rows - 3).tolist(),
        "rare_class": [0] * 10 + [1] * 2 + [0] * 11,
        "all_classes_too_small": [f"class{row % 12}" for row in range(rows)],
    }

    def case(name, splitter, target):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                folds, note = [test for _, test in splitter.split(np.zeros(rows), target)], None
                if caught:
                    note = f"warns {caught[0].category.__name__}: {first_sentence(caught[0].message)}"
            except ValueError as error:
                folds, note = None, f"raises ValueError: {first_sentence(error)}"
        return {
            "name": name,
            "splitter": type(splitter).__name__,
            "n_splits": splitter.n_splits,
            "shuffle": False,
            "rows": rows,
            "y": target,
            "test_rows": folds,
            "note": note,
        }

    cases = [case(f"k_fold_{count}", KFold(count), None) for count in (2, 3, 5, 10, 23, 24)]
    for name, target in targets.items():
        for count in (2, 3, 5):
            cases.append(case(f"stratified_{name}_{count}", StratifiedKFold(count), target))
    return cases


def fold_cases():
    """Splitters that look at a second column, or at the order of the rows."""
    random = np.random.RandomState(71)

    def case(name, splitter, rows, target=None, groups=None, **params):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                pairs = list(splitter.split(np.zeros(rows), target, groups))
                folds, note = [{"train": train, "test": test} for train, test in pairs], None
            except ValueError as error:
                folds, note = None, f"raises ValueError: {first_sentence(error)}"
        return {
            "name": name,
            "splitter": type(splitter).__name__,
            "rows": rows,
            "params": params,
            "y": target,
            "groups": groups,
            "folds": folds,
            "note": note,
        }

    cases = []
    groups = {
        "even": [row // 4 for row in range(40)],
        "many": random.choice(30, 60).tolist(),
        "skewed": np.minimum(random.geometric(0.25, 50), 12).tolist(),
        "text": [f"customer{number}" for number in random.choice(12, 45)],
        "negative": random.choice([-5, -1, 0, 3, 10, 1000], 30).tolist(),
        "own": list(range(9)),
    }
    for name, column in groups.items():
        for count in (2, 3, 5, 7):
            params = {"n_splits": count}
            cases.append(case(f"group_{name}_{count}", GroupKFold(count), len(column), groups=column, **params))
    for classes, share in ((2, [0.7, 0.3]), (3, [0.6, 0.3, 0.1]), (5, [0.4, 0.2, 0.2, 0.1, 0.1]), (9, [1 / 9] * 9)):
        for name in ("many", "skewed", "text", "even"):
            column = groups[name]
            target = random.choice(classes, len(column), p=share).tolist()
            for count in (2, 3, 5):
                splitter = StratifiedGroupKFold(count)
                params = {"n_splits": count}
                cases.append(
                    case(f"stratified_group_{name}_{classes}_{count}", splitter, len(column), target, column, **params)
                )
    for rows in (6, 12, 23, 40):
        for params in (
            {"n_splits": 2},
            {"n_splits": 5},
            {"n_splits": 3, "gap": 2},
            {"n_splits": 3, "test_size": 2},
            {"n_splits": 2, "test_size": 3, "gap": 1},
            {"n_splits": 4, "max_train_size": 3},
            {"n_splits": 2, "max_train_size": 5, "test_size": 2, "gap": 2},
            {"n_splits": 11},
        ):
            name = "_".join(f"{key}_{value}" for key, value in params.items())
            cases.append(case(f"time_series_{rows}_{name}", TimeSeriesSplit(**params), rows, **params))
    for name, column in {
        "two": [0, 1, 1, 0, 0, 1],
        "never": [-1, 0, 1, -1, 2, 2, 0],
        "gaps": [7, 3, 3, 7, -1, 12, 12],
    }.items():
        cases.append(case(f"predefined_{name}", PredefinedSplit(column), len(column), test_fold=column))
    return cases


# --------------------------------------------------------------------- feature selection


def selector_data():
    """Tables that features are selected from; a float target is a quantity, others are classes."""
    random = np.random.RandomState(83)

    def table(name, matrix, target):
        columns = {f"x{index:02}": column.tolist() for index, column in enumerate(np.transpose(matrix))}
        return {"name": name, "columns": columns, "target": np.asarray(target).tolist()}

    wine, diabetes = datasets.load_wine(), datasets.load_diabetes(scaled=False)
    # Full precision, so that no two values or distances are equal.
    smooth = random.normal(size=(120, 5))
    curve = smooth[:, 0] ** 2 + 0.5 * smooth[:, 1] + 0.3 * random.normal(size=120)
    noise = np.round(random.normal(size=(80, 30)), 3)
    noise[:, 7] += np.repeat([0.0, 0.9], 40)
    noise[:, 20] -= np.repeat([0.0, 0.6], 40)
    codes = random.randint(0, 4, size=(150, 4)).astype(float)
    codes[:, 2] = (codes[:, 0] + random.randint(0, 2, size=150)) % 4
    spread = np.round(random.normal(size=(40, 5)), 3) * [1.0, 0.1, 0.0, 3.0, 0.5] + [0.0, 1e6, 0.1, 2.0, 0.0]
    spread[::7, 3] = np.nan
    return [
        table("wine", wine.data, [f"cultivar{label}" for label in wine.target]),
        table("diabetes", diabetes.data[:150], diabetes.target[:150]),
        table("noise", noise, np.repeat([0, 1], 40)),
        table("codes", codes, codes[:, 0].astype(int) // 2),
        table("codes_and_curve", codes[:120], curve),
        table("smooth", smooth, curve),
        table("smooth_and_classes", smooth, np.digitize(curve, [0.3, 1.2])),
        table("spread", spread, np.arange(40.0)),
    ]


def selector_cases(tables):
    tables = {table["name"]: table for table in tables}

    def case(data, selector, func=None, **params):
        matrix = np.transpose([[math.nan if x is None else x for x in c] for c in plain(tables[data]["columns"]).values()])
        selector.fit(matrix, tables[data]["target"])
        get = lambda name: getattr(selector, name, None)
        scores = get("scores_")
        if isinstance(selector, VarianceThreshold):
            scores = selector.variances_
        if isinstance(selector, SelectFromModel):
            scores = np.abs(selector.estimator_.coef_)
        name = "_".join([type(selector).__name__, data, *([func] if func else []), *map(str, params.values())])
        return {
            "name": name,
            "selector": type(selector).__name__,
            "data": data,
            "score_func": func,
            "params": params,
            "support": selector.get_support(),
            "scores": scores,
            "p_values": get("pvalues_"),
            "ranking": get("ranking_"),
            "threshold": get("threshold_") if isinstance(selector, SelectFromModel) else None,
            "cv_results": {key: get("cv_results_")[key] for key in ("n_features", "mean_test_score", "std_test_score")}
            if get("cv_results_")
            else None,
        }

    def informed(function, discrete, neighbours):
        def scored(matrix, target):
            return function(matrix, target, discrete_features=discrete, n_neighbors=neighbours, random_state=0)

        return scored

    cases = []
    functions = {"f_classif": f_classif, "chi2": chi2, "f_regression": f_regression}
    for data, names in {
        "wine": ("f_classif", "chi2"),
        "noise": ("f_classif",),
        "codes": ("f_classif", "chi2"),
        "diabetes": ("f_regression",),
        "smooth": ("f_regression",),
        "codes_and_curve": ("f_regression",),
    }.items():
        for name in names:
            function = functions[name]
            for k in (1, 3):
                cases.append(case(data, SelectKBest(function, k=k), name, k=k))
            for percentile in (10, 33, 75):
                cases.append(case(data, SelectPercentile(function, percentile=percentile), name, percentile=percentile))
            for alpha in (0.05, 0.001):
                for selector in (SelectFpr, SelectFdr, SelectFwe):
                    cases.append(case(data, selector(function, alpha=alpha), name, alpha=alpha))
    for data, discrete, neighbours in (
        ("smooth_and_classes", False, 3),
        ("smooth_and_classes", False, 7),
        ("codes", True, 3),
    ):
        selector = SelectKBest(informed(mutual_info_classif, discrete, neighbours), k=2)
        params = {"discrete": discrete, "n_neighbors": neighbours, "k": 2}
        cases.append(case(data, selector, "mutual_info_classif", **params))
    for data, discrete, neighbours in (("smooth", False, 3), ("smooth", False, 1), ("codes_and_curve", True, 3)):
        selector = SelectKBest(informed(mutual_info_regression, discrete, neighbours), k=2)
        params = {"discrete": discrete, "n_neighbors": neighbours, "k": 2}
        cases.append(case(data, selector, "mutual_info_regression", **params))
    for threshold in (0.0, 0.5, 5.0):
        cases.append(case("spread", VarianceThreshold(threshold), threshold=threshold))
    cases.append(case("wine", VarianceThreshold(0.2), threshold=0.2))

    for data in ("diabetes", "smooth"):
        for threshold, most in ((None, None), ("median", None), ("0.3*mean", None), (0.2, None), (None, 2), (-1.0, 3)):
            selector = SelectFromModel(Ridge(alpha=1.0), threshold=threshold, max_features=most)
            cases.append(case(data, selector, threshold=threshold, max_features=most))
        for count, step in ((None, 1), (2, 1), (3, 2), (0.4, 0.3), (1, 4)):
            selector = RFE(Ridge(alpha=1.0), n_features_to_select=count, step=step)
            cases.append(case(data, selector, n_features_to_select=count, step=step))
        for least, step in ((1, 1), (2, 2)):
            selector = RFECV(Ridge(alpha=1.0), min_features_to_select=least, step=step)
            cases.append(case(data, selector, min_features_to_select=least, step=step))
        for count, direction, tol, scoring in (
            ("auto", "forward", None, None),
            (2, "forward", None, "neg_mean_absolute_error"),
            (0.6, "backward", None, "neg_mean_squared_error"),
            ("auto", "forward", 0.01, None),
            ("auto", "backward", -0.01, "r2"),
        ):
            selector = SequentialFeatureSelector(
                Ridge(alpha=1.0), n_features_to_select=count, direction=direction, tol=tol, scoring=scoring
            )
            params = {"n_features_to_select": count, "direction": direction, "tol": tol, "scoring": scoring}
            cases.append(case(data, selector, **params))
    return cases


# --------------------------------------------------------------------- special functions


def special_cases():
    """SciPy's own values, for the p-values of scores."""

    def case(name, function, *axes):
        grid = [list(map(float, point)) for point in itertools.product(*axes)]
        values = [float(function(*point)) for point in grid]
        kept = [(point, value) for point, value in zip(grid, values, strict=True) if 1e-250 < abs(value) < math.inf]
        points, values = zip(*kept, strict=True)
        return {"name": name, "args": points, "values": values}

    degrees = [0.5, 1, 2, 3, 7, 30, 499, 20_000, 1_000_000]
    statistics = [1e-8, 0.01, 0.5, 1, 1.5, 3.84, 20, 150, 1_000]
    shapes = [0.3, 0.5, 1, 2.5, 40, 1_500, 250_000]
    return [
        case("chi_square_sf", lambda x, dof: scipy.special.chdtrc(dof, x), statistics, degrees),
        case("f_sf", lambda f, a, b: scipy.special.fdtrc(a, b, f), statistics, degrees, degrees),
        case("beta_inc", scipy.special.betainc, shapes, shapes, [1e-6, 0.01, 0.3, 0.5, 0.9, 0.999]),
        case("gamma_q", scipy.special.gammaincc, shapes, [1e-6, 0.5, 1, 2, 45, 1_450, 249_000]),
        case("ln_gamma", scipy.special.gammaln, [1e-3, 0.25, 0.5, 1.2, 3, 9.5, 77, 1e4, 1e7]),
        case("digamma", scipy.special.digamma, [1e-3, 0.25, 0.5, 1, 2, 3, 4, 9.5, 77, 1e4, 1e7]),
    ]


# --------------------------------------------------------------------- profile


def splitmix64(seed, count):
    """The first `count` outputs of splitmix64, computed from the counter at once."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))


def uniform(seed, count):
    """Uniforms on [0, 1): the top 53 bits."""
    return (splitmix64(seed, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(seed, count):
    """Roughly normal: twelve uniforms added from left to right, minus six."""
    parts = uniform(seed, 12 * count).reshape(count, 12)
    total = parts[:, 0].copy()
    for index in range(1, 12):
        total = total + parts[:, index]
    return total - 6.0


def profile_cases():
    rows = 5000
    probabilities = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    u, z = "uniform", "normal"
    columns = {
        "normal": (z, 101, "10.0 + 2.5 * z", lambda d: 10.0 + 2.5 * d),
        "skewed": (z, 102, "z * z", lambda d: d * d),
        "uniform": (u, 103, "u", lambda d: d),
        "grid": (u, 104, "floor(20.0 * u)", lambda d: np.floor(20.0 * d)),
        # Small spread on a large mean: sums of squares lose every digit here.
        "offset": (z, 105, "1000000.0 + 0.001 * z", lambda d: 1e6 + 1e-3 * d),
    }
    cases = []
    for name, (kind, seed, formula, transform) in columns.items():
        values = transform({u: uniform, z: normal}[kind](seed, rows))
        for nulls in ("none", "index % 7 == 3"):
            keep = np.ones(rows, dtype=bool) if nulls == "none" else np.arange(rows) % 7 != 3
            kept = values[keep]
            case = {
                "name": f"{name}_{'complete' if nulls == 'none' else 'with_nulls'}",
                "rows": rows,
                "generator": kind,
                "seed": seed,
                "formula": formula,
                "null_where": nulls,
                "first_values": values[:5],
                "count": kept.size,
                "null_count": rows - kept.size,
                "mean": kept.mean(),
                "std": kept.std(ddof=1),
                "std_population": kept.std(ddof=0),
                "min": kept.min(),
                "max": kept.max(),
                "distinct": np.unique(kept).size,
                "probabilities": probabilities,
                "quantiles_inverted_cdf": np.quantile(kept, probabilities, method="inverted_cdf"),
                "quantiles_linear": np.quantile(kept, probabilities, method="linear"),
                "skew": scipy.stats.skew(kept),
                "skew_unbiased": scipy.stats.skew(kept, bias=False),
                "kurtosis_excess": scipy.stats.kurtosis(kept),
                "kurtosis_excess_unbiased": scipy.stats.kurtosis(kept, bias=False),
            }
            if name == "offset":
                # One unit in the last place of the mean already moves these by some 1e-7.
                shape = ("skew", "skew_unbiased", "kurtosis_excess", "kurtosis_excess_unbiased")
                case["tolerance"] = dict.fromkeys(shape, 1e-5)
            cases.append(case)
    return cases


def feature_hasher_cases():
    rng = np.random.RandomState(61)
    rows = 40
    columns = {
        "city": [None if i % 9 == 4 else ["oslo", "bern", "", "Öl", "東京", "a=b"][rng.randint(6)] for i in range(rows)],
        "sku": [f"SKU-{rng.randint(10**6):06d}" for _ in range(rows)],
        "fare": [None if i % 7 == 3 else round(float(rng.normal(0, 40)), 3) for i in range(rows)],
        "count": [int(rng.randint(-5, 90)) for _ in range(rows)],
    }

    def sample(row):
        cells = {name: column[row] for name, column in columns.items()}
        return {name: cell for name, cell in cells.items() if cell is not None}

    def case(n_features, alternate_sign):
        hasher = FeatureHasher(n_features=n_features, alternate_sign=alternate_sign)
        hashed = hasher.transform([sample(row) for row in range(rows)]).toarray()
        return {
            "name": f"feature_hasher_{n_features}_{'signed' if alternate_sign else 'unsigned'}",
            "transformer": "FeatureHasher",
            "params": {"n_features": n_features, "alternate_sign": alternate_sign},
            "columns": columns,
            "expected": {f"hash_{i}": column for i, column in enumerate(hashed.T)},
        }

    return [case(1, True), case(7, True), case(7, False), case(64, True)]


def label_encoder_cases():
    def case(name, target, codes):
        encoder = LabelEncoder().fit(target)
        return {
            "name": name,
            "transformer": "LabelEncoder",
            "target": target,
            "classes": list(encoder.classes_),
            "expected": list(encoder.transform(target)),
            "codes": codes,
            "inverse": list(encoder.inverse_transform(codes)),
        }

    return [
        case("label_encoder_texts", ["pear", "Öl", "apple", "Zebra", "apple", ""], [3, 0, 1, 1]),
        case("label_encoder_numbers", [30, -4, 200, -4, 7], [3, 2, 0]),
    ]


def main():
    assert sklearn.__version__ == EXPECTED_VERSION, f"found scikit-learn {sklearn.__version__}"
    # Unknown categories and empty columns announce themselves; that is what is being recorded.
    warnings.filterwarnings("ignore", category=UserWarning)
    write(
        "transformers.json",
        standard_scaler_cases()
        + simple_imputer_cases()
        + one_hot_cases()
        + ordinal_cases()
        + target_encoder_cases(),
    )
    write(
        "numeric.json",
        scaler_cases()
        + power_cases()
        + quantile_cases()
        + bins_cases()
        + polynomial_cases()
        + spline_cases()
        + missing_indicator_cases()
        + decomposition_cases()
        + cyclical_cases()
        + winsorizing_cases(),
    )
    write("encoders.json", feature_hasher_cases() + label_encoder_cases())
    write("metrics.json", binary_cases() + multiclass_cases() + regression_cases())
    write("models.json", models())
    write("splits.json", split_cases())
    write("folds.json", fold_cases())
    tables = selector_data()
    write("selector_data.json", tables)
    write("selectors.json", selector_cases(tables))
    write("special.json", special_cases())
    write("profile.json", profile_cases())


if __name__ == "__main__":
    main()
