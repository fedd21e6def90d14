//! Tables and queries of SQLite and PostgreSQL.
//!
//! A [`SqlDatabase`] is a place, a [`SqlSource`] reads a table or a query of it, a [`SqlSink`] writes
//! a table in one transaction.
//!
//! # Types
//! | PostgreSQL | Arrow |
//! |---|---|
//! | `boolean` | `Boolean` |
//! | `smallint`, `integer`, `bigint`, `oid` | `Int16`, `Int32`, `Int64`, `UInt32` |
//! | `real`, `double precision` | `Float32`, `Float64` |
//! | `numeric(p, s)` of a table, to 38 digits | `Decimal128(p, s)` |
//! | other `numeric` | `Float64`, rounded to the nearest; [`with_type`](SqlSource::with_type) for all digits |
//! | `text`, `varchar`, `char`, `name`, `citext`, enums, `json`, `jsonb`, `uuid` | `Utf8` |
//! | `bytea` | `Binary` |
//! | `date`, `time` | `Date32`, `Time64(µs)` |
//! | `timestamp`, `timestamp with time zone` | `Timestamp(µs)`, `Timestamp(µs, "UTC")` |
//! | arrays of these, of one dimension | `List` |
//! | anything else | an error that names the column and the cast to write |
//!
//! SQLite keeps a type with each cell, and declared types are hints. A column that is declared as one
//! of these is read as it says, and a cell that does not fit is an error that names its row:
//!
//! | SQLite | Arrow |
//! |---|---|
//! | `…INT…` | `Int64` |
//! | `…REAL…`, `…FLOA…`, `…DOUB…` | `Float64` |
//! | `…CHAR…`, `…CLOB…`, `…TEXT…` | `Utf8` |
//! | `…BLOB…` | `Binary` |
//! | `BOOLEAN`: 0 and 1 | `Boolean` |
//! | `DATE`, `TIME`: text as in ISO 8601 | `Date32`, `Time64(µs)` |
//! | `DATETIME`, `TIMESTAMP`: text as in ISO 8601, no offset | `Timestamp(µs)` |
//! | other or none, and whatever is computed | what **all** its cells are, found by one pass more: `Int64`, `Float64`, `Utf8` or `Binary`; a mixture of numbers and text is an error that names the cast |
//!
//! Every column may hold nulls.

mod cell;
mod database;
mod error;
#[cfg(feature = "postgres")]
mod postgres;
mod predicate;
mod produce;
mod sink;
mod source;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statement;

pub use database::SqlDatabase;
pub use sink::SqlSink;
pub use source::SqlSource;
