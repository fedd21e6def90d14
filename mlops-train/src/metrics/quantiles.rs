use mlops_core::{Metric, Predictions, Result};
use serde::{Deserialize, Serialize};

use super::fold::{Sums, counted};
use super::numbers::{explained, pinball};
use super::{answer, check_rows, check_setting, numbers};

/// The median of the absolute errors: what a few rows that are far off do not change. Needs all
/// rows; a sort.
///
/// # Example
/// ```
/// use mlops_core::{Metric, Predictions, Task};
/// use mlops_train::MedianAbsoluteError;
///
/// let predictions = Predictions::new(Task::Regression, vec![1.0, 2.0, 3.0], vec![2.0, 2.5, 99.0])?;
/// assert_eq!(MedianAbsoluteError.score(&predictions)?, 1.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MedianAbsoluteError;

/// The share of the [`PinballLoss`](super::PinballLoss) of the target's own quantile that the
/// predictions explain. Needs all rows; a sort.
///
/// # Example
/// ```
/// use mlops_core::{Metric, Predictions, Task};
/// use mlops_train::D2Pinball;
///
/// let predictions = Predictions::new(Task::Regression, vec![1.0, 2.0, 3.0], vec![2.0, 2.0, 2.0])?;
/// assert_eq!(D2Pinball::absolute_error().score(&predictions)?, 0.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct D2Pinball {
    /// The quantile, from 0 to 1.
    pub alpha: f64,
}

impl Default for D2Pinball {
    fn default() -> Self {
        Self { alpha: 0.5 }
    }
}

impl D2Pinball {
    /// Of the quantile `alpha`.
    pub fn new(alpha: f64) -> Self {
        Self { alpha }
    }

    /// Of the median: the share of the absolute error.
    pub fn absolute_error() -> Self {
        Self::new(0.5)
    }
}

impl Metric for MedianAbsoluteError {
    fn name(&self) -> &'static str {
        "median_absolute_error"
    }

    fn greater_is_better(&self) -> bool {
        false
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        numbers(self, &predictions.task)?;
        check_rows(self, predictions)?;
        let error = |(row, weight): (usize, f64)| ((predictions.target[row] - answer(predictions, row)).abs(), weight);
        quantile(self, counted(predictions).map(error), 0.5)
    }
}

impl Metric for D2Pinball {
    fn name(&self) -> &'static str {
        if self.alpha == 0.5 { "d2_absolute_error" } else { "d2_pinball" }
    }

    fn greater_is_better(&self) -> bool {
        true
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        numbers(self, &predictions.task)?;
        check_setting(self, "alpha", self.alpha, (0.0..=1.0).contains(&self.alpha))?;
        check_rows(self, predictions)?;
        let targets = counted(predictions).map(|(row, weight)| (predictions.target[row], weight));
        let own = quantile(self, targets, self.alpha)?;
        let mut sums = Sums::of(2);
        for (row, weight) in counted(predictions) {
            let y = predictions.target[row];
            sums.count(weight);
            sums.add(0, weight, pinball(self.alpha, y - answer(predictions, row)));
            sums.add(1, weight, pinball(self.alpha, y - own));
        }
        sums.check_two(self)?;
        Ok(explained(sums.mean(0, self)?, sums.mean(1, self)?))
    }
}

/// The quantile of weighted values, the mean of two neighbours where it falls between them (the
/// averaged inverted distribution, number 2 of Hyndman and Fan, "Sample quantiles in statistical
/// packages", 1996).
fn quantile(metric: &dyn Metric, values: impl Iterator<Item = (f64, f64)>, q: f64) -> Result<f64> {
    let mut values: Vec<(f64, f64)> = values.collect();
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut total = 0.0;
    let up_to: Vec<f64> = values
        .iter()
        .map(|(_, weight)| {
            total += weight;
            total
        })
        .collect();
    let Some(last) = values.len().checked_sub(1) else { return Err(super::fold::nothing(metric)) };
    // At 0 the first value.
    let at = (q * total).max(f64::MIN_POSITIVE);
    let index = up_to.partition_point(|below| *below < at).min(last);
    let value = values[index].0;
    let next = values[(index + 1).min(last)].0;
    Ok(if up_to[index] - at > f64::EPSILON || value == next { value } else { f64::midpoint(value, next) })
}
