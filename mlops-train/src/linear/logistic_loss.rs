//! The logistic losses: minus the logarithm of the probability of what was true.

use super::objective::Loss;

/// Two classes, one score: the log odds of the second.
#[derive(Debug)]
pub(crate) struct Logistic<'a> {
    pub(crate) target: &'a [usize],
}

/// Several classes, one score each.
#[derive(Debug)]
pub(crate) struct Softmax<'a> {
    pub(crate) target: &'a [usize],
    pub(crate) classes: usize,
}

impl Loss for Logistic<'_> {
    fn outputs(&self) -> usize {
        1
    }

    fn row(&self, row: usize, scores: &mut [f64], slopes: &mut [f64]) -> f64 {
        let score = scores[0];
        // e^-|score| never overflows, and one exponential serves loss and probability.
        let e = (-score.abs()).exp();
        let probability = if score >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
        let positive = self.target[row] == 1;
        scores[0] = probability;
        slopes[0] = if positive { probability - 1.0 } else { probability };
        let wrong_way = if positive { -score } else { score };
        wrong_way.max(0.0) + e.ln_1p()
    }

    fn curvature(&self, means: &[f64], _: usize, _: usize) -> f64 {
        means[0] * (1.0 - means[0])
    }
}

impl Loss for Softmax<'_> {
    fn outputs(&self) -> usize {
        self.classes
    }

    fn row(&self, row: usize, scores: &mut [f64], slopes: &mut [f64]) -> f64 {
        let truth = self.target[row];
        let before = scores[truth];
        let log_sum = softmax(scores);
        slopes.copy_from_slice(scores);
        slopes[truth] -= 1.0;
        log_sum - before
    }

    fn curvature(&self, means: &[f64], k: usize, l: usize) -> f64 {
        means[k] * (f64::from(u8::from(k == l)) - means[l])
    }
}

/// The probability of the second class.
pub(crate) fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// Turns scores into probabilities, in place, and gives the logarithm of the sum of their
/// exponentials.
pub(crate) fn softmax(scores: &mut [f64]) -> f64 {
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in &mut *scores {
        *score = (*score - greatest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
    greatest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_scores_have_finite_losses() {
        let logistic = Logistic { target: &[0, 1] };
        for (row, score, expected) in [(0, 800.0, 800.0), (1, -800.0, 800.0), (0, -800.0, 0.0), (1, 0.0, 2f64.ln())] {
            let loss = logistic.row(row, &mut [score], &mut [0.0]);
            assert!((loss - expected).abs() < 1e-12, "{score}: {loss}");
        }
        let softmax = Softmax { target: &[0], classes: 3 };
        assert_eq!(softmax.row(0, &mut [-900.0, 0.0, -900.0], &mut [0.0; 3]), 900.0);
        let even = softmax.row(0, &mut [7.0, 7.0, 7.0], &mut [0.0; 3]);
        assert!((even - 3f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn probabilities_add_up() {
        let mut scores = [1000.0, 1001.0, -1000.0];
        softmax(&mut scores);
        assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-15 && scores[1] > scores[0]);
        assert_eq!(sigmoid(-1000.0), 0.0);
        assert_eq!(sigmoid(1000.0), 1.0);
    }
}
