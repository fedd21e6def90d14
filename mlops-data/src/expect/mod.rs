//! What data must look like, and what becomes of rows that do not.
//!
//! [`Expectations`] are plain data: write them in code or in a file, or infer them from a profile,
//! edit them, and keep them in a package. [`Expectations::check`] splits a table in one pass;
//! [`ExpectingExt::expecting`] does the same to a source while it is read.
//!
//! A declared check is never skipped: one that can't be made, because its column is missing or of
//! another type, or it makes no sense, is an error before any row is looked at.
//!
//! | severity | a row that fails | the data |
//! |---|---|---|
//! | [`Severity::Warn`] | stays | go on, the report tells |
//! | [`Severity::Quarantine`] | is set aside with its reasons | go on |
//! | [`Severity::Fail`] | is set aside with its reasons | are refused |

mod cell;
mod column;
mod expectations;
mod judge;
mod report;
mod source;
mod validation;

pub use column::{Check, Column, ColumnCheck, Interval, Kind, Severity};
pub use expectations::{Expectations, Extra, RowCheck};
pub use report::{CheckReport, Example, ValidationReport};
pub use source::{Expecting, ExpectingExt};
pub use validation::{REASONS, Validated, Validation};
