use std::fmt::{self, Debug};
use std::sync::Arc;

use mlops_core::compare::{Bootstrap, Interval, compare, score_interval};
use mlops_core::{Error, Metric, Predictions, Result};
use serde::Serialize;

use super::Evaluation;
use super::paired::DeLong;
use crate::metrics::{LogLoss, Rmse, RocAuc};

/// What an [`Evaluation`] must fulfil before the model goes on.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Predictions, Task};
/// use mlops_train::evaluation::{Bound, Evaluation, GateFailure};
/// use mlops_train::{Recall, RocAuc};
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let evaluation = Evaluation::of(Predictions::new(task, vec![0.0, 1.0, 1.0], vec![0.9, 0.1, 0.7, 0.3, 0.2, 0.8])?)?;
/// evaluation.require(RocAuc.at_least(0.8))?;
/// let error = evaluation.require(Recall::binary().at_least(0.6)).unwrap_err();
/// assert_eq!(error.to_string(), "recall is 0.5, at least 0.6 is required (metric: recall)");
/// assert_eq!(GateFailure::of(&error).unwrap().value, Some(0.5));
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub trait Requirement: Debug {
    /// Checks it.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) with a [`GateFailure`] if it is not fulfilled;
    /// whatever keeps it from being checked.
    fn check(&self, evaluation: &Evaluation) -> Result<()>;
}

/// Why a model was stopped: the source of the error of [`Evaluation::require`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GateFailure {
    /// What was measured.
    pub metric: String,
    /// What it is; `None` where it is not defined.
    pub value: Option<f64>,
    /// What it had to reach, or not to exceed.
    pub bound: f64,
    /// The segment, such as `carrier = AA`, if it is about one.
    pub slice: Option<String>,
    /// All of it in words.
    pub reason: String,
}

impl GateFailure {
    /// The failure in an error of [`Evaluation::require`], if it is one.
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }

    pub(super) fn into_error(self) -> Error {
        let error = Error::data(self.reason.clone()).with_context("metric", &self.metric);
        let error = match &self.slice {
            Some(slice) => error.with_context("slice", slice),
            None => error,
        };
        error.with_source(self)
    }
}

impl fmt::Display for GateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for GateFailure {}

/// Requirements of a metric: `RocAuc.at_least(0.8)`, `LogLoss.at_most(0.4)`.
pub trait Bound: Metric + Sized {
    /// At least `bound`.
    fn at_least(self, bound: f64) -> Gate {
        Gate::new(Arc::new(self), bound, true)
    }

    /// At most `bound`.
    fn at_most(self, bound: f64) -> Gate {
        Gate::new(Arc::new(self), bound, false)
    }
}

impl<M: Metric> Bound for M {}

/// A bound of a metric, of all rows or of every slice.
#[derive(Clone, Debug)]
pub struct Gate {
    metric: Arc<dyn Metric>,
    bound: f64,
    at_least: bool,
    slices: Option<usize>,
    proof: Option<Bootstrap>,
}

impl Gate {
    fn new(metric: Arc<dyn Metric>, bound: f64, at_least: bool) -> Self {
        Self { metric, bound, at_least, slices: None, proof: None }
    }

    /// In every slice, too, that has at least `min_rows` rows. Where a slice has fewer, or the metric is
    /// not defined there, nothing is required of it.
    #[must_use]
    pub fn in_every_slice(mut self, min_rows: usize) -> Self {
        self.slices = Some(min_rows);
        self
    }

    /// Proven, not just observed: the whole interval of the bootstrap has to be on the good side.
    #[must_use]
    pub fn with_proof(mut self, bootstrap: Bootstrap) -> Self {
        self.proof = Some(bootstrap);
        self
    }

    /// The value, or the end of its interval that is nearer to the bad side.
    fn value(&self, predictions: &Predictions) -> Result<f64> {
        match &self.proof {
            None => self.metric.score(predictions),
            Some(bootstrap) => {
                let Interval { low, high } = score_interval(predictions, self.metric.as_ref(), bootstrap)?;
                Ok(if self.at_least { low } else { high })
            }
        }
    }

    fn judge(&self, value: Option<f64>, why: Option<&Error>, slice: Option<&str>) -> Result<()> {
        let fits = |value: f64| if self.at_least { value >= self.bound } else { value <= self.bound };
        if value.is_some_and(fits) {
            return Ok(());
        }
        let (name, side) = (self.metric.name(), if self.at_least { "at least" } else { "at most" });
        let place = slice.map(|slice| format!(" where {slice}")).unwrap_or_default();
        let end = match (&self.proof, self.at_least) {
            (None, _) => "",
            (Some(_), true) => "may be as low as ",
            (Some(_), false) => "may be as high as ",
        };
        let verb = if end.is_empty() { "is " } else { end };
        let found = match (value, why) {
            (Some(value), _) => format!("{verb}{}", mlops_core::report::number(value)),
            (None, Some(why)) => format!("is not defined ({})", why.message()),
            (None, None) => "is not defined".to_owned(),
        };
        Err(GateFailure {
            metric: name.to_owned(),
            value,
            bound: self.bound,
            slice: slice.map(str::to_owned),
            reason: format!("{name} {found}{place}, {side} {} is required", self.bound),
        }
        .into_error())
    }
}

impl Requirement for Gate {
    fn check(&self, evaluation: &Evaluation) -> Result<()> {
        if !self.bound.is_finite() {
            return Err(Error::config(format!("{} can't be held to a bound of {}", self.metric.name(), self.bound)));
        }
        match self.value(evaluation.predictions()) {
            Ok(value) => self.judge(Some(value), None, None)?,
            Err(error) if error.kind() == mlops_core::ErrorKind::Data => self.judge(None, Some(&error), None)?,
            Err(error) => return Err(error),
        }
        let Some(min_rows) = self.slices else { return Ok(()) };
        if evaluation.slices.is_empty() {
            return Err(Error::config(format!(
                "{} is required of every slice, but there are none: give the columns to Evaluation::with_slices",
                self.metric.name()
            )));
        }
        for slice in evaluation.slices.iter().filter(|slice| slice.rows >= min_rows) {
            match self.value(&slice.predictions(evaluation.predictions())) {
                Ok(value) => self.judge(Some(value), None, Some(&slice.name()))?,
                Err(error) if error.kind() == mlops_core::ErrorKind::Data => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Requires that a model is not worse than the champion on the same rows: that a paired test does not
/// show it to be, or, [with a margin](NoWorseThan::with_margin), that the test rules out that it is
/// worse by more than that.
///
/// Judged by ROC AUC for two classes, log loss for more, and RMSE for numbers, unless told otherwise.
/// ROC AUC without weights is compared by [`DeLong`]'s test, all else by the paired bootstrap.
///
/// # Example
/// ```
/// use mlops_core::{Predictions, Task};
/// use mlops_train::evaluation::{Evaluation, no_worse_than};
///
/// let truth: Vec<f64> = (0..100).map(f64::from).collect();
/// let off_by = |error: f64| {
///     let answers = truth.iter().map(|y| y + error * (y * 0.7).sin()).collect();
///     Evaluation::of(Predictions::new(Task::Regression, truth.clone(), answers)?)
/// };
/// let (champion, challenger) = (off_by(1.0)?, off_by(3.0)?);
/// champion.require(no_worse_than(&challenger))?;
/// let error = challenger.require(no_worse_than(&champion)).unwrap_err();
/// assert!(error.message().starts_with("rmse is worse than the champion's"), "{error}");
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NoWorseThan<'a> {
    champion: &'a Evaluation,
    metric: Option<Arc<dyn Metric>>,
    margin: Option<f64>,
    bootstrap: Bootstrap,
}

/// Requires that a model is not worse than `champion` on the same rows; see [`NoWorseThan`].
pub fn no_worse_than(champion: &Evaluation) -> NoWorseThan<'_> {
    NoWorseThan { champion, metric: None, margin: None, bootstrap: Bootstrap::default() }
}

impl NoWorseThan<'_> {
    /// Judged by another metric.
    #[must_use]
    pub fn by(mut self, metric: impl Metric) -> Self {
        self.metric = Some(Arc::new(metric));
        self
    }

    /// Requires proof that it is not worse by more than `margin`, a number of at least 0: the whole
    /// interval of the difference lies above. Few rows prove little.
    #[must_use]
    pub fn with_margin(mut self, margin: f64) -> Self {
        self.margin = Some(margin);
        self
    }

    /// With other resamples, seed or confidence.
    #[must_use]
    pub fn with_bootstrap(mut self, bootstrap: Bootstrap) -> Self {
        self.bootstrap = bootstrap;
        self
    }

    fn metric(&self) -> Arc<dyn Metric> {
        if let Some(metric) = &self.metric {
            return Arc::clone(metric);
        }
        match self.champion.predictions().width() {
            _ if self.champion.task.is_quantity() => Arc::new(Rmse),
            2 => Arc::new(RocAuc),
            _ => Arc::new(LogLoss),
        }
    }

    /// The two values, and where their difference lies.
    fn compare(&self, metric: &dyn Metric, challenger: &Predictions) -> Result<(f64, f64, Interval)> {
        let champion = self.champion.predictions();
        if metric.name() == RocAuc.name() && champion.weights.is_none() && challenger.weights.is_none() {
            let test = DeLong::compare(champion, challenger, self.bootstrap.confidence)?;
            return Ok((test.champion, test.challenger, test.interval));
        }
        let test = compare(champion, challenger, metric, &self.bootstrap)?;
        Ok((test.champion, test.challenger, test.interval))
    }
}

impl Requirement for NoWorseThan<'_> {
    fn check(&self, evaluation: &Evaluation) -> Result<()> {
        let metric = self.metric();
        if self.margin.is_some_and(|margin| !(margin >= 0.0 && margin.is_finite())) {
            return Err(Error::config(format!(
                "a margin of {}: at least 0 is needed",
                self.margin.unwrap_or_default()
            )));
        }
        let (before, after, Interval { low, high }) = self.compare(metric.as_ref(), evaluation.predictions())?;
        // How much better it is, at worst and at best.
        let (at_worst, at_best) = if metric.greater_is_better() { (low, high) } else { (-high, -low) };
        let refused = match self.margin {
            None => at_best < 0.0,
            Some(margin) => at_worst < -margin,
        };
        if !refused {
            return Ok(());
        }
        let (name, number) = (metric.name(), mlops_core::report::number);
        let what = match self.margin {
            None => "is worse than the champion's".to_owned(),
            Some(margin) => format!("may be worse than the champion's by more than {}", number(margin)),
        };
        Err(GateFailure {
            metric: name.to_owned(),
            value: Some(after),
            bound: before,
            slice: None,
            reason: format!(
                "{name} {what}: {} against {}, the difference lies between {} and {} on {} rows",
                number(after),
                number(before),
                number(low),
                number(high),
                evaluation.rows
            ),
        }
        .into_error())
    }
}
