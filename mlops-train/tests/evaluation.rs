//! Evaluations: paired tests against R and statsmodels, fairness against fairlearn, slices, gates.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use mlops_core::compare::Bootstrap;
use mlops_core::random::SplitMix64;
use mlops_core::{Classes, ErrorKind, Metric, Predictions, RunEntry, Table, Task};
use mlops_train::evaluation::{
    Bound, DeLong, Evaluation, FairnessGap, GateFailure, McNemar, McNemarMethod, no_worse_than,
};
use mlops_train::{Accuracy, F1, LogLoss, Mape, Rmse, RocAuc};
use serde::Deserialize;
use serde_json::Value;

fn read<T: for<'de> Deserialize<'de>>(path: &str) -> T {
    let path = format!("{}/../tests/golden/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn two_classes(target: &[f64], scores: &[f64]) -> Predictions {
    let scores = scores.iter().flat_map(|p| [1.0 - p, *p]).collect();
    Predictions::new(Task::Classification { classes: Classes::Bool }, target.to_vec(), scores).unwrap()
}

/// Classes and scores of which some are better than others.
fn drawn(rows: usize, seed: u64, skill: f64) -> Predictions {
    let mut rng = SplitMix64::new(5);
    let target: Vec<f64> = (0..rows).map(|_| f64::from(u8::from(rng.uniform() < 0.4))).collect();
    let mut rng = SplitMix64::new(seed);
    let scores: Vec<f64> = target.iter().map(|y| (skill * y + rng.uniform()) / (1.0 + skill)).collect();
    two_classes(&target, &scores)
}

#[derive(Deserialize)]
struct Asah {
    poor: Vec<f64>,
    wfns: Vec<f64>,
    s100b: Vec<f64>,
    ndka: Vec<f64>,
    tests: Vec<AsahTest>,
    interval_of_ndka: [f64; 3],
}

#[derive(Deserialize)]
struct AsahTest {
    first: String,
    second: String,
    z: f64,
    p: f64,
    interval: [f64; 2],
}

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{value}, not {expected}");
}

/// The published values have 15 digits.
#[test]
fn delong_agrees_with_r() {
    let data: Asah = read("pROC/asah.json");
    let marker = |name: &str| match name {
        "wfns" => two_classes(&data.poor, &data.wfns),
        "s100b" => two_classes(&data.poor, &data.s100b),
        _ => two_classes(&data.poor, &data.ndka),
    };
    for AsahTest { first, second, z, p, interval } in &data.tests {
        // R subtracts the second from the first.
        let test = DeLong::compare(&marker(second), &marker(first), 0.95).unwrap();
        near(test.z, *z);
        near(test.p_value, *p);
        near(test.interval.low, interval[0]);
        near(test.interval.high, interval[1]);
        near(test.challenger - test.champion, test.difference);
    }
    let same = DeLong::compare(&marker("wfns"), &marker("wfns"), 0.95).unwrap();
    assert_eq!((same.z, same.p_value), (0.0, 1.0));
    let interval = DeLong::interval(&marker("ndka"), 0.95).unwrap();
    let [low, value, high] = data.interval_of_ndka;
    near(interval.low, low);
    near(interval.high, high);
    near(RocAuc.score(&marker("ndka")).unwrap(), value);
}

#[derive(Deserialize)]
struct Paired {
    mcnemar: Vec<Table2>,
    fairness: Vec<Groups>,
}

#[derive(Deserialize)]
struct Table2 {
    table: [[u64; 2]; 2],
    exact: f64,
    corrected: [Option<f64>; 2],
    uncorrected: [Option<f64>; 2],
}

#[derive(Deserialize)]
struct Groups {
    name: String,
    truth: Vec<f64>,
    scores: Vec<f64>,
    groups: Vec<String>,
    weights: Option<Vec<f64>>,
    expected: BTreeMap<String, f64>,
}

#[test]
fn mcnemar_agrees_with_statsmodels() {
    let Paired { mcnemar, .. } = read("sklearn/evaluation.json");
    assert_eq!(mcnemar.len(), 5);
    for Table2 { table: [[_, b], [c, _]], exact, corrected, uncorrected } in mcnemar {
        near(McNemar::of_counts(b, c, McNemarMethod::Exact).p_value, exact);
        for (method, [statistic, p]) in
            [(McNemarMethod::ChiSquare, corrected), (McNemarMethod::ChiSquareUncorrected, uncorrected)]
        {
            let test = McNemar::of_counts(b, c, method);
            match (statistic, p) {
                (Some(statistic), Some(p)) => {
                    near(test.statistic, statistic);
                    near(test.p_value, p);
                }
                // Without a row that they differ on, statsmodels divides by 0.
                _ => assert_eq!(test.p_value, 1.0),
            }
        }
    }
    let (a, b) = (drawn(200, 1, 0.3), drawn(200, 2, 1.5));
    let test = McNemar::compare(&a, &b, McNemarMethod::Exact).unwrap();
    assert!(test.only_challenger > test.only_champion && test.p_value < 0.01, "{test:?}");
    let weighted = a.clone().with_weights(vec![0.5; 200]).unwrap();
    assert_eq!(
        McNemar::compare(&weighted, &weighted, McNemarMethod::Exact).unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(DeLong::compare(&weighted, &weighted, 0.95).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(DeLong::compare(&a, &drawn(100, 1, 0.3), 0.95).unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(DeLong::compare(&a, &b, 95.0).unwrap_err().kind(), ErrorKind::Config);
    let one = two_classes(&[0.0, 1.0], &[0.1, 0.9]);
    assert_eq!(DeLong::compare(&one, &one, 0.95).unwrap_err().kind(), ErrorKind::Data);
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
}

#[test]
fn fairness_agrees_with_fairlearn() {
    let Paired { fairness, .. } = read("sklearn/evaluation.json");
    for case in fairness {
        let predictions = two_classes(&case.truth, &case.scores);
        let predictions = match case.weights {
            Some(weights) => predictions.with_weights(weights).unwrap(),
            None => predictions,
        };
        let groups = table(vec![("group", Arc::new(StringArray::from(case.groups)))]);
        let evaluation = Evaluation::of(predictions).unwrap().with_slices(&groups, ["group"]).unwrap();
        let found = &evaluation.fairness[0];
        assert_eq!(found.groups.len(), 3, "{}", case.name);
        near(found.demographic_parity_difference.unwrap(), case.expected["demographic_parity_difference"]);
        near(found.demographic_parity_ratio.unwrap(), case.expected["demographic_parity_ratio"]);
        near(found.equal_opportunity_difference.unwrap(), case.expected["equal_opportunity_difference"]);
        near(found.equalized_odds_difference.unwrap(), case.expected["equalized_odds_difference"]);
    }
}

/// A model that is good for AA, and bad for UA.
fn by_carrier() -> (Evaluation, Table) {
    let good = drawn(300, 1, 2.0);
    let bad = drawn(300, 2, 0.1);
    let take = |row: usize| if row.is_multiple_of(3) { &bad } else { &good };
    let scores: Vec<f64> = (0..300).map(|row| take(row).scores[2 * row + 1]).collect();
    let carriers = StringArray::from_iter((0..300).map(|row| match row {
        row if row % 3 == 0 => Some("UA"),
        299 => None,
        _ => Some("AA"),
    }));
    let distance = Float64Array::from_iter((0..300).map(|row| (row > 3).then(|| f64::from(row) * 10.0)));
    let hour = Int64Array::from_iter_values((0..300).map(|row| row % 24));
    let minute = Int64Array::from_iter_values((0..300).map(|row| row * 7));
    let data = table(vec![
        ("carrier", Arc::new(carriers)),
        ("distance", Arc::new(distance)),
        ("hour", Arc::new(hour)),
        ("minute", Arc::new(minute)),
    ]);
    (Evaluation::of(two_classes(&good.target, &scores)).unwrap(), data)
}

#[test]
fn the_worst_slice_comes_first() {
    let (evaluation, data) = by_carrier();
    let evaluation = evaluation.with_slices(&data, ["carrier"]).unwrap();
    let names: Vec<String> = evaluation.slices.iter().map(|slice| slice.name()).collect();
    assert_eq!(names, ["carrier = UA", "carrier = AA", "carrier = null"]);
    let auc = |slice: usize| evaluation.slices[slice].get("roc_auc");
    assert!(auc(0) < Some(0.65) && auc(1) > Some(0.9) && auc(2).is_none());
    assert!(evaluation.slices[2].metrics[0].undefined.as_ref().unwrap().contains("one class"));
    assert_eq!(evaluation.slices.iter().map(|slice| slice.rows).sum::<usize>(), 300);

    let (evaluation, _) = by_carrier();
    let evaluation = evaluation.with_slices(&data, ["distance", "hour", "minute"]).unwrap();
    let of = |column: &str| evaluation.slices.iter().filter(|slice| slice.column == column).collect::<Vec<_>>();
    assert_eq!((of("distance").len(), of("hour").len(), of("minute").len()), (5, 24, 4), "quarters and nulls");
    for column in ["distance", "hour", "minute"] {
        assert_eq!(of(column).iter().map(|slice| slice.rows).sum::<usize>(), 300, "{column}");
    }
    assert!(of("distance").iter().any(|slice| slice.value == "null" && slice.rows == 4));

    let (evaluation, _) = by_carrier();
    assert_eq!(evaluation.clone().with_slices(&data, ["dest"]).unwrap_err().kind(), ErrorKind::Schema);
    let short = data.take(&[0, 1]).unwrap();
    assert_eq!(evaluation.with_slices(&short, ["carrier"]).unwrap_err().kind(), ErrorKind::Data);
}

#[test]
fn many_values_are_put_together() {
    let predictions = drawn(400, 1, 1.0);
    let names = StringArray::from_iter_values((0..400).map(|row| format!("n{}", (row % 20).min(row % 137))));
    let data = table(vec![("name", Arc::new(names))]);
    let few = Evaluation::of(predictions.clone()).unwrap().with_slices(&data, ["name"]).unwrap();
    assert!(few.slices.len() <= 20);
    let names = StringArray::from_iter_values((0..400).map(|row| format!("n{row}")));
    let data = table(vec![("name", Arc::new(names))]);
    let many = Evaluation::of(predictions).unwrap().with_slices(&data, ["name"]).unwrap();
    assert_eq!(many.slices.len(), 50);
    let other = many.slices.iter().find(|slice| slice.value == "other").unwrap();
    assert_eq!(other.rows, 351);
}

#[test]
fn a_gate_says_what_where_and_how_much() {
    let (evaluation, data) = by_carrier();
    let evaluation = evaluation.with_name("flights:16").with_slices(&data, ["carrier"]).unwrap();
    evaluation.require(RocAuc.at_least(0.7)).unwrap().require(LogLoss.at_most(1.0)).unwrap();
    let error = evaluation.require(RocAuc.at_least(0.7).in_every_slice(10)).unwrap_err();
    let failure = GateFailure::of(&error).unwrap();
    assert_eq!((failure.metric.as_str(), failure.slice.as_deref()), ("roc_auc", Some("carrier = UA")));
    assert!(failure.value.unwrap() < 0.7 && failure.bound == 0.7);
    assert_eq!(error.context().last().unwrap(), &("model", "flights:16".to_owned()));
    assert!(error.to_string().contains("where carrier = UA, at least 0.7 is required"), "{error}");
    evaluation.require(RocAuc.at_least(0.7).in_every_slice(150)).unwrap();

    // Observed, but not proven.
    let auc = evaluation.get("roc_auc").unwrap();
    let bootstrap = Bootstrap::default().with_resamples(200);
    evaluation.require(RocAuc.at_least(auc - 0.01)).unwrap();
    let error = evaluation.require(RocAuc.at_least(auc - 0.01).with_proof(bootstrap.clone())).unwrap_err();
    assert!(error.message().contains("may be as low as"), "{error}");
    evaluation.require(RocAuc.at_least(auc - 0.2).with_proof(bootstrap)).unwrap();

    let error = evaluation.require(FairnessGap::EqualOpportunity.at_most(0.1)).unwrap_err();
    assert_eq!(GateFailure::of(&error).unwrap().slice.as_deref(), Some("carrier"));
    evaluation.require(FairnessGap::EqualOpportunity.at_most(1.0)).unwrap();
}

#[test]
fn what_can_not_be_required_is_an_error_of_the_program() {
    let (evaluation, _) = by_carrier();
    let kind = |error: mlops_core::Error| {
        assert!(GateFailure::of(&error).is_none());
        error.kind()
    };
    assert_eq!(kind(evaluation.require(RocAuc.at_least(f64::NAN)).unwrap_err()), ErrorKind::Config);
    assert_eq!(kind(evaluation.require(RocAuc.at_least(0.1).in_every_slice(1)).unwrap_err()), ErrorKind::Config);
    assert_eq!(kind(evaluation.require(Rmse.at_most(1.0)).unwrap_err()), ErrorKind::Unsupported);
    assert_eq!(kind(evaluation.require(FairnessGap::EqualizedOdds.at_most(0.1)).unwrap_err()), ErrorKind::Config);
    // Not being defined is the data's doing.
    let one_class = Evaluation::of(two_classes(&[1.0, 1.0], &[0.4, 0.6])).unwrap();
    let error = one_class.require(RocAuc.at_least(0.1)).unwrap_err();
    assert!(error.message().starts_with("roc_auc is not defined ("), "{error}");
    assert_eq!(GateFailure::of(&error).unwrap().value, None);
}

#[test]
fn a_challenger_is_held_to_the_champion() {
    let of = |predictions: Predictions| Evaluation::of(predictions).unwrap();
    let (good, bad, like) = (of(drawn(400, 1, 0.8)), of(drawn(400, 2, 0.3)), of(drawn(400, 3, 0.8)));
    good.require(no_worse_than(&bad)).unwrap();
    good.require(no_worse_than(&like)).unwrap();
    like.require(no_worse_than(&good)).unwrap();
    let error = bad.require(no_worse_than(&good)).unwrap_err();
    let failure = GateFailure::of(&error).unwrap();
    assert_eq!(failure.metric, "roc_auc");
    assert!(failure.value.unwrap() < failure.bound);
    bad.require(no_worse_than(&good).by(LogLoss)).unwrap_err();
    // A margin asks for proof.
    like.require(no_worse_than(&good).with_margin(0.1)).unwrap();
    let error = like.require(no_worse_than(&good).with_margin(0.0)).unwrap_err();
    assert!(error.message().contains("may be worse than the champion's by more than 0"), "{error}");
    assert_eq!(like.require(no_worse_than(&good).with_margin(-1.0)).unwrap_err().kind(), ErrorKind::Config);
    let elsewhere = of(drawn(300, 1, 2.0));
    assert_eq!(elsewhere.require(no_worse_than(&good)).unwrap_err().kind(), ErrorKind::Data);
}

fn logged(evaluation: &Evaluation) -> BTreeMap<String, f64> {
    let point = |entry: &RunEntry| match entry {
        RunEntry::Metric(point) => (point.key.clone(), point.value),
        other => panic!("{other:?}"),
    };
    evaluation.entries(0).iter().map(point).collect()
}

#[test]
fn names_are_those_that_mlflow_logs() {
    let names = |evaluation: &Evaluation| logged(evaluation).into_keys().collect::<Vec<_>>();
    let two = Evaluation::of(drawn(50, 1, 1.0)).unwrap();
    let found = names(&two);
    for name in [
        "example_count",
        "accuracy_score",
        "precision_score",
        "recall_score",
        "f1_score",
        "log_loss",
        "roc_auc",
        "precision_recall_auc",
        "true_negatives",
        "false_positives",
        "false_negatives",
        "true_positives",
    ] {
        assert!(found.iter().any(|n| n == name), "{name} is not in {found:?}");
    }
    assert_eq!(logged(&two)["precision_recall_auc"], two.get("average_precision").unwrap());

    let numbers = Predictions::new(Task::Regression, vec![1.0, 2.0, 4.0], vec![1.5, 2.0, 3.0]).unwrap();
    let numbers = Evaluation::of(numbers).unwrap();
    let found = names(&numbers);
    for name in [
        "example_count",
        "mean_absolute_error",
        "mean_squared_error",
        "root_mean_squared_error",
        "r2_score",
        "max_error",
        "mean_absolute_percentage_error",
        "sum_on_target",
        "mean_on_target",
    ] {
        assert!(found.iter().any(|n| n == name), "{name} is not in {found:?}");
    }
    assert_eq!((logged(&numbers)["sum_on_target"], logged(&numbers)["max_error"]), (7.0, 1.0));

    let task = Task::Classification { classes: Classes::Int(vec![1, 2, 3]) };
    let scores = vec![0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.1, 0.2, 0.7];
    let three = Evaluation::of(Predictions::new(task, vec![0.0, 1.0, 2.0], scores).unwrap()).unwrap();
    assert_eq!((logged(&three)["roc_auc"], logged(&three)["f1_score"], logged(&three)["f1_macro"]), (1.0, 1.0, 1.0));
}

#[test]
fn json_has_everything_but_the_rows() {
    let (evaluation, data) = by_carrier();
    let bootstrap = Bootstrap::default().with_resamples(50);
    let evaluation = evaluation.with_intervals(&bootstrap).unwrap().with_slices(&data, ["carrier"]).unwrap();
    let json: Value = serde_json::from_str(&evaluation.to_json().unwrap()).unwrap();
    for part in ["metrics", "per_class", "confusion", "curves", "slices", "fairness", "rows", "task"] {
        assert!(!json[part].is_null(), "{part}");
    }
    assert_eq!(json["curves"][0]["roc"]["points"][0]["threshold"], "Infinity");
    assert!(json["metrics"][0]["interval"]["low"].as_f64() < json["metrics"][0]["value"].as_f64());
    assert!(json["predictions"].is_null());
    let again = by_carrier().0.with_intervals(&bootstrap).unwrap();
    assert_eq!(again.metrics, evaluation.metrics, "the same seed, the same intervals");
    let text = evaluation.to_string();
    assert!(text.contains("roc_auc") && text.contains("carrier = UA") && text.contains("weighted avg"), "{text}");
}

#[test]
fn hostile_or_empty_input_is_refused_or_shown() {
    assert_eq!(Evaluation::of(two_classes(&[], &[])).unwrap_err().kind(), ErrorKind::Data);
    let nothing = two_classes(&[0.0], &[0.5]).with_weights(vec![0.0]).unwrap();
    assert_eq!(Evaluation::of(nothing).unwrap_err().kind(), ErrorKind::Data);
    let twice: Vec<Arc<dyn Metric>> = vec![Arc::new(F1::binary()), Arc::new(F1::binary())];
    assert_eq!(Evaluation::by(drawn(9, 1, 1.0), twice).unwrap_err().kind(), ErrorKind::Config);
    let wrong: Vec<Arc<dyn Metric>> = vec![Arc::new(Accuracy), Arc::new(Mape)];
    assert_eq!(Evaluation::by(drawn(9, 1, 1.0), wrong).unwrap_err().kind(), ErrorKind::Unsupported);

    let one = Evaluation::of(Predictions::new(Task::Regression, vec![1.0], vec![2.0]).unwrap()).unwrap();
    assert_eq!(one.get("r2").unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(one.get("roc_auc").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(one.to_html().contains("r2 has no value"));

    let infinite = Predictions::new(Task::Regression, vec![1.0, 2.0], vec![f64::INFINITY, 2.0]).unwrap();
    let infinite = Evaluation::of(infinite).unwrap();
    assert_eq!(infinite.get("rmse").unwrap_err().kind(), ErrorKind::Data);
    infinite.to_json().unwrap();
    assert!(infinite.to_html().contains("rmse has no value"));

    // Bounds are judged beside the number; groups without labels are another matter.
    let task = Task::Interval { coverage: 0.9 };
    let bounds = Predictions::new(task, vec![1.0, 2.0], vec![1.5, 0.0, 3.0, 2.0, 2.5, 3.0]).unwrap();
    let bounds = Evaluation::of(bounds).unwrap();
    assert_eq!(["coverage", "interval_width", "max_error"].map(|name| bounds.get(name).unwrap()), [0.5, 1.75, 0.5]);
    assert_eq!((logged(&bounds)["max_error"], bounds.to_html().contains("Residuals")), (0.5, true));
    let groups = Predictions::new(Task::Clustering { clusters: 2 }, vec![1.0], vec![0.1, 0.9]).unwrap();
    assert_eq!(Evaluation::of(groups).unwrap_err().kind(), ErrorKind::Unsupported);

    // A name is text, not markup; more classes than curves are drawn for.
    let classes: Vec<String> = (0..40).map(|i| format!("<b>{i:02}")).collect();
    let scores = (0..40).flat_map(|row| (0..40).map(move |class| if row == class { 0.61 } else { 0.01 })).collect();
    let task = Task::Classification { classes: Classes::Text(classes) };
    let many = Predictions::new(task, (0..40).map(f64::from).collect(), scores).unwrap();
    let many = Evaluation::of(many).unwrap().with_name("<script>");
    assert!(many.curves.is_empty() && !many.to_html().contains("<script>") && !many.to_html().contains("<b>"));
}
