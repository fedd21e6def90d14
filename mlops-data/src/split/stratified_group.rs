use mlops_core::folds::{Fold, Splitter, numbered_folds};
use mlops_core::random::SplitMix64;
use mlops_core::{Error, Result, Table};
use serde::{Deserialize, Serialize};

use super::group::check;
use super::k_fold::class_column;
use super::keys::{Ranked, groups};

/// [`GroupKFold`](super::GroupKFold) that also keeps the classes as near to their proportion as whole
/// groups allow (scikit-learn's `StratifiedGroupKFold`).
///
/// Greedy: the group with the most uneven classes goes first, each to the fold that leaves the
/// classes most evenly spread over the folds. Without a seed the folds are scikit-learn's, row for
/// row; with one, groups of equally uneven classes come in random order. Takes O(groups · folds² ·
/// classes) time.
///
/// # Errors
/// As [`GroupKFold`](super::GroupKFold) and [`StratifiedKFold`](super::StratifiedKFold).
///
/// # Example
/// ```
/// use mlops_core::{Role, Table};
/// use mlops_core::folds::Splitter;
/// use mlops_data::split::StratifiedGroupKFold;
/// # let batch = arrow::array::record_batch!(
/// #     ("patient", Int32, [1, 1, 2, 2, 3, 3, 4, 4]),
/// #     ("ill", Boolean, [true, true, false, false, true, true, false, false])
/// # )?;
/// let visits = Table::from_batch(batch).with_role("ill", Role::Target)?;
/// for fold in StratifiedGroupKFold::new(2, "patient").folds(&visits)? {
///     let ill = visits.take(&fold.test)?.filter_by(&mlops_core::col("ill"))?;
///     assert_eq!((fold.test.len(), ill.num_rows()), (4, 2));
/// }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StratifiedGroupKFold {
    /// How many folds, at least 2.
    pub n_splits: usize,
    /// The column of the groups: texts, whole numbers, booleans or dates.
    pub group: String,
    /// The column of the classes; the target if `None`.
    pub class: Option<String>,
    /// The seed that orders groups of equally uneven classes; by value without it.
    pub shuffle: Option<u64>,
}

impl Default for StratifiedGroupKFold {
    fn default() -> Self {
        Self { n_splits: 5, group: String::new(), class: None, shuffle: None }
    }
}

impl StratifiedGroupKFold {
    /// With `n_splits` folds of whole groups of this column, by the classes of the target.
    pub fn new(n_splits: usize, group: impl Into<String>) -> Self {
        Self { n_splits, group: group.into(), ..Self::default() }
    }

    /// By the classes of another column than the target.
    #[must_use]
    pub fn with_class(mut self, column: impl Into<String>) -> Self {
        self.class = Some(column.into());
        self
    }

    /// With groups of equally uneven classes in an order drawn by this seed.
    #[must_use]
    pub fn with_shuffle(mut self, seed: u64) -> Self {
        self.shuffle = Some(seed);
        self
    }
}

impl Splitter for StratifiedGroupKFold {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        let classes = groups(data, class_column(data, self.class.as_deref())?)?;
        let mut groups = groups(data, &self.group)?;
        check(&groups, self.n_splits, &self.group)?;
        check_classes(&classes, self.n_splits)?;
        if let Some(seed) = self.shuffle {
            let mut place: Vec<usize> = (0..groups.count).collect();
            SplitMix64::new(seed).shuffle(&mut place);
            groups.of_row.iter_mut().for_each(|group| *group = place[*group]);
        }
        let fold_of_group = Deal::new(&classes, &groups, self.n_splits).fold_of_group();
        let fold_of_row: Vec<usize> = groups.of_row.iter().map(|group| fold_of_group[*group]).collect();
        Ok(numbered_folds(&fold_of_row, self.n_splits))
    }
}

fn check_classes(classes: &Ranked, n_splits: usize) -> Result<()> {
    let sizes = classes.sizes();
    let (least, greatest) = (sizes.iter().min().copied().unwrap_or(0), sizes.iter().max().copied().unwrap_or(0));
    if greatest < n_splits {
        return Err(Error::data(format!(
            "no class has as many rows as there are folds ({n_splits}; the greatest class has {greatest} rows): ask \
             for fewer folds, or use GroupKFold if the target is a quantity"
        )));
    }
    if least < n_splits {
        tracing::warn!(folds = n_splits, least, "the smallest class has fewer rows than there are folds");
    }
    Ok(())
}

/// Groups on their way into folds.
struct Deal {
    /// How many rows of each class a group has.
    of_group: Vec<Vec<f64>>,
    /// How many rows of each class a fold has so far.
    of_fold: Vec<Vec<f64>>,
    class_sizes: Vec<f64>,
}

impl Deal {
    fn new(classes: &Ranked, groups: &Ranked, n_splits: usize) -> Self {
        let mut of_group = vec![vec![0.0; classes.count]; groups.count];
        for (class, group) in classes.of_row.iter().zip(&groups.of_row) {
            of_group[*group][*class] += 1.0;
        }
        let class_sizes = classes.sizes().into_iter().map(|size| size as f64).collect();
        Self { of_group, of_fold: vec![vec![0.0; classes.count]; n_splits], class_sizes }
    }

    fn fold_of_group(mut self) -> Vec<usize> {
        let unevenness: Vec<f64> = self.of_group.iter().map(|counts| std(counts)).collect();
        let mut order: Vec<usize> = (0..self.of_group.len()).collect();
        order.sort_by(|a, b| unevenness[*b].total_cmp(&unevenness[*a]));
        let mut fold_of = vec![0; order.len()];
        for group in order {
            let fold = self.best_fold(group);
            for (count, more) in self.of_fold[fold].iter_mut().zip(&self.of_group[group]) {
                *count += more;
            }
            fold_of[group] = fold;
        }
        fold_of
    }

    /// The fold that the group leaves the most even; of about equal ones the one with fewer rows.
    fn best_fold(&self, group: usize) -> usize {
        let (mut best, mut least, mut fewest) = (0, f64::INFINITY, f64::INFINITY);
        for fold in 0..self.of_fold.len() {
            let value = self.unevenness_with(group, fold);
            let rows = sum(&self.of_fold[fold]);
            let close = least.is_finite() && (value - least).abs() <= 1e-8 + 1e-5 * least.abs();
            if value < least || (close && rows < fewest) {
                (best, least, fewest) = (fold, value, rows);
            }
        }
        best
    }

    /// The mean over the classes of how much the folds differ in their share of it, were `group` in
    /// `fold`.
    fn unevenness_with(&self, group: usize, fold: usize) -> f64 {
        let of_class = |class: usize| {
            let share = |i: usize| {
                let more = if i == fold { self.of_group[group][class] } else { 0.0 };
                (self.of_fold[i][class] + more) / self.class_sizes[class]
            };
            let shares: Vec<f64> = (0..self.of_fold.len()).map(share).collect();
            let in_order = |values: &[f64]| values.iter().sum();
            std_by(&shares, in_order)
        };
        let of_classes: Vec<f64> = (0..self.class_sizes.len()).map(of_class).collect();
        sum(&of_classes) / of_classes.len() as f64
    }
}

/// The standard deviation, divided by n, rounded as numpy rounds it: which of two nearly equal groups
/// or folds comes first hangs on the last bit.
fn std(values: &[f64]) -> f64 {
    std_by(values, sum)
}

fn std_by(values: &[f64], sum: impl Fn(&[f64]) -> f64) -> f64 {
    let n = values.len() as f64;
    let mean = sum(values) / n;
    let squares: Vec<f64> = values.iter().map(|x| (x - mean) * (x - mean)).collect();
    (sum(&squares) / n).sqrt()
}

/// The sum in the order of numpy's pairwise summation of neighbouring values.
fn sum(values: &[f64]) -> f64 {
    const BLOCK: usize = 128;
    let n = values.len();
    if n < 8 {
        return values.iter().sum();
    }
    if n > BLOCK {
        let (left, right) = values.split_at(n / 2 - n / 2 % 8);
        return sum(left) + sum(right);
    }
    let (eights, rest) = values.as_chunks::<8>();
    let mut r = [0.0; 8];
    for eight in eights {
        r.iter_mut().zip(eight).for_each(|(r, x)| *r += x);
    }
    let whole = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    rest.iter().fold(whole, |sum, x| sum + x)
}
