//! The feature matrix in the form that linear models are fitted on: scaled columns, and zeros left
//! out where a column is mostly zeros.

use std::ops::Range;

use rayon::prelude::*;

use super::cholesky::{Symmetric, dot};
use super::scale::{Column, scale_columns};
use crate::training::TrainingSet;

/// The dense products are computed in tiles of so many columns by as many.
const TILE: usize = 4;
/// So many rows at a time, which stay in the cache.
const BLOCK: usize = 32;

/// The rows of a training set: an intercept column of ones, the dense columns (centred and scaled),
/// the sparse columns (scaled). Constant columns are left out: they tell nothing apart.
///
/// Work on it is cut into `parts` that only depend on its size, and partial results are added up in
/// the order of the rows: the outcome does not depend on the number of threads.
#[derive(Debug)]
pub(crate) struct Design {
    pub(crate) rows: usize,
    /// One for each column after the intercept: the dense ones, then the sparse ones.
    pub(crate) columns: Vec<Column>,
    /// The weight of every row; they add up to 1.
    pub(crate) weights: Vec<f64>,
    /// Dense columns with the intercept.
    dense: usize,
    /// `dense`, rounded up to a multiple of [`TILE`]; the columns in between are zero.
    stride: usize,
    values: Vec<f64>,
    /// Where the sparse entries of each row start.
    starts: Vec<usize>,
    entries: Vec<Entry>,
    parts: Vec<Range<usize>>,
}

/// A value of a sparse column.
#[derive(Clone, Copy, Debug)]
struct Entry {
    column: u32,
    value: f64,
}

impl Design {
    pub(crate) fn of(set: &TrainingSet) -> Self {
        let total: f64 = set.weights.as_ref().map_or(set.rows as f64, |weights| weights.iter().sum());
        let weights: Vec<f64> = match &set.weights {
            Some(weights) => weights.iter().map(|w| w / total).collect(),
            None => vec![1.0 / total; set.rows],
        };
        let columns = scale_columns(set, &weights);
        let dense = 1 + columns.iter().filter(|column| !column.sparse).count();
        let parts = cut(set.rows, columns.len() + 1);
        let mut design = Self {
            rows: set.rows,
            columns,
            weights,
            dense,
            stride: dense.next_multiple_of(TILE),
            values: Vec::new(),
            starts: Vec::new(),
            entries: Vec::new(),
            parts,
        };
        design.fill(set);
        design
    }

    /// The number of coefficients with the intercept.
    pub(crate) fn size(&self) -> usize {
        self.columns.len() + 1
    }

    fn fill(&mut self, set: &TrainingSet) {
        const ROWS: usize = 1024;
        let (width, stride, dense) = (set.width(), self.stride, self.dense);
        let (of_dense, of_sparse) = self.columns.split_at(dense - 1);
        self.values = vec![0.0; self.rows * stride];
        let pieces = set.matrix.par_chunks(ROWS * width).zip(self.values.par_chunks_mut(ROWS * stride));
        let entries = pieces.map(|(source, target)| {
            let (mut ends, mut entries) = (Vec::with_capacity(ROWS), Vec::new());
            for (source, target) in source.chunks_exact(width).zip(target.chunks_exact_mut(stride)) {
                target[0] = 1.0;
                for (value, column) in target[1..].iter_mut().zip(of_dense) {
                    *value = column.apply(source[column.feature]);
                }
                for (i, column) in of_sparse.iter().enumerate().filter(|(_, c)| source[c.feature] != 0.0) {
                    // A table has fewer than 2³² columns.
                    entries.push(Entry { column: i as u32, value: column.apply(source[column.feature]) });
                }
                ends.push(entries.len());
            }
            (ends, entries)
        });
        self.starts.push(0);
        for (ends, entries) in entries.collect::<Vec<_>>() {
            let before = self.entries.len();
            self.starts.extend(ends.into_iter().map(|end| before + end));
            self.entries.extend_from_slice(&entries);
        }
    }

    /// Runs `work` on every part, on all cores; the results are in the order of the rows.
    pub(crate) fn map_parts<T: Send>(&self, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
        self.parts.par_iter().map(|part| work(part.clone())).collect()
    }

    fn row(&self, row: usize) -> (&[f64], &[Entry]) {
        let dense = &self.values[row * self.stride..row * self.stride + self.dense];
        (dense, &self.entries[self.starts[row]..self.starts[row + 1]])
    }

    /// The row times the coefficients.
    pub(crate) fn dot(&self, row: usize, coefficients: &[f64]) -> f64 {
        let (dense, entries) = self.row(row);
        let (of_dense, of_sparse) = coefficients.split_at(self.dense);
        let sparse: f64 = entries.iter().map(|e| e.value * of_sparse[e.column as usize]).sum();
        dot(dense, of_dense) + sparse
    }

    /// Adds the row times `factor` to `sums`.
    pub(crate) fn add(&self, row: usize, factor: f64, sums: &mut [f64]) {
        let (dense, entries) = self.row(row);
        let (of_dense, of_sparse) = sums.split_at_mut(self.dense);
        of_dense.iter_mut().zip(dense).for_each(|(sum, x)| *sum += factor * x);
        entries.iter().for_each(|e| of_sparse[e.column as usize] += factor * e.value);
    }

    /// Adds the squares of the row times `factor` to `sums`.
    pub(crate) fn add_squares(&self, row: usize, factor: f64, sums: &mut [f64]) {
        let (dense, entries) = self.row(row);
        let (of_dense, of_sparse) = sums.split_at_mut(self.dense);
        of_dense.iter_mut().zip(dense).for_each(|(sum, x)| *sum += factor * x * x);
        entries.iter().for_each(|e| of_sparse[e.column as usize] += factor * e.value * e.value);
    }

    /// `Xᵀ W X` for the weights `weight` of the rows.
    ///
    /// A sparse column costs what it has values: 100,000 rows of 15 dense and 140 one-hot columns take a fiftieth
    /// of what 155 dense ones take.
    pub(crate) fn gram(&self, weight: impl Fn(usize) -> f64 + Sync) -> Symmetric {
        let parts = self.map_parts(|rows| {
            let mut gram = Gram::zeros(self.stride, self.size() - self.dense);
            self.add_dense_products(rows.clone(), &weight, &mut gram.dense);
            self.add_sparse_products(rows, &weight, &mut gram);
            gram
        });
        let mut parts = parts.into_iter();
        let mut sum = parts.next().unwrap_or_else(|| Gram::zeros(self.stride, self.size() - self.dense));
        parts.for_each(|part| sum.merge(&part));
        sum.assemble(self.dense)
    }

    fn add_dense_products(&self, rows: Range<usize>, weight: &impl Fn(usize) -> f64, sums: &mut [f64]) {
        let stride = self.stride;
        let mut weighted = vec![0.0; BLOCK * stride];
        for start in rows.clone().step_by(BLOCK) {
            let end = rows.end.min(start + BLOCK);
            let plain = &self.values[start * stride..end * stride];
            let weighted = &mut weighted[..plain.len()];
            for (i, row) in (start..end).enumerate() {
                let w = weight(row);
                let row = i * stride..(i + 1) * stride;
                weighted[row.clone()].iter_mut().zip(&plain[row]).for_each(|(to, x)| *to = w * x);
            }
            for i in (0..stride).step_by(TILE) {
                for j in (0..=i).step_by(TILE) {
                    add_tile(weighted, plain, stride, i, j, sums);
                }
            }
        }
    }

    fn add_sparse_products(&self, rows: Range<usize>, weight: &impl Fn(usize) -> f64, gram: &mut Gram) {
        let (stride, sparse) = (self.stride, gram.sparse_size);
        for row in rows {
            let entries = &self.entries[self.starts[row]..self.starts[row + 1]];
            if entries.is_empty() {
                continue;
            }
            let dense = &self.values[row * stride..(row + 1) * stride];
            let w = weight(row);
            for (i, a) in entries.iter().enumerate() {
                let (factor, a) = (w * a.value, a.column as usize);
                let mixed = &mut gram.mixed[a * stride..(a + 1) * stride];
                mixed.iter_mut().zip(dense).for_each(|(sum, x)| *sum += factor * x);
                let products = &mut gram.sparse[a * sparse..(a + 1) * sparse];
                entries[..=i].iter().for_each(|b| products[b.column as usize] += factor * b.value);
            }
        }
    }
}

/// Adds the products of the columns `i..` of `a` and `j..` of `b`, a tile of each, over all rows.
fn add_tile(a: &[f64], b: &[f64], stride: usize, i: usize, j: usize, sums: &mut [f64]) {
    let mut tile = [[0.0; TILE]; TILE];
    for (a, b) in a.chunks_exact(stride).zip(b.chunks_exact(stride)) {
        let (a, b) = (&a[i..i + TILE], &b[j..j + TILE]);
        for (sums, x) in tile.iter_mut().zip(a) {
            for (sum, y) in sums.iter_mut().zip(b) {
                *sum += x * y;
            }
        }
    }
    for (k, tile) in tile.iter().enumerate() {
        let at = (i + k) * stride + j;
        sums[at..at + TILE].iter_mut().zip(tile).for_each(|(sum, x)| *sum += x);
    }
}

/// The products of columns with columns, lower triangles.
struct Gram {
    sparse_size: usize,
    stride: usize,
    dense: Vec<f64>,
    mixed: Vec<f64>,
    sparse: Vec<f64>,
}

impl Gram {
    fn zeros(stride: usize, sparse_size: usize) -> Self {
        let zeros = |len| vec![0.0; len];
        Self {
            sparse_size,
            stride,
            dense: zeros(stride * stride),
            mixed: zeros(sparse_size * stride),
            sparse: zeros(sparse_size * sparse_size),
        }
    }

    fn merge(&mut self, other: &Self) {
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.dense, &other.dense);
        add(&mut self.mixed, &other.mixed);
        add(&mut self.sparse, &other.sparse);
    }

    fn assemble(&self, dense: usize) -> Symmetric {
        let mut whole = Symmetric::zeros(dense + self.sparse_size);
        let size = whole.size;
        for (i, row) in whole.values.chunks_exact_mut(size).enumerate() {
            if i < dense {
                row[..=i].copy_from_slice(&self.dense[i * self.stride..=i * self.stride + i]);
            } else {
                let i = i - dense;
                row[..dense].copy_from_slice(&self.mixed[i * self.stride..i * self.stride + dense]);
                row[dense..=dense + i].copy_from_slice(&self.sparse[i * self.sparse_size..=i * self.sparse_size + i]);
            }
        }
        whole
    }
}

/// Parts of at least 1,024 rows, as many as keep the partial Gram matrices within 128 MiB.
fn cut(rows: usize, size: usize) -> Vec<Range<usize>> {
    const BUDGET: usize = 128 << 20;
    let affordable = (BUDGET / (size * size * size_of::<f64>())).clamp(1, 64);
    let parts = rows.div_ceil(1024).min(affordable).max(1);
    let length = rows.div_ceil(parts).next_multiple_of(BLOCK);
    (0..rows).step_by(length).map(|start| start..rows.min(start + length)).collect()
}

#[cfg(test)]
mod tests {
    use mlops_core::random::SplitMix64;
    use mlops_core::{Role, Table};
    use proptest::prelude::*;

    use super::*;

    /// Rows of dense and one-hot columns.
    fn design(rows: usize, seed: u64) -> Design {
        use arrow::array::{ArrayRef, Float64Array, RecordBatch};
        use std::sync::Arc;
        let mut rng = SplitMix64::new(seed);
        let mut column = |sparse: bool| -> ArrayRef {
            let value = |rng: &mut SplitMix64| match sparse && rng.uniform() < 0.9 {
                true => 0.0,
                false => rng.uniform() - 0.3,
            };
            Arc::new((0..rows).map(|_| value(&mut rng)).collect::<Float64Array>())
        };
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut columns: Vec<(&str, ArrayRef)> =
            names.iter().enumerate().map(|(i, name)| (*name, column(i % 2 == 1))).collect();
        columns.push(("y", column(false)));
        let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
        let table = table.with_role("y", Role::Target).unwrap();
        Design::of(&TrainingSet::read_finite(&table).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn products_are_what_rows_say(rows in 20usize..3000, seed: u64) {
            let design = design(rows, seed);
            let weight = |row: usize| 1.0 + (row % 3) as f64;
            let gram = design.gram(weight);
            let size = design.size();
            let mut expected = Symmetric::zeros(size);
            for row in 0..rows {
                for i in 0..size {
                    let mut unit = vec![0.0; size];
                    unit[i] = 1.0;
                    let x = design.dot(row, &unit);
                    design.add(row, weight(row) * x, &mut expected.values[i * size..(i + 1) * size]);
                }
            }
            for i in 0..size {
                for j in 0..=i {
                    let (a, b) = (gram.values[i * size + j], expected.values[i * size + j]);
                    prop_assert!((a - b).abs() <= 1e-10 * b.abs().max(1.0), "{i} {j}: {a} {b}");
                }
            }
        }
    }
}
