use mlops_core::{Predictions, Result, Task};
use serde::Serialize;

use crate::metrics::{Binning, CalibrationCurve, GainCurve, PrecisionRecallCurve, RocCurve};

/// Curves are kept for at most so many classes, as MLflow does.
const CLASSES: usize = 10;

/// Curves are kept by at most so many points.
const POINTS: usize = 500;

const BINS: usize = 10;

/// The curves of one class against the rest, thinned to at most 500 points each. What is not defined
/// (every row is of the class, or none) is missing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassPictures {
    /// The class.
    pub class: String,
    /// How many are found, and how many others come with them.
    pub roc: Option<RocCurve>,
    /// How many of those that are taken are right.
    pub precision_recall: Option<PrecisionRecallCurve>,
    /// What is gained by looking at the greatest scores first.
    pub gain: Option<GainCurve>,
    /// Whether probabilities mean what they say, in ten bins of equal width.
    pub calibration: Option<CalibrationCurve>,
}

pub(super) fn of_classes(predictions: &Predictions) -> Result<Vec<ClassPictures>> {
    let Task::Classification { classes } = &predictions.task else { return Ok(Vec::new()) };
    let shown = match classes.len() {
        2 => 1..2,
        width if width <= CLASSES => 0..width,
        _ => 0..0,
    };
    let of = |class: usize| ClassPictures {
        class: classes.name(class),
        roc: RocCurve::of_class(predictions, class)
            .ok()
            .map(|curve| RocCurve { points: thin(&curve.simplified().points) }),
        precision_recall: PrecisionRecallCurve::of_class(predictions, class)
            .ok()
            .map(|curve| PrecisionRecallCurve { points: thin(&curve.points) }),
        gain: GainCurve::of_class(predictions, class).ok().map(|curve| GainCurve { points: thin(&curve.points) }),
        calibration: CalibrationCurve::of_class(predictions, class, BINS, Binning::Uniform).ok(),
    };
    Ok(shown.map(of).collect())
}

/// The first, the last, and what is evenly between them.
fn thin<T: Copy>(points: &[T]) -> Vec<T> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    (0..POINTS).map(|i| points[i * (points.len() - 1) / (POINTS - 1)]).collect()
}

/// How far off numbers are: what was true less what was predicted.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Residuals {
    /// The weighted mean: above 0 where predictions are too low.
    pub mean: f64,
    /// The least, the quantiles 1 %, 25 %, 50 %, 75 % and 99 %, and the greatest, by rows.
    pub quantiles: [f64; 7],
    /// The edges of the bins of [`Self::counts`], from the quantile of 1 % to that of 99 %.
    pub edges: Vec<f64>,
    /// How many rows are in each bin; what is beyond the ends is in the first and the last.
    pub counts: Vec<u64>,
    /// By tenths of the rows, from the least prediction.
    pub by_prediction: Vec<ResidualsBin>,
}

/// The residuals of the rows with about the same prediction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ResidualsBin {
    /// The mean prediction.
    pub predicted: f64,
    /// The mean of what was true.
    pub observed: f64,
    /// How many rows.
    pub rows: usize,
}

impl Residuals {
    pub(super) fn of(predictions: &Predictions) -> Self {
        const HISTOGRAM: usize = 24;
        let width = predictions.width();
        let mut rows: Vec<(f64, f64, f64)> = (0..predictions.num_rows())
            .filter(|row| predictions.weight(*row) > 0.0)
            .map(|row| (predictions.scores[row * width], predictions.target[row], predictions.weight(row)))
            .collect();
        rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2)));
        let mut sorted: Vec<f64> = rows.iter().map(|(answer, truth, _)| truth - answer).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let quantile = |q: f64| sorted[(q * last as f64).round() as usize];
        let (low, high) = (quantile(0.01), quantile(0.99));
        let bins = if low < high { HISTOGRAM } else { 1 };
        let edges: Vec<f64> = (0..=bins).map(|i| low + (high - low) * i as f64 / bins as f64).collect();
        let mut counts = vec![0; bins];
        let inner = &edges[1..bins];
        sorted.iter().for_each(|x| counts[inner.partition_point(|edge| edge <= x)] += 1);
        let weight: f64 = rows.iter().map(|(.., w)| w).sum();
        Self {
            mean: rows.iter().map(|(answer, truth, w)| w * (truth - answer)).sum::<f64>() / weight,
            quantiles: [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0].map(quantile),
            edges,
            counts,
            by_prediction: rows.chunks(rows.len().div_ceil(BINS)).map(ResidualsBin::of).collect(),
        }
    }
}

impl ResidualsBin {
    fn of(rows: &[(f64, f64, f64)]) -> Self {
        let weight: f64 = rows.iter().map(|(.., w)| w).sum();
        Self {
            predicted: rows.iter().map(|(answer, _, w)| w * answer).sum::<f64>() / weight,
            observed: rows.iter().map(|(_, truth, w)| w * truth).sum::<f64>() / weight,
            rows: rows.len(),
        }
    }
}
