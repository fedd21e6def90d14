//! What boosted trees promise.
#![cfg(feature = "boosting")]

mod common;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
use common::{Kind, rows};
use mlops_core::random::SplitMix64;
use mlops_core::{Dense, ErrorKind, Model, Role, Run, Spec, Table, Trainer};
use mlops_train::{HistGradientBoosting, Loss, R2, RocAuc, TreeModel, score};
use serde_json::json;

fn halves(data: &Table) -> (Table, Table) {
    let rows = data.num_rows();
    (data.take(&(0..rows / 2).collect::<Vec<_>>()).unwrap(), data.take(&(rows / 2..rows).collect::<Vec<_>>()).unwrap())
}

fn table(columns: Vec<(&str, Vec<f64>)>) -> Table {
    let columns = columns.into_iter().map(|(name, column)| (name, Arc::new(Float64Array::from(column)) as ArrayRef));
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role("y", Role::Target).unwrap()
}

fn uniform(rows: usize, seed: u64) -> Vec<f64> {
    let mut rng = SplitMix64::new(seed);
    (0..rows).map(|_| rng.uniform()).collect()
}

fn answer(model: &TreeModel, row: &[f64]) -> f64 {
    let mut scores = [0.0];
    model.score_row(row, &mut scores);
    scores[0]
}

#[test]
fn unseen_rows_are_told_apart() {
    let run = Run::default().with_seed(4);
    let (train, test) = halves(&rows(2000, Kind::Bool));
    let model = HistGradientBoosting::new().with_max_iter(40).learn(&train, &run).unwrap();
    assert_eq!(model.num_trees(), 40);
    assert!(score(&model, &test, &[&RocAuc]).unwrap().get("roc_auc").unwrap() > 0.96);
    let (train, test) = halves(&rows(2000, Kind::Number));
    let model = HistGradientBoosting::new().learn(&train, &run).unwrap();
    assert!(score(&model, &test, &[&R2]).unwrap().get("r2").unwrap() > 0.95);
    let model = HistGradientBoosting::new().with_max_iter(7).learn(&rows(300, Kind::ThreeTexts), &run).unwrap();
    assert_eq!(model.num_trees(), 21);
    let shares = model.importances().unwrap();
    assert!((shares[0].iter().sum::<f64>() - 1.0).abs() < 1e-12 && shares[0][0] > 0.3, "{shares:?}");
}

#[test]
fn missing_values_have_a_side_of_their_own() {
    // What is missing is great, and what is small too.
    let x = uniform(2000, 1);
    let missing: Vec<f64> = x.iter().map(|x| if *x > 0.6 { f64::NAN } else { *x }).collect();
    let y = x.iter().map(|x| f64::from(u8::from(*x > 0.6 || *x < 0.2)));
    let model = HistGradientBoosting::new().learn(&table(vec![("x", missing), ("y", y.collect())]), &Run::default());
    let model = model.unwrap();
    assert!(answer(&model, &[f64::NAN]) > 0.99);
    assert!(answer(&model, &[0.1]) > 0.99 && answer(&model, &[0.4]) < 0.01);
}

#[test]
fn what_training_never_missed_goes_with_the_many() {
    let x = uniform(1000, 1);
    let y = x.iter().map(|x| f64::from(u8::from(*x > 0.8))).collect();
    let model = HistGradientBoosting::new().learn(&table(vec![("x", x), ("y", y)]), &Run::default()).unwrap();
    assert!(answer(&model, &[f64::NAN]) < 0.01);
}

#[test]
fn categories_are_split_into_sets() {
    // Twenty categories, of which those of odd halves are high: no threshold helps.
    let mut rng = SplitMix64::new(3);
    let c: Vec<f64> = (0..4000).map(|_| rng.below(20) as f64).collect();
    let y: Vec<f64> = c.iter().map(|c| f64::from(u8::from([3.0, 7.0, 8.0, 13.0, 16.0].contains(c)))).collect();
    let data = table(vec![("c", c), ("y", y)]);
    let recipe = HistGradientBoosting::new().with_max_iter(1).with_learning_rate(1.0).with_max_leaf_nodes(2);
    let model = recipe.clone().with_categorical(["c"]).learn(&data, &Run::default()).unwrap();
    assert_eq!(model.num_nodes(), 3, "one split");
    for code in 0..20 {
        let expected = f64::from(u8::from([3, 7, 8, 13, 16].contains(&code)));
        assert!((answer(&model, &[f64::from(code)]) - expected).abs() < 1e-9, "category {code}");
    }
    assert!(answer(&model, &[19.0]) == answer(&model, &[99.0]), "an unknown one goes with the many");
    assert_eq!(answer(&model, &[99.0]), answer(&model, &[f64::NAN]));
    let numbers = recipe.learn(&data, &Run::default()).unwrap();
    assert!(answer(&numbers, &[3.0]) < 0.9);
}

#[test]
fn monotone_features_are_followed() {
    let (x, z, noise) = (uniform(3000, 1), uniform(3000, 2), uniform(3000, 3));
    let truth = |i: usize| (9.0 * x[i]).sin() + x[i] + z[i] + noise[i];
    let y: Vec<f64> = (0..3000).map(truth).collect();
    let data = table(vec![("x", x), ("z", z), ("y", y)]);
    let recipe = HistGradientBoosting::new().with_max_iter(60);
    let falls = |model: &TreeModel, z: f64| {
        let answers: Vec<f64> = (0..200).map(|i| answer(model, &[f64::from(i) / 200.0, z])).collect();
        answers.windows(2).filter(|pair| pair[1] < pair[0]).count()
    };
    assert!(falls(&recipe.learn(&data, &Run::default()).unwrap(), 0.5) > 10);
    let rising = recipe.clone().with_monotonic("x", true).learn(&data, &Run::default()).unwrap();
    assert!((0..10).all(|z| falls(&rising, f64::from(z) / 10.0) == 0));
    assert!(answer(&rising, &[0.9, 0.5]) > answer(&rising, &[0.1, 0.5]));
    let falling = recipe.with_monotonic("x", false).learn(&data, &Run::default()).unwrap();
    assert!(answer(&falling, &[0.9, 0.5]) <= answer(&falling, &[0.1, 0.5]));
}

#[test]
fn every_loss_predicts_what_it_is_for() {
    // Skewed noise on two groups: mean, median and quantile differ.
    let (x, noise) = (uniform(4000, 1), uniform(4000, 2));
    let y: Vec<f64> =
        x.iter().zip(&noise).map(|(x, u)| (1.0 + f64::from(u8::from(*x > 0.5))) * -(1.0 - u).ln()).collect();
    let data = table(vec![("x", x.clone()), ("y", y.clone())]);
    let of = |group: bool| -> Vec<f64> {
        let mut of: Vec<f64> = x.iter().zip(&y).filter(|(x, _)| (**x > 0.5) == group).map(|(_, y)| *y).collect();
        of.sort_by(f64::total_cmp);
        of
    };
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    for (loss, expected) in [
        (Loss::SquaredError, of(true)).map_expected(mean),
        (Loss::Poisson, of(true)).map_expected(mean),
        (Loss::Gamma, of(true)).map_expected(mean),
        (Loss::Tweedie(1.5), of(true)).map_expected(mean),
        (Loss::AbsoluteError, of(true)).map_expected(|of| of[of.len() / 2]),
        (Loss::Quantile(0.9), of(true)).map_expected(|of| of[of.len() * 9 / 10]),
    ] {
        let recipe = HistGradientBoosting::new().with_loss(loss).with_max_leaf_nodes(2).with_max_iter(80);
        let model = recipe.learn(&data, &Run::default()).unwrap();
        let found = answer(&model, &[0.75]);
        assert!((found / expected - 1.0).abs() < 0.15, "{loss:?}: {found}, not {expected}");
    }
}

trait MapExpected {
    fn map_expected(self, expected: impl Fn(&[f64]) -> f64) -> (Loss, f64);
}

impl MapExpected for (Loss, Vec<f64>) {
    fn map_expected(self, expected: impl Fn(&[f64]) -> f64) -> (Loss, f64) {
        (self.0, expected(&self.1))
    }
}

#[test]
fn a_weight_counts_like_copies() {
    let x: Vec<f64> = uniform(600, 1).iter().map(|x| (x * 50.0).floor() / 50.0).collect();
    let y: Vec<f64> = x.iter().zip(uniform(600, 2)).map(|(x, u)| (x * 6.0).sin() + u).collect();
    let times: Vec<f64> = (0..600).map(|i| f64::from(i % 3)).collect();
    let copies = |values: &[f64]| -> Vec<f64> {
        values.iter().zip(&times).flat_map(|(x, n)| std::iter::repeat_n(*x, *n as usize)).collect()
    };
    let copied = table(vec![("x", copies(&x)), ("y", copies(&y))]);
    let weighted = table(vec![("x", x), ("y", y), ("w", times)]).with_role("w", Role::Weight).unwrap();
    // No limit that counts rows, and a bin for each number.
    let recipe = HistGradientBoosting::new().with_min_samples_leaf(1).with_max_depth(4);
    let mut recipe = recipe.with_max_leaf_nodes(0).with_max_iter(20);
    recipe.min_hessian = 15.0;
    let [a, b] = [copied, weighted].map(|data| recipe.learn(&data, &Run::default()).unwrap());
    for i in 0..50 {
        let row = [f64::from(i) / 50.0];
        assert!(
            (answer(&a, &row) - answer(&b, &row)).abs() < 0.1,
            "{row:?}: {} {}",
            answer(&a, &row),
            answer(&b, &row)
        );
    }
}

#[test]
fn it_stops_when_it_learns_no_more() {
    let run = Run::default().with_seed(1);
    let data = rows(1000, Kind::Bool);
    let recipe = HistGradientBoosting::new().with_max_iter(1000).with_early_stopping(true);
    let model = recipe.learn(&data, &run).unwrap();
    assert!(model.num_trees() < 300, "{} trees", model.num_trees());
    assert_eq!(recipe.with_max_iter(5).learn(&data, &run).unwrap().num_trees(), 5);
}

#[test]
fn samples_of_rows_and_features_depend_on_the_seed() {
    let data = rows(500, Kind::Number);
    let recipe = HistGradientBoosting::new().with_max_iter(10).with_subsample(0.5).with_max_features(0.5);
    let bytes = |seed| recipe.fit(&data, &Run::default().with_seed(seed)).unwrap().save().unwrap().blobs;
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn many_rows_are_the_same_for_any_number_of_threads() {
    let n = 30_000;
    let columns: Vec<(String, Vec<f64>)> = (0..20).map(|i| (format!("x{i}"), uniform(n, i))).collect();
    let y: Vec<f64> = (0..n).map(|i| (columns[0].1[i] * 5.0).sin() + columns[1].1[i] * columns[2].1[i]).collect();
    let mut columns: Vec<(&str, Vec<f64>)> = columns.iter().map(|(name, x)| (name.as_str(), x.clone())).collect();
    columns.push(("y", y));
    let data = table(columns);
    let bytes = |threads| {
        let run = Run::default().with_threads(std::num::NonZeroUsize::new(threads).unwrap());
        HistGradientBoosting::new().with_max_iter(5).fit(&data, &run).unwrap().save().unwrap()
    };
    let one = bytes(1);
    assert!(one == bytes(2) && one == bytes(5));
}

#[test]
fn settings_are_checked() {
    let codecs = mlops_train::codecs();
    let read = |settings| codecs.trainer(&Spec { kind: "hist_gradient_boosting".into(), settings });
    let recipe = read(json!({ "max_iter": 10, "loss": { "tweedie": 1.5 }, "monotonic_cst": { "wind": 1 } })).unwrap();
    assert_eq!(recipe.settings().unwrap()["loss"], json!({ "tweedie": 1.5 }));
    for wrong in [json!({ "max_itre": 10 }), json!({ "max_iter": 0 }), json!({ "loss": "best" })] {
        assert_eq!(read(wrong.clone()).unwrap_err().kind(), ErrorKind::Config, "{wrong}");
    }
    for wrong in [
        json!({ "learning_rate": 0.0 }),
        json!({ "subsample": 1.5 }),
        json!({ "max_features": 0.0 }),
        json!({ "l2_regularization": -1.0 }),
        json!({ "max_bins": 256 }),
        json!({ "max_bins": 1 }),
        json!({ "max_leaf_nodes": 1 }),
        json!({ "validation_fraction": 1.0 }),
        json!({ "monotonic_cst": { "wind": 2 } }),
        json!({ "monotonic_cst": { "wnid": 1 } }),
        json!({ "categorical_features": ["hours"] }),
        json!({ "monotonic_cst": { "hour": 1 }, "categorical_features": ["hour"] }),
        json!({ "loss": "log_loss" }),
        json!({ "loss": { "quantile": 1.0 } }),
        json!({ "loss": { "tweedie": 2.5 } }),
    ] {
        let recipe = read(wrong.clone()).unwrap();
        let error = recipe.fit(&rows(50, Kind::Number), &Run::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{wrong}: {error}");
    }
    let negative = table(vec![("x", uniform(50, 1)), ("y", (0..50).map(|i| f64::from(i) - 7.0).collect())]);
    for loss in [Loss::Poisson, Loss::Gamma, Loss::Tweedie(1.5)] {
        let error = HistGradientBoosting::new().with_loss(loss).fit(&negative, &Run::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    }
    let fractions =
        HistGradientBoosting::new().with_categorical(["wind"]).fit(&rows(50, Kind::Number), &Run::default());
    assert_eq!(fractions.unwrap_err().kind(), ErrorKind::Data);
}

#[test]
fn odd_data_do_no_harm() {
    let run = Run::default();
    let recipe = HistGradientBoosting::new().with_max_iter(5).with_min_samples_leaf(1);
    // Infinities, constants, nothing but missing, numbers next to each other.
    let x = [f64::NEG_INFINITY, -1e300, 1.0, 1.0f64.next_up(), 1e300, f64::INFINITY].repeat(10);
    let y: Vec<f64> = (0..60).map(|i| f64::from(i % 6)).collect();
    let data = table(vec![("x", x.clone()), ("none", vec![f64::NAN; 60]), ("same", vec![2.0; 60]), ("y", y)]);
    let model = recipe.clone().with_learning_rate(1.0).learn(&data, &run).unwrap();
    for (x, y) in x[..6].iter().zip(0..6) {
        assert!((answer(&model, &[*x, f64::NAN, 2.0]) - f64::from(y)).abs() < 1e-9, "{x} is {y}");
    }
    // One row; a perfect separation.
    let one = table(vec![("x", vec![1.0]), ("y", vec![3.0])]);
    assert_eq!(answer(&recipe.learn(&one, &run).unwrap(), &[5.0]), 3.0);
    let x = uniform(200, 5);
    let late: ArrayRef = Arc::new(x.iter().map(|x| Some(*x > 0.5)).collect::<BooleanArray>());
    let columns = [("x", Arc::new(Float64Array::from(x)) as ArrayRef), ("late", late)];
    let data = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role("late", Role::Target).unwrap();
    let model = HistGradientBoosting::new().with_max_iter(500).fit(&data, &run).unwrap();
    let mut scores = [0.0; 2];
    model.dense().unwrap().score_row(&[0.9], &mut scores);
    assert!(scores[1] > 0.999 && scores[1] <= 1.0);
}
