//! The iterations.

use std::ops::Range;

use mlops_core::progress::Progress;
use mlops_core::random::SplitMix64;
use mlops_core::{Result, Run};
use rayon::prelude::*;

use super::loss::{Objective, quantile};
use super::recipe::HistGradientBoosting;
use super::stopping::Patience;
use crate::trees::grow::{Binned, Cell, Fixed, Grower, Grown, Growth, LeafRows};
use crate::trees::{Layout, TreeEnsemble, softmax};

/// Rows a task, where rows are worked on alone.
const ROWS_A_TASK: usize = 4096;

/// Rows with the target as a number: of classes the index.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) matrix: &'a [f64],
    pub(super) width: usize,
    pub(super) target: &'a [f64],
    pub(super) weights: Option<&'a [f64]>,
}

/// Boosting under way.
#[derive(Debug)]
pub(super) struct Boosting<'a> {
    recipe: &'a HistGradientBoosting,
    objective: Objective,
    rows: Rows<'a>,
    trees: TreeEnsemble,
    /// The raw scores of the rows, row-major.
    scores: Vec<f64>,
    derivatives: Vec<[f64; 2]>,
    cells: Vec<Cell>,
}

impl<'a> Boosting<'a> {
    pub(super) fn new(recipe: &'a HistGradientBoosting, objective: Objective, rows: Rows<'a>) -> Self {
        let base = objective.base(rows.target, rows.weights);
        let scores = base.repeat(rows.target.len());
        let trees = TreeEnsemble::new(Layout::sum(base)).with_stats();
        let (derivatives, cells) = (vec![[0.0; 2]; rows.target.len()], vec![[0; 2]; rows.target.len()]);
        Self { recipe, objective, rows, trees, scores, derivatives, cells }
    }

    /// Adds trees until there are enough, or `judged` is predicted no better.
    pub(super) fn run(
        mut self,
        data: &Binned,
        growth: &Growth,
        judged: Option<&Rows<'_>>,
        run: &Run,
    ) -> Result<TreeEnsemble> {
        let progress = Progress::start("fit: iterations", Some(self.recipe.max_iter.get() as u64));
        let mut grower = Grower::new(data, growth, rayon::current_num_threads() > 1);
        let mut patience = Patience::new(self.recipe.n_iter_no_change.get(), self.recipe.tol);
        let mut of_judged = judged.map(|rows| self.trees.base().repeat(rows.target.len()));
        for iteration in 0..self.recipe.max_iter.get() {
            run.check()?;
            let mut rng = SplitMix64::stream(run.seed, iteration as u64);
            let before = self.trees.num_trees();
            self.iterate(&mut grower, &mut rng, run)?;
            progress.advance(1);
            let Some((rows, scores)) = judged.zip(of_judged.as_mut()) else { continue };
            let trees = before..self.trees.num_trees();
            add_trees(&self.trees, trees, rows.matrix, rows.width, scores);
            let loss = self.loss(rows, scores);
            tracing::debug!(iteration, loss, "held-back rows");
            if patience.is_over(loss) {
                break;
            }
        }
        Ok(self.trees)
    }

    /// One tree for each output.
    fn iterate(&mut self, grower: &mut Grower<'_>, rng: &mut SplitMix64, run: &Run) -> Result<()> {
        let outputs = self.objective.outputs();
        let sample = self.sample(rng);
        let before = self.of_rows();
        let first = self.trees.num_trees();
        for output in 0..outputs {
            let fixed = self.differentiate(&before, output);
            let mut grown = grower.grow(sample.as_deref(), None, &fixed, &self.cells, rng, run)?;
            if let Some(q) = self.objective.leaf_quantile() {
                self.set_quantiles(&mut grown, grower.rows(), q);
            }
            if sample.is_none() {
                for LeafRows { leaf, rows, .. } in &grown.leaves {
                    let value = grown.tree.values[*leaf];
                    let rows = &grower.rows()[rows.clone()];
                    rows.iter().for_each(|row| self.scores[*row as usize * outputs + output] += value);
                }
            }
            self.trees.push(&grown.tree, output)?;
        }
        if sample.is_some() {
            let trees = first..self.trees.num_trees();
            add_trees(&self.trees, trees, self.rows.matrix, self.rows.width, &mut self.scores);
        }
        Ok(())
    }

    /// What the derivatives of all trees of an iteration come from: raw scores, or the probabilities of
    /// more than two classes.
    fn of_rows(&self) -> Vec<f64> {
        let mut scores = self.scores.clone();
        if let Objective::Softmax(classes) = self.objective {
            scores
                .par_chunks_mut(classes * ROWS_A_TASK)
                .for_each(|rows| rows.chunks_exact_mut(classes).for_each(softmax));
        }
        scores
    }

    /// The rows of this iteration, ascending; `None` if it is all.
    fn sample(&self, rng: &mut SplitMix64) -> Option<Vec<u32>> {
        let rows = self.rows.target.len();
        if self.recipe.subsample >= 1.0 {
            return None;
        }
        let mut left = ((self.recipe.subsample * rows as f64).round() as usize).clamp(1, rows);
        // Each row with the chance that the rest of the sample has among the rest of the rows.
        let taken = (0..rows).filter(|row| {
            let take = rng.below((rows - row) as u64) < left as u64;
            left -= usize::from(take);
            take
        });
        Some(taken.map(|row| row as u32).collect())
    }

    /// Writes down what the next tree learns from; `scores` is of [`of_rows`](Self::of_rows).
    fn differentiate(&mut self, scores: &[f64], output: usize) -> Fixed {
        let (objective, outputs) = (self.objective, self.objective.outputs());
        let (target, weights) = (self.rows.target, self.rows.weights);
        let piece = |(piece, derivatives): (usize, &mut [[f64; 2]])| {
            let mut greatest = [0.0f64; 2];
            for (row, derivatives) in (piece * ROWS_A_TASK..).zip(derivatives) {
                let mut of_row = match objective {
                    Objective::Softmax(_) => {
                        let p = scores[row * outputs + output];
                        [p - f64::from(u8::from(target[row] as usize == output)), p * (1.0 - p)]
                    }
                    _ => objective.derivatives(target[row], scores[row]),
                };
                if let Some(weights) = weights {
                    of_row = of_row.map(|derivative| derivative * weights[row]);
                }
                greatest = [greatest[0].max(of_row[0].abs()), greatest[1].max(of_row[1])];
                *derivatives = of_row;
            }
            greatest
        };
        let greatest = |a: [f64; 2], b: [f64; 2]| [a[0].max(b[0]), a[1].max(b[1])];
        let pieces = self.derivatives.par_chunks_mut(ROWS_A_TASK).enumerate();
        let [gradient, hessian] = pieces.map(piece).reduce(|| [0.0; 2], greatest);
        let fixed = Fixed::new(target.len(), gradient, hessian);
        let cells = self.cells.par_chunks_mut(ROWS_A_TASK).zip(self.derivatives.par_chunks(ROWS_A_TASK));
        cells.for_each(|(cells, derivatives)| {
            cells.iter_mut().zip(derivatives).for_each(|(cell, [g, h])| *cell = fixed.cell(*g, *h));
        });
        fixed
    }

    /// Makes leaves the quantile of what is left to explain in them.
    fn set_quantiles(&self, grown: &mut Grown, rows: &[u32], q: f64) {
        let left = |leaf: &LeafRows| {
            let residual = |row: &u32| (*row as usize, self.rows.target[*row as usize] - self.scores[*row as usize]);
            let mut residuals: Vec<(usize, f64)> = rows[leaf.rows.clone()].iter().map(residual).collect();
            let value = quantile(&mut residuals, q, self.rows.weights).clamp(leaf.bounds[0], leaf.bounds[1]);
            (leaf.leaf, value * self.recipe.learning_rate)
        };
        let values: Vec<(usize, f64)> = grown.leaves.par_iter().map(left).collect();
        values.into_iter().for_each(|(leaf, value)| grown.tree.values[leaf] = value);
    }

    /// The mean loss of rows.
    fn loss(&self, rows: &Rows<'_>, scores: &[f64]) -> f64 {
        let weight = |row: usize| rows.weights.map_or(1.0, |weights| weights[row]);
        let scores = scores.chunks_exact(self.objective.outputs());
        let losses = rows.target.iter().zip(scores).enumerate();
        let sum: f64 = losses.map(|(row, (y, scores))| weight(row) * self.objective.of(*y, scores)).sum();
        sum / (0..rows.target.len()).map(weight).sum::<f64>()
    }
}

/// Adds what some trees say of rows to their scores.
fn add_trees(trees: &TreeEnsemble, which: Range<usize>, matrix: &[f64], width: usize, scores: &mut [f64]) {
    let rows = matrix.par_chunks(width * ROWS_A_TASK);
    let scores = scores.par_chunks_mut(trees.num_outputs() * ROWS_A_TASK);
    rows.zip(scores).for_each(|(rows, scores)| trees.add_rows(which.clone(), rows, width, scores));
}
