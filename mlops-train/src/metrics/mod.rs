//! Metrics: how good answers are.
//!
//! Names, definitions and edge cases are scikit-learn's; where it warns of an undefined value and
//! gives NaN, these give a typed error. Rows of weight 0 do not matter. Each takes one pass over the
//! rows, the ranking metrics a sort besides.
//!
//! | task | metrics |
//! | --- | --- |
//! | classes, from labels | [`Accuracy`], [`Precision`], [`Recall`], [`F1`] |
//! | classes, from probabilities | [`LogLoss`], [`Brier`] |
//! | two classes, from the ranking | [`RocAuc`], [`AveragePrecision`] |
//! | numbers | [`Mae`], [`Mse`], [`R2`], [`Rmse`] |

mod labels;
mod numbers;
mod probabilities;
mod ranking;
mod scores;

use mlops_core::{Error, Metric, Predictions, Result, Task};

pub use labels::{Accuracy, Average, F1, Precision, Recall};
pub use numbers::{Mae, Mse, R2, Rmse};
pub use probabilities::{Brier, LogLoss};
pub use ranking::{AveragePrecision, RocAuc};
pub use scores::{Scores, score};

/// The metric of a name, such as `roc_auc` or `f1_macro`: what a configuration file says.
///
/// # Errors
/// [`ErrorKind::NotFound`](mlops_core::ErrorKind::NotFound) listing the names there are.
///
/// # Example
/// ```
/// assert!(mlops_train::metrics::named("roc_auc")?.greater_is_better());
/// assert!(mlops_train::metrics::named("auc").is_err());
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn named(name: &str) -> Result<Box<dyn Metric>> {
    let mut all = all();
    match all.iter().position(|metric| metric.name() == name) {
        Some(i) => Ok(all.swap_remove(i)),
        None => {
            let names: Vec<&str> = all.iter().map(|metric| metric.name()).collect();
            Err(Error::not_found(format!("no metric '{name}'; there are {}", names.join(", "))))
        }
    }
}

fn all() -> Vec<Box<dyn Metric>> {
    vec![
        Box::new(Accuracy),
        Box::new(AveragePrecision),
        Box::new(Brier),
        Box::new(F1::binary()),
        Box::new(F1::macro_average()),
        Box::new(F1::weighted()),
        Box::new(LogLoss),
        Box::new(Mae),
        Box::new(Mse),
        Box::new(Precision::binary()),
        Box::new(Precision::macro_average()),
        Box::new(Precision::weighted()),
        Box::new(R2),
        Box::new(Recall::binary()),
        Box::new(Recall::macro_average()),
        Box::new(Recall::weighted()),
        Box::new(Rmse),
        Box::new(RocAuc),
    ]
}

/// The number of classes of a classification whose rows can be judged.
fn classes(metric: &dyn Metric, predictions: &Predictions) -> Result<usize> {
    let Task::Classification { classes } = &predictions.task else {
        return Err(Error::unsupported(format!(
            "{} judges classes, the predictions are numbers: use rmse, mae, mse or r2",
            metric.name()
        )));
    };
    check_rows(metric, predictions)?;
    Ok(classes.len())
}

/// Refuses what is no regression whose rows can be judged.
fn numbers(metric: &dyn Metric, predictions: &Predictions) -> Result<()> {
    if predictions.task != Task::Regression {
        return Err(Error::unsupported(format!(
            "{} judges numbers, the predictions are classes: use accuracy, f1, log_loss or roc_auc",
            metric.name()
        )));
    }
    check_rows(metric, predictions)
}

fn check_rows(metric: &dyn Metric, predictions: &Predictions) -> Result<()> {
    let name = metric.name();
    if predictions.num_rows() == 0 {
        return Err(Error::data(format!("{name} of no rows is not defined: score at least one row")));
    }
    let mut rows = 0..predictions.num_rows();
    if !rows.clone().any(|row| predictions.weight(row) > 0.0) {
        return Err(Error::data(format!("{name} is not defined where every row has weight 0")));
    }
    let width = predictions.width();
    let is_nan = |row: &usize| {
        let scores = &predictions.scores[row * width..(row + 1) * width];
        predictions.weight(*row) > 0.0 && (predictions.target[*row].is_nan() || scores.iter().any(|x| x.is_nan()))
    };
    match rows.find(is_nan) {
        Some(row) => Err(Error::data(format!(
            "{name} can't judge row {row}: its target or its prediction is NaN (were its features complete?)"
        ))),
        None => Ok(()),
    }
}

/// The weighted mean of a value of each row.
fn mean(predictions: &Predictions, value: impl Fn(usize) -> f64) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for row in 0..predictions.num_rows() {
        let weight = predictions.weight(row);
        // What is not counted may be infinite.
        if weight > 0.0 {
            sum += weight * value(row);
            total += weight;
        }
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_found_by_its_name() {
        let names: Vec<&str> = all().iter().map(|metric| metric.name()).collect();
        assert!(names.is_sorted(), "{names:?}");
        for name in names {
            assert_eq!(named(name).unwrap().name(), name);
        }
    }
}
