use mlops_core::{Error, Predictions, Result, Task};
use serde::{Deserialize, Serialize};

use super::fold::{FoldMetric, Spread, Sums, counted, fold_metric};
use super::{answer, check_setting, numbers};

/// A metric that is the mean of a value of each row, which comes with its weight.
macro_rules! mean_metric {
    (
        $(#[$doc:meta])*
        $name:ident, $text:literal, |$sums:ident, $row:ident, $truth:ident, $answer:ident| $value:expr $(, $root:ident)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name;

        fold_metric!($name, less, |this| $text);

        impl FoldMetric for $name {
            type State = Sums;

            fn start(&self, task: &Task) -> Result<Sums> {
                numbers(self, task)?;
                Ok(Sums::of(1))
            }

            fn update(&self, state: &mut Sums, rows: &Predictions) -> Result<()> {
                for $row in counted(rows) {
                    let ($truth, $answer, $sums) = (rows.target[$row.0], answer(rows, $row.0), &mut *state);
                    $sums.count($row.1);
                    $value;
                }
                Ok(())
            }

            fn finish(&self, state: &Sums) -> Result<f64> {
                state.mean(0, self)$(.map(f64::$root))?
            }
        }
    };
}

mean_metric! {
    /// The mean absolute error.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Metric, Predictions, Task};
    /// use mlops_train::Mae;
    ///
    /// let predictions = Predictions::new(Task::Regression, vec![1.0, 2.0], vec![2.0, 5.0])?;
    /// assert_eq!(Mae.score(&predictions)?, 2.0);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    Mae, "mae", |sums, row, truth, answer| sums.add(0, row.1, (truth - answer).abs())
}

mean_metric! {
    /// The mean squared error.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Metric, Predictions, Task};
    /// use mlops_train::Mse;
    ///
    /// let predictions = Predictions::new(Task::Regression, vec![1.0, 2.0], vec![2.0, 5.0])?;
    /// assert_eq!(Mse.score(&predictions)?, 5.0);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    Mse, "mse", |sums, row, truth, answer| sums.add_square(0, row.1, truth - answer)
}

mean_metric! {
    /// The root of the mean squared error.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Metric, Predictions, Task};
    /// use mlops_train::Rmse;
    ///
    /// let predictions = Predictions::new(Task::Regression, vec![1.0, 2.0], vec![4.0, 6.0])?;
    /// assert_eq!(Rmse.score(&predictions)?, 12.5f64.sqrt());
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    Rmse, "rmse", |sums, row, truth, answer| sums.add_square(0, row.1, truth - answer), sqrt
}

mean_metric! {
    /// The mean absolute error as a share of the truth, which counts as at least 2⁻⁵²: a truth of 0
    /// makes it huge.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Metric, Predictions, Task};
    /// use mlops_train::Mape;
    ///
    /// let predictions = Predictions::new(Task::Regression, vec![1.0, -2.0], vec![2.0, -3.0])?;
    /// assert_eq!(Mape.score(&predictions)?, 0.75);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    Mape, "mape",
    |sums, row, truth, answer| sums.add(0, row.1, (truth - answer).abs() / truth.abs().max(f64::EPSILON))
}

mean_metric! {
    /// The mean squared error of the logarithms of 1 + x: for numbers of very different size, above
    /// -1.
    Msle, "msle",
    |sums, row, truth, answer| sums.add_square(0, row.1, log_error("msle", row.0, truth, answer)?)
}

mean_metric! {
    /// The root of [`Msle`].
    Rmsle, "rmsle",
    |sums, row, truth, answer| sums.add_square(0, row.1, log_error("rmsle", row.0, truth, answer)?), sqrt
}

fn log_error(metric: &str, row: usize, truth: f64, answer: f64) -> Result<f64> {
    if truth > -1.0 && answer > -1.0 {
        return Ok(truth.ln_1p() - answer.ln_1p());
    }
    Err(Error::data(format!("{metric} is for numbers above -1, row {row} is {truth} and was predicted as {answer}")))
}

/// The loss of a quantile: what was predicted too low counts `alpha` times, what was predicted too
/// high 1 - `alpha` times.
///
/// # Example
/// ```
/// use mlops_core::{Metric, Predictions, Task};
/// use mlops_train::PinballLoss;
///
/// let predictions = Predictions::new(Task::Regression, vec![1.0, 2.0], vec![2.0, 1.0])?;
/// assert_eq!(PinballLoss::new(0.9).score(&predictions)?, 0.5);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PinballLoss {
    /// The quantile, from 0 to 1.
    pub alpha: f64,
}

impl Default for PinballLoss {
    fn default() -> Self {
        Self { alpha: 0.5 }
    }
}

impl PinballLoss {
    /// Of the quantile `alpha`.
    pub fn new(alpha: f64) -> Self {
        Self { alpha }
    }
}

fold_metric!(PinballLoss, less, |this| "pinball_loss");

impl FoldMetric for PinballLoss {
    type State = Sums;

    fn start(&self, task: &Task) -> Result<Sums> {
        numbers(self, task)?;
        check_setting(self, "alpha", self.alpha, (0.0..=1.0).contains(&self.alpha))?;
        Ok(Sums::of(1))
    }

    fn update(&self, state: &mut Sums, rows: &Predictions) -> Result<()> {
        for (row, weight) in counted(rows) {
            state.count(weight);
            state.add(0, weight, pinball(self.alpha, rows.target[row] - answer(rows, row)));
        }
        Ok(())
    }

    fn finish(&self, state: &Sums) -> Result<f64> {
        state.mean(0, self)
    }
}

pub(super) fn pinball(alpha: f64, difference: f64) -> f64 {
    if difference >= 0.0 { alpha * difference } else { (alpha - 1.0) * difference }
}

/// The greatest absolute error; weights do not matter.
///
/// # Example
/// ```
/// use mlops_core::{Metric, Predictions, Task};
/// use mlops_train::MaxError;
///
/// let predictions = Predictions::new(Task::Regression, vec![1.0, 2.0], vec![2.0, 5.0])?;
/// assert_eq!(MaxError.score(&predictions)?, 3.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxError;

fold_metric!(MaxError, less, |this| "max_error");

impl FoldMetric for MaxError {
    type State = Sums;

    fn start(&self, task: &Task) -> Result<Sums> {
        numbers(self, task)?;
        Ok(Sums::of(0))
    }

    fn update(&self, state: &mut Sums, rows: &Predictions) -> Result<()> {
        for (row, weight) in counted(rows) {
            state.count(weight);
            state.note((rows.target[row] - answer(rows, row)).abs());
        }
        Ok(())
    }

    fn finish(&self, state: &Sums) -> Result<f64> {
        state.check(self)?;
        state.greatest().ok_or_else(|| super::fold::nothing(self))
    }
}

/// The share of the target's variance that the predictions explain; below 0 if they are worse than
/// its mean.
///
/// For a constant target it is 1 if the predictions are exact, else 0; of one row it is not defined.
///
/// # Example
/// ```
/// use mlops_core::{Metric, Predictions, Task};
/// use mlops_train::R2;
///
/// let predictions = Predictions::new(Task::Regression, vec![1.0, 2.0, 3.0], vec![2.0, 2.0, 2.0])?;
/// assert_eq!(R2.score(&predictions)?, 0.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct R2;

fold_metric!(R2, greater, |this| "r2");

impl FoldMetric for R2 {
    type State = (Spread, Sums);

    fn start(&self, task: &Task) -> Result<Self::State> {
        numbers(self, task)?;
        Ok((Spread::new(), Sums::of(1)))
    }

    fn update(&self, (target, errors): &mut Self::State, rows: &Predictions) -> Result<()> {
        for (row, weight) in counted(rows) {
            target.add(weight, rows.target[row]);
            errors.count(weight);
            errors.add_square(0, weight, rows.target[row] - answer(rows, row));
        }
        Ok(())
    }

    fn finish(&self, (target, errors): &Self::State) -> Result<f64> {
        target.sums().check_two(self)?;
        Ok(explained(errors.mean(0, self)?, target.variance()))
    }
}

/// As [`R2`], without minding that the predictions are too high or too low by the same all over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedVariance;

fold_metric!(ExplainedVariance, greater, |this| "explained_variance");

impl FoldMetric for ExplainedVariance {
    type State = (Spread, Spread);

    fn start(&self, task: &Task) -> Result<Self::State> {
        numbers(self, task)?;
        Ok((Spread::new(), Spread::new()))
    }

    fn update(&self, (target, errors): &mut Self::State, rows: &Predictions) -> Result<()> {
        for (row, weight) in counted(rows) {
            target.add(weight, rows.target[row]);
            errors.add(weight, rows.target[row] - answer(rows, row));
        }
        Ok(())
    }

    fn finish(&self, (target, errors): &Self::State) -> Result<f64> {
        target.sums().check(self)?;
        Ok(explained(errors.variance(), target.variance()))
    }
}

/// What is left of `whole`, 1 if nothing was lost of nothing.
pub(super) fn explained(lost: f64, whole: f64) -> f64 {
    match (lost == 0.0, whole == 0.0) {
        (true, _) => 1.0,
        (false, true) => 0.0,
        (false, false) => 1.0 - lost / whole,
    }
}
