use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use arrow::util::display::FormatOptions;
use mlops_core::{Error, Result};

use super::JoinKey;
use super::types::common_timestamp;

const NANOS_A_DAY: u128 = 86_400_000_000_000;

/// Times of both sides of a join as whole numbers of one unit.
#[derive(Debug)]
pub(super) struct Ticks {
    data_type: DataType,
    nanos: u128,
}

impl Ticks {
    /// The finer unit of both columns.
    pub(super) fn common(key: &JoinKey, left: &DataType, right: &DataType) -> Result<Self> {
        use DataType as D;
        let data_type = match (left, right) {
            (D::Date32, D::Date32) => Some(D::Date32),
            (D::Date32 | D::Date64, D::Date32 | D::Date64) => Some(D::Date64),
            _ => common_timestamp(left, right),
        };
        let data_type = data_type.ok_or_else(|| {
            Error::schema(format!(
                "times '{}' ({left}) on the left and '{}' ({right}) on the right can't be put in order: \
                 both must be dates, or timestamps with a time zone, or timestamps without; convert one of them first",
                key.left, key.right
            ))
        })?;
        let nanos = match &data_type {
            D::Date32 => NANOS_A_DAY,
            D::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
            D::Timestamp(TimeUnit::Microsecond, _) => 1_000,
            D::Timestamp(TimeUnit::Nanosecond, _) => 1,
            // Date64 and milliseconds.
            _ => 1_000_000,
        };
        Ok(Self { data_type, nanos })
    }

    /// A column in this unit.
    ///
    /// # Errors
    /// If a time is too far from 1970 for the finer unit of the other side.
    pub(super) fn of(&self, column: &ArrayRef) -> Result<Int64Array> {
        let strict = CastOptions { safe: false, format_options: FormatOptions::new() };
        let times = cast_with_options(column, &self.data_type, &strict)?;
        Ok(cast_with_options(&times, &DataType::Int64, &strict)?.as_primitive::<Int64Type>().clone())
    }

    /// The least number of ticks that is not shorter. Times are whole ticks, so a difference of at
    /// least `duration` is one of at least so many ticks.
    pub(super) fn at_least(&self, duration: Duration) -> i128 {
        // A duration has less than 2⁹⁴ nanoseconds.
        duration.as_nanos().div_ceil(self.nanos) as i128
    }

    /// The greatest number of ticks that is not longer.
    pub(super) fn at_most(&self, duration: Duration) -> i128 {
        (duration.as_nanos() / self.nanos) as i128
    }
}
