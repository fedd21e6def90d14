use std::sync::Arc;

use arrow::datatypes::Schema;
use mlops_core::{Accumulator, Error, Expr, Result, Table};
use serde::{Deserialize, Serialize};

use super::judge::Judge;
use super::{Check, Column, Distribution, Interval, Severity, Validated, Validation, plain};
use crate::profile::Profile;

/// What a table must look like: its columns, rules over whole rows, and how many rows there are.
///
/// It is plain data: a schema and a suite of checks in one. Write it in code, let
/// [`Suggest`](super::Suggest) draft it from profiles, keep it as a file that people edit
/// ([`to_toml`](Self::to_toml)).
///
/// # Example
/// ```
/// use mlops_core::{Table, col};
/// use mlops_data::expect::{Column, Expectations};
/// # let batch = arrow::array::record_batch!(
/// #     ("origin", Utf8, ["EWR", "JFK", "LAX"]), ("dep", Int64, [5, 6, 7]), ("arr", Int64, [8, 4, 9]))?;
///
/// let expectations = Expectations::new([
///     Column::category("origin").one_of(["EWR", "JFK", "LGA"]),
///     Column::number("dep").within(0.0..=24.0).never_null(),
/// ])
/// .row("arrives after departing", col("arr").gt_eq(col("dep")));
///
/// let validated = expectations.check(&Table::from_batch(batch))?;
/// assert_eq!((validated.passed.num_rows(), validated.quarantined.num_rows()), (1, 2));
/// let failed: Vec<String> = validated.report.failures().map(|check| check.name()).collect();
/// assert_eq!(failed, [r#"origin: one of "EWR", "JFK", "LGA""#, "arrives after departing"]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Expectations {
    /// The version of the form in which it is written: 1.
    pub version: u32,
    /// What becomes of columns that are not named here.
    pub extra_columns: Extra,
    /// What [`Check::Fresh`] takes for now, as `2013-03-01T06:00:00Z`; without it, the clock is asked
    /// when the checks are bound to data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// How many rows there must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_count: Option<RowCount>,
    /// What is expected of single columns.
    pub columns: Vec<Column>,
    /// What is expected of rows as a whole.
    pub rows: Vec<RowCheck>,
    /// Columns that together name a row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
    /// Columns that follow from others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
}

/// A rule over the columns of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RowCheck {
    /// What it is called in reports.
    pub name: String,
    /// A condition, in files as text ([`parse_condition`](super::parse_condition)). A row fails if it
    /// is false; null, when it can't be told, passes.
    #[serde(with = "plain::condition")]
    pub condition: Expr,
    /// What happens if it fails; [`Severity::Quarantine`] if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// As [`ColumnCheck::tolerance`](super::ColumnCheck::tolerance).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
}

/// Columns whose values together come only once; the first of several equal rows passes. Null is a
/// value here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Key {
    /// The columns; none stands for all that are there.
    pub columns: Vec<String>,
    /// What happens if it fails; [`Severity::Quarantine`] if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// As [`ColumnCheck::tolerance`](super::ColumnCheck::tolerance).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
}

/// A column whose value follows from those of others: rows that agree in `from` agree in `to`. The
/// first such row tells how; rows with a null in either pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Dependency {
    /// The columns that tell.
    pub from: Vec<String>,
    /// The column that is told.
    pub to: String,
    /// What happens if it fails; [`Severity::Quarantine`] if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// As [`ColumnCheck::tolerance`](super::ColumnCheck::tolerance).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
}

/// How many rows there must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RowCount {
    /// So many.
    pub range: Interval,
    /// What happens if it fails; [`Severity::Fail`] if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
}

/// What becomes of columns that nothing is expected of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Extra {
    /// They pass.
    #[default]
    Allow,
    /// They refuse the data.
    Refuse,
    /// They pass, and the report says so.
    Warn,
}

impl Expectations {
    const VERSION: u32 = 1;

    /// Expectations of single columns.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), ..Self::default() }
    }

    /// Adds a column.
    #[must_use]
    pub fn with_column(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }

    /// Adds a rule over whole rows: one for which `condition` is false fails; null passes.
    #[must_use]
    pub fn row(mut self, name: impl Into<String>, condition: Expr) -> Self {
        self.rows.push(RowCheck { name: name.into(), condition, severity: None, tolerance: None });
        self
    }

    /// Adds columns whose values together come only once; no columns stand for all.
    #[must_use]
    pub fn key<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.keys.push(Key { columns, severity: None, tolerance: None });
        self
    }

    /// Adds a column that follows from others.
    #[must_use]
    pub fn dependency<S: Into<String>>(mut self, from: impl IntoIterator<Item = S>, to: impl Into<String>) -> Self {
        let from = from.into_iter().map(Into::into).collect();
        self.dependencies.push(Dependency { from, to: to.into(), severity: None, tolerance: None });
        self
    }

    /// How many rows there must be.
    #[must_use]
    pub fn row_count(mut self, range: impl std::ops::RangeBounds<usize>) -> Self {
        let as_float = |bound: std::ops::Bound<&usize>| bound.map(|n| *n as f64);
        let range = (as_float(range.start_bound()), as_float(range.end_bound())).into();
        self.row_count = Some(RowCount { range, severity: None });
        self
    }

    /// What [`Check::Fresh`] takes for now, as `2013-03-01T06:00:00Z`.
    #[must_use]
    pub fn with_now(mut self, now: impl Into<String>) -> Self {
        self.now = Some(now.into());
        self
    }

    /// Gives every check of drift that has no reference yet that of the column in `profile`.
    #[must_use]
    pub fn with_reference(mut self, profile: &Profile) -> Self {
        for column in &mut self.columns {
            let Some(profiled) = profile.column(&column.name) else { continue };
            for check in &mut column.checks {
                if let Check::Drift(drift) = &mut check.check
                    && drift.reference.is_none()
                {
                    drift.reference = Distribution::of(profiled);
                }
            }
        }
        self
    }

    /// Gives everything before it that is no check of a column and has no severity yet
    /// [`Severity::Fail`].
    #[must_use]
    pub fn or_fail(self) -> Self {
        self.with_severity(Severity::Fail)
    }

    /// Gives everything before it that is no check of a column and has no severity yet
    /// [`Severity::Warn`].
    #[must_use]
    pub fn or_warn(self) -> Self {
        self.with_severity(Severity::Warn)
    }

    fn with_severity(mut self, severity: Severity) -> Self {
        let rules = self.rows.iter_mut().map(|rule| &mut rule.severity);
        let keys = self.keys.iter_mut().map(|key| &mut key.severity);
        let dependencies = self.dependencies.iter_mut().map(|dependency| &mut dependency.severity);
        let count = self.row_count.iter_mut().map(|count| &mut count.severity);
        for own in rules.chain(keys).chain(dependencies).chain(count) {
            own.get_or_insert(severity);
        }
        self
    }

    /// What becomes of columns that nothing is expected of.
    #[must_use]
    pub fn extra_columns(mut self, extra: Extra) -> Self {
        self.extra_columns = extra;
        self
    }

    /// Splits `data` into rows that pass and rows that do not, and reports every check. One pass, on
    /// all cores, and for what depends on the order of rows one more over those columns; rows that
    /// pass are not copied where a whole batch does.
    ///
    /// Data that are not as expected are no error here, be it that a row fails a check of
    /// [`Severity::Fail`] or that a column is missing: ask [`Validated::into_result`].
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for expectations that make no sense.
    pub fn check(&self, data: &Table) -> Result<Validated> {
        let judge = Arc::new(Judge::bind(self, data.schema())?);
        let validated = data.fold(|| Validation::of(Arc::clone(&judge)))?.finish()?;
        Ok(validated.with_roles(data.roles()))
    }

    /// Whether rows of `schema` can be as expected: what [`check`](Self::check) finds out before it
    /// looks at a row.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column that is missing, of another
    /// kind or refused as extra, and for a check that can't be made of its type;
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for expectations that make no sense.
    pub fn check_schema(&self, schema: &Schema) -> Result<()> {
        Judge::bind(self, schema)?.refuse_impossible()
    }

    /// The columns of `schema` that the checks read, each once.
    pub(super) fn reads<'a>(&'a self, schema: &'a Schema) -> Vec<&'a str> {
        let all = self.keys.iter().any(|key| key.columns.is_empty());
        let all = schema.fields().iter().filter(|_| all).map(|field| field.name().as_str());
        let mut names = Vec::new();
        for name in self.named().into_iter().chain(all) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The columns that something is expected of.
    pub(super) fn named(&self) -> Vec<&str> {
        let columns = self.columns.iter().map(|column| column.name.as_str());
        let rules = self.rows.iter().flat_map(|rule| rule.condition.columns());
        let keys = self.keys.iter().flat_map(|key| key.columns.iter().map(String::as_str));
        let from = self.dependencies.iter().flat_map(|d| d.from.iter().chain([&d.to]).map(String::as_str));
        columns.chain(rules).chain(keys).chain(from).collect()
    }

    /// Refuses what no data can make sense of.
    pub(super) fn check_version(&self) -> Result<()> {
        if self.version == Self::VERSION {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "the expectations are written in version {}, this build reads {}: update mlops",
            self.version,
            Self::VERSION
        )))
    }
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            extra_columns: Extra::default(),
            now: None,
            row_count: None,
            columns: Vec::new(),
            rows: Vec::new(),
            keys: Vec::new(),
            dependencies: Vec::new(),
        }
    }
}

impl<const N: usize> From<[Column; N]> for Expectations {
    fn from(columns: [Column; N]) -> Self {
        Self::new(columns)
    }
}

impl From<Vec<Column>> for Expectations {
    fn from(columns: Vec<Column>) -> Self {
        Self::new(columns)
    }
}

impl From<&Self> for Expectations {
    fn from(expectations: &Self) -> Self {
        expectations.clone()
    }
}
