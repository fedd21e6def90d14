//! Where data go: files that are there whole, or not at all.
//!
//! | sink | writes |
//! |---|---|
//! | [`ArrowIpcSink`] | the Arrow IPC file or stream format |
//! | [`CsvSink`] | text with a header |
//! | [`JsonLinesSink`] | a JSON object a line |
//! | [`ParquetSink`] | Parquet |
//! | `sql::SqlSink` (features `sqlite`, `postgres`) | a table of a database, in one transaction |
//!
//! All of them stream: a few batches, and what the format keeps back, are in memory. A file is written
//! under a name that no source looks at, flushed to the disk, and then given its name by a step that
//! fails if somebody else has it ([`Conflict`](mlops_core::ErrorKind::Conflict)), unless overwriting is
//! allowed; the directory is flushed before the sink says that it is done. So a reader sees nothing or
//! everything, also after a power cut. An error, or dropping the future, removes what was written; a
//! program that is killed leaves a hidden file, which the next sink to the same place removes.
//!
//! In an object store, small files are put with the condition that there is none. Larger ones are
//! uploaded in parts under a temporary key, copied with that condition, and the temporary object is
//! deleted; where overwriting is allowed, the upload itself is atomic. What an upload that was cut off
//! leaves is for the store's life-cycle rules to remove.

#[cfg(feature = "csv")]
mod csv;
#[cfg(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]
mod file;
#[cfg(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]
mod format;
#[cfg(feature = "ipc")]
mod ipc;
#[cfg(feature = "json")]
mod json;
mod named;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]
mod upload;
#[cfg(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]
mod write;

use std::fmt::Debug;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use mlops_core::{BatchStream, DataSource, Result, Scan, Table};

#[cfg(feature = "csv")]
#[cfg_attr(docsrs, doc(cfg(feature = "csv")))]
pub use csv::CsvSink;
#[cfg(feature = "ipc")]
#[cfg_attr(docsrs, doc(cfg(feature = "ipc")))]
pub use ipc::{ArrowIpcSink, IpcFormat};
#[cfg(feature = "json")]
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub use json::JsonLinesSink;
pub use named::open;
#[cfg(feature = "parquet")]
#[cfg_attr(docsrs, doc(cfg(feature = "parquet")))]
pub use parquet::{Compression, ParquetSink};

/// What a sink has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Bytes of the file, if it is one.
    pub bytes: Option<u64>,
}

/// Where data go. What it writes is there whole, or not at all.
#[async_trait]
#[diagnostic::on_unimplemented(message = "`{Self}` is not a sink for data")]
pub trait Sink: Debug + Send + Sync + 'static {
    /// What it is called in messages.
    fn name(&self) -> String;

    /// Writes `batches`, which have `schema`, and makes them visible once all are written. Dropping the
    /// future before it is done undoes everything.
    ///
    /// # Errors
    /// The first error of the stream; [`Conflict`](mlops_core::ErrorKind::Conflict) if something is
    /// there that may not be overwritten; and as the place and the format demand. Nothing is visible
    /// then.
    async fn write(&self, schema: SchemaRef, batches: BatchStream) -> Result<Written>;
}

/// What every [`Sink`] can do besides.
pub trait SinkExt: Sink {
    /// Writes what `scan` asks for of `source`.
    ///
    /// # Errors
    /// As [`DataSource::scan`] and [`Sink::write`].
    fn write_scan(&self, source: &dyn DataSource, scan: Scan) -> impl Future<Output = Result<Written>> + Send {
        async move {
            let schema = scan.schema(source.schema().await?.as_ref())?;
            self.write(schema, source.scan(scan).await?).await
        }
    }

    /// Writes a table.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn write_table(&self, table: &Table) -> impl Future<Output = Result<Written>> + Send {
        let batches = futures::stream::iter(table.batches().to_vec()).map(Ok).boxed();
        self.write(std::sync::Arc::clone(table.schema()), batches)
    }
}

impl<S: Sink + ?Sized> SinkExt for S {}
