//! Evaluation: one model on one set of rows, judged in the whole, class by class and segment by
//! segment; shown, logged, and held to requirements.
//!
//! An [`Evaluation`] is computed from [`Predictions`]. It prints as a table, serialises to JSON, is a
//! [page](Evaluation::to_html) with pictures, and is [logged](Evaluation::log) to a run under the
//! names that MLflow's `evaluate` gives the same numbers. [Requirements](Requirement) let a model
//! pass or stop it with the metric, the value, the bound and the segment. [`DeLong`] and [`McNemar`]
//! compare two models on the same rows; so does the bootstrap of [`mlops_core::compare`].
//!
//! ```
//! use mlops_core::{Role, Run, Table, Trainer};
//! use mlops_train::evaluation::{Bound, Evaluation, FairnessGap};
//! use mlops_train::{LogLoss, RocAuc};
//! # #[cfg(feature = "linear")] {
//! use mlops_train::LogisticRegression;
//!
//! let rows = |winds: [f64; 8]| {
//!     let late = arrow::array::BooleanArray::from(winds.map(|wind| wind > 5.0).to_vec());
//!     let wind = arrow::array::Float64Array::from(winds.to_vec());
//!     let origin = arrow::array::StringArray::from(vec!["EWR", "JFK"].repeat(4));
//!     let columns: [(&str, std::sync::Arc<dyn arrow::array::Array>); 3] =
//!         [("wind", std::sync::Arc::new(wind)), ("origin", std::sync::Arc::new(origin)), ("late", std::sync::Arc::new(late))];
//!     let table = Table::from_batch(arrow::array::RecordBatch::try_from_iter(columns)?);
//!     table.with_role("late", Role::Target)?.with_role("origin", Role::Ignored)
//! };
//! let (train, test) = (rows([1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0])?, rows([1.5, 2.5, 6.5, 7.5, 3.5, 4.5, 8.5, 9.5])?);
//! let model = LogisticRegression::new().fit(&train, &Run::default())?;
//! let evaluation = Evaluation::of_model(model.as_ref(), &test)?.with_name("spring").with_slices(&test, ["origin"])?;
//! evaluation
//!     .require(RocAuc.at_least(0.9).in_every_slice(4))?
//!     .require(LogLoss.at_most(0.5))?
//!     .require(FairnessGap::EqualOpportunity.at_most(0.1))?;
//! assert!(evaluation.to_html().contains("ROC"));
//! # }
//! # Ok::<(), mlops_core::Error>(())
//! ```

use std::fmt;
use std::sync::Arc;

use mlops_core::compare::{Bootstrap, Interval, score_interval};
use mlops_core::{Error, ErrorKind, Metric, Model, Predictions, Result, ResultExt, Table, Task};
use serde::Serialize;

mod fairness;
mod gates;
mod log;
mod paired;
mod pictures;
mod render;
mod slices;

pub use fairness::{Fairness, FairnessGap, FairnessGate, GroupRates};
pub use gates::{Bound, Gate, GateFailure, NoWorseThan, Requirement, no_worse_than};
pub use paired::{DeLong, McNemar, McNemarMethod};
pub use pictures::{ClassPictures, Residuals, ResidualsBin};
pub use slices::Slice;

use crate::metrics::{
    Accuracy, AveragePrecision, BalancedAccuracy, Brier, ClassificationReport, ConfusionMatrix, Coverage,
    ExpectedCalibrationError, ExplainedVariance, F1, IntervalWidth, LogLoss, Mae, Mape, MatthewsCorrcoef, MaxError,
    MedianAbsoluteError, Mse, MulticlassAverage, MulticlassRocAuc, Precision, R2, Recall, Rmse, RocAuc,
};

/// How good a model's answers to some rows are.
///
/// # Example
/// ```
/// use mlops_core::{Predictions, Task};
/// use mlops_train::evaluation::Evaluation;
///
/// let predictions = Predictions::new(Task::Regression, vec![1.0, 2.0, 4.0], vec![1.5, 2.0, 3.5])?;
/// let evaluation = Evaluation::of(predictions)?.with_name("delays");
/// assert_eq!(evaluation.get("max_error")?, 0.5);
/// assert!(evaluation.to_string().starts_with("delays, 3 rows\n"));
/// assert!(evaluation.to_json()?.contains("\"metric\":\"rmse\""));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// What it is about, such as a version; empty if nobody said.
    pub name: String,
    /// What was predicted.
    pub task: Task,
    /// How many rows there are.
    pub rows: usize,
    /// The metrics, the one that slices are ordered by first.
    pub metrics: Vec<MetricValue>,
    /// Class by class, for classes.
    pub per_class: Option<ClassificationReport>,
    /// What was predicted for which class, for classes.
    pub confusion: Option<ConfusionMatrix>,
    /// The curves of the second of two classes, or of each of up to ten.
    pub curves: Vec<ClassPictures>,
    /// How far off numbers are, for numbers with or without bounds.
    pub residuals: Option<Residuals>,
    /// Segments, the worst first; those whose first metric is not defined last.
    pub slices: Vec<Slice>,
    /// How differently the groups of each sliced column are treated, for two classes.
    pub fairness: Vec<Fairness>,
    #[serde(skip)]
    predictions: Predictions,
    #[serde(skip)]
    judges: Vec<Arc<dyn Metric>>,
}

/// Without rows and curves, which fill pages.
impl fmt::Debug for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, task, rows, metrics, .. } = self;
        let mut shown = f.debug_struct("Evaluation");
        shown.field("name", name).field("task", task).field("rows", rows).field("metrics", metrics);
        shown.finish_non_exhaustive()
    }
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MetricValue {
    /// Its name.
    pub metric: String,
    /// The value; `None` where it is not defined.
    pub value: Option<f64>,
    /// Whether a greater value is better.
    pub greater_is_better: bool,
    /// Where the true value lies, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Why it is not defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undefined: Option<String>,
}

/// The value of each metric; not being defined is a value, too.
fn measure(predictions: &Predictions, metrics: &[Arc<dyn Metric>]) -> Result<Vec<MetricValue>> {
    let value = |metric: &Arc<dyn Metric>| {
        let (value, undefined) = match metric.score(predictions) {
            Ok(value) if value.is_finite() => (Some(value), None),
            Ok(value) => (None, Some(format!("it is {value}"))),
            Err(error) if error.kind() == ErrorKind::Data => (None, Some(error.message().to_owned())),
            Err(error) => return Err(error.with_context("metric", metric.name())),
        };
        Ok(MetricValue {
            metric: metric.name().to_owned(),
            value,
            greater_is_better: metric.greater_is_better(),
            interval: None,
            undefined,
        })
    };
    metrics.iter().map(value).collect()
}

/// What a task is judged by if nobody says.
fn usual(predictions: &Predictions) -> Vec<Arc<dyn Metric>> {
    macro_rules! shared {
        ($($metric:expr),* $(,)?) => { vec![$(Arc::new($metric) as Arc<dyn Metric>),*] };
    }
    match (&predictions.task, predictions.width()) {
        (Task::Interval { .. }, _) => shared![Rmse, Coverage, IntervalWidth, Mae, MedianAbsoluteError, MaxError, R2],
        (Task::Regression, _) => {
            shared![Rmse, Mae, Mse, MedianAbsoluteError, MaxError, Mape, R2, ExplainedVariance]
        }
        (_, 2) => shared![
            RocAuc,
            AveragePrecision,
            LogLoss,
            Brier,
            ExpectedCalibrationError::default(),
            Accuracy,
            BalancedAccuracy::default(),
            Precision::binary(),
            Recall::binary(),
            F1::binary(),
            MatthewsCorrcoef,
        ],
        _ => shared![
            LogLoss,
            Brier,
            ExpectedCalibrationError::default(),
            MulticlassRocAuc::ovr().with_average(MulticlassAverage::Weighted),
            Accuracy,
            BalancedAccuracy::default(),
            Precision::weighted(),
            Recall::weighted(),
            F1::weighted(),
            F1::macro_average(),
            MatthewsCorrcoef,
        ],
    }
}

impl Evaluation {
    /// By the usual metrics of the task.
    ///
    /// Costs each metric once, and a sort for each class's curves.
    ///
    /// # Errors
    /// As [`Self::by`].
    pub fn of(predictions: Predictions) -> Result<Self> {
        let metrics = usual(&predictions);
        Self::by(predictions, metrics)
    }

    /// By given metrics, of which the first orders slices.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] without a row of a weight above 0,
    /// [`ErrorKind::Unsupported`] for a clustering,
    /// [`ErrorKind::Config`] for two metrics of one name; as
    /// [`Metric::score`], except that a metric may be not defined.
    pub fn by(predictions: Predictions, metrics: impl IntoIterator<Item = Arc<dyn Metric>>) -> Result<Self> {
        let judges: Vec<Arc<dyn Metric>> = metrics.into_iter().collect();
        for (i, metric) in judges.iter().enumerate() {
            if judges[..i].iter().any(|other| other.name() == metric.name()) {
                return Err(Error::config(format!(
                    "two metrics are called '{}': evaluate by one of them",
                    metric.name()
                )));
            }
        }
        if !(0..predictions.num_rows()).any(|row| predictions.weight(row) > 0.0) {
            return Err(Error::data("an evaluation of no rows: predict at least one row of a weight above 0"));
        }
        let metrics = measure(&predictions, &judges)?;
        let is_quantity = predictions.task.is_quantity();
        let confusion = if is_quantity { None } else { Some(ConfusionMatrix::of(&predictions)?) };
        Ok(Self {
            name: String::new(),
            task: predictions.task.clone(),
            rows: predictions.num_rows(),
            metrics,
            per_class: confusion.as_ref().map(ClassificationReport::of_matrix).transpose()?,
            confusion,
            curves: pictures::of_classes(&predictions)?,
            residuals: is_quantity.then(|| Residuals::of(&predictions)),
            slices: Vec::new(),
            fairness: Vec::new(),
            predictions,
            judges,
        })
    }

    /// Of a model on the rows of `data`, by the usual metrics of its task.
    ///
    /// # Errors
    /// As [`Predictions::of`] (rows that the model was fitted on are refused) and [`Self::by`].
    pub fn of_model(model: &dyn Model, data: &Table) -> Result<Self> {
        Self::of(Predictions::of(model, data)?)
    }

    /// With a name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// With the interval that each metric lies in, by the bootstrap: that many times the metrics.
    ///
    /// # Errors
    /// As [`Bootstrap::check`]. A metric that is not defined for most resamples has no interval.
    pub fn with_intervals(mut self, bootstrap: &Bootstrap) -> Result<Self> {
        bootstrap.check()?;
        for (value, metric) in self.metrics.iter_mut().zip(&self.judges) {
            value.interval = match score_interval(&self.predictions, metric.as_ref(), bootstrap) {
                Ok(interval) => Some(interval),
                Err(error) if error.kind() == ErrorKind::Data => None,
                Err(error) => return Err(error.with_context("metric", metric.name())),
            };
        }
        Ok(self)
    }

    /// With the same metrics segment by segment, for each of some columns of the table that was
    /// predicted (a column need not be a feature): by value, the rarest beyond 50 together, and by
    /// quarters where there are numbers. For two classes also how fair the segments are treated.
    ///
    /// Costs the metrics once a column, and 4 bytes a row and column.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] or
    /// [`ErrorKind::Schema`] for a column that is not there or has no
    /// segments, [`ErrorKind::Data`] for a table of other rows.
    pub fn with_slices<S: Into<String>>(mut self, data: &Table, columns: impl IntoIterator<Item = S>) -> Result<Self> {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        self.slices = slices::slices(&self.predictions, &self.judges, data, &columns)?;
        self.fairness = Vec::new();
        if !self.task.is_quantity() && self.predictions.width() == 2 {
            let of = |column: &String| Fairness::of(column, &self.slices, &self.predictions).context("column", column);
            self.fairness = columns.iter().map(of).collect::<Result<_>>()?;
        }
        Ok(self)
    }

    /// The value of a metric.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it was not asked for,
    /// [`ErrorKind::Data`] if it is not defined.
    pub fn get(&self, metric: &str) -> Result<f64> {
        let Some(found) = self.metrics.iter().find(|value| value.metric == metric) else {
            let names: Vec<&str> = self.metrics.iter().map(|value| value.metric.as_str()).collect();
            return Err(Error::not_found(format!("no metric '{metric}'; there are {}", names.join(", "))));
        };
        found.value.ok_or_else(|| Error::data(found.undefined.clone().unwrap_or_default()))
    }

    /// What was judged.
    pub fn predictions(&self) -> &Predictions {
        &self.predictions
    }

    /// Goes on if a requirement is fulfilled.
    ///
    /// # Errors
    /// As [`Requirement::check`]; [`GateFailure::of`] tells what was measured.
    #[expect(clippy::needless_pass_by_value, reason = "a requirement is stated where it is used")]
    pub fn require(&self, requirement: impl Requirement) -> Result<&Self> {
        match requirement.check(self) {
            Ok(()) => Ok(self),
            Err(error) if self.name.is_empty() => Err(error),
            Err(error) => Err(error.with_context("model", &self.name)),
        }
    }

    /// All of it but the rows, as JSON.
    ///
    /// # Errors
    /// None that is known of: numbers that JSON has no way to write are texts.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }
}
