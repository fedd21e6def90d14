//! Cutting a table into rows to learn from and rows to judge on.
//!
//! Two kinds of recipes, plain data each: [`Split`] holds rows back once, into [`Parts`]; those in
//! [`Folds`] cut again and again for a cross-validation, and are [`Splitter`](mlops_core::folds::Splitter)s.
//! A cut is a function of the table's rows and the recipe alone, not of batches or threads. Where
//! scikit-learn draws no random numbers, the rows are the same as its.
//!
//! | what a row is | hold out | folds | because |
//! | --- | --- | --- | --- |
//! | independent of others | [`Split::test`] | [`KFold`], [`ShuffleSplit`] | nothing leaks |
//! | of a class, some of them rare | [`Split::stratified`] | [`StratifiedKFold`] | every part must have all classes |
//! | one of several of a person or thing | [`Split::by_group`] | [`GroupKFold`], [`StratifiedGroupKFold`] | a model would recognise whom it knows |
//! | an event in time | [`Split::by_time`] | [`TimeSeriesSplit`], [`PurgedKFold`] | a model would learn from the future |
//! | of a table that grows | [`Split::by_hash`] | [`HashKFold`] | no row may ever change sides |
//! | assigned by somebody else | [`Split::predefined`] | [`PredefinedSplit`] | results must be comparable |
//!
//! [`SplitExt`] adds the commonest cuts to [`Table`], in one call. Both its parts keep the order of
//! the rows, the batches and the roles, and together hold every row once.

mod assign;
mod folds;
mod group;
mod hash;
mod holdout;
mod k_fold;
mod keys;
mod predefined;
mod series;
mod shuffle;
mod span;
mod stratified_group;
mod time;

pub use self::folds::Folds;
pub use self::group::GroupKFold;
pub use self::holdout::{Parts, Split, SplitBy};
pub use self::k_fold::{KFold, StratifiedKFold};
pub use self::predefined::{HashKFold, PredefinedSplit};
pub use self::series::{PurgedKFold, TimeSeriesSplit};
pub use self::shuffle::ShuffleSplit;
pub use self::span::Span;
pub use self::stratified_group::StratifiedGroupKFold;

use mlops_core::folds::{Fold, k_fold, stratified_k_fold};
use mlops_core::{Error, Literal, Result, Table};
use serde::{Deserialize, Serialize};

/// Which classes a random cut keeps in proportion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stratify {
    /// Those of this column: booleans, whole numbers, texts or dates.
    Column(String),
    /// None: every row is drawn alike.
    #[default]
    None,
    /// Those of the column whose role is [`Target`](mlops_core::Role::Target).
    Target,
}

/// Cuts a [`Table`] into rows to learn from and rows to judge on.
///
/// # Example
/// ```
/// use mlops_core::{Role, Table};
/// use mlops_data::split::{SplitExt, Stratify};
/// # let batch = arrow::array::record_batch!(
/// #     ("day", Int32, [1, 2, 3, 4, 5, 6, 7, 8]),
/// #     ("late", Boolean, [true, false, false, false, true, false, false, false])
/// # )?;
/// let flights = Table::from_batch(batch).with_role("late", Role::Target)?;
///
/// let (train, test) = flights.split(0.75, 42)?;
/// assert_eq!((train.num_rows(), test.num_rows()), (6, 2));
///
/// // One of the two late flights goes to each side.
/// let (train, test) = flights.train_test_split(0.5, 42, &Stratify::Target)?;
/// assert_eq!((train.num_rows(), test.num_rows()), (4, 4));
///
/// // Learn from days 1 to 5, judge on 6 and later.
/// let (train, test) = flights.split_by_time("day", 6)?;
/// assert_eq!((train.num_rows(), test.num_rows()), (5, 3));
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub trait SplitExt {
    /// `fraction` of the rows, rounded down and drawn at random, to learn from; the others to judge
    /// on. One pass; 9 bytes of memory a row besides the copies.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) unless 0 < `fraction` < 1,
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if a part would have no row.
    fn split(&self, fraction: f64, seed: u64) -> Result<(Table, Table)>;

    /// [`split`](Self::split), with every class of `stratify` in both parts, as near to `fraction`
    /// as whole rows allow (largest remainders).
    ///
    /// # Errors
    /// As [`split`](Self::split); [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if there is
    /// no such column or it holds no classes, [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if
    /// it has nulls, a class of one row, or more classes than a part has rows.
    fn train_test_split(&self, fraction: f64, seed: u64, stratify: &Stratify) -> Result<(Table, Table)>;

    /// The rows before `boundary`, and those at and after it.
    ///
    /// `column` is a date, a timestamp or a whole number. A date or moment is written as text
    /// (`"2013-05-01"`, `"2013-05-01T06:00:00Z"`). Without an offset it is in the time zone of the
    /// column, if that is UTC or an offset; for a zone with a name, write the offset.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if there is no such column or it is no
    /// time, [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if the boundary isn't one of its
    /// values, [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if a time is null or a part would
    /// have no row.
    fn split_by_time(&self, column: &str, boundary: impl Into<Literal>) -> Result<(Table, Table)>;

    /// The earliest `fraction` of the rows, and the later ones. Rows of the same time stay together
    /// and go to the later part, so that the first may be smaller than asked. Sorts the times once.
    ///
    /// # Errors
    /// As [`split`](Self::split) and [`split_by_time`](Self::split_by_time).
    fn split_by_time_fraction(&self, column: &str, fraction: f64) -> Result<(Table, Table)>;

    /// [`mlops_core::folds::k_fold`] over the rows of the table.
    ///
    /// # Errors
    /// As [`mlops_core::folds::k_fold`].
    fn k_fold(&self, k: usize, shuffle: Option<u64>) -> Result<Vec<Fold>>;

    /// [`mlops_core::folds::stratified_k_fold`] by the classes of the target.
    ///
    /// # Errors
    /// As [`mlops_core::folds::stratified_k_fold`], and as [`train_test_split`](Self::train_test_split) for the
    /// target.
    fn stratified_k_fold(&self, k: usize, shuffle: Option<u64>) -> Result<Vec<Fold>>;

    /// The rows to learn from and to judge on in one fold. Copies them.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if the fold is of a longer table.
    ///
    /// # Example
    /// ```
    /// use mlops_core::Table;
    /// use mlops_data::split::SplitExt;
    /// # let batch = arrow::array::record_batch!(("n", Int32, [0, 1, 2, 3]))?;
    /// let table = Table::from_batch(batch);
    /// for fold in table.k_fold(2, Some(42))? {
    ///     let (train, test) = table.take_fold(&fold)?;
    ///     assert_eq!((train.num_rows(), test.num_rows()), (2, 2));
    /// }
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    fn take_fold(&self, fold: &Fold) -> Result<(Table, Table)>;
}

impl SplitExt for Table {
    fn split(&self, fraction: f64, seed: u64) -> Result<(Table, Table)> {
        self.train_test_split(fraction, seed, &Stratify::None)
    }

    fn train_test_split(&self, fraction: f64, seed: u64, stratify: &Stratify) -> Result<(Table, Table)> {
        let train = share(self.num_rows(), fraction)?;
        let chosen = match stratify {
            Stratify::None => assign::at_random(self.num_rows(), train, seed),
            Stratify::Column(column) => assign::by_class(&keys::classes(self, column)?, train, seed)?,
            Stratify::Target => assign::by_class(&keys::classes(self, self.target()?.name())?, train, seed)?,
        };
        assign::cut(self, chosen, &format!("train_test_split({fraction}, {seed}, {stratify:?})"))
    }

    fn split_by_time(&self, column: &str, boundary: impl Into<Literal>) -> Result<(Table, Table)> {
        let boundary = boundary.into();
        let limit = time::parse(self, column, &boundary)?;
        let times = time::times(self, column)?;
        let before: Vec<bool> = times.iter().map(|time| *time < limit).collect();
        time::check_parts(&before, column, &format!("{boundary:?}"))?;
        assign::cut(self, before, &format!("split_by_time({column}, {boundary:?})"))
    }

    fn split_by_time_fraction(&self, column: &str, fraction: f64) -> Result<(Table, Table)> {
        let times = time::times(self, column)?;
        let limit = time::quantile(&times, share(times.len(), fraction)?);
        let before: Vec<bool> = times.iter().map(|time| *time < limit).collect();
        time::check_parts(&before, column, "the moment that the fraction falls on")?;
        assign::cut(self, before, &format!("split_by_time_fraction({column}, {fraction})"))
    }

    fn k_fold(&self, k: usize, shuffle: Option<u64>) -> Result<Vec<Fold>> {
        k_fold(self.num_rows(), k, shuffle)
    }

    fn stratified_k_fold(&self, k: usize, shuffle: Option<u64>) -> Result<Vec<Fold>> {
        stratified_k_fold(&keys::classes(self, self.target()?.name())?, k, shuffle)
    }

    fn take_fold(&self, fold: &Fold) -> Result<(Table, Table)> {
        Ok((self.take(&fold.train)?, self.take(&fold.test)?))
    }
}

/// How many of `rows` rows `fraction` is, at least one and not all.
fn share(rows: usize, fraction: f64) -> Result<usize> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::config(format!(
            "{fraction} is no share of the rows to learn from: give one between 0 and 1, such as 0.8"
        )));
    }
    let train = (rows as f64 * fraction) as usize;
    if train == 0 || train >= rows {
        return Err(Error::data(format!(
            "{rows} rows cut at {fraction} leave {train} to learn from and {} to judge on: each needs one at least",
            rows - train.min(rows)
        )));
    }
    Ok(train)
}
