//! The best split of a node by one feature.

use mlops_core::random::SplitMix64;

use super::binned::{Bins, MISSING};
use super::categories;
use super::fixed::{Cell, Fixed, Sums, add, less};
use super::grower::Growth;
use super::histogram::Histogram;

/// The share of a node's worth that may be an error of rounding.
const ROUNDING: f64 = 1e-12;

/// A split that could be made.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// What it lowers the loss by, twice.
    pub(super) gain: f64,
    pub(super) feature: usize,
    pub(super) cut: Cut,
    pub(super) missing_left: bool,
    /// The sums of the left child.
    pub(super) left: Cell,
}

/// What goes left.
#[derive(Clone, Debug)]
pub(super) enum Cut {
    /// Bins up to this.
    AtMost(usize),
    /// These bins.
    OneOf(Vec<usize>),
}

/// What the splits of a node are judged by.
#[derive(Clone, Debug)]
pub(super) struct Judge<'a> {
    pub(super) growth: &'a Growth,
    pub(super) fixed: &'a Fixed,
    pub(super) sums: Cell,
    /// Where the values of all leaves below must lie.
    pub(super) bounds: [f64; 2],
}

impl Judge<'_> {
    /// The value of a leaf: where the loss, and its penalties, are least.
    pub(super) fn value(&self, sums: Sums) -> f64 {
        let Growth { l1, l2, .. } = self.growth;
        let gradient = (sums.gradient.abs() - l1).max(0.0).copysign(sums.gradient);
        let hessian = sums.hessian + l2;
        let value = if hessian > 0.0 { -gradient / hessian } else { 0.0 };
        value.clamp(self.bounds[0], self.bounds[1])
    }

    /// What a leaf lowers the loss by, twice.
    fn worth(&self, sums: Sums) -> f64 {
        let value = self.value(sums);
        let Growth { l1, l2, .. } = self.growth;
        -value * (2.0 * sums.gradient + (sums.hessian + l2) * value) - 2.0 * l1 * value.abs()
    }

    fn is_plain(&self, monotonic: i8) -> bool {
        self.growth.l1 == 0.0 && monotonic == 0 && self.bounds == [f64::NEG_INFINITY, f64::INFINITY]
    }

    /// What a split lowers the loss by, twice; nothing if it breaks the order.
    fn gain(&self, left: Sums, right: Sums, monotonic: i8) -> f64 {
        if monotonic != 0 {
            let rises = self.value(right) - self.value(left);
            if rises * f64::from(monotonic) < 0.0 {
                return f64::NEG_INFINITY;
            }
        }
        self.worth(left) + self.worth(right)
    }

    /// The best split by a feature; `cells` has the sums of its bins without the missing, ascending,
    /// empty ones or not.
    pub(super) fn best(
        &self,
        feature: usize,
        bins: &Bins,
        histogram: &Histogram,
        cells: impl Iterator<Item = (usize, Cell)> + Clone,
        rng: Option<&mut SplitMix64>,
    ) -> Option<Candidate> {
        let monotonic = self.growth.monotonic.get(feature).copied().unwrap_or(0);
        let missing = histogram[MISSING];
        let found = match (bins, rng) {
            (Bins::Codes { .. }, _) => categories::best(self, cells, missing),
            (Bins::Edges(edges), Some(rng)) => self.random(edges, cells, missing, rng),
            (Bins::Edges(_), None) if self.is_plain(monotonic) => {
                let l2 = self.growth.l2;
                let half = |sums: Sums| sums.gradient * sums.gradient / (sums.hessian + l2);
                self.numbers(cells, missing, |left, right| half(left) + half(right))
            }
            (Bins::Edges(_), None) => self.numbers(cells, missing, |left, right| self.gain(left, right, monotonic)),
        };
        let mut found = found?;
        let worth = self.worth(self.fixed.sums(self.sums));
        found.feature = feature;
        found.gain -= worth;
        // Less is what rounding makes of rows that are all the same.
        let enough = found.gain > self.growth.min_gain.max(ROUNDING * worth);
        if self.fixed.count(missing) == 0 {
            // Nothing is known of it: it goes with the many.
            found.missing_left = self.fixed.count(found.left) > self.fixed.count(less(self.sums, found.left));
        }
        enough.then_some(found)
    }

    fn numbers(
        &self,
        cells: impl Iterator<Item = (usize, Cell)> + Clone,
        missing: Cell,
        gain: impl Fn(Sums, Sums) -> f64,
    ) -> Option<Candidate> {
        let right = self.scan(cells.clone(), [0; 2], missing, &gain);
        if self.fixed.count(missing) == 0 {
            return right;
        }
        let left = self.scan(cells, missing, [0; 2], &gain).map(|found| Candidate { missing_left: true, ..found });
        match (right, left) {
            (Some(right), Some(left)) => Some(if left.gain > right.gain { left } else { right }),
            (right, left) => right.or(left),
        }
    }

    /// The best cut between two bins that are not empty, or behind the last of them if `last`, the
    /// missing, goes right; `left` goes left.
    #[inline(always)]
    fn scan(
        &self,
        cells: impl Iterator<Item = (usize, Cell)>,
        mut left: Cell,
        last: Cell,
        gain: &impl Fn(Sums, Sums) -> f64,
    ) -> Option<Candidate> {
        let min_count = self.growth.min_samples_leaf as u64;
        let min_hessian = self.growth.min_hessian;
        let (gradient, hessian, shift) = self.fixed.factors();
        let mask = (1u64 << shift) - 1;
        let sums = |cell: Cell| Sums {
            gradient: cell[0] as i64 as f64 * gradient,
            hessian: (cell[1] >> shift) as i64 as f64 * hessian,
            count: cell[1] & mask,
        };
        let mut best = f64::NEG_INFINITY;
        let mut cut = None;
        let mut before: Option<usize> = None;
        let end = if last[1] & mask > 0 { Some((usize::MAX, last)) } else { None };
        for (bin, cell) in cells.chain(end) {
            if cell[1] & mask == 0 {
                continue;
            }
            let right = less(self.sums, left);
            if right[1] & mask < min_count {
                break;
            }
            if let Some(before) = before.filter(|_| left[1] & mask >= min_count) {
                let (left_sums, right_sums) = (sums(left), sums(right));
                if left_sums.hessian >= min_hessian && right_sums.hessian >= min_hessian {
                    let gain = gain(left_sums, right_sums);
                    if gain > best {
                        best = gain;
                        cut = Some((before, bin, left));
                    }
                }
            }
            add(&mut left, cell);
            before = Some(bin);
        }
        let (before, next, left) = cut?;
        // In the middle of the empty bins between the two.
        let bin = if next == usize::MAX { MISSING } else { (before + next - 1) / 2 };
        Some(Candidate { gain: best, feature: 0, cut: Cut::AtMost(bin), missing_left: false, left })
    }

    /// A cut at random between the least and the greatest number (extremely randomised trees:
    /// Geurts, Ernst, Wehenkel 2006); missing values go right.
    fn random(
        &self,
        edges: &[f64],
        cells: impl Iterator<Item = (usize, Cell)> + Clone,
        missing: Cell,
        rng: &mut SplitMix64,
    ) -> Option<Candidate> {
        let filled = cells.clone().filter(|(_, cell)| self.fixed.count(*cell) > 0).map(|(bin, _)| bin);
        let (first, last) = filled.fold((usize::MAX, 0), |(first, last), bin| (first.min(bin), last.max(bin)));
        let bin = if first >= last {
            // One number alone: the missing may still be told from it.
            if first == usize::MAX || self.fixed.count(missing) == 0 {
                return None;
            }
            MISSING
        } else {
            let (low, high) = (edges[first], edges[last - 1]);
            let at = low + (high - low) * rng.uniform();
            let at = if at.is_finite() { at } else { low };
            first + edges[first..last - 1].partition_point(|edge| *edge < at)
        };
        let mut left = [0; 2];
        cells.take_while(|(at, _)| *at <= bin).for_each(|(_, cell)| add(&mut left, cell));
        self.judged(Cut::AtMost(bin), left, false)
    }

    /// A split with its gain, if its children may be.
    pub(super) fn judged(&self, cut: Cut, left: Cell, missing_left: bool) -> Option<Candidate> {
        let (left_sums, right_sums) = (self.fixed.sums(left), self.fixed.sums(less(self.sums, left)));
        let min_count = self.growth.min_samples_leaf as u64;
        let allowed = |sums: Sums| sums.count >= min_count && sums.hessian >= self.growth.min_hessian;
        (allowed(left_sums) && allowed(right_sums)).then(|| {
            let gain = self.gain(left_sums, right_sums, 0);
            Candidate { gain, feature: 0, cut, missing_left, left }
        })
    }
}

impl Candidate {
    /// The better of two; the first of equals.
    pub(super) fn better(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if b.gain > a.gain { b } else { a }),
            (a, b) => a.or(b),
        }
    }

    /// Which bins go left.
    pub(super) fn goes_left(&self) -> [bool; 256] {
        let mut left = [false; 256];
        match &self.cut {
            Cut::AtMost(bin) => left[..=*bin].fill(true),
            Cut::OneOf(bins) => bins.iter().for_each(|bin| left[*bin] = true),
        }
        left[MISSING] = self.missing_left;
        left
    }
}
