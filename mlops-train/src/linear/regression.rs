use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Named, Result, RowModel, Run, Signature, Table, Task, Trainer,
    predict_dense,
};
use serde::{Deserialize, Serialize};

use super::design::Design;
use super::least_squares::{Squared, solve};
use super::model::{Linear, on_threads};
use super::objective::Objective;
use crate::training::TrainingSet;

/// A number that is linear in the features, by least squares: scikit-learn's `LinearRegression`.
///
/// Minimises `Σ weight · (target - prediction)²`. Where columns depend on each other many solutions
/// are equally good; the one with the smallest coefficients is taken, and
/// [`LinearModel::rank`] tells. Solved by normal equations refined from the rows where the columns
/// are well conditioned, else by a QR decomposition; about 6 passes over the rows, one copy of the
/// features, and the square of their number. The same result for any number of threads.
///
/// NaN and infinite features are refused at fit; a row with one gets NaN as its answer.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table};
/// use mlops_train::LinearRegression;
///
/// let batch = arrow::array::record_batch!(
///     ("km", Float64, [1.0, 2.0, 4.0]),
///     ("minutes", Float64, [5.0, 7.0, 11.0])
/// )?;
/// let trips = Table::from_batch(batch).with_role("minutes", Role::Target)?;
/// let model = LinearRegression::new().learn(&trips, &Run::default())?;
/// assert!((model.coef()[0] - 2.0).abs() < 1e-12 && (model.intercept() - 3.0).abs() < 1e-12);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LinearRegression {}

/// A number that is linear in the features, with small coefficients: scikit-learn's `Ridge`.
///
/// Minimises `Σ weight · (target - prediction)² + alpha · Σ coef²` over the coefficients of the
/// features as they are given; the intercept is free. Else as [`LinearRegression`].
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table};
/// use mlops_train::Ridge;
///
/// let batch = arrow::array::record_batch!(
///     ("km", Float64, [1.0, 2.0, 3.0]),
///     ("minutes", Float64, [5.0, 7.0, 9.0])
/// )?;
/// let trips = Table::from_batch(batch).with_role("minutes", Role::Target)?;
/// let model = Ridge::new(2.0).learn(&trips, &Run::default())?;
/// assert!((model.coef()[0] - 1.0).abs() < 1e-12);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Ridge {
    /// The strength of the penalty; 0 is none.
    pub alpha: f64,
}

impl Default for Ridge {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Named for LinearRegression {
    const KIND: &'static str = "linear_regression";
}

impl Named for Ridge {
    const KIND: &'static str = "ridge";
}

impl LinearRegression {
    /// There is nothing to set.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Trainer::fit`], with the type of the model: its coefficients can be looked at.
    ///
    /// # Errors
    /// As [`Trainer::fit`].
    pub fn learn(&self, data: &Table, run: &Run) -> Result<LinearModel> {
        on_threads(run, || learn("linear regression", 0.0, data, run))
    }
}

impl Ridge {
    /// With a penalty of strength `alpha`.
    pub fn new(alpha: f64) -> Self {
        Self { alpha }
    }

    /// As [`Trainer::fit`], with the type of the model: its coefficients can be looked at.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if `alpha` is
    /// negative or not finite.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<LinearModel> {
        if !(self.alpha.is_finite() && self.alpha >= 0.0) {
            return Err(Error::config(format!("ridge with alpha = {}: it must be finite and at least 0", self.alpha)));
        }
        on_threads(run, || learn("ridge", self.alpha, data, run))
    }
}

impl Trainer for LinearRegression {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

impl Trainer for Ridge {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

fn learn(recipe: &str, alpha: f64, data: &Table, run: &Run) -> Result<LinearModel> {
    let set = TrainingSet::read_finite(data)?;
    let target = set.numbers(recipe)?;
    run.check()?;
    let design = Design::of(&set);
    let total: f64 = set.weights.as_ref().map_or(set.rows as f64, |weights| weights.iter().sum());
    // Around its mean the target keeps the digits that a large offset would cost.
    let mean: f64 = target.iter().zip(&design.weights).map(|(y, w)| w * y).sum();
    let centred: Vec<f64> = target.iter().map(|y| y - mean).collect();
    let objective = Objective::new(&design, Squared { target: &centred }, alpha / total);
    let fit = solve(&objective, run)?;
    let mut linear = Linear::unscaled(&design, &fit.coefficients, set.width())?;
    linear.intercept[0] += mean;
    Ok(LinearModel { signature: set.signature, linear, rank: fit.rank })
}

/// A fitted [`LinearRegression`], [`Ridge`], [`ElasticNet`](crate::ElasticNet) or [`Lasso`](crate::Lasso).
#[derive(Clone, Debug)]
pub struct LinearModel {
    signature: Signature,
    linear: Linear,
    rank: usize,
}

impl LinearModel {
    pub(super) fn new(signature: Signature, linear: Linear, rank: usize) -> Self {
        Self { signature, linear, rank }
    }

    /// One number a feature.
    pub fn coef(&self) -> &[f64] {
        &self.linear.coef[0]
    }

    /// What a row of zeros gets.
    pub fn intercept(&self) -> f64 {
        self.linear.intercept[0]
    }

    /// How many columns, with the intercept, say something of their own. Constant features do not
    /// count, nor do those that an elastic net left out.
    pub fn rank(&self) -> usize {
        self.rank
    }
}

impl Model for LinearModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        predict_dense(&self.signature, self, batch)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn importances(&self) -> Option<Vec<Vec<f64>>> {
        Some(self.linear.coef.clone())
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(&State { signature: self.signature.clone(), linear: self.linear.clone(), rank: self.rank })
    }
}

impl Dense for LinearModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        scores[0] = self.linear.score(row, 0);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    linear: Linear,
    rank: usize,
}

impl Load for LinearModel {
    const KIND: &'static str = "linear_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, linear, rank } = artifact.state()?;
        if signature.task != Task::Regression {
            return Err(Error::corrupt("a linear model answers a number, not a class"));
        }
        linear.check(&signature, 1)?;
        Ok(Self { signature, linear, rank })
    }
}
