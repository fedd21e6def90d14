//! Rows into SQLite.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef, TimeUnit};
use futures::TryStreamExt;
use mlops_core::{BatchStream, Error, Result, ResultExt};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Executor, SqliteConnection};

use super::Session;
use crate::source::background::blocking;
use crate::source::sql::error::sql_error;
use crate::source::sql::sink::{Mode, columns, microseconds, strictly};
use crate::source::sql::statement::{TableName, quoted};

/// The most parameters of a statement, of SQLite 3.32 and newer.
const MAX_PARAMETERS: usize = 32_766;
/// More rows in one statement are no faster.
const MAX_ROWS: usize = 256;

impl Session {
    /// Writes rows in one transaction, which a lost connection rolls back.
    pub(in crate::source::sql) async fn write(
        self,
        mode: Mode,
        table: &TableName,
        schema: &SchemaRef,
        mut batches: BatchStream,
    ) -> Result<u64> {
        let Self { mut connection, interrupt: _interrupt, name } = self;
        let failed = |e| sql_error("write", &name, e);
        let columns = columns(schema, "SQLite", kind_of)?;
        // To take the lock now is to wait for it here, and not to fail half-way.
        connection.execute("BEGIN IMMEDIATE").await.map_err(failed)?;
        for statement in mode.preparation(table, &columns) {
            connection.execute(AssertSqlSafe(statement)).await.map_err(failed)?;
        }
        let names: Vec<String> = columns.iter().map(|(name, _)| quoted(name)).collect();
        let insert = format!("INSERT INTO {} ({}) VALUES ", table.quoted(), names.join(", "));
        let mut written = 0;
        while let Some(batch) = batches.try_next().await? {
            let rows = batch.num_rows();
            let cells = blocking(move || cells(&batch)).await.context("after row", written)?;
            insert_rows(&mut connection, &insert, &cells, rows).await.map_err(failed).context("after row", written)?;
            written += rows as u64;
        }
        connection.execute("COMMIT").await.map_err(failed)?;
        Ok(written)
    }
}

async fn insert_rows(
    connection: &mut SqliteConnection,
    insert: &str,
    columns: &[Cells],
    rows: usize,
) -> Result<(), sqlx::Error> {
    let at_once = (MAX_PARAMETERS / columns.len()).clamp(1, MAX_ROWS);
    let row = format!("({})", vec!["?"; columns.len()].join(", "));
    for start in (0..rows).step_by(at_once) {
        let end = rows.min(start + at_once);
        let mut arguments = SqliteArguments::default();
        for row in start..end {
            columns.iter().try_for_each(|column| column.bind(row, &mut arguments)).map_err(sqlx::Error::Encode)?;
        }
        let sql = format!("{insert}{}", vec![row.as_str(); end - start].join(", "));
        sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *connection).await?;
    }
    Ok(())
}

fn kind_of(data_type: &DataType) -> Option<String> {
    use DataType as D;
    let kind = match data_type {
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => "BLOB",
        D::Boolean => "BOOLEAN",
        D::Date32 | D::Date64 => "DATE",
        D::Dictionary(_, values) => return kind_of(values),
        D::Float16 | D::Float32 | D::Float64 => "REAL",
        D::Null | D::Utf8 | D::LargeUtf8 | D::Utf8View => "TEXT",
        D::Time32(_) | D::Time64(_) => "TIME",
        D::Timestamp(..) => "DATETIME",
        integer if integer.is_integer() => "INTEGER",
        _ => return None,
    };
    Some(kind.to_owned())
}

/// A column in one of the types that SQLite has.
enum Cells {
    Bool(BooleanArray),
    Bytes(BinaryArray),
    Float(Float64Array),
    Int(Int64Array),
    Text(StringArray),
}

fn cells(batch: &RecordBatch) -> Result<Vec<Cells>> {
    let fields = batch.schema_ref().fields().iter();
    batch.columns().iter().zip(fields).map(|(array, field)| Cells::of(array).context("column", field.name())).collect()
}

impl Cells {
    fn of(array: &ArrayRef) -> Result<Self> {
        use DataType as D;
        Ok(match array.data_type() {
            D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => {
                Self::Bytes(strictly(array, &D::Binary)?.as_binary::<i32>().clone())
            }
            D::Boolean => Self::Bool(array.as_boolean().clone()),
            D::Dictionary(_, values) => Self::of(&strictly(array, values)?)?,
            D::Float16 | D::Float32 | D::Float64 => {
                let floats = strictly(array, &D::Float64)?.as_primitive::<Float64Type>().clone();
                if floats.iter().flatten().any(f64::is_nan) {
                    return Err(Error::data("SQLite has no NaN and would make it null: write null, or text"));
                }
                Self::Float(floats)
            }
            D::Timestamp(..) => {
                let local = strictly(&microseconds(array)?, &D::Timestamp(TimeUnit::Microsecond, None))?;
                Self::Text(strictly(&local, &D::Utf8)?.as_string::<i32>().clone())
            }
            integer if integer.is_integer() => {
                Self::Int(strictly(array, &D::Int64)?.as_primitive::<Int64Type>().clone())
            }
            D::Date64 => Self::of(&strictly(array, &D::Date32)?)?,
            _ => Self::Text(strictly(array, &D::Utf8)?.as_string::<i32>().clone()),
        })
    }

    fn bind(&self, row: usize, arguments: &mut SqliteArguments) -> Result<(), sqlx::error::BoxDynError> {
        match self {
            Self::Bool(column) => arguments.add(column.is_valid(row).then(|| column.value(row))),
            Self::Bytes(column) => arguments.add(column.is_valid(row).then(|| column.value(row).to_vec())),
            Self::Float(column) => arguments.add(column.is_valid(row).then(|| column.value(row))),
            Self::Int(column) => arguments.add(column.is_valid(row).then(|| column.value(row))),
            Self::Text(column) => arguments.add(column.is_valid(row).then(|| column.value(row).to_owned())),
        }
    }
}
