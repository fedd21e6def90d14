//! Quantiles of sorted values: the nine definitions of Hyndman and Fan, "Sample quantiles in
//! statistical packages", The American Statistician 50 (1996), under numpy's names.

use serde::{Deserialize, Serialize};

/// How a quantile between two values is defined, under numpy's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QuantileMethod {
    /// The least value that so large a share of values does not exceed; where the share is met
    /// exactly, the mean of that value and the next.
    #[default]
    AveragedInvertedCdf,
    /// The nearest value.
    ClosestObservation,
    /// Between values that stand in the middle of their shares.
    Hazen,
    /// Between values that stand at the ends of their shares.
    InterpolatedInvertedCdf,
    /// The least value that so large a share of values does not exceed.
    InvertedCdf,
    /// Between values spread evenly from 0 to 1.
    Linear,
    /// Free of bias in the median, for any distribution.
    MedianUnbiased,
    /// Nearly free of bias for normally distributed values.
    NormalUnbiased,
    /// Between the expected places of the values of a uniform distribution.
    Weibull,
}

impl QuantileMethod {
    /// The `q`-quantile of values in ascending order, of which there must be one.
    pub(super) fn of(self, sorted: &[f64], q: f64) -> f64 {
        let n = sorted.len() as f64;
        let between = |alpha: f64, beta: f64| at_position(sorted, n * q + (alpha + q * (1.0 - alpha - beta)) - 1.0);
        let inverted = n * q - 1.0;
        match self {
            Self::AveragedInvertedCdf => {
                let low = inverted.floor();
                let weight = if inverted == low { 0.5 } else { 1.0 };
                mixed(sorted, inverted, weight)
            }
            Self::ClosestObservation => {
                let position = inverted - 0.5;
                let low = position.floor();
                // Halfway, the one at an even place, counted from 1.
                let down = position == low && low.rem_euclid(2.0) == 1.0;
                at_position(sorted, if down { low } else { low + 1.0 })
            }
            Self::Hazen => between(0.5, 0.5),
            Self::InterpolatedInvertedCdf => between(0.0, 1.0),
            Self::InvertedCdf => at_position(sorted, inverted.ceil()),
            Self::Linear => at_position(sorted, (n - 1.0) * q),
            Self::MedianUnbiased => between(1.0 / 3.0, 1.0 / 3.0),
            Self::NormalUnbiased => between(3.0 / 8.0, 3.0 / 8.0),
            Self::Weibull => between(0.0, 0.0),
        }
    }
}

/// The value at a place, counted from 0, by linear interpolation between the two nearest; the first
/// or last beyond the ends.
pub(super) fn at_position(sorted: &[f64], position: f64) -> f64 {
    mixed(sorted, position, position - position.floor())
}

/// The value at the place below `position` and the next, of which `weight` falls to the next.
fn mixed(sorted: &[f64], position: f64, weight: f64) -> f64 {
    let last = sorted.len() - 1;
    if position < 0.0 {
        return sorted[0];
    }
    if position >= last as f64 {
        return sorted[last];
    }
    let low = position as usize;
    let (low, high) = (sorted[low], sorted[low + 1]);
    // As numpy, so that both ends are met exactly.
    if weight < 0.5 { low + (high - low) * weight } else { high - (high - low) * (1.0 - weight) }
}
