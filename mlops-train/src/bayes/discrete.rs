//! Counts: of words, of yes and no, of categories.

use std::collections::BTreeMap;

use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::model::{Batch, Priors};

/// How a row speaks for a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reading {
    /// A feature is there or not: it is if greater than `binarize`.
    Bernoulli { binarize: f64 },
    /// Words counted, by how much they are missing from the other classes.
    Complement { norm: bool },
    /// Words counted.
    Multinomial,
}

/// Sums of features by class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counts {
    pub(super) reading: Reading,
    alpha: f64,
    classes: Vec<f64>,
    /// For each class one sum a feature.
    features: Vec<Vec<f64>>,
}

impl Counts {
    pub(super) fn new(reading: Reading, alpha: f64, classes: usize, width: usize) -> Self {
        Self { reading, alpha, classes: vec![0.0; classes], features: vec![vec![0.0; width]; classes] }
    }

    pub(super) fn learn(&mut self, batch: &Batch<'_>) -> Result<()> {
        for row in 0..batch.rows() {
            let (class, weight) = (batch.target[row], batch.weight(row));
            self.classes[class] += weight;
            for (i, (sum, x)) in self.features[class].iter_mut().zip(batch.row(row)).enumerate() {
                *sum += weight
                    * match self.reading {
                        Reading::Bernoulli { binarize } => f64::from(u8::from(*x > binarize)),
                        _ if *x < 0.0 => return Err(batch.negative(row, i)),
                        _ => *x,
                    };
            }
        }
        Ok(())
    }

    pub(super) fn counts(&self) -> Vec<f64> {
        self.classes.clone()
    }

    pub(super) fn fits(&self, classes: usize, width: usize) -> bool {
        let numbers = self.features.iter().flatten().chain(&self.classes).chain([&self.alpha]);
        self.classes.len() == classes
            && self.features.len() == classes
            && self.features.iter().all(|sums| sums.len() == width)
            && numbers.into_iter().all(|x| x.is_finite() && *x >= 0.0)
    }

    /// A constant for each class, and a factor for each class and feature.
    pub(super) fn table(&self, priors: &Priors) -> LinearTable {
        let binarize = match self.reading {
            Reading::Bernoulli { binarize } => Some(binarize),
            _ => None,
        };
        let of_class = |class: usize| match self.reading {
            Reading::Bernoulli { .. } => self.bernoulli(class, priors),
            Reading::Complement { norm } => (0.0, self.complement(class, norm)),
            Reading::Multinomial => (priors.log[class], log_shares(&self.features[class], self.alpha)),
        };
        LinearTable { binarize, classes: (0..self.classes.len()).map(of_class).collect() }
    }

    /// The log odds of every feature; the constant is for a row without any.
    fn bernoulli(&self, class: usize, priors: &Priors) -> (f64, Vec<f64>) {
        let of_all = self.classes[class] + 2.0 * self.alpha;
        let share = |sum: &f64| (sum + self.alpha) / of_all;
        let without: f64 = self.features[class].iter().map(|sum| (-share(sum)).ln_1p()).sum();
        let odds = self.features[class].iter().map(|sum| share(sum).ln() - (-share(sum)).ln_1p());
        (priors.log[class] + without, odds.collect())
    }

    fn complement(&self, class: usize, norm: bool) -> Vec<f64> {
        let total = |i: usize| self.features.iter().map(|sums| sums[i]).sum::<f64>();
        let others: Vec<f64> = self.features[class].iter().enumerate().map(|(i, sum)| total(i) - sum).collect();
        let logs = log_shares(&others, self.alpha);
        let size: f64 = logs.iter().sum();
        logs.into_iter().map(|log| if norm { log / size } else { -log }).collect()
    }
}

fn log_shares(sums: &[f64], alpha: f64) -> Vec<f64> {
    let total: f64 = sums.iter().map(|sum| sum + alpha).sum();
    sums.iter().map(|sum| (sum + alpha).ln() - total.ln()).collect()
}

/// Scores that are linear in the features, or in whether they are there.
#[derive(Clone, Debug)]
pub(super) struct LinearTable {
    binarize: Option<f64>,
    classes: Vec<(f64, Vec<f64>)>,
}

impl LinearTable {
    pub(super) fn is_finite(&self) -> bool {
        self.classes.iter().all(|(_, factors)| factors.iter().all(|f| f.is_finite()))
    }

    pub(super) fn score(&self, row: &[f64], class: usize) -> f64 {
        let (constant, factors) = &self.classes[class];
        let there = |x: f64, from: f64| if x.is_nan() { x } else { f64::from(u8::from(x > from)) };
        constant
            + match self.binarize {
                Some(from) => row.iter().zip(factors).map(|(x, factor)| there(*x, from) * factor).sum::<f64>(),
                None => row.iter().zip(factors).map(|(x, factor)| x * factor).sum(),
            }
    }
}

/// How often each category was seen with each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Categories {
    alpha: f64,
    classes: Vec<f64>,
    /// For each feature and category that was seen one count a class.
    features: Vec<BTreeMap<u32, Vec<f64>>>,
}

impl Categories {
    pub(super) fn new(alpha: f64, classes: usize, width: usize) -> Self {
        Self { alpha, classes: vec![0.0; classes], features: vec![BTreeMap::new(); width] }
    }

    pub(super) fn learn(&mut self, batch: &Batch<'_>) -> Result<()> {
        let classes = self.classes.len();
        for row in 0..batch.rows() {
            let (class, weight) = (batch.target[row], batch.weight(row));
            self.classes[class] += weight;
            for (i, x) in batch.row(row).iter().enumerate() {
                let category = category(*x).ok_or_else(|| {
                    Error::data(format!(
                        "feature '{}' is {x} in row {}: the number of a category is needed, from 0 to {}; encode it \
                         first (OrdinalEncoder)",
                        batch.names[i],
                        row + 1,
                        u32::MAX
                    ))
                })?;
                self.features[i].entry(category).or_insert_with(|| vec![0.0; classes])[class] += weight;
            }
        }
        Ok(())
    }

    pub(super) fn counts(&self) -> Vec<f64> {
        self.classes.clone()
    }

    pub(super) fn fits(&self, classes: usize, width: usize) -> bool {
        let counts = || self.features.iter().flat_map(BTreeMap::values);
        let mut numbers = counts().flatten().chain(&self.classes).chain([&self.alpha]);
        self.classes.len() == classes
            && self.features.len() == width
            && counts().all(|counts| counts.len() == classes)
            && numbers.all(|x| x.is_finite() && *x >= 0.0)
    }

    pub(super) fn table(&self, priors: &Priors) -> CategoryTable {
        let of_feature = |counts: &BTreeMap<u32, Vec<f64>>| {
            // As many as scikit-learn takes there to be: all up to the greatest.
            let categories = counts.last_key_value().map_or(0.0, |(last, _)| f64::from(*last) + 1.0);
            let total = |class: usize| (self.classes[class] + self.alpha * categories).ln();
            let log = |(class, n): (usize, &f64)| (n + self.alpha).ln() - total(class);
            let seen =
                counts.iter().map(|(category, n)| (*category, n.iter().enumerate().map(log).collect())).collect();
            // What was never seen counts as a category without rows.
            let unseen = (0..self.classes.len()).map(|class| self.alpha.ln() - total(class)).collect();
            Logs { seen, unseen }
        };
        CategoryTable { priors: priors.log.clone(), features: self.features.iter().map(of_feature).collect() }
    }
}

/// The category that a number stands for.
fn category(x: f64) -> Option<u32> {
    (x >= 0.0 && x.fract() == 0.0 && x <= f64::from(u32::MAX)).then_some(x as u32)
}

/// The logarithms of the shares of the categories of a feature, one a class.
#[derive(Clone, Debug)]
struct Logs {
    seen: BTreeMap<u32, Vec<f64>>,
    unseen: Vec<f64>,
}

#[derive(Clone, Debug)]
pub(super) struct CategoryTable {
    priors: Vec<f64>,
    features: Vec<Logs>,
}

impl CategoryTable {
    pub(super) fn is_finite(&self) -> bool {
        self.features.iter().all(|logs| logs.seen.values().chain([&logs.unseen]).flatten().all(|log| log.is_finite()))
    }

    /// NaN for a row with what can't be the number of a category.
    pub(super) fn score(&self, row: &[f64], class: usize) -> f64 {
        let of_feature = |(x, logs): (&f64, &Logs)| match category(*x) {
            Some(category) => logs.seen.get(&category).unwrap_or(&logs.unseen)[class],
            None => f64::NAN,
        };
        self.priors[class] + row.iter().zip(&self.features).map(of_feature).sum::<f64>()
    }
}
