//! Cells on their way from a database into Arrow.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, ListArray, NullBufferBuilder, RecordBatch, RecordBatchOptions,
    StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder, UInt32Builder,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef, TimeUnit};
use mlops_core::{Error, Result, ResultExt};

/// A batch ends early where its cells take so many bytes, so that memory stays bounded whatever they
/// hold.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// A value of a row, in the terms of Arrow.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Bool(bool),
    Bytes(&'a [u8]),
    /// The digits of a decimal of the column's scale.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has neither decimals nor lists"))]
    Decimal(i128),
    Float(f64),
    /// A whole number, or a date or time in the units of the column.
    Int(i64),
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has neither decimals nor lists"))]
    List(Vec<Self>),
    Null,
    Text(Cow<'a, str>),
}

impl Cell<'_> {
    fn bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::List(cells) => cells.iter().map(Self::bytes).sum(),
            Self::Text(text) => text.len(),
            _ => 8,
        }
    }
}

/// How a column is read: what the database's decoder makes of it, and what is asked for.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) natural: DataType,
    pub(super) field: FieldRef,
}

impl Reading {
    /// A column that is read as what it is.
    pub(super) fn natural(name: &str, natural: DataType) -> Self {
        let field = Arc::new(Field::new(name, natural.clone(), true));
        Self { natural, field }
    }
}

/// Rows that become a batch.
pub(super) struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
    batch_size: usize,
}

impl Rows {
    /// Batches of at most `batch_size` rows of `readings`.
    ///
    /// # Errors
    /// `Internal` for a type that no decoder makes.
    pub(super) fn new(schema: SchemaRef, readings: &[Reading], batch_size: usize) -> Result<Self> {
        let columns = readings.iter().map(|reading| Column::new(&reading.natural)).collect::<Result<_>>()?;
        Ok(Self { schema, columns, rows: 0, bytes: 0, batch_size: batch_size.max(1) })
    }

    /// Adds a cell to a column; a row is whole once every column got one and it was [ended](Self::end_row).
    pub(super) fn push(&mut self, column: usize, cell: Cell<'_>) -> Result<()> {
        self.bytes += cell.bytes();
        self.columns[column].push(cell)
    }

    /// Whether the batch is to be taken now.
    pub(super) fn end_row(&mut self) -> bool {
        self.rows += 1;
        self.rows >= self.batch_size || self.bytes >= MAX_BATCH_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows since the last batch.
    pub(super) fn take(&mut self) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let fields = self.schema.fields();
        let columns = self.columns.iter_mut().zip(fields).map(|(column, field)| cast(column.finish()?, field));
        let columns = columns.collect::<Result<_>>()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// The column in the type that was asked for; a value that has no counterpart is an error.
fn cast(column: ArrayRef, field: &Field) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(column);
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&column, field.data_type(), &strict).context("column", field.name())
}

/// A column that grows.
enum Column {
    Binary(BinaryBuilder),
    Boolean(BooleanBuilder),
    Date32(Date32Builder),
    Decimal128(Decimal128Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    List(Box<List>),
    Time64(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    UInt32(UInt32Builder),
    Utf8(StringBuilder),
}

struct List {
    field: FieldRef,
    items: Column,
    lengths: Vec<usize>,
    validity: NullBufferBuilder,
}

impl Column {
    fn new(data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Date32 => Self::Date32(Date32Builder::new()),
            DataType::Decimal128(..) => Self::Decimal128(Decimal128Builder::new().with_data_type(data_type.clone())),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::List(field) => Self::List(Box::new(List {
                field: Arc::clone(field),
                items: Self::new(field.data_type())?,
                lengths: Vec::new(),
                validity: NullBufferBuilder::new(0),
            })),
            DataType::Time64(TimeUnit::Microsecond) => Self::Time64(Time64MicrosecondBuilder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(data_type.clone()))
            }
            DataType::UInt32 => Self::UInt32(UInt32Builder::new()),
            DataType::Utf8 => Self::Utf8(StringBuilder::new()),
            other => return Err(Error::internal(format!("no cells are read as {other}: please report this"))),
        })
    }

    fn push(&mut self, cell: Cell<'_>) -> Result<()> {
        match (self, cell) {
            (Self::Binary(column), Cell::Bytes(value)) => column.append_value(value),
            (Self::Boolean(column), Cell::Bool(value)) => column.append_value(value),
            (Self::Date32(column), Cell::Int(value)) => column.append_value(narrow(value)?),
            (Self::Decimal128(column), Cell::Decimal(value)) => column.append_value(value),
            (Self::Float32(column), Cell::Float(value)) => column.append_value(value as f32),
            (Self::Float64(column), Cell::Float(value)) => column.append_value(value),
            (Self::Int16(column), Cell::Int(value)) => column.append_value(narrow(value)?),
            (Self::Int32(column), Cell::Int(value)) => column.append_value(narrow(value)?),
            (Self::Int64(column), Cell::Int(value)) => column.append_value(value),
            (Self::List(list), Cell::List(cells)) => return list.push(Some(cells)),
            (Self::List(list), Cell::Null) => return list.push(None),
            (Self::Time64(column), Cell::Int(value)) => column.append_value(value),
            (Self::Timestamp(column), Cell::Int(value)) => column.append_value(value),
            (Self::UInt32(column), Cell::Int(value)) => column.append_value(narrow(value)?),
            (Self::Utf8(column), Cell::Text(value)) => column.append_value(value),
            (column, Cell::Null) => column.push_null(),
            (_, cell) => return Err(Error::internal(format!("{cell:?} is of another type: please report this"))),
        }
        Ok(())
    }

    fn push_null(&mut self) {
        match self {
            Self::Binary(column) => column.append_null(),
            Self::Boolean(column) => column.append_null(),
            Self::Date32(column) => column.append_null(),
            Self::Decimal128(column) => column.append_null(),
            Self::Float32(column) => column.append_null(),
            Self::Float64(column) => column.append_null(),
            Self::Int16(column) => column.append_null(),
            Self::Int32(column) => column.append_null(),
            Self::Int64(column) => column.append_null(),
            Self::List(list) => list.close(0, false),
            Self::Time64(column) => column.append_null(),
            Self::Timestamp(column) => column.append_null(),
            Self::UInt32(column) => column.append_null(),
            Self::Utf8(column) => column.append_null(),
        }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Binary(column) => Arc::new(column.finish()),
            Self::Boolean(column) => Arc::new(column.finish()),
            Self::Date32(column) => Arc::new(column.finish()),
            Self::Decimal128(column) => Arc::new(column.finish()),
            Self::Float32(column) => Arc::new(column.finish()),
            Self::Float64(column) => Arc::new(column.finish()),
            Self::Int16(column) => Arc::new(column.finish()),
            Self::Int32(column) => Arc::new(column.finish()),
            Self::Int64(column) => Arc::new(column.finish()),
            Self::List(list) => Arc::new(list.finish()?),
            Self::Time64(column) => Arc::new(column.finish()),
            Self::Timestamp(column) => Arc::new(column.finish()),
            Self::UInt32(column) => Arc::new(column.finish()),
            Self::Utf8(column) => Arc::new(column.finish()),
        })
    }
}

impl List {
    fn push(&mut self, cells: Option<Vec<Cell<'_>>>) -> Result<()> {
        let (is_valid, cells) = (cells.is_some(), cells.unwrap_or_default());
        self.close(cells.len(), is_valid);
        cells.into_iter().try_for_each(|cell| self.items.push(cell))
    }

    fn close(&mut self, length: usize, is_valid: bool) {
        self.lengths.push(length);
        self.validity.append(is_valid);
    }

    fn finish(&mut self) -> Result<ListArray> {
        let offsets = OffsetBuffer::from_lengths(self.lengths.drain(..));
        Ok(ListArray::try_new(Arc::clone(&self.field), offsets, self.items.finish()?, self.validity.finish())?)
    }
}

fn narrow<T: TryFrom<i64>>(value: i64) -> Result<T> {
    T::try_from(value).map_err(|_| Error::internal(format!("{value} is too large for its type: please report this")))
}
