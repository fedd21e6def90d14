//! Parquet files.

mod prune;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::iter;
use mlops_core::columns::describe_columns;
use mlops_core::{BatchStream, DataSource, Error, Result, ResultExt, Scan};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use serde::{Deserialize, Serialize};

use self::prune::row_groups;
use super::background::{blocking, in_background};
use super::files::{find, open};
use super::pushdown::{check_scan, needed_columns};

/// Parquet files: one, or all that match a pattern, read one after the other in the order of their
/// names.
///
/// A scan reads the columns that it needs of the row groups that its filter can't rule out by their
/// statistics (comparisons of signed numbers, dates and times with a literal), and stops at its limit. All
/// files must have the same columns and types; a column may hold nulls if it may in one of them.
///
/// A file that is torn or damaged is an error of kind
/// [`Corrupt`](mlops_core::ErrorKind::Corrupt) that names it and how far it could be read. Parquet
/// itself notices damage to its structure and to compressed pages; a flipped bit in an uncompressed
/// value is a different value.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Parquet {
    /// A file, or a pattern with `*`, `?`, `[…]` and `**`.
    pub path: PathBuf,
}

impl Parquet {
    /// The file at `path`, or all files that match it as a pattern, such as `data/*.parquet`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The files and what they hold. Reads the footers; blocks.
    fn resolve(&self) -> Result<(Vec<PathBuf>, SchemaRef)> {
        // There is at least one file, or `find` fails.
        let files = find(&self.path)?;
        let first = schema_of(&files[0])?;
        let mut fields: Vec<_> = first.fields().iter().map(|field| field.as_ref().clone()).collect();
        for path in &files[1..] {
            let schema = schema_of(path)?;
            same_columns(&first, &schema, &files[0]).context("file", path.display())?;
            for (field, other) in fields.iter_mut().zip(schema.fields()) {
                field.set_nullable(field.is_nullable() || other.is_nullable());
            }
        }
        Ok((files, Arc::new(Schema::new(fields))))
    }
}

#[async_trait]
impl DataSource for Parquet {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    async fn schema(&self) -> Result<SchemaRef> {
        let parquet = self.clone();
        Ok(blocking(move || parquet.resolve()).await?.1)
    }

    async fn scan(&self, scan: Scan) -> Result<BatchStream> {
        let parquet = self.clone();
        let (files, schema) = blocking(move || parquet.resolve()).await?;
        check_scan(&scan, &schema).context("source", self.name())?;
        let columns = needed_columns(&scan, &schema)?;
        let read_schema: SchemaRef = Arc::new(schema.project(&columns)?);
        let batches = Batches {
            files: files.into_iter(),
            schema,
            read_schema: Arc::clone(&read_schema),
            columns,
            scan: scan.clone(),
            current: None,
        };
        in_background(&self.name(), &read_schema, &scan, iter(batches).boxed())
    }
}

/// The batches of all files.
struct Batches {
    files: std::vec::IntoIter<PathBuf>,
    schema: SchemaRef,
    read_schema: SchemaRef,
    columns: Vec<usize>,
    scan: Scan,
    current: Option<Current>,
}

/// A file that is being read.
struct Current {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    rows: usize,
}

impl Batches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.current.is_none() {
                let Some(path) = self.files.next() else { return Ok(None) };
                self.current = Some(self.start(path)?);
            }
            let Some(current) = &mut self.current else { continue };
            if let Some(batch) = current.next_batch()? {
                return Ok(Some(batch.with_schema(Arc::clone(&self.read_schema))?));
            }
            self.current = None;
        }
    }

    fn start(&self, path: PathBuf) -> Result<Current> {
        let builder = builder(&path)?;
        same_columns(&self.schema, builder.schema(), Path::new("of before, as it was when the scan began"))
            .context("file", path.display())?;
        let reader = guarded(&path, || {
            let mask = ProjectionMask::roots(builder.parquet_schema(), self.columns.iter().copied());
            let groups = row_groups(self.scan.filter.as_ref(), &builder);
            let mut builder =
                builder.with_projection(mask).with_row_groups(groups).with_batch_size(self.scan.batch_size.max(1));
            if let (Some(limit), None) = (self.scan.limit, &self.scan.filter) {
                builder = builder.with_limit(limit);
            }
            builder.build()
        })?;
        Ok(Current { path, reader, rows: 0 })
    }
}

impl Current {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Self { path, reader, rows } = self;
        let batch = guarded(path, || reader.next().transpose()).context("after row", *rows)?;
        *rows += batch.as_ref().map_or(0, RecordBatch::num_rows);
        Ok(batch)
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = open(path)?;
    guarded(path, || ParquetRecordBatchReaderBuilder::try_new(file))
}

fn schema_of(path: &Path) -> Result<SchemaRef> {
    Ok(Arc::clone(builder(path)?.schema()))
}

/// Reads a part of a file. Whatever goes wrong, an error of the decoder or a panic in it, is damage
/// to the file.
fn guarded<T, E: Into<Damage>>(path: &Path, read: impl FnOnce() -> Result<T, E>) -> Result<T> {
    let problem = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => return Ok(read),
        Ok(Err(error)) => error.into(),
        Err(_) => Damage { message: "its values contradict its structure".to_owned(), source: None },
    };
    let error = Error::corrupt(format!(
        "not a whole Parquet file: {}; write it again, or restore it from a copy",
        problem.message
    ));
    let error = match problem.source {
        Some(source) => error.with_source(source),
        None => error,
    };
    Err(error.with_context("file", path.display()))
}

struct Damage {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl From<parquet::errors::ParquetError> for Damage {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self { message: error.to_string(), source: Some(Box::new(error)) }
    }
}

impl From<ArrowError> for Damage {
    fn from(error: ArrowError) -> Self {
        Self { message: error.to_string(), source: Some(Box::new(error)) }
    }
}

fn same_columns(expected: &Schema, given: &Schema, of: &Path) -> Result<()> {
    let mut pairs = expected.fields().iter().zip(given.fields());
    if expected.fields().len() == given.fields().len()
        && pairs.all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
    {
        return Ok(());
    }
    Err(Error::schema(format!(
        "the columns are {}, but the file '{}' has {}: read files of different columns as sources of their own",
        describe_columns(given),
        of.display(),
        describe_columns(expected)
    )))
}
