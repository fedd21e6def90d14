use mlops_core::folds::{Fold, Splitter, k_fold, stratified_k_fold};
use mlops_core::random::SplitMix64;
use mlops_core::{Error, Result, Table};
use serde::{Deserialize, Serialize};

use super::keys::classes;

/// Every row is tested once, in one of `n_splits` parts of equal length (scikit-learn's `KFold`, and
/// with repeats its `RepeatedKFold`).
///
/// Without a seed the parts are blocks of neighbouring rows, scikit-learn's row for row; with one
/// they are drawn, differently in each repeat (scikit-learn's own random sequence is not followed).
///
/// # Errors
/// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if there are fewer rows than folds,
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for fewer than 2 folds, or repeats without a
/// seed.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_core::folds::Splitter;
/// use mlops_data::split::KFold;
/// # let batch = arrow::array::record_batch!(("n", Int32, [0, 1, 2, 3, 4]))?;
/// let table = Table::from_batch(batch);
/// assert_eq!(KFold::new(2).folds(&table)?[0].test, [0, 1, 2]);
/// assert_eq!(KFold::new(2).with_shuffle(7).with_repeats(3).folds(&table)?.len(), 6);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KFold {
    /// How many folds, at least 2.
    pub n_splits: usize,
    /// How often all is cut anew, each time with other folds; 1 unless said otherwise.
    pub n_repeats: usize,
    /// The seed that draws the rows; blocks of neighbouring rows without it.
    pub shuffle: Option<u64>,
}

impl Default for KFold {
    fn default() -> Self {
        Self { n_splits: 5, n_repeats: 1, shuffle: None }
    }
}

impl KFold {
    /// With `n_splits` folds of neighbouring rows.
    pub fn new(n_splits: usize) -> Self {
        Self { n_splits, ..Self::default() }
    }

    /// With rows drawn by this seed.
    #[must_use]
    pub fn with_shuffle(mut self, seed: u64) -> Self {
        self.shuffle = Some(seed);
        self
    }

    /// Cut anew so many times; needs [`with_shuffle`](Self::with_shuffle).
    #[must_use]
    pub fn with_repeats(mut self, n_repeats: usize) -> Self {
        self.n_repeats = n_repeats;
        self
    }
}

impl Splitter for KFold {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        repeat(self.n_repeats, self.shuffle, |seed| k_fold(data.num_rows(), self.n_splits, seed))
    }
}

/// [`KFold`] in which every class is as frequent in each fold as in the whole, up to one row
/// (scikit-learn's `StratifiedKFold`, and with repeats its `RepeatedStratifiedKFold`).
///
/// A class with fewer rows than folds is missing from some tests, which a `tracing` warning tells.
///
/// # Errors
/// As [`KFold`]; [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column that is missing or
/// names no classes (floats), [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for nulls, or if every
/// class has fewer rows than there are folds.
///
/// # Example
/// ```
/// use mlops_core::{Role, Table};
/// use mlops_core::folds::Splitter;
/// use mlops_data::split::StratifiedKFold;
/// # let batch = arrow::array::record_batch!(("late", Boolean, [true, true, false, false, false, false]))?;
/// let flights = Table::from_batch(batch).with_role("late", Role::Target)?;
/// let folds = StratifiedKFold::new(2).folds(&flights)?;
/// assert_eq!(folds[0].test, [0, 2, 3]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StratifiedKFold {
    /// How many folds, at least 2.
    pub n_splits: usize,
    /// How often all is cut anew, each time with other folds; 1 unless said otherwise.
    pub n_repeats: usize,
    /// The seed that draws the rows of a class; in their order without it.
    pub shuffle: Option<u64>,
    /// The column of the classes; the target if `None`.
    pub class: Option<String>,
}

impl Default for StratifiedKFold {
    fn default() -> Self {
        Self { n_splits: 5, n_repeats: 1, shuffle: None, class: None }
    }
}

impl StratifiedKFold {
    /// With `n_splits` folds by the classes of the target, in the order of the rows.
    pub fn new(n_splits: usize) -> Self {
        Self { n_splits, ..Self::default() }
    }

    /// By the classes of another column than the target.
    #[must_use]
    pub fn with_class(mut self, column: impl Into<String>) -> Self {
        self.class = Some(column.into());
        self
    }

    /// With rows drawn by this seed.
    #[must_use]
    pub fn with_shuffle(mut self, seed: u64) -> Self {
        self.shuffle = Some(seed);
        self
    }

    /// Cut anew so many times; needs [`with_shuffle`](Self::with_shuffle).
    #[must_use]
    pub fn with_repeats(mut self, n_repeats: usize) -> Self {
        self.n_repeats = n_repeats;
        self
    }
}

impl Splitter for StratifiedKFold {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        let classes = classes(data, class_column(data, self.class.as_deref())?)?;
        repeat(self.n_repeats, self.shuffle, |seed| stratified_k_fold(&classes, self.n_splits, seed))
    }
}

/// The column that was named, or the target.
pub(super) fn class_column<'a>(data: &'a Table, class: Option<&'a str>) -> Result<&'a str> {
    class.map_or_else(|| data.target().map(|field| field.name().as_str()), Ok)
}

fn repeat(times: usize, seed: Option<u64>, cut: impl Fn(Option<u64>) -> Result<Vec<Fold>>) -> Result<Vec<Fold>> {
    if times == 1 {
        return cut(seed);
    }
    let Some(seed) = seed else {
        return Err(Error::config(format!(
            "{times} repeats of the same folds: give a seed that makes each repeat another one (with_shuffle)"
        )));
    };
    if times == 0 {
        return Err(Error::config("0 repeats make no folds: ask for at least 1"));
    }
    let repeats = (0..times).map(|i| cut(Some(SplitMix64::stream(seed, i as u64).next_u64())));
    Ok(repeats.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}
