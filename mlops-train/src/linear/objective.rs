//! What a linear model minimises: the weighted mean loss of the rows plus a penalty on the squared
//! coefficients.

use std::ops::Range;

use super::cholesky::Symmetric;
use super::design::Design;

/// How bad a row's scores are. A row has one score an output; a loss is convex in them.
pub(crate) trait Loss: Sync {
    fn outputs(&self) -> usize;

    /// The loss of a row and its derivatives by the scores. Turns `scores` into whatever
    /// [`curvature`](Self::curvature) needs of them (probabilities).
    fn row(&self, row: usize, scores: &mut [f64], slopes: &mut [f64]) -> f64;

    /// The second derivative by the scores of outputs `k` and `l`.
    fn curvature(&self, means: &[f64], k: usize, l: usize) -> f64;
}

/// A loss over the rows of a design. Its coefficients are those of the design's columns for each
/// output in turn.
#[derive(Debug)]
pub(crate) struct Objective<'a, L> {
    pub(crate) design: &'a Design,
    pub(crate) loss: L,
    /// What `½ coefficient²` counts for each column of the design.
    pub(crate) penalty: Vec<f64>,
}

/// The objective at some coefficients.
#[derive(Debug)]
pub(crate) struct Evaluation {
    pub(crate) value: f64,
    pub(crate) gradient: Vec<f64>,
    means: Vec<f64>,
}

impl Evaluation {
    /// The greatest slope.
    pub(crate) fn steepness(&self) -> f64 {
        let greatest = self.gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
        if self.gradient.iter().any(|g| g.is_nan()) { f64::NAN } else { greatest }
    }
}

impl<'a, L: Loss> Objective<'a, L> {
    /// A penalty of `strength · ½ · Σ β²` on the coefficients β of the features as they are given;
    /// the intercept is free.
    pub(crate) fn new(design: &'a Design, loss: L, strength: f64) -> Self {
        let of_column = design.columns.iter().map(|column| strength / (column.scale * column.scale));
        let penalty = std::iter::once(0.0).chain(of_column).collect();
        Self { design, loss, penalty }
    }

    /// The number of coefficients.
    pub(crate) fn size(&self) -> usize {
        self.design.size() * self.loss.outputs()
    }

    /// Value and gradient: two passes over the rows.
    pub(crate) fn evaluate(&self, coefficients: &[f64]) -> Evaluation {
        let mut parts = self.design.map_parts(|rows| self.evaluate_part(rows, coefficients)).into_iter();
        let mut whole = parts.next().unwrap_or_else(|| Evaluation {
            value: 0.0,
            gradient: vec![0.0; self.size()],
            means: Vec::new(),
        });
        whole.means.reserve_exact(self.design.rows * self.loss.outputs() - whole.means.len());
        for part in parts {
            whole.value += part.value;
            whole.gradient.iter_mut().zip(&part.gradient).for_each(|(sum, g)| *sum += g);
            whole.means.extend_from_slice(&part.means);
        }
        let penalty = self.penalty.iter().cycle();
        for ((gradient, coefficient), penalty) in whole.gradient.iter_mut().zip(coefficients).zip(penalty) {
            *gradient += penalty * coefficient;
            whole.value += 0.5 * penalty * coefficient * coefficient;
        }
        whole
    }

    fn evaluate_part(&self, rows: Range<usize>, coefficients: &[f64]) -> Evaluation {
        let (size, outputs) = (self.design.size(), self.loss.outputs());
        let mut part =
            Evaluation { value: 0.0, gradient: vec![0.0; self.size()], means: vec![0.0; rows.len() * outputs] };
        let mut slopes = vec![0.0; outputs];
        for (row, means) in rows.zip(part.means.chunks_exact_mut(outputs)) {
            for (score, coefficients) in means.iter_mut().zip(coefficients.chunks_exact(size)) {
                *score = self.design.dot(row, coefficients);
            }
            let weight = self.design.weights[row];
            part.value += weight * self.loss.row(row, means, &mut slopes);
            for (slope, gradient) in slopes.iter().zip(part.gradient.chunks_exact_mut(size)) {
                self.design.add(row, weight * slope, gradient);
            }
        }
        part
    }

    /// The second derivatives: a product of the design with itself for each pair of outputs.
    pub(crate) fn hessian(&self, at: &Evaluation) -> Symmetric {
        let (size, outputs) = (self.design.size(), self.loss.outputs());
        let mut hessian = Symmetric::zeros(size * outputs);
        let whole = hessian.size;
        for k in 0..outputs {
            for l in 0..=k {
                let weight = |row: usize| {
                    let means = &at.means[row * outputs..(row + 1) * outputs];
                    self.design.weights[row] * self.loss.curvature(means, k, l)
                };
                let block = self.design.gram(weight);
                for i in 0..size {
                    let row = &mut hessian.values[(k * size + i) * whole + l * size..][..size];
                    for (j, value) in row.iter_mut().enumerate().take(if k == l { i + 1 } else { size }) {
                        *value = block.values[i.max(j) * size + i.min(j)];
                    }
                }
            }
        }
        (0..whole).for_each(|i| hessian.add_diagonal(i, self.penalty[i % size]));
        hessian
    }

    /// The second derivatives times a vector: two passes over the rows.
    pub(crate) fn hessian_times(&self, at: &Evaluation, vector: &[f64]) -> Vec<f64> {
        let (size, outputs) = (self.design.size(), self.loss.outputs());
        let mut product = self.sum_rows(|row, sums| {
            let means = &at.means[row * outputs..(row + 1) * outputs];
            for (l, vector) in vector.chunks_exact(size).enumerate() {
                let along = self.design.weights[row] * self.design.dot(row, vector);
                for (k, sums) in sums.chunks_exact_mut(size).enumerate() {
                    self.design.add(row, self.loss.curvature(means, k, l) * along, sums);
                }
            }
        });
        for (i, product) in product.iter_mut().enumerate() {
            *product += self.penalty[i % size] * vector[i];
        }
        product
    }

    /// The second derivative by each coefficient alone; greater than 0.
    pub(crate) fn curvatures(&self, at: &Evaluation) -> Vec<f64> {
        let (size, outputs) = (self.design.size(), self.loss.outputs());
        let mut curvatures = self.sum_rows(|row, sums| {
            let means = &at.means[row * outputs..(row + 1) * outputs];
            for (k, sums) in sums.chunks_exact_mut(size).enumerate() {
                let curvature = self.design.weights[row] * self.loss.curvature(means, k, k);
                self.design.add_squares(row, curvature, sums);
            }
        });
        for (i, curvature) in curvatures.iter_mut().enumerate() {
            *curvature = (*curvature + self.penalty[i % size]).max(f64::MIN_POSITIVE);
        }
        curvatures
    }

    /// Adds up what every row adds for each coefficient.
    fn sum_rows(&self, add: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
        let parts = self.design.map_parts(|rows| {
            let mut sums = vec![0.0; self.size()];
            rows.for_each(|row| add(row, &mut sums));
            sums
        });
        let mut whole = vec![0.0; self.size()];
        for part in parts {
            whole.iter_mut().zip(&part).for_each(|(sum, x)| *sum += x);
        }
        whole
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::logistic_loss::Softmax;
    use super::*;
    use crate::training::TrainingSet;
    use mlops_core::random::SplitMix64;
    use mlops_core::{Role, Table};

    /// Three overlapping classes of two features.
    pub(crate) fn three_classes(rows: usize) -> TrainingSet {
        use arrow::array::{Float64Array, Int64Array, RecordBatch};
        use std::sync::Arc;
        let mut rng = SplitMix64::new(3);
        let classes: Vec<i64> = (0..rows).map(|_| rng.below(3) as i64).collect();
        let mut feature = |shift: f64| {
            let value = |class: &i64| (*class as f64) * shift + 4.0 * rng.uniform();
            Arc::new(classes.iter().map(value).collect::<Float64Array>()) as arrow::array::ArrayRef
        };
        let columns = [("a", feature(1.0)), ("b", feature(-0.5))];
        let target = ("y", Arc::new(Int64Array::from(classes.clone())) as arrow::array::ArrayRef);
        let batch = RecordBatch::try_from_iter(columns.into_iter().chain([target])).unwrap();
        let table = Table::from_batch(batch).with_role("y", Role::Target).unwrap();
        TrainingSet::read_finite(&table).unwrap()
    }

    #[test]
    fn derivatives_are_those_of_the_value() {
        let set = three_classes(200);
        let design = Design::of(&set);
        let (_, target) = set.classes("test").unwrap();
        let objective = Objective::new(&design, Softmax { target, classes: 3 }, 0.1);
        let at: Vec<f64> = (0..objective.size()).map(|i| 0.3 * (i as f64).sin()).collect();
        let (here, step) = (objective.evaluate(&at), 1e-5);
        let hessian = objective.hessian(&here);
        let curvatures = objective.curvatures(&here);
        for i in 0..objective.size() {
            let mut unit = vec![0.0; objective.size()];
            unit[i] = 1.0;
            let product = objective.hessian_times(&here, &unit);
            assert!((product[i] - curvatures[i]).abs() < 1e-12);
            let moved = |by: f64| {
                let mut at = at.clone();
                at[i] += by;
                objective.evaluate(&at)
            };
            let (more, less) = (moved(step), moved(-step));
            let slope = (more.value - less.value) / (2.0 * step);
            assert!((slope - here.gradient[i]).abs() < 1e-8, "{slope} {}", here.gradient[i]);
            for (j, product) in product.iter().enumerate().take(i + 1) {
                let curvature = (more.gradient[j] - less.gradient[j]) / (2.0 * step);
                let given = hessian.values[i * hessian.size + j];
                assert!((curvature - given).abs() < 1e-8, "{i} {j}: {curvature} {given}");
                assert!((product - given).abs() < 1e-12, "{i} {j}: {product} {given}");
            }
        }
    }
}
