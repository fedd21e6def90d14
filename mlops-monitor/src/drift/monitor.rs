use arrow::array::RecordBatch;
use mlops_core::{Artifact, Codecs, DriftMonitor, DriftReport, Error, Load, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::column::Column;
use crate::stats::Correction;

/// Watches columns against a fitted reference: what every recipe of this crate gives.
///
/// Memory and artifact are bounded by what the recipe allows (`max_cells`, `max_categories`), not
/// by rows. Observing costs a binary search a number or a lookup a text, on all cores; a report
/// costs one pass over the cells.
///
/// # Example
/// ```
/// use mlops_core::{DriftDetector, DriftMonitor, Table};
/// use mlops_monitor::KsTest;
///
/// let values = |from: i32| arrow::array::Float64Array::from_iter_values((from..from + 1000).map(f64::from));
/// let batch = |from| arrow::array::RecordBatch::try_from_iter([("x", std::sync::Arc::new(values(from)) as _)]);
/// let mut monitor = KsTest::default().fit(&Table::from_batch(batch(0)?))?;
///
/// monitor.observe(&batch(0)?)?;
/// assert!(!monitor.report()?.is_drift());
/// monitor.reset();
/// monitor.observe(&batch(500)?)?;
/// assert_eq!(monitor.report()?.drifted_features(), ["x"]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnMonitor {
    alpha: f64,
    correction: Correction,
    columns: Vec<Column>,
    rows: u64,
}

impl ColumnMonitor {
    pub(super) fn new(alpha: f64, correction: Correction, columns: Vec<Column>) -> Self {
        Self { alpha, correction, columns, rows: 0 }
    }

    /// The columns that are watched, in the order of the report.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The categories of a column that the reference does not have, with their rows in the window,
    /// by name; at most `max_categories`. Where the reference had more categories than that, one
    /// that it had may be among them.
    pub fn new_categories(&self, column: &str) -> Vec<(&str, u64)> {
        self.columns.iter().find(|c| c.name == column).map(Column::new_categories).unwrap_or_default()
    }

    /// Adds the window of another monitor of the same reference: replicas watch a part each, and
    /// one reports on all.
    ///
    /// Equal to observing all rows here, in any order, as long as no more than `max_categories`
    /// categories of a column are new.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if the references differ; then this
    /// monitor is as before.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.columns.len() != other.columns.len() {
            return Err(Error::config("monitors of different columns: merge those loaded from one artifact"));
        }
        let mut columns = self.columns.clone();
        for (column, other) in columns.iter_mut().zip(&other.columns) {
            column.merge(other)?;
        }
        self.columns = columns;
        self.rows += other.rows;
        Ok(())
    }
}

impl DriftMonitor for ColumnMonitor {
    /// All columns are read before any is counted: after an error, the window is as before.
    fn observe(&mut self, batch: &RecordBatch) -> Result<()> {
        const CELLS_WORTH_A_THREAD: usize = 20_000;
        let columns = self.columns.iter();
        let values = columns.map(|column| column.read(batch)).collect::<Result<Vec<_>>>()?;
        let pairs = self.columns.iter_mut().zip(&values);
        if batch.num_rows() * values.len() < CELLS_WORTH_A_THREAD {
            pairs.for_each(|(column, values)| column.observe(values));
        } else {
            let pairs: Vec<_> = pairs.collect();
            pairs.into_par_iter().for_each(|(column, values)| column.observe(values));
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn report(&self) -> Result<DriftReport> {
        let tests: Vec<_> = self.columns.par_iter().map(|column| (column, column.test())).collect();
        let tests = || tests.iter().flat_map(|(column, tests)| tests.iter().map(move |test| (column, test)));
        let p_values: Vec<f64> = tests().map(|(_, (_, outcome))| outcome.p_value).collect();
        let threshold = self.correction.threshold(&p_values, self.alpha);
        let verdicts = tests().map(|(column, (test, outcome))| column.verdict(test, *outcome, threshold));
        Ok(DriftReport::new(self.rows, verdicts.collect()))
    }

    fn reset(&mut self) {
        self.columns.iter_mut().for_each(Column::reset);
        self.rows = 0;
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(self)
    }
}

impl Load for ColumnMonitor {
    const KIND: &'static str = "column_monitor";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let mut monitor: Self = artifact.state()?;
        monitor.columns.iter_mut().try_for_each(Column::check)?;
        Ok(monitor)
    }
}
