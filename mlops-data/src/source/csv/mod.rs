//! CSV files.

mod dialect;
mod encoding;
mod infer;
mod parse;
mod quick;
mod reader;
mod records;
mod scan;
mod survey;
mod tokens;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use mlops_core::columns::{describe_columns, find_column};
use mlops_core::{Error, Result, ResultExt};
use serde::{Deserialize, Serialize};

pub use self::dialect::Dialect;
pub use self::encoding::Encoding;
use self::parse::{Nulls, Parser, check_type};
use self::reader::RecordReader;
use self::records::Records;
use self::tokens::Limits;
use super::background::blocking;
use super::files::{Batches, Format, Wanted, file_source};
use super::find::find;
use super::found::{Found, Stamp};
use super::place::Place;

/// CSV files: one, or all that match a pattern or are in a directory ([`Place`]), read one after the
/// other in the order of their names.
///
/// **Dialect**: delimiter (comma, tab, semicolon, bar), quote (double, single) and whether there is a
/// header are told from the first 64 KiB of the first file that is not empty, unless they are set;
/// [`dialect`](Self::dialect) says what was found. Lines may end with LF, CRLF or CR, also mixed; empty
/// lines are skipped. Otherwise the format is that of RFC 4180, in UTF-8 unless
/// [`with_encoding`](Self::with_encoding) says so. Files may be compressed with gzip or Zstandard, which
/// their first bytes tell.
///
/// **Types** are those that are declared ([`with_type`](Self::with_type),
/// [`with_schema`](Self::with_schema)). Columns without a declared type get the narrowest of
/// `Boolean`, `Int64`, `Float64`, `Date32`, `Timestamp` and `Utf8` that loses nothing of any value in
/// any file: that takes one pass over the files, remembered until they change. Times with an offset
/// become `Timestamp` in UTC, those without one `Timestamp` without a zone; a column of both, of
/// whole numbers beyond `Int64`, or without any value is `Utf8`.
///
/// **Nulls**: a text that stands for null ([`with_nulls`](Self::with_nulls), the empty one if nothing is
/// said) and is quoted in a column of text is that text. Spaces around other values than text do not
/// count.
///
/// A file whose lines have too few or too many fields, whose header differs from that of the first
/// file or from the declared schema, which is not in its encoding, or has a value that is not of its
/// column's type is an error that names the file, the line, the column and the remedy. So are a record,
/// a number of columns or decompressed data beyond their limits, which keep memory bounded when a file
/// is hostile.
///
/// A scan reads every byte and parses the columns that it needs. It holds a few batches of
/// [`Scan::batch_size`](mlops_core::Scan::batch_size) rows, each at most 64 MiB of text and one record. Types are inferred on all
/// cores if there are many files, or large ones that are local, not compressed and without quotes.
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
    /// The files.
    pub path: Place,
    /// What is between two fields: one ASCII character; found out if `None`.
    pub delimiter: Option<char>,
    /// What is around a field that holds delimiters or ends of lines: one ASCII character, NUL for
    /// nothing; found out if `None`.
    pub quote: Option<char>,
    /// Whether each file begins with the names of its columns, else they are `column_1`, `column_2`,
    /// …; found out if `None`.
    pub header: Option<bool>,
    /// How characters are written.
    pub encoding: Encoding,
    /// The texts that stand for null.
    pub nulls: Vec<String>,
    /// All columns with their types, in the order of the files; inferred if `None`.
    pub schema: Option<Schema>,
    /// Types of single columns; they come before `schema` and before what would be inferred.
    pub types: BTreeMap<String, DataType>,
    /// Bytes of the longest record that is read: 64 MiB, and at most 1 GiB.
    pub max_record_bytes: usize,
    /// The most columns that are read: 65,536.
    pub max_columns: usize,
    /// The most bytes that are read of a compressed file once it is decompressed: 64 GiB.
    pub max_decompressed_bytes: u64,
    #[serde(skip)]
    inferred: Inferred,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            path: Place::default(),
            delimiter: None,
            quote: None,
            header: None,
            encoding: Encoding::default(),
            nulls: vec![String::new()],
            schema: None,
            types: BTreeMap::new(),
            max_record_bytes: 64 << 20,
            max_columns: 65_536,
            max_decompressed_bytes: 64 << 30,
            inferred: Inferred::default(),
        }
    }
}

impl Csv {
    /// The file at `path`, all files in the directory `path`, or all files that match it as a pattern,
    /// such as `data/*.csv`; of the local file system, or of an object store.
    pub fn at(path: impl Into<Place>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// With this character between fields.
    #[must_use]
    pub fn with_delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    /// With this character around fields that hold delimiters or ends of lines; `'\0'` for none.
    #[must_use]
    pub fn with_quote(mut self, quote: char) -> Self {
        self.quote = Some(quote);
        self
    }

    /// Whether each file begins with the names of its columns.
    #[must_use]
    pub fn with_header(mut self, header: bool) -> Self {
        self.header = Some(header);
        self
    }

    /// With characters written in this way.
    #[must_use]
    pub fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// With another limit for the bytes of one record.
    #[must_use]
    pub fn with_max_record_bytes(mut self, bytes: usize) -> Self {
        self.max_record_bytes = bytes;
        self
    }

    /// With another limit for the number of columns.
    #[must_use]
    pub fn with_max_columns(mut self, columns: usize) -> Self {
        self.max_columns = columns;
        self
    }

    /// With another limit for what a compressed file holds.
    #[must_use]
    pub fn with_max_decompressed_bytes(mut self, bytes: u64) -> Self {
        self.max_decompressed_bytes = bytes;
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

    /// How the files are written: what is set, and what their beginning shows.
    ///
    /// # Errors
    /// If there is no file, or it can't be read.
    pub async fn dialect(&self) -> Result<Dialect> {
        let csv = self.clone();
        blocking(move || Dialect::of(&csv, &find(&csv.path, Self::ENDINGS)?)).await
    }

    fn limits(&self) -> Result<Limits> {
        const MOST: usize = 1 << 30;
        if self.max_record_bytes > MOST {
            return Err(Error::config(format!(
                "records of {} bytes are allowed, which memory is not made for: at most {MOST}",
                self.max_record_bytes
            )));
        }
        Ok(Limits { record: self.max_record_bytes, columns: self.max_columns })
    }

    fn resolve(&self, files: &[Found]) -> Result<(SchemaRef, Plan)> {
        let dialect = Dialect::of(self, files)?;
        let names = self.names(files, &dialect)?;
        let schema = match &self.schema {
            Some(schema) => schema.clone(),
            None => {
                let fields = names.iter().map(|name| Field::new(name, DataType::Utf8, true));
                Schema::new(fields.collect::<Vec<_>>())
            }
        };
        let known: HashSet<&str> = names.iter().map(String::as_str).collect();
        for column in self.types.keys().filter(|column| !known.contains(column.as_str())) {
            find_column(&schema, column).context("declared by", "with_type")?;
        }
        let untyped = |name: &String| self.schema.is_none() && !self.types.contains_key(name);
        let inferred = match names.iter().any(untyped) {
            true => self.inferred.get_or_infer(self, &dialect, files)?,
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
        Ok((Arc::new(schema), Plan { dialect, names }))
    }

    /// The names of the columns, which every file must have in the same order.
    fn names(&self, files: &[Found], dialect: &Dialect) -> Result<Vec<String>> {
        let mut first: Option<Vec<String>> = None;
        for file in files {
            let reader = RecordReader::open(file, self, dialect)?;
            let names = reader.names();
            if let Some(schema) = &self.schema {
                let declared: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                let same = if dialect.header { declared == *names } else { declared.len() == names.len() };
                if !same {
                    return Err(other_columns(names, &describe_columns(schema), "the declared schema")
                        .with_context("file", &file.name));
                }
                first.get_or_insert_with(|| declared.into_iter().map(str::to_owned).collect());
            } else if let Some(expected) = first.as_ref().filter(|expected| *expected != names) {
                let other = format!("the file '{}'", files[0].name);
                return Err(
                    other_columns(names, &format!("[{}]", shown(expected)), &other).with_context("file", &file.name)
                );
            }
            first.get_or_insert_with(|| names.to_vec());
        }
        first.ok_or_else(|| Error::internal("a pattern without files is an error when they are looked for"))
    }
}

/// What is known of the files once they were looked at.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    dialect: Dialect,
    names: Vec<String>,
}

/// A few names in one line.
fn shown(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let more = if names.len() > SHOWN { format!(", … {} more", names.len() - SHOWN) } else { String::new() };
    names[..names.len().min(SHOWN)].join(", ") + &more
}

fn other_columns(names: &[String], expected: &str, of: &str) -> Error {
    Error::schema(format!(
        "the columns are [{}], but {of} has {expected}: read files of different columns as sources of their own, \
         or correct the header",
        shown(names)
    ))
}

file_source!(Csv);

impl Format for Csv {
    const ENDINGS: &'static [&'static str] =
        &[".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".tsv.zst", ".tab", ".psv"];

    type Plan = Plan;

    fn place(&self) -> &Place {
        &self.path
    }

    fn plan(&self, files: &[Found]) -> Result<(SchemaRef, Plan)> {
        self.resolve(files)
    }

    fn open(&self, file: &Found, wanted: &Wanted, plan: &Plan) -> Result<Batches> {
        let reader = RecordReader::open(file, self, &plan.dialect)?;
        if reader.names().len() != plan.names.len() || (plan.dialect.header && reader.names() != plan.names) {
            return Err(Error::schema("the file got other columns while it was read: read it again")
                .with_context("file", &file.name));
        }
        let parser = Parser {
            schema: Arc::clone(&wanted.schema),
            columns: wanted.columns.clone(),
            nulls: Nulls::new(&self.nulls),
        };
        let rows = wanted.limit.map_or(wanted.batch_size, |limit| wanted.batch_size.min(limit.max(1)));
        Ok(Box::new(Reading { reader, parser, rows, records: Records::default() }))
    }
}

/// The batches of a file.
struct Reading {
    reader: RecordReader,
    parser: Parser,
    rows: usize,
    records: Records,
}

impl Iterator for Reading {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let texts = match self.reader.read(&mut self.records, self.rows) {
            Ok(texts) => texts,
            Err(error) => return Some(Err(error)),
        };
        (texts.num_rows() > 0).then(|| self.parser.batch(texts, &self.reader))
    }
}

/// Types that were inferred, for as long as the files and the settings stay the same; shared by
/// clones of a source. It is no part of its value.
#[derive(Clone, Debug, Default)]
struct Inferred(Arc<Mutex<Option<Known>>>);

#[derive(Debug)]
struct Known {
    csv: Csv,
    dialect: Dialect,
    stamps: Vec<Stamp>,
    types: Vec<DataType>,
}

impl PartialEq for Inferred {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Inferred {
    fn get_or_infer(&self, csv: &Csv, dialect: &Dialect, files: &[Found]) -> Result<Vec<DataType>> {
        let stamps = files.iter().map(Found::stamp).collect::<Result<Vec<_>>>()?;
        let known = |known: &&Known| known.csv == *csv && known.dialect == *dialect && known.stamps == stamps;
        if let Some(known) = self.lock().as_ref().filter(known) {
            return Ok(known.types.clone());
        }
        let types = survey::infer(csv, dialect, files)?;
        let csv = Csv { inferred: Self::default(), ..csv.clone() };
        *self.lock() = Some(Known { csv, dialect: *dialect, stamps, types: types.clone() });
        Ok(types)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
