use std::fmt;
use std::ops::{Bound, RangeBounds};

use arrow::datatypes::DataType;
use mlops_core::Literal;
use mlops_core::columns::is_text;
use serde::{Deserialize, Serialize};

/// What one column must look like: its kind, and the checks that its values must pass.
///
/// A null passes every check but [`never_null`](Self::never_null): say both if both are meant. NaN
/// is a value, not a null: it is within no range and it is not [`finite`](Self::finite).
///
/// A failed check takes the row out ([`Severity::Quarantine`]) unless the column says otherwise.
///
/// # Example
/// ```
/// use mlops_data::expect::{Column, Severity};
///
/// let column = Column::number("distance").never_null().or_fail().within(0.0..=5000.0).or_warn();
/// assert_eq!(column.checks[0].severity(), Severity::Fail);
/// assert_eq!(column.checks[1].severity(), Severity::Warn);
/// assert_eq!(column.checks[1].to_string(), "within 0..=5000");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The kind of its type; another one is refused before any row is looked at.
    #[serde(default)]
    pub kind: Kind,
    /// The checks, in the order in which they are reported.
    #[serde(default)]
    pub checks: Vec<ColumnCheck>,
}

/// The kind of type that a column must have. A column of Arrow's type `Null`, which holds nothing
/// but nulls, is of every kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Any type.
    #[default]
    Any,
    /// True or false.
    Boolean,
    /// One of few values: text, a whole number or a boolean.
    Category,
    /// Whole, decimal or floating-point numbers.
    Number,
    /// Text.
    Text,
    /// A date, or a date and time.
    Timestamp,
}

/// A check with its severity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ColumnCheck {
    /// What is checked.
    pub check: Check,
    /// What happens if it fails; [`Severity::Quarantine`] if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
}

/// What is checked of each value of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Check {
    /// Neither NaN nor an infinity. For numbers.
    Finite,
    /// A text with so many characters (Unicode scalar values). For text.
    Length(Interval),
    /// A text in which this regular expression is found; anchor it with `^` and `$` to match the
    /// whole. For text.
    Matches(String),
    /// Not null.
    NeverNull,
    /// One of these values. For text, numbers and booleans.
    OneOf(Vec<Literal>),
    /// Not seen in a row before; the first of several equal values passes. Costs some 60 bytes of
    /// memory for each different value.
    Unique,
    /// A number in this interval. For numbers.
    Within(Interval),
}

/// What happens to a row that fails a check, and to the data as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// The row is taken out and the data are refused.
    Fail,
    /// The row is taken out; the others go on.
    #[default]
    Quarantine,
    /// The row goes on; the report says so.
    Warn,
}

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

impl Column {
    /// A column of a given kind, without checks.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, checks: Vec::new() }
    }

    /// A column of any type.
    pub fn any(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Any)
    }

    /// A column of true and false.
    pub fn boolean(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Boolean)
    }

    /// A column of few different values: text, whole numbers or booleans.
    pub fn category(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Category)
    }

    /// A column of numbers.
    pub fn number(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Number)
    }

    /// A column of text.
    pub fn text(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Text)
    }

    /// A column of dates, or of dates and times.
    pub fn timestamp(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Timestamp)
    }

    /// Adds a check.
    #[must_use]
    pub fn with_check(mut self, check: Check) -> Self {
        self.checks.push(ColumnCheck { check, severity: None });
        self
    }

    /// No value is NaN or an infinity. For numbers.
    #[must_use]
    pub fn finite(self) -> Self {
        self.with_check(Check::Finite)
    }

    /// Each text has so many characters. For text.
    #[must_use]
    pub fn length(self, range: impl RangeBounds<usize>) -> Self {
        let as_float = |bound: Bound<&usize>| bound.map(|n| *n as f64);
        self.with_check(Check::Length((as_float(range.start_bound()), as_float(range.end_bound())).into()))
    }

    /// A regular expression is found in each text; anchor it with `^` and `$` to match the whole.
    #[must_use]
    pub fn matches(self, pattern: impl Into<String>) -> Self {
        self.with_check(Check::Matches(pattern.into()))
    }

    /// No value is null.
    #[must_use]
    pub fn never_null(self) -> Self {
        self.with_check(Check::NeverNull)
    }

    /// Each value is one of `values`. For text, numbers and booleans.
    #[must_use]
    pub fn one_of<V: Into<Literal>>(self, values: impl IntoIterator<Item = V>) -> Self {
        self.with_check(Check::OneOf(values.into_iter().map(Into::into).collect()))
    }

    /// No value comes twice; the first of several equal rows passes.
    #[must_use]
    pub fn unique(self) -> Self {
        self.with_check(Check::Unique)
    }

    /// Each number is in `range`. For numbers.
    #[must_use]
    pub fn within(self, range: impl RangeBounds<f64>) -> Self {
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        self.with_check(Check::Within(bounds.into()))
    }

    /// Gives every check before it that has no severity yet [`Severity::Fail`].
    #[must_use]
    pub fn or_fail(self) -> Self {
        self.with_severity(Severity::Fail)
    }

    /// Gives every check before it that has no severity yet [`Severity::Quarantine`], which is also
    /// what a check without one has.
    #[must_use]
    pub fn or_quarantine(self) -> Self {
        self.with_severity(Severity::Quarantine)
    }

    /// Gives every check before it that has no severity yet [`Severity::Warn`].
    #[must_use]
    pub fn or_warn(self) -> Self {
        self.with_severity(Severity::Warn)
    }

    /// Gives every check before it that has no severity yet this one.
    #[must_use]
    pub fn with_severity(mut self, severity: Severity) -> Self {
        for check in &mut self.checks {
            check.severity.get_or_insert(severity);
        }
        self
    }
}

impl ColumnCheck {
    /// What happens if it fails.
    pub fn severity(&self) -> Severity {
        self.severity.unwrap_or_default()
    }
}

impl Kind {
    /// Whether a column of `data_type` is of this kind.
    pub fn takes(self, data_type: &DataType) -> bool {
        use DataType as D;
        *data_type == D::Null
            || match self {
                Self::Any => true,
                Self::Boolean => *data_type == D::Boolean,
                Self::Category => is_text(data_type) || data_type.is_integer() || *data_type == D::Boolean,
                Self::Number => data_type.is_numeric(),
                Self::Text => is_text(data_type),
                Self::Timestamp => matches!(data_type, D::Date32 | D::Date64 | D::Timestamp(..)),
            }
    }
}

impl Interval {
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

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        match self {
            Self::Finite => f.write_str("finite"),
            Self::Length(interval) => write!(f, "length {interval}"),
            Self::Matches(pattern) => write!(f, "matches {pattern}"),
            Self::NeverNull => f.write_str("never null"),
            Self::OneOf(values) => {
                f.write_str("one of ")?;
                for (i, value) in values.iter().take(SHOWN).enumerate() {
                    write!(f, "{}{}", if i == 0 { "" } else { ", " }, mlops_core::lit(value.clone()))?;
                }
                if values.len() > SHOWN {
                    write!(f, ", … {} more", values.len() - SHOWN)?;
                }
                Ok(())
            }
            Self::Unique => f.write_str("unique"),
            Self::Within(interval) => write!(f, "within {interval}"),
        }
    }
}

impl fmt::Display for ColumnCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.check.fmt(f)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any type",
            Self::Boolean => "a boolean",
            Self::Category => "a category (text, a whole number or a boolean)",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Timestamp => "a date or timestamp",
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fail => "fail",
            Self::Quarantine => "quarantine",
            Self::Warn => "warn",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_becomes_finite_bounds() {
        let of = |column: Column| match column.checks[0].check {
            Check::Within(interval) => interval,
            _ => unreachable!("within gives an interval"),
        };
        let finite_above = of(Column::number("x").within(0.0..f64::INFINITY));
        assert!(finite_above.contains(f64::MAX) && !finite_above.contains(f64::INFINITY));
        assert!(of(Column::number("x").within(0.0..=f64::INFINITY)).contains(f64::INFINITY));
        assert!(!of(Column::number("x").within(..)).contains(f64::NAN));
        assert_eq!(of(Column::number("x").within(1.5..)).to_string(), "1.5..");
        assert_eq!(of(Column::number("x").within((Bound::Excluded(0.0), Bound::Unbounded))).to_string(), "]0..");
    }

    #[test]
    fn a_severity_is_for_the_checks_before_it() {
        let column = Column::text("t").never_null().unique().or_fail().length(1..=3).or_warn().matches("x");
        let severities: Vec<_> = column.checks.iter().map(ColumnCheck::severity).collect();
        assert_eq!(severities, [Severity::Fail, Severity::Fail, Severity::Warn, Severity::Quarantine]);
    }
}
