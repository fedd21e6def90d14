use std::sync::Arc;

use arrow::datatypes::Schema;
use mlops_core::{Accumulator, Expr, Result, Table};
use serde::{Deserialize, Serialize};

use super::judge::Judge;
use super::{Column, Severity, Validated, Validation};

/// What a table must look like: its columns, and rules over whole rows.
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
/// assert_eq!(validated.report.checks[0].examples[0].to_string(), "row 2: LAX");
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Expectations {
    /// What is expected of single columns.
    pub columns: Vec<Column>,
    /// What is expected of rows as a whole.
    pub rows: Vec<RowCheck>,
    /// What becomes of columns that are not named here.
    pub extra_columns: Extra,
}

/// A rule over the columns of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RowCheck {
    /// What it is called in reports.
    pub name: String,
    /// A condition. A row fails if it is false; null, when it can't be told, passes.
    pub condition: Expr,
    /// What happens if it fails; [`Severity::Quarantine`] if `None`.
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
    /// They are an error.
    Refuse,
}

impl Expectations {
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
        self.rows.push(RowCheck { name: name.into(), condition, severity: None });
        self
    }

    /// Gives every row rule before it that has no severity yet [`Severity::Fail`].
    #[must_use]
    pub fn or_fail(self) -> Self {
        self.with_severity(Severity::Fail)
    }

    /// Gives every row rule before it that has no severity yet [`Severity::Warn`].
    #[must_use]
    pub fn or_warn(self) -> Self {
        self.with_severity(Severity::Warn)
    }

    fn with_severity(mut self, severity: Severity) -> Self {
        for rule in &mut self.rows {
            rule.severity.get_or_insert(severity);
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
    /// all cores; rows that pass are not copied where a whole batch does.
    ///
    /// Rows that fail a check of [`Severity::Fail`] are no error here: ask
    /// [`Validated::into_result`].
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column that is missing, of another
    /// kind or refused as extra, [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for a check
    /// that makes no sense.
    pub fn check(&self, data: &Table) -> Result<Validated> {
        let judge = Arc::new(Judge::bind(self, data.schema())?);
        let validated = data.fold(|| Validation::of(Arc::clone(&judge)))?.finish()?;
        Ok(validated.with_roles(data.roles()))
    }

    /// Whether the checks can be made on rows of `schema`: what [`check`](Self::check) finds out
    /// before it looks at a row.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_schema(&self, schema: &Schema) -> Result<()> {
        Judge::bind(self, schema).map(drop)
    }

    /// The columns that the checks read, each once.
    pub(super) fn reads(&self) -> Vec<&str> {
        let columns = self.columns.iter().map(|column| column.name.as_str());
        let mut names = Vec::new();
        for name in columns.chain(self.rows.iter().flat_map(|rule| rule.condition.columns())) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl RowCheck {
    /// What happens if it fails.
    pub fn severity(&self) -> Severity {
        self.severity.unwrap_or_default()
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
