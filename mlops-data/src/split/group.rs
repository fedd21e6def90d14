use std::cmp::Reverse;

use mlops_core::folds::{Fold, Splitter, numbered_folds};
use mlops_core::random::SplitMix64;
use mlops_core::{Error, Result, Table};
use serde::{Deserialize, Serialize};

use super::keys::{Ranked, groups};

/// Folds that no group of rows straddles: all rows of a customer, patient or device are on one side
/// (scikit-learn's `GroupKFold`).
///
/// Without a seed the greatest group goes first, each to the fold that has the fewest rows so far:
/// scikit-learn's folds, row for row. With a seed the groups are dealt at random, equally many to a
/// fold, whatever their sizes.
///
/// # Errors
/// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if there are fewer groups than folds or a null
/// among them, [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if the column is missing or names
/// no groups (floats), [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for fewer than 2 folds.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_core::folds::Splitter;
/// use mlops_data::split::GroupKFold;
/// # let batch = arrow::array::record_batch!(("patient", Utf8, ["a", "b", "b", "c", "b"]))?;
/// let folds = GroupKFold::new(2, "patient").folds(&Table::from_batch(batch))?;
/// assert_eq!((folds[0].test.as_slice(), folds[1].test.as_slice()), ([1, 2, 4].as_slice(), [0, 3].as_slice()));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupKFold {
    /// How many folds, at least 2.
    pub n_splits: usize,
    /// The column of the groups: texts, whole numbers, booleans or dates.
    pub group: String,
    /// The seed that deals the groups; by size without it.
    pub shuffle: Option<u64>,
}

impl Default for GroupKFold {
    fn default() -> Self {
        Self { n_splits: 5, group: String::new(), shuffle: None }
    }
}

impl GroupKFold {
    /// With `n_splits` folds of whole groups of this column.
    pub fn new(n_splits: usize, group: impl Into<String>) -> Self {
        Self { n_splits, group: group.into(), shuffle: None }
    }

    /// With groups dealt by this seed.
    #[must_use]
    pub fn with_shuffle(mut self, seed: u64) -> Self {
        self.shuffle = Some(seed);
        self
    }
}

impl Splitter for GroupKFold {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        let groups = groups(data, &self.group)?;
        check(&groups, self.n_splits, &self.group)?;
        let fold_of_group = match self.shuffle {
            Some(seed) => dealt(groups.count, self.n_splits, seed),
            None => by_size(&groups.sizes(), self.n_splits),
        };
        let fold_of_row: Vec<usize> = groups.of_row.iter().map(|group| fold_of_group[*group]).collect();
        Ok(numbered_folds(&fold_of_row, self.n_splits))
    }
}

pub(super) fn check(groups: &Ranked, n_splits: usize, column: &str) -> Result<()> {
    if n_splits < 2 {
        return Err(Error::config(format!(
            "{n_splits} folds asked for: at least 2 are needed, one to judge on and one to learn from"
        )));
    }
    if groups.count < n_splits {
        return Err(Error::data(format!(
            "the {} groups of column '{column}' can't make {n_splits} folds: ask for at most {}, or bring more groups",
            groups.count, groups.count
        )));
    }
    Ok(())
}

/// The greatest group first (of equal ones the last in order), each to the fold with the fewest rows
/// (of equal ones the first).
fn by_size(sizes: &[usize], n_splits: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_unstable_by_key(|group| Reverse((sizes[*group], *group)));
    let mut rows = vec![0; n_splits];
    let mut fold_of = vec![0; sizes.len()];
    for group in order {
        let lightest = (0..n_splits).min_by_key(|fold| rows[*fold]).unwrap_or(0);
        rows[lightest] += sizes[group];
        fold_of[group] = lightest;
    }
    fold_of
}

/// The groups in random order, cut into runs of equally many (the first ones one longer).
fn dealt(groups: usize, n_splits: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..groups).collect();
    SplitMix64::new(seed).shuffle(&mut order);
    let mut fold_of = vec![0; groups];
    let mut rest = order.as_slice();
    for fold in 0..n_splits {
        let (run, later) = rest.split_at(groups / n_splits + usize::from(fold < groups % n_splits));
        run.iter().for_each(|group| fold_of[*group] = fold);
        rest = later;
    }
    fold_of
}
