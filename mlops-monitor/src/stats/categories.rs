use serde::{Deserialize, Serialize};

use super::{chi_square_sf, incomplete_beta};

/// What a chi-square test found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChiSquared {
    /// Pearson's statistic, Σ (observed - expected)² / expected.
    pub statistic: f64,
    /// The degrees of freedom: categories that occur, less one.
    pub dof: u64,
    /// The chance of such a statistic if both samples come from the same source.
    pub p_value: f64,
}

/// Pearson's test that two samples, counted by category, come from the same source: scipy's
/// `chi2_contingency` of the two rows. Categories without a count don't count. `yates` is the
/// correction for continuity, made for two categories only (scipy's default).
///
/// # Panics
/// If there are not as many counts on both sides.
///
/// ```
/// use mlops_monitor::stats::chi_square;
///
/// let test = chi_square(&[94, 106], &[21, 29], false);
/// assert!((test.statistic - 0.402_576_489_533).abs() < 1e-12);
/// assert!((test.p_value - 0.525_761_641_307).abs() < 1e-12);
/// ```
pub fn chi_square(reference: &[u64], window: &[u64], yates: bool) -> ChiSquared {
    assert_eq!(reference.len(), window.len(), "as many counts on both sides are needed");
    let (n, m) = (total(reference), total(window));
    let pairs = || reference.iter().zip(window).filter(|(r, w)| **r + **w > 0);
    let dof = (pairs().count() as u64).saturating_sub(1);
    if n == 0.0 || m == 0.0 || dof == 0 {
        return ChiSquared { statistic: 0.0, dof, p_value: 1.0 };
    }
    let mut statistic = 0.0;
    for (r, w) in pairs() {
        let both = (*r + *w) as f64;
        for (observed, size) in [(*r as f64, n), (*w as f64, m)] {
            let expected = both * size / (n + m);
            let off = (observed - expected).abs();
            let off = if yates && dof == 1 { off - off.min(0.5) } else { off };
            statistic += off * off / expected;
        }
    }
    ChiSquared { statistic, dof, p_value: chi_square_sf(statistic, dof as f64) }
}

/// The population stability index Σ (q - p) ln(q / p) over shares p of the reference and q of the
/// window. A share below 0.0001 counts as 0.0001, on both sides, so that an empty bin weighs much
/// but not infinitely.
///
/// By custom less than 0.1 is stable, more than 0.2 (some say 0.25) has shifted.
///
/// # Panics
/// If there are not as many counts on both sides.
///
/// ```
/// use mlops_monitor::stats::population_stability;
/// let psi = population_stability(&[50, 50], &[25, 75]);
/// assert!((psi - (0.25 * 2f64.ln() + 0.25 * 1.5f64.ln())).abs() < 1e-15);
/// ```
pub fn population_stability(reference: &[u64], window: &[u64]) -> f64 {
    const LEAST: f64 = 1e-4;
    assert_eq!(reference.len(), window.len(), "as many counts on both sides are needed");
    let (n, m) = (total(reference), total(window));
    if n == 0.0 || m == 0.0 {
        return 0.0;
    }
    let part = |(r, w): (&u64, &u64)| {
        let (p, q) = ((*r as f64 / n).max(LEAST), (*w as f64 / m).max(LEAST));
        (q - p) * (q / p).ln()
    };
    reference.iter().zip(window).map(part).sum()
}

/// The total variation distance ½ Σ |p - q|: the greatest difference in the chance of any set of
/// categories. From 0 (the same shares) to 1 (no category in common), however many rows there are.
///
/// # Panics
/// If there are not as many counts on both sides.
///
/// ```
/// use mlops_monitor::stats::total_variation;
/// assert_eq!(total_variation(&[50, 50, 0], &[10, 5, 5]), 0.25);
/// ```
pub fn total_variation(reference: &[u64], window: &[u64]) -> f64 {
    assert_eq!(reference.len(), window.len(), "as many counts on both sides are needed");
    let (n, m) = (total(reference), total(window));
    if n == 0.0 || m == 0.0 {
        return 0.0;
    }
    0.5 * reference.iter().zip(window).map(|(r, w)| (*r as f64 / n - *w as f64 / m).abs()).sum::<f64>()
}

fn total(counts: &[u64]) -> f64 {
    counts.iter().sum::<u64>() as f64
}

/// How often a category occurs in the reference and in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pair {
    pub(crate) reference: u64,
    pub(crate) window: u64,
}

impl Pair {
    pub(crate) fn new(reference: u64, window: u64) -> Self {
        Self { reference, window }
    }

    fn both(self) -> u64 {
        self.reference + self.window
    }
}

/// What a test of one column found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) statistic: f64,
    pub(crate) p_value: f64,
    pub(crate) effect: f64,
}

impl Outcome {
    pub(crate) const NOTHING: Self = Self { statistic: 0.0, p_value: 1.0, effect: 0.0 };
}

/// [`chi_square`] where categories may be rare or new.
///
/// The chi-square approximation needs about five expected occurrences a cell (Cochran 1954). Which
/// categories have fewer is decided by their number in both samples together, so the choice favours
/// neither side; they share one cell, to which `rest` belongs in any case. If even that cell is
/// too small, it is left out of the chi-square test and tested exactly (binomial, both sides), and
/// the p-value is the smaller of the two, doubled for having looked twice.
pub(crate) fn pooled_test(cells: impl Iterator<Item = Pair>, rest: Pair) -> Outcome {
    let cells: Vec<Pair> = cells.filter(|pair| pair.both() > 0).collect();
    let sum = |all: &mut dyn Iterator<Item = &Pair>| {
        all.fold(Pair::default(), |a, b| Pair::new(a.reference + b.reference, a.window + b.window))
    };
    let whole = sum(&mut cells.iter().chain([&rest]));
    if whole.reference == 0 || whole.window == 0 {
        return Outcome::NOTHING;
    }
    let share = whole.reference.min(whole.window) as f64 / whole.both() as f64;
    let is_rare = |pair: &&Pair| pair.both() as f64 * share < 5.0;
    let pool = sum(&mut cells.iter().filter(is_rare).chain([&rest]));
    let mut common: Vec<Pair> = cells.iter().copied().filter(|pair| !is_rare(&pair)).collect();
    let too_small = is_rare(&&pool) && pool.both() > 0;
    let p_common = if too_small { split_test(&common).p_value } else { 1.0 };
    common.push(pool);
    let (reference, window) = split(&common);
    let all = chi_square(&reference, &window, true);
    let p_value = if !too_small {
        all.p_value
    } else {
        let p_pool = binomial_two_sided(pool.window, pool.both(), whole.window as f64 / whole.both() as f64);
        if common.len() > 2 { (2.0 * p_common.min(p_pool)).min(1.0) } else { p_pool }
    };
    Outcome { statistic: all.statistic, p_value, effect: total_variation(&reference, &window) }
}

fn split(pairs: &[Pair]) -> (Vec<u64>, Vec<u64>) {
    pairs.iter().map(|pair| (pair.reference, pair.window)).unzip()
}

fn split_test(pairs: &[Pair]) -> ChiSquared {
    let (reference, window) = split(pairs);
    chi_square(&reference, &window, true)
}

/// Twice the smaller tail of `hits` out of `trials` with chance `p`.
fn binomial_two_sided(hits: u64, trials: u64, p: f64) -> f64 {
    let (hits_f, misses) = (hits as f64, (trials - hits) as f64);
    let at_least = if hits == 0 { 1.0 } else { incomplete_beta(hits_f, misses + 1.0, p) };
    let at_most = if hits == trials { 1.0 } else { incomplete_beta(misses, hits_f + 1.0, 1.0 - p) };
    (2.0 * at_least.min(at_most)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_rare_categories_it_is_the_plain_test() {
        let (reference, window) = ([194, 220, 209, 193, 184], [108, 95, 70, 64, 63]);
        let pairs = reference.iter().zip(&window).map(|(r, w)| Pair::new(*r, *w));
        let pooled = pooled_test(pairs, Pair::default());
        assert_eq!(pooled.p_value, chi_square(&reference, &window, true).p_value);
    }

    #[test]
    fn one_row_of_a_new_category_is_no_news_and_many_are() {
        let known = [Pair::new(50_000, 500), Pair::new(50_000, 500)];
        let with_new = |rows| pooled_test(known.into_iter().chain([Pair::new(0, rows)]), Pair::default()).p_value;
        assert!((0.01..0.1).contains(&with_new(1)), "{}", with_new(1));
        assert!(with_new(4) < 1e-6);
        assert!(with_new(100) < 1e-50);
    }

    #[test]
    fn a_category_that_vanished_from_a_long_window_is_seen() {
        let cells = [Pair::new(900, 100_000), Pair::new(100, 0)];
        assert!(pooled_test(cells.into_iter(), Pair::default()).p_value < 1e-50);
    }

    #[test]
    fn binomial_tails_are_exact() {
        // 1 of 4 fair coins or fewer: 5/16; doubled.
        assert!((binomial_two_sided(1, 4, 0.5) - 0.625).abs() < 1e-14);
        assert_eq!(binomial_two_sided(2, 4, 0.5), 1.0);
        assert!((binomial_two_sided(4, 4, 0.5) - 0.125).abs() < 1e-14);
    }

    #[test]
    fn nothing_seen_is_no_drift() {
        assert_eq!(pooled_test([Pair::new(3, 0)].into_iter(), Pair::default()), Outcome::NOTHING);
        assert_eq!(population_stability(&[1, 2], &[0, 0]), 0.0);
    }
}
