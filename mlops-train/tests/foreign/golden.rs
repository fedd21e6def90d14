//! The files and their rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use mlops_core::random::SplitMix64;
use mlops_core::{Model, Task};

pub(crate) const ROWS: usize = 10_000;
/// Rows whose numbers are kept, not only their labels.
pub(crate) const VALUES: usize = 4_000;
pub(crate) const WIDTH: usize = 8;
/// The column of codes.
pub(crate) const CODES: usize = 6;

pub(crate) fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/foreign").join(file)
}

pub(crate) fn read(file: &str) -> Vec<u8> {
    std::fs::read(path(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// What `gen.py` calls `rows`, row by row.
pub(crate) fn rows(count: usize, seed: u64, holes: bool) -> Vec<f32> {
    let mut rng = SplitMix64::new(seed);
    let mut cell = |i| {
        let z = rng.next_u64();
        let u = (z >> 11) as f64 / (1u64 << 53) as f64;
        match z & 15 {
            0 if holes => f32::NAN,
            1 if holes => 0.0,
            _ if i % WIDTH == CODES => (12.0 * u).floor() as f32,
            _ => (6.0 * u - 3.0) as f32,
        }
    };
    (0..count * WIDTH).map(&mut cell).collect()
}

/// Rows as a batch of the model's inputs.
pub(crate) fn batch(model: &dyn Model, rows: &[f32]) -> RecordBatch {
    let inputs = &model.signature().inputs;
    let columns = inputs.iter().enumerate().map(|(i, input)| {
        let cells = rows.iter().skip(i).step_by(inputs.len()).copied();
        let column: ArrayRef = match input.data_type {
            DataType::Float32 => Arc::new(cells.collect::<Float32Array>()),
            _ => Arc::new(cells.map(f64::from).collect::<Float64Array>()),
        };
        (input.name.as_str(), column)
    });
    RecordBatch::try_from_iter(columns).unwrap()
}

/// What the library said: the labels of a classification, and the numbers.
pub(crate) struct Expected {
    pub(crate) labels: Option<Vec<i64>>,
    pub(crate) values: Vec<f32>,
}

impl Expected {
    pub(crate) fn read(name: &str, has_labels: bool) -> Self {
        let bytes = read(&format!("{name}.expected"));
        let (labels, values) = bytes.split_at(if has_labels { ROWS } else { 0 });
        Self {
            labels: has_labels.then(|| labels.iter().map(|label| i64::from(*label)).collect()),
            values: values.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        }
    }
}

/// The numbers of an answer as the files have them: probabilities of all classes or of the second of
/// two, or the predictions.
pub(crate) fn values(model: &dyn Model, answer: &RecordBatch) -> Vec<f64> {
    let column = match &model.signature().task {
        Task::Regression => return answer.column(0).as_primitive::<Float64Type>().values().to_vec(),
        _ => answer.column(1).as_fixed_size_list(),
    };
    let step = if column.value_length() == 2 { 2 } else { 1 };
    column.values().as_primitive::<Float64Type>().values().iter().skip(step - 1).step_by(step).copied().collect()
}

/// Asserts that all labels are the library's, and all numbers within `tolerance`, relative above 1.
pub(crate) fn assert_agrees(name: &str, model: &dyn Model, rows: &[f32], tolerance: f64) {
    assert_agrees_on(name, model, &batch(model, rows), tolerance);
}

pub(crate) fn assert_agrees_on(name: &str, model: &dyn Model, rows: &RecordBatch, tolerance: f64) {
    let answer = model.predict(rows).unwrap_or_else(|e| panic!("{name}: {e}"));
    let expected = Expected::read(name, model.signature().task != Task::Regression);
    if let Some(expected) = expected.labels {
        let labels: Vec<i64> = match &model.signature().task {
            Task::Classification { classes } => {
                classes.indices(answer.column(0)).unwrap().into_iter().map(|class| class as i64).collect()
            }
            _ => answer.column(0).as_primitive::<Int64Type>().values().to_vec(),
        };
        assert_eq!(labels.len(), expected.len(), "{name}");
        let differ = labels.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!(differ, 0, "{name}: labels of {ROWS} rows");
    }
    let values = values(model, &answer);
    assert_eq!(values.len() / ROWS, expected.values.len() / VALUES, "{name}");
    let error = |(ours, theirs): (&f64, &f32)| (ours - f64::from(*theirs)).abs() / f64::from(theirs.abs()).max(1.0);
    let worst = values.iter().zip(&expected.values).map(error).fold(0.0, f64::max);
    assert!(worst <= tolerance, "{name}: {worst:e}");
}

/// Asserts that a model that was saved and loaded answers the same.
pub(crate) fn assert_is_kept(name: &str, model: &dyn Model, rows: &[f32]) {
    let loaded = mlops_train::codecs().model(&model.save().unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let batch = batch(model, &rows[..200 * model.signature().inputs.len()]);
    assert_eq!(loaded.predict(&batch).unwrap(), model.predict(&batch).unwrap(), "{name}");
    assert_eq!(loaded.signature(), model.signature(), "{name}");
}
