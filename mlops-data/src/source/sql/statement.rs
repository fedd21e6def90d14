//! SQL text. Names are quoted and values are bound: nothing that a program or a user gave is spliced
//! in, except the query that a program wrote itself.

use mlops_core::{Error, Literal, Result};
use sqlx::{Arguments, Either, Encode, Type};

use super::database::SqlDatabase;

/// SQL and the values of its parameters, `$1` and up.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) parameters: Vec<Literal>,
}

impl Statement {
    /// Binds a value; its place in the text.
    pub(super) fn bind(&mut self, value: Literal) -> String {
        self.parameters.push(value);
        format!("${}", self.parameters.len())
    }
}

/// The parameters of a statement, as its database takes them.
pub(super) fn bound<A>(parameters: &[Literal]) -> Result<A>
where
    A: Arguments,
    for<'q> bool: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> f64: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> i64: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> String: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> Option<String>: Encode<'q, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for parameter in parameters {
        match parameter {
            Literal::Bool(value) => arguments.add(*value),
            Literal::Float(value) => arguments.add(*value),
            Literal::Int(value) => arguments.add(*value),
            Literal::Text(value) => arguments.add(value.clone()),
            Literal::Null => arguments.add(None::<String>),
            other => return Err(Error::unsupported(format!("{other} can't be a parameter: write it as text"))),
        }
        .map_err(|e| Error::data(format!("a parameter can't be bound: {e}")))?;
    }
    Ok(arguments)
}

/// Refuses a number of parameters that the database does not expect; it may say what their types are.
pub(super) fn check_parameters<T>(expected: Option<Either<&[T], usize>>, given: usize) -> Result<()> {
    let expected = match expected {
        Some(Either::Left(types)) => types.len(),
        Some(Either::Right(count)) => count,
        None => return Ok(()),
    };
    if expected == given {
        return Ok(());
    }
    Err(Error::config(format!(
        "the query has {expected} parameters, and {given} were given: bind one with with_parameter() for each of $1, $2, …"
    )))
}

/// What is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Relation {
    Query(Statement),
    Table(TableName),
}

/// A table, maybe in a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableName {
    pub(super) schema: Option<String>,
    pub(super) table: String,
}

impl TableName {
    pub(super) fn new(table: impl Into<String>) -> Self {
        Self { schema: None, table: table.into() }
    }

    /// The database and the table of a URL such as `postgres://user@host/database#table`, which may hold a
    /// password and is not shown.
    pub(super) fn at(url: &str) -> Result<(SqlDatabase, Self)> {
        let named = url.rsplit_once('#').filter(|(_, table)| !table.is_empty());
        let (url, table) = named.ok_or_else(|| {
            Error::config(
                "the URL of the database names no table: write it behind a '#', as in postgres://host/database#table \
                 or sqlite:file.db#table",
            )
        })?;
        let name = match table.split_once('.') {
            Some((schema, table)) => Self { schema: Some(schema.to_owned()), table: table.to_owned() },
            None => Self::new(table),
        };
        Ok((SqlDatabase::at(url)?, name))
    }

    /// The name as it is written in SQL.
    pub(super) fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&self.table)),
            None => quoted(&self.table),
        }
    }

    /// The name as it is written in messages.
    pub(super) fn shown(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.table),
            None => self.table.clone(),
        }
    }
}

impl Relation {
    /// `SELECT columns FROM` this, with the parameters of this; every column if `None`.
    pub(super) fn select(&self, columns: Option<&[String]>) -> Statement {
        let columns = match columns {
            None => "*".to_owned(),
            // Rows are counted where no column is wanted.
            Some([]) => "NULL".to_owned(),
            Some(columns) => columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
        };
        match self {
            Self::Table(table) => {
                Statement { sql: format!("SELECT {columns} FROM {}", table.quoted()), ..Statement::default() }
            }
            Self::Query(query) => {
                // On a line of its own: a comment at the end of the query must not hide what follows.
                let text = query.sql.trim().trim_end_matches(';');
                let sql = format!("SELECT {columns} FROM (\n{text}\n) AS source");
                Statement { sql, parameters: query.parameters.clone() }
            }
        }
    }
}

/// A name as an identifier of SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(quoted(r#"a"; DROP TABLE b; --"#), r#""a""; DROP TABLE b; --""#);
        let table = TableName { schema: Some("a.b".into()), table: "c".into() };
        assert_eq!(table.quoted(), r#""a.b"."c""#);
    }

    #[test]
    fn a_query_may_end_in_a_comment_or_a_semicolon() {
        let query = Relation::Query(Statement { sql: "SELECT 1 AS one -- the first;".into(), parameters: vec![] });
        assert_eq!(query.select(None).sql, "SELECT * FROM (\nSELECT 1 AS one -- the first\n) AS source");
        let query = Relation::Query(Statement { sql: "SELECT 1 AS one;\n".into(), parameters: vec![] });
        assert_eq!(query.select(Some(&["one".into()])).sql, "SELECT \"one\" FROM (\nSELECT 1 AS one\n) AS source");
    }
}
