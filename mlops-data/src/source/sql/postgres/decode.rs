//! Values of PostgreSQL's binary format.

use std::borrow::Cow;
use std::fmt::Write;

use arrow::datatypes::DataType;
use mlops_core::{Error, Result};

use super::kind::Kind;
use super::numeric::Numeric;
use crate::source::sql::cell::Cell;

/// Days and microseconds from 1970 to 2000, where PostgreSQL counts from.
const EPOCH_DAYS: i64 = 10_957;
const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS * DAY_MICROSECONDS;
const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// A value that is not null and is read as `to`.
pub(super) fn cell<'a>(kind: &Kind, to: &DataType, bytes: &'a [u8]) -> Result<Cell<'a>> {
    Ok(match kind {
        Kind::Array(element) => Cell::List(array(element, to, bytes)?),
        Kind::Bool => Cell::Bool(fixed::<1>(bytes)? != [0]),
        Kind::Bytea => Cell::Bytes(bytes),
        Kind::Date => Cell::Int(date(i32::from_be_bytes(fixed(bytes)?))?),
        Kind::Enum | Kind::Text => Cell::Text(Cow::Borrowed(text(bytes)?)),
        Kind::Float4 => Cell::Float(f32::from_be_bytes(fixed(bytes)?).into()),
        Kind::Float8 => Cell::Float(f64::from_be_bytes(fixed(bytes)?)),
        Kind::Int2 => Cell::Int(i16::from_be_bytes(fixed(bytes)?).into()),
        Kind::Int4 => Cell::Int(i32::from_be_bytes(fixed(bytes)?).into()),
        Kind::Int8 => Cell::Int(i64::from_be_bytes(fixed(bytes)?)),
        Kind::Jsonb => match bytes.split_first() {
            Some((1, json)) => Cell::Text(Cow::Borrowed(text(json)?)),
            _ => return Err(malformed()),
        },
        Kind::Numeric => {
            let number = Numeric::new(bytes).ok_or_else(malformed)?;
            match to {
                DataType::Decimal128(precision, scale) => Cell::Decimal(number.to_decimal(*precision, *scale)?),
                _ => Cell::Float(number.to_f64()),
            }
        }
        Kind::Oid => Cell::Int(u32::from_be_bytes(fixed(bytes)?).into()),
        Kind::Time => match i64::from_be_bytes(fixed(bytes)?) {
            DAY_MICROSECONDS => {
                return Err(Error::data("the time 24:00:00, where a day ends at 23:59:59.999999: cast it to text"));
            }
            time => Cell::Int(time),
        },
        Kind::Timestamp | Kind::Timestamptz => Cell::Int(timestamp(i64::from_be_bytes(fixed(bytes)?))?),
        Kind::Uuid => Cell::Text(Cow::Owned(uuid(fixed(bytes)?))),
    })
}

/// Dimensions, whether there are nulls, the type of an element; length and lower bound of each
/// dimension; length (-1 for null) and bytes of each element.
fn array<'a>(element: &Kind, to: &DataType, bytes: &'a [u8]) -> Result<Vec<Cell<'a>>> {
    let DataType::List(item) = to else { return Err(Error::internal("an array that is no list: please report this")) };
    let mut rest = bytes;
    let dimensions = word(&mut rest)?;
    let (_has_nulls, _element_type) = (word(&mut rest)?, word(&mut rest)?);
    if dimensions == 0 {
        return Ok(Vec::new());
    }
    if dimensions != 1 {
        return Err(Error::data(format!(
            "an array of {dimensions} dimensions, but a list has one: unnest it in the query, or cast it to text"
        )));
    }
    let (length, _lower_bound) = (word(&mut rest)?, word(&mut rest)?);
    let mut cells = Vec::new();
    for _ in 0..length {
        let Ok(size) = usize::try_from(word(&mut rest)?) else {
            cells.push(Cell::Null);
            continue;
        };
        let (value, after) = rest.split_at_checked(size).ok_or_else(malformed)?;
        cells.push(cell(element, item.data_type(), value)?);
        rest = after;
    }
    Ok(cells)
}

fn word(bytes: &mut &[u8]) -> Result<i32> {
    let (word, rest) = bytes.split_first_chunk().ok_or_else(malformed)?;
    *bytes = rest;
    Ok(i32::from_be_bytes(*word))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| malformed())
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| {
        Error::data("the text is not UTF-8; the database is of encoding SQL_ASCII: read it as bytes, with ::bytea")
            .with_source(e)
    })
}

fn date(days: i32) -> Result<i64> {
    match days {
        i32::MIN | i32::MAX => Err(infinite("date")),
        days => Ok(i64::from(days) + EPOCH_DAYS),
    }
}

fn timestamp(microseconds: i64) -> Result<i64> {
    match microseconds {
        i64::MIN | i64::MAX => Err(infinite("timestamp")),
        time => time
            .checked_add(EPOCH_MICROSECONDS)
            .ok_or_else(|| Error::data("a time after the year 294246, which microseconds can't hold: cast it to text")),
    }
}

fn infinite(kind: &str) -> Error {
    Error::data(format!(
        "an infinite {kind}, which has no counterpart: write a query with nullif(…, 'infinity'), or leave those rows out"
    ))
}

fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn malformed() -> Error {
    Error::data("the bytes of the value are not of its type: is what answers PostgreSQL, and of version 9.6 or newer?")
}
