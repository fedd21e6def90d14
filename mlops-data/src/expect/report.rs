use std::fmt;

use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::Severity;

/// What every check found.
///
/// It shows as a table in a terminal and serialises to JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ValidationReport {
    /// How many rows were checked.
    pub rows: usize,
    /// How many of them passed, warnings included.
    pub passed: usize,
    /// How many of them were set aside.
    pub quarantined: usize,
    /// Every check that was declared: those of columns first, then the rules over rows.
    pub checks: Vec<CheckReport>,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CheckReport {
    /// The column that was checked; `None` for a rule over rows.
    pub column: Option<String>,
    /// What was checked.
    pub check: String,
    /// What becomes of a row that fails.
    pub severity: Severity,
    /// How many rows failed.
    pub failed: usize,
    /// Their share of all rows; 0 without rows.
    pub fraction: f64,
    /// The first rows that failed, at most [`CheckReport::MAX_EXAMPLES`].
    pub examples: Vec<Example>,
}

/// A row that failed a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Example {
    /// Its place among the rows that were checked, from 0.
    pub row: usize,
    /// What stood there, cut after 60 characters; for a rule, the values of the columns it reads.
    pub value: String,
}

impl ValidationReport {
    /// Whether no check failed, not even with a warning.
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(CheckReport::is_ok)
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CheckReport> {
        self.checks.iter().filter(|check| !check.is_ok())
    }

    /// The report, unless a check of [`Severity::Fail`] failed.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) naming each such check with its first rows.
    pub fn into_result(self) -> Result<Self> {
        let refused: Vec<String> =
            (self.failures()).filter(|check| check.severity == Severity::Fail).map(CheckReport::to_string).collect();
        if refused.is_empty() {
            return Ok(self);
        }
        Err(Error::data(format!(
            "the data are not as expected: {}; correct them at their source, or lower the severity of the check",
            refused.join("; ")
        )))
    }
}

impl CheckReport {
    /// How many rows that fail a check are told.
    pub const MAX_EXAMPLES: usize = 5;

    /// Whether no row failed.
    pub fn is_ok(&self) -> bool {
        self.failed == 0
    }

    /// The column and the check, or the name of the rule.
    pub fn name(&self) -> String {
        match &self.column {
            Some(column) => format!("{column}: {}", self.check),
            None => self.check.clone(),
        }
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: {}", self.row, self.value)
    }
}

/// One line: what failed, how often, and where first.
impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' fails for {} rows ({:.2} %)", self.name(), self.failed, self.fraction * 100.0)?;
        for (i, example) in self.examples.iter().enumerate() {
            write!(f, "{}{example}", if i == 0 { ", first " } else { "; " })?;
        }
        Ok(())
    }
}

/// A table for a terminal: one line a check.
impl fmt::Display for ValidationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} rows: {} passed, {} quarantined", self.rows, self.passed, self.quarantined)?;
        let names: Vec<String> = self.checks.iter().map(CheckReport::name).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("check".len());
        writeln!(f, "{:width$}  {:10}  {:>10}  {:>8}  first", "check", "outcome", "failed", "share")?;
        for (check, name) in self.checks.iter().zip(names) {
            let outcome = if check.is_ok() { "ok".to_owned() } else { check.severity.to_string() };
            let share = format!("{:.2} %", check.fraction * 100.0);
            let first = check.examples.first().map(Example::to_string).unwrap_or_default();
            let line = format!("{name:width$}  {outcome:10}  {:>10}  {share:>8}  {first}", check.failed);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
