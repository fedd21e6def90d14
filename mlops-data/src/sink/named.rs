use mlops_core::Result;

use super::Sink;
use crate::source::place::Place;

/// A sink for a file whose name tells its format: `.csv`, `.tsv`, `.txt`, `.parquet`, `.pq`, `.jsonl`,
/// `.ndjson`, `.json`, `.arrow`, `.feather`, `.ipc`, `.arrows` (the stream format). It replaces what is there
/// if `overwrite`.
///
/// # Errors
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for any other name. Nothing is written yet.
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
#[cfg_attr(
    not(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet")),
    expect(unused_variables, reason = "without a format there is nothing to write")
)]
pub fn open(place: impl Into<Place>, overwrite: bool) -> Result<Box<dyn Sink>> {
    let place = place.into();
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
