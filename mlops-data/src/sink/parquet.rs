use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use mlops_core::{Error, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::ZstdLevel;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use super::format::{Encoder, Format, Target, file_sink};
use crate::source::place::Place;

/// Bytes of a row group, as it is kept in memory, after which the next one begins.
const MAX_GROUP: usize = 64 << 20;

/// A Parquet file, with statistics by row group and page. It is there whole, or not at all (see
/// [`sink`](crate::sink)).
///
/// The encoded columns of a row group are in memory: at most 64 MiB and what a batch adds to them.
///
/// # Example
/// ```
/// use mlops_core::{DataSourceExt, ErrorKind, Table};
/// use mlops_data::{Parquet, ParquetSink, Sink, SinkExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("trips.parquet");
/// let trips = Table::from_batch(arrow::array::record_batch!(("minutes", Int64, [12, 7]))?);
/// let sink = ParquetSink::at(&path);
/// assert_eq!(sink.write_table(&trips).await?.rows, 2);
/// assert_eq!(Parquet::at(&path).read().await?.num_rows(), 2);
/// assert_eq!(sink.write_table(&trips).await.unwrap_err().kind(), ErrorKind::Conflict);
/// sink.with_overwrite(true).write_table(&trips).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ParquetSink {
    /// The file.
    pub path: Place,
    /// Whether it may replace what is there.
    pub overwrite: bool,
    /// How pages are compressed.
    pub compression: Compression,
    /// The most rows of a row group.
    pub row_group_rows: usize,
}

/// How the pages of a Parquet file are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Compression {
    /// Not at all: the fastest to read from memory, the largest.
    None,
    /// Snappy: fast, and read by everybody.
    #[default]
    Snappy,
    /// Zstandard at its level 1: smaller, and slower to write.
    Zstd,
}

impl Default for ParquetSink {
    fn default() -> Self {
        Self { path: Place::default(), overwrite: false, compression: Compression::default(), row_group_rows: 1 << 18 }
    }
}

file_sink!(ParquetSink);

impl ParquetSink {
    /// With pages compressed in this way.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// With at most so many rows in a row group; 0 counts as 1.
    #[must_use]
    pub fn with_row_group_rows(mut self, rows: usize) -> Self {
        self.row_group_rows = rows.max(1);
        self
    }

    fn properties(&self) -> Result<WriterProperties> {
        let compression = match self.compression {
            Compression::None => parquet::basic::Compression::UNCOMPRESSED,
            Compression::Snappy => parquet::basic::Compression::SNAPPY,
            Compression::Zstd => parquet::basic::Compression::ZSTD(ZstdLevel::try_new(1).map_err(failed)?),
        };
        Ok(WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(self.row_group_rows.max(1)))
            .set_created_by(concat!("mlops-data ", env!("CARGO_PKG_VERSION")).to_owned())
            .build())
    }
}

impl Format for ParquetSink {
    fn begin(&self, schema: &SchemaRef, target: Target) -> Result<Box<dyn Encoder>> {
        let writer =
            ArrowWriter::try_new(target, SchemaRef::clone(schema), Some(self.properties()?)).map_err(failed)?;
        Ok(Box::new(Writing(writer)))
    }
}

struct Writing(ArrowWriter<Target>);

impl Encoder for Writing {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(failed)?;
        if self.0.in_progress_size() >= MAX_GROUP {
            self.0.flush().map_err(failed)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Target> {
        self.0.into_inner().map_err(failed)
    }
}

fn failed(error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(error) => super::format::io_error(*error),
            Err(source) => Error::internal(format!("could not write Parquet: {source}")).with_source(source),
        },
        ParquetError::NYI(_) | ParquetError::ArrowError(_) => {
            Error::unsupported(format!("a column can't be written to Parquet: {error}; cast it to another type"))
                .with_source(error)
        }
        error => Error::internal(format!("could not write Parquet: {error}")).with_source(error),
    }
}
