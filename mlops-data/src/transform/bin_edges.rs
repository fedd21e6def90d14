//! Where bins are cut.

use mlops_core::{Error, Result};

use super::bins::BinStrategy;
use super::quantiles::QuantileMethod;

/// Bins narrower than this are joined with the next (scikit-learn's limit).
const LEAST_WIDTH: f64 = 1e-8;

/// The edges of at most `n_bins` bins of values in ascending order, of which there must be one; none if
/// they are all equal.
pub(super) fn edges(
    name: &str,
    sorted: &[f64],
    n_bins: usize,
    strategy: BinStrategy,
    method: QuantileMethod,
) -> Result<Vec<f64>> {
    let (first, last) = (sorted[0], sorted[sorted.len() - 1]);
    if first == last {
        return Ok(Vec::new());
    }
    if !(last - first).is_finite() {
        return Err(Error::data(format!(
            "column '{name}' runs from {first:e} to {last:e}, which is too wide to cut: clip it first"
        )));
    }
    let mut edges = match strategy {
        BinStrategy::KMeans => clustered(name, sorted, n_bins)?,
        BinStrategy::Quantile => {
            let level = |i: usize| if i == n_bins { 1.0 } else { i as f64 * (100.0 / n_bins as f64) / 100.0 };
            (0..=n_bins).map(|i| method.of(sorted, level(i))).collect()
        }
        BinStrategy::Uniform => evenly(first, last, n_bins + 1),
    };
    // Even bins may be as narrow as they like, as long as a float can tell their edges apart.
    let least = if strategy == BinStrategy::Uniform { 0.0 } else { LEAST_WIDTH };
    let mut before = f64::NEG_INFINITY;
    edges.retain(|edge| {
        let wide = edge - before > least;
        before = *edge;
        wide
    });
    // A single edge is left of values that are all nearly the same.
    Ok(if edges.len() > 1 { edges } else { Vec::new() })
}

/// `count` numbers from `first` to `last` in equal steps, as numpy's `linspace`.
pub(super) fn evenly(first: f64, last: f64, count: usize) -> Vec<f64> {
    let step = (last - first) / (count - 1) as f64;
    (0..count).map(|i| if i + 1 == count { last } else { i as f64 * step + first }).collect()
}

/// Edges halfway between the centres of clusters.
fn clustered(name: &str, sorted: &[f64], n_bins: usize) -> Result<Vec<f64>> {
    if sorted.len() < n_bins {
        return Err(Error::data(format!(
            "column '{name}' has {} values, too few for {n_bins} clusters: lower the number of bins, \
             or choose another strategy",
            sorted.len()
        )));
    }
    let (first, last) = (sorted[0], sorted[sorted.len() - 1]);
    let even = evenly(first, last, n_bins + 1);
    let mean = sum(sorted.iter().copied()) / sorted.len() as f64;
    let centred: Vec<f64> = sorted.iter().map(|x| x - mean).collect();
    let centers = even.windows(2).map(|pair| (pair[1] + pair[0]) * 0.5 - mean).collect();
    let centers: Vec<f64> = k_means(&centred, centers).into_iter().map(|center| center + mean).collect();
    let inner = centers.windows(2).map(|pair| (pair[1] + pair[0]) * 0.5);
    Ok([first].into_iter().chain(inner).chain([last]).collect())
}

/// The centres of the clusters of numbers in ascending order, ascending: Lloyd's iteration, which stops
/// and fills empty clusters as scikit-learn's `KMeans` does.
fn k_means(sorted: &[f64], mut centers: Vec<f64>) -> Vec<f64> {
    const MOST_ITERATIONS: usize = 300;
    let n = sorted.len() as f64;
    let mean = sum(sorted.iter().copied()) / n;
    let tolerance = 1e-4 * sum(sorted.iter().map(|x| (x - mean) * (x - mean))) / n;
    let mut labels = Vec::new();
    for _ in 0..MOST_ITERATIONS {
        let bounds = bounds(sorted, &centers);
        let next = means(sorted, &bounds, &centers);
        let shift: f64 = next.iter().zip(&centers).map(|(new, old)| (new - old) * (new - old)).sum();
        centers = next;
        let same = bounds == labels;
        labels = bounds;
        if same || shift <= tolerance {
            break;
        }
        // The nearest centre is found among ascending ones, and which centre is which does not matter.
        if !centers.is_sorted() {
            centers.sort_unstable_by(f64::total_cmp);
            labels.clear();
        }
    }
    centers.sort_unstable_by(f64::total_cmp);
    centers
}

/// For each cluster, up to which value the numbers are nearest to its centre; ties go to the lower.
fn bounds(sorted: &[f64], centers: &[f64]) -> Vec<usize> {
    let inner = centers.windows(2).map(|pair| {
        let nearer = |x: &f64| (x - pair[0]).abs() <= (x - pair[1]).abs();
        sorted.partition_point(nearer)
    });
    let mut bounds: Vec<usize> = inner.chain([sorted.len()]).collect();
    // Of equal centres the lower takes all that a higher centre does not.
    for i in (1..bounds.len()).rev() {
        bounds[i - 1] = bounds[i - 1].min(bounds[i]);
    }
    bounds
}

/// The means of the clusters; an empty one takes the number that is farthest from its own centre.
fn means(sorted: &[f64], bounds: &[usize], centers: &[f64]) -> Vec<f64> {
    let starts = [0].into_iter().chain(bounds.iter().copied());
    let ranges: Vec<(usize, usize)> = starts.zip(bounds.iter().copied()).collect();
    let mut sums: Vec<(f64, f64)> =
        ranges.iter().map(|(start, end)| (sum(sorted[*start..*end].iter().copied()), (end - start) as f64)).collect();
    let empty: Vec<usize> = (0..sums.len()).filter(|i| sums[*i].1 == 0.0).collect();
    if !empty.is_empty() {
        for (empty, (far, cluster)) in empty.into_iter().zip(farthest(sorted, &ranges, centers)) {
            sums[cluster].0 -= sorted[far];
            sums[cluster].1 -= 1.0;
            sums[empty] = (sorted[far], 1.0);
        }
    }
    // There is nothing to fill a cluster with if all numbers are centres: it goes to the largest one.
    let largest = sums.iter().copied().reduce(|most, other| if other.1 > most.1 { other } else { most });
    let mean = |(sum, count): (f64, f64)| sum / count;
    sums.into_iter().map(|cluster| mean(if cluster.1 > 0.0 { cluster } else { largest.unwrap_or(cluster) })).collect()
}

/// The numbers and their clusters, the farthest from its centre first; none if all are at their centres.
fn farthest(sorted: &[f64], ranges: &[(usize, usize)], centers: &[f64]) -> Vec<(usize, usize)> {
    let mut far: Vec<(f64, usize, usize)> = Vec::with_capacity(sorted.len());
    for (cluster, (start, end)) in ranges.iter().enumerate() {
        far.extend((*start..*end).map(|i| ((sorted[i] - centers[cluster]).powi(2), i, cluster)));
    }
    far.sort_by(|a, b| b.0.total_cmp(&a.0));
    let distinct = far.first().is_some_and(|(distance, ..)| *distance > 0.0);
    far.into_iter().filter(|_| distinct).map(|(_, i, cluster)| (i, cluster)).collect()
}

/// A sum with Neumaier's compensation.
pub(super) fn sum(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, lost) = numbers.fold((0.0f64, 0.0f64), |(sum, lost), x| {
        let total = sum + x;
        let rest = if sum.abs() >= x.abs() { (sum - total) + x } else { (x - total) + sum };
        (total, lost + rest)
    });
    sum + lost
}
