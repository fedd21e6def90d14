use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use futures::StreamExt;
use futures::future::ready;
use mlops_core::{
    Accumulator, BatchStream, DataSource, DataSourceExt, Result, ResultExt, Scan, Table, columns::find_column,
};

use super::judge::Judge;
use super::validation::Tally;
use super::{Expectations, Validated, Validation};
use crate::source::background::{blocking, in_background};
use crate::source::pushdown::check_scan;

/// A source whose rows are checked while they are read: what comes out is as expected.
///
/// Rows that fail a check of [`Severity::Quarantine`](super::Severity::Quarantine) are left out, and
/// a `tracing` warning at the end tells how many; a row that fails a check of
/// [`Severity::Fail`](super::Severity::Fail) ends the stream with an error. Use
/// [`read_validated`](Self::read_validated) to keep the rows that were left out, and the report.
///
/// A scan reads the columns that it selects and those that are checked. The filter and the limit of
/// a scan come after the checks, so what is expected of a row does not depend on which rows are
/// asked for.
#[derive(Clone, Debug)]
pub struct Expecting<S> {
    source: S,
    expectations: Arc<Expectations>,
}

/// Gives every source [`expecting`](Self::expecting).
pub trait ExpectingExt: DataSource + Sized {
    /// This source, with every row checked while it is read.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{DataSourceExt, Table};
    /// use mlops_data::{Column, ExpectingExt, MemorySource};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> mlops_core::Result<()> {
    /// # let batch = arrow::array::record_batch!(("distance_km", Float64, [2.5, -1.0, 8.0]))?;
    /// let trips = MemorySource::new(Table::from_batch(batch))
    ///     .expecting([Column::number("distance_km").within(0.0..300.0)]);
    /// assert_eq!(trips.read().await?.num_rows(), 2);
    ///
    /// let validated = trips.read_validated().await?;
    /// assert_eq!(validated.quarantined.num_rows(), 1);
    /// println!("{}", validated.report);
    /// # Ok(())
    /// # }
    /// ```
    fn expecting(self, expectations: impl Into<Expectations>) -> Expecting<Self> {
        Expecting { source: self, expectations: Arc::new(expectations.into()) }
    }
}

impl<S: DataSource> ExpectingExt for S {}

impl<S: DataSource> Expecting<S> {
    /// The source whose rows are checked.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// What is expected.
    pub fn expectations(&self) -> &Expectations {
        &self.expectations
    }

    /// Reads everything: the rows that are as expected, those that are not, and the report.
    ///
    /// Unlike a scan, it is no error here that a check of [`Severity::Fail`](super::Severity::Fail)
    /// failed; ask [`Validated::into_result`].
    ///
    /// # Errors
    /// As [`DataSource::scan`] of the source and [`Expectations::check`].
    pub async fn read_validated(&self) -> Result<Validated> {
        self.expectations.check_schema(self.source.schema().await?.as_ref()).context("source", self.name())?;
        let table: Table = self.source.read().await?;
        let expectations = Arc::clone(&self.expectations);
        blocking(move || expectations.check(&table)).await.context("source", self.name())
    }

    /// The columns that a scan selects and those that are checked, in the order of the source.
    fn reads(&self, scan: &Scan, schema: &Schema) -> Result<Vec<String>> {
        let mut wanted = Vec::new();
        match &scan.columns {
            Some(columns) => wanted.extend(columns.iter().map(String::as_str)),
            None => wanted.extend(schema.fields().iter().map(|field| field.name().as_str())),
        }
        wanted.extend(self.expectations.reads());
        wanted.extend(scan.filter.iter().flat_map(mlops_core::Expr::columns));
        let mut indices = wanted.into_iter().map(|name| find_column(schema, name)).collect::<Result<Vec<_>>>()?;
        indices.sort_unstable();
        indices.dedup();
        Ok(indices.into_iter().map(|i| schema.field(i).name().clone()).collect())
    }
}

#[async_trait]
impl<S: DataSource> DataSource for Expecting<S> {
    fn name(&self) -> String {
        self.source.name()
    }

    async fn schema(&self) -> Result<SchemaRef> {
        let schema = self.source.schema().await?;
        self.expectations.check_schema(&schema).context("source", self.name())?;
        Ok(schema)
    }

    async fn scan(&self, scan: Scan) -> Result<BatchStream> {
        let name = self.name();
        let schema = self.schema().await?;
        check_scan(&scan, &schema).context("source", &name)?;
        let reads = self.reads(&scan, &schema)?;
        let inner = Scan::all().with_batch_size(scan.batch_size).with_columns(reads);
        let read_schema = inner.schema(&schema)?;
        // Extra columns were refused on the whole schema; here only those that are read are left.
        let expectations = Expectations { extra_columns: super::Extra::Allow, ..(*self.expectations).clone() };
        let judge = Arc::new(Judge::bind(&expectations, &read_schema)?);
        let mut gate = Gate::new(judge, name.clone());
        let passed = self
            .source
            .scan(inner)
            .await?
            .filter_map(move |batch| ready(batch.and_then(|batch| gate.pass(&batch)).transpose()));
        in_background(&name, &read_schema, &scan, passed.boxed())
    }
}

/// Checks batches as they come.
struct Gate {
    source: String,
    validation: Validation,
    tally: Tally,
}

impl Gate {
    fn new(judge: Arc<Judge>, source: String) -> Self {
        Self { source, validation: Validation::of(Arc::clone(&judge)), tally: Tally::new(judge) }
    }

    fn pass(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        self.validation.update(batch)?;
        let mut passed = None;
        for judged in self.validation.drain() {
            passed = self.tally.split(&judged)?.passed;
        }
        self.tally.refuse().context("source", &self.source)?;
        Ok(passed)
    }
}

/// However the stream ends, what was left out is told.
impl Drop for Gate {
    fn drop(&mut self) {
        let report = self.tally.report();
        for check in report.failures() {
            tracing::warn!(source = self.source, severity = %check.severity, "{check}");
        }
        if report.quarantined > 0 {
            tracing::warn!(
                source = self.source,
                rows = report.rows,
                quarantined = report.quarantined,
                "rows that are not as expected were left out; `read_validated` keeps them"
            );
        }
    }
}
