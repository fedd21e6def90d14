//! Least squares with a penalty on the absolute coefficients: coordinate descent.

use std::sync::Arc;

use mlops_core::{Error, Model, Named, Result, Run, Table, Trainer};
use serde::{Deserialize, Serialize};

use super::cholesky::dot;
use super::design::Design;
use super::least_squares::Squared;
use super::model::{Linear, on_threads};
use super::objective::Objective;
use super::regression::LinearModel;
use crate::training::TrainingSet;

/// A number that is linear in few of the features: scikit-learn's `ElasticNet`.
///
/// Minimises `½ · mean weighted squared error + alpha · l1_ratio · Σ |coef| + ½ · alpha · (1 - l1_ratio) · Σ coef²`
/// over the coefficients of the features as they are given; the intercept is free. The rows are read
/// twice, on all cores; coordinate descent then works on the products of the columns alone, which takes
/// memory for the square of their number. Ends when the duality gap is at most `tol` times the variance
/// of the target.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table};
/// use mlops_train::ElasticNet;
///
/// let batch = arrow::array::record_batch!(
///     ("km", Float64, [1.0, 2.0, 4.0]),
///     ("noise", Float64, [0.1, -0.1, 0.1]),
///     ("minutes", Float64, [5.0, 7.0, 11.0])
/// )?;
/// let trips = Table::from_batch(batch).with_role("minutes", Role::Target)?;
/// let model = ElasticNet::new(0.1).with_l1_ratio(0.9).learn(&trips, &Run::default())?;
/// assert!(model.coef()[0] > 1.8 && model.coef()[1] == 0.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ElasticNet {
    /// The strength of the penalty; 0 is none.
    pub alpha: f64,
    /// How much of the penalty is on the absolute coefficients, from 0 to 1.
    pub l1_ratio: f64,
    /// Whether coefficients below 0 are ruled out.
    pub positive: bool,
    /// At most so many rounds through the coefficients. If they do not suffice the fit warns and gives
    /// what it has.
    pub max_iter: usize,
    /// The duality gap at which it is done, as a share of the variance of the target.
    pub tol: f64,
}

impl Default for ElasticNet {
    fn default() -> Self {
        Self { alpha: 1.0, l1_ratio: 0.5, positive: false, max_iter: 1000, tol: 1e-4 }
    }
}

impl Named for ElasticNet {
    const KIND: &'static str = "elastic_net";
}

impl ElasticNet {
    /// With a penalty of strength `alpha`, half of it on the absolute coefficients.
    pub fn new(alpha: f64) -> Self {
        Self { alpha, ..Self::default() }
    }

    /// With another share of the penalty on the absolute coefficients.
    #[must_use]
    pub fn with_l1_ratio(mut self, l1_ratio: f64) -> Self {
        self.l1_ratio = l1_ratio;
        self
    }

    /// With coefficients of at least 0, or any.
    #[must_use]
    pub fn with_positive(mut self, positive: bool) -> Self {
        self.positive = positive;
        self
    }

    /// With another limit of rounds.
    #[must_use]
    pub fn with_max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// With another tolerance.
    #[must_use]
    pub fn with_tol(mut self, tol: f64) -> Self {
        self.tol = tol;
        self
    }

    /// As [`Trainer::fit`], with the type of the model: its coefficients can be looked at.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for settings out of
    /// range.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<LinearModel> {
        self.check()?;
        on_threads(run, || self.learn_here(data, run))
    }

    fn check(&self) -> Result<()> {
        let share = (0.0..=1.0).contains(&self.l1_ratio);
        let fits = self.alpha.is_finite() && self.alpha >= 0.0 && share && self.tol > 0.0 && self.tol.is_finite();
        if fits && self.max_iter > 0 {
            return Ok(());
        }
        Err(Error::config(format!(
            "an elastic net with alpha = {}, l1_ratio = {}, max_iter = {} and tol = {}: alpha must be at least 0, \
             l1_ratio from 0 to 1, the others above 0, and all finite",
            self.alpha, self.l1_ratio, self.max_iter, self.tol
        )))
    }

    fn learn_here(&self, data: &Table, run: &Run) -> Result<LinearModel> {
        let set = TrainingSet::read_finite(data)?;
        let target = set.numbers("an elastic net")?;
        run.check()?;
        let design = Design::of(&set);
        let mean: f64 = target.iter().zip(&design.weights).map(|(y, w)| w * y).sum();
        let centred: Vec<f64> = target.iter().map(|y| y - mean).collect();
        let products = Products::of(&design, &centred);
        run.check()?;
        let mut coefficients = self.descend(&products, run)?;
        let used = coefficients.iter().filter(|c| **c != 0.0).count();
        coefficients.insert(0, -dot(&coefficients, &products.means));
        let mut linear = Linear::unscaled(&design, &coefficients, set.width())?;
        linear.intercept[0] += mean;
        Ok(LinearModel::new(set.signature, linear, used + 1))
    }

    /// Coordinate descent on the columns of the design.
    fn descend(&self, products: &Products, run: &Run) -> Result<Vec<f64>> {
        let (l1, l2) = (self.alpha * self.l1_ratio, self.alpha * (1.0 - self.l1_ratio));
        let size = products.size;
        let mut at = vec![0.0; size];
        // What is left of the products with the target.
        let mut left = products.target.clone();
        let mut rounds = 0;
        loop {
            run.check()?;
            let (mut greatest, mut change) = (0.0f64, 0.0f64);
            for j in 0..size {
                let scale = products.scales[j];
                let (row, before) = (products.row(j), at[j]);
                if row[j] <= 0.0 {
                    continue;
                }
                let pull = left[j] + row[j] * before;
                let pull = if self.positive { pull.max(0.0) } else { pull };
                let shrunk = (pull.abs() - l1 / scale).max(0.0).copysign(pull);
                let after = shrunk / (row[j] + l2 / (scale * scale));
                if after != before {
                    let step = after - before;
                    left.iter_mut().zip(row).for_each(|(left, product)| *left -= step * product);
                    at[j] = after;
                }
                greatest = greatest.max(after.abs());
                change = change.max((after - before).abs());
            }
            rounds += 1;
            // Without a penalty on absolute values there is no gap to measure.
            let done = match l1 > 0.0 {
                true => products.gap(&at, &left, l1, l2, self.positive) <= self.tol * products.variance,
                false => change <= self.tol.min(1e-9) * greatest,
            };
            if done {
                tracing::debug!(rounds, "elastic net converged");
                return Ok(at);
            }
            if rounds == self.max_iter {
                tracing::warn!(rounds, "the elastic net did not converge: raise max_iter or alpha");
                return Ok(at);
            }
        }
    }
}

/// The weighted mean products of the columns of a design, around their means.
#[derive(Debug)]
struct Products {
    size: usize,
    /// Square.
    values: Vec<f64>,
    means: Vec<f64>,
    scales: Vec<f64>,
    /// With the target.
    target: Vec<f64>,
    /// The target with itself.
    variance: f64,
}

impl Products {
    /// Two passes over the rows.
    fn of(design: &Design, target: &[f64]) -> Self {
        let gram = design.gram(|row| design.weights[row]);
        let size = design.columns.len();
        let entry = |i: usize, j: usize| gram.values[i.max(j) * gram.size + i.min(j)];
        let means: Vec<f64> = (1..=size).map(|i| entry(i, 0)).collect();
        let mut values = vec![0.0; size * size];
        for (i, row) in values.chunks_exact_mut(size.max(1)).enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                *value = entry(i + 1, j + 1) - means[i] * means[j];
            }
        }
        let at_zero = Objective::new(design, Squared { target }, 0.0).evaluate(&vec![0.0; size + 1]);
        // The target is centred, so the means of the columns make no difference.
        let of_target = at_zero.gradient[1..].iter().map(|slope| -slope).collect();
        let scales = design.columns.iter().map(|column| column.scale).collect();
        Self { size, values, means, scales, target: of_target, variance: 2.0 * at_zero.value }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.size..][..self.size]
    }

    /// By how much the objective can at most be lowered (Kim and others 2007; as scikit-learn measures).
    fn gap(&self, at: &[f64], left: &[f64], l1: f64, l2: f64, positive: bool) -> f64 {
        let coef = || at.iter().zip(&self.scales).map(|(at, scale)| at / scale);
        let slopes = left.iter().zip(&self.scales).zip(coef()).map(|((left, scale), coef)| left * scale - l2 * coef);
        let steepest = slopes.fold(0.0, |most: f64, s| most.max(if positive { s } else { s.abs() }));
        let explained = dot(at, &self.target);
        let fitted = explained - dot(at, left);
        let residual = (self.variance - 2.0 * explained + fitted).max(0.0);
        let share = if steepest > l1 { l1 / steepest } else { 1.0 };
        let (absolute, squares) = coef().fold((0.0, 0.0), |(a, s), c: f64| (a + c.abs(), s + c * c));
        0.5 * residual * (1.0 + share * share) + l1 * absolute - share * (self.variance - explained)
            + 0.5 * l2 * (1.0 + share * share) * squares
    }
}

impl Trainer for ElasticNet {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

/// A number that is linear in few of the features, with a penalty on absolute coefficients alone:
/// scikit-learn's `Lasso`. Else as [`ElasticNet`].
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table};
/// use mlops_train::Lasso;
///
/// let batch = arrow::array::record_batch!(
///     ("km", Float64, [1.0, 2.0, 3.0]),
///     ("minutes", Float64, [5.0, 7.0, 9.0])
/// )?;
/// let trips = Table::from_batch(batch).with_role("minutes", Role::Target)?;
/// let model = Lasso::new(0.2).learn(&trips, &Run::default())?;
/// assert!((model.coef()[0] - 1.7).abs() < 1e-9);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Lasso {
    /// The strength of the penalty; 0 is none.
    pub alpha: f64,
    /// Whether coefficients below 0 are ruled out.
    pub positive: bool,
    /// At most so many rounds through the coefficients.
    pub max_iter: usize,
    /// The duality gap at which it is done, as a share of the variance of the target.
    pub tol: f64,
}

impl Default for Lasso {
    fn default() -> Self {
        let ElasticNet { alpha, positive, max_iter, tol, .. } = ElasticNet::default();
        Self { alpha, positive, max_iter, tol }
    }
}

impl Named for Lasso {
    const KIND: &'static str = "lasso";
}

impl Lasso {
    /// With a penalty of strength `alpha`.
    pub fn new(alpha: f64) -> Self {
        Self { alpha, ..Self::default() }
    }

    /// With coefficients of at least 0, or any.
    #[must_use]
    pub fn with_positive(mut self, positive: bool) -> Self {
        self.positive = positive;
        self
    }

    /// With another limit of rounds.
    #[must_use]
    pub fn with_max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// With another tolerance.
    #[must_use]
    pub fn with_tol(mut self, tol: f64) -> Self {
        self.tol = tol;
        self
    }

    /// As [`Trainer::fit`], with the type of the model: its coefficients can be looked at.
    ///
    /// # Errors
    /// As [`ElasticNet::learn`].
    pub fn learn(&self, data: &Table, run: &Run) -> Result<LinearModel> {
        let Self { alpha, positive, max_iter, tol } = *self;
        ElasticNet { alpha, l1_ratio: 1.0, positive, max_iter, tol }.learn(data, run)
    }
}

impl Trainer for Lasso {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}
