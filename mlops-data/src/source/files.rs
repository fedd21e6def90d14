//! What the sources of files have in common: finding them, partitions, and the order of reading.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use futures::StreamExt;
use futures::stream::iter;
use mlops_core::{BatchStream, Error, Expr, Result, ResultExt, Scan};

use super::background::{blocking, in_background};
use super::find::find;
use super::found::Found;
use super::partitions::Partitions;
use super::place::Place;
use super::pushdown::{check_scan, needed_columns};

/// The batches of one file.
pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// A format of files. Its methods block.
pub(super) trait Format: Clone + Send + Sync + 'static {
    /// How the names of its files end, in small letters: what is read of a directory.
    const ENDINGS: &'static [&'static str];

    /// What it learns of all files before it reads one.
    type Plan: Send + Sync + 'static;

    fn place(&self) -> &Place;

    /// The columns of the files, of which there is at least one.
    fn plan(&self, files: &[Found]) -> Result<(SchemaRef, Self::Plan)>;

    /// The rows of a file: all columns that are wanted, in their order.
    fn open(&self, file: &Found, wanted: &Wanted, plan: &Self::Plan) -> Result<Batches>;
}

/// Makes a [`DataSource`](mlops_core::DataSource) of a [`Format`] with the setting `path`.
macro_rules! file_source {
    ($source:ty) => {
        #[async_trait::async_trait]
        impl mlops_core::DataSource for $source {
            fn name(&self) -> String {
                self.path.to_string()
            }

            async fn schema(&self) -> mlops_core::Result<arrow::datatypes::SchemaRef> {
                $crate::source::files::schema(self).await
            }

            async fn scan(&self, scan: mlops_core::Scan) -> mlops_core::Result<mlops_core::BatchStream> {
                $crate::source::files::scan(self, scan).await
            }
        }
    };
}
pub(super) use file_source;

/// What is to be read of each file.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "other formats ask for a part of it"))]
pub(super) struct Wanted {
    /// All columns of the files.
    pub(super) file_schema: SchemaRef,
    /// The places of the columns that are read, ascending.
    pub(super) columns: Vec<usize>,
    /// Those columns.
    pub(super) schema: SchemaRef,
    /// Rows for which this is not true may be left out; it may name columns that no file has.
    pub(super) filter: Option<Expr>,
    /// Rows after so many may be left out.
    pub(super) limit: Option<usize>,
    pub(super) batch_size: usize,
    /// The places of the columns whose texts may come as dictionaries.
    pub(super) dictionaries: Vec<usize>,
}

struct Resolved<P> {
    files: Vec<Found>,
    file_schema: SchemaRef,
    partitions: Partitions,
    /// Columns of the files, then those of their directories.
    schema: SchemaRef,
    plan: P,
}

fn resolve<F: Format>(format: &F) -> Result<Resolved<F::Plan>> {
    let files = find(format.place(), F::ENDINGS)?;
    let (file_schema, plan) = format.plan(&files)?;
    let partitions = Partitions::of(&files)?;
    let mut fields: Vec<_> = file_schema.fields().iter().cloned().collect();
    for field in partitions.fields() {
        if file_schema.index_of(field.name()).is_ok() {
            return Err(Error::schema(format!(
                "'{0}' is a column of the files and of the directories '{0}=…': take one of them away",
                field.name()
            ))
            .with_context("file", &files[0].name));
        }
        fields.push(Arc::clone(field));
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, file_schema.metadata().clone()));
    Ok(Resolved { files, file_schema, partitions, schema, plan })
}

/// What [`DataSource::schema`](mlops_core::DataSource::schema) says of files.
pub(super) async fn schema<F: Format>(format: &F) -> Result<SchemaRef> {
    let format = format.clone();
    blocking(move || Ok(resolve(&format)?.schema)).await
}

/// What [`DataSource::scan`](mlops_core::DataSource::scan) does with files.
pub(super) async fn scan<F: Format>(format: &F, scan: Scan) -> Result<BatchStream> {
    let name = format.place().to_string();
    let shared = format.clone();
    let resolved = blocking(move || resolve(&shared)).await?;
    check_scan(&scan, &resolved.schema).context("source", &name)?;
    let columns = needed_columns(&scan, &resolved.schema)?;
    let in_files = columns.partition_point(|column| *column < resolved.file_schema.fields().len());
    let read_schema: SchemaRef = Arc::new(resolved.schema.project(&columns)?);
    let wanted = Wanted {
        schema: Arc::new(resolved.file_schema.project(&columns[..in_files])?),
        file_schema: Arc::clone(&resolved.file_schema),
        columns: columns[..in_files].to_vec(),
        filter: scan.filter.clone(),
        limit: scan.limit.filter(|_| scan.filter.is_none()),
        batch_size: scan.batch_size.max(1),
        dictionaries: dictionaries(&scan, &resolved.file_schema, &columns[..in_files]),
    };
    let kept = match &scan.filter {
        Some(filter) => resolved.partitions.kept_by(filter)?,
        None => vec![true; resolved.files.len()],
    };
    let places = columns[in_files..].iter().map(|column| column - resolved.file_schema.fields().len()).collect();
    let files = resolved.files.into_iter().enumerate().filter(|(file, _)| kept[*file]).collect::<Vec<_>>();
    let reading = Reading {
        format: format.clone(),
        plan: resolved.plan,
        files: files.into_iter(),
        partitions: resolved.partitions,
        places,
        schema: Arc::clone(&read_schema),
        wanted,
        current: None,
    };
    in_background(&name, &read_schema, &scan, iter(reading).boxed())
}

/// Which of `columns` are texts that a scan lets come as dictionaries.
fn dictionaries(scan: &Scan, schema: &Schema, columns: &[usize]) -> Vec<usize> {
    let filtered: Vec<&str> = scan.filter.iter().flat_map(|filter| filter.columns()).collect();
    let may = |place: &&usize| {
        let field = schema.field(**place);
        scan.dictionaries && *field.data_type() == DataType::Utf8 && !filtered.contains(&field.name().as_str())
    };
    columns.iter().filter(may).copied().collect()
}

/// The batches of all files, one file after the other.
struct Reading<F: Format> {
    format: F,
    plan: F::Plan,
    files: std::vec::IntoIter<(usize, Found)>,
    partitions: Partitions,
    /// Which columns of the partitions are read.
    places: Vec<usize>,
    schema: SchemaRef,
    wanted: Wanted,
    current: Option<(usize, Batches)>,
}

impl<F: Format> Reading<F> {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((file, batches)) = &mut self.current {
                if let Some(batch) = batches.next() {
                    let file = *file;
                    return self.with_partitions(batch?, file).map(Some);
                }
                self.current = None;
            }
            let Some((index, file)) = self.files.next() else { return Ok(None) };
            let batches = self.format.open(&file, &self.wanted, &self.plan)?;
            self.current = Some((index, batches));
        }
    }

    fn with_partitions(&self, batch: RecordBatch, file: usize) -> Result<RecordBatch> {
        if self.places.is_empty() {
            return Ok(batch);
        }
        let (schema, mut columns, rows) = batch.into_parts();
        let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
        fields.extend(self.schema.fields()[fields.len()..].iter().cloned());
        for place in &self.places {
            columns.push(repeated(self.partitions.column(*place), file, rows)?);
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, self.schema.metadata().clone()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }
}

fn repeated(column: &ArrayRef, row: usize, times: usize) -> Result<ArrayRef> {
    let row = u32::try_from(row).map_err(|_| Error::unsupported("more than 4,294,967,295 files: read fewer"))?;
    Ok(take(column, &UInt32Array::from_value(row, times), None)?)
}

impl<F: Format> Iterator for Reading<F> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

#[cfg(any(feature = "ipc", feature = "parquet"))]
impl Wanted {
    /// Refuses a file that has other columns than it had when the scan began.
    pub(super) fn refuse_changed(&self, schema: &Schema, file: &Found) -> Result<()> {
        same_columns(&self.file_schema, schema, "of before, as it was when the scan began").context("file", &file.name)
    }
}

/// The schema of files that must have the same columns and types, each name once; a column may hold nulls if it
/// may in one of them.
#[cfg(any(feature = "ipc", feature = "parquet"))]
pub(super) fn common_schema(files: &[Found], schema_of: impl Fn(&Found) -> Result<SchemaRef>) -> Result<SchemaRef> {
    let first = schema_of(&files[0])?;
    refuse_twins(first.fields().iter().map(|field| field.name().as_str())).context("file", &files[0].name)?;
    let mut fields: Vec<arrow::datatypes::Field> = first.fields().iter().map(|field| field.as_ref().clone()).collect();
    for file in &files[1..] {
        let schema = schema_of(file)?;
        same_columns(&first, &schema, &files[0].name).context("file", &file.name)?;
        for (field, other) in fields.iter_mut().zip(schema.fields()) {
            field.set_nullable(field.is_nullable() || other.is_nullable());
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Refuses columns that differ from those of the file called `of`.
#[cfg(any(feature = "ipc", feature = "parquet"))]
fn same_columns(expected: &Schema, given: &Schema, of: &str) -> Result<()> {
    use mlops_core::columns::describe_columns;

    let mut pairs = expected.fields().iter().zip(given.fields());
    if expected.fields().len() == given.fields().len()
        && pairs.all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
    {
        return Ok(());
    }
    Err(Error::schema(format!(
        "the columns are {}, but the file '{of}' has {}: read files of different columns as sources of their own",
        describe_columns(given),
        describe_columns(expected)
    )))
}

/// Refuses two columns of one name, which no scan could tell apart.
pub(super) fn refuse_twins<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut places = std::collections::HashMap::new();
    for (place, name) in (1..).zip(names) {
        if let Some(before) = places.insert(name, place) {
            return Err(Error::schema(format!(
                "columns {before} and {place} are both called '{name}': rename one of them"
            )));
        }
    }
    Ok(())
}
