use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::random::SplitMix64;
use crate::special::{normal_cdf, normal_quantile};
use crate::{Error, ErrorKind, Result};

/// How to draw resamples, and how to read an interval from them.
///
/// # Example
/// ```
/// use mlops_core::compare::Bootstrap;
///
/// let bootstrap = Bootstrap::default().with_resamples(2000).with_confidence(0.9).with_seed(7);
/// assert_eq!(bootstrap.resamples, 2000);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Bootstrap {
    /// How many resamples are drawn.
    pub resamples: usize,
    /// The share of such intervals that hold the true value.
    pub confidence: f64,
    /// Where the randomness comes from.
    pub seed: u64,
    /// How the interval is read from the resamples.
    pub method: IntervalMethod,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, confidence: 0.95, seed: 0, method: IntervalMethod::default() }
    }
}

/// How a [`Bootstrap`] reads an interval from its resamples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IntervalMethod {
    /// Corrected for bias and skew (Efron, "Better bootstrap confidence intervals", JASA 82,
    /// 1987): truer on few rows. The acceleration comes from leaving out each of at most 200
    /// groups of rows in turn.
    Bca,
    /// The quantiles of the resamples.
    #[default]
    Percentile,
}

/// From `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies in it.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

impl Bootstrap {
    /// With another number of resamples.
    #[must_use]
    pub fn with_resamples(mut self, resamples: usize) -> Self {
        self.resamples = resamples;
        self
    }

    /// With another confidence, such as 0.9.
    #[must_use]
    pub fn with_confidence(mut self, confidence: f64) -> Self {
        self.confidence = confidence;
        self
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With another way to read the interval.
    #[must_use]
    pub fn with_method(mut self, method: IntervalMethod) -> Self {
        self.method = method;
        self
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] saying which.
    pub fn check(&self) -> Result<()> {
        if self.resamples < 10 {
            return Err(Error::config(format!("{} resamples: at least 10 are needed, 1000 are usual", self.resamples)));
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(Error::config(format!(
                "a confidence of {}: between 0 and 1 is needed, such as 0.95",
                self.confidence
            )));
        }
        Ok(())
    }

    /// The interval of a statistic of `rows` rows whose value for all of them is `whole`; resamples
    /// for which it is not defined ([`ErrorKind::Data`], or NaN) are left out.
    ///
    /// Costs one statistic a resample, on all cores; the same seed gives the same interval on any
    /// number of threads.
    ///
    /// # Errors
    /// As [`Self::check`]; [`ErrorKind::Data`] without rows, or if the statistic is not defined for
    /// most resamples; any other error of the statistic.
    pub fn interval(
        &self,
        rows: usize,
        whole: f64,
        statistic: impl Fn(&[usize]) -> Result<f64> + Sync,
    ) -> Result<Interval> {
        self.check()?;
        if rows == 0 {
            return Err(Error::data("an interval of no rows: labelled rows are needed"));
        }
        let drawn = (0..self.resamples as u64).into_par_iter().map(|i| {
            let mut rng = SplitMix64::stream(self.seed, i);
            let sample: Vec<usize> = (0..rows).map(|_| rng.below(rows as u64) as usize).collect();
            defined(statistic(&sample))
        });
        let drawn = drawn.collect::<Result<Vec<_>>>()?;
        let mut values: Vec<f64> = drawn.into_iter().flatten().collect();
        if values.len() * 2 < self.resamples {
            return Err(Error::data(format!(
                "the metric is defined for {} of {} resamples: more rows of every class are needed",
                values.len(),
                self.resamples
            )));
        }
        values.sort_unstable_by(f64::total_cmp);
        let outside = (1.0 - self.confidence) / 2.0;
        let (low, high) = match self.method {
            IntervalMethod::Bca => corrected(&values, whole, outside, rows, statistic)?,
            IntervalMethod::Percentile => (outside, 1.0 - outside),
        };
        Ok(Interval { low: quantile(&values, low), high: quantile(&values, high) })
    }
}

/// A resample without one of the classes has no value; other errors are errors.
fn defined(score: Result<f64>) -> Result<Option<f64>> {
    match score {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_nan())),
        Err(error) if error.kind() == ErrorKind::Data => Ok(None),
        Err(error) => Err(error),
    }
}

/// The quantiles of `values` that Efron's correction takes for the ends.
fn corrected(
    values: &[f64],
    whole: f64,
    outside: f64,
    rows: usize,
    statistic: impl Fn(&[usize]) -> Result<f64> + Sync,
) -> Result<(f64, f64)> {
    let below = values.partition_point(|value| *value < whole) as f64;
    let equal = values.partition_point(|value| *value <= whole) as f64 - below;
    let bias = normal_quantile((below + equal / 2.0) / values.len() as f64);
    let acceleration = acceleration(rows, statistic)?;
    let corrected = |p: f64| {
        let z = bias + normal_quantile(p);
        normal_cdf(bias + z / (1.0 - acceleration * z))
    };
    let (low, high) = (corrected(outside), corrected(1.0 - outside));
    // With all resamples on one side there is nothing to correct by.
    Ok(if low.is_finite() && high.is_finite() { (low, high) } else { (outside, 1.0 - outside) })
}

/// A sixth of the skewness of the statistic when a group of rows is left out.
fn acceleration(rows: usize, statistic: impl Fn(&[usize]) -> Result<f64> + Sync) -> Result<f64> {
    const GROUPS: usize = 200;
    let groups = rows.min(GROUPS);
    let left_out = (0..groups).into_par_iter().map(|group| {
        let others: Vec<usize> = (0..rows).filter(|row| row % groups != group).collect();
        if others.is_empty() { Ok(None) } else { defined(statistic(&others)) }
    });
    let values: Vec<f64> = left_out.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let moment = |power: i32| values.iter().map(|value| (mean - value).powi(power)).sum::<f64>();
    let squares = moment(2);
    Ok(if squares > 0.0 { moment(3) / (6.0 * squares.powf(1.5)) } else { 0.0 })
}

/// The quantile of sorted values, between neighbours by straight lines (numpy's default).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, part) = (at.floor() as usize, at.fract());
    let above = sorted[(below + 1).min(sorted.len() - 1)];
    // Equal ends first: the difference of two infinities is no number.
    if sorted[below] == above { above } else { sorted[below] + (above - sorted[below]) * part }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> impl Fn(&[usize]) -> Result<f64> + Sync {
        move |rows| Ok(rows.iter().map(|row| values[*row]).sum::<f64>() / rows.len() as f64)
    }

    #[test]
    fn intervals_of_a_mean_are_as_wide_as_theory_says() {
        let mut rng = SplitMix64::new(1);
        let values: Vec<f64> = (0..400).map(|_| rng.uniform()).collect();
        let whole = mean(&values)(&(0..400).collect::<Vec<_>>()).unwrap();
        for method in [IntervalMethod::Bca, IntervalMethod::Percentile] {
            let interval = Bootstrap::default().with_method(method).interval(400, whole, mean(&values)).unwrap();
            let width = 2.0 * 1.96 * (1.0 / 12f64).sqrt() / 20.0;
            assert!(
                interval.contains(whole) && ((interval.high - interval.low) / width - 1.0).abs() < 0.12,
                "{interval:?}"
            );
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let values: Vec<f64> = (0..50).map(|i| f64::from(i).sin()).collect();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Bootstrap::default().with_method(IntervalMethod::Bca).interval(50, 0.0, mean(&values)))
                .unwrap()
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn a_metric_without_a_value_for_most_resamples_is_an_error() {
        let undefined = |_: &[usize]| Err(Error::data("one class only"));
        let error = Bootstrap::default().interval(5, 0.5, undefined).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(Bootstrap::default().with_resamples(1).interval(5, 0.5, |_| Ok(1.0)).is_err());
        assert!(Bootstrap::default().with_confidence(95.0).interval(5, 0.5, |_| Ok(1.0)).is_err());
    }

    #[test]
    fn constant_values_have_an_interval_of_one_point() {
        for method in [IntervalMethod::Bca, IntervalMethod::Percentile] {
            let bootstrap = Bootstrap::default().with_method(method);
            assert_eq!(bootstrap.interval(5, 2.0, |_| Ok(2.0)).unwrap(), Interval { low: 2.0, high: 2.0 });
        }
    }
}
