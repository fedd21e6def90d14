use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use mlops_core::columns::find_column;
use mlops_core::{BatchStream, DataSource, Error, Literal, Result, ResultExt, Scan};

use super::cell::Reading;
use super::database::{Access, Backend, SqlDatabase};
#[cfg(feature = "postgres")]
use super::postgres;
use super::predicate::{Comparable, condition};
#[cfg(feature = "sqlite")]
use super::sqlite;
use super::statement::{Relation, Statement, TableName, quoted};
use crate::source::background::in_background;
use crate::source::pushdown::{check_scan, needed_columns};

/// A table or a query of a [`SqlDatabase`].
///
/// A scan is one `SELECT` on a connection of its own. The database is asked only for the columns that
/// are needed, for the rows that simple conditions of the filter can't rule out (a column beside a
/// literal, nulls, lists, `and` and `or`), and for no more than the limit; values are bound as
/// parameters, never written into the text. Rows are read as they are asked for: memory is a few
/// batches, each of at most 16 MiB or one row. Dropping the stream cancels the query: SQLite is
/// interrupted, PostgreSQL (14 or newer) notices within a second, and at its next row before that.
///
/// A database has no order of rows of its own: state one with [`with_order`](Self::with_order) or
/// `ORDER BY` where two scans must agree.
///
/// What types become, and what to do about those that have no counterpart, is said at
/// [`source::sql`](crate::source::sql).
///
/// # Example
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use mlops_core::{DataSourceExt, Scan, Table, col, lit};
/// use mlops_data::{SinkExt, SqlDatabase, SqlSink, SqlSource};
///
/// # tokio::runtime::Builder::new_multi_thread().build()?.block_on(async {
/// let database = SqlDatabase::connect("sqlite::memory:").await?;
/// let batch = arrow::array::record_batch!(("carrier", Utf8, ["UA", "B6", "UA"]), ("delay", Int64, [3, 20, 41]))?;
/// SqlSink::create(&database, "flights").write_table(&Table::from_batch(batch)).await?;
///
/// let flights = SqlSource::table(&database, "flights");
/// assert_eq!(flights.read_scan(Scan::all().with_filter(col("delay").gt(lit(10)))).await?.num_rows(), 2);
///
/// let query = "SELECT carrier, max(delay) AS worst FROM flights WHERE carrier = $1 GROUP BY carrier";
/// let worst = SqlSource::query(&database, query).with_parameter("UA").read().await?;
/// assert_eq!(worst.num_rows(), 1);
/// # Ok::<(), mlops_core::Error>(()) })?;
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SqlSource {
    database: SqlDatabase,
    relation: Relation,
    order: Vec<String>,
    types: Vec<(String, DataType)>,
    /// What was asked of a query that only a table has, or the other way round.
    misused: Option<&'static str>,
}

/// A column as the database has it.
#[derive(Clone, Debug)]
pub(super) struct SqlColumn {
    pub(super) reading: Reading,
    pub(super) comparable: Option<Comparable>,
}

impl SqlSource {
    /// The table or view `table`. The name is taken as it is written, with its capital letters.
    pub fn table(database: &SqlDatabase, table: impl Into<String>) -> Self {
        Self::of(database, Relation::Table(TableName::new(table)))
    }

    /// What the query `sql` gives: one `SELECT`, or whatever may stand in parentheses after `FROM`.
    /// Write `$1`, `$2`, … where it has [parameters](Self::with_parameter).
    pub fn query(database: &SqlDatabase, sql: impl Into<String>) -> Self {
        Self::of(database, Relation::Query(Statement { sql: sql.into(), parameters: Vec::new() }))
    }

    /// The table that a URL names (see [`source::open`](crate::source::open)).
    pub(crate) fn at(url: &str) -> Result<Self> {
        let (database, table) = TableName::at(url)?;
        Ok(Self::of(&database, Relation::Table(table)))
    }

    fn of(database: &SqlDatabase, relation: Relation) -> Self {
        Self { database: database.clone(), relation, order: Vec::new(), types: Vec::new(), misused: None }
    }

    /// Looks for the table in the schema `schema` (of an attached database, in SQLite).
    #[must_use]
    pub fn in_schema(mut self, schema: impl Into<String>) -> Self {
        match &mut self.relation {
            Relation::Query(_) => self.misused = Some("a query is in no schema: name the schemas of its tables in it"),
            Relation::Table(table) => table.schema = Some(schema.into()),
        }
        self
    }

    /// Binds the next parameter of the query. PostgreSQL takes it as `bigint`, `double precision`,
    /// `boolean` or `text`: write `$1::date` where it is to be another type.
    #[must_use]
    pub fn with_parameter(mut self, value: impl Into<Literal>) -> Self {
        match &mut self.relation {
            Relation::Query(query) => query.parameters.push(value.into()),
            Relation::Table(_) => self.misused = Some("a table has no parameters: filter the scan, or write a query"),
        }
        self
    }

    /// Rows in the order of these columns, ascending.
    #[must_use]
    pub fn with_order<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.order = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Reads `column` as a `data_type`: as Arrow converts to it, with an error for a value that has no
    /// counterpart. A `numeric` read as a decimal keeps all of its digits.
    #[must_use]
    pub fn with_type(mut self, column: impl Into<String>, data_type: DataType) -> Self {
        let column = column.into();
        self.types.retain(|(name, _)| *name != column);
        self.types.push((column, data_type));
        self
    }

    /// The columns of everything.
    async fn columns(&self, connection: &mut Connection) -> Result<Vec<SqlColumn>> {
        if let Some(misused) = self.misused {
            return Err(Error::config(misused));
        }
        let statement = self.relation.select(None);
        let mut columns = match connection {
            #[cfg(feature = "postgres")]
            Connection::Postgres(connection) => connection.columns(&statement, &self.types).await?,
            #[cfg(feature = "sqlite")]
            Connection::Sqlite(connection) => connection.columns(&statement).await?,
        };
        check_names(&columns)?;
        for (name, data_type) in &self.types {
            let place = find_column(&schema_of(&columns), name)?;
            let column = &mut columns[place];
            if column.reading.natural != *data_type {
                column.reading.field = Arc::new(Field::new(name, data_type.clone(), true));
                column.comparable = None;
            }
        }
        Ok(columns)
    }

    async fn connect(&self) -> Result<Connection> {
        Ok(match &self.database.backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres(server) => Connection::Postgres(server.connect(Access::Read).await?),
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(library) => Connection::Sqlite(library.connect(Access::Read).await?),
        })
    }

    /// The statement that gives `names` of the rows that `scan` may keep.
    fn statement(&self, names: &[String], columns: &[SqlColumn], scan: &Scan) -> Statement {
        let mut statement = self.relation.select(Some(names));
        let comparable: HashMap<&str, Comparable> =
            columns.iter().filter_map(|c| Some((c.reading.field.name().as_str(), c.comparable?))).collect();
        if let Some(condition) = scan.filter.as_ref().and_then(|f| condition(f, &comparable, &mut statement)) {
            statement.sql.push_str(&format!(" WHERE {condition}"));
        }
        if !self.order.is_empty() {
            let order: Vec<String> = self.order.iter().map(|name| quoted(name)).collect();
            statement.sql.push_str(&format!(" ORDER BY {}", order.join(", ")));
        }
        if let (Some(limit), None) = (scan.limit, &scan.filter) {
            statement.sql.push_str(&format!(" LIMIT {limit}"));
        }
        statement
    }
}

enum Connection {
    #[cfg(feature = "postgres")]
    Postgres(postgres::Session),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::Session),
}

impl Connection {
    /// The rows of a statement, as long as somebody reads them.
    fn rows(self, statement: Statement, schema: SchemaRef, readings: Vec<Reading>, batch_size: usize) -> BatchStream {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(session) => session.rows(statement, schema, readings, batch_size),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(session) => session.rows(statement, schema, readings, batch_size),
        }
    }
}

#[async_trait]
impl DataSource for SqlSource {
    fn name(&self) -> String {
        match &self.relation {
            Relation::Query(_) => format!("a query of {}", self.database.name()),
            Relation::Table(table) => format!("{} of {}", table.shown(), self.database.name()),
        }
    }

    async fn schema(&self) -> Result<SchemaRef> {
        let mut connection = self.connect().await?;
        let columns = self.columns(&mut connection).await.context("source", self.name())?;
        Ok(schema_of(&columns))
    }

    async fn scan(&self, scan: Scan) -> Result<BatchStream> {
        let mut connection = self.connect().await?;
        let columns = self.columns(&mut connection).await.context("source", self.name())?;
        let schema = schema_of(&columns);
        check_scan(&scan, &schema).context("source", self.name())?;
        for name in &self.order {
            find_column(&schema, name).context("source", self.name())?;
        }
        let needed = needed_columns(&scan, &schema)?;
        let readings: Vec<Reading> = needed.iter().map(|column| columns[*column].reading.clone()).collect();
        let names: Vec<String> = readings.iter().map(|reading| reading.field.name().clone()).collect();
        let read_schema: SchemaRef = Arc::new(schema.project(&needed)?);
        let statement = self.statement(&names, &columns, &scan);
        let rows = connection.rows(statement, Arc::clone(&read_schema), readings, scan.batch_size);
        in_background(&self.name(), &read_schema, &scan, rows)
    }
}

fn schema_of(columns: &[SqlColumn]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|column| Arc::clone(&column.reading.field)).collect::<Vec<_>>()))
}

fn check_names(columns: &[SqlColumn]) -> Result<()> {
    let mut seen = HashSet::new();
    match columns.iter().map(|column| column.reading.field.name()).find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(Error::schema(format!(
            "two columns are called '{name}': give each a name of its own, as in SELECT a.id AS a_id, b.id AS b_id"
        ))),
    }
}
