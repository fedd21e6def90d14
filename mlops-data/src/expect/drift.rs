use std::fmt;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::time::nanos_per_tick;
use crate::profile::{ColumnProfile, Values};

/// How far the distribution of a column may be from that of a reference: yesterday's delivery, or
/// the data that a model was trained on.
///
/// The reference is kept as the shares of some bins or texts, so what is checked is exact, folds in
/// constant memory and needs no reference data. Nulls and NaN are left out on both sides.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::expect::{Column, Distribution, Drift, Expectations, Measure};
/// use mlops_data::profile::Profile;
/// # let training = arrow::array::record_batch!(("minutes", Float64, [10.0, 20.0, 30.0, 40.0]))?;
/// # let serving = arrow::array::record_batch!(("minutes", Float64, [31.0, 45.0, 39.0, 40.0]))?;
///
/// let trained = Profile::of(&Table::from_batch(training))?;
/// let reference = Distribution::of(trained.column("minutes").expect("a column")).expect("it has values");
/// let expected = Expectations::new([Column::number("minutes").drift(Drift::new(Measure::Ks, 0.2, reference))]);
///
/// let report = expected.check(&Table::from_batch(serving))?.report;
/// assert!(!report.is_clean());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Drift {
    /// How the distance is measured.
    pub measure: Measure,
    /// The greatest distance that passes.
    pub limit: f64,
    /// What the values are compared with; without one the check fails, until
    /// [`Expectations::with_reference`](super::Expectations::with_reference) gives it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Distribution>,
}

/// A distance between two distributions, of the shares *p* of the reference and *q* of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// The Jensen-Shannon divergence to base 2: from 0 to 1.
    JensenShannon,
    /// The Kolmogorov-Smirnov statistic, the greatest distance of the distribution functions, at the
    /// edges of the bins: from 0 to 1. For numbers and hours.
    Ks,
    /// The greatest difference of a share, max |*q* - *p*|: from 0 to 1.
    LInfinity,
    /// The population stability index, Σ (*q* - *p*) ln(*q* / *p*), with shares of at least 0.0001.
    /// As a rule of thumb 0.1 is a small shift and 0.25 a large one.
    Psi,
}

/// The shares of the values of a reference column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Distribution {
    /// Of texts, or of true and false.
    Categories {
        /// The values, each once.
        values: Vec<String>,
        /// The share of each, and one more: that of all other values.
        shares: Vec<f64>,
    },
    /// Of times, by the hour of their day in UTC: shows a zone that was forgotten.
    Hours {
        /// The share of each of the 24 hours.
        shares: Vec<f64>,
    },
    /// Of numbers.
    Numbers {
        /// The edges between the bins, ascending.
        edges: Vec<f64>,
        /// The share of the numbers up to the first edge, up to each next one, and above the last.
        shares: Vec<f64>,
    },
}

impl Drift {
    /// A limit on the distance to a reference.
    pub fn new(measure: Measure, limit: f64, reference: Distribution) -> Self {
        Self { measure, limit, reference: Some(reference) }
    }

    /// A limit on the distance to a reference that
    /// [`Expectations::with_reference`](super::Expectations::with_reference) gives.
    pub fn to_reference(measure: Measure, limit: f64) -> Self {
        Self { measure, limit, reference: None }
    }

    pub(super) fn check(&self) -> Result<()> {
        if !(self.limit >= 0.0 && self.limit.is_finite()) {
            return Err(Error::config(format!("the limit of '{self}' is no distance: give a number from 0 on")));
        }
        match (&self.reference, self.measure) {
            (Some(Distribution::Categories { .. }), Measure::Ks) => Err(Error::config(
                "the Kolmogorov-Smirnov statistic is for numbers: compare categories by l_infinity, jensen_shannon or psi",
            )),
            (Some(reference), _) => reference.check(),
            (None, _) => Ok(()),
        }
    }
}

impl Distribution {
    /// So many bins of equal count do for numbers.
    const BINS: usize = 20;
    /// So many texts are told apart.
    const TEXTS: usize = 50;

    /// The distribution of a column that was profiled; none if it has no finite number, text or
    /// boolean. At most 20 bins of equal count, or the 50 most frequent texts.
    pub fn of(column: &ColumnProfile) -> Option<Self> {
        match column.values() {
            Values::Boolean(both) => {
                let total = (both.trues + both.falses) as f64;
                let shares = vec![both.falses as f64 / total, both.trues as f64 / total, 0.0];
                let values = vec!["false".to_owned(), "true".to_owned()];
                (total > 0.0).then_some(Self::Categories { values, shares })
            }
            Values::Number(numbers) => {
                let sketch = numbers.sketch();
                let qs: Vec<f64> = (0..=Self::BINS).map(|i| i as f64 / Self::BINS as f64).collect();
                let mut edges = sketch.quantiles(&qs)?;
                // So that what is less than the least has a bin of its own.
                edges.insert(0, edges[0].next_down());
                edges.dedup();
                let up_to = sketch.cdf(&edges)?;
                Some(Self::Numbers { shares: steps(&up_to), edges })
            }
            Values::Text(texts) if column.count() > 0 => {
                let hits = texts.top(Self::TEXTS);
                let count = column.count() as f64;
                let mut shares: Vec<f64> = hits.iter().map(|hit| hit.count as f64 / count).collect();
                shares.push((1.0 - shares.iter().sum::<f64>()).max(0.0));
                Some(Self::Categories { values: hits.into_iter().map(|hit| hit.value).collect(), shares })
            }
            _ => None,
        }
    }

    pub(super) fn shares(&self) -> &[f64] {
        match self {
            Self::Categories { shares, .. } | Self::Hours { shares } | Self::Numbers { shares, .. } => shares,
        }
    }

    /// The distribution of the hours of a column of times; none if it has no time, or is of another
    /// type.
    pub fn hours_of(column: &ArrayRef) -> Option<Self> {
        let mut bins = vec![0; 24];
        if !matches!(column.data_type(), DataType::Timestamp(..) | DataType::Date64) {
            return None;
        }
        count_hours(&mut bins, column).ok()?;
        let total: u64 = bins.iter().sum();
        let shares = bins.iter().map(|count| *count as f64 / total as f64).collect();
        (total > 0).then_some(Self::Hours { shares })
    }

    /// The shares of another column in the same bins; none if it has no value of that kind.
    pub(super) fn shares_of(&self, column: &ColumnProfile) -> Option<Vec<f64>> {
        match (self, column.values()) {
            (Self::Numbers { edges, .. }, Values::Number(numbers)) => Some(steps(&numbers.sketch().cdf(edges)?)),
            (Self::Categories { values, .. }, Values::Text(_) | Values::Boolean(_)) => {
                let Self::Categories { values: theirs, shares } = Self::of(column)? else { return None };
                let share = |value: &String| theirs.iter().position(|other| other == value).map_or(0.0, |i| shares[i]);
                let mut found: Vec<f64> = values.iter().map(share).collect();
                found.push((1.0 - found.iter().sum::<f64>()).max(0.0));
                Some(found)
            }
            _ => None,
        }
    }

    /// With shares of four digits, for people.
    pub(super) fn rounded(mut self) -> Self {
        let (Self::Categories { shares, .. } | Self::Hours { shares } | Self::Numbers { shares, .. }) = &mut self;
        shares.iter_mut().for_each(|share| *share = (*share * 1e4).round() / 1e4);
        self
    }

    fn check(&self) -> Result<()> {
        let (count, ordered) = match self {
            Self::Categories { values, .. } => {
                let mut seen: Vec<&String> = values.iter().collect();
                seen.sort_unstable();
                (values.len(), seen.windows(2).all(|pair| pair[0] != pair[1]))
            }
            Self::Hours { .. } => (23, true),
            Self::Numbers { edges, .. } => (
                edges.len(),
                edges.iter().all(|edge| edge.is_finite()) && edges.windows(2).all(|pair| pair[0] < pair[1]),
            ),
        };
        let shares = self.shares();
        let total: f64 = shares.iter().sum();
        if ordered && shares.len() == count + 1 && shares.iter().all(|p| *p >= 0.0) && (total - 1.0).abs() < 1e-2 {
            return Ok(());
        }
        Err(Error::config(
            "a reference distribution needs ascending edges or different values, one share more than those, \
             and shares that add up to 1: take it from a profile",
        ))
    }
}

impl Measure {
    /// The distance of two distributions over the same bins.
    pub(super) fn distance(self, reference: &[f64], observed: &[f64]) -> f64 {
        let pairs = || reference.iter().zip(observed).map(|(p, q)| (*p, *q));
        match self {
            Self::JensenShannon => {
                let part = |x: f64, mean: f64| if x > 0.0 { x * (x / mean).log2() } else { 0.0 };
                let sum: f64 = pairs().map(|(p, q)| part(p, (p + q) / 2.0) + part(q, (p + q) / 2.0)).sum();
                (sum / 2.0).clamp(0.0, 1.0)
            }
            Self::Ks => {
                let mut gap = 0.0;
                let gaps = pairs().map(|(p, q)| {
                    gap += q - p;
                    f64::abs(gap)
                });
                gaps.fold(0.0, f64::max)
            }
            Self::LInfinity => pairs().map(|(p, q)| (q - p).abs()).fold(0.0, f64::max),
            Self::Psi => {
                const LEAST: f64 = 1e-4;
                pairs().map(|(p, q)| (p.max(LEAST), q.max(LEAST))).map(|(p, q)| (q - p) * (q / p).ln()).sum()
            }
        }
    }
}

/// Counts times by the hour of their day.
pub(super) fn count_hours(bins: &mut [u64], column: &ArrayRef) -> Result<()> {
    let a_day = (86_400_000_000_000 / nanos_per_tick(column.data_type())).max(1);
    let ticks = cast(column, &DataType::Int64)?;
    for tick in ticks.as_primitive::<Int64Type>().iter().flatten() {
        // Below a day, of at most 86,400,000,000,000 ticks.
        bins[(tick.rem_euclid(a_day) * 24 / a_day) as usize] += 1;
    }
    Ok(())
}

/// What a distribution function gains from point to point, and after the last.
fn steps(up_to: &[f64]) -> Vec<f64> {
    let mut before = 0.0;
    let gain = |now: f64| {
        let gain = f64::max(now - before, 0.0);
        before = now;
        gain
    };
    up_to.iter().copied().chain([1.0]).map(gain).collect()
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to the reference at most {}", self.measure, self.limit)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JensenShannon => "Jensen-Shannon divergence",
            Self::Ks => "Kolmogorov-Smirnov distance",
            Self::LInfinity => "L-infinity distance",
            Self::Psi => "population stability index",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_what_their_formulas_say() {
        let (p, q) = ([0.5, 0.3, 0.2], [0.2, 0.3, 0.5]);
        let near = |measure: Measure, wanted: f64| {
            let distance = measure.distance(&p, &q);
            assert!((distance - wanted).abs() < 1e-12, "{measure}: {distance}");
            assert_eq!(measure.distance(&p, &p), 0.0);
        };
        near(Measure::LInfinity, 0.3);
        near(Measure::Ks, 0.3);
        near(Measure::Psi, 0.6 * 2.5f64.ln());
        let half = |a: f64, b: f64| a * (a / f64::midpoint(a, b)).log2();
        near(Measure::JensenShannon, half(0.5, 0.2) + half(0.2, 0.5));
        assert_eq!(Measure::JensenShannon.distance(&[1.0, 0.0], &[0.0, 1.0]), 1.0);
    }
}
