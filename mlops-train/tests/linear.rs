//! What linear models promise beyond the golden values.
#![cfg(feature = "linear")]

mod common;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use common::{Kind, rows};
use mlops_core::random::SplitMix64;
use mlops_core::{ErrorKind, Model, Predictions, Role, Run, Table, Trainer};
use mlops_train::{LinearRegression, LogisticRegression, Ridge};
use proptest::prelude::*;

fn table(columns: &[(&str, Vec<f64>)], target: &str) -> Table {
    let columns =
        columns.iter().map(|(name, values)| (*name, Arc::new(Float64Array::from(values.clone())) as ArrayRef));
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role(target, Role::Target).unwrap()
}

#[track_caller]
fn assert_close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= tolerance * e.abs().max(1.0), "{actual:?}, not {expected:?}");
    }
}

/// The slopes of `c · Σ weight · log loss + ½ Σ coef²` in the original features, per unit of `c`.
fn gradient(data: &Table, coef: &[Vec<f64>], proba: &Predictions, c: f64) -> Vec<f64> {
    let features: Vec<String> = data.features().iter().map(|f| f.name().clone()).collect();
    let matrix = mlops_core::columns::to_matrix(&data.to_batch().unwrap(), &features).unwrap();
    let (width, classes) = (features.len(), proba.width());
    let mut slopes = vec![0.0; coef.len() * (width + 1)];
    for row in 0..proba.num_rows() {
        for output in 0..coef.len() {
            let class = if coef.len() == 1 { 1 } else { output };
            let truth = f64::from(u8::from(proba.target[row] as usize == class));
            let error = proba.weight(row) * (proba.scores[row * classes + class] - truth);
            for (slope, x) in slopes[output * (width + 1)..].iter_mut().zip(&matrix[row * width..(row + 1) * width]) {
                *slope += error * x;
            }
            slopes[output * (width + 1) + width] += error;
        }
    }
    for (output, coef) in coef.iter().enumerate() {
        for (j, beta) in coef.iter().enumerate() {
            slopes[output * (width + 1) + j] += beta / c;
        }
    }
    slopes
}

#[test]
fn logistic_regression_ends_where_every_slope_is_zero() {
    for (kind, c) in [(Kind::Bool, 1.0), (Kind::Bool, 100.0), (Kind::ThreeTexts, 0.3), (Kind::ThreeTexts, 10.0)] {
        let data = rows(400, kind);
        let weights: Vec<f64> = (0..400).map(|i| f64::from(i % 4) * 0.5).collect();
        let batch = data.to_batch().unwrap();
        let names: Vec<String> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
        let weights: ArrayRef = Arc::new(Float64Array::from(weights));
        let columns = names.into_iter().zip(batch.columns().iter().cloned()).chain([("weight".to_owned(), weights)]);
        let data = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
            .with_roles(data.roles())
            .with_role("weight", Role::Weight)
            .unwrap();
        let model = LogisticRegression::new().with_c(c).with_tol(1e-13).learn(&data, &Run::default()).unwrap();
        let proba = Predictions::on_training_rows(&model, &data).unwrap();
        for slope in gradient(&data, model.coef(), &proba, c) {
            assert!(slope.abs() < 1e-8, "{kind:?}, c = {c}: a slope of {slope}");
        }
    }
}

#[test]
fn a_weight_is_a_number_of_rows() {
    let x: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 11)).collect();
    let y: Vec<f64> = x.iter().enumerate().map(|(i, x)| 2.0 * x + (i % 3) as f64).collect();
    let weight: Vec<f64> = (0..40).map(|i| f64::from(i % 3)).collect();
    let weighted = table(&[("x", x), ("y", y), ("w", weight)], "y").with_role("w", Role::Weight).unwrap();
    let repeated: Vec<usize> = (0..40).flat_map(|i| std::iter::repeat_n(i, i % 3)).collect();
    let repeated = weighted.take(&repeated).unwrap().with_role("w", Role::Ignored).unwrap();
    let (run, ridge) = (Run::default(), Ridge::new(3.0));
    let (a, b) = (ridge.learn(&weighted, &run).unwrap(), ridge.learn(&repeated, &run).unwrap());
    assert_close(a.coef(), b.coef(), 1e-12);
    assert_close(&[a.intercept()], &[b.intercept()], 1e-12);
}

#[test]
fn units_and_offsets_cost_no_digits() {
    let mut rng = SplitMix64::new(5);
    let mut noise = || (0..500).map(|_| rng.uniform() - 0.5).collect::<Vec<f64>>();
    let (a, b, e) = (noise(), noise(), noise());
    let large: Vec<f64> = a.iter().map(|a| 1e9 + 1e3 * a).collect();
    let small: Vec<f64> = b.iter().map(|b| 1e-7 * b).collect();
    let y: Vec<f64> = (0..500).map(|i| 1e6 + 4.0 * a[i] - 3.0 * b[i] + 0.1 * e[i]).collect();
    let plain = table(&[("a", a), ("b", b), ("y", y.iter().map(|y| y - 1e6).collect())], "y");
    let scaled = table(&[("a", large), ("b", small), ("y", y)], "y");
    let run = Run::default();
    let plain = LinearRegression::new().learn(&plain, &run).unwrap();
    let scaled = LinearRegression::new().learn(&scaled, &run).unwrap();
    // 1e9 + 1e3 a itself keeps 10 digits of a.
    assert_close(&[scaled.coef()[0] * 1e3, scaled.coef()[1] * 1e-7], plain.coef(), 1e-8);
}

#[test]
fn a_polynomial_of_degree_ten_is_found() {
    // As NIST's "Wampler1", but to the tenth power: every coefficient is 1, and the columns nearly depend.
    let x: Vec<f64> = (0..41).map(|i| f64::from(i) / 20.0).collect();
    let powers: Vec<Vec<f64>> = (1..=10).map(|k| x.iter().map(|x| x.powi(k)).collect()).collect();
    let y = (0..41).map(|i| 1.0 + powers.iter().map(|p| p[i]).sum::<f64>()).collect();
    let names = ["x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10"];
    let mut columns: Vec<(&str, Vec<f64>)> = names.into_iter().zip(powers).collect();
    columns.push(("y", y));
    let model = LinearRegression::new().learn(&table(&columns, "y"), &Run::default()).unwrap();
    assert_eq!(model.rank(), 11);
    assert_close(model.coef(), &[1.0; 10], 1e-5);
    assert_close(&[model.intercept()], &[1.0], 1e-8);
}

#[test]
fn dependent_columns_share_and_predictions_stay() {
    let mut rng = SplitMix64::new(2);
    let x: Vec<f64> = (0..60).map(|_| rng.uniform()).collect();
    let twice: Vec<f64> = x.iter().map(|x| 2.0 * x).collect();
    let y: Vec<f64> = x.iter().map(|x| 1.0 + 10.0 * x).collect();
    let run = Run::default();
    let data = table(&[("x", x.clone()), ("twice", twice), ("y", y)], "y");
    let model = LinearRegression::new().learn(&data, &run).unwrap();
    // Of all with a + 2 b = 10 the smallest a² + b².
    assert_close(model.coef(), &[2.0, 4.0], 1e-10);
    assert_eq!(model.rank(), 2);
    let fitted = Ridge::new(1e-9).learn(&data, &run).unwrap();
    assert_close(fitted.coef(), &[2.0, 4.0], 1e-5);

    let late: Vec<i64> = x.iter().map(|x| i64::from(*x + rng.uniform() > 1.0)).collect();
    let batch = data.to_batch().unwrap();
    let columns = [("x", batch.column(0)), ("again", batch.column(0))];
    let late: ArrayRef = Arc::new(Int64Array::from(late));
    let columns = columns.into_iter().chain([("late", &late)]).map(|(name, column)| (name, Arc::clone(column)));
    let data = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role("late", Role::Target).unwrap();
    let model = LogisticRegression::new().learn(&data, &run).unwrap();
    assert!(model.converged());
    assert_close(&[model.coef()[0][0]], &[model.coef()[0][1]], 1e-9);
}

#[test]
fn classes_without_overlap_end() {
    let x: Vec<f64> = (0..40).map(f64::from).collect();
    let late: ArrayRef = Arc::new((0..40).map(|i| i64::from(i >= 20)).collect::<Int64Array>());
    let x: ArrayRef = Arc::new(Float64Array::from(x));
    let batch = RecordBatch::try_from_iter([("x", x), ("late", late)]).unwrap();
    let data = Table::from_batch(batch).with_role("late", Role::Target).unwrap();
    for c in [1.0, 1e6, 1e12] {
        let model = LogisticRegression::new().with_c(c).with_tol(1e-9).learn(&data, &Run::default()).unwrap();
        let proba = Predictions::on_training_rows(&model, &data).unwrap();
        let right = |row: usize| proba.scores[2 * row + proba.target[row] as usize] > 0.5;
        assert!((0..40).all(right), "c = {c}");
        assert!(model.coef()[0][0].is_finite() && model.coef()[0][0] > 0.0);
    }
    let hasty = LogisticRegression::new().with_max_iter(1).with_tol(1e-12).learn(&data, &Run::default()).unwrap();
    assert!(!hasty.converged());
    assert_eq!(hasty.iterations(), 1);
}

/// More coefficients than Newton's method takes.
#[test]
fn many_columns_are_learned_too() {
    let (rows, width) = (150, 1100);
    let mut rng = SplitMix64::new(9);
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let mut truth = vec![0.0; rows];
    for c in 0..width {
        let scale = 10f64.powi(c % 3 - 1);
        let values: Vec<f64> = (0..rows).map(|_| scale * (rng.uniform() - 0.5)).collect();
        if c < 5 {
            truth.iter_mut().zip(&values).for_each(|(t, x)| *t += x / scale);
        }
        columns.push((format!("x{c}"), Arc::new(Float64Array::from(values))));
    }
    let late: ArrayRef = Arc::new(truth.iter().map(|t| i64::from(*t > 0.0)).collect::<Int64Array>());
    columns.push(("late".into(), late));
    let data = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role("late", Role::Target).unwrap();
    let recipe = LogisticRegression::new().with_c(0.1).with_tol(1e-8);
    let model = recipe.learn(&data, &Run::default()).unwrap();
    assert!(model.converged(), "{} steps, {:?}", model.iterations(), model.save().unwrap().state["solver"]);
    let proba = Predictions::on_training_rows(&model, &data).unwrap();
    for slope in gradient(&data, model.coef(), &proba, 0.1) {
        assert!(slope.abs() < 1e-4, "a slope of {slope}");
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let data = rows(30, Kind::Bool);
    for recipe in [
        LogisticRegression::new().with_c(0.0),
        LogisticRegression::new().with_c(f64::NAN),
        LogisticRegression::new().with_tol(-1.0),
        LogisticRegression::new().with_max_iter(0),
    ] {
        assert_eq!(recipe.fit(&data, &Run::default()).unwrap_err().kind(), ErrorKind::Config, "{recipe:?}");
    }
    let numbers = rows(30, Kind::Number);
    assert_eq!(Ridge::new(-1.0).fit(&numbers, &Run::default()).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn the_wrong_kind_of_target_gets_a_remedy() {
    let run = Run::default();
    let error = LogisticRegression::new().fit(&rows(30, Kind::Number), &run).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert!(error.message().contains("regression"), "{error}");
    let error = LinearRegression::new().fit(&rows(30, Kind::Bool), &run).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert!(error.message().contains("Float64"), "{error}");
}

#[test]
fn infinities_are_refused_by_name() {
    let mut x = vec![1.0; 10];
    x[4] = f64::INFINITY;
    let data = table(&[("fine", (0..10).map(f64::from).collect()), ("x", x), ("y", vec![1.0; 10])], "y");
    let error = LinearRegression::new().fit(&data, &Run::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("'x'") && error.message().contains("1 of 10"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Residuals of least squares are orthogonal to every column, however the columns depend on each other.
    #[test]
    fn residuals_are_orthogonal(
        seed: u64, rows in 1usize..60, width in 1usize..8, copies in 0usize..3, sparse: bool,
    ) {
        let mut rng = SplitMix64::new(seed);
        let mut columns: Vec<Vec<f64>> = (0..width)
            .map(|_| (0..rows).map(|_| if sparse && rng.uniform() < 0.8 { 0.0 } else { rng.uniform() * 10.0 }).collect())
            .collect();
        for c in 0..copies.min(width) {
            columns.push(columns[c].iter().map(|x| 3.0 * x - 1.0).collect());
        }
        let y: Vec<f64> = (0..rows).map(|_| rng.uniform() * 100.0).collect();
        let names: Vec<String> = (0..columns.len()).map(|c| format!("x{c}")).collect();
        let mut named: Vec<(&str, Vec<f64>)> = names.iter().map(String::as_str).zip(columns.clone()).collect();
        named.push(("y", y));
        let data = table(&named, "y");
        let model = LinearRegression::new().learn(&data, &Run::default()).unwrap();
        let answers = Predictions::on_training_rows(&model, &data).unwrap();
        let residuals: Vec<f64> = answers.target.iter().zip(&answers.scores).map(|(y, p)| y - p).collect();
        let ones = vec![1.0; rows];
        for column in columns.iter().chain([&ones]) {
            let product: f64 = column.iter().zip(&residuals).map(|(x, r)| x * r).sum();
            prop_assert!(product.abs() < 1e-7 * rows as f64, "{}", product);
        }
    }
}
