//! Columns that name something: a class, a group, a key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use mlops_core::columns::{is_text, texts};
use mlops_core::{Error, Result, Table};

/// The values of a naming column, in a form that can be compared.
enum Names {
    Numbers(Int64Array),
    Texts(StringArray),
}

/// The group (or class) of each row as a number below `count`, in the order of the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranked {
    pub(super) of_row: Vec<usize>,
    pub(super) count: usize,
}

impl Ranked {
    /// How many rows each has.
    pub(super) fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count];
        self.of_row.iter().for_each(|name| sizes[*name] += 1);
        sizes
    }
}

/// The classes of a column, numbered in order of their first row.
pub(super) fn classes(table: &Table, name: &str) -> Result<Vec<usize>> {
    Ok(match names(table, name, "class")? {
        Names::Numbers(values) => numbered(values.values().iter()).0,
        Names::Texts(values) => numbered(values.iter().flatten()).0,
    })
}

/// The groups of a column, numbered in the order of the values (texts by code point).
pub(super) fn groups(table: &Table, name: &str) -> Result<Ranked> {
    Ok(match names(table, name, "group")? {
        Names::Numbers(values) => ranked(values.values().iter()),
        Names::Texts(values) => ranked(values.iter().flatten()),
    })
}

fn names(table: &Table, name: &str, what: &str) -> Result<Names> {
    let column = unpacked(&table.column(name)?)?;
    if column.null_count() > 0 {
        return Err(Error::data(format!(
            "column '{name}' has {} nulls (the first in row {}), which belong to no {what}: filter those rows first, \
             or give them a value",
            column.null_count(),
            (0..column.len()).find(|row| column.is_null(*row)).map_or(0, |row| row + 1),
        )));
    }
    if is_text(column.data_type()) {
        return Ok(Names::Texts(texts(&column, name)?));
    }
    whole_numbers(&column, name, what).map(Names::Numbers)
}

/// A dictionary's values in full, so that a null among them is a null of the column.
pub(super) fn unpacked(column: &ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Dictionary(_, value) => Ok(cast(column, value)?),
        _ => Ok(Arc::clone(column)),
    }
}

fn whole_numbers(column: &ArrayRef, name: &str, what: &str) -> Result<Int64Array> {
    use DataType as D;
    match column.data_type() {
        // Moved down by 2⁶³, which keeps their order.
        D::UInt64 => {
            let values: &UInt64Array = column.as_primitive::<UInt64Type>();
            Ok(values.unary(|x| (x ^ (1 << 63)) as i64))
        }
        D::Boolean | D::Date32 | D::Date64 | D::Timestamp(..) => {
            Ok(cast(column, &D::Int64)?.as_primitive::<Int64Type>().clone())
        }
        integer if integer.is_integer() => Ok(cast(column, &D::Int64)?.as_primitive::<Int64Type>().clone()),
        other => Err(Error::schema(format!(
            "column '{name}' is {other}, which names no {what}: give a column of booleans, whole numbers, texts or \
             dates, or cut without it"
        ))),
    }
}

/// Numbers in order of appearance, and the values so numbered.
fn numbered<T: Copy + Eq + Hash>(values: impl Iterator<Item = T>) -> (Vec<usize>, Vec<T>) {
    let mut numbers = HashMap::new();
    let mut seen = Vec::new();
    let of_row = values
        .map(|value| {
            *numbers.entry(value).or_insert_with(|| {
                seen.push(value);
                seen.len() - 1
            })
        })
        .collect();
    (of_row, seen)
}

fn ranked<T: Copy + Ord + Hash>(values: impl Iterator<Item = T>) -> Ranked {
    let (of_row, seen) = numbered(values);
    let mut order: Vec<usize> = (0..seen.len()).collect();
    order.sort_unstable_by_key(|number| seen[*number]);
    let mut rank = vec![0; seen.len()];
    order.iter().enumerate().for_each(|(place, number)| rank[*number] = place);
    Ranked { of_row: of_row.into_iter().map(|number| rank[number]).collect(), count: seen.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_numbered_by_value_and_classes_by_appearance() {
        let batch = arrow::array::record_batch!(
            ("s", Utf8, ["b", "a", "b", "é"]),
            ("u", UInt64, [u64::MAX, 1, 0, 1_u64 << 63])
        );
        let table = Table::from_batch(batch.unwrap());
        assert_eq!(groups(&table, "s").unwrap(), Ranked { of_row: vec![1, 0, 1, 2], count: 3 });
        assert_eq!(groups(&table, "u").unwrap().of_row, [3, 1, 0, 2]);
        assert_eq!(classes(&table, "s").unwrap(), [0, 1, 0, 2]);
    }
}
