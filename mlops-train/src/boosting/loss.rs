use mlops_core::{Error, Result, Task};
use serde::{Deserialize, Serialize};

use crate::trees::{Link, logistic};

/// What boosted trees make small.
///
/// Positive losses (`gamma`, `poisson`, `tweedie`) learn the logarithm of the mean, so predictions
/// are never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Loss {
    /// The absolute error: predicts the median.
    AbsoluteError,
    /// Log loss for classes, the squared error for a number.
    #[default]
    Auto,
    /// For positive numbers whose deviation grows with their mean.
    Gamma,
    /// The log loss: classes only.
    LogLoss,
    /// For counts.
    Poisson,
    /// The pinball loss: predicts this quantile, which lies between 0 and 1.
    Quantile(f64),
    /// The squared error: predicts the mean.
    SquaredError,
    /// For amounts that are often 0; the power lies between 1 and 2.
    Tweedie(f64),
}

/// A loss that fits its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Objective {
    Absolute,
    Gamma,
    Logistic,
    Poisson,
    Quantile(f64),
    Softmax(usize),
    Squared,
    Tweedie(f64),
}

impl Loss {
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if it does not fit the task, or its number
    /// lies outside.
    pub(super) fn objective(self, task: &Task) -> Result<Objective> {
        let wrong = |what: &str| Err(Error::config(format!("loss {self:?} {what}")));
        if let Task::Classification { classes } = task {
            return match self {
                Self::Auto | Self::LogLoss if classes.len() == 2 => Ok(Objective::Logistic),
                Self::Auto | Self::LogLoss => Ok(Objective::Softmax(classes.len())),
                _ => wrong("is for numbers, but the target is classes: make it Float64, or use LogLoss"),
            };
        }
        match self {
            Self::Auto | Self::SquaredError => Ok(Objective::Squared),
            Self::AbsoluteError => Ok(Objective::Absolute),
            Self::Gamma => Ok(Objective::Gamma),
            Self::LogLoss => wrong("is for classes, but the target is a number: make it a bool, whole number or text"),
            Self::Poisson => Ok(Objective::Poisson),
            Self::Quantile(q) if q > 0.0 && q < 1.0 => Ok(Objective::Quantile(q)),
            Self::Quantile(_) => wrong("must lie between 0 and 1"),
            Self::Tweedie(power) if power > 1.0 && power < 2.0 => Ok(Objective::Tweedie(power)),
            Self::Tweedie(_) => wrong("must have a power between 1 and 2 (Poisson is 1, Gamma is 2)"),
        }
    }
}

impl Objective {
    /// How many numbers it has a row.
    pub(super) fn outputs(self) -> usize {
        if let Self::Softmax(classes) = self { classes } else { 1 }
    }

    pub(super) fn link(self) -> Link {
        match self {
            Self::Absolute | Self::Quantile(_) | Self::Squared => Link::Identity,
            Self::Gamma | Self::Poisson | Self::Tweedie(_) => Link::Exp,
            Self::Logistic => Link::Logistic,
            Self::Softmax(_) => Link::Softmax,
        }
    }

    /// Refuses a target that the loss has no number for.
    pub(super) fn check(self, target: &[f64]) -> Result<()> {
        let (fits, wanted): (fn(f64) -> bool, _) = match self {
            Self::Gamma => (|y| y > 0.0, "above 0"),
            Self::Poisson | Self::Tweedie(_) => (|y| y >= 0.0, "at least 0"),
            _ => return Ok(()),
        };
        if let Some(row) = target.iter().position(|y| !fits(*y)) {
            return Err(Error::data(format!(
                "the target is {} in row {}, this loss needs numbers {wanted}: filter those rows, or use the squared error",
                target[row],
                row + 1
            )));
        }
        if target.iter().all(|y| *y == 0.0) && self.link() == Link::Exp {
            return Err(Error::data("the target is 0 in all rows: this loss learns the logarithm of the mean"));
        }
        Ok(())
    }

    /// The best constant, by output.
    pub(super) fn base(self, target: &[f64], weights: Option<&[f64]>) -> Vec<f64> {
        let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
        let total: f64 = (0..target.len()).map(weight).sum();
        let mean = || target.iter().enumerate().map(|(row, y)| weight(row) * y).sum::<f64>() / total;
        match self {
            Self::Absolute => vec![quantile(&mut by_row(target), 0.5, weights)],
            Self::Quantile(q) => vec![quantile(&mut by_row(target), q, weights)],
            Self::Squared => vec![mean()],
            Self::Gamma | Self::Poisson | Self::Tweedie(_) => vec![mean().ln()],
            Self::Logistic => {
                let p = mean().clamp(f64::EPSILON, 1.0 - f64::EPSILON);
                vec![(p / (1.0 - p)).ln()]
            }
            Self::Softmax(classes) => {
                let mut shares = vec![0.0; classes];
                target.iter().enumerate().for_each(|(row, y)| shares[*y as usize] += weight(row) / total);
                shares.iter_mut().for_each(|p| *p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln());
                let mean = shares.iter().sum::<f64>() / classes as f64;
                shares.iter().map(|p| p - mean).collect()
            }
        }
    }

    /// The first and the second derivative of a row's loss by its raw score.
    #[inline]
    pub(super) fn derivatives(self, y: f64, score: f64) -> [f64; 2] {
        match self {
            Self::Absolute => [if score > y { 1.0 } else { -1.0 }, 1.0],
            Self::Gamma => {
                let ratio = y * (-score).exp();
                [1.0 - ratio, ratio]
            }
            Self::Logistic => {
                let p = logistic(score);
                [p - y, p * (1.0 - p)]
            }
            Self::Poisson => {
                let mean = score.exp();
                [mean - y, mean]
            }
            Self::Quantile(q) => [if score > y { 1.0 - q } else { -q }, 1.0],
            // Of classes by their probabilities, in `fit.rs`.
            Self::Softmax(_) | Self::Squared => [score - y, 1.0],
            Self::Tweedie(power) => {
                let (of_y, of_mean) = (y * ((1.0 - power) * score).exp(), ((2.0 - power) * score).exp());
                [of_mean - of_y, (power - 1.0) * of_y + (2.0 - power) * of_mean]
            }
        }
    }

    /// Whether leaves are the quantile of what is left to explain, rather than a Newton step.
    pub(super) fn leaf_quantile(self) -> Option<f64> {
        match self {
            Self::Absolute => Some(0.5),
            Self::Quantile(q) => Some(q),
            _ => None,
        }
    }

    /// The loss of a row, up to what does not depend on the scores.
    pub(super) fn of(self, y: f64, scores: &[f64]) -> f64 {
        let score = scores[0];
        match self {
            Self::Absolute => (y - score).abs(),
            Self::Gamma => score + y * (-score).exp(),
            // ln(1 + e^s) - y s, without an overflow.
            Self::Logistic => score.max(0.0) + (-score.abs()).exp().ln_1p() - y * score,
            Self::Poisson => score.exp() - y * score,
            Self::Quantile(q) => (y - score) * if y >= score { q } else { q - 1.0 },
            Self::Softmax(_) => {
                let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - greatest).exp()).sum();
                greatest + sum.ln() - scores[y as usize]
            }
            Self::Squared => 0.5 * (y - score) * (y - score),
            Self::Tweedie(power) => {
                ((2.0 - power) * score).exp() / (2.0 - power) - y * ((1.0 - power) * score).exp() / (1.0 - power)
            }
        }
    }
}

fn by_row(values: &[f64]) -> Vec<(usize, f64)> {
    values.iter().copied().enumerate().collect()
}

/// The quantile of values by row: with weights the first value up to which at least the share `q` of
/// them lies, else between neighbours, as numpy does.
pub(super) fn quantile(values: &mut [(usize, f64)], q: f64, weights: Option<&[f64]>) -> f64 {
    values.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let Some((_, last)) = values.last().copied() else { return 0.0 };
    let Some(weights) = weights else {
        let at = q * (values.len() - 1) as f64;
        let (low, share) = (at.floor() as usize, at.fract());
        let next = values.get(low + 1).map_or(last, |(_, value)| *value);
        return values[low].1 + share * (next - values[low].1);
    };
    let wanted = q * values.iter().map(|(row, _)| weights[*row]).sum::<f64>();
    let mut passed = 0.0;
    for (row, value) in values.iter() {
        passed += weights[*row];
        if passed >= wanted {
            return *value;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::softmax;

    #[test]
    fn derivatives_are_those_of_the_loss() {
        let losses = [
            Objective::Gamma,
            Objective::Logistic,
            Objective::Poisson,
            Objective::Squared,
            Objective::Tweedie(1.3),
            Objective::Absolute,
            Objective::Quantile(0.8),
        ];
        let step = 1e-5;
        for loss in losses {
            for (y, score) in [(1.0, 0.3), (0.0, -0.7), (1.0, 2.0), (1.0, -3.0)] {
                let [first, second] = loss.derivatives(y, score);
                let slope = |at: f64| (loss.of(y, &[at + step]) - loss.of(y, &[at - step])) / (2.0 * step);
                assert!((first - slope(score)).abs() < 1e-8, "{loss:?} at {score}: {first}");
                if loss.leaf_quantile().is_none() {
                    let of_slope = |at: f64| loss.derivatives(y, at)[0];
                    let curve = (of_slope(score + step) - of_slope(score - step)) / (2.0 * step);
                    assert!((second - curve).abs() < 1e-8, "{loss:?} at {score}: {second}");
                }
            }
        }
    }

    #[test]
    fn derivatives_of_classes() {
        let scores = [0.3, -1.0, 2.0];
        let loss = Objective::Softmax(3);
        let mut shares = scores;
        softmax(&mut shares);
        for class in 0..3 {
            let [first, second] =
                [shares[class] - f64::from(u8::from(class == 2)), shares[class] * (1.0 - shares[class])];
            let at = |step: f64| {
                let mut moved = scores;
                moved[class] += step;
                loss.of(2.0, &moved)
            };
            assert!((first - (at(1e-5) - at(-1e-5)) / 2e-5).abs() < 1e-8);
            assert!((second - (at(1e-4) - 2.0 * at(0.0) + at(-1e-4)) / 1e-8).abs() < 1e-6);
        }
    }

    #[test]
    fn the_base_is_the_best_constant() {
        let target = [1.0, 3.0, 4.0, 0.5, 9.0];
        let weights = [1.0, 2.0, 1.0, 0.5, 3.0];
        for loss in [
            Objective::Gamma,
            Objective::Poisson,
            Objective::Squared,
            Objective::Tweedie(1.7),
            Objective::Quantile(0.3),
        ] {
            let base = loss.base(&target, Some(&weights))[0];
            let of = |score: f64| target.iter().zip(weights).map(|(y, w)| w * loss.of(*y, &[score])).sum::<f64>();
            assert!(of(base) <= of(base + 1e-3) && of(base) <= of(base - 1e-3), "{loss:?}: {base}");
        }
        assert_eq!(Objective::Absolute.base(&target, None), [3.0]);
        assert_eq!(Objective::Quantile(0.25).base(&target[..4], None), [0.875]);
    }
}
