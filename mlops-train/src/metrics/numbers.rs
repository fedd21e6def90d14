use mlops_core::{Error, Metric, Predictions, Result};

use super::{mean, numbers};

fn residual(predictions: &Predictions, row: usize) -> f64 {
    predictions.target[row] - predictions.scores[row]
}

macro_rules! error_metric {
    ($(#[$doc:meta])* $name:ident, $text:literal, |$predictions:ident| $value:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl Metric for $name {
            fn name(&self) -> &'static str {
                $text
            }

            fn greater_is_better(&self) -> bool {
                false
            }

            fn score(&self, $predictions: &Predictions) -> Result<f64> {
                numbers(self, $predictions)?;
                Ok($value)
            }
        }
    };
}

error_metric! {
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
    Mae, "mae", |p| mean(p, |row| residual(p, row).abs())
}

error_metric! {
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
    Mse, "mse", |p| mean(p, |row| residual(p, row).powi(2))
}

error_metric! {
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
    Rmse, "rmse", |p| mean(p, |row| residual(p, row).powi(2)).sqrt()
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct R2;

impl Metric for R2 {
    fn name(&self) -> &'static str {
        "r2"
    }

    fn greater_is_better(&self) -> bool {
        true
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        numbers(self, predictions)?;
        let counted = (0..predictions.num_rows()).filter(|row| predictions.weight(*row) > 0.0);
        if counted.clone().count() < 2 {
            return Err(Error::data("r2 is not defined for a single row: score at least two"));
        }
        let unexplained = mean(predictions, |row| residual(predictions, row).powi(2));
        let targets = || counted.clone().map(|row| predictions.target[row]);
        // Decided by the values: the mean of equal numbers can differ from them in the last bit.
        if targets().all(|y| Some(y) == targets().next()) {
            return Ok(if unexplained == 0.0 { 1.0 } else { 0.0 });
        }
        let centre = mean(predictions, |row| predictions.target[row]);
        Ok(1.0 - unexplained / mean(predictions, |row| (predictions.target[row] - centre).powi(2)))
    }
}
