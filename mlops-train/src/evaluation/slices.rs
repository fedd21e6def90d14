use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use mlops_core::columns::numbers;
use mlops_core::report::number;
use mlops_core::{Error, Metric, Predictions, Result, Table};
use serde::Serialize;

use super::{MetricValue, measure};

/// So many segments a column is cut into at most.
const MOST: usize = 50;

/// Numbers are cut at these many quantiles.
const PARTS: usize = 4;

/// The rows of one segment, judged by the same metrics as the whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Slice {
    /// The column that the segment is cut by.
    pub column: String,
    /// Its value, a range of numbers, `null`, or `other` for all rare values together.
    pub value: String,
    /// How many rows it has.
    pub rows: usize,
    /// The metrics of the evaluation, in their order.
    pub metrics: Vec<MetricValue>,
    #[serde(skip)]
    pub(super) members: Arc<[u32]>,
}

impl Slice {
    /// Such as `carrier = AA`.
    pub fn name(&self) -> String {
        format!("{} = {}", self.column, self.value)
    }

    /// The value of a metric, if it is defined here.
    pub fn get(&self, metric: &str) -> Option<f64> {
        self.metrics.iter().find(|value| value.metric == metric)?.value
    }

    pub(super) fn predictions(&self, whole: &Predictions) -> Predictions {
        whole.take(&self.members.iter().map(|row| *row as usize).collect::<Vec<_>>())
    }
}

/// The segments of a column, without metrics yet: its values, or four ranges of a float or of a whole
/// number with many values.
pub(super) fn segments(data: &Table, column: &str) -> Result<Vec<(String, Vec<u32>)>> {
    let values = data.column(column)?;
    if u32::try_from(values.len()).is_err() {
        return Err(Error::unsupported(format!("{} rows: slices take at most {}", values.len(), u32::MAX)));
    }
    if values.data_type().is_floating() || matches!(values.data_type(), DataType::Decimal128(..)) {
        return ranges(&values, column);
    }
    let texts = cast(&values, &DataType::Utf8).map_err(|error| {
        Error::schema(format!("column '{column}' is {}, it has no segments", values.data_type())).with_source(error)
    })?;
    let texts = texts.as_string::<i32>();
    let mut rows: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let mut nulls = Vec::new();
    for (row, value) in texts.iter().enumerate() {
        match value {
            Some(value) => rows.entry(value).or_default().push(row as u32),
            None => nulls.push(row as u32),
        }
    }
    if rows.len() > MOST && values.data_type().is_integer() {
        return ranges(&values, column);
    }
    let mut segments: Vec<(String, Vec<u32>)> = rows.into_iter().map(|(v, rows)| (v.to_owned(), rows)).collect();
    if segments.len() > MOST {
        // The rarest together; of equally frequent ones the earlier by name stays.
        segments.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
        let mut other: Vec<u32> = segments.split_off(MOST - 1).into_iter().flat_map(|(_, rows)| rows).collect();
        other.sort_unstable();
        segments.push(("other".to_owned(), other));
    }
    if !nulls.is_empty() {
        segments.push(("null".to_owned(), nulls));
    }
    Ok(segments)
}

fn ranges(values: &ArrayRef, column: &str) -> Result<Vec<(String, Vec<u32>)>> {
    let values = numbers(values, column)?;
    let mut sorted: Vec<f64> = values.iter().flatten().filter(|x| !x.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut edges: Vec<f64> = (0..PARTS).filter_map(|i| sorted.get(i * sorted.len() / PARTS).copied()).collect();
    edges.dedup();
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); edges.len()];
    let mut nulls = Vec::new();
    for (row, value) in values.iter().enumerate() {
        match value.filter(|x| !x.is_nan()) {
            Some(x) => rows[edges.partition_point(|edge| *edge <= x).saturating_sub(1)].push(row as u32),
            None => nulls.push(row as u32),
        }
    }
    let last = sorted.last().copied().unwrap_or(f64::NAN);
    let label = |i: usize| match edges.get(i + 1) {
        Some(next) => format!("{} to below {}", number(edges[i]), number(*next)),
        None => format!("{} to {}", number(edges[i]), number(last)),
    };
    let mut segments: Vec<(String, Vec<u32>)> =
        rows.into_iter().enumerate().map(|(i, rows)| (label(i), rows)).collect();
    if !nulls.is_empty() {
        segments.push(("null".to_owned(), nulls));
    }
    Ok(segments)
}

/// The slices of some columns, judged.
pub(super) fn slices(
    predictions: &Predictions,
    metrics: &[Arc<dyn Metric>],
    data: &Table,
    columns: &[String],
) -> Result<Vec<Slice>> {
    if data.num_rows() != predictions.num_rows() {
        return Err(Error::data(format!(
            "slices of {} rows for {} predictions: give the table that was predicted",
            data.num_rows(),
            predictions.num_rows()
        )));
    }
    let mut slices = Vec::new();
    for column in columns {
        for (value, rows) in segments(data, column)? {
            let mut slice = Slice {
                column: column.clone(),
                value,
                rows: rows.len(),
                metrics: Vec::new(),
                members: Arc::from(rows),
            };
            slice.metrics = measure(&slice.predictions(predictions), metrics)?;
            slices.push(slice);
        }
    }
    if let Some(first) = metrics.first() {
        let badness = |slice: &Slice| {
            let value = slice.get(first.name())?;
            Some(if first.greater_is_better() { -value } else { value })
        };
        // What is not defined comes last; equals stay in order.
        slices.sort_by(|a, b| match (badness(a), badness(b)) {
            (Some(a), Some(b)) => b.total_cmp(&a),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
    }
    Ok(slices)
}
