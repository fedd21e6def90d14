//! Where a feature is cut.

use mlops_core::random::SplitMix64;

/// The most bins of a feature, missing values apart.
pub(crate) const MAX_BINS: usize = 255;

/// The numbers of a feature that edges are found from, at most.
const SAMPLE: usize = 200_000;

/// The rows that edges are found from: all, or a sample in ascending order.
pub(super) fn sample(rows: usize, seed: u64) -> Vec<usize> {
    if rows <= SAMPLE {
        return (0..rows).collect();
    }
    // One row out of each stretch of equal length: spread evenly, and ascending.
    let mut rng = SplitMix64::stream(seed, 0);
    let start = |i: usize| (i as u128 * rows as u128 / SAMPLE as u128) as usize;
    (0..SAMPLE).map(|i| start(i) + rng.below((start(i + 1) - start(i)) as u64) as usize).collect()
}

/// The greatest numbers of all bins but the last: between each two of few different numbers; of many
/// so that bins have about as many rows, and a number as frequent as a bin is one alone (LightGBM's
/// `GreedyFindBin`). `values` have no NaN.
pub(super) fn edges(values: &[f64], max_bins: usize) -> Vec<f64> {
    let mut keys: Vec<i64> = values.iter().map(|x| key(*x)).collect();
    keys.sort_unstable();
    let mut distinct: Vec<(f64, usize)> = Vec::new();
    for x in keys.into_iter().map(number) {
        match distinct.last_mut() {
            // Not by key, as zeros are equal.
            Some((last, count)) if *last == x => *count += 1,
            _ => distinct.push((x, 1)),
        }
    }
    if distinct.len() <= max_bins {
        return distinct.windows(2).map(|pair| between(pair[0].0, pair[1].0)).collect();
    }
    greedy(&distinct, values.len(), max_bins)
}

fn greedy(distinct: &[(f64, usize)], values: usize, max_bins: usize) -> Vec<f64> {
    let mean = values as f64 / max_bins as f64;
    let is_big = |count: usize| count as f64 >= mean;
    let big = || distinct.iter().filter(|(_, count)| is_big(*count));
    let mut bins_left = max_bins.saturating_sub(big().count());
    let mut rows_left = values - big().map(|(_, count)| count).sum::<usize>();
    let mut wanted = rows_left as f64 / bins_left.max(1) as f64;
    let mut edges = Vec::with_capacity(max_bins - 1);
    let mut filled = 0;
    for pair in distinct.windows(2) {
        let [(x, count), (next, next_count)] = [pair[0], pair[1]];
        if !is_big(count) {
            rows_left -= count;
        }
        filled += count;
        let full = is_big(count) || filled as f64 >= wanted || (is_big(next_count) && filled as f64 >= 0.5 * wanted);
        if !full {
            continue;
        }
        edges.push(between(x, next));
        if edges.len() + 1 >= max_bins {
            break;
        }
        filled = 0;
        if !is_big(count) {
            bins_left = bins_left.saturating_sub(1);
            wanted = rows_left as f64 / bins_left.max(1) as f64;
        }
    }
    edges
}

/// A number that `low` is at most, and `high` is not.
fn between(low: f64, high: f64) -> f64 {
    let middle = low.midpoint(high);
    if middle >= low && middle < high { middle } else { low }
}

/// Whole numbers in the order of the numbers, which sort faster.
fn key(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn number(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

/// The bin of a number: how many edges are below it.
#[inline]
pub(super) fn bin_of(edges: &[f64], x: f64) -> u8 {
    // At most 254 edges, see `MAX_BINS`.
    edges.partition_point(|edge| *edge < x) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_numbers_have_a_bin_each() {
        assert_eq!(edges(&[3.0, 1.0, 3.0, 2.0, -0.0, 0.0], 255), [0.5, 1.5, 2.5]);
        assert_eq!(edges(&[7.0; 9], 255), [] as [f64; 0]);
        let infinite = edges(&[f64::NEG_INFINITY, 1.0, f64::INFINITY], 255);
        assert_eq!(infinite, [f64::NEG_INFINITY, 1.0]);
        assert_eq!([f64::NEG_INFINITY, 0.0, 1e9].map(|x| bin_of(&infinite, x)), [0, 1, 2]);
    }

    #[test]
    fn many_numbers_are_spread_evenly() {
        let values: Vec<f64> = (0..10_000).map(|i| f64::from(i * 7919 % 10_000)).collect();
        let edges = edges(&values, 100);
        assert_eq!(edges.len(), 99);
        let mut counts = [0; 100];
        values.iter().for_each(|x| counts[usize::from(bin_of(&edges, *x))] += 1);
        assert!(counts.iter().all(|count| (90..=110).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_sample_is_spread_over_all_rows() {
        let rows = sample(1_000_003, 7);
        assert_eq!(rows.len(), SAMPLE);
        assert!(rows.is_sorted_by(|a, b| a < b) && *rows.last().unwrap() > 999_990);
    }

    proptest! {
        #[test]
        fn edges_keep_numbers_apart(values in proptest::collection::vec(-1e3f64..1e3, 1..400), bins in 2usize..256) {
            let values: Vec<f64> = values.into_iter().map(|x| x.round() / 4.0).collect();
            let edges = edges(&values, bins);
            prop_assert!(edges.len() < bins && edges.is_sorted_by(|a, b| a < b));
            for x in &values {
                let bin = usize::from(bin_of(&edges, *x));
                prop_assert!(bin == edges.len() || *x <= edges[bin]);
                prop_assert!(bin == 0 || *x > edges[bin - 1]);
            }
        }
    }
}
