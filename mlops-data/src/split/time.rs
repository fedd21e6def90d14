use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Int64Type};
use mlops_core::columns::find_column;
use mlops_core::{Error, Literal, Result, Table};

const STRICT: CastOptions<'_> = CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// The times of all rows as integers of the column's own unit.
pub(super) fn times(table: &Table, name: &str) -> Result<Vec<i64>> {
    let column = table.column(name)?;
    check_type(column.data_type(), name)?;
    if column.null_count() > 0 {
        return Err(Error::data(format!(
            "column '{name}' has {} nulls, which are neither before nor after: filter those rows first",
            column.null_count()
        )));
    }
    Ok(as_integers(&column)?.values().to_vec())
}

/// `boundary` as an integer of the column's own unit.
pub(super) fn parse(table: &Table, name: &str, boundary: &Literal) -> Result<i64> {
    let schema = table.schema();
    let data_type = schema.field(find_column(schema, name)?).data_type();
    check_type(data_type, name)?;
    let wrong = |why: &str| {
        let form = if data_type.is_integer() {
            "a whole number"
        } else {
            "text such as \"2013-05-01\" or \"2013-05-01T06:00:00-04:00\""
        };
        Error::config(format!("{boundary:?} is no boundary for column '{name}' ({data_type}){why}: give {form}"))
    };
    match boundary {
        Literal::Int(value) if data_type.is_integer() => Ok(*value),
        Literal::Text(text) if data_type.is_temporal() => {
            let as_type = parsed_as(data_type, text).ok_or_else(|| wrong(", whose offset is not known here"))?;
            let text: ArrayRef = Arc::new(StringArray::from_iter_values([text]));
            let value = cast_with_options(&text, &as_type, &STRICT)
                .map_err(|error| wrong(&format!(", {error}")).with_source(error))?;
            Ok(as_integers(&value)?.value(0))
        }
        _ => Err(wrong("")),
    }
}

/// The type to read `text` as: the column's, but moments with an offset of their own need no zone,
/// and a zone with a name could not be looked up.
fn parsed_as(data_type: &DataType, text: &str) -> Option<DataType> {
    let DataType::Timestamp(unit, Some(zone)) = data_type else { return Some(data_type.clone()) };
    // The two hyphens of a date end at the eighth byte.
    let has_offset = text.ends_with(['Z', 'z']) || text.rfind(['+', '-']).is_some_and(|place| place > 8);
    let utc = ["UTC", "Etc/UTC", "GMT", "Z"].contains(&&**zone);
    match zone.starts_with(['+', '-']) {
        _ if has_offset || utc => Some(DataType::Timestamp(*unit, Some("+00:00".into()))),
        true => Some(data_type.clone()),
        false => None,
    }
}

/// The `count`-th of the sorted times, from 0.
pub(super) fn quantile(times: &[i64], count: usize) -> i64 {
    let mut sorted = times.to_vec();
    *sorted.select_nth_unstable(count).1
}

pub(super) fn check_parts(before: &[bool], name: &str, boundary: &str) -> Result<()> {
    let count = before.iter().filter(|before| **before).count();
    if count > 0 && count < before.len() {
        return Ok(());
    }
    let side = if count == 0 { "before" } else { "at or after" };
    Err(Error::data(format!(
        "no row of {} has a '{name}' {side} {boundary}: choose a boundary inside the data",
        before.len()
    )))
}

fn check_type(data_type: &DataType, name: &str) -> Result<()> {
    match data_type {
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Ok(()),
        integer if integer.is_integer() => Ok(()),
        other => Err(Error::schema(format!(
            "column '{name}' is {other}, not a time: give a column of dates, timestamps or whole numbers"
        ))),
    }
}

fn as_integers(column: &ArrayRef) -> Result<Int64Array> {
    Ok(cast_with_options(column, &DataType::Int64, &STRICT)?.as_primitive::<Int64Type>().clone())
}
