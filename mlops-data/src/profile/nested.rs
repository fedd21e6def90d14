//! Binary values and lists.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use mlops_core::sketch::{HyperLogLog, Kll, Moments};
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::few::take_lengths;
use super::{Bins, ProfileOptions, bins};

/// How long the values of a column are: texts in characters, binary values in bytes, lists in
/// elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengths {
    moments: Moments,
    quantiles: Kll,
    empty: u64,
}

impl Lengths {
    fn empty(options: &ProfileOptions) -> Result<Self> {
        Ok(Self { moments: Moments::default(), quantiles: options.lengths()?, empty: 0 })
    }

    /// The least length.
    pub fn min(&self) -> Option<u64> {
        self.moments.min().map(|x| x as u64)
    }

    /// The greatest length.
    pub fn max(&self) -> Option<u64> {
        self.moments.max().map(|x| x as u64)
    }

    /// The mean length.
    pub fn mean(&self) -> Option<f64> {
        self.moments.mean()
    }

    /// How many values are of length 0.
    pub fn empties(&self) -> u64 {
        self.empty
    }

    /// The lengths of all values together.
    pub fn total(&self) -> f64 {
        self.moments.sum()
    }

    /// The lengths counted in at most `bins` bins of equal width; none if there are no values.
    pub fn histogram(&self, bins: usize) -> Option<Bins> {
        bins::of(&self.quantiles, bins, true)
    }

    /// How many values were taken in.
    pub(super) fn count(&self) -> u64 {
        self.moments.count()
    }

    fn take(&mut self, lengths: &[u32]) {
        self.empty += lengths.iter().map(|length| u64::from(*length == 0)).sum::<u64>();
        take_lengths(lengths, &mut self.moments, &mut self.quantiles);
    }

    fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.quantiles.merge(&other.quantiles);
        self.empty = self.empty.saturating_add(other.empty);
    }
}

/// What is in a column of binary values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryProfile {
    pub(super) distinct: HyperLogLog,
    pub(super) lengths: Lengths,
    invalid_utf8: u64,
}

impl BinaryProfile {
    pub(super) fn empty(options: &ProfileOptions) -> Result<Self> {
        Ok(Self { distinct: HyperLogLog::default(), lengths: Lengths::empty(options)?, invalid_utf8: 0 })
    }

    /// How many bytes the values have.
    pub fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// How many values are not text in UTF-8. If none is, the column is text under another name.
    pub fn invalid_utf8(&self) -> u64 {
        self.invalid_utf8
    }

    pub(super) fn update(&mut self, column: &ArrayRef) -> Result<()> {
        match column.data_type() {
            DataType::LargeBinary => self.take(column.as_binary::<i64>().iter().flatten()),
            DataType::BinaryView => self.take(column.as_binary_view().iter().flatten()),
            _ => self.take(cast(column, &DataType::Binary)?.as_binary::<i32>().iter().flatten()),
        }
        Ok(())
    }

    fn take<'a>(&mut self, values: impl Iterator<Item = &'a [u8]>) {
        let mut lengths = Vec::new();
        for value in values {
            lengths.push(u32::try_from(value.len()).unwrap_or(u32::MAX));
            self.distinct.insert_bytes(value);
            self.invalid_utf8 += u64::from(std::str::from_utf8(value).is_err());
        }
        self.lengths.take(&lengths);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.distinct.merge(&other.distinct);
        self.lengths.merge(&other.lengths);
        self.invalid_utf8 = self.invalid_utf8.saturating_add(other.invalid_utf8);
    }
}

/// What is in a column of lists or maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListProfile {
    pub(super) lengths: Lengths,
    null_elements: u64,
}

impl ListProfile {
    pub(super) fn empty(options: &ProfileOptions) -> Result<Self> {
        Ok(Self { lengths: Lengths::empty(options)?, null_elements: 0 })
    }

    /// How many elements the lists have: their valency.
    pub fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// How many elements are null.
    pub fn null_elements(&self) -> u64 {
        self.null_elements
    }

    pub(super) fn update(&mut self, column: &ArrayRef) -> Result<()> {
        let lists: Box<dyn Iterator<Item = Option<ArrayRef>>> = match column.data_type() {
            DataType::List(_) => Box::new(column.as_list::<i32>().iter()),
            DataType::LargeList(_) => Box::new(column.as_list::<i64>().iter()),
            DataType::FixedSizeList(..) => Box::new(column.as_fixed_size_list().iter()),
            DataType::Map(..) => {
                let maps = column.as_map();
                Box::new((0..maps.len()).map(|row| maps.is_valid(row).then(|| Arc::clone(maps.value(row).column(1)))))
            }
            other => return Err(Error::internal(format!("{other} is no list"))),
        };
        let mut lengths = Vec::with_capacity(column.len());
        for list in lists.flatten() {
            lengths.push(u32::try_from(list.len()).unwrap_or(u32::MAX));
            self.null_elements += list.logical_null_count() as u64;
        }
        self.lengths.take(&lengths);
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.lengths.merge(&other.lengths);
        self.null_elements = self.null_elements.saturating_add(other.null_elements);
    }
}
