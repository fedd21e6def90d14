//! Files to records, with the place of everything that is wrong.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use mlops_core::{Error, Result};

use super::tokens::{MAX_RECORD, Malformed, Records, Texts, Tokenizer};
use crate::source::files::{cannot_read, open};

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Bytes of fields after which a batch is full, however few its rows.
const MAX_BATCH: usize = 64 << 20;

/// A CSV file, its header read.
#[derive(Debug)]
pub(super) struct RecordReader {
    path: PathBuf,
    file: File,
    chunk: Vec<u8>,
    /// The bytes of `chunk` that are not split yet.
    rest: Range<usize>,
    tokenizer: Tokenizer,
    names: Vec<String>,
    ended: bool,
}

impl RecordReader {
    /// Opens a file and finds the names of its columns: its first record, or `column_1`, `column_2`,
    /// … for a file without a header and for columns that the header leaves unnamed.
    pub(super) fn open(path: &Path, delimiter: u8, header: bool) -> Result<Self> {
        let mut reader = Self::begin(path, delimiter)?;
        let first = reader.first_record()?;
        if header {
            reader.names = (1..).zip(first).map(|(i, name)| if name.is_empty() { unnamed(i) } else { name }).collect();
            reader.refuse_twins()?;
            return Ok(reader);
        }
        // The first record is data: read it again.
        let mut reader = Self::begin(path, delimiter)?;
        reader.names = (1..=first.len()).map(unnamed).collect();
        reader.tokenizer.width = Some(first.len());
        Ok(reader)
    }

    fn begin(path: &Path, delimiter: u8) -> Result<Self> {
        let mut reader = Self {
            path: path.to_owned(),
            file: open(path)?,
            chunk: vec![0; CHUNK],
            rest: 0..0,
            tokenizer: Tokenizer::new(delimiter),
            names: Vec::new(),
            ended: false,
        };
        reader.skip_byte_order_mark()?;
        Ok(reader)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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
        while records.len() < rows && records.num_bytes() < MAX_BATCH && !self.ended {
            if self.rest.is_empty() {
                let read = self.file.read(&mut self.chunk).map_err(|error| cannot_read(&self.path, error))?;
                self.rest = 0..read;
            }
            let input = &self.chunk[self.rest.clone()];
            if input.is_empty() {
                self.ended = true;
                self.tokenizer.finish(records).map_err(|malformed| self.malformed(&malformed))?;
                break;
            }
            let taken = self.tokenizer.feed(input, records, rows).map_err(|malformed| self.malformed(&malformed))?;
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
                &format!("column {name}: not valid UTF-8; convert the file, such as with `iconv -f LATIN1 -t UTF-8`"),
            )
        })
    }

    fn skip_byte_order_mark(&mut self) -> Result<()> {
        while self.rest.end < 3 {
            let read =
                self.file.read(&mut self.chunk[self.rest.end..]).map_err(|error| cannot_read(&self.path, error))?;
            if read == 0 {
                break;
            }
            self.rest.end += read;
        }
        let start = &self.chunk[self.rest.clone()];
        if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
            return Err(self.error(1, "the file is UTF-16; convert it, such as with `iconv -f UTF-16 -t UTF-8`"));
        }
        if start.starts_with(&[0xEF, 0xBB, 0xBF]) {
            self.rest.start = 3;
        }
        Ok(())
    }

    fn first_record(&mut self) -> Result<Vec<String>> {
        let mut first = Records::default();
        self.fill(&mut first, 1)?;
        let Some(width) = self.tokenizer.width.filter(|_| first.len() == 1) else {
            return Err(Error::data(
                "the file is empty, so it has no columns: \
                 write it again, or take it out of the pattern",
            )
            .with_context("file", self.path.display()));
        };
        let texts = self.texts(&first, width)?;
        Ok((0..width).map(|column| texts.field(0, column).0.trim().to_owned()).collect())
    }

    fn refuse_twins(&self) -> Result<()> {
        for (i, name) in self.names.iter().enumerate() {
            if let Some(before) = self.names[..i].iter().position(|other| other == name) {
                return Err(Error::schema(format!(
                    "columns {} and {} are both called '{name}': rename one of them",
                    before + 1,
                    i + 1
                ))
                .with_context("file", self.path.display()));
            }
        }
        Ok(())
    }

    /// An error at a line of this file.
    pub(super) fn error(&self, line: u64, message: &str) -> Error {
        Error::data(format!("line {line}, {message}")).with_context("file", self.path.display())
    }

    fn malformed(&self, malformed: &Malformed) -> Error {
        match *malformed {
            Malformed::Long { line } => self.error(
                line,
                &format!(
                    "the record that begins here is longer than {} MiB: is a quote never closed?",
                    MAX_RECORD >> 20
                ),
            ),
            Malformed::Ragged { line, fields } => self.ragged(line, fields),
            Malformed::Unclosed { line } => self.error(
                line,
                "a quote in the record that begins here is never closed: close it, or write the file again if it is torn",
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

fn unnamed(column: usize) -> String {
    format!("column_{column}")
}
