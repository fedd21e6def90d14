use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampNanosecondType};
use async_trait::async_trait;
use mlops_core::{BatchStream, Error, Result, ResultExt};

use super::database::{Access, Backend, SqlDatabase};
use super::statement::{TableName, quoted};
use crate::sink::{Sink, Written};

/// A table of a [`SqlDatabase`] that rows are written to, all of them or none.
///
/// A write is one transaction: until it is committed nobody else sees any of it, and a failure, a
/// dropped future or the death of the program leaves the table as it was. PostgreSQL is written by
/// `COPY`, SQLite by inserts of many rows. Memory is a batch and its text.
///
/// Columns are matched by name. A table that is made here has the types of
/// [`source::sql`](crate::source::sql), read from right to left; a table that is there takes
/// what its own types can read. A loss is an error: nanoseconds (neither database has them), and for
/// SQLite decimals and NaN. Times with a zone are written in UTC; SQLite doesn't keep the zone.
///
/// # Errors
/// Writing fails with [`ErrorKind::Conflict`](mlops_core::ErrorKind::Conflict) if a table to be made is
/// there, [`NotFound`](mlops_core::ErrorKind::NotFound) if one to append to is not,
/// [`Schema`](mlops_core::ErrorKind::Schema) for columns that it does not have,
/// [`Data`](mlops_core::ErrorKind::Data) for values that it does not take,
/// [`Unsupported`](mlops_core::ErrorKind::Unsupported) for types that the database does not have.
/// In each case nothing was written. If the connection is lost while the database commits, it may
/// have been.
///
/// # Example
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use mlops_core::{DataSourceExt, Table};
/// use mlops_data::{SinkExt, SqlDatabase, SqlSink, SqlSource};
///
/// # tokio::runtime::Builder::new_multi_thread().build()?.block_on(async {
/// let database = SqlDatabase::connect("sqlite::memory:").await?;
/// let day = Table::from_batch(arrow::array::record_batch!(("delay", Int64, [3, 20]))?);
/// assert_eq!(SqlSink::create(&database, "delays").write_table(&day).await?.rows, 2);
/// SqlSink::append(&database, "delays").write_table(&day).await?;
/// assert_eq!(SqlSource::table(&database, "delays").read().await?.num_rows(), 4);
/// SqlSink::replace(&database, "delays").write_table(&day).await?;
/// assert_eq!(SqlSource::table(&database, "delays").read().await?.num_rows(), 2);
/// # Ok::<(), mlops_core::Error>(()) })?;
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SqlSink {
    database: SqlDatabase,
    table: TableName,
    mode: Mode,
}

/// What is there before, and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Append,
    Create,
    Replace,
}

impl SqlSink {
    /// Adds rows to a table that is there.
    pub fn append(database: &SqlDatabase, table: impl Into<String>) -> Self {
        Self { database: database.clone(), table: TableName::new(table), mode: Mode::Append }
    }

    /// Makes a table that is not there yet.
    pub fn create(database: &SqlDatabase, table: impl Into<String>) -> Self {
        Self { mode: Mode::Create, ..Self::append(database, table) }
    }

    /// Rows instead of those of a table; it is made if it is not there, and else stays what it is,
    /// with its keys, its indexes and its rights. Readers see the old rows until the new ones are
    /// committed; other writers wait.
    pub fn replace(database: &SqlDatabase, table: impl Into<String>) -> Self {
        Self { mode: Mode::Replace, ..Self::append(database, table) }
    }

    /// The table in the schema `schema` (of an attached database, in SQLite).
    #[must_use]
    pub fn in_schema(mut self, schema: impl Into<String>) -> Self {
        self.table.schema = Some(schema.into());
        self
    }

    /// The table that a URL names (see [`sink::open`](crate::sink::open)).
    pub(crate) fn at(url: &str, overwrite: bool) -> Result<Self> {
        let (database, table) = TableName::at(url)?;
        Ok(Self { database, table, mode: if overwrite { Mode::Replace } else { Mode::Create } })
    }
}

#[async_trait]
impl Sink for SqlSink {
    fn name(&self) -> String {
        format!("{} of {}", self.table.shown(), self.database.name())
    }

    async fn write(&self, schema: SchemaRef, batches: BatchStream) -> Result<Written> {
        let rows = match &self.database.backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres(server) => {
                server.connect(Access::Write).await?.write(self.mode, &self.table, &schema, batches).await
            }
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(library) => {
                library.connect(Access::Write).await?.write(self.mode, &self.table, &schema, batches).await
            }
        };
        Ok(Written { rows: rows.context("table", self.table.shown())?, bytes: None })
    }
}

impl Mode {
    /// The statements before the rows, for a table of `columns` (names and types of the database).
    pub(super) fn preparation(self, table: &TableName, columns: &[(String, String)]) -> Vec<String> {
        let name = table.quoted();
        let columns: Vec<String> = columns.iter().map(|(name, kind)| format!("{} {kind}", quoted(name))).collect();
        let columns = columns.join(", ");
        match self {
            Self::Append => vec![],
            Self::Create => vec![format!("CREATE TABLE {name} ({columns})")],
            Self::Replace => {
                vec![format!("CREATE TABLE IF NOT EXISTS {name} ({columns})"), format!("DELETE FROM {name}")]
            }
        }
    }
}

/// The names of the columns with their types in a database, by `kind_of`.
pub(super) fn columns(
    schema: &SchemaRef,
    database: &str,
    kind_of: fn(&DataType) -> Option<String>,
) -> Result<Vec<(String, String)>> {
    if schema.fields().is_empty() {
        return Err(Error::schema("there is no column to write: a table has at least one"));
    }
    let column = |field: &Arc<arrow::datatypes::Field>| {
        let kind = kind_of(field.data_type()).ok_or_else(|| {
            let (name, data_type) = (field.name(), field.data_type());
            Error::unsupported(format!(
                "column '{name}' is {data_type}, and {database} has no such type: convert it before, to text if need be"
            ))
        })?;
        Ok((field.name().clone(), if field.is_nullable() { kind } else { format!("{kind} NOT NULL") }))
    };
    schema.fields().iter().map(column).collect()
}

/// `array` as a `to`; a value that has no counterpart is an error.
pub(super) fn strictly(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(array, to, &strict)?)
}

/// A time of any unit and zone in microseconds of UTC.
pub(super) fn microseconds(array: &ArrayRef) -> Result<ArrayRef> {
    if let DataType::Timestamp(TimeUnit::Nanosecond, _) = array.data_type() {
        let nanoseconds = array.as_primitive::<TimestampNanosecondType>();
        let lost = (0..array.len()).find(|row| array.is_valid(*row) && nanoseconds.value(*row) % 1000 != 0);
        if let Some(row) = lost {
            return Err(Error::data("the time has nanoseconds, and a database has microseconds: round it before")
                .with_context("row of the batch", row + 1));
        }
    }
    let zone = match array.data_type() {
        DataType::Timestamp(_, Some(_)) => Some(Arc::from("+00:00")),
        _ => None,
    };
    strictly(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))
}
