//! What selectors promise, and what they refuse.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, record_batch};
use mlops_core::{Artifact, ErrorKind, Named, Pipeline, Result, Role, Run, Table, Trainer, Transformer};
use mlops_data::select::{
    Amount, Direction, DiscreteFeatures, MutualInfo, Rfe, RfeCv, ScoreFunc, Scoring, SelectFdr, SelectFpr,
    SelectFromModel, SelectKBest, SelectPercentile, SequentialFeatureSelector, Threshold, VarianceThreshold,
};
use mlops_data::split::{KFold, StratifiedKFold};
use mlops_data::transform::StandardScaler;
use serde::Serialize;

mod ridge;
#[path = "ridge/rows.rs"]
mod rows;

use rows::{NUMBERS, ROWS, by_amount, by_label, ridge};

#[test]
fn all_features_are_looked_at_unless_some_are_named() {
    let names = |table: &Table| table.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let data = by_amount().select(["id", "a", "b", "c", "d", "e", "label", "amount"]).unwrap();
    let (fitted, kept) = Rfe::new(ridge()).fit_transform(&data, &Run::default()).unwrap();
    assert_eq!(names(&kept), ["id", "a", "c", "label", "amount"]);
    // What was dropped need not be there.
    let few = data.select(["c", "a"]).unwrap().to_batch().unwrap();
    assert_eq!(fitted.apply(few.clone()).unwrap(), few);
    assert_eq!(fitted.output_schema(data.select(["a"]).unwrap().schema()).unwrap_err().kind(), ErrorKind::Schema);
    let nothing = SelectKBest::new(ScoreFunc::FRegression, 0).on(["a"]);
    let (_, kept) = nothing.fit_transform(&data, &Run::default()).unwrap();
    assert_eq!(names(&kept), ["id", "b", "c", "d", "e", "label", "amount"]);
}

#[test]
fn a_pipeline_prepares_and_selects() {
    let recipe = Pipeline::new()
        .then(StandardScaler::on(NUMBERS))
        .then(VarianceThreshold::new(0.5).on(["b", "d"]))
        .then(SelectPercentile::new(ScoreFunc::FRegression, 60.0).on(["a", "c", "e"]))
        .then(RfeCv::new(ridge()).on(["a", "b"]));
    let (fitted, _) = recipe.fit_transform(&by_amount(), &Run::default()).unwrap();
    assert!(fitted.fitted_on().is_some());
    let spec = mlops_core::Recipe::to_spec(&recipe).unwrap();
    let again = ridge::codecs().transformer(&spec).unwrap().fit(&by_amount(), &Run::default()).unwrap();
    assert_eq!(again.save().unwrap(), fitted.save().unwrap());
}

#[test]
fn selection_within_folds_of_classes_is_stratified() {
    // Sorted by class: blocks of rows would miss one.
    let sorted = (0..30).map(f64::from).collect::<Float64Array>();
    let label = (0..30).map(|i| Some(i64::from(i >= 15))).collect::<Int64Array>();
    let columns: [(&str, ArrayRef); 3] = [
        ("x", Arc::new(sorted)),
        ("z", Arc::new((0..30).map(|i| f64::from(i * 7 % 11)).collect::<Float64Array>())),
        ("label", Arc::new(label)),
    ];
    let data =
        Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role("label", Role::Target).unwrap();
    let selector = SequentialFeatureSelector::new(Nearest).with_scoring(Scoring::Accuracy);
    let (fitted, _) = selector.fit_transform(&data, &Run::default()).unwrap();
    let by_name = SequentialFeatureSelector::new(Nearest).with_cv(StratifiedKFold::new(5));
    assert_eq!(fitted.save().unwrap().state, by_name.fit(&data, &Run::default()).unwrap().save().unwrap().state);
    assert_eq!(fitted.save().unwrap().state["features"][0]["selected"], true);
}

/// Says which of two classes is more probable by the side of the middle between their means.
#[derive(Debug, Serialize)]
struct Nearest;

impl Named for Nearest {
    const KIND: &'static str = "nearest_of_tests";
}

impl Trainer for Nearest {
    fn fit(&self, data: &Table, _: &Run) -> Result<Arc<dyn mlops_core::Model>> {
        use mlops_core::columns::to_matrix;
        let name = data.features()[0].name().clone();
        let batch = data.to_batch()?;
        let (x, y) = (to_matrix(&batch, &[&name])?, to_matrix(&batch, &["label"])?);
        let mean = |class: f64| {
            let of: Vec<f64> = x.iter().zip(&y).filter(|(_, y)| **y == class).map(|(x, _)| *x).collect();
            assert!(!of.is_empty(), "every fold has both classes");
            of.iter().sum::<f64>() / of.len() as f64
        };
        let (low, high) = (mean(0.0), mean(1.0));
        let model = IntClasses(mlops_core::conformance::LinearModel::classification(
            [(name, high - low)],
            (low * low - high * high) / 2.0,
        )?);
        Ok(Arc::new(model))
    }
}

/// A model of booleans as one of the classes 0 and 1.
#[derive(Debug)]
struct IntClasses(mlops_core::conformance::LinearModel);

impl mlops_core::Model for IntClasses {
    fn signature(&self) -> &mlops_core::Signature {
        static SIGNATURE: std::sync::OnceLock<mlops_core::Signature> = std::sync::OnceLock::new();
        SIGNATURE.get_or_init(|| {
            let classes = mlops_core::Classes::Int(vec![0, 1]);
            mlops_core::Signature::new(self.0.signature().inputs.clone(), mlops_core::Task::Classification { classes })
        })
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.0.predict(batch)
    }

    fn dense(&self) -> Option<&dyn mlops_core::Dense> {
        None
    }

    fn row(&self) -> Option<&dyn mlops_core::RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        self.0.save()
    }
}

#[test]
fn scores_are_exact_where_floats_lose_digits() {
    // Moved by 1e9, the same numbers have the same F.
    let score = |shift: f64| {
        let data = by_label();
        let a = mlops_core::columns::numbers(&data.column("a").unwrap(), "a").unwrap();
        let moved: ArrayRef =
            Arc::new(a.unary::<_, arrow::datatypes::Float64Type>(|x| (x * 1024.0).round() / 1024.0 + shift));
        let batch = RecordBatch::try_from_iter([("a", moved), ("label", data.column("label").unwrap())]).unwrap();
        let data = Table::from_batch(batch).with_role("label", Role::Target).unwrap();
        let scores = ScoreFunc::FClassif.score(&data, None, &Run::default()).unwrap();
        (scores[0].score.unwrap(), scores[0].p_value.unwrap())
    };
    let (plain, moved) = (score(0.0), score(1e9));
    assert!((plain.0 / moved.0 - 1.0).abs() < 1e-13 && (plain.1 / moved.1 - 1.0).abs() < 1e-12);
}

#[test]
fn ties_are_stirred_in_the_same_way_whatever_the_order() {
    let data = by_label();
    let order: Vec<usize> = (0..ROWS).rev().collect();
    let function = ScoreFunc::MutualInfoClassif(MutualInfo::new().with_discrete_features(DiscreteFeatures::None));
    let of = |data: &Table| function.score(data, Some(&["d".into()]), &Run::default()).unwrap();
    assert_eq!(of(&data), of(&data.take(&order).unwrap()));
}

#[test]
fn what_says_nothing_has_no_score() {
    let batch = record_batch!(
        ("same", Float64, [0.1, 0.1, 0.1, 0.1]),
        ("tells", Float64, [1.0, 1.0, 2.0, 2.0]),
        ("none", Float64, [0.0, 0.0, 0.0, 0.0]),
        ("class", Int32, [0, 0, 1, 1])
    );
    let data = Table::from_batch(batch.unwrap()).with_role("class", Role::Target).unwrap();
    let scores = ScoreFunc::FClassif.score(&data, None, &Run::default()).unwrap();
    assert_eq!((scores[0].score, scores[0].p_value), (None, None));
    assert_eq!((scores[1].score, scores[1].p_value), (Some(f64::INFINITY), Some(0.0)));
    let fitted = SelectKBest::new(ScoreFunc::FClassif, 1).fit(&data, &Run::default()).unwrap();
    let artifact = fitted.save().unwrap();
    assert_eq!(artifact.state["features"][1]["score"], "Infinity");
    assert_eq!(ridge::codecs().transform(&artifact).unwrap().save().unwrap(), artifact);
    assert_eq!(ScoreFunc::Chi2.score(&data, None, &Run::default()).unwrap()[2].score, None);
    let scores = ScoreFunc::FRegression.score(&data, None, &Run::default()).unwrap();
    assert_eq!((scores[0].score, scores[0].p_value), (Some(0.0), Some(1.0)));
    assert_eq!((scores[1].score, scores[1].p_value), (Some(f64::MAX), Some(0.0)));
}

#[test]
fn what_can_not_be_selected_is_refused_with_a_remedy() {
    let batch = record_batch!(
        ("x", Float64, [1.0, 2.0, 3.0, 4.0]),
        ("holes", Float64, [Some(1.0), None, Some(3.0), Some(f64::NAN)]),
        ("huge", Float64, [1.0, f64::INFINITY, 3.0, 4.0]),
        ("minus", Float64, [1.0, -2.0, 3.0, 4.0]),
        ("text", Utf8, ["a", "b", "c", "d"]),
        ("class", Int32, [0, 0, 1, 1]),
        ("one", Int32, [7, 7, 7, 7]),
        ("gap", Int32, [Some(0), None, Some(1), Some(1)]),
        ("y", Float64, [1.0, 2.0, 2.0, 4.0]),
        ("y_gap", Float64, [Some(1.0), None, Some(2.0), Some(4.0)])
    );
    let batch = batch.unwrap();
    let refused = |recipe: &dyn Transformer, target: &str, kind: ErrorKind, remedy: &str| {
        let data = Table::from_batch(batch.clone()).with_role(target, Role::Target).unwrap();
        let error = recipe.fit(&data, &Run::default()).unwrap_err();
        assert!(error.kind() == kind && error.to_string().contains(remedy), "{recipe:?}: {error:?}");
    };
    let f = |func: ScoreFunc, column: &str| SelectKBest::new(func, 1).on([column]);
    let (data, schema, config) = (ErrorKind::Data, ErrorKind::Schema, ErrorKind::Config);
    refused(&f(ScoreFunc::FClassif, "holes"), "class", data, "'holes' has no value or NaN in 2 of 4 rows: impute it");
    refused(&f(ScoreFunc::FClassif, "huge"), "class", data, "'huge' has an infinity in 1 of 4 rows: clip it");
    refused(&f(ScoreFunc::FClassif, "text"), "class", schema, "encode it first");
    refused(&f(ScoreFunc::FClassif, "nope"), "class", schema, "no column 'nope'");
    refused(&f(ScoreFunc::FClassif, "y"), "y", ErrorKind::Leak, "'y'");
    refused(&f(ScoreFunc::FClassif, "x"), "y", schema, "f_regression");
    refused(&f(ScoreFunc::FClassif, "x"), "one", data, "single class");
    refused(&f(ScoreFunc::FClassif, "x"), "gap", data, "filter those rows");
    refused(&f(ScoreFunc::Chi2, "minus"), "class", data, "f_classif");
    refused(&f(ScoreFunc::FRegression, "x"), "text", schema, "f_classif");
    refused(&f(ScoreFunc::FRegression, "x"), "y_gap", data, "'y_gap'");
    let informed = |n: usize| MutualInfo::new().with_n_neighbors(n);
    refused(&f(ScoreFunc::MutualInfoClassif(informed(0)), "x"), "class", config, "such as 3");
    refused(&f(ScoreFunc::MutualInfoClassif(informed(3)), "x"), "y", schema, "mutual_info_regression");
    refused(&f(ScoreFunc::MutualInfoRegression(informed(3)), "x"), "text", schema, "mutual_info_classif");
    refused(&f(ScoreFunc::MutualInfoRegression(informed(4)), "x"), "y", data, "fewer neighbours");
    refused(&f(ScoreFunc::MutualInfoRegression(informed(3)), "holes"), "y", data, "impute");
    let informed = ScoreFunc::MutualInfoClassif(MutualInfo::new());
    refused(&SelectFpr::new(informed, 0.05).on(["x"]), "class", config, "SelectKBest");
    refused(&SelectFdr::new(ScoreFunc::FClassif, 5.0).on(["x"]), "class", config, "such as 0.05");
    refused(&SelectPercentile::new(ScoreFunc::FClassif, -1.0).on(["x"]), "class", config, "0 to 100");
    refused(&VarianceThreshold::new(-1.0).on(["x"]), "class", config, "0 or above");
    refused(&VarianceThreshold::new(0.0).on(["one"]), "class", data, "lower the threshold");
    refused(&VarianceThreshold::new(0.0).on(Vec::<String>::new()), "class", config, "name at least one");
    refused(&VarianceThreshold::new(0.0).on(["x", "x"]), "class", config, "named twice");

    let named = |recipe: Rfe| recipe.on(["x", "minus"]);
    refused(&named(Rfe::new(ridge()).with_n_features_to_select(0)), "y", config, "from 1");
    refused(&named(Rfe::new(ridge()).with_step(Amount::Fraction(1.5))), "y", config, "at most 1");
    refused(&named(Rfe::new(Mute)), "y", ErrorKind::Unsupported, "SequentialFeatureSelector");
    let nan = SelectFromModel::new(ridge()).on(["x"]).with_threshold(Threshold::Value(f64::NAN));
    refused(&nan, "y", config, "give a number");
    let sequential =
        |columns: &[&str]| SequentialFeatureSelector::new(ridge()).on(columns.iter().copied()).with_cv(KFold::new(2));
    refused(&sequential(&["x"]), "y", config, "2 at least");
    refused(&sequential(&["x", "minus"]).with_n_features_to_select(2), "y", config, "leave the step out");
    refused(&sequential(&["x", "minus"]).with_tol(-0.1), "y", config, "above 0");
    refused(&sequential(&["x", "minus"]).with_scoring(Scoring::Accuracy), "y", config, "Scoring::Auto");
    let backward = sequential(&["x", "minus"]).with_direction(Direction::Backward).with_cv(KFold::new(5));
    refused(&backward, "y", data, "ask for at most 4");

    let untold = Table::from_batch(batch.clone());
    assert_eq!(f(ScoreFunc::Chi2, "x").fit(&untold, &Run::default()).unwrap_err().kind(), schema);
    assert!(serde_json::from_str::<SelectKBest>(r#"{"kk": 3}"#).is_err());
    let spec =
        mlops_core::Spec { kind: "rfe".into(), settings: serde_json::json!({"trainer": {"kind": "unheard_of"}}) };
    assert_eq!(ridge::codecs().transformer(&spec).unwrap_err().kind(), ErrorKind::Unsupported);
    let spec = mlops_core::Spec { kind: "rfe".into(), settings: serde_json::json!({"options": {}}) };
    assert_eq!(ridge::codecs().transformer(&spec).unwrap_err().kind(), config);
}

/// A ridge regression that does not tell its coefficients.
#[derive(Debug, Serialize)]
struct Mute;

impl Named for Mute {
    const KIND: &'static str = "mute_of_tests";
}

#[derive(Debug)]
struct MuteModel(Arc<dyn mlops_core::Model>);

impl Trainer for Mute {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn mlops_core::Model>> {
        Ok(Arc::new(MuteModel(ridge().fit(data, run)?)))
    }
}

impl mlops_core::Model for MuteModel {
    fn signature(&self) -> &mlops_core::Signature {
        self.0.signature()
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.0.predict(batch)
    }

    fn dense(&self) -> Option<&dyn mlops_core::Dense> {
        self.0.dense()
    }

    fn row(&self) -> Option<&dyn mlops_core::RowModel> {
        self.0.row()
    }

    fn save(&self) -> Result<Artifact> {
        self.0.save()
    }
}

#[test]
fn a_selection_of_today_is_read_forever() {
    let artifact: Artifact = serde_json::from_str(include_str!("data/feature_selection.v1.json")).unwrap();
    let fitted = ridge::codecs().transform(&artifact).unwrap();
    let batch = record_batch!(("wind", Float64, [1.0]), ("day", Int32, [2]), ("late", Boolean, [true])).unwrap();
    let kept = fitted.apply(batch).unwrap();
    assert_eq!(kept.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["wind", "late"]);
    assert_eq!(fitted.save().unwrap(), artifact);
}
