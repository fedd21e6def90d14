use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use arrow::datatypes::{DataType, TimeUnit};
use mlops_core::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, written as a whole number and a unit: `90s`, `15m`, `36h`, `2d`, `3w`.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use mlops_data::expect::Span;
///
/// let span: Span = "36h".parse()?;
/// assert_eq!(span, Span::of(Duration::from_secs(36 * 3600)));
/// assert_eq!(span.to_string(), "36h");
/// assert!("soon".parse::<Span>().is_err());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl Span {
    /// So many seconds; fractions of one are left out.
    pub fn of(duration: Duration) -> Self {
        Self(duration.as_secs())
    }

    /// As seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl FromStr for Span {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for anything but a number and a unit.
    fn from_str(text: &str) -> Result<Self> {
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit = UNITS.iter().find(|(name, _)| *name == text[at..].trim());
        let seconds = unit.and_then(|(_, seconds)| text[..at].parse::<u64>().ok()?.checked_mul(*seconds));
        seconds.map(Self).ok_or_else(|| {
            Error::config(format!(
                "'{text}' is no length of time: write a whole number and a unit, as in 90s, 15m, 36h, 2d, 3w"
            ))
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, seconds)| self.0 >= *seconds && self.0.is_multiple_of(*seconds));
        let (name, seconds) = whole.copied().unwrap_or(("s", 1));
        write!(f, "{}{name}", self.0 / seconds)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A time from one moment to another, both included, as ISO 8601 writes moments: `2013-01-31` or
/// `2013-01-31T05:00:00Z`. Without a zone they are in UTC, and so are the times of columns without
/// one.
///
/// # Example
/// ```
/// use mlops_data::expect::Period;
///
/// let year = Period::from("2013-01-01").until("2013-12-31T23:59:59Z");
/// assert_eq!(year.to_string(), "from 2013-01-01 until 2013-12-31T23:59:59Z");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Period {
    /// The first moment; without one, there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The last moment; without one, there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

impl Period {
    /// From this moment on.
    pub fn from(moment: impl Into<String>) -> Self {
        Self { from: Some(moment.into()), until: None }
    }

    /// Up to this moment.
    #[must_use]
    pub fn until(mut self, moment: impl Into<String>) -> Self {
        self.until = Some(moment.into());
        self
    }

    /// The first and last tick of `data_type` inside.
    pub(super) fn ticks(&self, data_type: &DataType) -> Result<(i64, i64)> {
        let per_tick = nanos_per_tick(data_type);
        let from = self.from.as_deref().map(nanos).transpose()?;
        let until = self.until.as_deref().map(nanos).transpose()?;
        if from.zip(until).is_some_and(|(from, until)| from > until) {
            return Err(Error::config(format!(
                "the period {self} ends before it begins: give the earlier moment first"
            )));
        }
        let first = from.map_or(i64::MIN, |from| from.div_euclid(per_tick) + i64::from(from.rem_euclid(per_tick) > 0));
        Ok((first, until.map_or(i64::MAX, |until| until.div_euclid(per_tick))))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.until) {
            (Some(from), Some(until)) => write!(f, "from {from} until {until}"),
            (Some(from), None) => write!(f, "from {from}"),
            (None, Some(until)) => write!(f, "until {until}"),
            (None, None) => f.write_str("at any time"),
        }
    }
}

/// A moment as nanoseconds since 1970 in UTC.
pub(super) fn nanos(moment: &str) -> Result<i64> {
    string_to_timestamp_nanos(moment.trim()).map_err(|e| {
        Error::config(format!(
            "'{moment}' is no moment: write it as 2013-01-31 or 2013-01-31T05:00:00Z, from 1678 to 2261"
        ))
        .with_source(e)
    })
}

/// How long a tick of a date or timestamp is.
pub(super) fn nanos_per_tick(data_type: &DataType) -> i64 {
    match data_type {
        DataType::Date32 => 86_400_000_000_000,
        DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1,
        _ => 1_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_written() {
        for text in ["0s", "90s", "15m", "36h", "2d", "3w"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["", "h", "-1h", "1.5h", "5", "5 years", "99999999999999999999w", "18446744073709551615w"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_period_holds_whole_ticks() {
        let period = Period::from("1970-01-01T00:00:00.5Z").until("1970-01-02T23:00:00Z");
        assert_eq!(period.ticks(&DataType::Timestamp(TimeUnit::Second, None)).unwrap(), (1, 169_200));
        assert_eq!(period.ticks(&DataType::Date32).unwrap(), (1, 1));
        assert!(Period::from("2014-01-01").until("2013-01-01").ticks(&DataType::Date32).is_err());
        assert!(Period::from("yesterday").ticks(&DataType::Date32).is_err());
    }
}
