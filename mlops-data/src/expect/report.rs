use std::fmt;

use mlops_core::report::{Grid, Report, Section};
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::Severity;

/// What every check found.
///
/// It shows as a table in a terminal, serialises to JSON, and makes a web page
/// ([`to_html`](Self::to_html)).
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
    /// Every check that was declared: those of columns first, each column's with its presence and
    /// kind, then those of the table.
    pub checks: Vec<CheckReport>,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CheckReport {
    /// The column that was checked; `None` for a check of the table.
    pub column: Option<String>,
    /// What was checked.
    pub check: String,
    /// What becomes of data that fail.
    pub severity: Severity,
    /// What came out.
    pub outcome: Outcome,
    /// What was found, where rows do not tell: the value that was measured, or why the check could
    /// not be made.
    pub found: Option<String>,
    /// How many rows failed.
    pub failed: usize,
    /// Their share of all rows; 0 without rows.
    pub fraction: f64,
    /// The first rows that failed, at most [`CheckReport::MAX_EXAMPLES`].
    pub examples: Vec<Example>,
}

/// What came out of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The data are not as expected.
    Failed,
    /// The check could not be made, so nothing is known: as bad as a failure.
    Impossible,
    /// The data are as expected.
    Passed,
}

/// A row that failed a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Example {
    /// Its place among the rows that were checked; the first one is 1. In a text file with a head and
    /// one line a row, it is on the line after that.
    pub row: usize,
    /// What stood there, cut after 60 characters; for a rule, the values of the columns it reads.
    pub value: String,
}

impl ValidationReport {
    /// Whether no check failed, not even with a warning.
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(CheckReport::is_ok)
    }

    /// Whether no check failed but with a warning: no row is at fault, and the data are not refused.
    pub fn is_passed(&self) -> bool {
        self.failures().all(|check| check.severity == Severity::Warn)
    }

    /// The checks that failed or could not be made.
    pub fn failures(&self) -> impl Iterator<Item = &CheckReport> {
        self.checks.iter().filter(|check| !check.is_ok())
    }

    /// The report, unless the data are refused: a check of [`Severity::Fail`] failed, or one that is
    /// more than a warning could not be made.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) naming each such check with its first rows.
    pub fn into_result(self) -> Result<Self> {
        let refused: Vec<String> =
            self.failures().filter(|check| check.refuses()).map(CheckReport::to_string).collect();
        if refused.is_empty() {
            return Ok(self);
        }
        Err(Error::data(format!(
            "the data are not as expected: {}; correct them at their source, or lower the severity of the check",
            refused.join("; ")
        )))
    }

    /// A self-contained web page: what failed first, then every check.
    pub fn to_html(&self, title: &str) -> String {
        let failures = self.failures().count();
        let verdict = match (failures, self.is_passed()) {
            (0, _) => "passed".to_owned(),
            (n, true) => format!("passed with {n} warnings"),
            (n, false) => format!("{n} checks failed"),
        };
        let figures = [
            ("verdict", verdict),
            ("rows", self.rows.to_string()),
            ("passed", self.passed.to_string()),
            ("quarantined", self.quarantined.to_string()),
            ("checks", self.checks.len().to_string()),
        ];
        let mut page = Report::new(title).with_section(Section::new("Outcome").with_figures(figures));
        if failures > 0 {
            page = page.with_section(Section::new("Failed").with_grid(grid(self.failures())));
        }
        page.with_section(Section::new("All checks").with_grid(grid(self.checks.iter()))).to_html()
    }
}

fn grid<'a>(checks: impl Iterator<Item = &'a CheckReport>) -> Grid {
    let head = ["check", "outcome", "failed rows", "share", "found", "first rows"];
    let rows = checks.map(|check| {
        let examples: Vec<String> = check.examples.iter().map(Example::to_string).collect();
        let cells = [
            check.name(),
            check.outcome_in_words(),
            check.failed.to_string(),
            check.share(),
            check.found.clone().unwrap_or_default(),
            examples.join("; "),
        ];
        cells.to_vec()
    });
    rows.fold(Grid::new(head), Grid::with_row)
}

impl CheckReport {
    /// How many rows that fail a check are told.
    pub const MAX_EXAMPLES: usize = 5;

    /// Whether the data are as expected.
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Passed
    }

    /// Whether it refuses the data as a whole. A check that can't be made can't set rows aside, so it
    /// does, unless it is a warning.
    pub fn refuses(&self) -> bool {
        match self.outcome {
            Outcome::Failed => self.severity == Severity::Fail,
            Outcome::Impossible => self.severity != Severity::Warn,
            Outcome::Passed => false,
        }
    }

    /// The column and the check, or the name of the rule.
    pub fn name(&self) -> String {
        match &self.column {
            Some(column) => format!("{column}: {}", self.check),
            None => self.check.clone(),
        }
    }

    fn outcome_in_words(&self) -> String {
        match self.outcome {
            Outcome::Passed => "ok".to_owned(),
            Outcome::Impossible => "impossible".to_owned(),
            Outcome::Failed => self.severity.to_string(),
        }
    }

    fn share(&self) -> String {
        format!("{:.2} %", self.fraction * 100.0)
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
        match (self.outcome, &self.found) {
            (Outcome::Impossible, found) => {
                return write!(f, "'{}' can't be made: {}", self.name(), found.as_deref().unwrap_or_default());
            }
            (Outcome::Failed, Some(found)) => return write!(f, "'{}' fails: {found}", self.name()),
            _ => write!(f, "'{}' fails for {} rows ({})", self.name(), self.failed, self.share())?,
        }
        for (i, example) in self.examples.iter().enumerate() {
            write!(f, "{}{example}", if i == 0 { ", first " } else { "; " })?;
        }
        Ok(())
    }
}

/// A table for a terminal: one line a check.
impl fmt::Display for ValidationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIDEST: usize = 60;
        writeln!(f, "{} rows: {} passed, {} quarantined", self.rows, self.passed, self.quarantined)?;
        let names: Vec<String> = self.checks.iter().map(|check| shortened(&check.name(), WIDEST)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("check".len());
        writeln!(f, "{:width$}  {:10}  {:>10}  {:>8}  found", "check", "outcome", "failed", "share")?;
        for (check, name) in self.checks.iter().zip(names) {
            let found = match (&check.found, check.examples.first()) {
                (Some(found), _) => found.clone(),
                (None, Some(example)) => example.to_string(),
                (None, None) => String::new(),
            };
            let (outcome, share) = (check.outcome_in_words(), check.share());
            let line = format!("{name:width$}  {outcome:10}  {:>10}  {share:>8}  {found}", check.failed);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
