//! Rows as the text that `COPY` reads: cells between tabs, `\N` for null. Text fits any type of a
//! column that can read it.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use mlops_core::{Error, Result, ResultExt};

use crate::source::sql::sink::{microseconds, strictly};

/// The type of a column that is made for `data_type`.
pub(super) fn kind_of(data_type: &DataType) -> Option<String> {
    use DataType as D;
    let kind = match data_type {
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => "bytea",
        D::Boolean => "boolean",
        D::Date32 | D::Date64 => "date",
        D::Decimal32(precision, scale) | D::Decimal64(precision, scale) => return numeric(*precision, *scale),
        D::Decimal128(precision, scale) | D::Decimal256(precision, scale) => return numeric(*precision, *scale),
        D::Dictionary(_, values) => return kind_of(values),
        D::Float16 | D::Float32 => "real",
        D::Float64 => "double precision",
        D::Int8 | D::Int16 | D::UInt8 => "smallint",
        D::Int32 | D::UInt16 => "integer",
        D::Int64 | D::UInt32 => "bigint",
        D::List(item) | D::LargeList(item) if !item.data_type().is_nested() => {
            return kind_of(item.data_type()).map(|item| format!("{item}[]"));
        }
        D::Null | D::Utf8 | D::LargeUtf8 | D::Utf8View => "text",
        D::Time32(_) | D::Time64(_) => "time",
        D::Timestamp(_, None) => "timestamp",
        D::Timestamp(_, Some(_)) => "timestamp with time zone",
        D::UInt64 => "numeric(20, 0)",
        _ => return None,
    };
    Some(kind.to_owned())
}

fn numeric(precision: u8, scale: i8) -> Option<String> {
    (scale >= 0).then(|| format!("numeric({precision}, {scale})"))
}

/// The lines of a batch.
pub(super) fn lines(batch: &RecordBatch) -> Result<Vec<u8>> {
    let fields = batch.schema_ref().fields();
    let columns = batch.columns().iter().zip(fields).map(|(array, field)| plain(array).context("column", field.name()));
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let options = FormatOptions::new();
    let cells = columns.iter().map(|column| Cells::new(column, &options)).collect::<Result<Vec<_>>>()?;
    let (mut lines, mut cell) = (String::new(), String::new());
    for row in 0..batch.num_rows() {
        for (i, column) in cells.iter().enumerate() {
            if i > 0 {
                lines.push('\t');
            }
            cell.clear();
            match column.write(row, &mut cell).context("row of the batch", row + 1)? {
                true => escape(&cell, &mut lines),
                false => lines.push_str("\\N"),
            }
        }
        lines.push('\n');
    }
    Ok(lines.into_bytes())
}

/// The array in a type whose text PostgreSQL reads.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, values) => plain(&strictly(array, values)?),
        DataType::Date64 => strictly(array, &DataType::Date32),
        DataType::Timestamp(..) => microseconds(array),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => strictly(array, &DataType::Float64),
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            strictly(array, &DataType::Binary)
        }
        DataType::LargeList(item) => strictly(array, &DataType::List(Arc::clone(item))),
        _ => Ok(ArrayRef::clone(array)),
    }
}

/// A column that writes its cells.
enum Cells<'a> {
    Bytes(&'a ArrayRef),
    Float(&'a ArrayRef),
    List(&'a ArrayRef),
    Other(&'a ArrayRef, ArrayFormatter<'a>),
}

impl<'a> Cells<'a> {
    fn new(array: &'a ArrayRef, options: &FormatOptions<'a>) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Binary => Self::Bytes(array),
            DataType::Float64 => Self::Float(array),
            DataType::List(_) => Self::List(array),
            _ => Self::Other(array, ArrayFormatter::try_new(array.as_ref(), options)?),
        })
    }

    /// Writes a cell to `text`; false if it is null.
    fn write(&self, row: usize, text: &mut String) -> Result<bool> {
        let (Self::Bytes(array) | Self::Float(array) | Self::List(array) | Self::Other(array, _)) = self;
        if array.is_null(row) {
            return Ok(false);
        }
        match self {
            Self::Bytes(array) => {
                text.push_str("\\x");
                for byte in array.as_binary::<i32>().value(row) {
                    write!(text, "{byte:02x}").map_err(|_| unwritten())?;
                }
            }
            // As short as it can be and still be the same number.
            Self::Float(array) => {
                write!(text, "{:?}", array.as_primitive::<Float64Type>().value(row)).map_err(|_| unwritten())?;
            }
            Self::List(array) => list(&array.as_list::<i32>().value(row), text)?,
            Self::Other(_, formatter) => formatter.value(row).write(text)?,
        }
        Ok(true)
    }
}

/// `{1,NULL,"a \"word\""}`: quotes around everything, so that nothing has to be known of the words.
fn list(items: &ArrayRef, text: &mut String) -> Result<()> {
    let items = plain(items)?;
    let options = FormatOptions::new();
    let cells = Cells::new(&items, &options)?;
    let mut item = String::new();
    text.push('{');
    for row in 0..items.len() {
        if row > 0 {
            text.push(',');
        }
        item.clear();
        if cells.write(row, &mut item)? {
            text.push('"');
            for letter in item.chars() {
                if matches!(letter, '"' | '\\') {
                    text.push('\\');
                }
                text.push(letter);
            }
            text.push('"');
        } else {
            text.push_str("NULL");
        }
    }
    text.push('}');
    Ok(())
}

fn escape(cell: &str, line: &mut String) {
    for letter in cell.chars() {
        match letter {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            letter => line.push(letter),
        }
    }
}

fn unwritten() -> Error {
    Error::internal("text could not be written into memory: please report this")
}

#[cfg(test)]
mod tests {
    use arrow::array::{BinaryArray, Float64Array, Int32Array, ListArray, StringArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn no_cell_can_be_taken_for_another_or_for_the_end() {
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("text", Arc::new(StringArray::from(vec![Some("a\tb\\N\n\r"), None, Some("\\.")])) as ArrayRef, true),
            ("bytes", Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..], b"", b"a"])), true),
            ("float", Arc::new(Float64Array::from(vec![1e300, f64::NAN, f64::NEG_INFINITY])), true),
            ("int", Arc::new(Int32Array::from(vec![1, -2, 3])), true),
        ])
        .unwrap();
        let expected = "a\\tb\\\\N\\n\\r\t\\\\x00ff\t1e300\t1\n\\N\t\\\\x\tNaN\t-2\n\\\\.\t\\\\x61\t-inf\t3\n";
        assert_eq!(String::from_utf8(lines(&batch).unwrap()).unwrap(), expected);
    }

    #[test]
    fn a_list_quotes_its_items() {
        let numbers = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None])]);
        let mut text = String::new();
        list(&numbers.value(0), &mut text).unwrap();
        assert_eq!(text, r#"{"1",NULL}"#);
        text.clear();
        list(&(Arc::new(StringArray::from(vec![r#"a "b" \"#, "NULL", ""])) as ArrayRef), &mut text).unwrap();
        assert_eq!(text, r#"{"a \"b\" \\","NULL",""}"#);
    }
}
