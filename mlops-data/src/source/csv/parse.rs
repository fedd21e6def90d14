//! Records to Arrow columns.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, NullBufferBuilder, PrimitiveArray, RecordBatch,
    RecordBatchOptions, StringArray, StringBuilder,
};
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{
    DataType, Date32Type, Field, Float64Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use mlops_core::{Error, Result};

use super::quick;
use super::reader::RecordReader;
use super::records::Texts;

/// Texts that other programs write for a value that is missing.
const USUAL_NULLS: [&str; 8] = ["NA", "N/A", "NULL", "null", "None", "NaN", "nan", "-"];

/// Refuses a type that text can't be turned into.
pub(super) fn check_type(field: &Field) -> Result<()> {
    if field.data_type().is_nested() || !can_cast_types(&DataType::Utf8, &parsed_type(field.data_type())) {
        return Err(Error::config(format!(
            "column '{}' can't be read from CSV as {}: declare a text, number, boolean, date or time type",
            field.name(),
            field.data_type()
        )));
    }
    Ok(())
}

/// What text stands for null.
#[derive(Clone, Debug)]
pub(super) struct Nulls {
    empty: bool,
    others: Vec<String>,
}

impl Nulls {
    pub(super) fn new(texts: &[String]) -> Self {
        let others = texts.iter().filter(|text| !text.is_empty()).cloned().collect();
        Self { empty: texts.iter().any(String::is_empty), others }
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.contains_bytes(text.as_bytes())
    }

    pub(super) fn contains_bytes(&self, text: &[u8]) -> bool {
        if text.is_empty() { self.empty } else { self.others.iter().any(|null| null.as_bytes() == text) }
    }
}

/// Turns records into batches of some columns of a file.
#[derive(Clone, Debug)]
pub(super) struct Parser {
    /// The columns that are made.
    pub(super) schema: SchemaRef,
    /// The place of each in a record.
    pub(super) columns: Vec<usize>,
    pub(super) nulls: Nulls,
}

impl Parser {
    /// A batch of all records in `texts`, which were read by `reader`.
    pub(super) fn batch(&self, texts: Texts<'_>, reader: &RecordReader) -> Result<RecordBatch> {
        let columns = self.columns.iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| self.column(texts, *column, field, reader));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(texts.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    fn column(&self, texts: Texts<'_>, column: usize, field: &Field, reader: &RecordReader) -> Result<ArrayRef> {
        let quick = self.quick(texts, column, field.data_type());
        if let Some(array) = quick.filter(|array| field.is_nullable() || array.null_count() == 0) {
            return Ok(array);
        }
        let strings = self.strings(texts, column, field.data_type());
        if let Some(row) = first_null(&strings).filter(|_| !field.is_nullable()) {
            return Err(reader.error(
                texts.line(row),
                &format!("column '{}': no value, but the column is declared never to be null", field.name()),
            ));
        }
        if *field.data_type() == DataType::Utf8 {
            return Ok(Arc::new(strings));
        }
        let parsed = cast(&strings, &parsed_type(field.data_type()))?;
        if let Some(row) = (0..strings.len()).find(|row| parsed.is_null(*row) && strings.is_valid(*row)) {
            return Err(wrong_type(texts.line(row), strings.value(row), field, reader));
        }
        Ok(cast(&parsed, field.data_type())?)
    }

    /// A column of a usual type whose values all have the usual form.
    fn quick(&self, texts: Texts<'_>, column: usize, data_type: &DataType) -> Option<ArrayRef> {
        let values = Values { nulls: &self.nulls, texts, column };
        Some(match data_type {
            DataType::Boolean => Arc::new(values.booleans()?),
            DataType::Date32 => Arc::new(values.read::<Date32Type>(quick::days)?),
            DataType::Float64 => Arc::new(values.read::<Float64Type>(quick::float)?),
            DataType::Int64 => Arc::new(values.read::<Int64Type>(quick::int)?),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let utc = match zone.as_deref() {
                    None => false,
                    Some("UTC") => true,
                    Some(_) => return None,
                };
                let times = values.read::<TimestampMicrosecondType>(|text| micros(text, utc))?;
                Arc::new(times.with_timezone_opt(zone.clone()))
            }
            _ => return None,
        })
    }

    /// The texts of a column. A quoted text stands for itself in a text column; elsewhere quotes
    /// and spaces around a value say nothing.
    fn strings(&self, texts: Texts<'_>, column: usize, data_type: &DataType) -> StringArray {
        let is_text = mlops_core::columns::is_text(data_type);
        let mut builder = StringBuilder::with_capacity(texts.num_rows(), 8 * texts.num_rows());
        for row in 0..texts.num_rows() {
            let (text, quoted) = texts.field(row, column);
            let text = if is_text { text } else { text.trim_ascii() };
            if (is_text && quoted) || !self.nulls.contains(text) {
                builder.append_value(text);
            } else {
                builder.append_null();
            }
        }
        builder.finish()
    }
}

/// The microseconds of a time that says to be in UTC, or does not; of a date, if that is enough.
fn micros(text: &[u8], utc: bool) -> Option<i64> {
    if text.len() == 10 && !utc {
        return quick::days(text).map(|days| i64::from(days) * 86_400_000_000);
    }
    quick::instant(text).filter(|time| time.utc == utc).map(|time| time.micros)
}

/// The values of a column that is not text.
struct Values<'a> {
    nulls: &'a Nulls,
    texts: Texts<'a>,
    column: usize,
}

impl Values<'_> {
    /// All values as `read` reads them, if it can read each that is not null.
    fn read<T: ArrowPrimitiveType>(&self, read: impl Fn(&[u8]) -> Option<T::Native>) -> Option<PrimitiveArray<T>> {
        let rows = self.texts.num_rows();
        let mut values = Vec::with_capacity(rows);
        let mut valid = NullBufferBuilder::new(rows);
        for row in 0..rows {
            let text = self.texts.bytes(row, self.column);
            match read(text) {
                Some(value) if self.nulls.others.is_empty() => {
                    values.push(value);
                    valid.append_non_null();
                }
                _ => {
                    let text = text.trim_ascii();
                    let is_null = self.nulls.contains_bytes(text);
                    values.push(if is_null { T::Native::default() } else { read(text)? });
                    valid.append(!is_null);
                }
            }
        }
        Some(PrimitiveArray::new(values.into(), valid.finish()))
    }

    fn booleans(&self) -> Option<BooleanArray> {
        let value = |row| {
            let text = self.texts.bytes(row, self.column).trim_ascii();
            if self.nulls.contains_bytes(text) { Some(None) } else { quick::boolean(text).map(Some) }
        };
        (0..self.texts.num_rows()).map(value).collect()
    }
}

fn first_null(strings: &StringArray) -> Option<usize> {
    (strings.null_count() > 0).then(|| (0..strings.len()).find(|row| strings.is_null(*row)))?
}

/// The type that Arrow can parse text as: it knows zones by their offset only, and UTC is `+00:00`.
fn parsed_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(unit, Some(zone)) if zone.eq_ignore_ascii_case("utc") => {
            DataType::Timestamp(*unit, Some(Arc::from("+00:00")))
        }
        other => other.clone(),
    }
}

fn wrong_type(line: u64, text: &str, field: &Field, reader: &RecordReader) -> Error {
    let remedy = if USUAL_NULLS.contains(&text) {
        format!("if it means that there is no value, say so: `.with_nulls([\"\", \"{text}\"])`")
    } else {
        format!("correct it, or declare the column as text: `.with_type(\"{}\", DataType::Utf8)`", field.name())
    };
    let shown: String = text.chars().take(60).collect();
    reader.error(line, &format!("column '{}': '{shown}' is not {}; {remedy}", field.name(), field.data_type()))
}
