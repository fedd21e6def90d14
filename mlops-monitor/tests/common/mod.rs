//! Models and metrics that tests explain and compare.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use mlops_core::columns::{numbers, texts};
use mlops_core::{
    Artifact, Classes, Decision, Dense, Error, InputColumn, Metric, Model, Predictions, Result, RowModel, Signature,
    Task,
};
use serde_json::Value;

/// A function of columns as a model.
pub struct Function<F>(pub Signature, pub F);

impl<F> std::fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Function")
    }
}

impl<F: Fn(&RecordBatch) -> Vec<f64> + Send + Sync + 'static> Model for Function<F> {
    fn signature(&self) -> &Signature {
        &self.0
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.0.answer((self.1)(&self.0.check(batch)?))
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        Err(Error::unsupported("a function can't be saved"))
    }
}

fn number(name: &str) -> InputColumn {
    InputColumn::new(name, DataType::Float64, true)
}

/// A regression of numbers `x0`, `x1`, ….
pub fn of_numbers(inputs: usize, f: impl Fn(&[f64]) -> f64 + Send + Sync + 'static) -> Arc<dyn Model> {
    let signature = Signature::new((0..inputs).map(|i| number(&format!("x{i}"))).collect(), Task::Regression);
    Arc::new(Function(signature, move |batch: &RecordBatch| {
        let columns: Vec<Float64Array> = batch.columns().iter().map(|c| numbers(c, "x").unwrap()).collect();
        let row = |row: usize| columns.iter().map(|column| column.value(row)).collect::<Vec<f64>>();
        (0..batch.num_rows()).map(|i| f(&row(i))).collect()
    }))
}

/// A classification of a number, a text and an integer, each of which may be null.
pub fn of_mixed_columns() -> Arc<dyn Model> {
    let inputs = vec![
        number("km"),
        InputColumn::new("zone", DataType::Utf8, true),
        InputColumn::new("hour", DataType::Int64, true),
    ];
    let signature = Signature::new(inputs, Task::Classification { classes: Classes::Bool });
    Arc::new(Function(signature, |batch: &RecordBatch| {
        let km = batch.column(0).as_primitive::<Float64Type>();
        let zone = texts(batch.column(1), "zone").unwrap();
        let hour = numbers(batch.column(2), "hour").unwrap();
        let score = |row: usize| {
            let km = if km.is_null(row) { 0.3 } else { km.value(row) / 10.0 };
            let zone = if zone.is_valid(row) && zone.value(row) == "north" { 1.0 } else { -0.5 };
            let hour = if hour.is_null(row) { 0.0 } else { (hour.value(row) - 12.0).abs() / 6.0 };
            1.0 / (1.0 + (-(km * zone + hour)).exp())
        };
        (0..batch.num_rows()).flat_map(|row| [1.0 - score(row), score(row)]).collect()
    }))
}

pub fn mixed_rows() -> RecordBatch {
    arrow::array::record_batch!(
        ("km", Float64, [Some(1.0), Some(12.5), None, Some(7.0), Some(3.0)]),
        ("zone", Utf8, [Some("north"), None, Some("south"), Some("north"), Some("west")]),
        ("hour", Int64, [Some(3), Some(8), Some(12), None, Some(23)])
    )
    .unwrap()
}

/// Rows of JSON as columns `x0`, `x1`, ….
pub fn matrix(rows: &Value) -> RecordBatch {
    let rows: Vec<Vec<f64>> = serde_json::from_value(rows.clone()).unwrap();
    let column = |i: usize| Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row[i]))) as _;
    RecordBatch::try_from_iter((0..rows[0].len()).map(|i| (format!("x{i}"), column(i)))).unwrap()
}

#[derive(Debug)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn greater_is_better(&self) -> bool {
        true
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        let rows = predictions.scores.chunks_exact(predictions.width()).zip(&predictions.target);
        let hits = rows.filter(|(row, y)| Decision::default().choose(row) as f64 == **y).count();
        Ok(hits as f64 / predictions.num_rows() as f64)
    }
}

#[derive(Debug)]
pub struct SquaredError;

impl Metric for SquaredError {
    fn name(&self) -> &'static str {
        "mse"
    }

    fn greater_is_better(&self) -> bool {
        false
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        let errors = predictions.target.iter().zip(&predictions.scores).map(|(y, score)| (y - score).powi(2));
        Ok(errors.sum::<f64>() / predictions.num_rows() as f64)
    }
}

/// Not defined for one class only.
#[derive(Debug)]
pub struct TwoClasses;

impl Metric for TwoClasses {
    fn name(&self) -> &'static str {
        "two_classes"
    }

    fn greater_is_better(&self) -> bool {
        true
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        if predictions.target.windows(2).all(|pair| pair[0] == pair[1]) {
            return Err(Error::data("one class only"));
        }
        Ok(predictions.target.iter().sum())
    }
}
