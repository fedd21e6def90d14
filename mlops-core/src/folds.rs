//! Which rows a model learns from and which it is judged on, fold by fold: row numbers only, so that
//! a trainer and a data preparation cut the same table the same way.
//!
//! Without shuffling the folds are scikit-learn's, row for row. With it they are a function of the
//! seed alone (scikit-learn's own random sequence is not followed).

use std::collections::HashMap;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::random::SplitMix64;
use crate::{Error, Result, Table};

/// One round of a cross-validation: the rows to learn from and the rows to judge on, each ascending
/// and none in both. A plain fold holds every row; one that purges rows near the test, or that only
/// learns from the past, holds fewer.
///
/// # Example
/// ```
/// use mlops_core::folds::k_fold;
///
/// let folds = k_fold(5, 2, None)?;
/// assert_eq!(folds[0].test, [0, 1, 2]);
/// assert_eq!(folds[0].train, [3, 4]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// The rows to learn from.
    pub train: Vec<usize>,
    /// The rows to judge on.
    pub test: Vec<usize>,
}

/// A recipe that says which rows of a table to learn from and to judge on, round by round: what a
/// cross-validation asks, whoever wrote the recipe.
///
/// Folds that are known already are one too:
/// ```
/// use mlops_core::Table;
/// use mlops_core::folds::{Fold, Splitter};
/// # let batch = arrow::array::record_batch!(("n", Int32, [0, 1, 2, 3]))?;
///
/// let mine = vec![Fold { train: vec![0, 1], test: vec![3] }];
/// assert_eq!(mine.folds(&Table::from_batch(batch))?, mine);
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub trait Splitter: Debug + Send + Sync {
    /// The folds of the rows of `data`: a function of the rows and the recipe alone, not of batches
    /// or threads.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a recipe that no rows could satisfy,
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a column that is missing or of another
    /// type, [`ErrorKind::Data`](crate::ErrorKind::Data) if these rows can't be cut so.
    fn folds(&self, data: &Table) -> Result<Vec<Fold>>;
}

/// The folds themselves, checked to be of this table.
impl Splitter for Vec<Fold> {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        let rows = data.num_rows();
        for (i, fold) in self.iter().enumerate() {
            if let Some(row) = fold.train.iter().chain(&fold.test).find(|row| **row >= rows) {
                return Err(Error::data(format!(
                    "fold {} names row {row}, but the table has {rows} rows: make the folds from this table",
                    i + 1
                )));
            }
        }
        Ok(self.clone())
    }
}

/// `k` folds of `rows` rows whose tests are equally long (the first `rows % k` are one longer).
///
/// With `shuffle: None` a test is a block of neighbouring rows, as scikit-learn's `KFold` cuts them;
/// with a seed its rows are drawn at random. Takes O(rows · k) time and memory.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if `k` is below 2,
/// [`ErrorKind::Data`](crate::ErrorKind::Data) if there are fewer rows than folds.
///
/// # Example
/// ```
/// use mlops_core::folds::k_fold;
///
/// let plain = k_fold(10, 5, None)?;
/// assert_eq!(plain[4].test, [8, 9]);
/// assert_eq!(k_fold(10, 5, Some(7))?, k_fold(10, 5, Some(7))?);
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn k_fold(rows: usize, k: usize, shuffle: Option<u64>) -> Result<Vec<Fold>> {
    check(rows, k)?;
    let mut order: Vec<usize> = (0..rows).collect();
    if let Some(seed) = shuffle {
        SplitMix64::new(seed).shuffle(&mut order);
    }
    let mut fold_of = vec![0; rows];
    let mut rest = order.as_slice();
    for fold in 0..k {
        let length = rows / k + usize::from(fold < rows % k);
        let (test, later) = rest.split_at(length);
        test.iter().for_each(|row| fold_of[*row] = fold);
        rest = later;
    }
    Ok(numbered_folds(&fold_of, k))
}

/// `k` folds in which every class is as frequent as in the whole, up to one row.
///
/// `classes` has the class of each row as any number. With `shuffle: None` the folds are those of
/// scikit-learn's `StratifiedKFold`; with a seed the rows of a class are dealt at random. A class with fewer rows
/// than folds is missing from some tests, which is told as a `tracing` warning. Takes O(rows · k)
/// time and memory.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if `k` is below 2,
/// [`ErrorKind::Data`](crate::ErrorKind::Data) if there are fewer rows than folds, or every class
/// has fewer rows than folds.
///
/// # Example
/// ```
/// use mlops_core::folds::stratified_k_fold;
///
/// let late = [0, 0, 0, 0, 1, 1];
/// for fold in stratified_k_fold(&late, 2, Some(1))? {
///     assert_eq!(fold.test.iter().filter(|row| late[**row] == 1).count(), 1);
/// }
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn stratified_k_fold(classes: &[usize], k: usize, shuffle: Option<u64>) -> Result<Vec<Fold>> {
    check(classes.len(), k)?;
    let (classes, sizes) = numbered_by_appearance(classes);
    check_sizes(&sizes, k)?;
    let mut rng = shuffle.map(SplitMix64::new);
    let mut hands: Vec<std::vec::IntoIter<usize>> = deal(&sizes, k)
        .into_iter()
        .map(|mut hand| {
            if let Some(rng) = &mut rng {
                rng.shuffle(&mut hand);
            }
            hand.into_iter()
        })
        .collect();
    // A class has as many folds in its hand as it has rows.
    let fold_of: Vec<usize> = classes.iter().filter_map(|class| hands[*class].next()).collect();
    Ok(numbered_folds(&fold_of, k))
}

/// The folds whose tests are the rows of number 0, 1, … up to `k`, each learning from all other rows.
/// Takes O(rows · k) time and memory.
///
/// # Example
/// ```
/// use mlops_core::folds::numbered_folds;
///
/// let folds = numbered_folds(&[0, 1, 0], 2);
/// assert_eq!((folds[0].test.as_slice(), folds[0].train.as_slice()), ([0, 2].as_slice(), [1].as_slice()));
/// ```
pub fn numbered_folds(fold_of_row: &[usize], k: usize) -> Vec<Fold> {
    let fold = |fold| {
        let (test, train) = (0..fold_of_row.len()).partition(|row| fold_of_row[*row] == fold);
        Fold { train, test }
    };
    (0..k).map(fold).collect()
}

fn check(rows: usize, k: usize) -> Result<()> {
    if k < 2 {
        return Err(Error::config(format!(
            "{k} folds asked for: at least 2 are needed, one to judge on and one to learn from"
        )));
    }
    if rows < k {
        return Err(Error::data(format!(
            "{rows} rows can't make {k} folds: ask for at most {rows}, or bring more rows"
        )));
    }
    Ok(())
}

fn check_sizes(sizes: &[usize], k: usize) -> Result<()> {
    let greatest = sizes.iter().max().copied().unwrap_or(0);
    let least = sizes.iter().min().copied().unwrap_or(0);
    if greatest < k {
        return Err(Error::data(format!(
            "no class has as many rows as there are folds ({k}; the greatest class has {greatest} rows): \
             ask for fewer folds, or use k_fold if the target is a quantity"
        )));
    }
    if least < k {
        tracing::warn!(
            folds = k,
            least,
            "the smallest class has fewer rows than there are folds and is missing from some"
        );
    }
    Ok(())
}

/// The classes renumbered in order of their first row, and the number of rows of each.
fn numbered_by_appearance(classes: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut numbers = HashMap::new();
    let mut sizes = Vec::new();
    let classes = classes
        .iter()
        .map(|class| {
            let number = *numbers.entry(*class).or_insert(sizes.len());
            if number == sizes.len() {
                sizes.push(0);
            }
            sizes[number] += 1;
            number
        })
        .collect();
    (classes, sizes)
}

/// For each class the folds of its rows, ascending: with all rows sorted by class, every k-th goes
/// to the same fold, so both the folds and the classes within them are even.
fn deal(sizes: &[usize], k: usize) -> Vec<Vec<usize>> {
    let mut first = 0;
    let hand = |size: &usize| {
        let mut hand: Vec<usize> = (first..first + size).map(|position| position % k).collect();
        first += size;
        hand.sort_unstable();
        hand
    };
    sizes.iter().map(hand).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ErrorKind;

    fn check_partition(folds: &[Fold], rows: usize) {
        let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.iter().copied()).collect();
        tested.sort_unstable();
        assert_eq!(tested, (0..rows).collect::<Vec<_>>());
        for Fold { train, test } in folds {
            assert!(train.is_sorted() && test.is_sorted());
            let mut all = [train.as_slice(), test].concat();
            all.sort_unstable();
            assert_eq!(all, (0..rows).collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn every_row_is_tested_once(rows in 2usize..80, k in 2usize..12, seed: Option<u64>) {
            prop_assume!(k <= rows);
            let folds = k_fold(rows, k, seed).unwrap();
            prop_assert_eq!(folds.len(), k);
            check_partition(&folds, rows);
            prop_assert!(folds.iter().all(|fold| fold.test.len().abs_diff(rows / k) <= 1));
        }

        #[test]
        fn every_class_is_spread_evenly(classes in prop::collection::vec(0usize..3, 12..80), k in 2usize..5, seed: Option<u64>) {
            let folds = stratified_k_fold(&classes, k, seed).unwrap();
            check_partition(&folds, classes.len());
            for class in 0..3 {
                let size = classes.iter().filter(|c| **c == class).count();
                for fold in &folds {
                    let here = fold.test.iter().filter(|row| classes[**row] == class).count();
                    prop_assert!(here == size / k || here == size.div_ceil(k));
                }
            }
        }
    }

    #[test]
    fn another_seed_gives_other_folds() {
        assert_ne!(k_fold(40, 4, Some(1)).unwrap(), k_fold(40, 4, Some(2)).unwrap());
        let classes: Vec<usize> = (0..40).map(|row| row % 2).collect();
        assert_ne!(stratified_k_fold(&classes, 4, Some(1)).unwrap(), stratified_k_fold(&classes, 4, Some(2)).unwrap());
    }

    #[test]
    fn what_makes_no_folds_is_refused() {
        assert_eq!(k_fold(10, 1, None).unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(k_fold(3, 4, None).unwrap_err().kind(), ErrorKind::Data);
        assert_eq!(stratified_k_fold(&[0, 1, 2, 3], 2, None).unwrap_err().kind(), ErrorKind::Data);
        assert_eq!(stratified_k_fold(&[], 2, None).unwrap_err().kind(), ErrorKind::Data);
    }
}
