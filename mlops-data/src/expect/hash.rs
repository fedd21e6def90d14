//! Hashes of values, and sets of them.

use std::hash::Hasher;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow::row::{RowConverter, SortField};
use mlops_core::Result;
use mlops_core::columns::{is_text, texts};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

/// Hashes texts.
#[derive(Default)]
pub(super) struct Xxh3(u64);

impl Hasher for Xxh3 {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// Marks the end of a text.
    fn write_u8(&mut self, byte: u8) {
        self.0 = self.0.rotate_left(8) ^ u64::from(byte);
    }
}

/// The values of a column, as numbers that are equal where the values are.
pub(super) enum Keys {
    /// Values of at most 64 bits: exactly them.
    Small(Vec<u64>),
    /// The first 128 bits of a hash of any value.
    Wide(Vec<u128>),
}

impl Keys {
    /// The keys of a column's values; those of nulls mean nothing.
    pub(super) fn of(column: &ArrayRef) -> Result<Self> {
        let data_type = column.data_type();
        if is_text(data_type) {
            let texts = texts(column, "")?;
            let nothing = |row: usize| if texts.is_null(row) { 0 } else { xxh3_128(texts.value(row).as_bytes()) };
            return Ok(Self::Wide((0..texts.len()).map(nothing).collect()));
        }
        Ok(match data_type {
            DataType::Float64 => {
                let floats = column.as_primitive::<Float64Type>();
                Self::Small(floats.values().iter().map(|x| of_float(*x)).collect())
            }
            DataType::Float32 => {
                let floats = column.as_primitive::<Float32Type>();
                Self::Small(floats.values().iter().map(|x| of_float(f64::from(*x))).collect())
            }
            DataType::UInt64 => Self::Small(column.as_primitive::<UInt64Type>().values().to_vec()),
            small if small.is_integer() || small.is_temporal() && small.primitive_width().is_some_and(|w| w <= 8) => {
                // Dates and times of 32 bits go through integers of 32 bits.
                let ticks = if small.primitive_width() == Some(4) {
                    cast(column, &DataType::Int32)?
                } else {
                    Arc::clone(column)
                };
                let ticks = cast(&ticks, &DataType::Int64)?;
                Self::Small(ticks.as_primitive::<Int64Type>().values().iter().map(|x| *x as u64).collect())
            }
            _ => Self::together(&[Arc::clone(column)])?,
        })
    }

    /// The keys of rows of several columns; null is a value like any other.
    pub(super) fn together(columns: &[ArrayRef]) -> Result<Self> {
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let rows = RowConverter::new(fields)?.convert_columns(columns)?;
        Ok(Self::Wide(rows.iter().map(|row| xxh3_128(row.as_ref())).collect()))
    }

    /// The keys as 128 bits each, spread evenly.
    pub(super) fn wide(self) -> Vec<u128> {
        match self {
            Self::Small(keys) => keys.into_iter().map(|key| u128::from(key) << 64 | u128::from(mixed(key))).collect(),
            Self::Wide(keys) => keys,
        }
    }
}

/// All NaN are one value, and so are both zeros.
fn of_float(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { (x + 0.0).to_bits() }
}

/// The finaliser of splitmix64: different for different numbers, and without their patterns.
fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A set of whole numbers in one block of memory, at most three quarters full of entries for 64
/// neighbours each: 43 bytes a number that is far from all others, less than one among neighbours.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Sixty-four neighbours, and which of them are there; an entry without any is empty.
    entries: Vec<(u64, u64)>,
    used: usize,
    len: usize,
    /// Where the last one was: running numbers stay there.
    last: usize,
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self { entries: vec![(0, 0); 1 << 10], ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether `key` was there before.
    pub(super) fn put(&mut self, key: u64) -> bool {
        let (block, bit) = (key >> 6, 1 << (key & 63));
        if self.entries[self.last].0 != block || self.entries[self.last].1 == 0 {
            if (self.used + 1) * 4 > self.entries.len() * 3 {
                self.grow();
            }
            self.last = self.place(block);
        }
        let (own, there) = &mut self.entries[self.last];
        let seen = *there & bit > 0;
        self.used += usize::from(*there == 0);
        self.len += usize::from(!seen);
        (*own, *there) = (block, *there | bit);
        seen
    }

    /// Where the entry of `block` is, or where it goes. The number of entries is a power of two, and
    /// one is empty.
    fn place(&self, block: u64) -> usize {
        let mask = self.entries.len() - 1;
        let mut place = mixed(block) as usize & mask;
        while self.entries[place].1 != 0 && self.entries[place].0 != block {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let larger = vec![(0, 0); self.entries.len() * 2];
        for entry in std::mem::replace(&mut self.entries, larger).into_iter().filter(|entry| entry.1 != 0) {
            let place = self.place(entry.0);
            self.entries[place] = entry;
        }
    }
}

/// A set of hashes in one block of memory, at most three quarters full: 22 to 43 bytes each.
#[derive(Debug)]
pub(super) struct Hashes {
    /// 0 stands for an empty slot.
    slots: Vec<u128>,
    len: usize,
    has_zero: bool,
}

impl Hashes {
    pub(super) fn new() -> Self {
        Self { slots: vec![0; 1 << 10], len: 0, has_zero: false }
    }

    pub(super) fn len(&self) -> usize {
        self.len + usize::from(self.has_zero)
    }

    /// Whether `key` was there before.
    pub(super) fn put(&mut self, key: u128) -> bool {
        if key == 0 {
            return std::mem::replace(&mut self.has_zero, true);
        }
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let slot = self.slot(key);
        let seen = self.slots[slot] == key;
        self.slots[slot] = key;
        self.len += usize::from(!seen);
        seen
    }

    fn slot(&self, key: u128) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = key as usize & mask;
        while self.slots[slot] != 0 && self.slots[slot] != key {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let larger = vec![0; self.slots.len() * 2];
        for key in std::mem::replace(&mut self.slots, larger).into_iter().filter(|key| *key != 0) {
            let slot = self.slot(key);
            self.slots[slot] = key;
        }
    }
}

/// The rows in which all columns have a value.
pub(super) fn all_there(columns: &[ArrayRef]) -> Option<NullBuffer> {
    columns.iter().fold(None, |all, column| NullBuffer::union(all.as_ref(), column.logical_nulls().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn sets_remember_what_they_were_given() {
        let (mut numbers, mut hashes, mut theirs) = (Numbers::new(), Hashes::new(), HashSet::new());
        for i in 0..40_000u64 {
            // Running numbers, far ones that come again, and the ends.
            let key = match i % 4 {
                0 => i / 2,
                1 => mixed(i) % 7_000,
                2 => mixed(i % 9_000),
                _ => [0, u64::MAX, 63, 64][i as usize / 4 % 4],
            };
            let seen = !theirs.insert(key);
            assert_eq!((numbers.put(key), hashes.put(u128::from(key))), (seen, seen), "{key}");
        }
        assert_eq!((numbers.len(), hashes.len()), (theirs.len(), theirs.len()));
    }
}
