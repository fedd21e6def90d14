//! Sides that a key has for good: a hash of its text, whatever else is in the table.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use mlops_core::columns::is_text;
use mlops_core::{Error, Result, Table};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::keys::unpacked;

/// A hash of the keys of each row: XXH3-64 with `seed` over, key by key, the length in bytes (64
/// bits, little endian) and the text. A whole number, boolean or date is hashed as it is written, so
/// that reading `7` as a number or as text gives the same side.
pub(super) fn hashes(table: &Table, columns: &[String], seed: u64) -> Result<Vec<u64>> {
    if columns.is_empty() {
        return Err(Error::config("no key to hash: name the columns that identify what a row is about"));
    }
    let texts = columns.iter().map(|name| key_texts(&table.column(name)?, name)).collect::<Result<Vec<_>>>()?;
    let mut bytes = Vec::new();
    let hash = |row: usize| {
        bytes.clear();
        for column in &texts {
            let text = column.value(row);
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        xxh3_64_with_seed(&bytes, seed)
    };
    Ok((0..table.num_rows()).map(hash).collect())
}

/// A hash as a number in `[0, 1)`, with 53 bits.
pub(super) fn uniform(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// A hash as one of `n` equally likely numbers.
pub(super) fn bucket(hash: u64, n: usize) -> usize {
    ((u128::from(hash) * n as u128) >> 64) as usize
}

fn key_texts(column: &ArrayRef, name: &str) -> Result<StringArray> {
    let column = unpacked(column)?;
    if column.null_count() > 0 {
        return Err(Error::data(format!(
            "key '{name}' has {} nulls (the first in row {}), and without a key a row has no side: filter those rows \
             first, or choose a key that every row has",
            column.null_count(),
            (0..column.len()).find(|row| column.is_null(*row)).map_or(0, |row| row + 1),
        )));
    }
    match column.data_type() {
        DataType::Boolean | DataType::Date32 | DataType::Date64 => {}
        plain if plain.is_integer() || is_text(plain) => {}
        other => {
            return Err(Error::schema(format!(
                "key '{name}' is {other}, whose text may change with how it is stored: give a key of texts, whole \
                 numbers, booleans or dates"
            )));
        }
    }
    Ok(cast(&column, &DataType::Utf8)?.as_string::<i32>().clone())
}
