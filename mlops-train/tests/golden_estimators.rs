//! Every estimator against scikit-learn 1.9.1 on its bundled data sets; see tests/golden/sklearn/gen_estimators.py.
//!
//! Rows 4, 8, 12, … are held back. Where the algorithm is deterministic, the answers for them agree within the
//! tolerance of the case; elsewhere the score is no worse by more than 0.5 %. One table shows all:
//! `cargo test --workspace --all-features --test golden_estimators -- --nocapture`.
#![cfg(feature = "linear")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use mlops_core::{Codecs, Model, Predictions, Role, Rule, Run, Spec, Table};
use mlops_train::Svc;
use serde::Deserialize;

#[derive(Deserialize)]
struct Data {
    x: Vec<Vec<f64>>,
    y: Vec<f64>,
    quantity: bool,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    data: String,
    recipe: Spec,
    weighted: bool,
    scores: Option<Vec<f64>>,
    tolerance: Option<f64>,
    metric: String,
    value: f64,
    /// The same optimum is reached, not only one as good.
    #[serde(default)]
    exact: bool,
    threshold: Option<f64>,
    labels: Option<Vec<i64>>,
    core_labels: Option<Vec<Option<i64>>>,
    noise: Option<Vec<bool>>,
    /// What the machine of each pair of classes says.
    decision: Option<Vec<f64>>,
}

fn read<T: for<'a> Deserialize<'a>>(file: &str) -> T {
    let path = format!("{}/../tests/golden/sklearn/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

impl Data {
    fn table(&self, keep: impl Fn(usize) -> bool, weighted: bool) -> Table {
        let rows: Vec<usize> = (0..self.x.len()).filter(|row| keep(*row)).collect();
        let column = |c: usize| Arc::new(rows.iter().map(|row| self.x[*row][c]).collect::<Float64Array>()) as ArrayRef;
        let mut columns: Vec<(String, ArrayRef)> = (0..self.x[0].len()).map(|c| (format!("x{c}"), column(c))).collect();
        let target: ArrayRef = match self.quantity {
            true => Arc::new(rows.iter().map(|row| self.y[*row]).collect::<Float64Array>()),
            false => Arc::new(rows.iter().map(|row| self.y[*row] as i64).collect::<Int64Array>()),
        };
        columns.push(("y".to_owned(), target));
        let weights = (0..rows.len()).map(|i| (i % 5 + 1) as f64 / 2.0);
        columns.push(("weight".to_owned(), Arc::new(weights.collect::<Float64Array>())));
        let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
        let weight = if weighted { Role::Weight } else { Role::Ignored };
        table.with_role("y", Role::Target).unwrap().with_role("weight", weight).unwrap()
    }
}

fn is_held_back(row: usize) -> bool {
    row % 4 == 3
}

/// What a model is worth by the metric of the case, and whether more is better.
fn value(case: &Case, model: &dyn Model, data: &Data) -> (f64, bool) {
    let held_back = data.table(is_held_back, false);
    let number = |path: &str| model.save().unwrap().state.pointer(path).unwrap().as_f64().unwrap();
    match case.metric.as_str() {
        "inertia" => (number("/inertia"), false),
        "log_likelihood" => (number("/outcome/log_likelihood"), true),
        "clusters" => (model.signature().num_scores() as f64, true),
        metric => {
            let predictions = Predictions::of(model, &held_back).unwrap();
            let rows = 0..predictions.num_rows();
            if metric == "accuracy" {
                let right = rows.filter(|row| predictions.chosen(*row) as f64 == predictions.target[*row]).count();
                return (right as f64 / predictions.num_rows() as f64, true);
            }
            let mean = predictions.target.iter().sum::<f64>() / predictions.num_rows() as f64;
            let residual: f64 = rows.map(|row| (predictions.target[row] - predictions.row(row)[0]).powi(2)).sum();
            let total: f64 = predictions.target.iter().map(|y| (y - mean).powi(2)).sum();
            (1.0 - residual / total, true)
        }
    }
}

/// The greatest difference of the scores, relative where they are above 1.
fn distance(case: &Case, model: &dyn Model, data: &Data) -> Option<f64> {
    let expected = case.scores.as_ref()?;
    let rows = data.table(is_held_back, false).to_batch().unwrap();
    let scores = Predictions::scores_of(model.signature(), &model.predict(&rows).unwrap()).unwrap();
    assert_eq!(scores.len(), expected.len(), "{}", case.name);
    let apart = |(a, b): (&f64, &f64)| if a.is_nan() { f64::INFINITY } else { (a - b).abs() / b.abs().max(1.0) };
    Some(scores.iter().zip(expected).map(apart).fold(0.0, f64::max))
}

fn groups(model: &dyn Model, data: &Data, keep: impl Fn(usize) -> bool) -> Vec<i64> {
    let answer = model.predict(&data.table(keep, false).to_batch().unwrap()).unwrap();
    answer.column(0).as_primitive::<Int64Type>().values().to_vec()
}

fn failures(case: &Case, model: &dyn Model, data: &Data, apart: Option<f64>, value: f64, more: bool) -> Vec<String> {
    let mut failures = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            failures.push(format!("{} on {}: {what}", case.name, case.data));
        }
    };
    if let (Some(apart), Some(tolerance)) = (apart, case.tolerance) {
        check(apart <= tolerance, &format!("answers are {apart:e} apart, at most {tolerance:e} was expected"));
    }
    let lead = if more { value - case.value } else { case.value - value };
    check(lead >= -0.005 * case.value.abs(), &format!("{} is {value}, scikit-learn's {}", case.metric, case.value));
    if case.exact {
        check(lead.abs() <= 1e-6 * case.value.abs(), &format!("another optimum: {value}, not {}", case.value));
    }
    if let Some(threshold) = case.threshold {
        let Rule::Threshold(ours) = model.signature().decision.rule else { panic!("no threshold") };
        check((ours - threshold).abs() < 1e-9, &format!("a threshold of {ours}, not {threshold}"));
    }
    if let Some(labels) = &case.labels {
        check(groups(model, data, is_held_back) == *labels, "other groups");
    }
    if let (Some(cores), Some(noise)) = (&case.core_labels, &case.noise) {
        let ours = groups(model, data, |row| !is_held_back(row));
        check(ours.iter().zip(cores).all(|(a, b)| b.is_none_or(|b| *a == b)), "cores in other groups");
        check(ours.iter().zip(noise).all(|(a, noise)| (*a < 0) == *noise), "other noise");
    }
    failures
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is for people")]
fn every_estimator_agrees_with_scikit_learn() {
    let data: BTreeMap<String, Data> = read("estimator_data.json");
    let cases: Vec<Case> = read("estimators.json");
    let codecs = Codecs::default().with(mlops_train::codecs());
    let mut table = format!(
        "{:<36} {:<21} {:<14} {:>12} {:>12} {:>10}\n",
        "estimator", "data", "metric", "ours", "scikit-learn", "apart"
    );
    let mut wrong = Vec::new();
    for case in &cases {
        let data = &data[&case.data];
        let training = data.table(|row| !is_held_back(row), case.weighted);
        let recipe = codecs.trainer(&case.recipe).unwrap_or_else(|e| panic!("{}: {e:?}", case.name));
        let model = recipe.fit(&training, &Run::default().with_seed(1));
        let model = model.unwrap_or_else(|e| panic!("{} on {}: {e:?}", case.name, case.data));
        let apart = distance(case, model.as_ref(), data);
        let (ours, more) = value(case, model.as_ref(), data);
        let shown = apart.map_or_else(String::new, |apart| format!("{apart:.1e}"));
        writeln!(
            table,
            "{:<36} {:<21} {:<14} {ours:>12.6} {:>12.6} {shown:>10}",
            case.name, case.data, case.metric, case.value
        )
        .unwrap();
        wrong.extend(failures(case, model.as_ref(), data, apart, ours, more));
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{} failures:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn support_vectors_decide_like_libsvm() {
    let data: BTreeMap<String, Data> = read("estimator_data.json");
    let cases: Vec<Case> = read("estimators.json");
    let mut compared = 0;
    for case in &cases {
        let Some(expected) = &case.decision else { continue };
        let recipe: Svc = serde_json::from_value(case.recipe.settings.clone()).unwrap();
        let data = &data[&case.data];
        let model = recipe.learn(&data.table(|row| !is_held_back(row), false), &Run::default()).unwrap();
        let rows = (0..data.x.len()).filter(|row| is_held_back(*row));
        let decisions: Vec<f64> = rows.flat_map(|row| model.decide(&data.x[row])).collect();
        // Of two classes scikit-learn turns the sign around.
        let sign = if model.signature().num_scores() == 2 { -1.0 } else { 1.0 };
        assert_eq!(decisions.len(), expected.len());
        for (ours, theirs) in decisions.iter().zip(expected) {
            assert!((sign * ours - theirs).abs() < 1e-4, "{}: {ours}, not {theirs}", case.data);
        }
        compared += 1;
    }
    assert!(compared >= 3);
}
