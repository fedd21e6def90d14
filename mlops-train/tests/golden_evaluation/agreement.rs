//! A table of how far we are from the reference, metric by metric.

use std::collections::BTreeMap;

use mlops_core::report::Grid;
use mlops_core::{ErrorKind, Result};

const TOLERANCE: f64 = 1e-12;

pub(crate) struct Agreement {
    title: &'static str,
    rows: BTreeMap<String, Row>,
    failures: Vec<String>,
}

#[derive(Default)]
struct Row {
    cases: usize,
    undefined: usize,
    worst: f64,
    worst_case: String,
}

impl Agreement {
    pub(crate) fn new(title: &'static str) -> Self {
        Self { title, rows: BTreeMap::new(), failures: Vec::new() }
    }

    /// What is not defined there (`None`) is a typed error here.
    pub(crate) fn check(&mut self, key: &str, case: &str, value: Result<f64>, expected: Option<f64>) {
        let row = self.rows.entry(key.to_owned()).or_default();
        row.cases += 1;
        match (value, expected) {
            (Ok(value), Some(expected)) => {
                let far = (value - expected).abs() / expected.abs().max(1.0);
                if far > row.worst || row.worst_case.is_empty() {
                    row.worst = far;
                    row.worst_case = case.to_owned();
                }
                if far.is_nan() || far > TOLERANCE {
                    self.failures.push(format!("{case}: {key} is {value}, not {expected} ({far:.1e} off)"));
                }
            }
            (Err(error), None) if error.kind() == ErrorKind::Data => row.undefined += 1,
            (value, expected) => self.failures.push(format!("{case}: {key} is {value:?}, not {expected:?}")),
        }
    }

    /// Prints the table, and fails with all that is too far off.
    #[expect(clippy::print_stdout, reason = "the table is what the test shows")]
    pub(crate) fn finish(self, at_least: usize) {
        let columns = ["metric", "cases", "not defined", "worst error", "in"];
        let grid = self.rows.iter().fold(Grid::new(columns), |grid, (key, row)| {
            let (cases, undefined) = (row.cases.to_string(), row.undefined.to_string());
            grid.with_row([key.clone(), cases, undefined, format!("{:.1e}", row.worst), row.worst_case.clone()])
        });
        println!("{}\n{grid}", self.title);
        assert!(self.failures.is_empty(), "{} differ:\n{}", self.failures.len(), self.failures.join("\n"));
        let checked: usize = self.rows.values().map(|row| row.cases).sum();
        assert!(checked >= at_least, "only {checked} values were checked");
    }
}
