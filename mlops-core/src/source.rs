use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::TryStreamExt;

use crate::{BatchStream, Result, ResultExt, Scan, Table};

/// Where data comes from: a schema, and batches of rows as they are asked for.
#[async_trait]
#[diagnostic::on_unimplemented(message = "`{Self}` is not a source of data")]
pub trait DataSource: Debug + Send + Sync + 'static {
    /// What it is called in messages: a path, a table.
    fn name(&self) -> String;

    /// Columns and types; every batch has them.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is nothing to read, and as the
    /// format demands.
    async fn schema(&self) -> Result<SchemaRef>;

    /// The rows that `scan` asks for, in order. Dropping the stream stops the work.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if it asks for a column that is not there;
    /// the stream ends with the first error.
    async fn scan(&self, scan: Scan) -> Result<BatchStream>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: DataSource + ?Sized> DataSource for Arc<S> {
    fn name(&self) -> String {
        self.as_ref().name()
    }

    async fn schema(&self) -> Result<SchemaRef> {
        self.as_ref().schema().await
    }

    async fn scan(&self, scan: Scan) -> Result<BatchStream> {
        self.as_ref().scan(scan).await
    }
}

/// What every [`DataSource`] can do besides.
pub trait DataSourceExt: DataSource {
    /// All rows, in memory.
    ///
    /// # Errors
    /// As [`DataSource::scan`].
    fn read(&self) -> impl Future<Output = Result<Table>> + Send {
        self.read_scan(Scan::all())
    }

    /// The rows that `scan` asks for, in memory; texts come as such, not as dictionaries.
    ///
    /// # Errors
    /// As [`DataSource::scan`].
    fn read_scan(&self, scan: Scan) -> impl Future<Output = Result<Table>> + Send {
        async move {
            let mut scan = scan;
            scan.dictionaries = false;
            let schema = self.schema().await?;
            let schema = scan.schema(&schema).context("source", self.name())?;
            let batches: Vec<_> = self.scan(scan).await?.try_collect().await?;
            Table::new(schema, batches).context("source", self.name())
        }
    }
}

impl<S: DataSource + ?Sized> DataSourceExt for S {}
