use mlops_core::sketch::Kll;
use serde::{Deserialize, Serialize};

/// How many numbers lie between edges of equal distance, from the least to the greatest number.
///
/// Bin `i` holds the numbers above edge `i` up to and including edge `i + 1`, the first one its
/// lower edge too. Counts add up to the count of the column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Bins {
    /// The edges, ascending, one more than there are bins; twice the same if there is one number
    /// only.
    pub edges: Vec<f64>,
    /// The number of values in each bin.
    pub counts: Vec<u64>,
    /// By how much the number of values up to an edge may be off (99 % confidence), as a share of all;
    /// a count by twice that. 0 if exact.
    pub error: f64,
}

/// The bins of a sketch; those of whole numbers are whole numbers wide, so that none holds more
/// different numbers than another.
pub(super) fn of(sketch: &Kll, most: usize, whole: bool) -> Option<Bins> {
    let (min, max) = (sketch.min()?, sketch.max()?);
    let edges = match most.max(1) {
        _ if min == max => vec![min, max],
        most if whole && max - min < 9e15 => whole_edges(min, max, most),
        most => even_edges(min, max, most),
    };
    between(sketch, edges)
}

/// Bins with about as many values in each, between the quantiles of a sketch.
pub(super) fn of_quantiles(sketch: &Kll, most: usize) -> Option<Bins> {
    let most = most.max(1);
    let shares: Vec<f64> = (0..=most).map(|i| i as f64 / most as f64).collect();
    let mut edges = sketch.quantiles(&shares)?;
    edges.dedup();
    if edges.len() == 1 {
        edges.push(edges[0]);
    }
    between(sketch, edges)
}

fn between(sketch: &Kll, edges: Vec<f64>) -> Option<Bins> {
    let count = sketch.count();
    let up_to = sketch.cdf(&edges[1..])?.into_iter().map(|share| (share * count as f64).round() as u64);
    let mut before = 0;
    let counts = up_to
        .map(|up_to| {
            // A distribution function does not fall.
            let here = up_to.saturating_sub(before);
            before = up_to;
            here
        })
        .collect();
    Some(Bins { edges, counts, error: sketch.rank_error() })
}

fn whole_edges(min: f64, max: f64, most: usize) -> Vec<f64> {
    let width = ((max - min + 1.0) / most as f64).ceil();
    let bins = ((max - min + 1.0) / width).ceil() as usize;
    (0..=bins).map(|i| min - 0.5 + i as f64 * width).collect()
}

fn even_edges(min: f64, max: f64, most: usize) -> Vec<f64> {
    let between = |i: usize| {
        let part = i as f64 / most as f64;
        min * (1.0 - part) + max * part
    };
    let mut edges: Vec<f64> = (0..most).map(between).chain([max]).collect();
    edges[0] = min;
    // Between close neighbours there are fewer floats than bins, and rounding may step back.
    edges.dedup_by(|next, kept| *next <= *kept);
    if edges.last() != Some(&max) {
        edges.push(max);
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(values: &[f64]) -> Kll {
        let mut sketch = Kll::default();
        sketch.update_slice(values);
        sketch
    }

    #[test]
    fn whole_numbers_have_whole_bins() {
        let bins = of(&sketch(&[1.0, 2.0, 2.0, 3.0]), 10, true).unwrap();
        assert_eq!(bins.edges, [0.5, 1.5, 2.5, 3.5]);
        assert_eq!(bins.counts, [1, 2, 1]);
        let bins = of(&sketch(&[0.0, 99.0]), 8, true).unwrap();
        assert_eq!(bins.edges[1] - bins.edges[0], 13.0);
        assert_eq!(bins.counts.iter().sum::<u64>(), 2);
    }

    #[test]
    fn every_value_is_in_a_bin() {
        let cases = [
            vec![5.0],
            vec![0.0, 1.0, 0.5, 0.25],
            vec![f64::MIN, f64::MAX],
            vec![1.0, 1.0 + f64::EPSILON],
            vec![-1e-320, 1e-320],
            (0..5000).map(|i| f64::from(i).sqrt()).collect(),
        ];
        for values in cases {
            for whole in [false, true] {
                let bins = of(&sketch(&values), 20, whole).unwrap();
                assert!(bins.edges.is_sorted() && bins.counts.len() + 1 == bins.edges.len());
                assert_eq!(bins.counts.iter().sum::<u64>(), values.len() as u64);
            }
        }
        assert!(of(&Kll::default(), 20, false).is_none());
    }
}
