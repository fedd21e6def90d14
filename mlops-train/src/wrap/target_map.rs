//! Maps of a target that can be turned back.

use mlops_core::special::gamma_q;
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// How a target is mapped before it is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TargetMap {
    /// `(y - offset) / scale`, with numbers that are known.
    Affine {
        /// What 0 stands for.
        offset: f64,
        /// What 1 more stands for; greater than 0.
        scale: f64,
    },
    /// `(y^λ - 1) / λ`, and the logarithm for λ = 0, brought to mean 0 and deviation 1: scikit-learn's
    /// `PowerTransformer(method="box-cox")`. The target must be greater than 0.
    BoxCox {
        /// λ; that of greatest likelihood if `None`.
        lambda: Option<f64>,
    },
    /// `ln(1 + y)`. The target must be greater than -1.
    Log1p,
    /// Ranks, spread evenly over [0, 1] or as a normal distribution: scikit-learn's
    /// `QuantileTransformer`. Answers stay within the range of training.
    Quantile {
        /// Whether they are spread as a normal distribution.
        normal: bool,
        /// With how many quantiles at most; at least 2.
        n_quantiles: usize,
    },
    /// To mean 0 and deviation 1.
    Standard,
}

/// A fitted [`TargetMap`]. Every one rises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FittedMap {
    Affine { offset: f64, scale: f64 },
    BoxCox { lambda: f64, offset: f64, scale: f64 },
    Log1p,
    Quantile { normal: bool, quantiles: Vec<f64> },
}

impl TargetMap {
    pub(super) fn fit(&self, target: &[f64]) -> Result<FittedMap> {
        Ok(match self {
            Self::Affine { offset, scale } => {
                if !(offset.is_finite() && scale.is_finite() && *scale > 0.0) {
                    return Err(Error::config(format!(
                        "an affine map with offset {offset} and scale {scale}: finite numbers and a scale above 0 are needed"
                    )));
                }
                FittedMap::Affine { offset: *offset, scale: *scale }
            }
            Self::BoxCox { lambda } => {
                refuse(target, |y| y <= 0.0, "Box and Cox's map", "greater than 0")?;
                let lambda = match lambda {
                    Some(lambda) if lambda.is_finite() => *lambda,
                    Some(lambda) => return Err(Error::config(format!("λ = {lambda}: it must be finite"))),
                    None => best_lambda(target),
                };
                let mapped: Vec<f64> = target.iter().map(|y| box_cox(*y, lambda)).collect();
                let (offset, scale) = moments(&mapped);
                FittedMap::BoxCox { lambda, offset, scale }
            }
            Self::Log1p => {
                refuse(target, |y| y <= -1.0, "ln(1 + y)", "greater than -1")?;
                FittedMap::Log1p
            }
            Self::Quantile { n_quantiles, .. } if *n_quantiles < 2 => {
                return Err(Error::config(format!("{n_quantiles} quantiles: at least 2 are needed")));
            }
            Self::Quantile { normal, n_quantiles } => {
                FittedMap::Quantile { normal: *normal, quantiles: quantiles(target, *n_quantiles) }
            }
            Self::Standard => {
                let (offset, scale) = moments(target);
                FittedMap::Affine { offset, scale }
            }
        })
    }
}

fn refuse(target: &[f64], wrong: fn(f64) -> bool, map: &str, needed: &str) -> Result<()> {
    match target.iter().position(|y| wrong(*y)) {
        None => Ok(()),
        Some(row) => {
            Err(Error::data(format!("the target is {} in row {}: {map} takes numbers {needed}", target[row], row + 1)))
        }
    }
}

/// Mean and deviation; a constant has deviation 1.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let blur = 10.0 * f64::EPSILON * mean.abs();
    (mean, if variance.sqrt() <= blur { 1.0 } else { variance.sqrt() })
}

fn box_cox(y: f64, lambda: f64) -> f64 {
    if lambda == 0.0 { y.ln() } else { (lambda * y.ln()).exp_m1() / lambda }
}

/// The λ of greatest likelihood, by golden sections over [-5, 5] widened where it lies at an end.
fn best_lambda(target: &[f64]) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let logs: f64 = target.iter().map(|y| y.ln()).sum();
    let n = target.len() as f64;
    let loss = |lambda: f64| {
        let mapped: Vec<f64> = target.iter().map(|y| box_cox(*y, lambda)).collect();
        let mean = mapped.iter().sum::<f64>() / n;
        let variance = mapped.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let loss = 0.5 * n * variance.max(f64::MIN_POSITIVE).ln() - (lambda - 1.0) * logs;
        if loss.is_nan() { f64::INFINITY } else { loss }
    };
    let (mut low, mut high) = (-5.0, 5.0);
    let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut of_a, mut of_b) = (loss(a), loss(b));
    while high - low > 1e-10 {
        if of_a <= of_b {
            (high, b, of_b) = (b, a, of_a);
            a = high - GOLDEN * (high - low);
            of_a = loss(a);
        } else {
            (low, a, of_a) = (a, b, of_b);
            b = low + GOLDEN * (high - low);
            of_b = loss(b);
        }
    }
    0.5 * (low + high)
}

/// numpy's percentiles, made to rise.
fn quantiles(target: &[f64], n: usize) -> Vec<f64> {
    let mut sorted = target.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = n.min(sorted.len()).max(2);
    let at = |i: usize| {
        let place = i as f64 / (n - 1) as f64 * (sorted.len() - 1) as f64;
        let (below, share) = (place.floor() as usize, place.fract());
        let above = (below + 1).min(sorted.len() - 1);
        sorted[below] + (sorted[above] - sorted[below]) * share
    };
    let mut quantiles: Vec<f64> = (0..n).map(at).collect();
    for i in 1..n {
        quantiles[i] = quantiles[i].max(quantiles[i - 1]);
    }
    quantiles
}

/// Beyond this share scikit-learn clips before it asks for a normal quantile.
const CLIP: f64 = 1e-7;

impl FittedMap {
    pub(super) fn apply(&self, y: f64) -> f64 {
        match self {
            Self::Affine { offset, scale } => (y - offset) / scale,
            Self::BoxCox { lambda, offset, scale } => (box_cox(y, *lambda) - offset) / scale,
            Self::Log1p => y.ln_1p(),
            Self::Quantile { normal, quantiles } => {
                let share = share_below(quantiles, y);
                if *normal { normal_quantile(share.clamp(CLIP, 1.0 - CLIP)) } else { share }
            }
        }
    }

    pub(super) fn invert(&self, z: f64) -> f64 {
        match self {
            _ if z.is_nan() => z,
            Self::Affine { offset, scale } => z * scale + offset,
            Self::BoxCox { lambda, offset, scale } => {
                let z = z * scale + offset;
                // What no target maps to is answered by the nearest that does.
                if *lambda == 0.0 { z.exp() } else { ((lambda * z).max(f64::EPSILON - 1.0).ln_1p() / lambda).exp() }
            }
            Self::Log1p => z.exp_m1(),
            Self::Quantile { normal, quantiles } => {
                let share = if *normal { normal_share(z) } else { z.clamp(0.0, 1.0) };
                let place = share * (quantiles.len() - 1) as f64;
                let below = (place.floor() as usize).min(quantiles.len() - 2);
                let (from, to) = (quantiles[below], quantiles[below + 1]);
                from + (to - from) * (place - below as f64)
            }
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let fits = match self {
            Self::Affine { offset, scale } => offset.is_finite() && scale.is_finite() && *scale > 0.0,
            Self::BoxCox { lambda, offset, scale } => {
                lambda.is_finite() && offset.is_finite() && scale.is_finite() && *scale > 0.0
            }
            Self::Log1p => true,
            Self::Quantile { quantiles, .. } => {
                quantiles.len() >= 2 && quantiles.iter().all(|q| q.is_finite()) && quantiles.is_sorted()
            }
        };
        if fits { Ok(()) } else { Err(Error::corrupt("the map of a target is none that could be turned back")) }
    }
}

/// Where `y` lies among the quantiles, from 0 to 1: the middle of those it equals.
fn share_below(quantiles: &[f64], y: f64) -> f64 {
    let last = quantiles.len() - 1;
    let place = |first_above: usize| match first_above {
        0 => 0.0,
        above if above > last => last as f64,
        above => {
            let (from, to) = (quantiles[above - 1], quantiles[above]);
            (above - 1) as f64 + if to > from { (y - from) / (to - from) } else { 0.0 }
        }
    };
    let (first, after) = (quantiles.partition_point(|q| *q < y), quantiles.partition_point(|q| *q <= y));
    let place = if after > first { 0.5 * (first + after - 1) as f64 } else { place(after) };
    place / last as f64
}

/// The share of a normal distribution below `z`.
fn normal_share(z: f64) -> f64 {
    let beyond = 0.5 * gamma_q(0.5, 0.5 * z * z);
    if z < 0.0 { beyond } else { 1.0 - beyond }
}

/// The inverse of [`normal_share`], by Newton's method within a bracket.
fn normal_quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    let mut z = 0.0;
    for _ in 0..100 {
        let error = normal_share(z) - share;
        if error > 0.0 {
            high = z
        } else {
            low = z
        }
        let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
        let next = z - error / density;
        let next = if next > low && next < high { next } else { 0.5 * (low + high) };
        if (next - z).abs() < 1e-14 {
            return next;
        }
        z = next;
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_turned_back() {
        let target: Vec<f64> = (1..60).map(|i| f64::from(i * i % 61) + 0.5).collect();
        let maps = [
            TargetMap::Affine { offset: 3.0, scale: 2.0 },
            TargetMap::BoxCox { lambda: None },
            TargetMap::BoxCox { lambda: Some(0.0) },
            TargetMap::Log1p,
            TargetMap::Quantile { normal: false, n_quantiles: 1000 },
            TargetMap::Quantile { normal: true, n_quantiles: 20 },
            TargetMap::Standard,
        ];
        for map in maps {
            let fitted = map.fit(&target).unwrap();
            fitted.check().unwrap();
            for y in &target {
                let back = fitted.invert(fitted.apply(*y));
                assert!((back - y).abs() < 1e-5 * y, "{map:?}: {back}, not {y}");
            }
        }
    }

    #[test]
    fn normal_quantiles_are_those_of_tables() {
        for (share, z) in [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (1e-7, -5.199_337_582_290_661)] {
            assert!((normal_quantile(share) - z).abs() < 1e-9, "{}", normal_quantile(share));
        }
    }
}
