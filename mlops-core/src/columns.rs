//! Reading columns: by name, as numbers, as text, as a matrix.

use std::fmt::Write as _;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, TimeUnit};

use crate::{Error, Result};

/// The index of column `name`.
///
/// # Errors
/// [`ErrorKind::Schema`](crate::ErrorKind::Schema) naming the columns there are, the likeliest
/// misspelling first.
pub fn find_column(schema: &Schema, name: &str) -> Result<usize> {
    schema.index_of(name).map_err(|_| {
        let near = schema
            .fields()
            .iter()
            .map(|field| (edit_distance(name, field.name()), field.name()))
            .min()
            .filter(|(distance, _)| *distance <= name.len().div_ceil(3));
        let hint = near.map(|(_, near)| format!("did you mean '{near}'? ")).unwrap_or_default();
        Error::schema(format!("no column '{name}'; {hint}the columns are {}", describe_columns(schema)))
    })
}

/// Names and types in one line, cut after a dozen.
pub fn describe_columns(schema: &Schema) -> String {
    const SHOWN: usize = 12;
    let mut text = String::from("[");
    for (i, field) in schema.fields().iter().take(SHOWN).enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        // Writing into a String can't fail.
        let _ = write!(text, "{comma}{}: {}", field.name(), field.data_type());
    }
    if schema.fields().len() > SHOWN {
        let _ = write!(text, ", … {} more", schema.fields().len() - SHOWN);
    }
    text + "]"
}

/// Whether a column of this type can be read by [`numbers`].
pub fn is_numeric(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

/// Whether a column of this type can be read by [`texts`].
pub fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

/// Refuses a type that came from elsewhere if Arrow has no arrays of it, or if every value of it, a
/// null too, takes more than 1 MiB: kernels panic on the one and allocate the other.
///
/// # Errors
/// [`ErrorKind::Schema`](crate::ErrorKind::Schema) naming the type.
///
/// # Example
/// ```
/// use arrow::datatypes::DataType;
/// use mlops_core::columns::check_type;
///
/// assert!(check_type(&DataType::FixedSizeBinary(16)).is_ok());
/// assert!(check_type(&DataType::FixedSizeBinary(i32::MAX)).is_err());
/// ```
pub fn check_type(data_type: &DataType) -> Result<()> {
    const MOST_BYTES: u64 = 1 << 20;
    match width(data_type) {
        Some(bytes) if bytes <= MOST_BYTES => Ok(()),
        Some(bytes) => Err(Error::schema(format!(
            "a value of the type {data_type} takes {bytes} bytes, at most {MOST_BYTES} are taken: use a type of variable \
             size"
        ))),
        None => Err(Error::schema(format!("there are no columns of the type {data_type}: choose another"))),
    }
}

/// The bytes of one value, as far as the type says; `None` if there are no arrays of the type.
fn width(data_type: &DataType) -> Option<u64> {
    use DataType as D;
    const OTHERS: u64 = 16;
    let sum = |mut fields: Box<dyn Iterator<Item = &DataType> + '_>| {
        fields.try_fold(0u64, |sum, field| Some(sum.saturating_add(width(field)?)))
    };
    Some(match data_type {
        D::Time32(TimeUnit::Microsecond | TimeUnit::Nanosecond) => return None,
        D::Time64(TimeUnit::Second | TimeUnit::Millisecond) => return None,
        D::FixedSizeBinary(bytes) => u64::try_from(*bytes).ok()?,
        D::FixedSizeList(item, length) => u64::try_from(*length).ok()?.saturating_mul(width(item.data_type())?.max(1)),
        D::List(item) | D::ListView(item) | D::LargeList(item) | D::LargeListView(item) => {
            width(item.data_type()).map(|_| OTHERS)?
        }
        D::Map(entries, _) => match entries.data_type() {
            D::Struct(pair) if pair.len() == 2 => width(entries.data_type()).map(|_| OTHERS)?,
            _ => return None,
        },
        D::Struct(fields) => sum(Box::new(fields.iter().map(|field| field.data_type())))?,
        D::Union(fields, _) if fields.is_empty() => return None,
        D::Union(fields, _) => sum(Box::new(fields.iter().map(|(_, field)| field.data_type())))?,
        D::Dictionary(key, value) if key.is_dictionary_key_type() => width(value)?,
        D::RunEndEncoded(ends, values) if matches!(ends.data_type(), D::Int16 | D::Int32 | D::Int64) => {
            width(values.data_type())?
        }
        D::Dictionary(..) | D::RunEndEncoded(..) => return None,
        _ => OTHERS,
    })
}

/// A column as `f64`, nulls kept: integers, floats, decimals, and booleans as 0 and 1. Copies unless
/// it is `Float64` already. Integers beyond ±2⁵³ are rounded.
///
/// # Errors
/// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for any other type; `name` is for the message.
pub fn numbers(column: &ArrayRef, name: &str) -> Result<Float64Array> {
    if !is_numeric(column.data_type()) {
        return Err(Error::schema(format!(
            "column '{name}' is {}, a number is needed: encode it first (OneHotEncoder, OrdinalEncoder, TargetEncoder) or leave it out",
            column.data_type()
        )));
    }
    let numbers = cast(column, &DataType::Float64)?;
    Ok(numbers.as_primitive::<arrow::datatypes::Float64Type>().clone())
}

/// A column as strings, nulls kept. Copies unless it is `Utf8` already.
///
/// # Errors
/// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a type that is not text; `name` is for the
/// message.
pub fn texts(column: &ArrayRef, name: &str) -> Result<StringArray> {
    if !is_text(column.data_type()) {
        return Err(Error::schema(format!(
            "column '{name}' is {}, text is needed: convert it in the source or choose another column",
            column.data_type()
        )));
    }
    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// Numeric columns as a row-major matrix of `batch.num_rows()` × `columns.len()`, null as NaN.
///
/// # Errors
/// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a column that is missing or not numeric.
pub fn to_matrix<S: AsRef<str>>(batch: &RecordBatch, columns: &[S]) -> Result<Vec<f64>> {
    let width = columns.len();
    let mut matrix = vec![f64::NAN; batch.num_rows() * width];
    for (c, name) in columns.iter().enumerate() {
        let name = name.as_ref();
        let column = batch.column(find_column(batch.schema_ref(), name)?);
        let numbers = numbers(column, name)?;
        for (row, value) in numbers.iter().enumerate() {
            if let Some(value) = value {
                matrix[row * width + c] = value;
            }
        }
    }
    Ok(matrix)
}

/// The type that holds the dates, times or spans of both types without losing anything, if they mean
/// the same kind of thing. A date is its midnight and has no time zone, so it goes with a timestamp
/// that has none either.
pub(crate) fn common_time(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType as D;
    Some(match (left, right) {
        _ if left == right && left.is_temporal() => left.clone(),
        (D::Timestamp(a, zone), D::Timestamp(b, other)) if zone.is_some() == other.is_some() => {
            D::Timestamp(*a.max(b), zone.clone())
        }
        (D::Timestamp(unit, None), D::Date32) | (D::Date32, D::Timestamp(unit, None)) => D::Timestamp(*unit, None),
        (D::Timestamp(unit, None), D::Date64) | (D::Date64, D::Timestamp(unit, None)) => {
            D::Timestamp(*unit.max(&TimeUnit::Millisecond), None)
        }
        (D::Date32, D::Date64) | (D::Date64, D::Date32) => D::Date64,
        (D::Duration(a), D::Duration(b)) => D::Duration(*a.max(b)),
        (D::Time32(a) | D::Time64(a), D::Time32(b) | D::Time64(b)) => match a.max(b) {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => D::Time32(*unit),
            unit => D::Time64(*unit),
        },
        _ => return None,
    })
}

/// The column as `to`, if every value comes back from there as it was; `None` if one does not.
pub(crate) fn cast_exactly(column: &ArrayRef, to: &DataType) -> Result<Option<ArrayRef>> {
    let converted = match (column.data_type(), to) {
        // Arrow multiplies a Date64 unchecked, and checks a timestamp.
        (DataType::Date64, DataType::Timestamp(..)) => {
            cast(&cast(column, &DataType::Timestamp(TimeUnit::Millisecond, None))?, to)?
        }
        _ => cast(column, to)?,
    };
    let back = cast(&converted, column.data_type())?;
    Ok((back.as_ref() == column.as_ref()).then_some(converted))
}

/// Levenshtein's distance, for "did you mean".
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
