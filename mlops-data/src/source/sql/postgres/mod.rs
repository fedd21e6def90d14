//! PostgreSQL.

mod copy;
mod decode;
mod encode;
mod kind;
mod numeric;

use std::str::FromStr;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use futures::TryStreamExt;
use mlops_core::{BatchStream, Error, ErrorKind, Literal, Result, ResultExt};
use sqlx::postgres::{PgArguments, PgColumn, PgConnectOptions, PgSslMode};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Executor, PgConnection, Row, SqlSafeStr, Statement as _, ValueRef,
};

use self::kind::Kind;
use super::cell::{Cell, Reading, Rows};
use super::database::Access;
use super::error::sql_error;
use super::produce::{Batches, produced};
use super::source::SqlColumn;
use super::statement::{Statement, bound, check_parameters};

/// How long somebody who does not answer is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The first version that can look, while a query runs, whether anybody still waits for it.
const CHECKS_CONNECTIONS: u32 = 140_000;

/// A server, and who we are to it.
pub(in crate::source::sql) struct Server {
    options: PgConnectOptions,
}

/// A connection. Dropping it closes it, and the server rolls back and stops what it did for it.
pub(in crate::source::sql) struct Session {
    connection: PgConnection,
    name: String,
}

impl Server {
    pub(in crate::source::sql) fn at(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url).map_err(|e| sql_error("read the URL", "postgres", e))?;
        let mut options = options.disable_statement_logging();
        if cfg!(not(feature = "postgres-tls")) && matches!(options.get_ssl_mode(), PgSslMode::Prefer) {
            options = options.ssl_mode(PgSslMode::Disable);
        }
        Ok(Self { options })
    }

    pub(in crate::source::sql) fn name(&self) -> String {
        let options = &self.options;
        let host = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        format!("postgres://{}@{host}:{}/{database}", options.get_username(), options.get_port())
    }

    pub(in crate::source::sql) async fn connect(&self, access: Access) -> Result<Session> {
        let name = self.name();
        let connection = match tokio::time::timeout(CONNECT_TIMEOUT, self.options.connect()).await {
            Ok(connection) => connection.map_err(|e| sql_error("connect", &name, e))?,
            Err(_) => {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "can't connect: no answer within {} s: check that host and port are right and that no firewall \
                         is between",
                        CONNECT_TIMEOUT.as_secs()
                    ),
                )
                .with_context("database", name));
            }
        };
        let mut session = Session { connection, name };
        session.set_up(access).await?;
        Ok(session)
    }
}

impl Session {
    async fn set_up(&mut self, access: Access) -> Result<()> {
        if self.connection.server_version_num().is_some_and(|version| version >= CHECKS_CONNECTIONS) {
            // Some systems can't do it; there a query ends when it sends its next row.
            let set = (&mut self.connection).execute("SET client_connection_check_interval = '1s'").await;
            if let Err(error) = set {
                tracing::debug!(%error, "this server does not look whether anybody waits for a query");
            }
        }
        if access == Access::Read {
            let set = (&mut self.connection).execute("SET default_transaction_read_only = on").await;
            set.map_err(|e| self.failed("set up the connection", e))?;
        }
        Ok(())
    }

    fn failed(&self, tried: &str, error: sqlx::Error) -> Error {
        sql_error(tried, &self.name, error)
    }

    /// The columns that `statement` gives; `types` says what to read some of them as.
    pub(in crate::source::sql) async fn columns(
        &mut self,
        statement: &Statement,
        types: &[(String, DataType)],
    ) -> Result<Vec<SqlColumn>> {
        let text = AssertSqlSafe(statement.sql.clone()).into_sql_str();
        let given = bound::<PgArguments>(&statement.parameters)?;
        let prepared = (&mut self.connection).prepare_with(text, &parameter_types(&statement.parameters)).await;
        let prepared = prepared.map_err(|e| self.failed("read", e))?;
        check_parameters(prepared.parameters(), given.len())?;
        let mut columns = Vec::new();
        for column in prepared.columns() {
            let kind = Kind::of(column.type_info()).ok_or_else(|| unknown(column))?;
            let asked = types.iter().find(|(name, _)| name == column.name()).map(|(_, data_type)| data_type);
            let natural = match kind.decimal(asked) {
                Some(natural) => natural,
                None if kind.is_numeric() => kind.data_type(self.modifier(column).await?),
                None => kind.data_type(None),
            };
            columns
                .push(SqlColumn { reading: Reading::natural(column.name(), natural), comparable: kind.comparable() });
        }
        Ok(columns)
    }

    /// What a column's type was declared with, such as the digits of a `numeric`, if it is of a table.
    async fn modifier(&mut self, column: &PgColumn) -> Result<Option<i32>> {
        let (Some(relation), Some(attribute)) = (column.relation_id(), column.relation_attribute_no()) else {
            return Ok(None);
        };
        // A domain has them from its own type.
        let sql = "SELECT CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE t.typtypmod END \
                   FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
                   WHERE a.attrelid = $1 AND a.attnum = $2";
        let row = sqlx::query(sql).bind(relation).bind(attribute).fetch_optional(&mut self.connection).await;
        let row = row.map_err(|e| self.failed("look up a type", e))?;
        let modifier = row.map(|row| row.try_get::<i32, _>(0)).transpose();
        Ok(modifier.map_err(|e| self.failed("look up a type", e))?.filter(|modifier| *modifier >= 0))
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
        let Self { mut connection, name } = self;
        let mut building = Rows::new(schema, &readings, batch_size)?;
        let query = sqlx::query_with(AssertSqlSafe(statement.sql), bound::<PgArguments>(&statement.parameters)?)
            .persistent(false);
        let mut rows = query.fetch(&mut connection);
        let mut kinds: Vec<Kind> = Vec::new();
        let mut count = 0_u64;
        while let Some(row) = rows.try_next().await.map_err(|e| sql_error("read", &name, e))? {
            if count == 0 {
                let of_columns = row.columns().iter().take(readings.len());
                kinds = of_columns.map(|c| Kind::of(c.type_info()).ok_or_else(|| unknown(c))).collect::<Result<_>>()?;
            }
            count += 1;
            for (column, (kind, reading)) in kinds.iter().zip(&readings).enumerate() {
                let value = row.try_get_raw(column).map_err(|e| sql_error("read", &name, e))?;
                let added = if value.is_null() {
                    building.push(column, Cell::Null)
                } else {
                    let bytes = value.as_bytes().map_err(|e| sql_error("read", &name, sqlx::Error::Decode(e)))?;
                    decode::cell(kind, &reading.natural, bytes).and_then(|cell| building.push(column, cell))
                };
                added.context("column", reading.field.name()).context("row", count)?;
            }
            if building.end_row() && !batches.send(building.take()?).await {
                return Ok(());
            }
        }
        batches.send_last(building).await
    }
}

fn parameter_types(parameters: &[Literal]) -> Vec<sqlx::postgres::PgTypeInfo> {
    use sqlx::{Postgres, Type};
    let of = |parameter: &Literal| match parameter {
        Literal::Bool(_) => <bool as Type<Postgres>>::type_info(),
        Literal::Float(_) => <f64 as Type<Postgres>>::type_info(),
        Literal::Int(_) => <i64 as Type<Postgres>>::type_info(),
        _ => <str as Type<Postgres>>::type_info(),
    };
    parameters.iter().map(of).collect()
}

fn unknown(column: &PgColumn) -> Error {
    use sqlx::TypeInfo;

    let (name, kind) = (column.name(), column.type_info().name());
    let quoted = super::statement::quoted(name);
    let cast = match kind {
        "INTERVAL" => format!("extract(epoch FROM {quoted}) AS {quoted}, which is seconds,"),
        "MONEY" => format!("{quoted}::numeric(19, 2) AS {quoted}"),
        _ => format!("{quoted}::text AS {quoted}"),
    };
    Error::new(
        ErrorKind::Unsupported,
        format!("column '{name}' is {kind}, which has no counterpart here: read it by a query with {cast}"),
    )
}
