use std::fmt;
use std::ops::Bound;

use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// An interval of numbers with finite bounds, each included unless declared exclusive.
///
/// # Example
/// ```
/// use mlops_data::expect::Interval;
///
/// let hours = Interval::from(0.0..24.0);
/// assert!(hours.contains(0.0) && !hours.contains(24.0) && !hours.contains(f64::NAN));
/// assert_eq!(hours.to_string(), "0..24");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Interval {
    /// The least value; without one, there is no limit below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest value; without one, there is no limit above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Whether `min` itself is outside.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exclusive_min: bool,
    /// Whether `max` itself is outside.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exclusive_max: bool,
}

impl Interval {
    /// Refuses bounds that are not finite, or that hold nothing.
    pub(super) fn check(&self) -> Result<()> {
        let finite = |bound: Option<f64>| bound.is_none_or(f64::is_finite);
        let empty = match (self.min, self.max) {
            (Some(min), Some(max)) => min > max || (min == max && (self.exclusive_min || self.exclusive_max)),
            _ => false,
        };
        if finite(self.min) && finite(self.max) && !empty {
            return Ok(());
        }
        Err(Error::config(format!("the interval {self} holds no value: give finite bounds, the smaller one first")))
    }

    /// The least and the greatest float inside.
    pub(super) fn closed(&self) -> (f64, f64) {
        let min = self.min.map_or(f64::NEG_INFINITY, |min| if self.exclusive_min { min.next_up() } else { min });
        let max = self.max.map_or(f64::INFINITY, |max| if self.exclusive_max { max.next_down() } else { max });
        (min, max)
    }

    /// Whether `value` is inside; NaN never is.
    pub fn contains(&self, value: f64) -> bool {
        let above = match self.min {
            Some(min) if self.exclusive_min => value > min,
            Some(min) => value >= min,
            None => !value.is_nan(),
        };
        let below = match self.max {
            Some(max) if self.exclusive_max => value < max,
            Some(max) => value <= max,
            None => !value.is_nan(),
        };
        above && below
    }
}

/// An excluded infinity becomes the greatest finite number, an included one no limit: the same
/// values, in numbers that JSON has.
impl From<(Bound<f64>, Bound<f64>)> for Interval {
    fn from((start, end): (Bound<f64>, Bound<f64>)) -> Self {
        let (min, exclusive_min) = match start {
            Bound::Excluded(f64::NEG_INFINITY) => (Some(f64::MIN), false),
            Bound::Unbounded | Bound::Included(f64::NEG_INFINITY) => (None, false),
            Bound::Excluded(min) => (Some(min), true),
            Bound::Included(min) => (Some(min), false),
        };
        let (max, exclusive_max) = match end {
            Bound::Excluded(f64::INFINITY) => (Some(f64::MAX), false),
            Bound::Unbounded | Bound::Included(f64::INFINITY) => (None, false),
            Bound::Excluded(max) => (Some(max), true),
            Bound::Included(max) => (Some(max), false),
        };
        Self { min, max, exclusive_min, exclusive_max }
    }
}

impl From<std::ops::Range<f64>> for Interval {
    fn from(range: std::ops::Range<f64>) -> Self {
        (Bound::Included(range.start), Bound::Excluded(range.end)).into()
    }
}

impl From<std::ops::RangeInclusive<f64>> for Interval {
    fn from(range: std::ops::RangeInclusive<f64>) -> Self {
        (Bound::Included(*range.start()), Bound::Included(*range.end())).into()
    }
}

/// As Rust writes ranges, but an excluded lower bound, which Rust can't write, as `]min..`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(min) = self.min {
            write!(f, "{}{min}", if self.exclusive_min { "]" } else { "" })?;
        }
        match self.max {
            Some(max) => write!(f, "..{}{max}", if self.exclusive_max { "" } else { "=" }),
            None => f.write_str(".."),
        }
    }
}
