//! What data must look like, and what becomes of rows that do not.
//!
//! [`Expectations`] are plain data, a schema and a suite of checks in one: write them in code or in a
//! file ([`Expectations::from_toml`]), or let [`Suggest`] draft them from profiles, edit them, and
//! keep them in a package. [`Expectations::check`] splits a table in one pass,
//! [`ExpectingExt::expecting`] does the same to a source while it is read, and [`Screening`] to any
//! batches in order.
//!
//! | what is expected of | checks |
//! |---|---|
//! | each value | never null, a range, a period, a set, a pattern, a length, unique, ascending |
//! | a column as a whole | kind, share of nulls, mean, deviation, quantiles, distinct values, freshness, drift from a reference |
//! | each row | a condition, a key, a column that follows from others |
//! | the table | its columns, the number of rows |
//!
//! A declared check is never skipped: one that can't be made, because its column is missing or of
//! another type, is a failed result that says so, and one that makes no sense for any data is an
//! error before any row is looked at.
//!
//! | severity | a row that fails | the data |
//! |---|---|---|
//! | [`Severity::Warn`] | stays | go on, the report tells |
//! | [`Severity::Quarantine`] | is set aside with its reasons | go on |
//! | [`Severity::Fail`] | is set aside with its reasons | are refused |

mod bind;
mod cells;
mod check;
mod column;
mod drift;
mod expectations;
mod file;
mod grammar;
mod hash;
mod interval;
mod judge;
mod kind;
mod pattern;
mod plain;
mod report;
mod sequence;
mod show;
mod source;
mod suggest;
mod tally;
mod time;
mod validation;
mod whole;

pub use check::{Check, ColumnCheck, Severity};
pub use column::Column;
pub use drift::{Distribution, Drift, Measure};
pub use expectations::{Dependency, Expectations, Extra, Key, RowCheck, RowCount};
pub use grammar::{parse as parse_condition, write as write_condition};
pub use interval::Interval;
pub use kind::Kind;
pub use report::{CheckReport, Example, Outcome, ValidationReport};
pub use sequence::MAX_SEEN;
pub use source::{Expecting, ExpectingExt};
pub use suggest::Suggest;
pub use time::{Period, Span};
pub use validation::{REASONS, Screened, Screening, Validated, Validation};
