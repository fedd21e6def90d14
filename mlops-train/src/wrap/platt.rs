//! Platt's sigmoid: the probability of a class from a score.

use serde::{Deserialize, Serialize};

/// `1 / (1 + exp(a · score + b))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sigmoid {
    pub(crate) a: f64,
    pub(crate) b: f64,
}

/// A score, whether the class is true, and what the row counts.
pub(crate) type Point = (f64, bool, f64);

impl Sigmoid {
    /// The sigmoid of greatest likelihood, with Platt's smoothed targets ("Probabilistic Outputs for
    /// Support Vector Machines", 1999), by Newton's method with halved steps (Lin, Lin and Weng 2007).
    ///
    /// Scores are brought into [-1, 1] first if one is 30 or beyond, as scikit-learn does.
    pub(crate) fn fit(points: &[Point]) -> Self {
        let greatest = points.iter().fold(0.0, |most: f64, p| most.max(p.0.abs()));
        let scale = if greatest >= 30.0 { greatest } else { 1.0 };
        let total = |class: bool| points.iter().filter(|p| p.1 == class).map(|p| p.2).sum::<f64>();
        let (negative, positive) = (total(false), total(true));
        let aims = [1.0 / (negative + 2.0), (positive + 1.0) / (positive + 2.0)];
        let problem = Problem { points, scale, aims };
        let (a, b) = problem.minimise((0.0, ((negative + 1.0) / (positive + 1.0)).ln()));
        Self { a: a / scale, b }
    }

    pub(crate) fn at(self, score: f64) -> f64 {
        1.0 / (1.0 + (self.a * score + self.b).exp())
    }

    pub(crate) fn is_finite(self) -> bool {
        self.a.is_finite() && self.b.is_finite()
    }
}

struct Problem<'a> {
    points: &'a [Point],
    scale: f64,
    /// The probability aimed at where the class is false, and where it is true.
    aims: [f64; 2],
}

impl Problem<'_> {
    /// Every point as score, aim and weight.
    fn each(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        self.points.iter().map(|(score, class, weight)| (score / self.scale, self.aims[usize::from(*class)], *weight))
    }

    fn loss(&self, a: f64, b: f64) -> f64 {
        let of_point = |(f, aim, w): (f64, f64, f64)| {
            let z = a * f + b;
            // -log likelihood of p = 1 / (1 + e^z), without overflow.
            w * (aim * z + (-z).max(0.0) + (-z.abs()).exp().ln_1p())
        };
        // aim·z + log(1 + e^-z)
        self.each().map(of_point).sum()
    }

    fn minimise(&self, start: (f64, f64)) -> (f64, f64) {
        const STEPS: usize = 100;
        const RIDGE: f64 = 1e-12;
        let (mut a, mut b) = start;
        let mut loss = self.loss(a, b);
        for _ in 0..STEPS {
            let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, RIDGE, 0.0, RIDGE);
            for (f, aim, w) in self.each() {
                let p = 1.0 / (1.0 + (a * f + b).exp());
                let (slope, curvature) = (w * (aim - p), w * p * (1.0 - p));
                ga += f * slope;
                gb += slope;
                haa += f * f * curvature;
                hab += f * curvature;
                hbb += curvature;
            }
            if ga.abs().max(gb.abs()) < 1e-10 {
                break;
            }
            let determinant = haa * hbb - hab * hab;
            let step = match determinant > 0.0 {
                true => (-(hbb * ga - hab * gb) / determinant, -(haa * gb - hab * ga) / determinant),
                false => (-ga, -gb),
            };
            let Some(next) = self.search((a, b), step, loss) else { break };
            (a, b, loss) = next;
        }
        (a, b)
    }

    /// Goes along the step as far as it pays.
    fn search(&self, at: (f64, f64), step: (f64, f64), loss: f64) -> Option<(f64, f64, f64)> {
        (0..40).map(|halving| 0.5f64.powi(halving)).find_map(|length| {
            let (a, b) = (at.0 + length * step.0, at.1 + length * step.1);
            let there = self.loss(a, b);
            (there < loss).then_some((a, b, there))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separable_scores_end_at_finite_coefficients() {
        let points: Vec<Point> = (0..20).map(|i| (f64::from(i) - 9.5, i >= 10, 1.0)).collect();
        let sigmoid = Sigmoid::fit(&points);
        assert!(sigmoid.is_finite() && sigmoid.a < 0.0);
        assert!(sigmoid.at(-5.0) < 0.15 && sigmoid.at(5.0) > 0.85);
        let large: Vec<Point> = points.iter().map(|(f, y, w)| (f * 1e3, *y, *w)).collect();
        assert!((Sigmoid::fit(&large).at(5e3) - sigmoid.at(5.0)).abs() < 1e-6);
    }

    #[test]
    fn equal_scores_give_the_share() {
        let points: Vec<Point> = (0..40).map(|i| (0.5, i % 4 == 0, 1.0)).collect();
        // (10 · 11/12 + 30 · 1/32) / 40
        assert!((Sigmoid::fit(&points).at(0.5) - (10.0 * 11.0 / 12.0 + 30.0 / 32.0) / 40.0).abs() < 1e-9);
    }
}
