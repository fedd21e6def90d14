use std::time::Duration;

use arrow::datatypes::{DataType, TimeUnit};
use mlops_core::columns::find_column;
use mlops_core::{Error, Result, Table};
use serde::{Deserialize, Serialize};

/// A length of time, for a column of times: [`Duration`] for dates and timestamps, units for times
/// that are whole numbers.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use mlops_data::split::Span;
///
/// assert_eq!(Span::from(7), Span::Units(7));
/// assert_eq!(Span::days(1), Span::from(Duration::from_secs(86_400)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Span {
    /// So long. Rounded up to whole ticks of the column (days of a date), so that nothing nearer
    /// slips through.
    Duration(Duration),
    /// So many of the column's own units, for times that are whole numbers; 0 goes with any.
    Units(u64),
}

impl Span {
    /// So many days of 24 hours.
    pub fn days(days: u32) -> Self {
        Self::Duration(Duration::from_secs(u64::from(days) * 86_400))
    }

    /// In ticks of the time column `name`.
    pub(super) fn ticks(self, table: &Table, name: &str) -> Result<i128> {
        let schema = table.schema();
        let data_type = schema.field(find_column(schema, name)?).data_type();
        let tick = match data_type {
            DataType::Date32 => 86_400_000_000_000,
            DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
            DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
            DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
            DataType::Timestamp(TimeUnit::Nanosecond, _) => 1,
            _ => 0,
        };
        match self {
            Self::Units(units) if units == 0 || tick == 0 => Ok(i128::from(units)),
            Self::Duration(duration) if duration.is_zero() => Ok(0),
            // A duration has less than 2⁹⁴ nanoseconds.
            Self::Duration(duration) if tick > 0 => Ok(duration.as_nanos().div_ceil(tick) as i128),
            Self::Units(units) => Err(Error::config(format!(
                "a span of {units} units for column '{name}', which is {data_type}: give a duration, such as \
                 Span::days({units})"
            ))),
            Self::Duration(duration) => Err(Error::config(format!(
                "a span of {duration:?} for column '{name}', which is {data_type} and has no known unit: give it in \
                 the units of the column, such as Span::Units(7)"
            ))),
        }
    }
}

impl Default for Span {
    fn default() -> Self {
        Self::Units(0)
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self::Duration(duration)
    }
}

impl From<u64> for Span {
    fn from(units: u64) -> Self {
        Self::Units(units)
    }
}
