"""Models of other libraries, and what those libraries answer for 10,000 rows.

    python -m venv v && v/bin/pip install -r requirements.txt && v/bin/python gen.py [NAME...]

Pinned in requirements.txt: what other versions write may differ, what is here must stay readable.

The rows are no files: both sides draw them from SplitMix64 (`rows` below and `rows` in the tests).
NAME.expected is the label of each row (a byte, of classifications), then what the library predicts
for the first 4,000 (f32, little endian, row by row): probabilities of all classes, of the second of two classes, or numbers.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
WIDTH = 8
CODES = 6  # the column of codes
ROWS = 10_000
VALUES = 4_000  # rows whose numbers are kept, not only their labels
MASK = (1 << 64) - 1


def rows(count, seed, holes):
    """`count` rows of f32: column 6 has the codes 0 to 11, others numbers from -3 to 3; with holes,
    one of 16 is NaN and one of 16 is 0."""
    i = np.arange(1, count * WIDTH + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + i * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    u = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    x = (6 * u - 3).astype(np.float32).reshape(count, WIDTH)
    x[:, CODES] = np.floor(12 * u).reshape(count, WIDTH)[:, CODES]
    if holes:
        low = (z & np.uint64(15)).reshape(count, WIDTH)
        x[low == 0] = np.nan
        x[low == 1] = 0
    return x


def train(holes=False, count=3000):
    x = rows(count, 1, holes)
    f = np.nan_to_num(x.astype(np.float64))
    noise = rows(count, 2, False)[:, 0]
    odd = np.isin(f[:, CODES], [1, 4, 7, 8, 11])
    score = f[:, 0] + np.sin(2 * f[:, 1]) * 2 + np.where(odd, 1.5, -1) + f[:, 2] * f[:, 3] / 2 + noise
    three = np.digitize(score, [-1.5, 1.5])
    return x, (score > 0).astype(np.int64), three, score


def write(name, data, labels, values):
    """The model's file or files, and what it answers."""
    for suffix, content in data.items():
        (HERE / f"{name}.{suffix}").write_bytes(content)
    expected = b"" if labels is None else np.asarray(labels).astype(np.uint8).tobytes()
    values = np.asarray(values, dtype=np.float32)
    if values.ndim == 2 and values.shape[1] == 2 and labels is not None:
        values = values[:, 1]
    (HERE / f"{name}.expected").write_bytes(expected + values[:VALUES].astype("<f4").tobytes())


def label(values):
    values = np.asarray(values)
    return (values > 0.5).astype(int) if values.ndim == 1 else values.argmax(axis=1)


def lightgbm_models():
    import lightgbm as lgb

    test = {holes: rows(ROWS, 3, holes).astype(np.float64) for holes in (False, True)}
    plain = {"verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 1, "num_leaves": 12}
    cases = {
        "lgb_binary": ("two", {"objective": "binary"}, {}),
        "lgb_sigmoid": ("two", {"objective": "binary", "sigmoid": 1.7, "zero_as_missing": True}, {}),
        "lgb_no_missing": ("two", {"objective": "binary", "use_missing": False}, {}),
        "lgb_multiclass": ("three", {"objective": "multiclass", "num_class": 3}, {}),
        "lgb_ova": ("three", {"objective": "multiclassova", "num_class": 3}, {}),
        "lgb_codes": ("two", {"objective": "binary", "max_cat_to_onehot": 2}, {"categorical_feature": [CODES]}),
        "lgb_regression": ("number", {"objective": "regression"}, {"categorical_feature": [CODES]}),
        "lgb_quantile": ("number", {"objective": "quantile", "alpha": 0.8}, {}),
        "lgb_poisson": ("positive", {"objective": "poisson"}, {}),
        "lgb_tweedie": ("positive", {"objective": "tweedie"}, {}),
        "lgb_gamma": ("positive", {"objective": "gamma"}, {}),
        "lgb_cross_entropy": ("share", {"objective": "cross_entropy"}, {}),
        "lgb_forest": ("two", {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}, {}),
        "lgb_rank": ("rank", {"objective": "lambdarank"}, {"group": [100] * 30}),
    }
    x, two, three, score = train(holes=True)
    targets = {
        "two": two, "three": three, "number": score, "positive": np.exp(score / 4),
        "share": 1 / (1 + np.exp(-score)), "rank": three,
    }  # fmt: skip
    for name, (target, parameters, options) in cases.items():
        data = lgb.Dataset(x.astype(np.float64), targets[target], params=plain, **options)
        booster = lgb.train(plain | parameters, data, num_boost_round=12)
        values = booster.predict(test[True])
        if name == "lgb_ova":
            values = values / values.sum(axis=1, keepdims=True)
        labels = label(values) if target in ("two", "three") else None
        text = booster.model_to_string().split("\nparameters:")[0]
        write(name, {"txt": text.encode()}, labels, values)


def xgboost_models():
    import xgboost as xgb

    test = xgb.DMatrix(rows(ROWS, 3, True), nthread=1)
    kinds = ["c" if i == CODES else "q" for i in range(WIDTH)]
    coded = xgb.DMatrix(rows(ROWS, 3, True), feature_types=kinds, enable_categorical=True)
    names = [f"sensor {i}" for i in range(WIDTH)]
    named = xgb.DMatrix(rows(ROWS, 3, True), feature_names=names)
    plain = {"nthread": 1, "seed": 1, "max_depth": 4, "tree_method": "hist"}
    dart = {"booster": "dart", "rate_drop": 0.3, "objective": "binary:logistic"}
    forest = {"num_parallel_tree": 8, "subsample": 0.7, "colsample_bynode": 0.6, "eta": 1}
    cases = {
        "xgb_binary": ("two", {"objective": "binary:logistic"}, {"feature_names": names}, named, 12),
        "xgb_multi": ("three", {"objective": "multi:softprob", "num_class": 3}, {}, test, 8),
        "xgb_softmax": ("three", {"objective": "multi:softmax", "num_class": 3}, {}, test, 4),
        "xgb_regression": ("number", {"objective": "reg:squarederror"}, {}, test, 12),
        "xgb_absolute": ("number", {"objective": "reg:absoluteerror"}, {}, test, 12),
        "xgb_codes": (
            "two",
            {"objective": "binary:logistic", "max_cat_to_onehot": 3},
            {"feature_types": kinds, "enable_categorical": True},
            coded,
            12,
        ),
        "xgb_one_hot": (
            "number",
            {"objective": "reg:squarederror", "max_cat_to_onehot": 100},
            {"feature_types": kinds, "enable_categorical": True},
            coded,
            12,
        ),
        "xgb_dart": ("two", dart, {}, test, 12),
        "xgb_forest": ("two", {"objective": "binary:logistic"} | forest, {}, test, 1),
        "xgb_poisson": ("positive", {"objective": "count:poisson"}, {}, test, 12),
        "xgb_gamma": ("positive", {"objective": "reg:gamma"}, {}, test, 12),
        "xgb_small": (
            "two",
            {"objective": "binary:logistic", "max_depth": 2},
            {"feature_types": kinds, "enable_categorical": True},
            coded,
            2,
        ),
        "xgb_tweedie": ("positive", {"objective": "reg:tweedie"}, {}, test, 12),
        "xgb_share": ("share", {"objective": "reg:logistic"}, {}, test, 12),
        "xgb_raw": ("two", {"objective": "binary:logitraw"}, {}, test, 12),
        "xgb_rank": ("three", {"objective": "rank:ndcg"}, {"group": [100] * 30}, test, 12),
    }
    x, two, three, score = train(holes=True)
    targets = {
        "two": two, "three": three, "number": score, "positive": np.exp(score / 4),
        "share": 1 / (1 + np.exp(-score)),
    }  # fmt: skip
    for name, (target, parameters, options, rows_, rounds) in cases.items():
        group = options.pop("group", None)
        data = xgb.DMatrix(x, targets[target], nthread=1, **options)
        if group:
            data.set_group(group)
        booster = xgb.train(plain | parameters, data, num_boost_round=rounds)
        values = booster.predict(rows_)
        labels = None
        if target in ("two", "three") and name not in ("xgb_raw", "xgb_rank"):
            labels = values if name == "xgb_softmax" else label(values)
        if name == "xgb_softmax":
            margins = booster.predict(rows_, output_margin=True)
            values = np.exp(margins - margins.max(axis=1, keepdims=True))
            values /= values.sum(axis=1, keepdims=True)
        data = {"ubj": bytes(booster.save_raw("ubj"))}
        if name in ("xgb_binary", "xgb_codes", "xgb_small"):
            data["json"] = bytes(booster.save_raw("json"))
        write(name, data, labels, values)


def onnx_models():
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType as OtherFloats
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
    from sklearn import calibration, cluster, compose, decomposition, discriminant_analysis, ensemble, impute
    from sklearn import linear_model, naive_bayes, neural_network, pipeline, preprocessing, svm, tree

    x, two, three, score = train()
    holes = train(holes=True)[0]
    positive = np.exp(score / 4)
    test, holed = rows(ROWS, 3, False), rows(ROWS, 3, True)
    floats = [("input", FloatTensorType([None, WIDTH]))]
    scaled = lambda last: pipeline.make_pipeline(preprocessing.StandardScaler(), last)
    options = {"random_state": 1}
    few = options | {"n_estimators": 8, "max_depth": 5}
    cases = {
        "logistic": (scaled(linear_model.LogisticRegression()), two, {"zipmap": True}),
        "logistic_three": (scaled(linear_model.LogisticRegression()), three, {}),
        "logistic_text": (linear_model.LogisticRegression(max_iter=1000), three, {"zipmap": True, "text": True}),
        "ridge": (scaled(linear_model.Ridge()), score, {}),
        "sgd": (scaled(linear_model.SGDClassifier(loss="log_loss", **options)), three, {}),
        "ridge_classifier": (scaled(linear_model.RidgeClassifier()), two, {}),
            "poisson": (scaled(linear_model.PoissonRegressor()), positive, {}),
        "forest": (ensemble.RandomForestClassifier(**few), two, {}),
        "forest_three": (ensemble.RandomForestClassifier(**few), three, {}),
        "forest_regression": (ensemble.RandomForestRegressor(**few), score, {}),
        "extra": (ensemble.ExtraTreesClassifier(**few), two, {"zipmap": True}),
        "tree": (tree.DecisionTreeClassifier(max_depth=6, **options), three, {}),
        "tree_regression": (tree.DecisionTreeRegressor(max_depth=6, **options), score, {}),
        "boosting": (ensemble.GradientBoostingClassifier(n_estimators=12, **options), two, {}),
        "boosting_three": (ensemble.GradientBoostingClassifier(n_estimators=6, **options), three, {}),
        "boosting_regression": (ensemble.GradientBoostingRegressor(n_estimators=12, **options), score, {}),
        "ada": (ensemble.AdaBoostClassifier(n_estimators=5, **options), three, {}),
        "bagging": (ensemble.BaggingClassifier(n_estimators=4, **options | {"estimator": tree.DecisionTreeClassifier(max_depth=4)}), two, {}),
        "voting": (
            ensemble.VotingClassifier(
                [("a", naive_bayes.GaussianNB()), ("b", linear_model.LogisticRegression(max_iter=1000))], voting="soft", flatten_transform=False
            ),
            three,
            {},
        ),
        "svc": (scaled(svm.SVC(probability=True, C=0.3, **options)), two, {"few": 300}),
        "svc_three": (scaled(svm.SVC(probability=True, kernel="poly", degree=2, **options)), three, {"few": 200}),
        "svc_linear": (scaled(svm.SVC(kernel="linear", **options)), three, {"few": 200}),
        "svc_small": (svm.SVC(probability=True, **options), three, {"few": 24}),
        "svr": (scaled(svm.SVR(C=0.5)), score, {"few": 300}),
        "gaussian_nb": (naive_bayes.GaussianNB(), three, {}),
        "bernoulli_nb": (naive_bayes.BernoulliNB(), two, {}),
        "multinomial_nb": (
            pipeline.make_pipeline(preprocessing.MinMaxScaler(), naive_bayes.MultinomialNB()), three, {},
        ),
        "k_means": (scaled(cluster.KMeans(4, n_init=2, **options)), None, {}),
        "mlp": (scaled(neural_network.MLPClassifier((12, 6), max_iter=60, **options)), two, {}),
        "mlp_three": (scaled(neural_network.MLPClassifier((10,), activation="tanh", max_iter=60, **options)), three, {}),
        "mlp_regression": (scaled(neural_network.MLPRegressor(hidden_layer_sizes=(10,), activation="logistic", max_iter=60, **options)), score, {}),
        "lda": (discriminant_analysis.LinearDiscriminantAnalysis(), three, {}),
        "qda": (discriminant_analysis.QuadraticDiscriminantAnalysis(), three, {}),
        "calibrated": (
            calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), cv=2, method="sigmoid"), two, {},
        ),
        "scalers": (
            pipeline.make_pipeline(
                impute.SimpleImputer(strategy="median"),
                preprocessing.RobustScaler(),
                preprocessing.MaxAbsScaler(),
                preprocessing.PolynomialFeatures(2),
                preprocessing.Normalizer(),
                decomposition.PCA(6, svd_solver="full"),
                linear_model.LogisticRegression(),
            ),
            two,
            {"holes": True},
        ),
        "bins": (
            pipeline.make_pipeline(
                compose.ColumnTransformer(
                    [
                        ("bins", preprocessing.KBinsDiscretizer(4, encode="onehot-dense"), [0, 1]),
                        ("binary", preprocessing.Binarizer(threshold=0.5), [2, 3]),
                        ("codes", preprocessing.OneHotEncoder(handle_unknown="ignore"), [CODES]),
                    ],
                    remainder="passthrough",
                ),
                linear_model.LogisticRegression(max_iter=1000),
            ),
            two,
            {},
        ),
    }  # fmt: skip
    for name, (estimator, target, case) in cases.items():
        given = holes if case.get("holes") else x
        if case.get("text"):
            target = np.array(["low", "middle", "top"])[target]
        last = len(given) if "few" not in case else case["few"]
        estimator.fit(given[:last], None if target is None else target[:last])
        zipmap = {"zipmap": case.get("zipmap", False)} if hasattr(estimator, "predict_proba") else {}
        settings = {id(estimator): zipmap} if zipmap else None
        opset = {"": 18, "ai.onnx.ml": 3}
        onnx = convert_sklearn(estimator, initial_types=floats, options=settings, target_opset=opset)
        inputs = holed if case.get("holes") else test
        answer(f"skl_{name}", onnx, estimator, inputs, case.get("text"))
    mixed(convert_sklearn, FloatTensorType, Int64TensorType, StringTensorType, (compose, linear_model, pipeline, preprocessing, impute))
    boosters(convert_lightgbm, convert_xgboost, [("input", OtherFloats([None, WIDTH]))])


def answer(name, onnx, estimator, inputs, text=None):
    onnx.graph.name = name  # a random one otherwise
    if hasattr(estimator, "predict_proba"):
        labels, values = estimator.predict(inputs), estimator.predict_proba(inputs)
        if text:
            labels = values.argmax(axis=1)
    elif hasattr(estimator, "transform"):
        labels, values = estimator.predict(inputs), -estimator.transform(inputs)
    elif hasattr(estimator, "classes_"):
        labels = estimator.predict(inputs)
        values = np.eye(len(estimator.classes_))[labels]
    else:
        labels, values = None, estimator.predict(inputs)
    write(f"onnx_{name}", {"onnx": onnx.SerializeToString()}, labels, values)


def mixed(convert, floats, integers, texts, modules):
    """A column transformer over columns of its own type each."""
    import pandas as pd

    compose, linear_model, pipeline, preprocessing, impute = modules
    x, two, _, _ = train(holes=True)

    def frame(x):
        codes = np.nan_to_num(x[:, CODES]).astype(int)
        return pd.DataFrame(
            {"wind": x[:, 0], "heat": x[:, 1], "hour": codes, "port": np.array(list("abcdefghijkl"))[codes]}
        )

    numbers = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
    estimator = pipeline.make_pipeline(
        compose.ColumnTransformer(
            [
                ("numbers", numbers, ["wind", "heat"]),
                ("hour", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["hour"]),
                ("port", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["port"]),
            ]
        ),
        linear_model.LogisticRegression(max_iter=1000),
    )
    estimator.fit(frame(x), two)
    types = [
        ("wind", floats([None, 1])), ("heat", floats([None, 1])),
        ("hour", integers([None, 1])), ("port", texts([None, 1])),
    ]  # fmt: skip
    onnx = convert(estimator, initial_types=types, target_opset={"": 18, "ai.onnx.ml": 3}, options={"zipmap": False})
    answer("skl_mixed", onnx, estimator, frame(rows(ROWS, 3, True)))


def boosters(convert_lightgbm, convert_xgboost, floats):
    import lightgbm
    import xgboost

    x, two, three, score = train(holes=True)
    x = x[:, :WIDTH]
    plain = {"n_estimators": 10, "random_state": 1, "n_jobs": 1}
    for name, target, kind in (("binary", two, "Classifier"), ("three", three, "Classifier"), ("number", score, "Regressor")):
        inputs = rows(ROWS, 3, True)
        ours = getattr(lightgbm, "LGBM" + kind)(num_leaves=10, verbosity=-1, **plain).fit(x, target)
        onnx = convert_lightgbm(ours, initial_types=floats, zipmap=False, target_opset=15)
        answer(f"lgb_{name}", onnx, ours, inputs)
        ours = getattr(xgboost, "XGB" + kind)(max_depth=4, **plain).fit(x, target)
        onnx = convert_xgboost(ours, initial_types=floats, target_opset=15)
        answer(f"xgb_{name}", onnx, ours, inputs)


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for make in (lightgbm_models, xgboost_models, onnx_models):
        if not wanted or make.__name__ in wanted:
            make()
