//! The callers: an hour of flights is one request of the Open Inference Protocol, sent over HTTP.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use mlops::core::{CellReader, Signature, Value};
use mlops::prelude::*;
use serde_json::{Value as Json, json};

/// The flights that are scheduled to leave in the same hour.
pub(crate) struct Hour {
    /// What the request is called: the hour.
    pub id: String,
    /// The hour, in milliseconds since 1970.
    pub time_ms: i64,
    pub rows: Table,
}

/// The flights by hour, in order.
pub(crate) fn by_hour(flights: &Table) -> Result<Vec<Hour>> {
    let times = flights.column("time_hour")?;
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let mut hours: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (row, time) in times.values().iter().enumerate() {
        hours.entry(time / 1_000).or_default().push(row);
    }
    let hour = |(time_ms, rows): (i64, Vec<usize>)| {
        Ok(Hour { id: format!("hour-{}", time_ms / 3_600_000), time_ms, rows: flights.take(&rows)? })
    };
    hours.into_iter().map(hour).collect()
}

/// The body of a request: a tensor for each input.
pub(crate) fn body(id: &str, rows: &Table, signature: &Signature) -> Result<Json> {
    let batch = signature.check(&rows.to_batch()?)?;
    let cells = CellReader::new(&batch)?;
    let tensors: Vec<Json> = (0..batch.num_columns()).map(|column| tensor(&batch, &cells, column)).collect();
    Ok(json!({ "id": id, "inputs": tensors, "outputs": [{ "name": "predict_proba" }] }))
}

fn tensor(batch: &RecordBatch, cells: &CellReader, column: usize) -> Json {
    let rows = 0..batch.num_rows();
    let data: Vec<Json> = rows.filter_map(|row| cells.row(row).nth(column)).map(cell).collect();
    let field = batch.schema_ref().field(column);
    json!({ "name": field.name(), "shape": [data.len()], "datatype": datatype(field.data_type()), "data": data })
}

fn cell(value: Value<'_>) -> Json {
    match value {
        Value::Bool(value) => value.into(),
        Value::Float(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::Null => Json::Null,
        Value::Text(value) => value.into(),
    }
}

fn datatype(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "BOOL",
        DataType::Float64 => "FP64",
        DataType::Int32 => "INT32",
        DataType::Utf8 | DataType::LargeUtf8 => "BYTES",
        _ => "INT64",
    }
}

/// The truth of an hour: what is known a day later.
pub(crate) fn labels(rows: &Table) -> Result<arrow::array::ArrayRef> {
    let labels = rows.column("late")?;
    debug_assert_eq!(labels.null_count(), 0);
    Ok(labels)
}

/// A moment as text, such as `2013-07-01T05:00:00Z`.
pub(crate) fn iso(ms: i64) -> String {
    let (days, seconds) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) / 1_000);
    // Days since 1 March of year 0, in eras of 400 years (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * march + 2) / 5 + 1, if march < 10 { march + 3 } else { march - 9 });
    let year = year + 400 * era + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
