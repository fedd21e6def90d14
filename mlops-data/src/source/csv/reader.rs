//! Files to records, with the place of everything that is wrong.

use std::io::{self, Read};
use std::ops::Range;

use mlops_core::{Error, Result, ResultExt};

use super::dialect::Dialect;
use super::encoding::decoded;
use super::records::{Records, Texts};
use super::tokens::{Full, Limits, Malformed, Tokenizer};
use super::{Csv, Encoding};
use crate::source::files::refuse_twins;
use crate::source::found::{Found, cannot_read};
use crate::source::input;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Bytes of fields, and fields, after which a batch is full, however few its rows.
const MAX_BATCH: usize = 64 << 20;
const MAX_FIELDS: usize = 2 << 20;

/// A CSV file, its header read.
pub(super) struct RecordReader {
    name: String,
    input: Box<dyn Read + Send>,
    chunk: Vec<u8>,
    /// The bytes of `chunk` that are not split yet.
    rest: Range<usize>,
    tokenizer: Tokenizer,
    limits: Limits,
    names: Vec<String>,
    ended: bool,
}

impl RecordReader {
    /// Opens a file and finds the names of its columns: its first record, or `column_1`, `column_2`,
    /// … for a file without a header and for columns that the header leaves unnamed.
    pub(super) fn open(file: &Found, csv: &Csv, dialect: &Dialect) -> Result<Self> {
        let mut reader = Self::begin(file, csv, dialect)?;
        let first = reader.first_record()?;
        if dialect.header {
            reader.names = (1..).zip(first).map(|(i, name)| if name.is_empty() { unnamed(i) } else { name }).collect();
            refuse_twins(reader.names.iter().map(String::as_str)).context("file", &reader.name)?;
            return Ok(reader);
        }
        // The first record is data: read it again.
        let mut reader = Self::begin(file, csv, dialect)?;
        reader.names = (1..=first.len()).map(unnamed).collect();
        reader.tokenizer.width = Some(first.len());
        Ok(reader)
    }

    /// Reads records of `names` from the middle of a file.
    pub(super) fn within(
        name: &str,
        input: Box<dyn Read + Send>,
        csv: &Csv,
        dialect: &Dialect,
        names: &[String],
    ) -> Result<Self> {
        let mut reader = Self::over(name, input, csv, dialect)?;
        reader.names = names.to_vec();
        reader.tokenizer.width = Some(names.len());
        Ok(reader)
    }

    fn begin(file: &Found, csv: &Csv, dialect: &Dialect) -> Result<Self> {
        let input = open_text(file, csv)?;
        Self::over(&file.name, input, csv, dialect)
    }

    fn over(name: &str, input: Box<dyn Read + Send>, csv: &Csv, dialect: &Dialect) -> Result<Self> {
        let limits = csv.limits()?;
        Ok(Self {
            name: name.to_owned(),
            input,
            chunk: vec![0; CHUNK],
            rest: 0..0,
            tokenizer: Tokenizer::new(dialect.delimiter_byte()?, dialect.quote_byte()?, limits),
            limits,
            names: Vec::new(),
            ended: false,
        })
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Replaces `records` by the next ones, at most `rows` of them; none at the end of the file.
    pub(super) fn read<'a>(&mut self, records: &'a mut Records, rows: usize) -> Result<Texts<'a>> {
        self.fill(records, rows)?;
        self.texts(records, self.names.len())
    }

    fn fill(&mut self, records: &mut Records, rows: usize) -> Result<()> {
        records.clear();
        let full = Full { rows, bytes: MAX_BATCH, fields: MAX_FIELDS };
        while !full.is_reached(records) && !self.ended {
            if self.rest.is_empty() {
                let read =
                    read_some(&mut self.input, &mut self.chunk).map_err(|error| cannot_read(&self.name, error))?;
                self.rest = 0..read;
            }
            let input = &self.chunk[self.rest.clone()];
            if input.is_empty() {
                self.ended = true;
                self.tokenizer.finish(records).map_err(|malformed| self.malformed(&malformed))?;
                break;
            }
            let taken = self.tokenizer.feed(input, records, full).map_err(|malformed| self.malformed(&malformed))?;
            self.rest.start += taken;
        }
        Ok(())
    }

    fn texts<'a>(&self, records: &'a Records, width: usize) -> Result<Texts<'a>> {
        records.texts(width).map_err(|field| {
            let (row, column) = (field / width, field % width);
            let name = self.names.get(column).map_or_else(|| format!("{}", column + 1), |name| format!("'{name}'"));
            self.error(
                records.line(row),
                &format!(
                    "column {name}: not valid UTF-8; say what it is, `.with_encoding(Encoding::Latin1)` or \
                     `Utf8Lossy`, or convert the file, such as with `iconv -f LATIN1 -t UTF-8`"
                ),
            )
        })
    }

    fn first_record(&mut self) -> Result<Vec<String>> {
        let mut first = Records::default();
        self.fill(&mut first, 1)?;
        let Some(width) = self.tokenizer.width.filter(|_| first.len() == 1) else {
            return Err(Error::data(
                "the file is empty, so it has no columns: \
                 write it again, or take it out of the pattern",
            )
            .with_context("file", &self.name));
        };
        let texts = self.texts(&first, width)?;
        Ok((0..width).map(|column| texts.field(0, column).0.trim().to_owned()).collect())
    }

    /// An error at a line of this file.
    pub(super) fn error(&self, line: u64, message: &str) -> Error {
        Error::data(format!("line {line}, {message}")).with_context("file", &self.name)
    }

    fn malformed(&self, malformed: &Malformed) -> Error {
        match *malformed {
            Malformed::Long { line } => self.error(
                line,
                &format!(
                    "the record that begins here is longer than {} bytes: is a quote never closed? \
                     If it is meant, raise the limit with `.with_max_record_bytes(…)`",
                    self.limits.record
                ),
            ),
            Malformed::Ragged { line, fields } => self.ragged(line, fields),
            Malformed::Unclosed { line } => self.error(
                line,
                "a quote in the record that begins here is never closed: close it, or write the file again if it is torn",
            ),
            Malformed::Wide { line } => self.error(
                line,
                &format!(
                    "the record that begins here has more than {} fields: is the delimiter right? \
                     If it is meant, raise the limit with `.with_max_columns(…)`",
                    self.limits.columns
                ),
            ),
        }
    }

    fn ragged(&self, line: u64, fields: usize) -> Error {
        let width = self.names.len();
        let problem = match self.names.get(fields) {
            Some(missing) => {
                format!("{fields} fields where {width} are expected: '{missing}' is the first one missing")
            }
            None => format!(
                "{fields} fields where {width} are expected: there is more than '{}'",
                self.names.last().map_or("", String::as_str)
            ),
        };
        self.error(line, &format!("{problem}; quote fields that hold the delimiter, and write every field"))
    }
}

impl std::fmt::Debug for RecordReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordReader").field("name", &self.name).field("names", &self.names).finish_non_exhaustive()
    }
}

/// The text of a file, decompressed and in UTF-8, without a byte-order mark.
pub(super) fn open_text(file: &Found, csv: &Csv) -> Result<Box<dyn Read + Send>> {
    let mut raw = input::open(file, csv.max_decompressed_bytes)?;
    let mut start = [0; 3];
    let read = read_some(&mut raw, &mut start).map_err(|error| file.cannot_read(error))?;
    if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
        let message = "line 1, the file is UTF-16; convert it, such as with `iconv -f UTF-16 -t UTF-8`";
        return Err(Error::data(message).with_context("file", &file.name));
    }
    let skipped = if start == [0xEF, 0xBB, 0xBF] { 3 } else { 0 };
    let encoding = if skipped == 3 && csv.encoding == Encoding::Latin1 { Encoding::Utf8 } else { csv.encoding };
    let start = io::Cursor::new(start[skipped..read.max(skipped)].to_vec());
    Ok(decoded(Box::new(start.chain(raw)), encoding))
}

/// Fills the buffer as far as there are bytes.
pub(super) fn read_some(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match input.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn unnamed(column: usize) -> String {
    format!("column_{column}")
}
