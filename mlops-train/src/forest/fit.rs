//! Growing the trees of a forest.

use mlops_core::progress::Progress;
use mlops_core::random::SplitMix64;
use mlops_core::{Result, Run, Table};
use rayon::prelude::*;

use super::model::ForestModel;
use crate::training::{Target, TrainingSet};
use crate::trees::grow::{Binned, Cell, Fixed, Grower, Grown, Growth, LeafRows, MAX_BINS};
use crate::trees::{Layout, Step, Tree, TreeEnsemble};

/// What kinds of forests differ in, beside the growth of their trees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forest {
    pub(super) n_trees: usize,
    /// Whether each tree sees as many rows as there are, drawn with replacement; else all of them.
    pub(super) bootstrap: bool,
}

/// The rows of one output.
#[derive(Debug)]
struct Rows<'a> {
    /// What the trees estimate, less `mean`.
    target: &'a [f64],
    weights: Option<&'a [f64]>,
}

impl Forest {
    /// Learns from a table; `growth` is told the number of features and whether the target is classes.
    pub(super) fn learn(
        self,
        data: &Table,
        run: &Run,
        growth: impl FnOnce(usize, bool) -> Result<Growth>,
    ) -> Result<ForestModel> {
        run.check()?;
        let set = TrainingSet::read_with_missing(data)?;
        let growth = growth(set.width(), matches!(set.target, Target::Classes(_)))?;
        let (targets, base) = targets(&set);
        let names = set.signature.input_names();
        let categorical = vec![false; names.len()];
        let (trees, shares) = run.install(|| {
            let binned = Binned::new(&set.matrix, &names, &categorical, MAX_BINS, run)?;
            self.grow(&binned, &growth, &targets, base, set.weights.as_deref(), run)
        })??;
        ForestModel::new(set.signature, trees, shares)
    }

    /// All trees, output by output, and the importances.
    fn grow(
        self,
        data: &Binned,
        growth: &Growth,
        targets: &[Vec<f64>],
        base: f64,
        weights: Option<&[f64]>,
        run: &Run,
    ) -> Result<(TreeEnsemble, Vec<f64>)> {
        let trees = self.n_trees * targets.len();
        let progress = Progress::start("fit: trees", Some(trees as u64));
        let layout = Layout { base: vec![base; targets.len()], ..Layout::mean(targets.len()) };
        let grow = |grower: &mut Grower<'_>, i: usize| {
            let (output, tree) = (i / self.n_trees, i % self.n_trees);
            // The trees of all classes with the same number are grown on the same sample.
            let mut rng = SplitMix64::stream(run.seed, tree as u64);
            let grown = self.grow_one(grower, &Rows { target: &targets[output], weights }, &mut rng, run)?;
            // A table of one tree, which takes a fraction of the branches' memory.
            let mut table = TreeEnsemble::new(layout.clone());
            table.push(&grown.tree, output)?;
            progress.advance(1);
            Ok((table, shares(&grown.tree, data.width())))
        };
        let grower = || Grower::new(data, growth, false);
        let grown = (0..trees).into_par_iter().map_init(grower, grow).collect::<Result<Vec<_>>>()?;
        let mut ensemble = TreeEnsemble::new(layout);
        let mut importances = vec![0.0; data.width()];
        for (table, shares) in grown {
            ensemble.append(&table)?;
            importances.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
        }
        Ok((ensemble, normalised(importances)))
    }

    fn grow_one(self, grower: &mut Grower<'_>, rows: &Rows<'_>, rng: &mut SplitMix64, run: &Run) -> Result<Grown> {
        let n = rows.target.len();
        let weight = |row: usize| rows.weights.map_or(1.0, |weights| weights[row]);
        let mut counts = vec![1.0f64; n];
        if self.bootstrap {
            counts.fill(0.0);
            (0..n).for_each(|_| counts[rng.below(n as u64) as usize] += 1.0);
        }
        counts.iter_mut().enumerate().for_each(|(row, count)| *count *= weight(row));
        let weighted = |row: usize| counts[row] * rows.target[row];
        let greatest = |of: &dyn Fn(usize) -> f64| (0..n).map(of).fold(0.0, f64::max);
        let fixed = Fixed::new(n, greatest(&|row| weighted(row).abs()), greatest(&|row| counts[row]));
        let cells: Vec<Cell> = (0..n).map(|row| fixed.cell(-weighted(row), counts[row])).collect();
        let drawn: Option<Vec<u32>> =
            self.bootstrap.then(|| (0..n).filter(|row| counts[*row] > 0.0).map(|row| row as u32).collect());
        let mut grown = grower.grow(drawn.as_deref(), None, &fixed, &cells, rng, run)?;
        for LeafRows { leaf, rows, .. } in &grown.leaves {
            // The mean again, from the numbers themselves.
            let (mut sum, mut total) = (0.0, 0.0);
            for row in &grower.rows()[rows.clone()] {
                sum += weighted(*row as usize);
                total += counts[*row as usize];
            }
            grown.tree.values[*leaf] = sum / total;
        }
        Ok(grown)
    }
}

/// What the trees estimate, and what is added to it: the number, less the mean of all; of two
/// classes, whether it is the second; of more, whether it is the one.
fn targets(set: &TrainingSet) -> (Vec<Vec<f64>>, f64) {
    let indicator = |target: &[usize], class: usize| -> Vec<f64> {
        target.iter().map(|y| f64::from(u8::from(*y == class))).collect()
    };
    match &set.target {
        Target::Numbers(target) => {
            let mean = target.iter().map(|y| y / target.len() as f64).sum::<f64>();
            // A whole number, so that whole numbers stay whole.
            let mean = if mean.abs() < 1e15 { mean.round() } else { 0.0 };
            (vec![target.iter().map(|y| y - mean).collect()], mean)
        }
        Target::Classes(target) if set.signature.num_scores() == 2 => (vec![indicator(target, 1)], 0.0),
        Target::Classes(target) => {
            ((0..set.signature.num_scores()).map(|class| indicator(target, class)).collect(), 0.0)
        }
    }
}

/// How much each feature lowers the impurity in a tree, as shares that sum to 1 (Breiman, "Random
/// Forests", 2001; scikit-learn's `feature_importances_`). All 0 without a split.
fn shares(tree: &Tree, width: usize) -> Vec<f64> {
    let mut shares = vec![0.0; width];
    for branch in &tree.branches {
        if let Step::Split(split) = &branch.step {
            shares[split.feature] += branch.gain.max(0.0);
        }
    }
    normalised(shares)
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
    use crate::trees::Split;

    #[test]
    fn a_split_counts_by_what_it_explains() {
        let mut tree = Tree::default();
        tree.split(Split::at_most(0, 1.0, [1, 2]), 4.0, 12.25);
        tree.split(Split::at_most(1, 0.0, [3, 4]), 2.0, 0.5);
        for value in [4.0, 0.0, 1.0] {
            tree.leaf(&[value], 1.0);
        }
        assert_eq!(shares(&tree, 3), [12.25 / 12.75, 0.5 / 12.75, 0.0]);
    }
}
