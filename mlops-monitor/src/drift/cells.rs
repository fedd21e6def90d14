use arrow::array::{Array, Float64Array};
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::stats::{Outcome, Pair, pooled_test, population_stability, two_sample_asymptotic, two_sample_exact};

/// The steps of the exact test take less than a second: what a stored recipe asks for beyond would
/// hold up whoever reads it.
const MOST_STEPS: u64 = 100_000_000;

/// Whether counts can be of rows: no sum of them overflows, or loses a row as a float.
pub(super) fn are_rows(counts: impl IntoIterator<Item = u64>) -> bool {
    const MOST: u64 = 1 << 53;
    counts.into_iter().try_fold(0u64, |sum, count| sum.checked_add(count)).is_some_and(|sum| sum <= MOST)
}

/// Numbers counted between, and on, edges that the reference has set.
///
/// With k edges there are 2k + 1 cells: below the first edge, on it, between it and the second, on
/// the second, and so on. If every value of the reference is an edge, distribution functions are
/// known everywhere that matters, and the Kolmogorov-Smirnov distance is exact. With fewer edges
/// it is exact at the edges, so never too great, and too small by at most the share of the
/// reference between two of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cells {
    edges: Vec<f64>,
    reference: Vec<u64>,
    window: Vec<u64>,
    missing_in_reference: u64,
    missing_in_window: u64,
}

impl Cells {
    /// Cells with an edge on every value if there are at most `most` different ones, else on the
    /// extremes and on `most - 2` quantiles.
    pub(super) fn on_values(values: &[Float64Array], most: usize) -> Result<Self> {
        Self::fit(values, |finite| {
            let mut edges = finite.to_vec();
            edges.dedup();
            if edges.len() <= most {
                return edges;
            }
            quantiles(finite, most - 1, 0)
        })
    }

    /// Cells between `bins` bins with about the same number of values each; fewer if one value
    /// fills several.
    pub(super) fn in_bins(values: &[Float64Array], bins: usize) -> Result<Self> {
        Self::fit(values, |finite| {
            let mut edges = quantiles(finite, bins, 1);
            // The last edge would part the greatest value from nothing.
            edges.pop_if(|edge| finite.last().is_some_and(|greatest| *edge >= *greatest));
            edges
        })
    }

    fn fit(values: &[Float64Array], edges: impl FnOnce(&[f64]) -> Vec<f64>) -> Result<Self> {
        let present = |array: &Float64Array| array.iter().flatten().filter(|x| !x.is_nan()).collect::<Vec<_>>();
        // Adding 0 turns -0 into 0, which is the same edge.
        let mut finite: Vec<f64> = values.iter().flat_map(present).filter(|x| x.is_finite()).map(|x| x + 0.0).collect();
        finite.sort_unstable_by(f64::total_cmp);
        let edges = edges(&finite);
        let size = 2 * edges.len() + 1;
        let mut cells =
            Self { edges, reference: Vec::new(), window: vec![0; size], missing_in_reference: 0, missing_in_window: 0 };
        values.iter().for_each(|values| cells.observe(values));
        if cells.window.iter().all(|count| *count == 0) {
            return Err(Error::data("it has no values in the reference: leave it out, or choose another reference"));
        }
        cells.reference = std::mem::replace(&mut cells.window, vec![0; size]);
        cells.missing_in_reference = std::mem::take(&mut cells.missing_in_window);
        Ok(cells)
    }

    /// Counts values into the window; null and NaN are missing.
    pub(super) fn observe(&mut self, values: &Float64Array) {
        if values.null_count() == 0 {
            values.values().iter().for_each(|value| self.count(*value));
        } else {
            values.iter().for_each(|value| self.count(value.unwrap_or(f64::NAN)));
        }
    }

    fn count(&mut self, value: f64) {
        if value.is_nan() {
            self.missing_in_window += 1;
            return;
        }
        let below = self.edges.partition_point(|edge| *edge < value);
        let on_edge = self.edges.get(below).is_some_and(|edge| *edge == value);
        self.window[2 * below + usize::from(on_edge)] += 1;
    }

    /// Adds the window of another with the same reference.
    pub(super) fn merge(&mut self, other: &Self) {
        self.window.iter_mut().zip(&other.window).for_each(|(a, b)| *a += b);
        self.missing_in_window += other.missing_in_window;
    }

    pub(super) fn same_reference(&self, other: &Self) -> bool {
        self.edges == other.edges
            && self.reference == other.reference
            && self.missing_in_reference == other.missing_in_reference
    }

    pub(super) fn reset(&mut self) {
        self.window.fill(0);
        self.missing_in_window = 0;
    }

    /// Refuses what can't have been written by `save`.
    pub(super) fn check(&self) -> Result<()> {
        let size = 2 * self.edges.len() + 1;
        let fits = self.reference.len() == size && self.window.len() == size;
        let rises = self.edges.is_sorted_by(|a, b| a < b) && self.edges.iter().all(|edge| edge.is_finite());
        let missing = [self.missing_in_reference, self.missing_in_window];
        let counts = self.reference.iter().chain(&self.window).chain(&missing);
        if fits && rises && are_rows(counts.copied()) {
            Ok(())
        } else {
            Err(Error::corrupt("the cells of a numeric column do not fit its edges"))
        }
    }

    /// The Kolmogorov-Smirnov test; exact while n·m is at most `exact_up_to` and [`MOST_STEPS`].
    pub(super) fn ks(&self, exact_up_to: u64) -> Outcome {
        let (n, m) = (self.reference.iter().sum::<u64>(), self.window.iter().sum::<u64>());
        if n == 0 || m == 0 {
            return Outcome::NOTHING;
        }
        let distance = self.distance(n, m);
        let statistic = distance as f64 / (n as f64 * m as f64);
        let lattice = u128::from(n) * u128::from(m);
        let p_value = match u64::try_from(distance) {
            Ok(distance) if lattice <= u128::from(exact_up_to.min(MOST_STEPS)) => two_sample_exact(n, m, distance),
            _ => two_sample_asymptotic(n, m, statistic),
        };
        Outcome { statistic, p_value, effect: statistic }
    }

    /// The Kolmogorov-Smirnov distance, times n and m.
    fn distance(&self, n: u64, m: u64) -> u128 {
        let (n, m) = (i128::from(n), i128::from(m));
        let (mut below_reference, mut below_window) = (0u64, 0u64);
        let gap = |(r, w): (&u64, &u64)| {
            below_reference += r;
            below_window += w;
            (i128::from(below_reference) * m - i128::from(below_window) * n).unsigned_abs()
        };
        self.reference.iter().zip(&self.window).map(gap).max().unwrap_or(0)
    }

    /// The population stability index over the bins (each with its upper edge) and, if any is,
    /// the missing; the p-value is Pearson's of the same counts.
    pub(super) fn psi(&self) -> Outcome {
        let bin = |counts: &[u64]| counts.chunks(2).map(|bin| bin.iter().sum()).collect::<Vec<u64>>();
        let (mut reference, mut window) = (bin(&self.reference), bin(&self.window));
        if self.missing_in_reference + self.missing_in_window > 0 {
            reference.push(self.missing_in_reference);
            window.push(self.missing_in_window);
        }
        let pairs = reference.iter().zip(&window).map(|(r, w)| Pair::new(*r, *w));
        let p_value = pooled_test(pairs, Pair::default()).p_value;
        let statistic = population_stability(&reference, &window);
        Outcome { statistic, p_value, effect: statistic }
    }

    /// The test of the share that is missing, if anything is.
    pub(super) fn missing(&self) -> Option<Outcome> {
        let present = Pair::new(self.reference.iter().sum(), self.window.iter().sum());
        let missing = Pair::new(self.missing_in_reference, self.missing_in_window);
        let any = missing != Pair::default();
        any.then(|| pooled_test([present, missing].into_iter(), Pair::default()))
    }
}

/// The values of rank `first`, and at every `parts`-th part of sorted values after that, each once.
fn quantiles(sorted: &[f64], parts: usize, first: usize) -> Vec<f64> {
    let Some(last) = sorted.len().checked_sub(1) else { return Vec::new() };
    let rank = |i: usize| (i as u128 * last as u128 / parts.max(1) as u128) as usize;
    let mut edges: Vec<f64> = (first..=parts).map(|i| sorted[rank(i)]).collect();
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(values: &[f64], most: usize) -> Cells {
        Cells::on_values(&[Float64Array::from(values.to_vec())], most).unwrap()
    }

    #[test]
    fn the_distance_is_exact_between_the_reference_values() {
        let mut cells = cells(&[1.0, 2.0, 3.0, 4.0], 100);
        cells.observe(&Float64Array::from(vec![2.5, 2.6, 2.7, f64::INFINITY]));
        assert_eq!(cells.ks(u64::MAX).statistic, 0.5);
        cells.reset();
        assert_eq!(cells.ks(u64::MAX), Outcome::NOTHING);
    }

    #[test]
    fn counts_that_no_rows_have_are_refused() {
        let mut damaged = cells(&[1.0, 2.0], 10);
        damaged.check().unwrap();
        damaged.reference = vec![1 << 63; 5];
        assert!(damaged.check().is_err());
        damaged.reference = vec![1; 5];
        damaged.missing_in_window = u64::MAX;
        assert!(damaged.check().is_err());
    }

    #[test]
    fn fewer_edges_make_it_smaller_by_at_most_a_cell() {
        let reference: Vec<f64> = (0..10_000).map(|i| f64::from(i).sqrt()).collect();
        let window = Float64Array::from_iter_values((0..3_000).map(|i| f64::from(i * 3 + 1).powf(0.51)));
        let (mut all, mut few) = (cells(&reference, 10_000), cells(&reference, 101));
        all.observe(&window);
        few.observe(&window);
        let (all, few) = (all.ks(0).statistic, few.ks(0).statistic);
        assert!(few <= all && all - few <= 0.0101, "{few} {all}");
    }

    #[test]
    fn bins_hold_their_upper_edge_and_ties_make_fewer() {
        let bins = Cells::in_bins(&[Float64Array::from_iter_values((1..=100).map(f64::from))], 4).unwrap();
        assert_eq!(bins.edges, [25.0, 50.0, 75.0]);
        let ties = Cells::in_bins(&[Float64Array::from(vec![0.0, 0.0, 0.0, 0.0, 0.0, 1.0])], 4).unwrap();
        assert_eq!(ties.edges, [0.0]);
        let one = Cells::in_bins(&[Float64Array::from(vec![7.0; 5])], 4).unwrap();
        assert_eq!((one.edges.len(), one.psi()), (0, Outcome { statistic: 0.0, p_value: 1.0, effect: 0.0 }));
    }
}
