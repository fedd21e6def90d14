//! What cells of SQLite are.

use std::borrow::Cow;

use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::{DataType, Date32Type, Time64MicrosecondType, TimeUnit};
use mlops_core::{Error, Result};
use sqlx::sqlite::{Sqlite, SqliteValueRef};
use sqlx::{Decode, TypeInfo, ValueRef};

use crate::source::sql::cell::Cell;
use crate::source::sql::predicate::Comparable;

/// How the cells of a column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blob,
    Bool,
    Date,
    Float,
    Int,
    Text,
    Time,
    Timestamp,
}

impl Kind {
    /// By the driver's word for a declared type; `None` if there is none that is known.
    pub(super) fn declared(name: &str) -> Option<Self> {
        Some(match name {
            "BLOB" => Self::Blob,
            "BOOLEAN" => Self::Bool,
            "DATE" => Self::Date,
            "DATETIME" => Self::Timestamp,
            "INTEGER" => Self::Int,
            "REAL" => Self::Float,
            "TEXT" => Self::Text,
            "TIME" => Self::Time,
            _ => return None,
        })
    }

    /// By whether there are integers, reals, texts and blobs; text if there are only nulls.
    pub(super) fn of_cells(has: [bool; 4]) -> Result<Self> {
        match has {
            [true, false, false, false] => Ok(Self::Int),
            [_, true, false, false] => Ok(Self::Float),
            [false, false, _, false] => Ok(Self::Text),
            [false, false, false, true] => Ok(Self::Blob),
            [integers, reals, texts, blobs] => {
                let classes = [(integers, "integers"), (reals, "reals"), (texts, "texts"), (blobs, "blobs")];
                let found: Vec<&str> = classes.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
                Err(Error::schema(format!(
                    "its cells are {}, but a column has one type: write a query with CAST(… AS TEXT), AS REAL or \
                     AS INTEGER",
                    found.join(" and ")
                )))
            }
        }
    }

    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Blob => DataType::Binary,
            Self::Bool => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Float => DataType::Float64,
            Self::Int => DataType::Int64,
            Self::Text => DataType::Utf8,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// The kind that is read as `data_type`.
    pub(super) fn of(data_type: &DataType) -> Result<Self> {
        let kinds =
            [Self::Blob, Self::Bool, Self::Date, Self::Float, Self::Int, Self::Text, Self::Time, Self::Timestamp];
        kinds
            .into_iter()
            .find(|kind| kind.data_type() == *data_type)
            .ok_or_else(|| Error::internal(format!("no cells are read as {data_type}: please report this")))
    }

    pub(super) fn comparable(self) -> Option<Comparable> {
        Some(match self {
            Self::Bool => Comparable::Bool,
            Self::Date => Comparable::DateText,
            Self::Float => Comparable::Float,
            Self::Int => Comparable::Int,
            Self::Text => Comparable::TextEquality,
            // A time can be written in more than one way.
            Self::Blob | Self::Time | Self::Timestamp => return None,
        })
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Blob => "a blob",
            Self::Bool => "0 or 1",
            Self::Date => "a day as '2013-01-31'",
            Self::Float => "a number",
            Self::Int => "an integer",
            Self::Text => "text",
            Self::Time => "a time of day as '13:05:00'",
            Self::Timestamp => "a time without an offset as '2013-01-31 13:05:00'",
        }
    }
}

/// A cell of a column that is read as `kind`.
pub(super) fn cell(kind: Kind, value: SqliteValueRef<'_>) -> Result<Cell<'_>> {
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let class = value.type_info().name().to_owned();
    match (kind, class.as_str()) {
        (Kind::Int, "INTEGER") => decode(value).map(Cell::Int),
        (Kind::Float, "REAL" | "INTEGER") => decode(value).map(Cell::Float),
        (Kind::Text, "TEXT") => Ok(Cell::Text(Cow::Borrowed(text(value)?))),
        (Kind::Blob, "BLOB") => decode(value).map(Cell::Bytes),
        (Kind::Bool, "INTEGER") => match decode::<i64>(value)? {
            0 => Ok(Cell::Bool(false)),
            1 => Ok(Cell::Bool(true)),
            other => Err(unfit(kind, &other.to_string())),
        },
        (Kind::Date | Kind::Time | Kind::Timestamp, "TEXT") => {
            let text = text(value)?;
            parse(kind, text).map(Cell::Int).ok_or_else(|| unfit(kind, &format!("the text '{}'", shortened(text))))
        }
        (_, "INTEGER") => Err(unfit(kind, &decode::<i64>(value)?.to_string())),
        (_, "REAL") => Err(unfit(kind, &decode::<f64>(value)?.to_string())),
        (_, "TEXT") => Err(unfit(kind, &format!("the text '{}'", shortened(text(value)?)))),
        _ => Err(unfit(kind, "a blob")),
    }
}

/// The days or microseconds that `text` says.
fn parse(kind: Kind, text: &str) -> Option<i64> {
    match kind {
        Kind::Date => (text.len() == 10).then(|| Date32Type::parse(text)).flatten().map(i64::from),
        Kind::Time => Time64MicrosecondType::parse(text),
        _ => {
            let (time, fraction) = text.split_once('.').unwrap_or((text, ""));
            let has_offset = text.get(10..).is_some_and(|time| time.contains(['+', '-', 'Z', 'z']));
            let is_exact = fraction.get(6..).is_none_or(|rest| rest.bytes().all(|digit| digit == b'0'));
            if time.len() < 10 || has_offset || !is_exact {
                return None;
            }
            let utc: Tz = "+00:00".parse().ok()?;
            string_to_datetime(&utc, text).ok().map(|time| time.timestamp_micros())
        }
    }
}

fn unfit(kind: Kind, given: &str) -> Error {
    Error::data(format!(
        "the cell is {given}, but the column is declared as {}: correct the cell, or write a query that converts it, \
         such as CAST(… AS TEXT)",
        kind.expected()
    ))
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

fn text(value: SqliteValueRef<'_>) -> Result<&str> {
    decode(value).map_err(|e| {
        Error::data("the text is not UTF-8: write a query with CAST(… AS BLOB) to read its bytes").with_source(e)
    })
}

fn decode<'a, T: Decode<'a, Sqlite>>(value: SqliteValueRef<'a>) -> Result<T> {
    T::decode(value).map_err(|e| Error::data(format!("the cell can't be read: {e}")).with_source(e))
}
