use std::fmt;

use mlops_core::{Error, Literal, Result};
use serde::{Deserialize, Serialize};

use super::{Drift, Interval, Period, Span, plain};

/// A check with what becomes of data that fail it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ColumnCheck {
    /// What is checked.
    pub check: Check,
    /// What happens if it fails; if `None`, [`Severity::Quarantine`] where rows are at fault and
    /// [`Severity::Fail`] where the column as a whole is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The share of all rows, from 0 to 1, that may fail before the check does. It is known only
    /// when all rows were seen, so with a tolerance no row is set aside: the check judges the column
    /// as a whole, and its severity is `Warn` or `Fail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
}

/// What is checked of a column: each of its values, or all of them together.
///
/// Null passes every check of values but [`NeverNull`](Self::NeverNull), and is left out of those of
/// the whole but [`Nulls`](Self::Nulls).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Check {
    /// No value is less than the one before; with a NaN before or after, it fails. For everything
    /// that has an order.
    Ascending,
    /// No value is greater than the one before.
    Descending,
    /// So many different values; counted exactly up to 2,048, then within about 2 %. A column that
    /// went constant fails `{ min = 2.0 }`.
    Distinct(Interval),
    /// Distributed as in a reference, within a limit. For numbers, text and booleans.
    Drift(Drift),
    /// A date or time in this period. For dates and timestamps.
    During(Period),
    /// Neither NaN nor an infinity. For numbers.
    Finite,
    /// The latest date or time is not longer ago than this, nor in the future by more than this; a
    /// date is its midnight in UTC, as is a time without zone. Without any value it fails. See
    /// [`Expectations::now`](super::Expectations::now).
    Fresh(Span),
    /// A text with so many characters (Unicode scalar values). For text.
    Length(Interval),
    /// A text in which this regular expression is found; anchor it with `^` and `$` to match the
    /// whole. For text.
    Matches(String),
    /// The mean of the finite numbers, computed exactly and rounded once; without any it fails. For
    /// numbers.
    Mean(Interval),
    /// Not null.
    NeverNull,
    /// The share of nulls, from 0 to 1.
    Nulls(Interval),
    /// One of these values. For text, numbers and booleans.
    OneOf(#[serde(with = "plain::list")] Vec<Literal>),
    /// A quantile of the numbers, NaN left out: the least one that the share `q` of them does not
    /// exceed. Exact: only numbers on either side of the limits are counted. Without any it fails.
    /// For numbers.
    Quantile {
        /// Which quantile: 0.5 is the median.
        q: f64,
        /// Where it must lie.
        range: Interval,
    },
    /// The standard deviation of the finite numbers (of a population). Without any it fails. For
    /// numbers.
    Std(Interval),
    /// More than the value before: as [`Ascending`](Self::Ascending), and no two neighbours are
    /// equal.
    StrictlyAscending,
    /// Not seen in a row before; the first of several equal values passes. See
    /// [`MAX_SEEN`](super::MAX_SEEN) for what it costs.
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

impl Check {
    /// Whether single rows are at fault when it fails, and can be set aside.
    pub fn is_of_rows(&self) -> bool {
        match self {
            Self::Ascending | Self::Descending | Self::StrictlyAscending | Self::Unique => true,
            Self::During(_) | Self::Finite | Self::Length(_) | Self::Matches(_) => true,
            Self::NeverNull | Self::OneOf(_) | Self::Within(_) => true,
            Self::Distinct(_) | Self::Drift(_) | Self::Fresh(_) | Self::Mean(_) => false,
            Self::Nulls(_) | Self::Quantile { .. } | Self::Std(_) => false,
        }
    }
}

impl ColumnCheck {
    pub(super) fn new(check: Check) -> Self {
        Self { check, severity: None, tolerance: None }
    }

    /// What happens if it fails.
    pub fn severity(&self) -> Severity {
        let rows = self.check.is_of_rows() && self.tolerance.is_none();
        self.severity.unwrap_or(if rows { Severity::Quarantine } else { Severity::Fail })
    }
}

/// Refuses a tolerance that is no share, and a severity that sets rows aside where none is at fault.
pub(super) fn check_severity(
    what: &dyn fmt::Display,
    of_rows: bool,
    severity: Severity,
    tolerance: Option<f64>,
) -> Result<()> {
    if let Some(tolerance) = tolerance
        && !(of_rows && (0.0..1.0).contains(&tolerance))
    {
        return Err(Error::config(format!(
            "'{what}' has the tolerance {tolerance}: give a share of rows from 0 to below 1, and to checks of rows only"
        )));
    }
    if severity == Severity::Quarantine && (!of_rows || tolerance.is_some()) {
        return Err(Error::config(format!(
            "'{what}' judges all rows together, so it can't set single ones aside: choose the severity warn or fail"
        )));
    }
    Ok(())
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ascending => f.write_str("ascending"),
            Self::Descending => f.write_str("descending"),
            Self::Distinct(interval) => write!(f, "distinct values {interval}"),
            Self::Drift(drift) => drift.fmt(f),
            Self::During(period) => period.fmt(f),
            Self::Finite => f.write_str("finite"),
            Self::Fresh(span) => write!(f, "latest within {span} of now"),
            Self::Length(interval) => write!(f, "length {interval}"),
            Self::Matches(pattern) => write!(f, "matches {pattern}"),
            Self::Mean(interval) => write!(f, "mean {interval}"),
            Self::NeverNull => f.write_str("never null"),
            Self::Nulls(interval) => write!(f, "share of nulls {interval}"),
            Self::OneOf(values) => one_of(f, values),
            Self::Quantile { q, range } => write!(f, "quantile {q} {range}"),
            Self::Std(interval) => write!(f, "standard deviation {interval}"),
            Self::StrictlyAscending => f.write_str("strictly ascending"),
            Self::Unique => f.write_str("unique"),
            Self::Within(interval) => write!(f, "within {interval}"),
        }
    }
}

fn one_of(f: &mut fmt::Formatter<'_>, values: &[Literal]) -> fmt::Result {
    const SHOWN: usize = 6;
    f.write_str("one of ")?;
    for (i, value) in values.iter().take(SHOWN).enumerate() {
        write!(f, "{}{value}", if i == 0 { "" } else { ", " })?;
    }
    if values.len() > SHOWN {
        write!(f, ", … {} more", values.len() - SHOWN)?;
    }
    Ok(())
}

impl fmt::Display for ColumnCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.check.fmt(f)?;
        match self.tolerance {
            Some(tolerance) => write!(f, ", but for {} % of rows", tolerance * 100.0),
            None => Ok(()),
        }
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
