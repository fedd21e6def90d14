//! Metrics: how good answers are.
//!
//! Names, definitions and edge cases are scikit-learn's (1.9); where it warns of an undefined value
//! and gives NaN, these give a typed error. Rows of weight 0 do not matter. A metric is plain data;
//! [`named`] finds one by its name, and [`Scores`] holds the values of several.
//!
//! | judges | folds: one pass, constant memory | need all scores: a sort |
//! | --- | --- | --- |
//! | predicted classes | [`Accuracy`], [`BalancedAccuracy`], [`Precision`], [`Recall`], [`F1`], [`FBeta`], [`Jaccard`], [`MatthewsCorrcoef`], [`CohenKappa`], [`HammingLoss`], [`ZeroOneLoss`], [`Cost`] | |
//! | probabilities | [`LogLoss`], [`Brier`], [`D2LogLoss`], [`D2Brier`], [`TopKAccuracy`] | [`ExpectedCalibrationError`] |
//! | the ranking of rows | | [`RocAuc`], [`PartialRocAuc`], [`MulticlassRocAuc`], [`AveragePrecision`], [`MulticlassAveragePrecision`], [`PrecisionRecallAuc`] |
//! | numbers | [`Mae`], [`Mse`], [`Rmse`], [`Mape`], [`Msle`], [`Rmsle`], [`R2`], [`ExplainedVariance`], [`MaxError`], [`PinballLoss`], [`TweedieDeviance`], [`D2Tweedie`] | [`MedianAbsoluteError`], [`D2Pinball`] |
//! | bounds of numbers | [`Coverage`], [`IntervalWidth`] | |
//!
//! What is in the first column is a [`FoldMetric`]: pieces of any size, in any order, [merged](Fold)
//! from any number of threads or machines, give the same value to the last bit, for their sums are
//! exact ([`ExactSum`](mlops_core::sketch::ExactSum)). Those of the second column do not depend on
//! the order of rows either.
//!
//! Pictures are [`RocCurve`], [`PrecisionRecallCurve`], [`DetCurve`], [`GainCurve`] and
//! [`CalibrationCurve`], tables [`ConfusionMatrix`] and [`ClassificationReport`]. [`Rankings`] judge
//! search and recommendation by query; [`Contingency`] and [`Clustering`] judge clusters.

mod agreement;
mod calibration;
mod cluster_shape;
mod clusters;
mod confusion;
mod curves;
mod deviance;
mod fold;
mod intervals;
mod labels;
mod numbers;
mod probabilities;
mod quantiles;
mod queries;
mod ranked;
mod ranking;
mod report;
mod scores;

use mlops_core::{Classes, Error, Metric, Predictions, Result, Task};

pub use agreement::{
    Accuracy, BalancedAccuracy, CohenKappa, Cost, HammingLoss, KappaWeights, MatthewsCorrcoef, ZeroOneLoss,
};
pub use calibration::{Binning, CalibrationBin, CalibrationCurve, ExpectedCalibrationError};
pub use cluster_shape::Clustering;
pub use clusters::{Contingency, InformationAverage};
pub use confusion::{ClassScores, ConfusionMatrix};
pub use curves::{
    DetCurve, DetPoint, GainCurve, GainPoint, PrecisionRecallCurve, PrecisionRecallPoint, RocCurve, RocPoint,
};
pub use deviance::{D2Tweedie, TweedieDeviance};
pub use fold::{Fold, FoldMetric, MetricState, Spread, Sums};
pub use intervals::{Coverage, IntervalWidth};
pub use labels::{Average, F1, FBeta, Jaccard, Precision, Recall, ZeroDivision};
pub use numbers::{ExplainedVariance, Mae, Mape, MaxError, Mse, Msle, PinballLoss, R2, Rmse, Rmsle};
pub use probabilities::{Brier, D2Brier, D2LogLoss, LogLoss, TopKAccuracy};
pub use quantiles::{D2Pinball, MedianAbsoluteError};
pub use queries::Rankings;
pub use ranking::{
    AveragePrecision, Multiclass, MulticlassAverage, MulticlassAveragePrecision, MulticlassRocAuc, PartialRocAuc,
    PrecisionRecallAuc, RocAuc,
};
pub use report::{AveragedScores, ClassificationReport};
pub use scores::{Scores, score};

/// The metric of a name, such as `roc_auc` or `f1_macro`: what a configuration file says. Those with
/// settings come with their defaults.
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
            let mut names: Vec<&str> = all.iter().map(|metric| metric.name()).collect();
            names.sort_unstable();
            Err(Error::not_found(format!("no metric '{name}'; there are {}", names.join(", "))))
        }
    }
}

fn all() -> Vec<Box<dyn Metric>> {
    macro_rules! boxed {
        ($($metric:expr),* $(,)?) => { vec![$(Box::new($metric) as Box<dyn Metric>),*] };
    }
    let mut all = of_labels();
    all.extend(boxed![
        AveragePrecision,
        Brier,
        Coverage,
        D2Brier,
        D2LogLoss,
        D2Pinball::absolute_error(),
        D2Tweedie::default(),
        D2Tweedie::gamma(),
        D2Tweedie::poisson(),
        ExpectedCalibrationError::default(),
        ExplainedVariance,
        IntervalWidth,
        LogLoss,
        Mae,
        Mape,
        MaxError,
        MedianAbsoluteError,
        Mse,
        Msle,
        MulticlassAveragePrecision::default(),
        MulticlassAveragePrecision::new(MulticlassAverage::Micro),
        MulticlassAveragePrecision::new(MulticlassAverage::Weighted),
        MulticlassRocAuc::ovo(),
        MulticlassRocAuc::ovo().with_average(MulticlassAverage::Weighted),
        MulticlassRocAuc::ovr(),
        MulticlassRocAuc::ovr().with_average(MulticlassAverage::Micro),
        MulticlassRocAuc::ovr().with_average(MulticlassAverage::Weighted),
        PartialRocAuc::default(),
        PinballLoss::default(),
        PrecisionRecallAuc,
        R2,
        Rmse,
        Rmsle,
        RocAuc,
        TopKAccuracy::new(1),
        TopKAccuracy::new(2),
        TopKAccuracy::new(3),
        TopKAccuracy::new(5),
        TopKAccuracy::new(10),
        TweedieDeviance::default(),
        TweedieDeviance::gamma(),
        TweedieDeviance::poisson(),
    ]);
    all
}

fn of_labels() -> Vec<Box<dyn Metric>> {
    macro_rules! averages {
        ($($type:ident),*) => {
            vec![$(
                Box::new($type::binary()) as Box<dyn Metric>,
                Box::new($type::macro_average()),
                Box::new($type::micro()),
                Box::new($type::weighted()),
            )*]
        };
    }
    let mut all = averages![F1, FBeta, Jaccard, Precision, Recall];
    all.push(Box::new(Accuracy));
    all.push(Box::new(BalancedAccuracy::default()));
    all.push(Box::new(BalancedAccuracy::adjusted()));
    all.push(Box::new(CohenKappa::default()));
    all.push(Box::new(CohenKappa::weighted(KappaWeights::Linear)));
    all.push(Box::new(CohenKappa::weighted(KappaWeights::Quadratic)));
    all.push(Box::new(HammingLoss));
    all.push(Box::new(MatthewsCorrcoef));
    all.push(Box::new(ZeroOneLoss));
    all
}

/// The classes of a classification.
fn classes<'a>(metric: &dyn Metric, task: &'a Task) -> Result<&'a Classes> {
    match task {
        Task::Classification { classes } => Ok(classes),
        _ => Err(Error::unsupported(format!(
            "{} judges classes, these predictions are none: use rmse, mae, mse or r2",
            metric.name()
        ))),
    }
}

/// Refuses what predicts no number.
fn numbers(metric: &dyn Metric, task: &Task) -> Result<()> {
    if task.is_quantity() {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "{} judges numbers, these predictions are none: use accuracy, f1, log_loss or roc_auc",
        metric.name()
    )))
}

/// The number that was predicted, without its bounds.
fn answer(rows: &Predictions, row: usize) -> f64 {
    rows.scores[row * rows.width()]
}

fn check_setting(metric: &dyn Metric, setting: &str, value: f64, fits: bool) -> Result<()> {
    if fits && value.is_finite() {
        return Ok(());
    }
    Err(Error::config(format!("{}: a {setting} of {value} makes no sense: see what it says it takes", metric.name())))
}

/// Refuses rows of which none counts, or that can't be judged.
fn check_rows(metric: &dyn Metric, predictions: &Predictions) -> Result<()> {
    if fold::counted(predictions).next().is_none() {
        return Err(fold::nothing(metric));
    }
    check_values(metric, predictions)
}

/// Refuses rows that can't be judged.
fn check_values(metric: &dyn Metric, predictions: &Predictions) -> Result<()> {
    let width = predictions.width();
    let is_nan = |(row, _): &(usize, f64)| {
        let scores = &predictions.scores[row * width..(row + 1) * width];
        predictions.target[*row].is_nan() || scores.iter().any(|x| x.is_nan())
    };
    match fold::counted(predictions).find(is_nan) {
        Some((row, _)) => Err(Error::data(format!(
            "{} can't judge row {row}: its target or its prediction is NaN (were its features complete?)",
            metric.name()
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_found_by_its_name() {
        let mut names: Vec<&str> = all().iter().map(|metric| metric.name()).collect();
        for name in &names {
            assert_eq!(named(name).unwrap().name(), *name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().len(), "two metrics share a name");
    }
}
