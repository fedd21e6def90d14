//! Where data come from: files, patterns of files, and memory.
//!
//! | source | reads | schema |
//! |---|---|---|
//! | [`Csv`] | one or many text files | declared, or inferred from every row |
//! | [`Parquet`] | one or many Parquet files | from the files |
//! | `sql::SqlSource` (features `sqlite`, `postgres`) | a table or a query of a database | from the database |
//! | [`MemorySource`] | a table | from the table |
//! | [`Expecting`](crate::expect::Expecting) | another source, checked | from the other source |
//!
//! All of them stream: files are read on threads that may block, a few batches ahead of the reader,
//! and no further once the stream is dropped. Bad input is an error that names the file, the line or
//! row, the column and the remedy; rows are never dropped silently.

pub(crate) mod background;
#[cfg(feature = "csv")]
mod csv;
#[cfg(any(feature = "csv", feature = "parquet"))]
mod files;
mod memory;
#[cfg(feature = "parquet")]
mod parquet;
pub(crate) mod pushdown;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlite"))))]
pub mod sql;

#[cfg(feature = "csv")]
#[cfg_attr(docsrs, doc(cfg(feature = "csv")))]
pub use csv::Csv;
pub use memory::MemorySource;
#[cfg(feature = "parquet")]
#[cfg_attr(docsrs, doc(cfg(feature = "parquet")))]
pub use parquet::Parquet;
