//! Is the challenger better? Bootstrap intervals for a metric, and for the difference of two models
//! on the same rows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Metric, Predictions, Result};

mod bootstrap;

pub use bootstrap::{Bootstrap, Interval, IntervalMethod};

/// How a challenger did against a champion on the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The name of the metric.
    pub metric: String,
    /// Its value for the champion.
    pub champion: f64,
    /// Its value for the challenger.
    pub challenger: f64,
    /// The challenger's value less the champion's.
    pub difference: f64,
    /// Where the difference lies, by the bootstrap.
    pub interval: Interval,
    /// What that says.
    pub verdict: Verdict,
    /// How many rows were compared.
    pub rows: usize,
}

/// What a [`Comparison`] says of the challenger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The whole interval is on the good side of 0.
    Better,
    /// 0 is in the interval: more labelled rows are needed to tell, or there is no difference.
    Undecided,
    /// The whole interval is on the bad side of 0.
    Worse,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Better => "better",
            Self::Undecided => "undecided",
            Self::Worse => "worse",
        })
    }
}

/// For a terminal, such as `roc_auc 0.7412 against 0.7230: +0.0182 [+0.0100, +0.0260], better`.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, champion, challenger, difference, interval, verdict, rows } = self;
        let Interval { low, high } = interval;
        write!(
            f,
            "{metric} {challenger:.4} against {champion:.4}: {difference:+.4} [{low:+.4}, {high:+.4}] \
             on {rows} rows, {verdict}"
        )
    }
}

/// Compares two models by a metric, by resampling the rows that both have answered: each resample
/// takes the same rows of both, so that what is hard for both cancels out (Efron and Tibshirani,
/// "An Introduction to the Bootstrap", 1993).
///
/// Costs two metrics a resample, on all cores; the same seed gives the same interval on any number
/// of threads.
///
/// # Errors
/// [`ErrorKind::Data`] if the answers are not to the same rows (another task, truth or weight), or
/// the metric is not defined for most resamples; and as [`Metric::score`].
///
/// # Example
/// ```
/// use mlops_core::{Metric, Predictions, Result, Task};
/// use mlops_core::compare::{Bootstrap, Verdict, compare};
///
/// #[derive(Debug)]
/// struct MeanAbsoluteError;
///
/// impl Metric for MeanAbsoluteError {
///     fn name(&self) -> &'static str {
///         "mae"
///     }
///     fn greater_is_better(&self) -> bool {
///         false
///     }
///     fn score(&self, p: &Predictions) -> Result<f64> {
///         let errors = p.target.iter().zip(&p.scores).map(|(y, score)| (y - score).abs());
///         Ok(errors.sum::<f64>() / p.num_rows() as f64)
///     }
/// }
///
/// let truth: Vec<f64> = (0..200).map(f64::from).collect();
/// let off_by = |error: f64| Predictions::new(Task::Regression, truth.clone(), truth.iter().map(|y| y + error).collect());
/// let comparison = compare(&off_by(2.0)?, &off_by(1.5)?, &MeanAbsoluteError, &Bootstrap::default())?;
/// assert_eq!((comparison.difference, comparison.verdict), (-0.5, Verdict::Better));
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn compare(
    champion: &Predictions,
    challenger: &Predictions,
    metric: &dyn Metric,
    bootstrap: &Bootstrap,
) -> Result<Comparison> {
    check_pairs(champion, challenger)?;
    let difference = |rows: &[usize]| Ok(metric.score(&challenger.take(rows))? - metric.score(&champion.take(rows))?);
    let (before, after) = (metric.score(champion)?, metric.score(challenger)?);
    let interval = bootstrap.interval(champion.num_rows(), after - before, difference)?;
    let (bad, good) =
        if metric.greater_is_better() { (interval.high, interval.low) } else { (-interval.low, -interval.high) };
    let verdict = match () {
        () if good > 0.0 => Verdict::Better,
        () if bad < 0.0 => Verdict::Worse,
        () => Verdict::Undecided,
    };
    Ok(Comparison {
        metric: metric.name().to_owned(),
        champion: before,
        challenger: after,
        difference: after - before,
        interval,
        verdict,
        rows: champion.num_rows(),
    })
}

/// Where the value of a metric lies, by the bootstrap.
///
/// # Errors
/// [`ErrorKind::Data`] if the metric is not defined for most resamples; and as [`Metric::score`].
pub fn score_interval(predictions: &Predictions, metric: &dyn Metric, bootstrap: &Bootstrap) -> Result<Interval> {
    let score = metric.score(predictions)?;
    bootstrap.interval(predictions.num_rows(), score, |rows| metric.score(&predictions.take(rows)))
}

/// Refuses answers of two models that are not to the same rows.
///
/// # Errors
/// [`ErrorKind::Data`] if task, truth or weights differ.
pub fn check_pairs(champion: &Predictions, challenger: &Predictions) -> Result<()> {
    let same_bits = |a: &[f64], b: &[f64]| a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits()));
    let problem = if champion.task != challenger.task {
        "two models with different tasks can't be compared"
    } else if !same_bits(&champion.target, &challenger.target) {
        "the two models must have answered the same rows, in the same order; their targets differ"
    } else if champion.weights != challenger.weights {
        "the two models must have answered the same rows, in the same order; their weights differ"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Data, problem))
}
