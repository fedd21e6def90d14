//! Which scores are good enough.

use mlops_core::{Error, Result};

/// How features are chosen by their scores or p-values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// At most so many false discoveries among the kept, by Benjamini and Hochberg's procedure.
    Fdr(f64),
    /// Each p-value below.
    Fpr(f64),
    /// Each p-value below its share, by Bonferroni's correction.
    Fwe(f64),
    /// The so many greatest scores; of equal ones the later.
    KBest(usize),
    /// The greatest scores, such a percentage of them; of equal ones the earlier.
    Percentile(f64),
}

impl Rule {
    /// Refuses settings that make no sense.
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Fdr(alpha) | Self::Fpr(alpha) | Self::Fwe(alpha) if !(0.0..=1.0).contains(&alpha) => {
                Err(Error::config(format!("alpha = {alpha} is no p-value: give one from 0 to 1, such as 0.05")))
            }
            Self::Percentile(percentile) if !(0.0..=100.0).contains(&percentile) => {
                Err(Error::config(format!("a percentile of {percentile}: give one from 0 to 100")))
            }
            _ => Ok(()),
        }
    }

    /// Whether it looks at p-values.
    pub(super) fn needs_p_values(self) -> bool {
        matches!(self, Self::Fdr(_) | Self::Fpr(_) | Self::Fwe(_))
    }

    /// Which features are kept. NaN is the worst score, and below no limit.
    pub(super) fn keep(self, scores: &[f64], p_values: &[f64]) -> Vec<bool> {
        match self {
            Self::Fdr(alpha) => false_discovery_rate(p_values, alpha),
            Self::Fpr(alpha) => p_values.iter().map(|p| *p < alpha).collect(),
            Self::Fwe(alpha) => p_values.iter().map(|p| *p < alpha / p_values.len() as f64).collect(),
            Self::KBest(k) => k_best(&cleaned(scores), k),
            Self::Percentile(percentile) => best_percentile(&cleaned(scores), percentile),
        }
    }
}

fn cleaned(scores: &[f64]) -> Vec<f64> {
    scores.iter().map(|score| if score.is_nan() { f64::MIN } else { *score }).collect()
}

fn false_discovery_rate(p_values: &[f64], alpha: f64) -> Vec<bool> {
    let n = p_values.len() as f64;
    let mut sorted = p_values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let good = (1..).zip(&sorted).filter(|(rank, p)| **p <= alpha / n * f64::from(*rank)).map(|(_, p)| *p).last();
    p_values.iter().map(|p| good.is_some_and(|good| *p <= good)).collect()
}

fn k_best(scores: &[f64], k: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut keep = vec![false; scores.len()];
    order.iter().rev().take(k).for_each(|i| keep[*i] = true);
    keep
}

fn best_percentile(scores: &[f64], percentile: f64) -> Vec<bool> {
    if percentile == 0.0 || percentile == 100.0 || scores.is_empty() {
        return vec![percentile == 100.0; scores.len()];
    }
    let threshold = quantile(scores, (100.0 - percentile) / 100.0);
    let mut keep: Vec<bool> = scores.iter().map(|score| *score > threshold).collect();
    let most = (scores.len() as f64 * percentile / 100.0) as usize;
    let left = most.saturating_sub(keep.iter().filter(|keep| **keep).count());
    let ties = (0..scores.len()).filter(|i| scores[*i] == threshold).take(left);
    ties.for_each(|i| keep[i] = true);
    keep
}

/// numpy's `percentile`, to the bit: a score is compared with it.
fn quantile(scores: &[f64], q: f64) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() - 1) as f64 * q;
    let low = sorted[place.floor() as usize];
    let high = sorted[place.ceil() as usize];
    let weight = place - place.floor();
    if low == high {
        low
    } else if weight >= 0.5 {
        high - (high - low) * (1.0 - weight)
    } else {
        low + (high - low) * weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_broken_as_scikit_learn_does() {
        let scores = [1.0, 3.0, 3.0, f64::NAN, 3.0];
        assert_eq!(Rule::KBest(2).keep(&scores, &[]), [false, false, true, false, true]);
        assert_eq!(Rule::KBest(9).keep(&scores, &[]), [true; 5]);
        assert_eq!(Rule::Percentile(40.0).keep(&scores, &[]), [false, true, true, false, false]);
        assert_eq!(Rule::Percentile(0.0).keep(&scores, &[]), [false; 5]);
    }

    #[test]
    fn nan_is_no_discovery() {
        let p_values = [0.01, f64::NAN, 0.04, 0.2];
        assert_eq!(Rule::Fdr(0.06).keep(&[], &p_values), [true, false, false, false]);
        assert_eq!(Rule::Fdr(0.08).keep(&[], &p_values), [true, false, true, false]);
        assert_eq!(Rule::Fpr(0.05).keep(&[], &p_values), [true, false, true, false]);
        assert_eq!(Rule::Fwe(0.05).keep(&[], &p_values), [true, false, false, false]);
    }
}
