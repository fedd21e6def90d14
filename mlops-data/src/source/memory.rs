use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::iter;
use mlops_core::{BatchStream, DataSource, Result, ResultExt, Scan, Table};

use super::background::in_background;
use super::pushdown::check_scan;

/// A table as a source: for tests, for data made in the program, and for what was read before.
///
/// Rows are not copied, except by a filter.
///
/// # Example
/// ```
/// use mlops_core::{DataSourceExt, Scan, Table, col, lit};
/// use mlops_data::MemorySource;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let batch = arrow::array::record_batch!(("delay", Int64, [3, 20, 41]))?;
/// let source = MemorySource::new(Table::from_batch(batch));
/// let late = source.read_scan(Scan::all().with_filter(col("delay").gt_eq(lit(15)))).await?;
/// assert_eq!(late.num_rows(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemorySource {
    name: String,
    table: Table,
}

impl MemorySource {
    /// A source of the rows of `table`, called `memory`.
    pub fn new(table: Table) -> Self {
        Self { name: "memory".to_owned(), table }
    }

    /// Called `name` in messages.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The rows.
    pub fn table(&self) -> &Table {
        &self.table
    }
}

#[async_trait]
impl DataSource for MemorySource {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn schema(&self) -> Result<SchemaRef> {
        Ok(Arc::clone(self.table.schema()))
    }

    async fn scan(&self, scan: Scan) -> Result<BatchStream> {
        let schema = self.table.schema();
        check_scan(&scan, schema).context("source", &self.name)?;
        let batches = iter(self.table.batches().to_vec()).map(Ok).boxed();
        if scan.filter.is_none() {
            // Nothing to compute: batches are handed out and cut where they are.
            return scan.apply(schema, batches);
        }
        in_background(&self.name, schema, &scan, batches)
    }
}
