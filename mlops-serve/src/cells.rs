//! Cells on their way to a model: one set of rules for the row path, the batch path and every wire.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder,
    UInt64Builder,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float16Type};
use mlops_core::columns::is_text;
use mlops_core::{Error, InputColumn, Result, ResultExt, Signature, Value};

type F16 = <Float16Type as ArrowPrimitiveType>::Native;

/// What the cells of an input column are, whatever the width of its Arrow type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Decimal,
    Float16,
    Float32,
    Float64,
    /// From the first to the last number, both included.
    Int(i64, i64),
    Text,
    UInt64,
}

impl Kind {
    /// The kind of a column, or `None` if it is not made of single cells.
    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        use DataType as D;
        Some(match data_type {
            D::Boolean => Self::Bool,
            D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => Self::Decimal,
            D::Float16 => Self::Float16,
            D::Float32 => Self::Float32,
            D::Float64 => Self::Float64,
            D::Int8 => Self::Int(i8::MIN.into(), i8::MAX.into()),
            D::Int16 => Self::Int(i16::MIN.into(), i16::MAX.into()),
            D::Int32 | D::Date32 | D::Time32(_) => Self::Int(i32::MIN.into(), i32::MAX.into()),
            D::Int64 | D::Date64 | D::Time64(_) | D::Timestamp(..) | D::Duration(_) => Self::Int(i64::MIN, i64::MAX),
            D::UInt8 => Self::Int(0, u8::MAX.into()),
            D::UInt16 => Self::Int(0, u16::MAX.into()),
            D::UInt32 => Self::Int(0, u32::MAX.into()),
            D::UInt64 => Self::UInt64,
            text if is_text(text) => Self::Text,
            _ => return None,
        })
    }

    /// Whether [`Self::settle`] gives what [`mlops_core::CellReader`] reads of the same column.
    fn is_exact_in_a_row(self) -> bool {
        self != Self::Decimal
    }

    /// The value as the column holds it (a float rounded to its width), or `None` if it can't.
    fn settle(self, value: Value<'_>) -> Option<Value<'_>> {
        // 2⁵³: up to here every whole float is one number.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        Some(match (self, value) {
            (_, Value::Null) => Value::Null,
            (Self::Bool, Value::Bool(_)) | (Self::Text, Value::Text(_)) => value,
            (Self::Bool, Value::Int(0) | Value::Float(0.0)) => Value::Bool(false),
            (Self::Bool, Value::Int(1) | Value::Float(1.0)) => Value::Bool(true),
            (Self::Int(first, last), Value::Int(n)) if (first..=last).contains(&n) => value,
            (Self::Int(..), Value::Float(x)) if x.fract() == 0.0 && x.abs() <= EXACT => {
                return self.settle(Value::Int(x as i64));
            }
            (Self::UInt64, Value::Int(0..)) => value,
            (Self::UInt64, Value::Float(x)) if x.fract() == 0.0 && (0.0..18_446_744_073_709_551_616.0).contains(&x) => {
                // An integer has no negative zero.
                Value::Float(x + 0.0)
            }
            (Self::Float16, value) => Value::Float(float(value, |x| F16::from_f64(x).to_f64())?),
            (Self::Float32, value) => Value::Float(float(value, |x| f64::from(x as f32))?),
            (Self::Float64 | Self::Decimal, value) => Value::Float(float(value, |x| x)?),
            _ => return None,
        })
    }
}

/// A number as a float of the width that `narrow` rounds to: a whole number only if nothing is
/// lost, a float only if it does not become infinite.
fn float(value: Value<'_>, narrow: impl Fn(f64) -> f64) -> Option<f64> {
    let wide = value.as_f64()?;
    let narrow = narrow(wide);
    let kept = match value {
        Value::Int(n) => narrow as i128 == i128::from(n),
        _ => narrow.is_finite() || !wide.is_finite(),
    };
    kept.then_some(narrow)
}

/// The kinds of all inputs of `signature`, if every one is made of cells that a row can hold.
pub(crate) fn row_kinds(signature: &Signature) -> Option<Vec<Kind>> {
    let kinds = signature.inputs.iter().map(|input| Kind::of(&input.data_type));
    kinds.map(|kind| kind.filter(|kind| kind.is_exact_in_a_row())).collect()
}

/// A cell for an input, as the row path takes it.
///
/// # Errors
/// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if the input can't hold it.
pub(crate) fn settle<'a>(input: &InputColumn, kind: Kind, value: Value<'a>) -> Result<Value<'a>> {
    let settled = match (kind, settle_checked(input, kind, value)?) {
        // As the batch path reads a column of this type.
        (Kind::UInt64, Value::Int(n)) => Value::Float(n as f64),
        (_, settled) => settled,
    };
    Ok(settled)
}

fn settle_checked<'a>(input: &InputColumn, kind: Kind, value: Value<'a>) -> Result<Value<'a>> {
    if value.is_null() && !input.nullable {
        return Err(Error::data(format!(
            "input '{}' must have a value in every row; one is null: fill it in, or fit the model on rows without it too",
            input.name
        )));
    }
    kind.settle(value).ok_or_else(|| {
        let value = match value {
            Value::Bool(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Null => "null".to_owned(),
            Value::Text(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
        };
        Error::data(format!("input '{}' is {}, which can't hold {value}", input.name, input.data_type))
    })
}

/// A row as the row path takes it: the same slice, if there is nothing to change.
///
/// # Errors
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for more or fewer cells than inputs, and as
/// [`settle`].
pub(crate) fn settle_row<'a, 'b>(
    signature: &Signature,
    kinds: &[Kind],
    row: &'b [Value<'a>],
) -> Result<Cow<'b, [Value<'a>]>> {
    check_width(signature, row)?;
    let settled = |i: usize| settle(&signature.inputs[i], kinds[i], row[i]);
    for i in 0..row.len() {
        if same(settled(i)?, row[i]) {
            continue;
        }
        return Ok(Cow::Owned((0..row.len()).map(settled).collect::<Result<_>>()?));
    }
    Ok(Cow::Borrowed(row))
}

fn same(a: Value<'_>, b: Value<'_>) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

fn check_width(signature: &Signature, row: &[Value<'_>]) -> Result<()> {
    if row.len() != signature.inputs.len() {
        return Err(Error::schema(format!(
            "a row has {} cells, the model takes {}: {}",
            row.len(),
            signature.inputs.len(),
            signature.input_names().join(", ")
        )));
    }
    Ok(())
}

/// A column of cells for an input, of its very type.
///
/// # Errors
/// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for a value that the input can't hold,
/// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for an input that is not made of
/// cells.
pub(crate) fn column<'a>(input: &InputColumn, cells: impl ExactSizeIterator<Item = Value<'a>>) -> Result<ArrayRef> {
    let Some(kind) = Kind::of(&input.data_type) else {
        return Err(Error::unsupported(format!(
            "input '{}' is {}, which no cell can hold: call the model with batches, in process",
            input.name, input.data_type
        )));
    };
    let rows = cells.len();
    let settle = |(element, cell)| settle_checked(input, kind, cell).context("element", element);
    let cells = cells.enumerate().map(settle);
    let column = match kind {
        Kind::Bool => bools(cells, rows)?,
        Kind::Decimal | Kind::Float16 | Kind::Float32 | Kind::Float64 => floats(cells, rows)?,
        Kind::Int(..) => ints(cells, rows)?,
        Kind::Text => texts(cells, rows)?,
        Kind::UInt64 => unsigned(cells, rows)?,
    };
    narrow(column, &input.data_type)
}

/// From the widest type of a kind to the very type; the values are known to fit.
fn narrow(column: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if column.data_type() == data_type {
        return Ok(column);
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let column = match data_type {
        DataType::Date32 | DataType::Time32(_) => cast_with_options(&column, &DataType::Int32, &strict)?,
        _ => column,
    };
    Ok(cast_with_options(&column, data_type, &strict)?)
}

fn bools<'a>(cells: impl Iterator<Item = Result<Value<'a>>>, rows: usize) -> Result<ArrayRef> {
    let mut column = BooleanBuilder::with_capacity(rows);
    for cell in cells {
        column.append_option(if let Value::Bool(value) = cell? { Some(value) } else { None });
    }
    Ok(Arc::new(column.finish()))
}

fn floats<'a>(cells: impl Iterator<Item = Result<Value<'a>>>, rows: usize) -> Result<ArrayRef> {
    let mut column = Float64Builder::with_capacity(rows);
    for cell in cells {
        column.append_option(cell?.as_f64());
    }
    Ok(Arc::new(column.finish()))
}

fn ints<'a>(cells: impl Iterator<Item = Result<Value<'a>>>, rows: usize) -> Result<ArrayRef> {
    let mut column = Int64Builder::with_capacity(rows);
    for cell in cells {
        column.append_option(if let Value::Int(value) = cell? { Some(value) } else { None });
    }
    Ok(Arc::new(column.finish()))
}

fn unsigned<'a>(cells: impl Iterator<Item = Result<Value<'a>>>, rows: usize) -> Result<ArrayRef> {
    let mut column = UInt64Builder::with_capacity(rows);
    for cell in cells {
        column.append_option(match cell? {
            Value::Int(value) => Some(value.unsigned_abs()),
            Value::Float(value) => Some(value as u64),
            _ => None,
        });
    }
    Ok(Arc::new(column.finish()))
}

fn texts<'a>(cells: impl Iterator<Item = Result<Value<'a>>>, rows: usize) -> Result<ArrayRef> {
    let mut column = StringBuilder::with_capacity(rows, rows * 8);
    for cell in cells {
        column.append_option(cell?.as_str());
    }
    Ok(Arc::new(column.finish()))
}

/// A row of cells as a batch with the columns of `signature`.
///
/// # Errors
/// As [`column`], and [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for more or fewer cells
/// than inputs.
pub(crate) fn row_batch(signature: &Signature, row: &[Value<'_>]) -> Result<RecordBatch> {
    check_width(signature, row)?;
    let cells = signature.inputs.iter().zip(row);
    let columns = cells.map(|(input, cell)| column(input, [*cell].into_iter())).collect::<Result<_>>()?;
    batch(signature, columns, 1)
}

/// Columns as a batch of `signature`, which may have no columns at all.
pub(crate) fn batch(signature: &Signature, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(signature.input_schema(), columns, &options)?)
}

/// A row that outlives its request, its texts in one buffer.
#[derive(Debug)]
pub(crate) struct OwnedRow {
    cells: Vec<OwnedCell>,
    text: String,
}

#[derive(Debug)]
enum OwnedCell {
    Plain(Value<'static>),
    Text(Range<usize>),
}

impl OwnedRow {
    pub(crate) fn new(row: &[Value<'_>]) -> Self {
        let mut text = String::with_capacity(row.iter().filter_map(|cell| cell.as_str()).map(str::len).sum());
        let cells = row.iter().map(|cell| match *cell {
            Value::Bool(value) => OwnedCell::Plain(Value::Bool(value)),
            Value::Float(value) => OwnedCell::Plain(Value::Float(value)),
            Value::Int(value) => OwnedCell::Plain(Value::Int(value)),
            Value::Null => OwnedCell::Plain(Value::Null),
            Value::Text(value) => {
                let start = text.len();
                text.push_str(value);
                OwnedCell::Text(start..text.len())
            }
        });
        Self { cells: cells.collect(), text }
    }

    pub(crate) fn cells(&self) -> Vec<Value<'_>> {
        let cell = |cell: &OwnedCell| match cell {
            OwnedCell::Plain(value) => *value,
            OwnedCell::Text(range) => Value::Text(&self.text[range.clone()]),
        };
        self.cells.iter().map(cell).collect()
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;
    use mlops_core::{CellReader, Task};
    use proptest::prelude::*;

    use super::*;

    fn types() -> Vec<DataType> {
        use DataType as D;
        vec![
            D::Boolean,
            D::Date32,
            D::Date64,
            D::Decimal128(20, 3),
            D::Dictionary(Box::new(D::Int32), Box::new(D::Utf8)),
            D::Duration(TimeUnit::Second),
            D::Float16,
            D::Float32,
            D::Float64,
            D::Int8,
            D::Int16,
            D::Int32,
            D::Int64,
            D::LargeUtf8,
            D::Time32(TimeUnit::Second),
            D::Time64(TimeUnit::Nanosecond),
            D::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            D::UInt8,
            D::UInt16,
            D::UInt32,
            D::UInt64,
            D::Utf8,
            D::Utf8View,
        ]
    }

    fn value() -> impl Strategy<Value = Value<'static>> {
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-3i64..300).prop_map(Value::Int),
            any::<f64>().prop_map(Value::Float),
            (-3i16..300).prop_map(|x| Value::Float(x.into())),
            prop::sample::select(vec!["", "EWR", "日本"]).prop_map(Value::Text),
            Just(Value::Null),
        ]
    }

    proptest! {
        #[test]
        fn a_settled_cell_is_what_the_batch_path_reads(value in value(), nullable in any::<bool>()) {
            for data_type in types() {
                let input = InputColumn::new("x", data_type, nullable);
                let kind = Kind::of(&input.data_type).unwrap();
                let column = column(&input, [value].into_iter());
                let settled = settle(&input, kind, value);
                prop_assert!(settled.is_ok() || column.is_err(), "{:?}: {column:?} but {settled:?}", input.data_type);
                let (Ok(column), Ok(settled)) = (column, settled) else { continue };
                prop_assert_eq!(column.data_type(), &input.data_type);
                if kind.is_exact_in_a_row() {
                    let batch = RecordBatch::try_from_iter([("x", column)])?;
                    let reader = CellReader::new(&batch)?;
                    let read = reader.row(0).next().unwrap();
                    prop_assert!(same(settled, read), "{:?}: {settled:?} but {read:?}", input.data_type);
                }
            }
        }

        #[test]
        fn an_owned_row_has_the_same_cells(row in prop::collection::vec(value(), 0..9)) {
            let owned = OwnedRow::new(&row);
            prop_assert!(owned.cells().iter().zip(&row).all(|(a, b)| same(*a, *b)));
        }
    }

    #[test]
    fn says_which_input_can_not_hold_what() {
        let signature = Signature::new(vec![InputColumn::new("month", DataType::Int8, false)], Task::Regression);
        let message = |row: &[Value<'_>]| row_batch(&signature, row).unwrap_err().message().to_owned();
        assert_eq!(message(&[Value::Int(300)]), "input 'month' is Int8, which can't hold 300");
        assert_eq!(
            message(&[Value::Null]),
            "input 'month' must have a value in every row; one is null: fill it in, or fit the model on rows without it too"
        );
        assert!(message(&[]).starts_with("a row has 0 cells, the model takes 1"));
    }
}
