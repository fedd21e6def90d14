//! The selectors agree with scikit-learn; `tests/golden/sklearn/README.md` says how the values were
//! made.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use mlops_core::{Role, Run, Spec, Table, Transformer};
use mlops_data::select::{
    Amount, Direction, DiscreteFeatures, MutualInfo, Rfe, RfeCv, ScoreFunc, Scoring, SelectFdr, SelectFpr,
    SelectFromModel, SelectFwe, SelectKBest, SelectPercentile, SequentialFeatureSelector, Threshold, VarianceThreshold,
};
use serde_json::{Value as Json, json};

use crate::Agreement;
use crate::ridge::{self, Ridge};

fn tables() -> BTreeMap<String, Table> {
    let tables: Vec<Json> =
        serde_json::from_str(include_str!("../../../tests/golden/sklearn/selector_data.json")).unwrap();
    tables.iter().map(|described| (described["name"].as_str().unwrap().to_owned(), table(described))).collect()
}

fn table(described: &Json) -> Table {
    let columns = described["columns"].as_object().unwrap().iter().map(|(name, values)| {
        let values = values.as_array().unwrap().iter().map(Json::as_f64);
        (name.as_str(), Arc::new(values.collect::<Float64Array>()) as ArrayRef, true)
    });
    let target = described["target"].as_array().unwrap();
    let target: ArrayRef = match &target[0] {
        Json::String(_) => Arc::new(target.iter().map(Json::as_str).collect::<StringArray>()),
        number if number.is_i64() => Arc::new(target.iter().map(Json::as_i64).collect::<Int64Array>()),
        _ => Arc::new(target.iter().map(Json::as_f64).collect::<Float64Array>()),
    };
    let batch = RecordBatch::try_from_iter_with_nullable(columns.chain([("target", target, false)])).unwrap();
    Table::from_batch(batch).rebatch(41).unwrap().with_role("target", Role::Target).unwrap()
}

fn amount(value: &Json) -> Option<Amount> {
    match value {
        Json::Number(count) if count.is_u64() => Some(Amount::Count(count.as_u64().unwrap() as usize)),
        value => value.as_f64().map(Amount::Fraction),
    }
}

fn score_func(case: &Json) -> ScoreFunc {
    let informed = || {
        let discrete = case["params"]["discrete"] == true;
        MutualInfo::new()
            .with_discrete_features(if discrete { DiscreteFeatures::All } else { DiscreteFeatures::None })
            .with_n_neighbors(case["params"]["n_neighbors"].as_u64().unwrap() as usize)
    };
    match case["score_func"].as_str().unwrap() {
        "chi2" => ScoreFunc::Chi2,
        "f_classif" => ScoreFunc::FClassif,
        "f_regression" => ScoreFunc::FRegression,
        "mutual_info_classif" => ScoreFunc::MutualInfoClassif(informed()),
        _ => ScoreFunc::MutualInfoRegression(informed()),
    }
}

fn recipe(case: &Json) -> Box<dyn Transformer> {
    let params = &case["params"];
    let number = |name: &str| params[name].as_f64();
    let ridge = Ridge { alpha: 1.0 };
    let scoring = match params["scoring"].as_str() {
        Some("neg_mean_absolute_error") => Scoring::NegMeanAbsoluteError,
        Some("neg_mean_squared_error") => Scoring::NegMeanSquaredError,
        Some("r2") => Scoring::R2,
        _ => Scoring::Auto,
    };
    match case["selector"].as_str().unwrap() {
        "SelectKBest" => Box::new(SelectKBest::new(score_func(case), number("k").unwrap() as usize)),
        "SelectPercentile" => Box::new(SelectPercentile::new(score_func(case), number("percentile").unwrap())),
        "SelectFpr" => Box::new(SelectFpr::new(score_func(case), number("alpha").unwrap())),
        "SelectFdr" => Box::new(SelectFdr::new(score_func(case), number("alpha").unwrap())),
        "SelectFwe" => Box::new(SelectFwe::new(score_func(case), number("alpha").unwrap())),
        "VarianceThreshold" => Box::new(VarianceThreshold::new(number("threshold").unwrap())),
        "SelectFromModel" => {
            let threshold = match &params["threshold"] {
                Json::Null => Threshold::Mean(1.0),
                Json::String(text) if text == "median" => Threshold::Median(1.0),
                Json::String(_) => Threshold::Mean(0.3),
                value => Threshold::Value(value.as_f64().unwrap()),
            };
            let recipe = SelectFromModel::new(ridge).with_threshold(threshold);
            match number("max_features") {
                Some(most) => Box::new(recipe.with_max_features(most as usize)),
                None => Box::new(recipe),
            }
        }
        "RFE" => {
            let recipe = Rfe::new(ridge).with_step(amount(&params["step"]).unwrap());
            match amount(&params["n_features_to_select"]) {
                Some(amount) => Box::new(recipe.with_n_features_to_select(amount)),
                None => Box::new(recipe),
            }
        }
        "RFECV" => {
            let least = number("min_features_to_select").unwrap() as usize;
            let step = amount(&params["step"]).unwrap();
            Box::new(RfeCv::new(ridge).with_min_features_to_select(least).with_step(step))
        }
        _ => {
            let forward = params["direction"] == "forward";
            let direction = if forward { Direction::Forward } else { Direction::Backward };
            let mut recipe = SequentialFeatureSelector::new(ridge).with_direction(direction).with_scoring(scoring);
            if let Some(amount) = amount(&params["n_features_to_select"]) {
                recipe = recipe.with_n_features_to_select(amount);
            }
            if let Some(tol) = number("tol") {
                recipe = recipe.with_tol(tol);
            }
            Box::new(recipe)
        }
    }
}

/// The greatest difference, relative to what is above 1.
fn difference(place: &str, actual: &[Option<f64>], expected: &Json) -> f64 {
    let expected = expected.as_array().unwrap();
    assert_eq!(actual.len(), expected.len(), "{place}");
    let pairs = actual.iter().zip(expected);
    let apart = pairs.map(|(actual, expected)| match (actual, expected.as_f64()) {
        (None, None) => 0.0,
        (Some(actual), Some(expected)) => (actual - expected).abs() / expected.abs().max(1.0),
        (actual, expected) => panic!("{place}: {actual:?} instead of {expected:?}"),
    });
    let apart = apart.fold(0.0, f64::max);
    assert!(apart <= 1e-9, "{place}: {actual:?} instead of {expected:?}");
    apart
}

/// The selectors that must have a row.
pub(crate) const LISTED: [&str; 10] = [
    "RFE",
    "RFECV",
    "SelectFdr",
    "SelectFpr",
    "SelectFromModel",
    "SelectFwe",
    "SelectKBest",
    "SelectPercentile",
    "SequentialFeatureSelector",
    "VarianceThreshold",
];

pub(crate) fn agreement(table: &mut Agreement) {
    let tables = tables();
    let cases: Vec<Json> = serde_json::from_str(include_str!("../../../tests/golden/sklearn/selectors.json")).unwrap();
    for case in &cases {
        let (name, data) = (case["name"].as_str().unwrap(), &tables[case["data"].as_str().unwrap()]);
        let recipe = recipe(case);
        let spec: Spec = serde_json::from_str(&serde_json::to_string(&recipe.to_spec().unwrap()).unwrap()).unwrap();
        let fitted = ridge::codecs().transformer(&spec).unwrap().fit(data, &Run::default()).unwrap();
        let state = fitted.save().unwrap().state;
        let features = state["features"].as_array().unwrap();
        let of = |part: &str| features.iter().map(|feature| feature[part].as_f64()).collect::<Vec<_>>();
        let support: Vec<&Json> = features.iter().map(|feature| &feature["selected"]).collect();
        assert_eq!(json!(support), case["support"], "{name}: {state:#}");
        let mut apart = 0.0_f64;
        for (ours, theirs) in [("score", "scores"), ("p_value", "p_values"), ("ranking", "ranking")] {
            if !case[theirs].is_null() {
                apart = apart.max(difference(&format!("{name}: {theirs}"), &of(ours), &case[theirs]));
            }
        }
        if !case["threshold"].is_null() {
            apart = apart.max(difference(name, &[state["threshold"].as_f64()], &json!([case["threshold"]])));
        }
        if let Some(results) = case["cv_results"].as_object() {
            for (part, expected) in results {
                let points = state["cv_results"].as_array().unwrap();
                let actual: Vec<Option<f64>> = points.iter().map(|point| point[part].as_f64()).collect();
                apart = apart.max(difference(&format!("{name}: {part}"), &actual, expected));
            }
        }
        let func = case["score_func"].as_str().map(|func| format!(" by {func}")).unwrap_or_default();
        let data = format!("{}{func}", case["data"].as_str().unwrap());
        table.row(case["selector"].as_str().unwrap(), &data).add(apart, 1e-9);
    }
}
