//! Measures of association on a sample.

use serde::Serialize;

use super::relations::codes;

/// Into so many bins numbers are put, and so many categories told apart, for mutual information;
/// the rest is one more.
const BINS: usize = 16;

/// How two columns are related. A measure is `None` where it is not defined for their kinds, or one
/// of them is constant.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Relation {
    /// The one column.
    pub left: String,
    /// The other column.
    pub right: String,
    /// Pearson's correlation of all rows.
    pub pearson: Option<f64>,
    /// Spearman's rank correlation.
    pub spearman: Option<f64>,
    /// Cramér's V, corrected for bias.
    pub cramers_v: Option<f64>,
    /// By how much categories tell a number: the root of epsilon².
    pub correlation_ratio: Option<f64>,
    /// Mutual information in nats.
    pub mutual_information: Option<f64>,
}

impl Relation {
    /// How close the relation is, from 0 to 1: the greatest of the measures, mutual information
    /// left aside.
    pub fn strength(&self) -> f64 {
        let measures = [self.pearson, self.spearman, self.cramers_v, self.correlation_ratio];
        measures.into_iter().flatten().map(f64::abs).fold(0.0, f64::max)
    }
}

/// A column of the sample.
pub(super) struct Cells {
    is_category: bool,
    values: Vec<Option<u64>>,
    /// The bin or the category, if it is one of the most frequent, of each value.
    bins: Vec<Option<usize>>,
}

impl Cells {
    pub(super) fn of(is_category: bool, values: impl Iterator<Item = Option<u64>>) -> Self {
        let values: Vec<Option<u64>> = values.collect();
        let bins = if is_category { frequent(&values) } else { binned(&values) };
        Self { is_category, values, bins }
    }
}

/// The most frequent values as codes, all others as one more.
fn frequent(values: &[Option<u64>]) -> Vec<Option<usize>> {
    let mut counts: Vec<(u64, u64)> = codes(values.iter().flatten().copied()).into_iter().collect();
    counts.sort_by_key(|(value, count)| (std::cmp::Reverse(*count), *value));
    let code = |value: &u64| counts.iter().take(BINS).position(|(known, _)| known == value).unwrap_or(BINS);
    values.iter().map(|value| value.as_ref().map(code)).collect()
}

/// Bins of about equal count; equal numbers share a bin.
fn binned(values: &[Option<u64>]) -> Vec<Option<usize>> {
    let numbers: Vec<Option<f64>> = values.iter().map(|value| value.map(f64::from_bits)).collect();
    let mut sorted: Vec<f64> = numbers.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let mut edges: Vec<f64> = (1..BINS).filter_map(|i| sorted.get(i * sorted.len() / BINS).copied()).collect();
    edges.dedup();
    numbers.iter().map(|x| x.map(|x| edges.partition_point(|edge| *edge <= x))).collect()
}

pub(super) fn relation((left, right): (String, String), x: &Cells, y: &Cells, pearson: Option<f64>) -> Relation {
    let mut relation = Relation {
        left,
        right,
        pearson: None,
        spearman: None,
        cramers_v: None,
        correlation_ratio: None,
        mutual_information: mutual_information(&x.bins, &y.bins),
    };
    match (x.is_category, y.is_category) {
        (false, false) => (relation.pearson, relation.spearman) = (pearson, spearman(&x.values, &y.values)),
        (true, true) => relation.cramers_v = cramers_v(&x.bins, &y.bins),
        (true, false) => relation.correlation_ratio = correlation_ratio(&x.bins, &y.values),
        (false, true) => relation.correlation_ratio = correlation_ratio(&y.bins, &x.values),
    }
    relation
}

/// The rows where both have a value.
fn both<A: Copy, B: Copy>(x: &[Option<A>], y: &[Option<B>]) -> Vec<(A, B)> {
    x.iter().zip(y).filter_map(|(x, y)| Some(((*x)?, (*y)?))).collect()
}

/// The correlation of the ranks; equal numbers share the mean of theirs.
fn spearman(x: &[Option<u64>], y: &[Option<u64>]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = both(x, y).into_iter().map(|(x, y)| (f64::from_bits(x), f64::from_bits(y))).collect();
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let mut ranks = mlops_core::sketch::CoMoments::default();
    ranks.update_slices(&mean_ranks(&x), &mean_ranks(&y));
    ranks.correlation().filter(|_| x.len() > 2)
}

fn mean_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for ties in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (ties.len() + 1) as f64 / 2.0;
        ties.iter().for_each(|row| ranks[*row] = rank);
        before += ties.len();
    }
    ranks
}

/// How often each pair of codes occurs, by rows of codes of `x`.
fn contingency(pairs: &[(usize, usize)]) -> Vec<Vec<f64>> {
    let width = 1 + pairs.iter().map(|(_, y)| *y).max().unwrap_or(0);
    let height = 1 + pairs.iter().map(|(x, _)| *x).max().unwrap_or(0);
    let mut table = vec![vec![0.0; width]; height];
    pairs.iter().for_each(|(x, y)| table[*x][*y] += 1.0);
    table
}

fn margins(table: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let rows = table.iter().map(|row| row.iter().sum()).collect();
    let columns = (0..table.first().map_or(0, Vec::len)).map(|c| table.iter().map(|row| row[c]).sum()).collect();
    (rows, columns)
}

/// Bergsma, "A bias-correction for Cramér's V and Tschuprow's T" (2013).
fn cramers_v(x: &[Option<usize>], y: &[Option<usize>]) -> Option<f64> {
    let pairs = both(x, y);
    let table = contingency(&pairs);
    let (rows, columns) = margins(&table);
    let n = pairs.len() as f64;
    let mut chi = 0.0;
    for (row, in_row) in table.iter().zip(&rows) {
        for (seen, in_column) in row.iter().zip(&columns) {
            let expected = in_row * in_column / n;
            chi += if expected > 0.0 { (seen - expected).powi(2) / expected } else { 0.0 };
        }
    }
    let used = |margin: &[f64]| margin.iter().filter(|count| **count > 0.0).count() as f64;
    let (r, k) = (used(&rows), used(&columns));
    let phi = (chi / n - (k - 1.0) * (r - 1.0) / (n - 1.0)).max(0.0);
    let corrected = |size: f64| size - (size - 1.0).powi(2) / (n - 1.0);
    let least = corrected(r).min(corrected(k)) - 1.0;
    (n > 2.0 && r > 1.0 && k > 1.0 && least > 0.0).then(|| (phi / least).sqrt().min(1.0))
}

/// The root of epsilon² = 1 - (1 - eta²)(n - 1) / (n - k) (Kelley 1935).
fn correlation_ratio(categories: &[Option<usize>], numbers: &[Option<u64>]) -> Option<f64> {
    let pairs: Vec<(usize, f64)> =
        both(categories, numbers).into_iter().map(|(category, bits)| (category, f64::from_bits(bits))).collect();
    let n = pairs.len() as f64;
    let mean = pairs.iter().map(|(_, x)| x).sum::<f64>() / n;
    let mut groups = vec![(0.0, 0.0); BINS + 1];
    pairs.iter().for_each(|(category, x)| {
        groups[*category].0 += 1.0;
        groups[*category].1 += x - mean;
    });
    let total: f64 = pairs.iter().map(|(_, x)| (x - mean).powi(2)).sum();
    let groups: Vec<(f64, f64)> = groups.into_iter().filter(|(count, _)| *count > 0.0).collect();
    let between: f64 = groups.iter().map(|(count, sum)| sum * sum / count).sum();
    let k = groups.len() as f64;
    let epsilon = 1.0 - (1.0 - between / total) * (n - 1.0) / (n - k);
    (total > 0.0 && n > k && k > 1.0).then(|| epsilon.clamp(0.0, 1.0).sqrt())
}

/// The mutual information of codes, less what chance gives (Miller 1955); none if either is constant.
fn mutual_information(x: &[Option<usize>], y: &[Option<usize>]) -> Option<f64> {
    let pairs = both(x, y);
    let table = contingency(&pairs);
    let (rows, columns) = margins(&table);
    let n = pairs.len() as f64;
    let entropy = |counts: &mut dyn Iterator<Item = f64>| -> (f64, f64) {
        let counts: Vec<f64> = counts.filter(|count| *count > 0.0).collect();
        (counts.iter().map(|count| -count / n * (count / n).ln()).sum(), counts.len() as f64)
    };
    let (of_x, r) = entropy(&mut rows.iter().copied());
    let (of_y, k) = entropy(&mut columns.iter().copied());
    let (of_both, cells) = entropy(&mut table.iter().flatten().copied());
    let correction = (r + k - cells - 1.0) / (2.0 * n);
    (r > 1.0 && k > 1.0).then(|| (of_x + of_y - of_both + correction).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(values: &[f64]) -> Vec<Option<u64>> {
        values.iter().map(|x| Some(x.to_bits())).collect()
    }

    #[test]
    fn ranks_of_ties_are_shared() {
        assert_eq!(mean_ranks(&[10.0, 20.0, 10.0, 30.0]), [1.5, 3.0, 1.5, 4.0]);
        // scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])
        let rho = spearman(&bits(&[1.0, 2.0, 3.0, 4.0, 5.0]), &bits(&[5.0, 6.0, 7.0, 8.0, 7.0])).unwrap();
        assert!((rho - 0.820_782_681_668_123).abs() < 1e-12);
    }

    #[test]
    fn what_determines_another_is_told_from_what_does_not() {
        let x: Vec<Option<usize>> = (0..600).map(|i| Some(i % 3)).collect();
        let same: Vec<Option<usize>> = (0..600).map(|i| Some((i + 1) % 3)).collect();
        let other: Vec<Option<usize>> = (0..600).map(|i| Some(i / 3 % 2)).collect();
        assert!(cramers_v(&x, &same).unwrap() > 0.99 && cramers_v(&x, &other).unwrap() < 0.05);
        assert!((mutual_information(&x, &same).unwrap() - 3f64.ln()).abs() < 0.01);
        assert!(mutual_information(&x, &other).unwrap() < 0.01);
        let numbers = bits(&(0..600).map(|i| f64::from(i % 3) * 10.0).collect::<Vec<_>>());
        assert!(correlation_ratio(&x, &numbers).unwrap() > 0.99 && correlation_ratio(&other, &numbers).unwrap() < 0.05);
        assert_eq!(cramers_v(&[Some(0); 9], &[Some(1); 9]), None);
        assert_eq!((spearman(&[], &[]), mutual_information(&[], &[]), correlation_ratio(&[], &[])), (None, None, None));
    }
}
