//! The best threshold on held-out probabilities.

use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a threshold is to be good at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ThresholdScore {
    /// The mean of both classes' shares of rows that were recognised.
    BalancedAccuracy,
    /// The least cost of all mistakes.
    Costs {
        /// What it costs to choose the second class where the first is true.
        false_positive: f64,
        /// What it costs to choose the first class where the second is true.
        false_negative: f64,
    },
    /// The harmonic mean of precision and recall of the second class.
    F1,
}

/// The weights of the four cases.
#[derive(Clone, Copy, Debug, Default)]
struct Cases {
    true_positive: f64,
    false_positive: f64,
    true_negative: f64,
    false_negative: f64,
}

impl ThresholdScore {
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Costs { false_positive: a, false_negative: b } if !(a.is_finite() && b.is_finite()) => {
                Err(Error::config(format!("costs of {a} and {b}: they must be finite")))
            }
            _ => Ok(()),
        }
    }

    /// Greater is better.
    fn of(&self, cases: Cases) -> f64 {
        let Cases { true_positive: tp, false_positive: fp, true_negative: tn, false_negative: r#fn } = cases;
        let share = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
        match self {
            // A class without rows does not count, as in scikit-learn.
            Self::BalancedAccuracy if tp + r#fn <= 0.0 => share(tn, tn + fp),
            Self::BalancedAccuracy if tn + fp <= 0.0 => share(tp, tp + r#fn),
            Self::BalancedAccuracy => 0.5 * (share(tp, tp + r#fn) + share(tn, tn + fp)),
            Self::Costs { false_positive, false_negative } => -(false_positive * fp + false_negative * r#fn),
            Self::F1 => share(2.0 * tp, 2.0 * tp + fp + r#fn),
        }
    }
}

/// A probability of the second class, whether it is true, and what the row counts.
type Point = (f64, bool, f64);

const THRESHOLDS: usize = 100;

/// The first threshold whose score, averaged over the folds, is best.
pub(super) fn best_threshold(folds: &[Vec<Point>], score: &ThresholdScore) -> Result<f64> {
    let mut curves = Vec::with_capacity(folds.len());
    for points in folds {
        let least = points.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
        let most = points.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
        if (most - least).abs() <= 1e-8 + 1e-5 * most.abs() {
            return Err(Error::data(
                "the model gives all rows of a fold the same probability: there is no threshold to tune",
            ));
        }
        let thresholds = linspace(least, most);
        let scores: Vec<f64> = thresholds.iter().map(|t| score.of(cases(points, *t))).collect();
        curves.push((thresholds, scores));
    }
    let least = curves.iter().map(|c| c.0[0]).fold(f64::INFINITY, f64::min);
    let most = curves.iter().map(|c| c.0[THRESHOLDS - 1]).fold(f64::NEG_INFINITY, f64::max);
    let mut best = (f64::NEG_INFINITY, least);
    for threshold in linspace(least, most) {
        let mean = curves.iter().map(|(x, y)| interpolate(threshold, x, y)).sum::<f64>() / curves.len() as f64;
        if mean > best.0 {
            best = (mean, threshold);
        }
    }
    Ok(best.1.clamp(0.0, 1.0))
}

fn cases(points: &[Point], threshold: f64) -> Cases {
    let mut cases = Cases::default();
    for (probability, class, weight) in points {
        *match (*probability >= threshold, class) {
            (true, true) => &mut cases.true_positive,
            (true, false) => &mut cases.false_positive,
            (false, false) => &mut cases.true_negative,
            (false, true) => &mut cases.false_negative,
        } += weight;
    }
    cases
}

/// numpy's `linspace`: the last is exact.
fn linspace(from: f64, to: f64) -> Vec<f64> {
    let step = (to - from) / (THRESHOLDS - 1) as f64;
    let at = |i: usize| if i == THRESHOLDS - 1 { to } else { i as f64 * step + from };
    (0..THRESHOLDS).map(at).collect()
}

/// numpy's `interp`: constant beyond the ends.
fn interpolate(at: f64, x: &[f64], y: &[f64]) -> f64 {
    let above = x.partition_point(|x| *x <= at);
    match above {
        0 => y[0],
        above if above == x.len() => y[above - 1],
        above => (y[above] - y[above - 1]) / (x[above] - x[above - 1]) * (at - x[above - 1]) + y[above - 1],
    }
}
