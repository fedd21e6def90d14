//! Where data come from: files, patterns of files, and memory.
//!
//! | source | reads | schema |
//! |---|---|---|
//! | [`ArrowIpc`] | Arrow IPC files and streams | from the files |
//! | [`Csv`] | text files of any dialect, also compressed | declared, or inferred from every row |
//! | [`JsonLines`] | files of JSON objects, also compressed | declared, or inferred from every row |
//! | [`Parquet`] | Parquet files | from the files |
//! | `sql::SqlSource` (features `sqlite`, `postgres`) | a table or a query of a database | from the database |
//! | [`MemorySource`] | a table | from the table |
//! | [`Expecting`](crate::expect::Expecting) | another source, checked | from the other source |
//!
//! Files are those of a [`Place`]: a path or a URL, a pattern or a directory, whose partitions become
//! columns.
//!
//! All of them stream: files are read on threads that may block, a few batches ahead of the reader,
//! and no further once the stream is dropped. Bad input is an error that names the file, the line or
//! row, the column and the remedy; rows are never dropped silently.

pub(crate) mod background;
#[cfg(feature = "csv")]
mod csv;
#[cfg(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]
mod files;
#[cfg(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]
mod find;
#[cfg(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]
pub(crate) mod found;
#[cfg(any(feature = "csv", feature = "json"))]
mod input;
#[cfg(feature = "ipc")]
mod ipc;
#[cfg(feature = "json")]
mod json;
mod memory;
pub(crate) mod named;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]
mod partitions;
#[cfg_attr(
    not(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet")),
    expect(dead_code, reason = "no format reads or writes files")
)]
pub(crate) mod place;
pub(crate) mod pushdown;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlite"))))]
pub mod sql;

#[cfg(feature = "csv")]
#[cfg_attr(docsrs, doc(cfg(feature = "csv")))]
pub use csv::{Csv, Dialect, Encoding};
#[cfg(feature = "ipc")]
#[cfg_attr(docsrs, doc(cfg(feature = "ipc")))]
pub use ipc::ArrowIpc;
#[cfg(feature = "json")]
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub use json::JsonLines;
pub use memory::MemorySource;
pub use named::open;
#[cfg(feature = "parquet")]
#[cfg_attr(docsrs, doc(cfg(feature = "parquet")))]
pub use parquet::Parquet;
pub use place::Place;
