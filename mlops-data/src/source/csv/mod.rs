//! CSV files.

mod infer;
mod parse;
mod reader;
mod tokens;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::iter;
use mlops_core::columns::{describe_columns, find_column};
use mlops_core::{BatchStream, DataSource, Error, Result, ResultExt, Scan};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::infer::Seen;
use self::parse::{Nulls, Parser, check_type};
use self::reader::RecordReader;
use self::tokens::Records;
use super::background::{blocking, in_background};
use super::files::{cannot_read, find};
use super::pushdown::{check_scan, needed_columns};

/// CSV files: one, or all that match a pattern, read one after the other in the order of their names.
///
/// **Types** are those that are declared ([`with_type`](Self::with_type),
/// [`with_schema`](Self::with_schema)). Columns without a declared type get the narrowest of
/// `Boolean`, `Int64`, `Float64`, `Date32`, `Timestamp` and `Utf8` that loses nothing of any value in
/// any file: that takes one pass over the files, remembered until they change. Times with an offset
/// become `Timestamp` in UTC, those without one `Timestamp` without a zone; a column of both, of
/// whole numbers beyond `Int64`, or without any value is `Utf8`.
///
/// **Format**: as RFC 4180, in UTF-8; lines may end with LF, CRLF or CR, empty lines are skipped. A
/// text that stands for null ([`with_nulls`](Self::with_nulls), the empty one if nothing is said) and
/// is quoted in a column of text is that text. Spaces around other values than text do not count.
///
/// A file whose lines have too few or too many fields, whose header differs from that of the first
/// file or from the declared schema, which is not UTF-8, or has a value that is not of its column's
/// type is an error that names the file, the line, the column and the remedy.
///
/// A scan reads every byte and parses the columns that it needs. It holds a few batches of
/// [`Scan::batch_size`] rows, each at most 64 MiB of text.
///
/// # Example
/// ```
/// use arrow::datatypes::DataType;
/// use mlops_core::{DataSource, DataSourceExt};
/// use mlops_data::Csv;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("trips.csv");
/// std::fs::write(&path, "zone,minutes,code\nnorth,12,007\nsouth,NA,11\n")?;
/// let trips = Csv::at(&path).with_nulls(["NA"]).with_type("code", DataType::Utf8);
/// assert_eq!(trips.schema().await?.field(1).data_type(), &DataType::Int64);
/// assert_eq!(trips.read().await?.num_rows(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Csv {
    /// A file, or a pattern with `*`, `?`, `[…]` and `**`.
    pub path: PathBuf,
    /// What is between two fields: one ASCII character.
    pub delimiter: char,
    /// Whether each file begins with the names of its columns; else they are `column_1`, `column_2`, ….
    pub header: bool,
    /// The texts that stand for null.
    pub nulls: Vec<String>,
    /// All columns with their types, in the order of the files; inferred if `None`.
    pub schema: Option<Schema>,
    /// Types of single columns; they come before `schema` and before what would be inferred.
    pub types: BTreeMap<String, DataType>,
    #[serde(skip)]
    inferred: Inferred,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            delimiter: ',',
            header: true,
            nulls: vec![String::new()],
            schema: None,
            types: BTreeMap::new(),
            inferred: Inferred::default(),
        }
    }
}

impl Csv {
    /// The file at `path`, or all files that match it as a pattern, such as `data/*.csv`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// With another character than a comma between fields.
    #[must_use]
    pub fn with_delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Whether each file begins with the names of its columns.
    #[must_use]
    pub fn with_header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }

    /// With other texts that stand for null; name the empty one too if it is meant.
    #[must_use]
    pub fn with_nulls<S: Into<String>>(mut self, nulls: impl IntoIterator<Item = S>) -> Self {
        self.nulls = nulls.into_iter().map(Into::into).collect();
        self
    }

    /// With all columns declared, in the order of the files: nothing is inferred.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<SchemaRef>) -> Self {
        self.schema = Some(Arc::unwrap_or_clone(schema.into()));
        self
    }

    /// With the type of one column declared.
    #[must_use]
    pub fn with_type(mut self, column: impl Into<String>, data_type: DataType) -> Self {
        self.types.insert(column.into(), data_type);
        self
    }

    fn delimiter(&self) -> Result<u8> {
        u8::try_from(self.delimiter).ok().filter(|d| d.is_ascii() && !matches!(d, b'"' | b'\n' | b'\r')).ok_or_else(
            || {
                Error::config(format!(
                    "{:?} can't be between fields: choose one ASCII character, not a quote or an end of line",
                    self.delimiter
                ))
            },
        )
    }

    fn open(&self, path: &Path) -> Result<RecordReader> {
        RecordReader::open(path, self.delimiter()?, self.header)
    }

    /// The files and what they hold. Blocks.
    fn resolve(&self) -> Result<(Vec<PathBuf>, SchemaRef)> {
        let files = find(&self.path)?;
        let names = self.names(&files)?;
        let schema = match &self.schema {
            Some(schema) => schema.clone(),
            None => {
                let fields = names.iter().map(|name| Field::new(name, DataType::Utf8, true));
                Schema::new(fields.collect::<Vec<_>>())
            }
        };
        for column in self.types.keys() {
            find_column(&schema, column).context("declared by", "with_type")?;
        }
        let untyped = |name: &String| self.schema.is_none() && !self.types.contains_key(name);
        let inferred = match names.iter().any(untyped) {
            true => self.inferred.get_or_infer(self, &files)?,
            false => vec![DataType::Utf8; names.len()],
        };
        let fields = schema.fields().iter().zip(inferred).map(|(field, inferred)| {
            let declared = self.types.get(field.name()).cloned();
            let data_type = declared.unwrap_or_else(|| match self.schema {
                Some(_) => field.data_type().clone(),
                None => inferred,
            });
            field.as_ref().clone().with_data_type(data_type)
        });
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone());
        schema.fields().iter().try_for_each(|field| check_type(field))?;
        Ok((files, Arc::new(schema)))
    }

    /// The names of the columns, which every file must have in the same order.
    fn names(&self, files: &[PathBuf]) -> Result<Vec<String>> {
        let mut first: Option<Vec<String>> = None;
        for path in files {
            let reader = self.open(path)?;
            let names = reader.names();
            if let Some(schema) = &self.schema {
                let declared: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                let same = if self.header { declared == *names } else { declared.len() == names.len() };
                if !same {
                    return Err(other_columns(names, &describe_columns(schema), "the declared schema")
                        .with_context("file", path.display()));
                }
                first.get_or_insert_with(|| declared.into_iter().map(str::to_owned).collect());
            } else if let Some(expected) = first.as_ref().filter(|expected| *expected != names) {
                let other = format!("the file '{}'", files[0].display());
                return Err(other_columns(names, &format!("[{}]", expected.join(", ")), &other)
                    .with_context("file", path.display()));
            }
            first.get_or_insert_with(|| names.to_vec());
        }
        first.ok_or_else(|| Error::internal("a pattern without files is an error when they are looked for"))
    }

    /// What is seen in the columns of all files, read side by side.
    fn infer(&self, files: &[PathBuf]) -> Result<Vec<DataType>> {
        let seen: Vec<Result<Vec<Seen>>> = files.par_iter().map(|path| self.infer_file(path)).collect();
        let mut all: Vec<Seen> = Vec::new();
        for seen in seen {
            let seen = seen?;
            all.resize(seen.len(), Seen::default());
            all.iter_mut().zip(seen).for_each(|(all, seen)| all.merge(seen));
        }
        Ok(all.into_iter().map(Seen::data_type).collect())
    }

    fn infer_file(&self, path: &Path) -> Result<Vec<Seen>> {
        const ROWS: usize = 4096;
        let mut reader = self.open(path)?;
        let nulls = Nulls::new(&self.nulls);
        let mut seen = vec![Seen::default(); reader.names().len()];
        let open: Vec<usize> = (0..seen.len()).filter(|c| !self.types.contains_key(&reader.names()[*c])).collect();
        let mut records = Records::default();
        loop {
            let texts = reader.read(&mut records, ROWS)?;
            if texts.num_rows() == 0 {
                return Ok(seen);
            }
            for column in &open {
                for row in 0..texts.num_rows() {
                    let (text, _) = texts.field(row, *column);
                    let trimmed = text.trim_ascii();
                    if !nulls.contains(trimmed) && (trimmed.len() == text.len() || !nulls.contains(text)) {
                        seen[*column].see(trimmed);
                    }
                }
            }
        }
    }
}

fn other_columns(names: &[String], expected: &str, of: &str) -> Error {
    Error::schema(format!(
        "the columns are [{}], but {of} has {expected}: read files of different columns as sources of their own, \
         or correct the header",
        names.join(", ")
    ))
}

#[async_trait]
impl DataSource for Csv {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    async fn schema(&self) -> Result<SchemaRef> {
        let csv = self.clone();
        Ok(blocking(move || csv.resolve()).await?.1)
    }

    async fn scan(&self, scan: Scan) -> Result<BatchStream> {
        let csv = self.clone();
        let (files, schema) = blocking(move || csv.resolve()).await?;
        check_scan(&scan, &schema).context("source", self.name())?;
        let columns = needed_columns(&scan, &schema)?;
        let parser = Parser { schema: Arc::new(schema.project(&columns)?), columns, nulls: Nulls::new(&self.nulls) };
        let rows = match (&scan.filter, scan.limit) {
            (None, Some(limit)) => scan.batch_size.min(limit),
            _ => scan.batch_size,
        };
        let read_schema = Arc::clone(&parser.schema);
        let batches = Batches {
            csv: self.clone(),
            files: files.into_iter(),
            names: schema.fields().iter().map(|field| field.name().clone()).collect(),
            parser,
            rows: rows.max(1),
            reader: None,
            records: Records::default(),
        };
        in_background(&self.name(), &read_schema, &scan, iter(batches).boxed())
    }
}

/// The batches of all files.
struct Batches {
    csv: Csv,
    files: std::vec::IntoIter<PathBuf>,
    names: Vec<String>,
    parser: Parser,
    rows: usize,
    reader: Option<RecordReader>,
    records: Records,
}

impl Batches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                None => match self.files.next() {
                    Some(path) => self.reader.insert(self.csv.open(&path)?),
                    None => return Ok(None),
                },
            };
            if reader.names().len() != self.names.len() || (self.csv.header && reader.names() != self.names) {
                return Err(Error::schema("the file got other columns while it was read: read it again")
                    .with_context("file", reader.path().display()));
            }
            let texts = reader.read(&mut self.records, self.rows)?;
            if texts.num_rows() > 0 {
                return self.parser.batch(texts, reader).map(Some);
            }
            self.reader = None;
        }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

/// Types that were inferred, for as long as the files and the settings stay the same; shared by
/// clones of a source. It is no part of its value.
#[derive(Clone, Debug, Default)]
struct Inferred(Arc<Mutex<Option<Known>>>);

#[derive(Debug)]
struct Known {
    csv: Csv,
    stamps: Vec<Stamp>,
    types: Vec<DataType>,
}

/// What tells that a file is another one than before.
#[derive(Debug, PartialEq)]
struct Stamp {
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

impl PartialEq for Inferred {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Inferred {
    fn get_or_infer(&self, csv: &Csv, files: &[PathBuf]) -> Result<Vec<DataType>> {
        let stamps = files.iter().map(|path| Stamp::of(path)).collect::<Result<Vec<_>>>()?;
        let known = |known: &&Known| known.csv == *csv && known.stamps == stamps;
        if let Some(known) = self.lock().as_ref().filter(known) {
            return Ok(known.types.clone());
        }
        let types = csv.infer(files)?;
        let csv = Csv { inferred: Self::default(), ..csv.clone() };
        *self.lock() = Some(Known { csv, stamps, types: types.clone() });
        Ok(types)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stamp {
    fn of(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|error| cannot_read(path, error))?;
        Ok(Self { path: path.to_owned(), length: metadata.len(), modified: metadata.modified().ok() })
    }
}
