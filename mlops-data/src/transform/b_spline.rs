//! B-splines on knots, and what becomes of numbers beyond them.

use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::bin_edges::evenly;
use super::spline::Extrapolation;

/// No float tells splines of a higher degree apart.
const MOST_DEGREE: usize = 20;

/// The B-splines of a degree on knots.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "StoredBasis", into = "StoredBasis")]
pub(super) struct Basis {
    stored: StoredBasis,
    /// The knots, and as many more on both sides as the degree.
    knots: Vec<f64>,
    ends: Ends,
}

/// A basis as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredBasis {
    pub(super) knots: Vec<f64>,
    pub(super) degree: usize,
    pub(super) extrapolation: Extrapolation,
}

/// The splines at the first and the last knot, and their slopes.
#[derive(Clone, Debug, Default)]
struct Ends {
    first: Vec<(f64, f64)>,
    last: Vec<(f64, f64)>,
}

impl TryFrom<StoredBasis> for Basis {
    type Error = Error;

    fn try_from(stored: StoredBasis) -> Result<Self> {
        let StoredBasis { knots, degree, extrapolation } = &stored;
        let (degree, periodic) = (*degree, *extrapolation == Extrapolation::Periodic);
        if knots.len() < 2 || !knots.is_sorted() || degree > MOST_DEGREE || (periodic && knots.len() <= degree) {
            return Err(Error::config(format!(
                "{} knots are no base for {}splines of degree {degree}: give at least two, in ascending order, and more \
                 than the degree if they come round; the degree is at most {MOST_DEGREE}",
                knots.len(),
                if periodic { "periodic " } else { "" }
            )));
        }
        let extended = if periodic { come_round(knots, degree) } else { gone_on(knots, degree) };
        if !extended.iter().all(|knot| knot.is_finite()) {
            return Err(Error::config("the knots are too far apart for a float"));
        }
        let mut basis = Self { knots: extended, ends: Ends::default(), stored };
        basis.ends = basis.ends();
        Ok(basis)
    }
}

/// Knots spaced as the first two and the last two (Eilers and Marx, "Flexible smoothing with B-splines
/// and penalties", Statistical Science 11, 1996).
fn gone_on(knots: &[f64], degree: usize) -> Vec<f64> {
    if degree == 0 {
        return knots.to_vec();
    }
    let (first, last) = (knots[0], knots[knots.len() - 1]);
    let (low, high) = (knots[1] - first, last - knots[knots.len() - 2]);
    let far = degree as f64;
    let spaced = |from: f64, to: f64| if degree == 1 { vec![from] } else { evenly(from, to, degree) };
    let (before, behind) = (spaced(first - far * low, first - low), spaced(last + high, last + far * high));
    before.into_iter().chain(knots.iter().copied()).chain(behind).collect()
}

fn come_round(knots: &[f64], degree: usize) -> Vec<f64> {
    let count = knots.len();
    let period = knots[count - 1] - knots[0];
    let before = knots[count - 1 - degree..count - 1].iter().map(|knot| knot - period);
    let behind = knots[1..=degree].iter().map(|knot| knot + period);
    before.chain(knots.iter().copied()).chain(behind).collect()
}

impl From<Basis> for StoredBasis {
    fn from(basis: Basis) -> Self {
        basis.stored
    }
}

impl Basis {
    /// How many splines there are.
    pub(super) fn len(&self) -> usize {
        let knots = self.stored.knots.len();
        if self.stored.extrapolation == Extrapolation::Periodic { knots - 1 } else { knots + self.stored.degree - 1 }
    }

    fn range(&self) -> (f64, f64) {
        let knots = &self.stored.knots;
        (knots[0], knots[knots.len() - 1])
    }

    fn ends(&self) -> Ends {
        let (first, last) = self.range();
        let at = |x| {
            let mut splines = vec![(0.0, 0.0); self.stored.knots.len() + self.stored.degree];
            self.local(x, false, |i, value| splines[i].0 = value);
            self.local(x, true, |i, slope| splines[i].1 = slope);
            splines.truncate(self.len());
            splines
        };
        Ends { first: at(first), last: at(last) }
    }

    /// Calls `put` with the splines at `x`, which is not NaN, that are not zero there.
    pub(super) fn each(&self, x: f64, mut put: impl FnMut(usize, f64)) -> Result<()> {
        let (first, last) = self.range();
        let inside = first <= x && x <= last;
        match self.stored.extrapolation {
            Extrapolation::Continue => self.local(x, false, put),
            Extrapolation::Periodic => {
                // Splines that reach beyond the last knot are those of the first ones.
                let period = last - first;
                let x = if period > 0.0 { first + (x - first).rem_euclid(period) } else { 0.0 };
                let splines = self.len();
                self.local(x, false, |i, value| put(if i < splines { i } else { i - splines }, value));
            }
            _ if inside => self.local(x, false, put),
            Extrapolation::Error => {
                return Err(Error::data(format!(
                    "{x} is beyond the knots, which run from {first} to {last}: clip it, or choose an extrapolation"
                )));
            }
            Extrapolation::Constant | Extrapolation::Linear => self.beyond(x, put),
        }
        Ok(())
    }

    fn beyond(&self, x: f64, mut put: impl FnMut(usize, f64)) {
        let (first, last) = self.range();
        let linear = self.stored.extrapolation == Extrapolation::Linear;
        // The splines of degree 1 have a slope where they are zero.
        let more = linear && self.stored.degree <= 1;
        let reach = (self.stored.degree + usize::from(more)).clamp(1, self.len());
        let (end, splines, range) = if x < first {
            (first, &self.ends.first, 0..reach)
        } else {
            (last, &self.ends.last, self.len() - reach..self.len())
        };
        for i in range {
            let (value, slope) = splines[i];
            // At an infinity a slope of zero must not give NaN.
            let rise = if linear && slope != 0.0 { (x - end) * slope } else { 0.0 };
            put(i, value + rise);
        }
    }

    /// Calls `put` with the splines, or with their slopes, at `x` that are not zero between the knots next
    /// to it: de Boor, "A practical guide to splines" (1978), chapter X.
    fn local(&self, x: f64, slopes: bool, mut put: impl FnMut(usize, f64)) {
        let (degree, knots) = (self.stored.degree, &self.knots);
        let last = knots.len() - degree - 2;
        let interval = knots[degree + 1..=last].partition_point(|knot| *knot <= x) + degree;
        let mut splines = [0.0; MOST_DEGREE + 1];
        let mut lower = [0.0; MOST_DEGREE + 1];
        splines[0] = 1.0;
        for order in 1..=degree {
            lower[..order].copy_from_slice(&splines[..order]);
            splines[0] = 0.0;
            for n in 1..=order {
                let (above, below) = (knots[interval + n], knots[interval + n - order]);
                if above == below {
                    splines[n] = 0.0;
                    continue;
                }
                let weight = lower[n - 1] / (above - below);
                if slopes && order == degree {
                    splines[n - 1] -= weight * order as f64;
                    splines[n] = weight * order as f64;
                } else {
                    splines[n - 1] += weight * (above - x);
                    splines[n] = weight * (x - below);
                }
            }
        }
        if slopes && degree == 0 {
            return;
        }
        (0..=degree).for_each(|n| put(interval - degree + n, splines[n]));
    }
}
