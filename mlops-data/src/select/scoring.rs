use mlops_core::{Error, Predictions, Result, Task};
use serde::{Deserialize, Serialize};

/// How good answers are, for choosing features by: greater is better, so errors are negative, as
/// scikit-learn's scorers are. Rows count by their weight, if there are weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scoring {
    /// The share of right classes.
    Accuracy,
    /// Accuracy for classes, r² for a quantity.
    #[default]
    Auto,
    /// Minus the mean of the logarithm of the probability of the true class.
    NegLogLoss,
    /// Minus the mean distance.
    NegMeanAbsoluteError,
    /// Minus the mean squared distance.
    NegMeanSquaredError,
    /// The share of the variance that is explained.
    R2,
}

impl Scoring {
    /// The score of these answers.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for classes judged as a quantity, or the
    /// reverse; [`ErrorKind::Data`](mlops_core::ErrorKind::Data) without rows.
    pub(super) fn score(self, answers: &Predictions) -> Result<f64> {
        if answers.num_rows() == 0 {
            return Err(Error::data("no rows to judge on: use fewer folds"));
        }
        let classes = matches!(answers.task, Task::Classification { .. });
        match (self, classes) {
            (Self::Auto | Self::Accuracy, true) => Ok(mean(answers, |row| f64::from(u8::from(is_right(answers, row))))),
            (Self::NegLogLoss, true) => Ok(mean(answers, |row| log_probability(answers, row))),
            (Self::Auto | Self::R2, false) => Ok(r2(answers)),
            (Self::NegMeanAbsoluteError, false) => Ok(-mean(answers, |row| distance(answers, row).abs())),
            (Self::NegMeanSquaredError, false) => Ok(-mean(answers, |row| distance(answers, row).powi(2))),
            _ => Err(Error::config(format!(
                "{self:?} does not judge {}: choose Scoring::Auto, which fits either",
                if classes { "classes" } else { "a quantity" }
            ))),
        }
    }
}

fn mean(answers: &Predictions, of: impl Fn(usize) -> f64) -> f64 {
    let rows = 0..answers.num_rows();
    let (sum, weights) = rows
        .fold((0.0, 0.0), |(sum, weights), row| (sum + answers.weight(row) * of(row), weights + answers.weight(row)));
    sum / weights
}

fn scores(answers: &Predictions, row: usize) -> &[f64] {
    &answers.scores[row * answers.width()..][..answers.width()]
}

/// Whether the first of the most probable classes is the true one.
fn is_right(answers: &Predictions, row: usize) -> bool {
    let scores = scores(answers, row);
    let best = (0..scores.len()).reduce(|best, i| if scores[i] > scores[best] { i } else { best });
    best.is_some_and(|best| best as f64 == answers.target[row])
}

fn log_probability(answers: &Predictions, row: usize) -> f64 {
    scores(answers, row)[answers.target[row] as usize].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

fn distance(answers: &Predictions, row: usize) -> f64 {
    answers.target[row] - answers.scores[row]
}

/// For a constant target 1 if it is met exactly, else 0.
fn r2(answers: &Predictions) -> f64 {
    let centre = mean(answers, |row| answers.target[row]);
    let spread = mean(answers, |row| (answers.target[row] - centre).powi(2));
    let left = mean(answers, |row| distance(answers, row).powi(2));
    if spread == 0.0 { f64::from(u8::from(left == 0.0)) } else { 1.0 - left / spread }
}

#[cfg(test)]
mod tests {
    use mlops_core::Classes;

    use super::*;

    #[test]
    fn answers_are_judged_by_their_task() {
        let task = Task::Classification { classes: Classes::Bool };
        let classes = Predictions::new(task, vec![0.0, 1.0, 1.0], vec![0.9, 0.1, 0.8, 0.2, 0.5, 0.5]).unwrap();
        assert_eq!(Scoring::Auto.score(&classes).unwrap(), 1.0 / 3.0);
        let expected = (0.9_f64.ln() + 0.2_f64.ln() + 0.5_f64.ln()) / 3.0;
        assert!((Scoring::NegLogLoss.score(&classes).unwrap() - expected).abs() < 1e-15);
        assert!(Scoring::R2.score(&classes).is_err());
        let numbers = Predictions::new(Task::Regression, vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 5.0]).unwrap();
        assert_eq!(Scoring::Auto.score(&numbers).unwrap(), -1.0);
        assert_eq!(Scoring::NegMeanAbsoluteError.score(&numbers).unwrap(), -2.0 / 3.0);
        assert_eq!(Scoring::NegMeanSquaredError.score(&numbers).unwrap(), -4.0 / 3.0);
        let weighted = numbers.with_weights(vec![1.0, 1.0, 0.0]).unwrap();
        assert_eq!(Scoring::R2.score(&weighted).unwrap(), 1.0);
    }
}
