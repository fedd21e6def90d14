use mlops_core::folds::{Fold, Splitter};
use mlops_core::random::SplitMix64;
use mlops_core::{Error, Result, Table};
use serde::{Deserialize, Serialize};

use super::Split;
use super::holdout::SplitBy;

/// Independent draws of rows to judge on, `n_splits` times: a row may be judged on several times, or
/// never (scikit-learn's `ShuffleSplit`, `StratifiedShuffleSplit` and `GroupShuffleSplit`).
///
/// The random sequence is this crate's. Groups are drawn until they hold the asked share of the
/// *rows* (scikit-learn counts groups).
///
/// # Errors
/// As [`Split::rows`]; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for 0 draws.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_core::folds::Splitter;
/// use mlops_data::split::ShuffleSplit;
/// # let batch = arrow::array::record_batch!(("n", Int32, [0, 1, 2, 3, 4, 5, 6, 7]))?;
/// let folds = ShuffleSplit::new(10, 0.25).with_seed(7).folds(&Table::from_batch(batch))?;
/// assert_eq!((folds.len(), folds[9].test.len(), folds[9].train.len()), (10, 2, 6));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ShuffleSplit {
    /// How many draws.
    pub n_splits: usize,
    /// The share of the rows to judge on, rounded up.
    pub test_size: f64,
    /// What is drawn: rows, rows of each class, or groups.
    pub by: SplitBy,
    /// Where all draws come from.
    pub seed: u64,
}

impl Default for ShuffleSplit {
    fn default() -> Self {
        Self { n_splits: 10, test_size: 0.1, by: SplitBy::default(), seed: 0 }
    }
}

impl ShuffleSplit {
    /// With `n_splits` draws of `test_size` of the rows.
    pub fn new(n_splits: usize, test_size: f64) -> Self {
        Self { n_splits, test_size, ..Self::default() }
    }

    /// Drawing otherwise than row by row.
    #[must_use]
    pub fn with_by(mut self, by: SplitBy) -> Self {
        self.by = by;
        self
    }

    /// With other draws.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl Splitter for ShuffleSplit {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        if self.n_splits == 0 {
            return Err(Error::config("0 draws make no folds: ask for at least 1"));
        }
        if !matches!(self.by, SplitBy::Group(_) | SplitBy::Hash(_) | SplitBy::Random | SplitBy::Stratified(_)) {
            return Err(Error::config(
                "repeated draws need something to draw: rows, classes, groups or keys. For a time column use \
                 TimeSeriesSplit, for a column that says the part PredefinedSplit",
            ));
        }
        let draw = |i: usize| {
            let seed = SplitMix64::stream(self.seed, i as u64).next_u64();
            let parts = Split { by: self.by.clone(), ..Split::test(self.test_size).with_seed(seed) }.rows(data)?;
            Ok(Fold { train: parts.train, test: parts.test })
        };
        (0..self.n_splits).map(draw).collect()
    }
}
