use mlops_core::Result;

use super::Sink;
use crate::source::named::database_url;
use crate::source::place::Place;

/// A sink for a file whose name tells its format: `.csv`, `.tsv`, `.txt`, `.parquet`, `.pq`, `.jsonl`,
/// `.ndjson`, `.json`, `.arrow`, `.feather`, `.ipc`, `.arrows` (the stream format). Or for a table of a database:
/// `sqlite:trips.db?mode=rwc#trips`, `postgres://user@host/database#trips` or `…#schema.trips`, the names as
/// they are written. It replaces what is there, the file or the rows of the table, if `overwrite`.
///
/// # Errors
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for any other name,
/// [`Unsupported`](mlops_core::ErrorKind::Unsupported) for a database whose feature is off. Nothing is written
/// yet.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::SinkExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// let trips = Table::from_batch(arrow::array::record_batch!(("minutes", Int64, [12, 7]))?);
/// let sink = mlops_data::sink::open(dir.path().join("trips.parquet"), false)?;
/// assert_eq!(sink.write_table(&trips).await?.rows, 2);
/// # Ok(())
/// # }
/// ```
pub fn open(place: impl Into<Place>, overwrite: bool) -> Result<Box<dyn Sink>> {
    let place = place.into();
    if let Some(url) = database_url(place.path()) {
        return table_at(url, overwrite);
    }
    // What a sink writes is not compressed as a whole, so the last extension is the one that counts.
    let extension = place.path().extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        #[cfg(feature = "csv")]
        Some("csv" | "txt") => Ok(Box::new(super::CsvSink::at(place).with_overwrite(overwrite))),
        #[cfg(feature = "csv")]
        Some("tsv") => Ok(Box::new(super::CsvSink::at(place).with_delimiter('\t').with_overwrite(overwrite))),
        #[cfg(feature = "parquet")]
        Some("parquet" | "pq") => Ok(Box::new(super::ParquetSink::at(place).with_overwrite(overwrite))),
        #[cfg(feature = "json")]
        Some("json" | "jsonl" | "ndjson") => Ok(Box::new(super::JsonLinesSink::at(place).with_overwrite(overwrite))),
        #[cfg(feature = "ipc")]
        Some("arrow" | "feather" | "ipc") => Ok(Box::new(super::ArrowIpcSink::at(place).with_overwrite(overwrite))),
        #[cfg(feature = "ipc")]
        Some("arrows") => {
            let sink = super::ArrowIpcSink::at(place).with_format(super::IpcFormat::Stream);
            Ok(Box::new(sink.with_overwrite(overwrite)))
        }
        _ => Err(crate::source::named::unknown(place.path())),
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn table_at(url: &str, overwrite: bool) -> Result<Box<dyn Sink>> {
    Ok(Box::new(crate::source::sql::SqlSink::at(url, overwrite)?))
}

#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
fn table_at(_: &str, _: bool) -> Result<Box<dyn Sink>> {
    Err(crate::source::named::no_database())
}
