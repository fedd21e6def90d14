//! Has the data changed? Tests of each column against a reference that is learned once, kept small
//! and stored with the model.
//!
//! | recipe | columns | test | effect |
//! | --- | --- | --- | --- |
//! | [`KsTest`] | numbers | Kolmogorov-Smirnov | the distance itself |
//! | [`ChiSquare`] | texts, booleans, whole numbers | Pearson's chi-square | total variation |
//! | [`Psi`] | numbers | population stability index | the index itself |
//! | [`DriftSuite`] | all of them | by type of the column | as above |
//!
//! All give a [`ColumnMonitor`]. Its window is counts over the cells of the reference: observing
//! a million rows takes no more memory than one, rows may come in any batches and order, and the
//! test is over all of them, not over a sample.
//!
//! **Missing values.** For categories, null is a category. For numbers, null and NaN are missing:
//! `Psi` gives them a bin of their own, `KsTest` adds a verdict with the test `missing` on their
//! share, for every column that misses a value on either side.
//!
//! **New categories** count like others if there are enough of them, else together with the rare.

mod categories;
mod cells;
mod column;
mod monitor;
mod recipes;

pub use monitor::ColumnMonitor;
pub use recipes::{ChiSquare, DriftSuite, KsTest, NumericTest, Psi};
