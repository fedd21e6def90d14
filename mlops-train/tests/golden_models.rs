//! The linear models agree with scikit-learn's; see tests/golden/sklearn/README.md.
#![cfg(feature = "linear")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::Float64Type;
use mlops_core::{Model, Role, Run, Table};
use mlops_train::{LinearRegression, LogisticRegression, Ridge};
use serde_json::Value;

struct Golden(Value);

impl Golden {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sklearn/models.json");
        Self(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    }

    fn rows(&self, key: &str) -> Vec<Vec<f64>> {
        serde_json::from_value(self.0[key].clone()).unwrap()
    }

    fn features(&self, key: &str) -> Vec<(String, ArrayRef)> {
        let rows = self.rows(key);
        let column = |c: usize| Arc::new(rows.iter().map(|row| row[c]).collect::<Float64Array>()) as ArrayRef;
        (0..4).map(|c| (format!("x{c}"), column(c))).collect()
    }

    fn table(&self, target: ArrayRef) -> Table {
        let columns = self.features("x").into_iter().chain([("y".to_owned(), target)]);
        let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
        table.with_role("y", Role::Target).unwrap()
    }

    fn numbers(&self) -> Table {
        self.table(Arc::new(Float64Array::from(serde_json::from_value::<Vec<f64>>(self.0["y"].clone()).unwrap())))
    }

    fn classes(&self) -> Table {
        self.table(Arc::new(Int64Array::from(serde_json::from_value::<Vec<i64>>(self.0["label"].clone()).unwrap())))
    }

    fn new_rows(&self) -> RecordBatch {
        RecordBatch::try_from_iter(self.features("x_new")).unwrap()
    }

    fn values(&self, model: &str, key: &str) -> Vec<f64> {
        serde_json::from_value(self.0[model][key].clone()).unwrap()
    }

    fn intercept(&self, model: &str) -> f64 {
        self.0[model]["intercept"].as_f64().unwrap()
    }
}

#[track_caller]
fn assert_close(actual: &[f64], expected: &[f64], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() <= 1e-9 * e.abs().max(1.0), "{what} {i}: {a}, not {e}");
    }
}

fn numbers_of(model: &dyn Model, rows: &RecordBatch) -> Vec<f64> {
    model.predict(rows).unwrap().column(0).as_primitive::<Float64Type>().values().to_vec()
}

#[test]
fn linear_regression() {
    let golden = Golden::read();
    let data = golden.numbers();
    let model = LinearRegression::new().learn(&data, &Run::default()).unwrap();
    assert_close(model.coef(), &golden.values("linear_regression", "coef"), "coef");
    assert_close(&[model.intercept()], &[golden.intercept("linear_regression")], "intercept");
    assert_eq!(model.rank(), 5);
    let predict = numbers_of(&model, &data.to_batch().unwrap());
    assert_close(&predict, &golden.values("linear_regression", "predict"), "predict");
    let predict = numbers_of(&model, &golden.new_rows());
    assert_close(&predict, &golden.values("linear_regression", "predict_new"), "predict_new");
}

#[test]
fn ridge() {
    let golden = Golden::read();
    let alpha = golden.0["ridge"]["params"]["alpha"].as_f64().unwrap();
    let model = Ridge::new(alpha).learn(&golden.numbers(), &Run::default()).unwrap();
    assert_close(model.coef(), &golden.values("ridge", "coef"), "coef");
    assert_close(&[model.intercept()], &[golden.intercept("ridge")], "intercept");
    assert_close(&numbers_of(&model, &golden.new_rows()), &golden.values("ridge", "predict_new"), "predict_new");
}

#[test]
fn logistic_regression() {
    let golden = Golden::read();
    let data = golden.classes();
    let recipe = LogisticRegression::new().with_tol(1e-10);
    let model = recipe.learn(&data, &Run::default()).unwrap();
    assert!(model.converged() && model.iterations() < 15, "{} steps", model.iterations());
    assert_close(&model.coef()[0], &golden.values("logistic_regression", "coef"), "coef");
    assert_close(model.intercept(), &[golden.intercept("logistic_regression")], "intercept");
    let probabilities = |rows: &RecordBatch| -> Vec<f64> {
        let answer = model.predict(rows).unwrap();
        let values = answer.column(1).as_fixed_size_list().values();
        values.as_primitive::<Float64Type>().values().chunks_exact(2).map(|p| p[1]).collect()
    };
    let on_training_rows = probabilities(&data.to_batch().unwrap());
    assert_close(&on_training_rows, &golden.values("logistic_regression", "predict_proba"), "predict_proba");
    let on_new_rows = probabilities(&golden.new_rows());
    assert_close(&on_new_rows, &golden.values("logistic_regression", "predict_proba_new"), "predict_proba_new");
    let answer = model.predict(&golden.new_rows()).unwrap();
    let labels = answer.column(0).as_primitive::<arrow::datatypes::Int64Type>();
    let expected: Vec<i64> = serde_json::from_value(golden.0["logistic_regression"]["predict_new"].clone()).unwrap();
    assert_eq!(labels.values().as_ref(), expected.as_slice());
    assert_eq!(labels.null_count(), 0);
}

#[test]
fn the_default_tolerance_is_close_too() {
    let golden = Golden::read();
    let model = LogisticRegression::new().learn(&golden.classes(), &Run::default()).unwrap();
    for (a, e) in model.coef()[0].iter().zip(golden.values("logistic_regression", "coef")) {
        assert!((a - e).abs() < 1e-3 * e.abs(), "{a}, not {e}");
    }
}
