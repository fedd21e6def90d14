//! Checks that look at rows in their order: uniqueness, order, dependencies.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, make_comparator};
use arrow::buffer::BooleanBuffer;
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use mlops_core::Result;
use mlops_core::columns::numbers;

use super::cells::some_rows;
use super::hash::{Hashes, Keys, Numbers, all_there};
use super::judge::{Failed, Verdict};

/// So many different values a check of uniqueness, of a key or of a dependency can tell apart: 2²⁶.
///
/// Values of at most 64 bits (numbers, dates, timestamps) are compared themselves; longer ones, texts
/// among them, by a hash of 128 bits, which two of a billion different values share with a probability
/// below 10⁻²⁰. A text takes 22 to 43 bytes of memory; so does a number that is far from all others,
/// and one of many neighbours, as running numbers are, less than one byte. That is at most 2 GiB a
/// check, 3 while it grows. When there are more values, the check fails and says so: it is not known whether
/// they differ.
pub const MAX_SEEN: usize = 1 << 26;

/// A check of rows in their order.
#[derive(Debug)]
pub(super) enum Sequence {
    /// The last column follows from those before it.
    Dependency,
    /// The columns together come once.
    Key,
    Order {
        descending: bool,
        strict: bool,
    },
    /// A value comes once.
    Unique,
}

/// What is remembered of the rows before.
#[derive(Debug)]
pub(super) enum Memory {
    /// The last value.
    Order(Option<ArrayRef>),
    Small(Numbers),
    /// What followed from what.
    Told(HashMap<u128, u128, BuildHasherDefault<Hashed>>),
    /// The check was given up.
    TooMany,
    Wide(Hashes),
}

/// Takes the low half of a hash for the hash.
#[derive(Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64(bytes);
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = (hash >> 64) as u64 ^ hash as u64;
    }
}

impl Memory {
    pub(super) fn of(sequence: &Sequence) -> Self {
        match sequence {
            Sequence::Dependency => Self::Told(HashMap::default()),
            Sequence::Key | Sequence::Unique => Self::Wide(Hashes::new()),
            Sequence::Order { .. } => Self::Order(None),
        }
    }

    /// The rows of `batch` that fail, given all rows before.
    pub(super) fn failed(&mut self, sequence: &Sequence, batch: &RecordBatch, reads: &[usize]) -> Result<Verdict> {
        let columns: Vec<ArrayRef> = reads.iter().map(|column| Arc::clone(batch.column(*column))).collect();
        let failed = match (&mut *self, sequence) {
            (Self::TooMany, _) => None,
            (Self::Order(last), Sequence::Order { descending, strict }) => {
                out_of_order(last, &columns[0], *descending, *strict)?
            }
            (Self::Told(told), _) => contradicting(told, &columns)?,
            (_, Sequence::Unique) => self.again(Keys::of(&columns[0])?, &columns),
            _ => self.again(Keys::together(&columns)?, &[]),
        };
        let seen = match self {
            Self::Small(seen) => seen.len(),
            Self::Told(told) => told.len(),
            Self::Wide(seen) => seen.len(),
            Self::Order(_) | Self::TooMany => 0,
        };
        if seen > MAX_SEEN {
            *self = Self::TooMany;
        }
        Ok(match self {
            Self::TooMany => Err(format!(
                "there are more than {MAX_SEEN} different values, as many as can be told apart: check parts of the data, or take the check off"
            )),
            _ => Ok(failed),
        })
    }

    /// The rows whose key was seen before, where all of `present` is.
    fn again(&mut self, keys: Keys, present: &[ArrayRef]) -> Failed {
        if let (Self::Wide(seen), Keys::Small(_)) = (&*self, &keys)
            && seen.len() == 0
        {
            *self = Self::Small(Numbers::new());
        }
        match (self, keys) {
            (Self::Small(seen), Keys::Small(keys)) => again(&keys, present, |key| seen.put(key)),
            (Self::Wide(seen), keys) => again(&keys.wide(), present, |key| seen.put(key)),
            // One column has one type.
            _ => None,
        }
    }
}

fn again<K: Copy>(keys: &[K], present: &[ArrayRef], mut put: impl FnMut(K) -> bool) -> Failed {
    let nulls = all_there(present);
    some_rows(BooleanBuffer::collect_bool(keys.len(), |row| {
        nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) && put(keys[row])
    }))
}

fn contradicting(told: &mut HashMap<u128, u128, BuildHasherDefault<Hashed>>, columns: &[ArrayRef]) -> Result<Failed> {
    let Some((to, from)) = columns.split_last() else { return Ok(None) };
    let from = match from {
        [one] => Keys::of(one)?.wide(),
        many => Keys::together(many)?.wide(),
    };
    let (to, nulls) = (Keys::of(to)?.wide(), all_there(columns));
    Ok(some_rows(BooleanBuffer::collect_bool(to.len(), |row| {
        nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
            && match told.entry(from[row]) {
                Entry::Occupied(first) => *first.get() != to[row],
                Entry::Vacant(vacant) => {
                    vacant.insert(to[row]);
                    false
                }
            }
    })))
}

fn out_of_order(last: &mut Option<ArrayRef>, column: &ArrayRef, descending: bool, strict: bool) -> Result<Failed> {
    // Arrow puts NaN above all numbers, but here it is in no order.
    let nan = match column.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(numbers(column, "")?),
        _ => None,
    };
    let is_nan = |row: usize| nan.as_ref().is_some_and(|numbers| numbers.value(row).is_nan());
    let options = SortOptions { descending, nulls_first: true };
    let within = make_comparator(column, column, options)?;
    let from_before = last.as_ref().map(|last| make_comparator(last, column, options)).transpose()?;
    let nulls = column.logical_nulls();
    let mut before: Option<usize> = None;
    let mut before_is_nan = last.as_ref().map(is_nan_value).transpose()?.unwrap_or(false);
    let failed = BooleanBuffer::collect_bool(column.len(), |row| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return false;
        }
        let order = match (before, &from_before) {
            (Some(before), _) => Some(within(before, row)),
            (None, Some(compare)) => Some(compare(0, row)),
            (None, None) => None,
        };
        let bad = match order {
            None => is_nan(row),
            Some(_) if is_nan(row) || before_is_nan => true,
            Some(order) => order == Ordering::Greater || strict && order == Ordering::Equal,
        };
        (before, before_is_nan) = (Some(row), is_nan(row));
        bad
    });
    if let Some(before) = before {
        *last = Some(column.slice(before, 1));
    }
    Ok(some_rows(failed))
}

fn is_nan_value(value: &ArrayRef) -> Result<bool> {
    Ok(value.data_type().is_floating() && numbers(value, "")?.value(0).is_nan())
}
