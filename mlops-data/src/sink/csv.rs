use std::io::Write;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use mlops_core::columns::is_text;
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::format::{Encoder, Format, Target, file_sink, io_error};
use crate::source::place::Place;

/// A CSV file with a header, as RFC 4180 but for lines that end with LF. It is there whole, or not at
/// all (see [`sink`](crate::sink)).
///
/// A text is quoted if it is empty or holds a delimiter, a quote or an end of line, and null is empty
/// without quotes: so [`Csv`](crate::source::Csv) reads back what was written, given the schema. Dates and
/// times are written as ISO 8601, floats so that they are read as the same number. Lists and structures
/// can't be written.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::{CsvSink, Sink, SinkExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("trips.csv");
/// let batch = arrow::array::record_batch!(("zone", Utf8, [Some("a;b"), Some(""), None]), ("km", Float64, [1.5, 2.0, 0.1]))?;
/// CsvSink::at(&path).with_delimiter(';').write_table(&Table::from_batch(batch)).await?;
/// assert_eq!(std::fs::read_to_string(&path)?, "zone;km\n\"a;b\";1.5\n\"\";2.0\n;0.1\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CsvSink {
    /// The file.
    pub path: Place,
    /// Whether it may replace what is there.
    pub overwrite: bool,
    /// What is between two fields: one ASCII character.
    pub delimiter: char,
    /// Whether the first line names the columns.
    pub header: bool,
}

impl Default for CsvSink {
    fn default() -> Self {
        Self { path: Place::default(), overwrite: false, delimiter: ',', header: true }
    }
}

file_sink!(CsvSink);

impl CsvSink {
    /// With another character than a comma between fields.
    #[must_use]
    pub fn with_delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Whether the first line names the columns.
    #[must_use]
    pub fn with_header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }
}

impl Format for CsvSink {
    fn begin(&self, schema: &SchemaRef, target: Target) -> Result<Box<dyn Encoder>> {
        let delimiter = u8::try_from(self.delimiter).ok().filter(|d| d.is_ascii() && !b"\"\n\r\0".contains(d));
        let delimiter = delimiter.ok_or_else(|| {
            Error::config(format!(
                "{:?} can't be between fields: choose one ASCII character, not a quote or an end of line",
                self.delimiter
            ))
        })?;
        if let Some(field) = schema.fields().iter().find(|field| is_nested(field.data_type())) {
            return Err(Error::unsupported(format!(
                "column '{}' is {}, which CSV has no form for: choose another format, or leave it out",
                field.name(),
                field.data_type()
            )));
        }
        let mut writing = Writing { target, delimiter, buffer: String::new(), text: String::new() };
        if self.header {
            for (i, field) in schema.fields().iter().enumerate() {
                writing.delimit(i);
                writing.quote(field.name());
            }
            writing.end_line()?;
        }
        Ok(Box::new(writing))
    }
}

fn is_nested(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => value.is_nested(),
        other => other.is_nested(),
    }
}

struct Writing {
    target: Target,
    delimiter: u8,
    buffer: String,
    text: String,
}

impl Writing {
    fn delimit(&mut self, column: usize) {
        if column > 0 {
            self.buffer.push(char::from(self.delimiter));
        }
    }

    /// A text, in quotes if it needs them.
    fn quote(&mut self, text: &str) {
        let special = |b: &u8| *b == self.delimiter || matches!(b, b'"' | b'\n' | b'\r');
        if !text.is_empty() && !text.as_bytes().iter().any(special) {
            self.buffer.push_str(text);
            return;
        }
        self.buffer.push('"');
        for (i, part) in text.split('"').enumerate() {
            if i > 0 {
                self.buffer.push_str("\"\"");
            }
            self.buffer.push_str(part);
        }
        self.buffer.push('"');
    }

    fn end_line(&mut self) -> Result<()> {
        const FULL: usize = 64 << 10;
        self.buffer.push('\n');
        if self.buffer.len() >= FULL { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<()> {
        self.target.write_all(self.buffer.as_bytes()).map_err(io_error)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Encoder for Writing {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        use std::fmt::Write as _;

        let options = FormatOptions::new().with_display_error(false);
        let columns = batch.columns().iter().map(|column| Ok((column, ArrayFormatter::try_new(column, &options)?)));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (i, (column, formatter)) in columns.iter().enumerate() {
                self.delimit(i);
                if column.is_null(row) {
                    continue;
                }
                if let Some(texts) = column.as_string_opt::<i32>() {
                    self.quote(texts.value(row));
                    continue;
                }
                let mut text = std::mem::take(&mut self.text);
                text.clear();
                write!(text, "{}", formatter.value(row)).map_err(|_| unwritable(batch, i))?;
                // A dictionary's null is in its values.
                let is_null = text.is_empty() && !is_text(column.data_type());
                if !is_null {
                    self.quote(&text);
                }
                self.text = text;
            }
            self.end_line()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Target> {
        self.send()?;
        Ok(self.target)
    }
}

fn unwritable(batch: &RecordBatch, column: usize) -> Error {
    let schema = batch.schema_ref();
    let field = schema.field(column);
    Error::unsupported(format!(
        "a value of column '{}' can't be written as text: it is no {} that there is; correct it or leave it out",
        field.name(),
        field.data_type()
    ))
}
