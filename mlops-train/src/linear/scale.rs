//! Bringing the columns of a design to a common scale.

use rayon::prelude::*;

use crate::training::TrainingSet;

/// A column with at most this share of values other than 0 (a one-hot column) is kept sparse.
const SPARSE: f64 = 0.25;

/// How a feature was scaled: `(x - centre) / scale`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) feature: usize,
    pub(crate) centre: f64,
    pub(crate) scale: f64,
    /// Whether it is mostly zero; then its centre is 0.
    pub(crate) sparse: bool,
}

impl Column {
    pub(crate) fn apply(&self, x: f64) -> f64 {
        (x - self.centre) / self.scale
    }
}

/// What a first pass learns of a column.
#[derive(Clone)]
struct Summary {
    min: f64,
    max: f64,
    mean: f64,
    filled: usize,
}

impl Summary {
    const EMPTY: Self = Self { min: f64::INFINITY, max: f64::NEG_INFINITY, mean: 0.0, filled: 0 };

    fn add(&mut self, x: f64, weight: f64) {
        self.min = self.min.min(x);
        self.max = self.max.max(x);
        self.mean += weight * x;
        self.filled += usize::from(x != 0.0);
    }

    fn merge(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.mean += other.mean;
        self.filled += other.filled;
    }
}

/// The columns that vary, the dense ones first: two passes over the rows.
pub(crate) fn scale_columns(set: &TrainingSet, weights: &[f64]) -> Vec<Column> {
    let summaries = fold_rows(set, weights, &Summary::EMPTY, |_, s, x, w| s.add(x, w), Summary::merge);
    let is_sparse = |s: &Summary| s.filled as f64 <= SPARSE * set.rows as f64;
    let centre = |s: &Summary| if is_sparse(s) { 0.0 } else { s.mean };
    let centres: Vec<(f64, f64)> =
        summaries.iter().map(|s| (centre(s), (s.max - centre(s)).abs().max((s.min - centre(s)).abs()))).collect();
    // Within its range a value neither overflows nor vanishes when it is squared.
    let square = |i: usize, sum: &mut f64, x: f64, w: f64| *sum += w * ((x - centres[i].0) / centres[i].1).powi(2);
    let spreads = fold_rows(set, weights, &0.0, square, |sum, other| *sum += other);
    let column = |feature: usize| {
        let (centre, range) = centres[feature];
        Column { feature, centre, scale: range * spreads[feature].sqrt(), sparse: is_sparse(&summaries[feature]) }
    };
    let varies = |feature: &usize| summaries[*feature].min < summaries[*feature].max;
    let mut columns: Vec<Column> =
        (0..set.width()).filter(varies).map(column).filter(|column| column.scale > 0.0).collect();
    columns.sort_by_key(|column| column.sparse);
    columns
}

/// Folds every column, on all cores: in pieces of a fixed number of rows, merged in their order.
fn fold_rows<T: Clone + Send + Sync>(
    set: &TrainingSet,
    weights: &[f64],
    empty: &T,
    add: impl Fn(usize, &mut T, f64, f64) + Sync,
    merge: impl Fn(&mut T, &T),
) -> Vec<T> {
    const ROWS: usize = 4096;
    let width = set.width();
    let pieces = set.matrix.par_chunks(ROWS * width).zip(weights.par_chunks(ROWS)).map(|(rows, weights)| {
        let mut folds = vec![empty.clone(); width];
        for (row, weight) in rows.chunks_exact(width).zip(weights) {
            for (i, (fold, x)) in folds.iter_mut().zip(row).enumerate() {
                add(i, fold, *x, *weight);
            }
        }
        folds
    });
    let mut whole = vec![empty.clone(); width];
    for piece in pieces.collect::<Vec<_>>() {
        whole.iter_mut().zip(&piece).for_each(|(whole, piece)| merge(whole, piece));
    }
    whole
}
