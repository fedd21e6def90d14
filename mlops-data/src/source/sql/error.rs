//! Errors of databases, by what can be done about them.

use mlops_core::{Error, ErrorKind};
use sqlx::error::DatabaseError;

/// What the database `name` said when somebody `tried` something.
pub(super) fn sql_error(tried: &str, name: &str, error: sqlx::Error) -> Error {
    let (kind, remedy) = verdict(&error);
    let message = match &error {
        sqlx::Error::Database(error) => message_of(error.as_ref()),
        other => other.to_string(),
    };
    let error = match place(&error) {
        Some(place) => {
            Error::new(kind, format!("can't {tried}: {message}: {remedy}")).with_source(error).with_context("at", place)
        }
        None => Error::new(kind, format!("can't {tried}: {message}: {remedy}")).with_source(error),
    };
    error.with_context("database", name)
}

const UNREACHABLE: (ErrorKind, &str) =
    (ErrorKind::Unavailable, "check that the database runs, that host and port are right, and try again");

fn verdict(error: &sqlx::Error) -> (ErrorKind, &'static str) {
    match error {
        sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => {
            (ErrorKind::Config, "check the URL and its parameters")
        }
        sqlx::Error::Database(error) => verdict_of(error.as_ref()),
        sqlx::Error::Io(_) => UNREACHABLE,
        // A connection that was closed before the first answer; no server answers with this byte.
        sqlx::Error::Protocol(message) if message.contains("SSLRequest: 0x00") => UNREACHABLE,
        sqlx::Error::Protocol(_) => (ErrorKind::Config, "check that what answers at this address is the database"),
        sqlx::Error::Tls(_) => (
            ErrorKind::Config,
            "check the certificates and 'sslmode'; encrypted connections need the feature 'postgres-tls'",
        ),
        sqlx::Error::WorkerCrashed => (ErrorKind::Internal, "please report this"),
        _ => (ErrorKind::Data, "check the values"),
    }
}

fn verdict_of(error: &dyn DatabaseError) -> (ErrorKind, &'static str) {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return postgres_verdict(error.code());
    }
    #[cfg(feature = "sqlite")]
    if let Some(code) = error.code() {
        return sqlite_verdict(&code, error.message());
    }
    (ErrorKind::Data, "check the values")
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
#[cfg(feature = "postgres")]
fn postgres_verdict(code: &str) -> (ErrorKind, &'static str) {
    match code {
        "28000" | "28P01" => (ErrorKind::Denied, "check user, password and what pg_hba.conf allows"),
        "42501" => (ErrorKind::Denied, "ask the owner for the right (GRANT)"),
        "3D000" => (ErrorKind::NotFound, "check the name of the database"),
        "3F000" | "42P01" => (
            ErrorKind::NotFound,
            "check the name and its schema; names are taken as they are written, with capital letters and dots",
        ),
        "42703" => (ErrorKind::Schema, "check the names of the columns"),
        "42P07" => (ErrorKind::Conflict, "append to it, replace its rows, or take another name"),
        "40001" | "40P01" | "55P03" => (ErrorKind::Conflict, "somebody else was faster; try again"),
        "57014" => (ErrorKind::Cancelled, "it was cancelled, or ran into 'statement_timeout'"),
        "53100" => (ErrorKind::Denied, "free some space on the server"),
        "25006" => (ErrorKind::Config, "a source only reads: write with a sink"),
        "42601" | "42883" | "42804" | "42P02" | "42P18" | "42702" | "42846" => {
            (ErrorKind::Config, "check the query; a parameter gets its type by a cast, as in $1::date")
        }
        "0A000" => (ErrorKind::Unsupported, "write it another way"),
        _ => match code.get(..2) {
            Some("08" | "53" | "57" | "58") => (ErrorKind::Unavailable, "try again later"),
            Some("42") => (ErrorKind::Config, "check the query"),
            Some("XX") => (ErrorKind::Corrupt, "look into the server's log"),
            _ => (ErrorKind::Data, "check the values"),
        },
    }
}

/// By the primary result code, the low byte: <https://sqlite.org/rescode.html>.
#[cfg(feature = "sqlite")]
fn sqlite_verdict(code: &str, message: &str) -> (ErrorKind, &'static str) {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(1) if message.starts_with("no such table") => (ErrorKind::NotFound, "check the name of the table"),
        Ok(1) if message.contains("no such column") || message.contains("no column named") => {
            (ErrorKind::Schema, "check the names of the columns")
        }
        Ok(1) if message.ends_with("already exists") => {
            (ErrorKind::Conflict, "append to it, replace its rows, or take another name")
        }
        Ok(1) => (ErrorKind::Config, "check the query"),
        Ok(3 | 8 | 23) => (ErrorKind::Denied, "allow this user to read and write the file and its directory"),
        Ok(5 | 6) => (ErrorKind::Unavailable, "another connection holds a lock; try again"),
        Ok(9) => (ErrorKind::Cancelled, "it was cancelled"),
        Ok(10) => (ErrorKind::Unavailable, "check the disk"),
        Ok(11 | 26) => (ErrorKind::Corrupt, "the file is no SQLite database, or damaged: restore it from a copy"),
        Ok(13) => (ErrorKind::Denied, "free some space"),
        Ok(14) => (ErrorKind::NotFound, "check the path; '?mode=rwc' makes a file that is not there"),
        _ => (ErrorKind::Data, "check the values"),
    }
}

/// What was said, with what the server knows about it.
fn message_of(error: &dyn DatabaseError) -> String {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        let more = [error.detail(), error.hint()].into_iter().flatten();
        return more
            .fold(error.message().to_owned(), |message, more| format!("{message} ({})", more.trim_end_matches('.')));
    }
    error.message().to_owned()
}

/// Where the server was, such as the line of what it was sent.
fn place(error: &sqlx::Error) -> Option<String> {
    #[cfg(feature = "postgres")]
    if let sqlx::Error::Database(error) = error {
        let error = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
        return error.r#where().map(str::to_owned);
    }
    let _ = error;
    None
}
