//! The two kinds of target, and what is summed up of their answers.

use arrow::array::{Float64Array, RecordBatch};
use mlops_core::columns::{find_column, numbers};
use mlops_core::folds::{Fold, k_fold, stratified_k_fold};
use mlops_core::sketch::Moments;
use mlops_core::{Classes, Result, ResultExt, Table};

use super::Smooth;
use crate::transform::groups::Gather;

/// What is to be predicted.
pub(super) trait Answers: Send + Sync + 'static {
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
        ClassCounts::zeros(self.classes.len())
    }

    fn add(stats: &mut ClassCounts, answers: &Vec<usize>, row: usize) {
        stats.count(answers[row]);
    }

    fn suffixes(&self) -> Vec<String> {
        match self.classes.len() {
            2 => Vec::new(),
            classes => (0..classes).map(|class| self.classes.name(class)).collect(),
        }
    }

    fn summaries(&self, counts: &ClassCounts) -> Vec<Summary> {
        let counts = counts.as_slice();
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

/// How often each class occurs; at least two are counted.
#[derive(Clone, Debug)]
pub(super) enum ClassCounts {
    Many(Vec<u64>),
    /// The usual case, without an allocation for each category.
    Two([u64; 2]),
}

impl ClassCounts {
    pub(super) fn zeros(classes: usize) -> Self {
        if classes <= 2 { Self::Two([0; 2]) } else { Self::Many(vec![0; classes]) }
    }

    pub(super) fn as_slice(&self) -> &[u64] {
        match self {
            Self::Many(counts) => counts,
            Self::Two(counts) => counts,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u64] {
        match self {
            Self::Many(counts) => counts,
            Self::Two(counts) => counts,
        }
    }

    /// Counts one more of a class, which may be a new one.
    #[inline]
    pub(super) fn count(&mut self, class: usize) {
        match self {
            Self::Two(counts) if class < 2 => counts[class] += 1,
            _ => {
                self.widen(class + 1);
                self.as_mut_slice()[class] += 1;
            }
        }
    }

    /// Has room for so many classes.
    pub(super) fn widen(&mut self, classes: usize) {
        if classes > self.as_slice().len() {
            let mut counts = self.as_slice().to_vec();
            counts.resize(classes, 0);
            *self = Self::Many(counts);
        }
    }

    /// In another order: first what stands at the first of `places`, and so on.
    pub(super) fn reorder(&mut self, places: &[Option<usize>]) {
        let mut ordered = Self::zeros(places.len());
        for (count, place) in ordered.as_mut_slice().iter_mut().zip(places) {
            *count = place.and_then(|place| self.as_slice().get(place)).copied().unwrap_or(0);
        }
        *self = ordered;
    }
}

impl Gather for ClassCounts {
    fn gather(&mut self, other: Self) {
        self.widen(other.as_slice().len());
        self.as_mut_slice().iter_mut().zip(other.as_slice()).for_each(|(mine, theirs)| *mine += theirs);
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
