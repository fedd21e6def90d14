use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Named, Result, RowModel, Run, Signature, Table, Task, Trainer,
    predict_dense,
};
use serde::{Deserialize, Serialize};

use super::design::Design;
use super::logistic_loss::{Logistic, Softmax, sigmoid, softmax};
use super::model::{Linear, on_threads};
use super::objective::Objective;
use super::solver::{Limits, Solution, minimise};
use crate::training::TrainingSet;

/// Classes by the log odds that are linear in the features: scikit-learn's `LogisticRegression`
/// with its L2 penalty, binary and multinomial.
///
/// Minimises `c · Σ weight · log loss + ½ Σ coef²` over the coefficients of the features as they are
/// given (several classes: one set each, the softmax of the scores); the intercept is free. Inside,
/// columns are scaled, columns that are mostly zero stay sparse, and Newton's method runs on all cores of
/// the [`Run`] with the same result for any number of them. About 10 steps of two passes over the
/// rows; memory is one copy of the features, and the square of the number of coefficients. Above
/// 1,024 coefficients the steps are approached by conjugate gradients: more passes, and no square.
///
/// NaN and infinite features are refused at fit; a row with one gets NaN as its answer.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::LogisticRegression;
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 4.0, 7.0]),
///     ("late", Boolean, [false, false, true, true, true, false])
/// )?;
/// let flights = Table::from_batch(batch.clone()).with_role("late", Role::Target)?;
/// let model = LogisticRegression::new().with_c(10.0).fit(&flights, &Run::default())?;
/// let answer = model.predict(&batch)?;
/// assert_eq!(answer.num_rows(), 6);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LogisticRegression {
    /// How much the data count against the penalty: one over its strength.
    pub c: f64,
    /// At most so many steps. If they do not suffice the fit warns and gives what it has.
    pub max_iter: usize,
    /// It is done when no slope of the mean loss is steeper, for columns scaled to unit spread:
    /// independent of the number of rows and of the units of the features.
    pub tol: f64,
}

impl Default for LogisticRegression {
    fn default() -> Self {
        Self { c: 1.0, max_iter: 100, tol: 1e-4 }
    }
}

impl Named for LogisticRegression {
    const KIND: &'static str = "logistic_regression";
}

impl LogisticRegression {
    /// With scikit-learn's defaults: `c` 1, at most 100 steps, `tol` 10⁻⁴.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another weight of the data against the penalty.
    #[must_use]
    pub fn with_c(mut self, c: f64) -> Self {
        self.c = c;
        self
    }

    /// With another limit of steps.
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
    pub fn learn(&self, data: &Table, run: &Run) -> Result<LogisticModel> {
        self.check()?;
        on_threads(run, || self.learn_here(data, run))
    }

    fn check(&self) -> Result<()> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if positive(self.c) && positive(self.tol) && self.max_iter > 0 {
            return Ok(());
        }
        Err(Error::config(format!(
            "logistic regression with c = {}, tol = {} and max_iter = {}: all must be greater than 0 and finite",
            self.c, self.tol, self.max_iter
        )))
    }

    fn learn_here(&self, data: &Table, run: &Run) -> Result<LogisticModel> {
        let set = TrainingSet::read_finite(data)?;
        let (classes, target) = set.classes("logistic regression")?;
        run.check()?;
        let design = Design::of(&set);
        let total: f64 = set.weights.as_ref().map_or(set.rows as f64, |weights| weights.iter().sum());
        let strength = 1.0 / (self.c * total);
        let limits = Limits { max_iter: self.max_iter, tol: self.tol };
        let solution = match classes.len() {
            2 => minimise(&Objective::new(&design, Logistic { target }, strength), limits, run)?,
            classes => minimise(&Objective::new(&design, Softmax { target, classes }, strength), limits, run)?,
        };
        self.report(&solution);
        let linear = Linear::unscaled(&design, &solution.coefficients, set.width())?;
        Ok(LogisticModel {
            signature: set.signature,
            linear,
            solver: Solver {
                iterations: solution.iterations,
                steepness: solution.steepness,
                converged: solution.converged,
            },
        })
    }

    fn report(&self, solution: &Solution) {
        let Solution { iterations, steepness, .. } = solution;
        if solution.converged {
            tracing::debug!(iterations, steepness, "logistic regression converged");
        } else {
            tracing::warn!(
                iterations,
                steepness,
                tol = self.tol,
                "logistic regression did not converge: raise max_iter, or lower c if the classes can be told apart \
                 without error"
            );
        }
    }
}

impl Trainer for LogisticRegression {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

/// A fitted [`LogisticRegression`].
#[derive(Clone, Debug)]
pub struct LogisticModel {
    signature: Signature,
    linear: Linear,
    solver: Solver,
}

/// How the fit ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Solver {
    iterations: usize,
    steepness: f64,
    converged: bool,
}

impl LogisticModel {
    /// The coefficients: for two classes one row (the log odds of the second), else one row a
    /// class; one number a feature.
    pub fn coef(&self) -> &[Vec<f64>] {
        &self.linear.coef
    }

    /// The intercepts, one for each row of [`coef`](Self::coef).
    pub fn intercept(&self) -> &[f64] {
        &self.linear.intercept
    }

    /// Whether the minimum was reached within the tolerance.
    pub fn converged(&self) -> bool {
        self.solver.converged
    }

    /// How many steps it took.
    pub fn iterations(&self) -> usize {
        self.solver.iterations
    }
}

impl Model for LogisticModel {
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
        Artifact::of::<Self>(&State {
            signature: self.signature.clone(),
            linear: self.linear.clone(),
            solver: self.solver.clone(),
        })
    }
}

impl Dense for LogisticModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        if let [negative, positive] = scores {
            let score = self.linear.score(row, 0);
            (*negative, *positive) = (sigmoid(-score), sigmoid(score));
            return;
        }
        for (output, score) in scores.iter_mut().enumerate() {
            *score = self.linear.score(row, output);
        }
        softmax(scores);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    linear: Linear,
    solver: Solver,
}

impl Load for LogisticModel {
    const KIND: &'static str = "logistic_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, linear, solver } = artifact.state()?;
        let outputs = match &signature.task {
            Task::Classification { classes } if classes.len() == 2 => 1,
            Task::Classification { classes } if classes.len() > 2 => classes.len(),
            _ => return Err(Error::corrupt("a logistic model needs at least two classes")),
        };
        linear.check(&signature, outputs)?;
        Ok(Self { signature, linear, solver })
    }
}
