use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};

use crate::columns::is_text;
use crate::{Error, Result};

/// One cell of a row outside of Arrow: what the one-row path works on.
///
/// A 16-column `RecordBatch` of one row costs about 49 allocations to build; a slice of these costs
/// none. Text is borrowed from the request or from the component that made it.
///
/// # Example
/// ```
/// use mlops_core::Value;
///
/// assert_eq!(Value::Int(3).as_f64(), Some(3.0));
/// assert_eq!(Value::Null.as_f64(), None);
/// assert_eq!(Value::Text("EWR").as_str(), Some("EWR"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Value<'a> {
    /// True or false.
    Bool(bool),
    /// A floating-point number; NaN is a value, not a null.
    Float(f64),
    /// A whole number; dates and timestamps are their Arrow integers.
    Int(i64),
    /// No value.
    #[default]
    Null,
    /// Text.
    Text(&'a str),
}

impl<'a> Value<'a> {
    /// The number, if it is one: `Float`, `Int`, and `Bool` as 0 and 1.
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(value))),
            Self::Float(value) => Some(value),
            Self::Int(value) => Some(value as f64),
            Self::Null | Self::Text(_) => None,
        }
    }

    /// The number, with NaN for null and for text: what [`to_matrix`](crate::columns::to_matrix)
    /// gives for the same cell.
    pub fn to_f64(self) -> f64 {
        self.as_f64().unwrap_or(f64::NAN)
    }

    /// The text, if it is text.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is [`Value::Null`].
    pub fn is_null(self) -> bool {
        self == Self::Null
    }
}

/// Batches read cell by cell: for tests that compare the one-row path with the batch path, and for
/// transports that answer row by row.
///
/// # Example
/// ```
/// use mlops_core::{CellReader, Value};
/// # let batch = arrow::array::record_batch!(("n", Int64, [1, 2]), ("s", Utf8, ["a", "b"]))?;
/// let cells = CellReader::new(&batch)?;
/// assert_eq!(cells.row(1).collect::<Vec<_>>(), [Value::Int(2), Value::Text("b")]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct CellReader {
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
}

impl CellReader {
    /// Prepares the columns of `batch`: all integers, dates and times become `i64`, all floats and
    /// decimals `f64`. One cast a column; no copy where the type fits.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a nested or binary column.
    pub fn new(batch: &RecordBatch) -> Result<Self> {
        let columns = batch
            .columns()
            .iter()
            .zip(batch.schema_ref().fields())
            .map(|(column, field)| {
                let target = cell_type(field.data_type()).ok_or_else(|| {
                    Error::unsupported(format!("column '{}' is {}: not a cell type", field.name(), field.data_type()))
                })?;
                Ok(cast(column, &target)?)
            })
            .collect::<Result<_>>()?;
        Ok(Self { schema: batch.schema(), columns, rows: batch.num_rows() })
    }

    /// Columns and types of the batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> usize {
        self.rows
    }

    /// The cells of one row, in column order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Value<'_>> {
        self.columns.iter().map(move |column| cell(column, row))
    }
}

/// The type that [`CellReader`] reads a column of `data_type` as.
fn cell_type(data_type: &DataType) -> Option<DataType> {
    use DataType as D;
    Some(match data_type {
        D::Boolean => D::Boolean,
        text if is_text(text) => D::Utf8,
        D::Float16 | D::Float32 | D::Float64 | D::UInt64 => D::Float64,
        D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => D::Float64,
        D::Null => D::Int64,
        integer if integer.is_integer() => D::Int64,
        D::Date32 | D::Date64 | D::Time32(_) | D::Time64(_) | D::Timestamp(..) | D::Duration(_) => D::Int64,
        _ => return None,
    })
}

fn cell(column: &ArrayRef, row: usize) -> Value<'_> {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row)),
        other => unreachable!("cell_type() gives no {other}"),
    }
}
