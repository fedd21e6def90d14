//! Comparing what comes out, cell by cell.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::TransformerSubject;
use crate::{CellReader, Error, ErrorKind, Result, RowTransform, Run, Table, Transform, Value};

pub(super) fn must<T>(what: &str, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("failed to {what}: {error:?}"))
}

pub(super) fn replace(batch: &RecordBatch, i: usize, column: ArrayRef) -> RecordBatch {
    let mut fields: Vec<_> = batch.schema().fields().to_vec();
    fields[i] = Arc::new(Field::new(fields[i].name(), column.data_type().clone(), true));
    let mut columns = batch.columns().to_vec();
    columns[i] = column;
    must("put a column in its place", RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::from))
}

/// The cells of a batch as bits: any NaN equals any other, -0 differs from 0.
pub(super) fn cells(batch: &RecordBatch) -> Vec<Vec<Cell>> {
    let reader = must("read the cells", CellReader::new(batch));
    (0..reader.num_rows()).map(|row| reader.row(row).map(Cell::of).collect()).collect()
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Float(u64, f64),
    Nan,
    Other(String),
}

impl Cell {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Float(x) if x.is_nan() => Self::Nan,
            Value::Float(x) => Self::Float(x.to_bits(), x),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

pub(super) fn assert_same(what: &str, actual: &RecordBatch, expected: &RecordBatch) {
    let names = |batch: &RecordBatch| {
        let fields = batch.schema();
        fields.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect::<Vec<_>>()
    };
    assert_eq!(names(actual), names(expected), "{what}: other columns");
    assert_eq!(actual.num_rows(), expected.num_rows(), "{what}: another number of rows");
    for (row, (actual, expected)) in cells(actual).into_iter().zip(cells(expected)).enumerate() {
        assert_eq!(actual, expected, "{what}: row {row} differs");
    }
}

/// Applies to `input`, and checks that declared schema and rows agree with what comes out.
pub(super) fn apply_checked(what: &str, fitted: &dyn Transform, input: &RecordBatch) -> Result<RecordBatch> {
    let declared = fitted.output_schema(input.schema_ref())?;
    let output = fitted.apply(input.clone());
    if let Some(rows) = fitted.rows(input.schema_ref())? {
        check_rows(what, rows.as_ref(), input, output.as_ref())?;
    }
    let output = output?;
    assert_eq!(output.num_rows(), input.num_rows(), "{what}: rows were lost or made");
    let columns = |schema: &SchemaRef| {
        schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect::<Vec<_>>()
    };
    assert_eq!(columns(output.schema_ref()), columns(&declared), "{what}: the declared schema is another");
    for (field, column) in declared.fields().iter().zip(output.columns()) {
        let kept = field.is_nullable() || column.null_count() == 0;
        assert!(kept, "{what}: '{}' is declared without nulls, but has some", field.name());
    }
    Ok(output)
}

/// Prepares the rows one by one, and compares them with the batch: a batch is refused if one of its
/// rows is.
pub(super) fn check_rows(
    what: &str,
    rows: &dyn RowTransform,
    input: &RecordBatch,
    output: Result<&RecordBatch, &Error>,
) -> Result<()> {
    let reader = CellReader::new(input)?;
    let alone = |row| {
        let cells: Vec<Value<'_>> = reader.row(row).collect();
        let mut output = Vec::new();
        let prepared =
            rows.apply_row(&cells, &mut output).map(|()| output.into_iter().map(Cell::of).collect::<Vec<_>>());
        let (mut here, mut spare) = (cells.clone(), vec![Value::Text("left over"); 3]);
        match (rows.apply_in_place(&mut here, &mut spare), &prepared) {
            (Ok(()), Ok(prepared)) => {
                let here: Vec<Cell> = here.into_iter().map(Cell::of).collect();
                assert_eq!(&here, prepared, "{what}: row {row} in place differs");
            }
            (here, prepared) => {
                let refused: (Option<ErrorKind>, Option<ErrorKind>) =
                    (here.err().map(|e| e.kind()), prepared.as_ref().err().map(Error::kind));
                assert_eq!(refused.0, refused.1, "{what}: row {row} is refused in place only, or only there not");
            }
        }
        prepared
    };
    let mut prepared = (0..reader.num_rows()).map(alone);
    match output {
        Err(error) => {
            let refused = prepared.any(|row| row.is_err_and(|e| e.kind() == error.kind()));
            assert!(refused, "{what}: the batch is refused, but no row alone: {error:?}");
        }
        Ok(output) => {
            for (row, (prepared, expected)) in prepared.zip(cells(output)).enumerate() {
                assert_eq!(must("prepare a row", prepared), expected, "{what}: row {row} alone differs from the batch");
            }
        }
    }
    Ok(())
}

/// What a step may do about values that it was not made for: prepare them consistently, or name the
/// column in an error of kind [`ErrorKind::Data`]. A chain names the step, and a column that may be
/// one it made of the other.
pub(super) fn applies_or_names(what: &str, fitted: &dyn Transform, input: &RecordBatch, column: &str) {
    if let Err(error) = apply_checked(what, fitted, input) {
        assert_names_column_or_step(what, &error, column);
    }
}

pub(super) fn fits_or_names(what: &str, subject: &TransformerSubject, data: &Table, column: &str) {
    match subject.recipe.fit(data, &Run::default()) {
        Ok(fitted) => applies_or_names(what, fitted.as_ref(), &must("join", data.to_batch()), column),
        Err(error) => assert_names_column_or_step(what, &error, column),
    }
}

pub(super) fn assert_names_column_or_step(what: &str, error: &Error, column: &str) {
    assert_eq!(error.kind(), ErrorKind::Data, "{what}: {error:?}");
    let names_step = error.context().iter().any(|(key, _)| *key == "step");
    assert!(names_step || error.to_string().contains(column), "{what}: the error does not name '{column}': {error:?}");
}

pub(super) fn assert_names(what: &str, error: &Error, kind: ErrorKind, column: &str) {
    assert_eq!(error.kind(), kind, "{what}: {error:?}");
    assert!(error.to_string().contains(column), "{what}: the error does not name '{column}': {error:?}");
}
