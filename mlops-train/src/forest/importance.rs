//! What the features of a forest count for.

use rayon::prelude::*;

use crate::trees::TreeEnsemble;

/// What the rows that reach a node come to.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    weight: f64,
    sum: f64,
    squares: f64,
}

impl Reached {
    fn add(&mut self, weight: f64, y: f64) {
        self.weight += weight;
        self.sum += weight * y;
        self.squares += weight * y * y;
    }

    /// Weight times variance, of which half the Gini impurity is the one of two classes.
    fn impurity(&self) -> f64 {
        if self.weight > 0.0 { (self.squares - self.sum * self.sum / self.weight).max(0.0) } else { 0.0 }
    }
}

/// How much each feature lowers the impurity, as shares that sum to 1: by tree the sum over the
/// splits by it, of that the mean over the trees (Breiman, "Random Forests", 2001; scikit-learn's
/// `feature_importances_`). All 0 if no tree has a split.
///
/// Measured on all training rows, not on the sample that a tree was grown on. `targets` has the target
/// of each output. One pass of the rows through all trees.
pub(super) fn importances(
    trees: &TreeEnsemble,
    rows: &[f64],
    width: usize,
    targets: &[Vec<f64>],
    weights: Option<&[f64]>,
) -> Vec<f64> {
    let of_tree = |tree: usize| {
        let target = &targets[trees.output_of(tree)];
        let mut reached = vec![Reached::default(); trees.size_of(tree)];
        for (i, (row, y)) in rows.chunks_exact(width).zip(target).enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[i]);
            trees.walk(tree, row, |node| reached[node].add(weight, *y));
        }
        let mut shares = vec![0.0; width];
        trees.splits(tree, |node, feature, [left, right]| {
            let lowered = reached[node].impurity() - reached[left].impurity() - reached[right].impurity();
            shares[feature] += lowered.max(0.0);
        });
        normalised(shares)
    };
    let shares: Vec<Vec<f64>> = (0..trees.num_trees()).into_par_iter().map(of_tree).collect();
    let sum = |feature: usize| shares.iter().map(|tree| tree[feature]).sum::<f64>();
    normalised((0..width).map(sum).collect())
}

fn normalised(mut shares: Vec<f64>) -> Vec<f64> {
    let sum: f64 = shares.iter().sum();
    if sum > 0.0 {
        shares.iter_mut().for_each(|share| *share /= sum);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::{Layout, Split, Tree};

    #[test]
    fn a_split_counts_by_what_it_explains() {
        // x0 <= 1 ? (x1 <= 0 ? 0 : 1) : 4
        let mut tree = Tree::default();
        tree.split(Split::at_most(0, 1.0, [1, 2]), 4.0, 12.25);
        tree.split(Split::at_most(1, 0.0, [3, 4]), 2.0, 0.5);
        for value in [4.0, 0.0, 1.0] {
            tree.leaf(&[value], 1.0);
        }
        let mut trees = TreeEnsemble::new(Layout::mean(1));
        trees.push(&tree, 0).unwrap();
        let mut leaf = Tree::default();
        leaf.leaf(&[1.0], 4.0);
        trees.push(&leaf, 0).unwrap();
        let rows = [0.0, 0.0, 9.0, 0.0, 1.0, 9.0, 2.0, 0.0, 9.0, 2.0, 1.0, 9.0];
        let targets = [vec![0.0, 1.0, 4.0, 4.0]];
        // The variances times the rows: 12.75 in all, 0.5 on the left, 0 below.
        let expected = [12.25 / 12.75, 0.5 / 12.75, 0.0];
        for (found, expected) in importances(&trees, &rows, 3, &targets, None).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-15, "{found} instead of {expected}");
        }
        let doubled = importances(&trees, &rows, 3, &targets, Some(&[2.0; 4]));
        assert_eq!(doubled, importances(&trees, &rows, 3, &targets, None));
    }
}
