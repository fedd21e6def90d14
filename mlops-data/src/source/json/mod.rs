//! Files of JSON lines.

mod infer;
mod lines;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_json::ReaderBuilder;
use arrow_json::reader::Decoder;
use mlops_core::columns::find_column;
use mlops_core::{Error, Result, ResultExt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::infer::{Object, see_row};
use self::lines::{Batch, Lines};
use super::files::{Batches, Format, Wanted, file_source};
use super::found::{Found, Stamp};
use super::input;
use super::place::Place;

/// Files of JSON lines (also called NDJSON): an object on each line. One, or all files that match a
/// pattern or are in a directory ([`Place`]), read one after the other in the order of their names.
///
/// **Types** are those that are declared ([`with_type`](Self::with_type),
/// [`with_schema`](Self::with_schema)). Columns without a declared type get the narrowest of `Boolean`,
/// `Int64`, `Float64`, `Utf8`, lists and structures of them that holds every value in any file: that takes
/// one pass over the files, remembered until they change. A field that is missing is null. Scalars of
/// different kinds, and whole numbers beyond `Int64`, are `Utf8`; texts stay `Utf8`, also those that look
/// like dates, unless another type is declared. A list or an object beside another kind of value is an
/// error that names the column.
///
/// **Format**: UTF-8, lines end with LF or CRLF, empty lines are skipped. Files may be compressed with
/// gzip or Zstandard, which their first bytes tell. A line that is no object, or has a value that is not of
/// its column's type, is an error that names the file, the line and the remedy. With a declared schema,
/// fields that it does not name are left out.
///
/// # Example
/// ```
/// use mlops_core::{DataSource, DataSourceExt};
/// use mlops_data::JsonLines;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("trips.jsonl");
/// std::fs::write(&path, "{\"zone\": \"north\", \"minutes\": 12}\n{\"minutes\": 7.5}\n")?;
/// let trips = JsonLines::at(&path);
/// assert_eq!(trips.schema().await?.field(1).data_type(), &arrow::datatypes::DataType::Float64);
/// assert_eq!(trips.read().await?.column("zone")?.null_count(), 1);
/// # use arrow::array::Array;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct JsonLines {
    /// The files.
    pub path: Place,
    /// All columns with their types; inferred if `None`.
    pub schema: Option<Schema>,
    /// Types of single columns; they come before `schema` and before what would be inferred.
    pub types: BTreeMap<String, DataType>,
    /// Bytes of the longest line that is read: 64 MiB, and at most 1 GiB.
    pub max_record_bytes: usize,
    /// The most columns that are found: 65,536.
    pub max_columns: usize,
    /// The most bytes that are read of a compressed file once it is decompressed: 64 GiB.
    pub max_decompressed_bytes: u64,
    #[serde(skip)]
    inferred: Inferred,
}

/// What was inferred, for as long as the files and the settings stay the same. It is no part of a
/// source's value.
#[derive(Clone, Debug, Default)]
struct Inferred(Arc<Mutex<Option<Known>>>);

#[derive(Debug)]
struct Known {
    json: JsonLines,
    stamps: Vec<Stamp>,
    schema: SchemaRef,
}

impl PartialEq for Inferred {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Default for JsonLines {
    fn default() -> Self {
        Self {
            path: Place::default(),
            schema: None,
            types: BTreeMap::new(),
            max_record_bytes: 64 << 20,
            max_columns: 65_536,
            max_decompressed_bytes: 64 << 30,
            inferred: Inferred::default(),
        }
    }
}

impl JsonLines {
    /// The file at `path`, all files in the directory `path`, or all files that match it as a pattern,
    /// such as `data/*.jsonl`; of the local file system, or of an object store.
    pub fn at(path: impl Into<Place>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// With all columns declared: nothing is inferred.
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

    /// With another limit for the bytes of one line.
    #[must_use]
    pub fn with_max_record_bytes(mut self, bytes: usize) -> Self {
        self.max_record_bytes = bytes;
        self
    }

    /// With another limit for what a compressed file holds.
    #[must_use]
    pub fn with_max_decompressed_bytes(mut self, bytes: u64) -> Self {
        self.max_decompressed_bytes = bytes;
        self
    }

    fn lines(&self, file: &Found) -> Result<Lines> {
        const MOST: usize = 1 << 30;
        if self.max_record_bytes > MOST {
            return Err(Error::config(format!(
                "lines of {} bytes are allowed, which memory is not made for: at most {MOST}",
                self.max_record_bytes
            )));
        }
        let input = input::open(file, self.max_decompressed_bytes)?;
        Ok(Lines::new(&file.name, input, self.max_record_bytes))
    }

    fn resolve(&self, files: &[Found]) -> Result<SchemaRef> {
        let schema = match &self.schema {
            Some(schema) => Arc::new(schema.clone()),
            None => self.get_or_infer(files)?,
        };
        for column in self.types.keys() {
            find_column(&schema, column).context("declared by", "with_type")?;
        }
        let fields = schema.fields().iter().map(|field| match self.types.get(field.name()) {
            Some(data_type) => field.as_ref().clone().with_data_type(data_type.clone()),
            None => field.as_ref().clone(),
        });
        let schema = Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()));
        // A type that can't be read is told before a row is.
        decoder(&schema, 1)?;
        Ok(schema)
    }

    fn get_or_infer(&self, files: &[Found]) -> Result<SchemaRef> {
        let stamps = files.iter().map(Found::stamp).collect::<Result<Vec<_>>>()?;
        let mut inferred = self.inferred.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = inferred.as_ref().filter(|known| known.json == *self && known.stamps == stamps) {
            return Ok(Arc::clone(&known.schema));
        }
        let schema = self.infer(files)?;
        let json = Self { inferred: Inferred::default(), ..self.clone() };
        *inferred = Some(Known { json, stamps, schema: Arc::clone(&schema) });
        Ok(schema)
    }

    /// The columns of all files, read side by side.
    fn infer(&self, files: &[Found]) -> Result<SchemaRef> {
        let seen: Vec<Result<Object>> = files.par_iter().map(|file| self.infer_file(file)).collect();
        let mut all = Object::default();
        for object in seen {
            all.merge(object?);
        }
        self.check_width(&all).context("file", &files[0].name)?;
        let fields = all.fields().map_err(|path| {
            Error::data(format!(
                "column '{}' holds lists or objects beside other kinds of values: declare its type with \
                 `.with_type(…)`, or make it one kind",
                path.trim_start_matches('.')
            ))
            .with_context("source", &self.path)
        })?;
        Ok(Arc::new(Schema::new(fields)))
    }

    fn infer_file(&self, file: &Found) -> Result<Object> {
        const ROWS: usize = 4096;
        let mut lines = self.lines(file)?;
        let (mut seen, mut batch) = (Object::default(), Batch::default());
        loop {
            lines.read(&mut batch, ROWS)?;
            if batch.ends.is_empty() {
                return Ok(seen);
            }
            for (number, line) in batch.lines() {
                see_row(line, &mut seen).map_err(|error| not_an_object(&lines, number, &error))?;
                self.check_width(&seen).context("line", number).context("file", lines.name())?;
            }
        }
    }

    fn check_width(&self, seen: &Object) -> Result<()> {
        if seen.len() <= self.max_columns {
            return Ok(());
        }
        Err(Error::data(format!(
            "more than {} different fields, the limit: are names used as values? If they are meant, set `max_columns`",
            self.max_columns
        )))
    }
}

fn not_an_object(lines: &Lines, number: u64, error: &serde_json::Error) -> Error {
    lines
        .error(number, &format!("column {}: not a JSON object: {error}; write one object on each line", error.column()))
}

fn decoder(schema: &SchemaRef, rows: usize) -> Result<Decoder> {
    let builder = ReaderBuilder::new(Arc::clone(schema)).with_batch_size(rows).with_coerce_primitive(true);
    builder.build_decoder().map_err(|error| {
        Error::config(format!("a column's type can't be read from JSON: {error}; declare another")).with_source(error)
    })
}

file_source!(JsonLines);

impl Format for JsonLines {
    const ENDINGS: &'static [&'static str] = &[
        ".jsonl",
        ".jsonl.gz",
        ".jsonl.zst",
        ".ndjson",
        ".ndjson.gz",
        ".ndjson.zst",
        ".json",
        ".json.gz",
        ".json.zst",
    ];

    type Plan = ();

    fn place(&self) -> &Place {
        &self.path
    }

    fn plan(&self, files: &[Found]) -> Result<(SchemaRef, ())> {
        Ok((self.resolve(files)?, ()))
    }

    fn open(&self, file: &Found, wanted: &Wanted, (): &()) -> Result<Batches> {
        Ok(Box::new(Reading {
            lines: self.lines(file)?,
            rows: wanted.limit.map_or(wanted.batch_size, |limit| wanted.batch_size.min(limit.max(1))),
            schema: Arc::clone(&wanted.schema),
            batch: Batch::default(),
        }))
    }
}

/// The batches of a file.
struct Reading {
    lines: Lines,
    schema: SchemaRef,
    rows: usize,
    batch: Batch,
}

impl Reading {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.lines.read(&mut self.batch, self.rows)?;
        if self.batch.ends.is_empty() {
            return Ok(None);
        }
        match self.decode(&self.batch.bytes, self.batch.ends.len()) {
            Ok(batch) if batch.num_rows() == self.batch.ends.len() => Ok(Some(batch)),
            Ok(_) => Err(self.wrong_line(None)),
            Err(error) => Err(self.wrong_line(Some(error))),
        }
    }

    fn decode(&self, bytes: &[u8], rows: usize) -> Result<RecordBatch, ArrowError> {
        let mut decoder = decoder(&self.schema, rows).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = decoder.decode(rest)?;
            if taken == 0 {
                return Err(ArrowError::JsonError("more than one object is on a line".to_owned()));
            }
            rest = &rest[taken..];
        }
        Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&self.schema))))
    }

    /// The error of the first line that is wrong by itself.
    fn wrong_line(&self, error: Option<ArrowError>) -> Error {
        for (number, line) in self.batch.lines() {
            if let Err(error) = see_row(line, &mut Object::default()) {
                return not_an_object(&self.lines, number, &error);
            }
            if let Err(error) = self.decode(line, 1) {
                let message = format!("{error}; correct it, or declare another type with `.with_type(…)`");
                return self.lines.error(number, &message).with_source(error);
            }
        }
        let first = self.batch.numbers.first().copied().unwrap_or(0);
        match error {
            Some(error) => self.lines.error(first, &format!("or one soon after: {error}")).with_source(error),
            None => self.lines.error(first, "or one soon after: not an object on each line"),
        }
    }
}

impl Iterator for Reading {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}
