use mlops_core::folds::{Fold, Splitter};
use mlops_core::{Error, Result, Table};
use serde::{Deserialize, Serialize};

use super::span::Span;
use super::time::times;

/// Learns from the past and judges on what comes next, `n_splits` times, each time with a longer past
/// (scikit-learn's `TimeSeriesSplit`).
///
/// Without a time column the rows are taken to be in the order of time already, and the folds are
/// scikit-learn's. With one they are put in order first, and a row is learned from only if it is
/// more than [`purge`](Self::purge) before the first row judged on, so never of the same moment.
///
/// # Errors
/// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if there are too few rows, or none is left to
/// learn from, [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for fewer than 1 fold, an empty
/// test or a purge that is no span of the column, [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema)
/// for a column that is missing or no time.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_core::folds::Splitter;
/// use mlops_data::split::TimeSeriesSplit;
/// # let batch = arrow::array::record_batch!(("day", Int32, [1, 2, 3, 4, 5, 6]))?;
/// let days = Table::from_batch(batch);
/// let folds = TimeSeriesSplit::new(2).folds(&days)?;
/// assert_eq!((folds[1].train.as_slice(), folds[1].test.as_slice()), ([0, 1, 2, 3].as_slice(), [4, 5].as_slice()));
///
/// // What is to be predicted of a day is known at the end of the next one.
/// let folds = TimeSeriesSplit::new(2).on("day").with_purge(1).folds(&days)?;
/// assert_eq!(folds[1].train, [0, 1, 2]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TimeSeriesSplit {
    /// How many folds.
    pub n_splits: usize,
    /// At most so many rows, the latest ones, are learned from; all of them if `None`.
    pub max_train_size: Option<usize>,
    /// How many rows are judged on in each fold; rows / (folds + 1) if `None`.
    pub test_size: Option<usize>,
    /// How many rows before the test are left out.
    pub gap: usize,
    /// The column of the time; the order of the rows if `None`.
    pub time: Option<String>,
    /// How long before the test nothing is learned: as long as it takes until the target of a row is
    /// known. Needs [`time`](Self::time).
    pub purge: Span,
}

impl Default for TimeSeriesSplit {
    fn default() -> Self {
        Self { n_splits: 5, max_train_size: None, test_size: None, gap: 0, time: None, purge: Span::default() }
    }
}

impl TimeSeriesSplit {
    /// With `n_splits` folds of rows in the order of time.
    pub fn new(n_splits: usize) -> Self {
        Self { n_splits, ..Self::default() }
    }

    /// In the order of this column of dates, timestamps or whole numbers.
    #[must_use]
    pub fn on(mut self, time: impl Into<String>) -> Self {
        self.time = Some(time.into());
        self
    }

    /// Learning from at most so many rows.
    #[must_use]
    pub fn with_max_train_size(mut self, rows: usize) -> Self {
        self.max_train_size = Some(rows);
        self
    }

    /// Judging on so many rows in each fold.
    #[must_use]
    pub fn with_test_size(mut self, rows: usize) -> Self {
        self.test_size = Some(rows);
        self
    }

    /// Leaving out so many rows before the test.
    #[must_use]
    pub fn with_gap(mut self, rows: usize) -> Self {
        self.gap = rows;
        self
    }

    /// Leaving out so long a time before the test.
    #[must_use]
    pub fn with_purge(mut self, purge: impl Into<Span>) -> Self {
        self.purge = purge.into();
        self
    }

    /// How many rows each test has.
    fn rows_of_test(&self, rows: usize) -> Result<usize> {
        if self.n_splits == 0 || self.test_size == Some(0) || self.max_train_size == Some(0) {
            return Err(Error::config(
                "a time series split needs at least 1 fold, and at least 1 row on each side: raise n_splits, test_size \
                 or max_train_size",
            ));
        }
        let test = self.test_size.unwrap_or(rows / (self.n_splits + 1));
        let needed = self.n_splits.checked_mul(test).and_then(|tests| tests.checked_add(self.gap));
        if rows < self.n_splits + 1 || needed.is_none_or(|needed| needed >= rows) {
            return Err(Error::data(format!(
                "{rows} rows are too few for {} folds of {test} rows to judge on after a gap of {}: ask for fewer \
                 folds, a smaller test or a smaller gap",
                self.n_splits, self.gap
            )));
        }
        Ok(test)
    }
}

impl Splitter for TimeSeriesSplit {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        let timeline = match &self.time {
            Some(column) => Some((Timeline::read(data, column)?, self.purge.ticks(data, column)?)),
            None if self.purge != Span::default() => {
                return Err(Error::config(
                    "a purge without a time column: name it with on(column), or leave out rows with with_gap",
                ));
            }
            None => None,
        };
        let rows = data.num_rows();
        let test = self.rows_of_test(rows)?;
        let fold = |i: usize| {
            let start = rows - (self.n_splits - i) * test;
            let mut end = start - self.gap;
            if let Some((timeline, purge)) = &timeline {
                end = end.min(timeline.before(i128::from(timeline.times[start]) - purge));
            }
            if end == 0 {
                return Err(Error::data(format!(
                    "fold {} has no row to learn from before its test: ask for fewer folds, a smaller test or a \
                     smaller purge",
                    i + 1
                )));
            }
            let begin = self.max_train_size.map_or(0, |most| end.saturating_sub(most));
            let rows = |range: std::ops::Range<usize>| match &timeline {
                Some((timeline, _)) => timeline.rows(range),
                None => range.collect(),
            };
            Ok(Fold { train: rows(begin..end), test: rows(start..start + test) })
        };
        (0..self.n_splits).map(fold).collect()
    }
}

/// Blocks of time, each judged on once, learning from all that is before and after it but the rows
/// too near (purged and embargoed cross-validation after López de Prado, "Advances in Financial
/// Machine Learning", 2018, chapter 7).
///
/// A row of time t tells of what happens until t + [`purge`](Self::purge): how long it takes until
/// its target is known. A row is not learned from if that overlaps with what the rows judged on tell
/// of, or if it comes within another [`embargo`](Self::embargo) after it: with the test from a to b,
/// the rows from a − purge to b + purge + embargo, both ends included. Every row is judged on once;
/// blocks are equally long in rows, as those of [`KFold`](super::KFold).
///
/// # Errors
/// As [`TimeSeriesSplit`].
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_core::folds::Splitter;
/// use mlops_data::split::PurgedKFold;
/// # let batch = arrow::array::record_batch!(("day", Int32, [1, 2, 3, 4, 5, 6, 7, 8, 9]))?;
/// let days = Table::from_batch(batch);
/// let folds = PurgedKFold::new(3, "day").with_purge(1).with_embargo(1).folds(&days)?;
/// // Days 4 to 6 are judged on; day 3, and 7 with 8, are too near.
/// assert_eq!((folds[1].test.as_slice(), folds[1].train.as_slice()), ([3, 4, 5].as_slice(), [0, 1, 8].as_slice()));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PurgedKFold {
    /// How many folds, at least 2.
    pub n_splits: usize,
    /// The column of the time.
    pub time: String,
    /// How long it takes until the target of a row is known.
    pub purge: Span,
    /// How long after that nothing is learned, as what happened still echoes in the features.
    pub embargo: Span,
}

impl Default for PurgedKFold {
    fn default() -> Self {
        Self { n_splits: 5, time: String::new(), purge: Span::default(), embargo: Span::default() }
    }
}

impl PurgedKFold {
    /// With `n_splits` blocks in the order of this column of dates, timestamps or whole numbers.
    pub fn new(n_splits: usize, time: impl Into<String>) -> Self {
        Self { n_splits, time: time.into(), ..Self::default() }
    }

    /// Where it takes so long until the target of a row is known.
    #[must_use]
    pub fn with_purge(mut self, purge: impl Into<Span>) -> Self {
        self.purge = purge.into();
        self
    }

    /// Leaving out so long a time more after each test.
    #[must_use]
    pub fn with_embargo(mut self, embargo: impl Into<Span>) -> Self {
        self.embargo = embargo.into();
        self
    }
}

impl Splitter for PurgedKFold {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        let timeline = Timeline::read(data, &self.time)?;
        let (purge, embargo) = (self.purge.ticks(data, &self.time)?, self.embargo.ticks(data, &self.time)?);
        let blocks = mlops_core::folds::k_fold(data.num_rows(), self.n_splits, None)?;
        let fold = |(i, block): (usize, Fold)| {
            // A block has at least one row, and its places are neighbours.
            let (start, end) = (block.test[0], block.test[0] + block.test.len());
            let (first, last) = (i128::from(timeline.times[start]), i128::from(timeline.times[end - 1]));
            let (before, after) = (timeline.before(first - purge), timeline.before(last + purge + embargo + 1));
            let mut train = timeline.rows(0..before);
            train.extend(timeline.rows(after..data.num_rows()));
            train.sort_unstable();
            if train.is_empty() {
                return Err(Error::data(format!(
                    "fold {} has no row to learn from outside of its purge and embargo: ask for more folds, or shorten \
                     them",
                    i + 1
                )));
            }
            Ok(Fold { train, test: timeline.rows(start..end) })
        };
        blocks.into_iter().enumerate().map(fold).collect()
    }
}

/// Rows in the order of time; rows of the same time in the order of the table.
struct Timeline {
    order: Vec<usize>,
    /// Sorted.
    times: Vec<i64>,
}

impl Timeline {
    fn read(data: &Table, column: &str) -> Result<Self> {
        let of_row = times(data, column)?;
        let mut order: Vec<usize> = (0..of_row.len()).collect();
        order.sort_by_key(|row| of_row[*row]);
        let times = order.iter().map(|row| of_row[*row]).collect();
        Ok(Self { order, times })
    }

    /// How many rows are before `time`.
    fn before(&self, time: i128) -> usize {
        self.times.partition_point(|t| i128::from(*t) < time)
    }

    /// The rows at these places, ascending.
    fn rows(&self, places: std::ops::Range<usize>) -> Vec<usize> {
        let mut rows = self.order.get(places).unwrap_or_default().to_vec();
        rows.sort_unstable();
        rows
    }
}
