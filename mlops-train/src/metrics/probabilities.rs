use mlops_core::{Metric, Predictions, Result};

use super::{classes, mean};

/// Minus the mean logarithm of the probability of what was true; probabilities count as at least
/// 2⁻⁵² and at most 1 - 2⁻⁵².
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::LogLoss;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.5, 0.5, 0.5, 0.5])?;
/// assert!((LogLoss.score(&predictions)? - 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogLoss;

impl Metric for LogLoss {
    fn name(&self) -> &'static str {
        "log_loss"
    }

    fn greater_is_better(&self) -> bool {
        false
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        let classes = classes(self, predictions)?;
        let of_truth = |row: usize| predictions.scores[row * classes + predictions.target[row] as usize];
        let loss = |row| -of_truth(row).clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
        Ok(mean(predictions, loss))
    }
}

/// The mean squared distance of the probabilities from what was true: of two classes, of the second
/// one's; of more, summed over the classes.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::Brier;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.5, 0.5, 0.5, 0.5])?;
/// assert_eq!(Brier.score(&predictions)?, 0.25);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brier;

impl Metric for Brier {
    fn name(&self) -> &'static str {
        "brier"
    }

    fn greater_is_better(&self) -> bool {
        false
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        let classes = classes(self, predictions)?;
        let first = usize::from(classes == 2);
        let distance = |row: usize| {
            let of_class = |class: usize| {
                let truth = f64::from(u8::from(predictions.target[row] as usize == class));
                (predictions.scores[row * classes + class] - truth).powi(2)
            };
            (first..classes).map(of_class).sum()
        };
        Ok(mean(predictions, distance))
    }
}
