use std::ops::{Bound, RangeBounds};

use mlops_core::Literal;
use serde::{Deserialize, Serialize};

use super::{Check, ColumnCheck, Drift, Interval, Kind, Period, Severity, Span};

/// What one column must look like: its kind, and the checks that its values must pass.
///
/// A null passes every check but [`never_null`](Self::never_null) and [`nulls`](Self::nulls): say
/// both if both are meant. NaN is a value, not a null: it is within no range and it is not
/// [`finite`](Self::finite).
///
/// A failed check of rows takes the row out ([`Severity::Quarantine`]), and one of the column as a
/// whole refuses the data ([`Severity::Fail`]), unless the column says otherwise. A column that is
/// missing or of another kind always refuses the data.
///
/// # Example
/// ```
/// use mlops_data::expect::{Column, Severity};
///
/// let column = Column::number("distance").never_null().or_fail().within(0.0..=5000.0).or_warn().mean(700.0..1400.0);
/// assert_eq!(column.checks[0].severity(), Severity::Fail);
/// assert_eq!(column.checks[1].severity(), Severity::Warn);
/// assert_eq!(column.checks[1].to_string(), "within 0..=5000");
/// assert_eq!(column.checks[2].severity(), Severity::Fail);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The kind of its type.
    #[serde(default)]
    pub kind: Kind,
    /// Whether it may be missing; its checks are then made only where it is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The checks, in the order in which they are reported.
    #[serde(default)]
    pub checks: Vec<ColumnCheck>,
}

impl Column {
    /// A column of a given kind, without checks.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, optional: false, checks: Vec::new() }
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

    /// A column of whole numbers of any width.
    pub fn integer(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Integer)
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
        self.checks.push(ColumnCheck::new(check));
        self
    }

    /// The column may be missing.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// No value is less than the one before.
    #[must_use]
    pub fn ascending(self) -> Self {
        self.with_check(Check::Ascending)
    }

    /// No value is greater than the one before.
    #[must_use]
    pub fn descending(self) -> Self {
        self.with_check(Check::Descending)
    }

    /// The column has so many different values.
    #[must_use]
    pub fn distinct(self, range: impl RangeBounds<usize>) -> Self {
        self.with_check(Check::Distinct(of_counts(&range)))
    }

    /// The values are distributed as in a reference. For numbers, text and booleans.
    #[must_use]
    pub fn drift(self, drift: Drift) -> Self {
        self.with_check(Check::Drift(drift))
    }

    /// Each date or time is in this period. For dates and timestamps.
    #[must_use]
    pub fn during(self, period: Period) -> Self {
        self.with_check(Check::During(period))
    }

    /// The latest date or time is at most so long ago, such as `"36h"` or `"2d"`, and not in the
    /// future by more than that either.
    #[must_use]
    pub fn fresh(self, span: Span) -> Self {
        self.with_check(Check::Fresh(span))
    }

    /// No value is NaN or an infinity. For numbers.
    #[must_use]
    pub fn finite(self) -> Self {
        self.with_check(Check::Finite)
    }

    /// Each text has so many characters. For text.
    #[must_use]
    pub fn length(self, range: impl RangeBounds<usize>) -> Self {
        self.with_check(Check::Length(of_counts(&range)))
    }

    /// A regular expression is found in each text; anchor it with `^` and `$` to match the whole.
    #[must_use]
    pub fn matches(self, pattern: impl Into<String>) -> Self {
        self.with_check(Check::Matches(pattern.into()))
    }

    /// The mean of the finite numbers. For numbers.
    #[must_use]
    pub fn mean(self, range: impl RangeBounds<f64>) -> Self {
        self.with_check(Check::Mean(of_numbers(&range)))
    }

    /// The share of nulls.
    #[must_use]
    pub fn nulls(self, range: impl RangeBounds<f64>) -> Self {
        self.with_check(Check::Nulls(of_numbers(&range)))
    }

    /// The quantile `q` of the numbers; 0.5 is the median. For numbers.
    #[must_use]
    pub fn quantile(self, q: f64, range: impl RangeBounds<f64>) -> Self {
        self.with_check(Check::Quantile { q, range: of_numbers(&range) })
    }

    /// The standard deviation of the finite numbers. For numbers.
    #[must_use]
    pub fn std(self, range: impl RangeBounds<f64>) -> Self {
        self.with_check(Check::Std(of_numbers(&range)))
    }

    /// Each value is greater than the one before.
    #[must_use]
    pub fn strictly_ascending(self) -> Self {
        self.with_check(Check::StrictlyAscending)
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
        self.with_check(Check::Within(of_numbers(&range)))
    }

    /// Lets this share of rows, from 0 to 1, fail the check before it: more fail the check as a
    /// whole, fewer do not, and no row is set aside.
    #[must_use]
    pub fn but_for(mut self, tolerance: f64) -> Self {
        if let Some(check) = self.checks.last_mut() {
            check.tolerance = Some(tolerance);
        }
        self
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

fn of_numbers(range: &impl RangeBounds<f64>) -> Interval {
    (range.start_bound().cloned(), range.end_bound().cloned()).into()
}

fn of_counts(range: &impl RangeBounds<usize>) -> Interval {
    let as_float = |bound: Bound<&usize>| bound.map(|n| *n as f64);
    (as_float(range.start_bound()), as_float(range.end_bound())).into()
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
