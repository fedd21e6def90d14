use mlops_core::{Error, Metric, Predictions, Result, Task};
use serde::{Deserialize, Serialize};

use super::confusion::ConfusionMatrix;
use super::fold::{FoldMetric, Sums, counted, fold_metric};
use super::{check_setting, classes};

/// Minus the mean logarithm of the probability of what was true; probabilities count as at least
/// 2⁻⁵² and at most 1 - 2⁻⁵².
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::LogLoss;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.5, 0.5, 0.5, 0.5])?;
/// assert!((LogLoss.score(&predictions)? - 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLoss;

/// The mean squared distance of the probabilities from what was true: of two classes, of the second
/// one's; of more, summed over the classes.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::Brier;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.5, 0.5, 0.5, 0.5])?;
/// assert_eq!(Brier.score(&predictions)?, 0.25);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brier;

/// The share of the log loss of always telling the classes' own shares that the predictions save; of
/// one row it is not defined.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::D2LogLoss;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.5, 0.5, 0.5, 0.5])?;
/// assert_eq!(D2LogLoss.score(&predictions)?, 0.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct D2LogLoss;

/// As [`D2LogLoss`], of the Brier score; not defined where only one class is true either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct D2Brier;

/// The share of rows whose class is among the `k` with the greatest scores; of classes with equal
/// scores the later ones go first, as in scikit-learn.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::TopKAccuracy;
///
/// let task = Task::Classification { classes: Classes::Int(vec![1, 2, 3]) };
/// let predictions = Predictions::new(task, vec![1.0, 2.0], vec![0.5, 0.3, 0.2, 0.6, 0.3, 0.1])?;
/// assert_eq!(TopKAccuracy::new(2).score(&predictions)?, 0.5);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TopKAccuracy {
    /// How many classes are looked at.
    pub k: usize,
}

impl Default for TopKAccuracy {
    fn default() -> Self {
        Self { k: 2 }
    }
}

impl TopKAccuracy {
    /// Among the `k` with the greatest scores.
    pub fn new(k: usize) -> Self {
        Self { k }
    }
}

fold_metric!(LogLoss, less, |this| "log_loss");
fold_metric!(Brier, less, |this| "brier");
fold_metric!(D2LogLoss, greater, |this| "d2_log_loss");
fold_metric!(D2Brier, greater, |this| "d2_brier");
fold_metric!(TopKAccuracy, greater, |this| match this.k {
    1 => "top_1_accuracy",
    2 => "top_2_accuracy",
    3 => "top_3_accuracy",
    5 => "top_5_accuracy",
    10 => "top_10_accuracy",
    _ => "top_k_accuracy",
});

/// The fold of a metric that is the mean of a value of each row.
macro_rules! mean_of_rows {
    ($($type:ident, |$this:ident, $truth:ident, $scores:ident| $value:expr;)*) => {$(
        impl FoldMetric for $type {
            type State = Sums;

            fn start(&self, task: &Task) -> Result<Sums> {
                let $this = self;
                check(self, task, $this.settings())?;
                Ok(Sums::of(1))
            }

            fn update(&self, state: &mut Sums, rows: &Predictions) -> Result<()> {
                let width = rows.width();
                for (row, weight) in counted(rows) {
                    // `Predictions` only takes class indices.
                    let $truth = rows.target[row] as usize;
                    let $scores = &rows.scores[row * width..(row + 1) * width];
                    let $this = self;
                    let _ = $this;
                    state.count(weight);
                    state.add(0, weight, $value);
                }
                Ok(())
            }

            fn finish(&self, state: &Sums) -> Result<f64> {
                state.mean(0, self)
            }
        }
    )*};
}

/// What may be wrong about a metric's own settings.
trait Settings {
    fn settings(&self) -> Option<(&'static str, f64, bool)> {
        None
    }
}

impl Settings for Brier {}
impl Settings for LogLoss {}
impl Settings for TopKAccuracy {
    fn settings(&self) -> Option<(&'static str, f64, bool)> {
        Some(("k", self.k as f64, self.k > 0))
    }
}

fn check(metric: &dyn Metric, task: &Task, settings: Option<(&str, f64, bool)>) -> Result<()> {
    classes(metric, task)?;
    settings.map_or(Ok(()), |(name, value, fits)| check_setting(metric, name, value, fits))
}

mean_of_rows! {
    LogLoss, |this, truth, scores| log_loss(scores[truth]);
    Brier, |this, truth, scores| if scores.len() == 2 { half_distance(scores, truth) } else { distance(scores, truth) };
    TopKAccuracy, |this, truth, scores| f64::from(u8::from(is_among(scores, truth, this.k)));
}

fn log_loss(probability: f64) -> f64 {
    -probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

fn distance(scores: &[f64], truth: usize) -> f64 {
    scores.iter().enumerate().map(|(class, score)| (score - f64::from(u8::from(class == truth))).powi(2)).sum()
}

fn half_distance(scores: &[f64], truth: usize) -> f64 {
    (scores[1] - truth as f64).powi(2)
}

fn is_among(scores: &[f64], truth: usize, k: usize) -> bool {
    // Of two classes the second needs more than half, as everywhere else.
    if scores.len() == 2 && k == 1 {
        return mlops_core::Decision::default().choose(scores) == truth;
    }
    let before = |(class, score): (usize, &f64)| *score > scores[truth] || (*score == scores[truth] && class > truth);
    scores.iter().enumerate().filter(|(class, score)| before((*class, score))).count() < k
}

/// The fold of a metric that compares with telling the classes' own shares.
macro_rules! against_shares {
    ($($type:ident, |$truth:ident, $scores:ident| $value:expr, |$share:ident| $of_share:expr;)*) => {$(
        impl FoldMetric for $type {
            type State = (Sums, ConfusionMatrix);

            fn start(&self, task: &Task) -> Result<Self::State> {
                Ok((Sums::of(1), ConfusionMatrix::new(classes(self, task)?.clone())))
            }

            fn update(&self, (sums, matrix): &mut Self::State, rows: &Predictions) -> Result<()> {
                let width = rows.width();
                for (row, weight) in counted(rows) {
                    let $truth = rows.target[row] as usize;
                    let $scores = &rows.scores[row * width..(row + 1) * width];
                    sums.count(weight);
                    sums.add(0, weight, $value);
                }
                matrix.update(rows)
            }

            fn finish(&self, (sums, matrix): &Self::State) -> Result<f64> {
                sums.check_two(self)?;
                let total = matrix.total();
                let shares = matrix.counts().into_iter().map(|counts| counts.truth / total);
                let own: f64 = shares.filter(|share| *share > 0.0).map(|$share| $of_share).sum();
                if own == 0.0 {
                    return Err(Error::data(format!(
                        "{} is not defined where only one class is true: score rows of several",
                        self.name()
                    )));
                }
                Ok(1.0 - sums.mean(0, self)? / own)
            }
        }
    )*};
}

against_shares! {
    D2LogLoss, |truth, scores| log_loss(scores[truth]), |share| share * log_loss(share);
    D2Brier, |truth, scores| distance(scores, truth), |share| share * (1.0 - share);
}
