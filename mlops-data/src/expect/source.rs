use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::unfold;
use mlops_core::{BatchStream, DataSource, DataSourceExt, Result, ResultExt, Scan, Table, columns::find_column};

use super::{Expectations, Screened, Screening, Validated, ValidationReport};
use crate::source::background::{blocking, in_background};
use crate::source::pushdown::check_scan;

/// A source whose rows are checked while they are read: what comes out is as expected.
///
/// Rows that fail a check of [`Severity::Quarantine`](super::Severity::Quarantine) are left out, and
/// a `tracing` warning at the end tells how many; a row that fails a check of
/// [`Severity::Fail`](super::Severity::Fail) ends the stream with an error. So does, after the last
/// row, a check of the whole that fails; a scan with a limit that ends before does not come to that.
/// Use [`read_validated`](Self::read_validated) to keep the rows that were left out, and the report.
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

impl Expectations {
    /// Checks what `source` holds, batch by batch in bounded memory ([`Screening`]): reads the columns
    /// that the checks need and keeps none of the rows.
    ///
    /// # Errors
    /// As [`DataSource::scan`] of the source and [`check`](Self::check).
    pub async fn check_source<S: DataSource + ?Sized>(&self, source: &S) -> Result<ValidationReport> {
        let schema = source.schema().await?;
        let mut reads = in_order(self.reads(&schema), &schema);
        if reads.is_empty() {
            // Rows can be counted by any column.
            reads.extend(schema.fields().first().map(|field| field.name().clone()));
        }
        let scan = Scan::all().with_columns(reads);
        let screening = Screening::part(self, &*scan.schema(&schema)?, &schema)?;
        screen(screening, source, scan, |screening, batch| screening.look(batch)).await
    }

    /// As [`check_source`](Self::check_source), but reads all columns and gives the rows to `each`,
    /// those that passed and those that were set aside, on a thread that may block: to write both to
    /// files in the same pass.
    ///
    /// # Errors
    /// As [`check_source`](Self::check_source), and the first error of `each`.
    pub async fn split_source<S, F>(&self, source: &S, mut each: F) -> Result<ValidationReport>
    where
        S: DataSource + ?Sized,
        F: FnMut(Screened) -> Result<()> + Send + 'static,
    {
        let screening = Screening::new(self, &*source.schema().await?)?;
        screen(screening, source, Scan::all(), move |screening, batch| each(screening.pass(batch)?)).await
    }
}

async fn screen<S, F>(mut screening: Screening, source: &S, scan: Scan, mut each: F) -> Result<ValidationReport>
where
    S: DataSource + ?Sized,
    F: FnMut(&mut Screening, &RecordBatch) -> Result<()> + Send + 'static,
{
    let mut batches = source.scan(scan).await?;
    while let Some(batch) = batches.next().await.transpose()? {
        let pass = move || {
            each(&mut screening, &batch)?;
            Ok((screening, each))
        };
        (screening, each) = blocking(pass).await.context("source", source.name())?;
    }
    Ok(screening.finish())
}

/// Those of `names` that are there, in the order of the schema, each once.
fn in_order(names: Vec<&str>, schema: &Schema) -> Vec<String> {
    let mut indices: Vec<usize> = names.into_iter().filter_map(|name| schema.index_of(name).ok()).collect();
    indices.sort_unstable();
    indices.dedup();
    indices.into_iter().map(|i| schema.field(i).name().clone()).collect()
}

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
        wanted.extend(scan.filter.iter().flat_map(mlops_core::Expr::columns));
        wanted.iter().try_for_each(|name| find_column(schema, name).map(drop))?;
        wanted.extend(self.expectations.reads(schema));
        Ok(in_order(wanted, schema))
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
        let screening = Screening::part(&self.expectations, &read_schema, &schema)?;
        let gate = Gate { screening, source: name.clone() };
        let passed = unfold(Some((gate, self.source.scan(inner).await?)), next_passed);
        in_background(&name, &read_schema, &scan, passed.boxed())
    }
}

/// Checks batches as they come.
struct Gate {
    screening: Screening,
    source: String,
}

/// The next rows that pass. After the last ones, what is found of the whole may still refuse them.
async fn next_passed(state: Option<(Gate, BatchStream)>) -> Option<(Result<RecordBatch>, Option<(Gate, BatchStream)>)> {
    let (mut gate, mut batches) = state?;
    while let Some(batch) = batches.next().await {
        match batch.and_then(|batch| gate.pass(&batch)) {
            Ok(Some(passed)) => return Some((Ok(passed), Some((gate, batches)))),
            Ok(None) => {}
            Err(error) => return Some((Err(error), None)),
        }
    }
    let refused = gate.screening.report().into_result().context("source", &gate.source);
    refused.err().map(|error| (Err(error), None))
}

impl Gate {
    fn pass(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let passed = self.screening.passed(batch)?;
        self.screening.refuse_rows().context("source", &self.source)?;
        Ok(passed)
    }
}

/// However the stream ends, what was left out is told.
impl Drop for Gate {
    fn drop(&mut self) {
        let report = self.screening.report();
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
