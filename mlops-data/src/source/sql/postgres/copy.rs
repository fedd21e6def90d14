//! Rows into PostgreSQL, by `COPY`.

use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use mlops_core::{BatchStream, Result, ResultExt};
use sqlx::{AssertSqlSafe, Executor};

use super::{Session, encode};
use crate::source::background::blocking;
use crate::source::sql::error::sql_error;
use crate::source::sql::sink::{Mode, columns};
use crate::source::sql::statement::{TableName, quoted};

impl Session {
    /// Writes rows in one transaction, which a lost connection rolls back.
    pub(in crate::source::sql) async fn write(
        self,
        mode: Mode,
        table: &TableName,
        schema: &SchemaRef,
        mut batches: BatchStream,
    ) -> Result<u64> {
        let Self { mut connection, name } = self;
        let failed = |e| sql_error("write", &name, e);
        let columns = columns(schema, "PostgreSQL", encode::kind_of)?;
        connection.execute("BEGIN").await.map_err(failed)?;
        for statement in mode.preparation(table, &columns) {
            connection.execute(AssertSqlSafe(statement)).await.map_err(failed)?;
            if mode == Mode::Replace {
                // Two that replace at once must not both keep their rows; readers are not kept out.
                let lock = format!("LOCK TABLE {} IN EXCLUSIVE MODE", table.quoted());
                connection.execute(AssertSqlSafe(lock)).await.map_err(failed)?;
            }
        }
        let names: Vec<String> = columns.iter().map(|(name, _)| quoted(name)).collect();
        let copy = format!("COPY {} ({}) FROM STDIN", table.quoted(), names.join(", "));
        let mut copy = connection.copy_in_raw(&copy).await.map_err(failed)?;
        let mut written = 0;
        while let Some(batch) = batches.try_next().await? {
            let rows = batch.num_rows();
            let lines = blocking(move || encode::lines(&batch)).await.context("after row", written)?;
            copy.send(lines).await.map_err(failed)?;
            written += rows as u64;
        }
        copy.finish().await.map_err(failed)?;
        connection.execute("COMMIT").await.map_err(failed)?;
        Ok(written)
    }
}
