use std::collections::BTreeSet;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use mlops_core::folds::{Fold, Splitter, numbered_folds};
use mlops_core::{Error, Result, Table};
use serde::{Deserialize, Serialize};

use super::hash::{bucket, hashes};

/// A column says in which fold a row is judged on; -1 for never (scikit-learn's `PredefinedSplit`).
///
/// Folds come in the order of their numbers, which need not be without gaps.
///
/// # Errors
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if the column is missing or has no whole
/// numbers, [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if it has nulls or numbers below -1, or
/// every row is judged on never, or in the same fold.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_core::folds::Splitter;
/// use mlops_data::split::PredefinedSplit;
/// # let batch = arrow::array::record_batch!(("fold", Int32, [0, 1, -1, 1]))?;
/// let folds = PredefinedSplit::new("fold").folds(&Table::from_batch(batch))?;
/// assert_eq!((folds[1].train.as_slice(), folds[1].test.as_slice()), ([0, 2].as_slice(), [1, 3].as_slice()));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PredefinedSplit {
    /// The column of the folds.
    pub test_fold: String,
}

impl PredefinedSplit {
    /// As this column of whole numbers says.
    pub fn new(test_fold: impl Into<String>) -> Self {
        Self { test_fold: test_fold.into() }
    }

    fn read(&self, data: &Table) -> Result<Int64Array> {
        let name = &self.test_fold;
        let column = data.column(name)?;
        if !column.data_type().is_integer() || *column.data_type() == DataType::UInt64 {
            return Err(Error::schema(format!(
                "column '{name}' is {}: the folds are whole numbers (up to 63 bits), -1 for rows that are never \
                 judged on",
                column.data_type()
            )));
        }
        let folds = cast(&column, &DataType::Int64)?.as_primitive::<Int64Type>().clone();
        match (0..folds.len()).find(|row| folds.is_null(*row) || folds.value(*row) < -1) {
            None => Ok(folds),
            Some(row) => Err(Error::data(format!(
                "column '{name}' has {} in row {}: every row needs the number of a fold from 0, or -1 if it is never \
                 judged on",
                if folds.is_null(row) { "a null".to_owned() } else { folds.value(row).to_string() },
                row + 1
            ))),
        }
    }
}

impl Splitter for PredefinedSplit {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        let of_row = self.read(data)?;
        let numbers: BTreeSet<i64> = of_row.values().iter().copied().filter(|fold| *fold >= 0).collect();
        let one = |number: i64| {
            let (test, train) = (0..of_row.len()).partition(|row| of_row.value(*row) == number);
            Fold { train, test }
        };
        let folds: Vec<Fold> = numbers.into_iter().map(one).collect();
        if folds.is_empty() || folds.iter().any(|fold| fold.train.is_empty()) {
            return Err(Error::data(format!(
                "column '{}' puts {}: there must be rows to learn from and to judge on",
                self.test_fold,
                if folds.is_empty() { "no row into a test" } else { "every row into one test" }
            )));
        }
        Ok(folds)
    }
}

/// Folds by a hash of the key: which fold a row is in follows from its key alone, so it stays when
/// rows come and go, and no key straddles two folds.
///
/// The folds are equally large only on average over many keys. The hash is that of
/// [`SplitBy::Hash`](super::SplitBy::Hash).
///
/// # Errors
/// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for null keys, or if a fold gets no key,
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if a column is missing or no key (floats),
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for fewer than 2 folds.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_core::folds::Splitter;
/// use mlops_data::split::HashKFold;
/// # let batch = arrow::array::record_batch!(("customer", Int32, [1, 2, 3, 4, 5, 6, 7, 8]))?;
/// let customers = Table::from_batch(batch);
/// let folds = HashKFold::new(2, ["customer"]).folds(&customers)?;
/// let fewer = HashKFold::new(2, ["customer"]).folds(&customers.take(&[0, 1, 2, 3, 4])?)?;
/// assert!(fewer[0].test.iter().all(|row| folds[0].test.contains(row)));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HashKFold {
    /// How many folds, at least 2.
    pub n_splits: usize,
    /// The columns that together are the key: texts, whole numbers, booleans or dates.
    pub key: Vec<String>,
    /// Makes other folds of the same keys.
    pub seed: u64,
}

impl Default for HashKFold {
    fn default() -> Self {
        Self { n_splits: 5, key: Vec::new(), seed: 0 }
    }
}

impl HashKFold {
    /// With `n_splits` folds by the key in these columns.
    pub fn new<S: Into<String>>(n_splits: usize, key: impl IntoIterator<Item = S>) -> Self {
        Self { n_splits, key: key.into_iter().map(Into::into).collect(), seed: 0 }
    }

    /// With other folds of the same keys.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl Splitter for HashKFold {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        if self.n_splits < 2 {
            return Err(Error::config(format!(
                "{} folds asked for: at least 2 are needed, one to judge on and one to learn from",
                self.n_splits
            )));
        }
        let hashes = hashes(data, &self.key, self.seed)?;
        let of_row: Vec<usize> = hashes.into_iter().map(|hash| bucket(hash, self.n_splits)).collect();
        let folds = numbered_folds(&of_row, self.n_splits);
        match folds.iter().position(|fold| fold.test.is_empty() || fold.train.is_empty()) {
            None => Ok(folds),
            Some(fold) => Err(Error::data(format!(
                "no key of {:?} falls into fold {} of {}, or all do: there are too few keys for so many folds",
                self.key,
                fold + 1,
                self.n_splits
            ))),
        }
    }
}
