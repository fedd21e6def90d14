//! Parquet files.

mod dictionaries;
mod footer;
mod pages;
mod prune;
mod thrift;

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use mlops_core::{Error, Result, ResultExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use serde::{Deserialize, Serialize};

use self::pages::Pages;
use self::prune::row_groups;
use super::files::{Batches, Format, Wanted, common_schema, file_source};
use super::found::Found;
use super::place::Place;

/// Parquet files: one, or all that match a pattern or are in a directory ([`Place`]), read one after
/// the other in the order of their names.
///
/// A scan reads the columns that it needs of the row groups that its filter can't rule out by their
/// statistics (comparisons of signed numbers, dates and times with a literal), and stops at its limit. All
/// files must have the same columns and types; a column may hold nulls if it may in one of them. Of a
/// local file, a page of each column is in memory at a time; of an object store, the columns that are
/// needed of one row group, which are asked for side by side. If a scan
/// [takes dictionaries](mlops_core::Scan::with_dictionaries), texts come as such of row groups that hold
/// them so in every page.
///
/// A file that is torn or damaged, or whose footer points to what is not there, is an error of kind
/// [`Corrupt`](mlops_core::ErrorKind::Corrupt) that names it and how far it could be read; lengths are
/// compared with the file before memory is reserved by them. Parquet itself notices damage to its
/// structure and to compressed pages; a flipped bit in an uncompressed value is a different value.
///
/// # Example
/// ```
/// use mlops_core::{DataSourceExt, Scan, col, lit};
/// use mlops_data::Parquet;
/// # use parquet::arrow::ArrowWriter;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("flights.parquet");
/// # let batch = arrow::array::record_batch!(("month", Int64, [1, 2, 5]), ("delay", Int64, [3, 20, 41]))?;
/// # let mut writer = ArrowWriter::try_new(std::fs::File::create(&path)?, batch.schema(), None).unwrap();
/// # writer.write(&batch).unwrap();
/// # writer.close().unwrap();
/// let flights = Parquet::at(&path);
/// let spring = Scan::all().with_columns(["delay"]).with_filter(col("month").lt(lit(4)));
/// assert_eq!(flights.read_scan(spring).await?.num_rows(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Parquet {
    /// The files.
    pub path: Place,
    /// Bytes of the largest page that is decompressed: 256 MiB. Writers make pages of about 1 MiB.
    pub max_page_bytes: usize,
}

impl Default for Parquet {
    fn default() -> Self {
        Self { path: Place::default(), max_page_bytes: 256 << 20 }
    }
}

impl Parquet {
    /// The file at `path`, all files in the directory `path`, or all files that match it as a pattern,
    /// such as `data/*.parquet`; of the local file system, or of an object store.
    pub fn at(path: impl Into<Place>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// With another limit for what a page holds.
    #[must_use]
    pub fn with_max_page_bytes(mut self, bytes: usize) -> Self {
        self.max_page_bytes = bytes;
        self
    }
}

file_source!(Parquet);

impl Format for Parquet {
    const ENDINGS: &'static [&'static str] = &[".parquet", ".parq", ".pq"];

    type Plan = ();

    fn place(&self) -> &Place {
        &self.path
    }

    fn plan(&self, files: &[Found]) -> Result<(SchemaRef, ())> {
        Ok((common_schema(files, |file| Ok(Arc::clone(footer::read(file)?.schema())))?, ()))
    }

    fn open(&self, file: &Found, wanted: &Wanted, (): &()) -> Result<Batches> {
        let metadata = footer::read(file)?;
        wanted.refuse_changed(metadata.schema(), file)?;
        let groups = guarded(&file.name, || Ok::<_, ParquetError>(row_groups(wanted.filter.as_ref(), &metadata)))?;
        Ok(Box::new(Reading {
            file: file.clone(),
            wanted: wanted.clone(),
            max_page: self.max_page_bytes,
            metadata,
            groups: groups.into(),
            schema: Arc::clone(&wanted.schema),
            reader: None,
            rows: 0,
        }))
    }
}

/// The batches of a file, one row group after the other.
struct Reading {
    file: Found,
    wanted: Wanted,
    max_page: usize,
    metadata: ArrowReaderMetadata,
    groups: VecDeque<usize>,
    /// The columns of the row group that is being read.
    schema: SchemaRef,
    reader: Option<ParquetRecordBatchReader>,
    rows: usize,
}

impl Reading {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(reader) = &mut self.reader {
                let batch = guarded(&self.file.name, || reader.next().transpose()).context("after row", self.rows)?;
                if let Some(batch) = batch {
                    self.rows += batch.num_rows();
                    return Ok(Some(batch.with_schema(Arc::clone(&self.schema))?));
                }
                self.reader = None;
            }
            if self.wanted.limit.is_some_and(|limit| self.rows >= limit) {
                return Ok(None);
            }
            let Some(group) = self.groups.pop_front() else { return Ok(None) };
            self.reader = Some(self.start(group)?);
        }
    }

    fn start(&mut self, group: usize) -> Result<ParquetRecordBatchReader> {
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), self.wanted.columns.iter().copied());
        let columns = self.metadata.metadata().row_group(group).columns().iter().enumerate();
        let ranges: Vec<Range<u64>> = columns
            .filter(|(leaf, _)| mask.leaf_included(*leaf))
            .map(|(_, column)| column.byte_range())
            .map(|(start, length)| start..start + length)
            .collect();
        let pages = Pages::of(&self.file, &ranges, self.max_page)?;
        let coded = dictionaries::of_group(&self.metadata, group, &self.wanted.dictionaries);
        self.schema = match &coded {
            Some(coded) => Arc::new(with_types_of(coded.schema(), &self.wanted)),
            None => Arc::clone(&self.wanted.schema),
        };
        let metadata = coded.unwrap_or_else(|| self.metadata.clone());
        guarded(&self.file.name, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(pages, metadata)
                .with_projection(mask)
                .with_row_groups(vec![group])
                .with_batch_size(self.wanted.batch_size)
                .build()
        })
    }
}

/// The columns that are wanted, with the types of `schema`.
fn with_types_of(schema: &Schema, wanted: &Wanted) -> Schema {
    let pairs = wanted.schema.fields().iter().zip(&wanted.columns);
    let fields =
        pairs.map(|(field, place)| Field::clone(field).with_data_type(schema.field(*place).data_type().clone()));
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), wanted.schema.metadata().clone())
}

impl Iterator for Reading {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

/// Reads a part of a file. Whatever goes wrong, an error of the decoder or a panic in it, is damage
/// to the file.
fn guarded<T, E>(file: &str, read: impl FnOnce() -> Result<T, E>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let (message, source) = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => return Ok(read),
        Ok(Err(error)) => (error.to_string(), Some(error)),
        Err(_) => ("its values contradict its structure".to_owned(), None),
    };
    let error =
        Error::corrupt(format!("not a whole Parquet file: {message}; write it again, or restore it from a copy"));
    let error = match source {
        Some(source) => error.with_source(source),
        None => error,
    };
    Err(error.with_context("file", file))
}
