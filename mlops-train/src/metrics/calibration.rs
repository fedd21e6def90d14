use mlops_core::{Decision, Error, Metric, Predictions, Result};
use serde::{Deserialize, Serialize};

use super::confusion::classes_of;
use super::fold::counted;
use super::{check_rows, classes};

/// How the probabilities of a [`CalibrationCurve`] are put into bins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Binning {
    /// Bins with equally many rows.
    Quantile,
    /// Bins of equal width.
    #[default]
    Uniform,
}

/// Whether probabilities mean what they say: how often what was given a probability of about 0.7
/// happens.
///
/// Bins are those of scikit-learn's `calibration_curve`; rows count by their weight.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Predictions, Task};
/// use mlops_train::{Binning, CalibrationCurve};
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let scores = vec![0.9, 0.1, 0.9, 0.1, 0.2, 0.8, 0.2, 0.8];
/// let predictions = Predictions::new(task, vec![0.0, 0.0, 1.0, 1.0], scores)?;
/// let curve = CalibrationCurve::of(&predictions, 5, Binning::Uniform)?;
/// assert_eq!(curve.bins.len(), 2);
/// assert!((curve.expected_error() - 0.15).abs() < 1e-15);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CalibrationCurve {
    /// The bins that have rows, the least probability first.
    pub bins: Vec<CalibrationBin>,
}

/// A bin of a [`CalibrationCurve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CalibrationBin {
    /// The mean probability.
    pub predicted: f64,
    /// How often it happened.
    pub observed: f64,
    /// What the rows weigh.
    pub weight: f64,
}

impl CalibrationCurve {
    /// Of the probability of the second of two classes.
    ///
    /// # Errors
    /// As [`Self::of_class`]; [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for
    /// another number of classes.
    pub fn of(predictions: &Predictions, bins: usize, binning: Binning) -> Result<Self> {
        predictions.positive_scores()?;
        Self::of_class(predictions, 1, bins, binning)
    }

    /// Of the probability of a class. One pass, and a sort for quantiles.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a regression,
    /// [`ErrorKind::NotFound`](mlops_core::ErrorKind::NotFound) if there is no such class,
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) without bins,
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for a score that is no probability.
    pub fn of_class(predictions: &Predictions, class: usize, bins: usize, binning: Binning) -> Result<Self> {
        let width = classes_of(&predictions.task)?.len();
        if class >= width {
            return Err(Error::not_found(format!("no class number {class}: there are {width}, counted from 0")));
        }
        let rows = counted(predictions).map(|(row, weight)| {
            let happened = predictions.target[row] == class as f64;
            (predictions.scores[row * width + class], happened, weight)
        });
        Self::of_rows(rows.collect(), bins, binning)
    }

    fn of_rows(rows: Vec<(f64, bool, f64)>, bins: usize, binning: Binning) -> Result<Self> {
        if bins == 0 {
            return Err(Error::config("a calibration curve of 0 bins: 5 to 20 are usual"));
        }
        if let Some((p, ..)) = rows.iter().find(|(p, ..)| !(0.0..=1.0).contains(p)) {
            return Err(Error::data(format!("a score of {p} is no probability: calibrate scores to 0 to 1 first")));
        }
        let edges = match binning {
            Binning::Uniform => (1..bins).map(|i| i as f64 * (1.0 / bins as f64)).collect(),
            Binning::Quantile => inner_quantiles(rows.iter().map(|(p, ..)| *p).collect(), bins),
        };
        let mut sums = vec![(0.0, 0.0, 0.0); bins];
        for (p, happened, weight) in rows {
            let bin = &mut sums[edges.partition_point(|edge: &f64| *edge < p)];
            bin.0 += weight * p;
            bin.1 += if happened { weight } else { 0.0 };
            bin.2 += weight;
        }
        let bin = |(predicted, observed, weight): (f64, f64, f64)| CalibrationBin {
            predicted: predicted / weight,
            observed: observed / weight,
            weight,
        };
        Ok(Self { bins: sums.into_iter().filter(|(.., weight)| *weight > 0.0).map(bin).collect() })
    }

    /// The mean distance of what was said from what happened, bins counting by their rows: the
    /// expected calibration error.
    pub fn expected_error(&self) -> f64 {
        let total: f64 = self.bins.iter().map(|bin| bin.weight).sum();
        self.bins.iter().map(|bin| bin.weight * (bin.predicted - bin.observed).abs()).sum::<f64>() / total
    }

    /// The greatest distance of what was said from what happened in a bin.
    pub fn max_error(&self) -> f64 {
        self.bins.iter().map(|bin| (bin.predicted - bin.observed).abs()).fold(0.0, f64::max)
    }
}

/// The quantiles between the bins, as numpy rounds them: the last bit decides where equal values go.
fn inner_quantiles(mut values: Vec<f64>, bins: usize) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return Vec::new() };
    let quantile = |i: usize| {
        let q = i as f64 * (1.0 / bins as f64) * 100.0 / 100.0;
        let at = last as f64 * q;
        let (below, part) = (values[at.floor() as usize], at.fract());
        let above = values[(at.floor() as usize + 1).min(last)];
        let difference = above - below;
        if part >= 0.5 { above - difference * (1.0 - part) } else { below + difference * part }
    };
    (1..bins).map(quantile).collect()
}

/// The expected calibration error: how far probabilities are from what happens, on average.
///
/// Of two classes, of the second one's probability; of more, of the probability of the class that is
/// predicted (Guo et al., "On calibration of modern neural networks", 2017). Needs one pass, and all
/// scores for quantiles.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::ExpectedCalibrationError;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.9, 0.1, 0.2, 0.8])?;
/// assert!((ExpectedCalibrationError::default().score(&predictions)? - 0.15).abs() < 1e-15);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ExpectedCalibrationError {
    /// How many bins there are.
    pub bins: usize,
    /// How probabilities are put into them.
    pub binning: Binning,
}

impl Default for ExpectedCalibrationError {
    fn default() -> Self {
        Self { bins: 10, binning: Binning::Uniform }
    }
}

impl ExpectedCalibrationError {
    /// With bins of equal width.
    pub fn new(bins: usize) -> Self {
        Self { bins, ..Self::default() }
    }

    /// With another way to put probabilities into bins.
    #[must_use]
    pub fn with_binning(mut self, binning: Binning) -> Self {
        self.binning = binning;
        self
    }
}

impl Metric for ExpectedCalibrationError {
    fn name(&self) -> &'static str {
        "expected_calibration_error"
    }

    fn greater_is_better(&self) -> bool {
        false
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        let width = classes(self, &predictions.task)?.len();
        check_rows(self, predictions)?;
        let curve = if width == 2 {
            CalibrationCurve::of(predictions, self.bins, self.binning)?
        } else {
            let chosen = |(row, weight): (usize, f64)| {
                let scores = &predictions.scores[row * width..(row + 1) * width];
                let class = Decision::default().choose(scores);
                (scores[class], predictions.target[row] == class as f64, weight)
            };
            CalibrationCurve::of_rows(counted(predictions).map(chosen).collect(), self.bins, self.binning)?
        };
        if curve.bins.is_empty() {
            return Err(super::fold::nothing(self));
        }
        Ok(curve.expected_error())
    }
}
