//! Generalised linear models of Tweedie's family: counts, amounts, and amounts that are often 0.

use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Named, Result, RowModel, Run, Signature, Table, Task, Trainer,
    predict_dense,
};
use serde::{Deserialize, Serialize};

use super::design::Design;
use super::model::{Linear, on_threads};
use super::objective::{Loss, Objective};
use super::solver::{Limits, Solution, minimise};
use crate::training::TrainingSet;

/// How the linear predictor becomes the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Link {
    /// [`Identity`](Self::Identity) for power 0, else [`Log`](Self::Log).
    #[default]
    Auto,
    /// It is the answer; for power 0 alone, since others take answers above 0.
    Identity,
    /// It is the logarithm of the answer.
    Log,
}

/// A number whose variance is a power of its mean: scikit-learn's `TweedieRegressor`.
///
/// | power | distribution | target |
/// | --- | --- | --- |
/// | 0 | normal | any |
/// | 1 | Poisson ([`PoissonRegressor`]) | at least 0 |
/// | between 1 and 2 | Poisson sums of gamma amounts (insurance claims) | at least 0 |
/// | 2 | gamma ([`GammaRegressor`]) | above 0 |
/// | 3 | inverse Gaussian | above 0 |
///
/// Minimises `½ · mean weighted deviance + ½ · alpha · Σ coef²` over the coefficients of the features as
/// they are given; the intercept is free. Newton's method as in
/// [`LogisticRegression`](crate::LogisticRegression): about 10 steps of two passes over the rows.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table};
/// use mlops_train::TweedieRegressor;
///
/// let batch = arrow::array::record_batch!(
///     ("power", Float64, [1.0, 2.0, 3.0, 4.0]),
///     ("claims", Float64, [0.0, 20.0, 0.0, 90.0])
/// )?;
/// let policies = Table::from_batch(batch).with_role("claims", Role::Target)?;
/// let model = TweedieRegressor::new(1.5).with_alpha(0.01).learn(&policies, &Run::default())?;
/// assert!(model.converged() && model.coef()[0] > 0.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TweedieRegressor {
    /// The power of the mean that the variance is proportional to: 0, or at least 1.
    pub power: f64,
    /// The strength of the penalty; 0 is none.
    pub alpha: f64,
    /// How the linear predictor becomes the answer.
    pub link: Link,
    /// At most so many steps. If they do not suffice the fit warns and gives what it has.
    pub max_iter: usize,
    /// It is done when no slope of the mean loss is steeper, for columns scaled to unit spread.
    pub tol: f64,
}

impl Default for TweedieRegressor {
    fn default() -> Self {
        Self { power: 0.0, alpha: 1.0, link: Link::Auto, max_iter: 100, tol: 1e-4 }
    }
}

impl Named for TweedieRegressor {
    const KIND: &'static str = "tweedie_regressor";
}

impl TweedieRegressor {
    /// With this power of the variance, and a penalty of strength 1.
    pub fn new(power: f64) -> Self {
        Self { power, ..Self::default() }
    }

    /// With another strength of the penalty.
    #[must_use]
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// With another link.
    #[must_use]
    pub fn with_link(mut self, link: Link) -> Self {
        self.link = link;
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
    /// range, [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for a target that the distribution does not
    /// have.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<TweedieModel> {
        let log = self.log_link()?;
        on_threads(run, || self.learn_here(log, data, run))
    }

    /// Whether the link is the logarithm, if the settings are in range.
    fn log_link(&self) -> Result<bool> {
        let known = self.power == 0.0 || (self.power >= 1.0 && self.power.is_finite());
        let positive = self.alpha.is_finite() && self.alpha >= 0.0 && self.tol > 0.0 && self.tol.is_finite();
        if !(known && positive && self.max_iter > 0) {
            return Err(Error::config(format!(
                "a Tweedie regression with power = {}, alpha = {}, max_iter = {} and tol = {}: power must be 0 or at \
                 least 1, alpha at least 0, the others above 0, and all finite",
                self.power, self.alpha, self.max_iter, self.tol
            )));
        }
        match self.link {
            Link::Auto => Ok(self.power != 0.0),
            Link::Log => Ok(true),
            Link::Identity if self.power == 0.0 => Ok(false),
            Link::Identity => Err(Error::config(format!(
                "the identity link with power = {}: its answers could be below 0, use the logarithm",
                self.power
            ))),
        }
    }

    fn check_target(&self, target: &[f64], log: bool) -> Result<()> {
        let least = |y: f64| match self.power {
            0.0 => true,
            power if power < 2.0 => y >= 0.0,
            _ => y > 0.0,
        };
        let needed = if self.power < 2.0 { "at least 0" } else { "above 0" };
        if let Some(row) = target.iter().position(|y| !least(*y)) {
            return Err(Error::data(format!(
                "the target is {} in row {}: a Tweedie regression of power {} takes numbers {needed}",
                target[row],
                row + 1,
                self.power
            )));
        }
        if log && target.iter().all(|y| *y <= 0.0) {
            return Err(Error::data("no target is above 0: its mean has no logarithm"));
        }
        Ok(())
    }

    fn learn_here(&self, log: bool, data: &Table, run: &Run) -> Result<TweedieModel> {
        let set = TrainingSet::read_finite(data)?;
        let target = set.numbers("a Tweedie regression")?;
        self.check_target(target, log)?;
        run.check()?;
        let design = Design::of(&set);
        let mean: f64 = target.iter().zip(&design.weights).map(|(y, w)| w * y).sum();
        if log && mean <= 0.0 {
            return Err(Error::data("the mean of the target is not above 0: it has no logarithm"));
        }
        let start = if log { mean.ln() } else { mean };
        let loss = Tweedie { target, power: self.power, log, start };
        let limits = Limits { max_iter: self.max_iter, tol: self.tol };
        let solution = minimise(&Objective::new(&design, loss, self.alpha), limits, run)?;
        self.report(&solution);
        let mut linear = Linear::unscaled(&design, &solution.coefficients, set.width())?;
        linear.intercept[0] += start;
        let Solution { iterations, converged, .. } = solution;
        Ok(TweedieModel { signature: set.signature, linear, log, iterations, converged })
    }

    fn report(&self, solution: &Solution) {
        let Solution { iterations, steepness, .. } = solution;
        if solution.converged {
            tracing::debug!(iterations, steepness, "Tweedie regression converged");
        } else {
            tracing::warn!(
                iterations,
                steepness,
                tol = self.tol,
                "Tweedie regression did not converge: raise max_iter"
            );
        }
    }
}

/// Half the deviance, but for what does not depend on the score; scores are counted from `start`.
#[derive(Debug)]
struct Tweedie<'a> {
    target: &'a [f64],
    power: f64,
    log: bool,
    start: f64,
}

impl Loss for Tweedie<'_> {
    fn outputs(&self) -> usize {
        1
    }

    /// Leaves the curvature in `scores`: the second derivative where it can't be negative, else what is
    /// expected of it.
    fn row(&self, row: usize, scores: &mut [f64], slopes: &mut [f64]) -> f64 {
        let (y, p, eta) = (self.target[row], self.power, self.start + scores[0]);
        if !self.log {
            slopes[0] = eta - y;
            scores[0] = 1.0;
            return 0.5 * (eta - y) * (eta - y);
        }
        let mean = eta.exp();
        // mean^(2 - p) and y · mean^(1 - p)
        let (own, of_target) = (((2.0 - p) * eta).exp(), if y == 0.0 { 0.0 } else { y * ((1.0 - p) * eta).exp() });
        slopes[0] = own - of_target;
        scores[0] = if (1.0..=2.0).contains(&p) { (2.0 - p) * own + (p - 1.0) * of_target } else { own };
        match p {
            0.0 => 0.5 * (mean - y) * (mean - y),
            1.0 => mean - y * eta,
            2.0 => eta + of_target,
            p => own / (2.0 - p) - of_target / (1.0 - p),
        }
    }

    fn curvature(&self, means: &[f64], _: usize, _: usize) -> f64 {
        means[0]
    }
}

impl Trainer for TweedieRegressor {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

macro_rules! of_power {
    ($(#[$docs:meta])* $name:ident, $kind:literal, $power:literal) => {
        $(#[$docs])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name {
            /// The strength of the penalty; 0 is none.
            pub alpha: f64,
            /// At most so many steps.
            pub max_iter: usize,
            /// It is done when no slope of the mean loss is steeper, for columns scaled to unit spread.
            pub tol: f64,
        }

        impl Default for $name {
            fn default() -> Self {
                let TweedieRegressor { alpha, max_iter, tol, .. } = TweedieRegressor::default();
                Self { alpha, max_iter, tol }
            }
        }

        impl Named for $name {
            const KIND: &'static str = $kind;
        }

        impl $name {
            /// With a penalty of strength `alpha`.
            pub fn new(alpha: f64) -> Self {
                Self { alpha, ..Self::default() }
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
            /// As [`TweedieRegressor::learn`].
            pub fn learn(&self, data: &Table, run: &Run) -> Result<TweedieModel> {
                let Self { alpha, max_iter, tol } = *self;
                TweedieRegressor { power: $power, alpha, link: Link::Log, max_iter, tol }.learn(data, run)
            }
        }

        impl Trainer for $name {
            fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
                Ok(Arc::new(self.learn(data, run)?))
            }
        }
    };
}

of_power!(
    /// Counts: scikit-learn's `PoissonRegressor`. A [`TweedieRegressor`] of power 1.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Role, Run, Table};
    /// use mlops_train::PoissonRegressor;
    ///
    /// let batch = arrow::array::record_batch!(
    ///     ("hour", Float64, [1.0, 2.0, 3.0, 4.0]),
    ///     ("calls", Float64, [2.0, 5.0, 9.0, 30.0])
    /// )?;
    /// let desk = Table::from_batch(batch).with_role("calls", Role::Target)?;
    /// assert!(PoissonRegressor::new(0.0).learn(&desk, &Run::default())?.coef()[0] > 0.7);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    PoissonRegressor, "poisson_regressor", 1.0
);

of_power!(
    /// Amounts whose deviation is proportional to their size: scikit-learn's `GammaRegressor`. A
    /// [`TweedieRegressor`] of power 2.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Role, Run, Table};
    /// use mlops_train::GammaRegressor;
    ///
    /// let batch = arrow::array::record_batch!(
    ///     ("age", Float64, [1.0, 2.0, 3.0]),
    ///     ("damage", Float64, [1.0, 2.0, 4.0])
    /// )?;
    /// let claims = Table::from_batch(batch).with_role("damage", Role::Target)?;
    /// let model = GammaRegressor::new(0.0).with_tol(1e-10).learn(&claims, &Run::default())?;
    /// assert!((model.coef()[0] - 2f64.ln()).abs() < 1e-9);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    GammaRegressor, "gamma_regressor", 2.0
);

/// A fitted [`TweedieRegressor`], [`PoissonRegressor`] or [`GammaRegressor`].
#[derive(Clone, Debug)]
pub struct TweedieModel {
    signature: Signature,
    linear: Linear,
    log: bool,
    iterations: usize,
    converged: bool,
}

impl TweedieModel {
    /// One number a feature.
    pub fn coef(&self) -> &[f64] {
        &self.linear.coef[0]
    }

    /// The linear predictor of a row of zeros.
    pub fn intercept(&self) -> f64 {
        self.linear.intercept[0]
    }

    /// Whether the minimum was reached within the tolerance.
    pub fn converged(&self) -> bool {
        self.converged
    }

    /// How many steps it took.
    pub fn iterations(&self) -> usize {
        self.iterations
    }
}

impl Model for TweedieModel {
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
            log: self.log,
            iterations: self.iterations,
            converged: self.converged,
        })
    }
}

impl Dense for TweedieModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        let score = self.linear.score(row, 0);
        scores[0] = if self.log { score.exp() } else { score };
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    linear: Linear,
    log: bool,
    iterations: usize,
    converged: bool,
}

impl Load for TweedieModel {
    const KIND: &'static str = "tweedie_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, linear, log, iterations, converged } = artifact.state()?;
        if signature.task != Task::Regression {
            return Err(Error::corrupt("a Tweedie model answers a number"));
        }
        linear.check(&signature, 1)?;
        Ok(Self { signature, linear, log, iterations, converged })
    }
}
