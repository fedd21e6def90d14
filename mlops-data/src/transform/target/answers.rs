//! The two kinds of target, and what is summed up of their answers.

use arrow::array::{Float64Array, RecordBatch};
use mlops_core::columns::{find_column, numbers};
use mlops_core::folds::{Fold, k_fold, stratified_k_fold};
use mlops_core::sketch::Moments;
use mlops_core::{Classes, Result, ResultExt, Table};

use super::Smooth;
use crate::transform::groups::Gather;

/// What is to be predicted.
pub(super) trait Answers: Send + Sync {
    /// The answers of a batch.
    type Batch;
    /// What is known about the answers of some rows.
    type Stats: Gather;

    fn name(&self) -> &str;

    fn read(&self, batch: &RecordBatch) -> Result<Self::Batch>;

    fn empty(&self) -> Self::Stats;

    fn add(stats: &mut Self::Stats, answers: &Self::Batch, row: usize);

    /// What the outputs are called after the name of the column; nothing if there is one.
    fn suffixes(&self) -> Vec<String>;

    /// The numbers that an encoding is made of, for each output.
    fn summaries(&self, stats: &Self::Stats) -> Vec<Summary>;

    /// The folds of scikit-learn's `cv=k, shuffle=False`.
    fn folds(&self, data: &Table, k: usize) -> Result<Vec<Fold>>;
}

/// Number, mean and population variance of the answers of some rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    rows: f64,
    pub(super) mean: f64,
    variance: f64,
}

impl Summary {
    /// The encoding of a category with this summary; both limits, where a weight is 0/0, are the
    /// mean of all rows.
    pub(super) fn encoding(&self, whole: &Self, smooth: Smooth) -> f64 {
        let weight = match smooth {
            Smooth::Auto => self.rows * whole.variance / (self.rows * whole.variance + self.variance),
            Smooth::Weight(smooth) => self.rows / (self.rows + smooth),
        };
        if weight.is_nan() { whole.mean } else { weight * self.mean + (1.0 - weight) * whole.mean }
    }
}

/// Classes: two give the share of the later one, more give the share of each.
pub(super) struct ClassTarget {
    pub(super) name: String,
    pub(super) classes: Classes,
}

impl Answers for ClassTarget {
    type Batch = Vec<usize>;
    type Stats = ClassCounts;

    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, batch: &RecordBatch) -> Result<Vec<usize>> {
        let column = batch.column(find_column(batch.schema_ref(), &self.name)?);
        self.classes.indices(column).context("column", &self.name)
    }

    fn empty(&self) -> ClassCounts {
        ClassCounts(vec![0; self.classes.len()])
    }

    fn add(stats: &mut ClassCounts, answers: &Vec<usize>, row: usize) {
        stats.0[answers[row]] += 1;
    }

    fn suffixes(&self) -> Vec<String> {
        match self.classes.len() {
            2 => Vec::new(),
            classes => (0..classes).map(|class| self.classes.name(class)).collect(),
        }
    }

    fn summaries(&self, ClassCounts(counts): &ClassCounts) -> Vec<Summary> {
        let rows = counts.iter().sum::<u64>() as f64;
        let first = if counts.len() == 2 { 1 } else { 0 };
        let summary = |count: &u64| {
            let mean = *count as f64 / rows;
            Summary { rows, mean, variance: mean * (1.0 - mean) }
        };
        counts[first..].iter().map(summary).collect()
    }

    fn folds(&self, data: &Table, k: usize) -> Result<Vec<Fold>> {
        let parts = data.batches().iter().map(|batch| self.read(batch)).collect::<Result<Vec<_>>>()?;
        stratified_k_fold(&parts.concat(), k, None)
    }
}

/// How often each class occurs.
#[derive(Clone, Debug)]
pub(super) struct ClassCounts(Vec<u64>);

impl Gather for ClassCounts {
    fn gather(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// A quantity: its mean.
pub(super) struct NumberTarget {
    pub(super) name: String,
}

impl Answers for NumberTarget {
    type Batch = Float64Array;
    type Stats = Moments;

    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, batch: &RecordBatch) -> Result<Float64Array> {
        numbers(batch.column(find_column(batch.schema_ref(), &self.name)?), &self.name)
    }

    fn empty(&self) -> Moments {
        Moments::default()
    }

    fn add(stats: &mut Moments, answers: &Float64Array, row: usize) {
        stats.update(answers.value(row));
    }

    fn suffixes(&self) -> Vec<String> {
        Vec::new()
    }

    fn summaries(&self, stats: &Moments) -> Vec<Summary> {
        let mean = stats.mean().unwrap_or(f64::NAN);
        let variance = stats.variance(0).unwrap_or(f64::NAN);
        vec![Summary { rows: stats.count() as f64, mean, variance }]
    }

    fn folds(&self, data: &Table, k: usize) -> Result<Vec<Fold>> {
        k_fold(data.num_rows(), k, None)
    }
}

impl Gather for Moments {
    fn gather(&mut self, other: Self) {
        self.merge(&other);
    }
}
