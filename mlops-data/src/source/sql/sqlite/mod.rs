//! SQLite.

mod decode;
mod insert;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use mlops_core::{BatchStream, Error, ErrorKind, Result, ResultExt};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Executor, Row, SqlSafeStr, SqliteConnection, Statement as _, TypeInfo,
};

use self::decode::Kind;
use super::cell::{Reading, Rows};
use super::database::Access;
use super::error::sql_error;
use super::produce::{Batches, produced};
use super::source::SqlColumn;
use super::statement::{Statement, bound, check_parameters, quoted};

/// Rows that are read ahead on the thread of the connection.
const ROWS_AHEAD: usize = 512;
/// Steps of SQLite's machine, some hundredths of a millisecond, between looks at whether to go on.
const STEPS: i32 = 10_000;

/// A file, or a database in memory.
pub(in crate::source::sql) struct Library {
    options: SqliteConnectOptions,
    name: String,
    in_memory: bool,
    /// A database in memory is gone with its last connection.
    _anchor: Option<tokio::sync::Mutex<SqliteConnection>>,
}

/// A connection that is interrupted when it is dropped.
pub(in crate::source::sql) struct Session {
    connection: SqliteConnection,
    interrupt: Interrupt,
    name: String,
}

impl Library {
    pub(in crate::source::sql) fn at(url: &str) -> Result<Self> {
        let name = url.split_once('?').map_or(url, |(name, _)| name).to_owned();
        let options = SqliteConnectOptions::from_str(url).map_err(|e| sql_error("read the URL", &name, e))?;
        let options = options.disable_statement_logging().row_buffer_size(ROWS_AHEAD);
        let in_memory = url.contains(":memory:") || url.contains("mode=memory");
        if !in_memory && options.get_filename().is_dir() {
            return Err(is_directory(options.get_filename()));
        }
        Ok(Self { options, name, in_memory, _anchor: None })
    }

    /// Connects once, and stays connected to a database in memory.
    pub(in crate::source::sql) async fn anchored(&self) -> Result<Self> {
        let connection = self.connect(Access::Read).await?.into_connection();
        let anchor = self.in_memory.then(|| tokio::sync::Mutex::new(connection));
        Ok(Self { options: self.options.clone(), name: self.name(), in_memory: self.in_memory, _anchor: anchor })
    }

    pub(in crate::source::sql) fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    pub(in crate::source::sql) fn name(&self) -> String {
        self.name.clone()
    }

    pub(in crate::source::sql) async fn connect(&self, access: Access) -> Result<Session> {
        let options = match access {
            Access::Read => self.options.clone().pragma("query_only", "ON"),
            Access::Write => self.options.clone(),
        };
        let failed = |e| sql_error("open the database", &self.name, e);
        let mut connection = options.connect().await.map_err(failed)?;
        let interrupt = Interrupt::default();
        let flag = Arc::clone(&interrupt.0);
        let go_on = move || !flag.load(Ordering::Relaxed);
        connection.lock_handle().await.map_err(failed)?.set_progress_handler(STEPS, go_on);
        // Only now is the file read, so that what is no database is found here.
        (&mut connection).execute("SELECT count(*) FROM sqlite_schema").await.map_err(failed)?;
        Ok(Session { connection, interrupt, name: self.name.clone() })
    }
}

/// Interrupts, when it is dropped, a statement that runs on the thread of the connection.
#[derive(Default)]
struct Interrupt(Arc<AtomicBool>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Session {
    fn into_connection(self) -> SqliteConnection {
        self.connection
    }

    /// The columns that `statement` gives. Those without a type that is known are looked at cell by
    /// cell, by one statement for all of them.
    pub(in crate::source::sql) async fn columns(&mut self, statement: &Statement) -> Result<Vec<SqlColumn>> {
        let text = AssertSqlSafe(statement.sql.clone()).into_sql_str();
        let prepared = (&mut self.connection).prepare(text).await.map_err(|e| sql_error("read", &self.name, e))?;
        check_parameters(prepared.parameters(), statement.parameters.len())?;
        let names: Vec<String> = prepared.columns().iter().map(|column| column.name().to_owned()).collect();
        let mut kinds: Vec<Option<Kind>> =
            prepared.columns().iter().map(|column| Kind::declared(column.type_info().name())).collect();
        self.infer(statement, &names, &mut kinds).await?;
        let columns = names.iter().zip(kinds).map(|(name, kind)| {
            let kind = kind.unwrap_or(Kind::Text);
            SqlColumn { reading: Reading::natural(name, kind.data_type()), comparable: kind.comparable() }
        });
        Ok(columns.collect())
    }

    /// Sets the kinds that are missing to what all cells of the column are.
    async fn infer(&mut self, statement: &Statement, names: &[String], kinds: &mut [Option<Kind>]) -> Result<()> {
        let missing: Vec<usize> = (0..kinds.len()).filter(|column| kinds[*column].is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let classes = ["integer", "real", "text", "blob"];
        let seen = missing.iter().flat_map(|column| {
            let name = quoted(&names[*column]);
            classes.map(|class| format!("coalesce(max(typeof({name}) = '{class}'), 0)"))
        });
        let sql = format!("SELECT {} FROM (\n{}\n)", seen.collect::<Vec<_>>().join(", "), statement.sql);
        let failed = |e| sql_error("look at the cells", &self.name, e);
        let query =
            sqlx::query_with(AssertSqlSafe(sql), bound::<SqliteArguments>(&statement.parameters)?).persistent(false);
        let row = query.fetch_one(&mut self.connection).await.map_err(failed)?;
        for (i, column) in missing.into_iter().enumerate() {
            let mut has = [false; 4];
            for (class, has) in has.iter_mut().enumerate() {
                *has = row.try_get::<i64, _>(i * classes.len() + class).map_err(failed)? != 0;
            }
            kinds[column] = Some(Kind::of_cells(has).context("column", &names[column])?);
        }
        Ok(())
    }

    pub(in crate::source::sql) fn rows(
        self,
        statement: Statement,
        schema: SchemaRef,
        readings: Vec<Reading>,
        batch_size: usize,
    ) -> BatchStream {
        produced(move |batches| self.send_rows(statement, schema, readings, batch_size, batches))
    }

    async fn send_rows(
        self,
        statement: Statement,
        schema: SchemaRef,
        readings: Vec<Reading>,
        batch_size: usize,
        mut batches: Batches,
    ) -> Result<()> {
        let Self { mut connection, interrupt: _interrupt, name } = self;
        let kinds = readings.iter().map(|reading| Kind::of(&reading.natural)).collect::<Result<Vec<_>>>()?;
        let mut building = Rows::new(schema, &readings, batch_size)?;
        let query = sqlx::query_with(AssertSqlSafe(statement.sql), bound::<SqliteArguments>(&statement.parameters)?)
            .persistent(false);
        let mut rows = query.fetch(&mut connection);
        let mut count = 0_u64;
        while let Some(row) = rows.try_next().await.map_err(|e| sql_error("read", &name, e))? {
            count += 1;
            for (column, kind) in kinds.iter().enumerate() {
                let cell = row.try_get_raw(column).map_err(|e| sql_error("read", &name, e))?;
                let added = decode::cell(*kind, cell).and_then(|cell| building.push(column, cell));
                added.context("column", readings[column].field.name()).context("row", count)?;
            }
            if building.end_row() && !batches.send(building.take()?).await {
                return Ok(());
            }
        }
        batches.send_last(building).await
    }
}

fn is_directory(path: &Path) -> Error {
    Error::new(ErrorKind::Config, format!("'{}' is a directory: name the file of the database", path.display()))
}
