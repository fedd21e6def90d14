use std::collections::BTreeMap;

use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// How two ways to put rows into groups agree, whatever the groups are called: a clustering beside the
/// truth, or beside another clustering.
///
/// It is a fold: rows may come in pieces, and pieces [merge](Self::merge); it takes memory for each pair
/// of groups that occurs. The first grouping is the truth where that makes a difference.
///
/// # Example
/// ```
/// use mlops_train::metrics::Contingency;
///
/// let agreement = Contingency::of(&[0, 0, 1, 1], &[5, 5, 9, 9])?;
/// assert_eq!((agreement.adjusted_rand_index(), agreement.v_measure(1.0)), (1.0, 1.0));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(i64, i64, u64)>", into = "Vec<(i64, i64, u64)>")]
pub struct Contingency {
    cells: BTreeMap<(i64, i64), u64>,
}

impl From<Vec<(i64, i64, u64)>> for Contingency {
    fn from(cells: Vec<(i64, i64, u64)>) -> Self {
        let mut table = Self::default();
        cells.into_iter().for_each(|(a, b, rows)| *table.cells.entry((a, b)).or_default() += rows);
        table
    }
}

impl From<Contingency> for Vec<(i64, i64, u64)> {
    fn from(table: Contingency) -> Self {
        table.cells.into_iter().map(|((a, b), rows)| (a, b, rows)).collect()
    }
}

/// What the information that two groupings share is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InformationAverage {
    /// The mean of the two entropies.
    #[default]
    Arithmetic,
    /// Their geometric mean.
    Geometric,
    /// The greater one.
    Max,
    /// The smaller one.
    Min,
}

impl InformationAverage {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Arithmetic => f64::midpoint(a, b),
            Self::Geometric => (a * b).sqrt(),
            Self::Max => a.max(b),
            Self::Min => a.min(b),
        }
    }
}

impl Contingency {
    /// Of two groupings of the same rows.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn of(truth: &[i64], groups: &[i64]) -> Result<Self> {
        let mut table = Self::default();
        table.update(truth, groups)?;
        Ok(table)
    }

    /// Takes in more rows.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for different lengths.
    pub fn update(&mut self, truth: &[i64], groups: &[i64]) -> Result<()> {
        if truth.len() != groups.len() {
            return Err(Error::data(format!(
                "{} and {} rows: both groupings must be of the same",
                truth.len(),
                groups.len()
            )));
        }
        truth.iter().zip(groups).for_each(|(a, b)| *self.cells.entry((*a, *b)).or_default() += 1);
        Ok(())
    }

    /// Takes in what another has counted.
    pub fn merge(&mut self, other: &Self) {
        other.cells.iter().for_each(|(cell, rows)| *self.cells.entry(*cell).or_default() += rows);
    }

    fn rows(&self) -> u64 {
        self.cells.values().sum()
    }

    /// The sizes of the groups of the truth, and of the others.
    fn sizes(&self) -> (BTreeMap<i64, u64>, BTreeMap<i64, u64>) {
        let (mut truth, mut groups) = (BTreeMap::new(), BTreeMap::new());
        for ((a, b), rows) in &self.cells {
            *truth.entry(*a).or_default() += rows;
            *groups.entry(*b).or_default() += rows;
        }
        (truth, groups)
    }

    /// Pairs of rows that are together in both, in the truth alone, in the other alone, and in
    /// neither; each pair counts twice.
    fn pairs(&self) -> (f64, f64, f64, f64) {
        let squares = |sizes: &mut dyn Iterator<Item = u64>| sizes.map(|n| u128::from(n) * u128::from(n)).sum::<u128>();
        let (truth, groups) = self.sizes();
        let rows = u128::from(self.rows());
        let both = squares(&mut self.cells.values().copied());
        let (in_truth, in_groups) = (squares(&mut truth.into_values()), squares(&mut groups.into_values()));
        let neither = rows * rows + both - in_truth - in_groups;
        ((both - rows) as f64, (in_truth - both) as f64, (in_groups - both) as f64, neither as f64)
    }

    /// The share of pairs of rows on which both agree; 1 for fewer than two rows.
    pub fn rand_index(&self) -> f64 {
        let (both, truth, groups, neither) = self.pairs();
        let (agree, all) = (both + neither, both + truth + groups + neither);
        if agree == all { 1.0 } else { agree / all }
    }

    /// [`Self::rand_index`] so that chance gives 0 and equal groupings 1 (Hubert and Arabie, "Comparing
    /// partitions", 1985).
    pub fn adjusted_rand_index(&self) -> f64 {
        let (both, truth, groups, neither) = self.pairs();
        if truth == 0.0 && groups == 0.0 {
            return 1.0;
        }
        2.0 * (both * neither - truth * groups)
            / ((both + truth) * (truth + neither) + (both + groups) * (groups + neither))
    }

    /// The geometric mean of precision and recall of pairs that are together (Fowlkes and Mallows, "A
    /// method for comparing two hierarchical clusterings", 1983).
    pub fn fowlkes_mallows(&self) -> f64 {
        let (both, truth, groups, _) = self.pairs();
        if both == 0.0 { 0.0 } else { (both / (both + groups)).sqrt() * (both / (both + truth)).sqrt() }
    }

    /// The information that the two share, in nats.
    pub fn mutual_information(&self) -> f64 {
        let (truth, groups) = self.sizes();
        if truth.len() < 2 || groups.len() < 2 {
            return 0.0;
        }
        let rows = self.rows() as f64;
        let part = |((a, b), n): (&(i64, i64), &u64)| {
            let (n, outer) = (*n as f64, truth[a] as f64 * groups[b] as f64);
            let part = n / rows * ((n.ln() - rows.ln()) + (2.0 * rows.ln() - outer.ln()));
            if part.abs() < f64::EPSILON { 0.0 } else { part }
        };
        self.cells.iter().map(part).sum::<f64>().max(0.0)
    }

    /// [`Self::mutual_information`] as a share of an average of the entropies.
    pub fn normalized_mutual_information(&self, average: InformationAverage) -> f64 {
        let (truth, groups) = self.sizes();
        if truth.len() < 2 && groups.len() < 2 {
            return 1.0;
        }
        let shared = self.mutual_information();
        if shared == 0.0 { 0.0 } else { shared / average.of(entropy(&truth), entropy(&groups)) }
    }

    /// [`Self::normalized_mutual_information`] so that chance gives 0 (Vinh, Epps and Bailey,
    /// "Information theoretic measures for clusterings comparison", 2010). Takes time by the number of
    /// groups of both and their size.
    pub fn adjusted_mutual_information(&self, average: InformationAverage) -> f64 {
        let (truth, groups) = self.sizes();
        match (truth.len(), groups.len()) {
            (0 | 1, 0 | 1) => return 1.0,
            (1, _) | (_, 1) => return 0.0,
            _ => {}
        }
        let by_chance = expected_information(&truth, &groups, self.rows());
        let away_from_zero = |x: f64| if x < 0.0 { x.min(-f64::EPSILON) } else { x.max(f64::EPSILON) };
        let most = away_from_zero(average.of(entropy(&truth), entropy(&groups)) - by_chance);
        away_from_zero(self.mutual_information() - by_chance) / most
    }

    /// Whether each group has rows of one true group alone: 1 if so.
    pub fn homogeneity(&self) -> f64 {
        let entropy = entropy(&self.sizes().0);
        if entropy == 0.0 { 1.0 } else { self.mutual_information() / entropy }
    }

    /// Whether all rows of a true group are in one group: 1 if so.
    pub fn completeness(&self) -> f64 {
        let entropy = entropy(&self.sizes().1);
        if entropy == 0.0 { 1.0 } else { self.mutual_information() / entropy }
    }

    /// The harmonic mean of [`Self::homogeneity`] and [`Self::completeness`], the latter counting
    /// `beta` times as much (Rosenberg and Hirschberg, "V-measure", 2007).
    pub fn v_measure(&self, beta: f64) -> f64 {
        let (homogeneity, completeness) = (self.homogeneity(), self.completeness());
        if homogeneity + completeness == 0.0 {
            return 0.0;
        }
        (1.0 + beta) * homogeneity * completeness / (beta * homogeneity + completeness)
    }
}

fn entropy(sizes: &BTreeMap<i64, u64>) -> f64 {
    if sizes.len() < 2 {
        return 0.0;
    }
    let rows = sizes.values().sum::<u64>() as f64;
    -sizes.values().map(|n| *n as f64 / rows * ((*n as f64).ln() - rows.ln())).sum::<f64>()
}

/// The information that two random groupings of these sizes share.
fn expected_information(truth: &BTreeMap<i64, u64>, groups: &BTreeMap<i64, u64>, rows: u64) -> f64 {
    let ln_factorials = ln_factorials(rows);
    let ln_factorial = |n: u64| ln_factorials[n as usize];
    let n = rows as f64;
    let mut sum = 0.0;
    for a in truth.values().copied() {
        for b in groups.values().copied() {
            let fixed = ln_factorial(a) + ln_factorial(b) + ln_factorial(rows - a) + ln_factorial(rows - b);
            for both in (a + b).saturating_sub(rows).max(1)..=a.min(b) {
                let ln_chance = fixed
                    - ln_factorial(rows)
                    - ln_factorial(both)
                    - ln_factorial(a - both)
                    - ln_factorial(b - both)
                    - ln_factorial(rows + both - a - b);
                let information = (n.ln() + (both as f64).ln()) - (a as f64).ln() - (b as f64).ln();
                sum += both as f64 / n * information * ln_chance.exp();
            }
        }
    }
    sum
}

/// The logarithms of 0!, 1!, and so on up to `rows`!, each right to the last digits.
fn ln_factorials(rows: u64) -> Vec<f64> {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    let mut all = vec![0.0];
    for n in 1..=rows {
        let term = (n as f64).ln() - lost;
        let next = sum + term;
        lost = (next - sum) - term;
        sum = next;
        all.push(sum);
    }
    all
}
