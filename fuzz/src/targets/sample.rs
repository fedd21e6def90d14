//! Rows to try what was read on.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use mlops::core::columns::{is_numeric, is_text};
use mlops::core::{CellReader, Result, RowTransform, Transform, Value};
use serde_json::Value as Json;

const ROWS: usize = 8;

/// Rows of `schema` with nulls where they may be, extremes and everyday values; `None` for types that
/// have no cells.
pub(super) fn rows(schema: &SchemaRef) -> Option<RecordBatch> {
    let columns = schema.fields().iter().map(|field| column(field)).collect::<Option<Vec<_>>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(ROWS));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).ok()
}

fn column(field: &Field) -> Option<ArrayRef> {
    let to = field.data_type();
    let values: ArrayRef = match to {
        DataType::Boolean => Arc::new(BooleanArray::from_iter((0..ROWS).map(|i| Some(i % 2 == 0)))),
        to if is_text(to) => Arc::new(StringArray::from_iter_values(["a", "", "oslo", "EWR", "north", "Ö", "7", "b"])),
        to if to.is_floating() => Arc::new(Float64Array::from_iter_values([
            0.0,
            -0.0,
            1.5,
            -3.0,
            1e300,
            f64::NAN,
            f64::INFINITY,
            f64::MIN_POSITIVE,
        ])),
        to if is_numeric(to) || to.is_temporal() => {
            Arc::new(Int64Array::from_iter_values([0, 1, 3, 12, 100, 86_400, 1_370_044_800, i64::MAX]))
        }
        _ => return None,
    };
    let mut values = cast(&values, to).ok()?;
    if field.is_nullable() {
        let mask = BooleanArray::from_iter((0..ROWS).map(|i| Some(i == 2)));
        values = arrow::compute::nullif(&values, &mask).ok()?;
    } else if values.null_count() > 0 {
        let first = values.slice(0, 1);
        let first: Vec<&dyn Array> = (0..ROWS).map(|_| first.as_ref()).collect();
        values = arrow::compute::concat(&first).ok().filter(|values| values.null_count() == 0)?;
    }
    Some(values)
}

/// Schemas whose columns are called as the texts of a JSON value: all of one type, and of all types
/// in turn.
pub(super) fn schemas(state: &Json) -> Vec<SchemaRef> {
    let mut names = BTreeSet::new();
    collect(state, &mut names);
    let types = [
        DataType::Float64,
        DataType::Utf8,
        DataType::Int64,
        DataType::Boolean,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Date32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Timestamp(TimeUnit::Second, Some("UTC".into())),
    ];
    let schema = |of: &dyn Fn(usize) -> DataType| {
        let fields = names.iter().enumerate().map(|(i, name)| Field::new(name, of(i), i % 3 < 2));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    };
    let mut schemas: Vec<_> = types.iter().take(5).map(|data_type| schema(&|_| data_type.clone())).collect();
    schemas.extend((0..3).map(|shift| schema(&|i| types[(i + shift * 4) % types.len()].clone())));
    schemas
}

fn collect(state: &Json, names: &mut BTreeSet<String>) {
    if names.len() >= 24 {
        return;
    }
    match state {
        Json::String(text) => {
            names.insert(text.clone());
        }
        Json::Array(values) => values.iter().for_each(|value| collect(value, names)),
        Json::Object(values) => values.values().for_each(|value| collect(value, names)),
        _ => {}
    }
}

/// A table of the columns that the seeds speak of.
pub(super) fn flights() -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![
        Field::new("distance", DataType::Float64, true),
        Field::new("origin", DataType::Utf8, true),
        Field::new("tailnum", DataType::Utf8, true),
        Field::new("time_hour", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("day", DataType::Date32, true),
        Field::new("late", DataType::Boolean, true),
        Field::new("month", DataType::Int64, true),
        Field::new("seats", DataType::UInt64, true),
        Field::new("small", DataType::Int8, true),
        Field::new("arr", DataType::Int32, false),
        Field::new("dep", DataType::Float32, false),
    ]));
    let rows = rows(&schema).expect("all columns have cells");
    let note = Arc::new(Field::new("note", DataType::Null, true));
    let fields: Vec<_> = rows.schema().fields().iter().cloned().chain([note]).collect();
    let columns = rows.columns().iter().cloned().chain([new_null_array(&DataType::Null, ROWS)]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length")
}

/// A fitted step on rows: what it gives has the schema that it promised, row by row it gives the same,
/// and it is the same after it was saved and loaded.
pub(super) fn transform(transform: &dyn Transform, rows: &RecordBatch) -> Result<()> {
    let input = rows.schema();
    let promised = transform.output_schema(&input)?;
    let applied = transform.apply(rows.clone());
    if let Ok(applied) = &applied {
        assert_eq!(promised, applied.schema(), "{transform:?} promised another schema");
        assert_eq!(applied.num_rows(), rows.num_rows(), "{transform:?} lost rows");
    }
    if let Some(bound) = transform.rows(&input)? {
        for row in 0..rows.num_rows() {
            let row = rows.slice(row, 1);
            same_row(bound.as_ref(), &row, transform.apply(row.clone()));
        }
    }
    applied.map(drop)
}

fn same_row(bound: &dyn RowTransform, row: &RecordBatch, applied: Result<RecordBatch>) {
    let cells = CellReader::new(row).expect("rows of cells");
    let cells: Vec<Value<'_>> = cells.row(0).collect();
    let mut output = Vec::new();
    match (bound.apply_row(&cells, &mut output), applied) {
        (Ok(()), Ok(applied)) => {
            let expected = CellReader::new(&applied).expect("rows of cells");
            let expected: Vec<Value<'_>> = expected.row(0).collect();
            let same = output.len() == expected.len() && output.iter().zip(&expected).all(|(a, b)| same_cell(*a, *b));
            assert!(same, "{cells:?} gave the row {output:?}, but the batch {expected:?}: {bound:?}");
        }
        (Err(row), Err(batch)) => assert_eq!(row.kind(), batch.kind(), "{row:?}, but {batch:?}"),
        (row, batch) => panic!("{cells:?}: by row {row:?}, but by batch {batch:?}: {bound:?}"),
    }
}

pub(super) fn same_cell(a: Value<'_>, b: Value<'_>) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => same_number(a, b),
        _ => a == b,
    }
}

/// Equal within rounding: sums may be made in another order.
pub(super) fn same_number(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(1.0)
}
