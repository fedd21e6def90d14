use std::fmt::Debug;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;

use crate::columns::numbers;
use crate::{Decision, Error, ErrorKind, Model, Result, Role, Signature, Table, Task};

/// What a model answered, beside what was true: the input of every [`Metric`].
///
/// # Example
/// ```
/// use mlops_core::{Classes, Predictions, Task};
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.9, 0.1, 0.2, 0.8])?;
/// assert_eq!(predictions.positive_scores()?, [0.1, 0.8]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Predictions {
    /// What was predicted.
    pub task: Task,
    /// How a class was chosen.
    pub decision: Decision,
    /// The truth of each row: the index of the class, or the number.
    pub target: Vec<f64>,
    /// The scores of each row, row-major, as the [`Task`] says.
    pub scores: Vec<f64>,
    /// How much each row counts; all 1 if `None`.
    pub weights: Option<Vec<f64>>,
}

impl Predictions {
    /// Answers and truth of as many rows as `target` has.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) if the lengths do not fit, a class index is none,
    /// the number to predict is not finite, or a score is NaN.
    pub fn new(task: Task, target: Vec<f64>, scores: Vec<f64>) -> Result<Self> {
        let width = task.num_scores();
        if scores.len() != target.len() * width {
            return Err(Error::data(format!(
                "{} scores for {} rows, {width} a row are needed",
                scores.len(),
                target.len()
            )));
        }
        let is_target = |y: &f64| match &task {
            Task::Classification { classes } => *y >= 0.0 && *y < classes.len() as f64 && y.fract() == 0.0,
            Task::Clustering { .. } => y.fract() == 0.0,
            Task::Interval { .. } | Task::Regression => y.is_finite(),
        };
        if let Some(row) = target.iter().position(|y| !is_target(y)) {
            let wanted = if task.is_quantity() { "not a finite number" } else { "no index of a class" };
            return Err(Error::data(format!("the target of row {row} is {}, {wanted}", target[row])));
        }
        let may_be_nan = matches!(task, Task::Clustering { .. });
        if let Some(i) = scores.iter().position(|score| score.is_nan() && !may_be_nan) {
            return Err(Error::data(format!(
                "the score of row {} is NaN: an input is missing or not a number, and the model can't do without",
                i / width.max(1)
            )));
        }
        Ok(Self { task, decision: Decision::default(), target, scores, weights: None })
    }

    /// With the class chosen another way.
    #[must_use]
    pub fn with_decision(mut self, decision: Decision) -> Self {
        self.decision = decision;
        self
    }

    /// With a weight for each row.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) if there are more or fewer, or one is negative
    /// or not finite.
    pub fn with_weights(mut self, weights: Vec<f64>) -> Result<Self> {
        if weights.len() != self.target.len() || !weights.iter().all(|w| w.is_finite() && *w >= 0.0) {
            return Err(Error::data("weights must be finite, at least 0 and one for each row"));
        }
        self.weights = Some(weights);
        Ok(self)
    }

    /// The answers of `model` for the rows of `data`, beside its target (and weight) column.
    ///
    /// # Errors
    /// As [`Model::predict`]; [`ErrorKind::Data`](crate::ErrorKind::Data) for a target that is no
    /// class of the model; [`ErrorKind::Leak`] for rows that the model, or the preparation in front of
    /// it, was fitted on, as far as their [`Provenance`](crate::Provenance) tells
    /// ([`on_training_rows`](Self::on_training_rows) takes them).
    pub fn of(model: &dyn Model, data: &Table) -> Result<Self> {
        let rows = data.provenance();
        if let Some(part) = model.signature().fitted_on.overlap(&rows) {
            return Err(Error::new(
                ErrorKind::Leak,
                format!(
                    "the model, or the preparation in front of it, was fitted on rows that it is to be judged on \
                     ({part}): judge it on rows that were held back, and fit the preparation within the pipeline; \
                     for the scores of training itself use Predictions::on_training_rows"
                ),
            ));
        }
        Self::on_training_rows(model, data)
    }

    /// [`of`](Self::of), on any rows: how well the model knows what it was shown.
    ///
    /// # Errors
    /// As [`of`](Self::of), without [`ErrorKind::Leak`].
    pub fn on_training_rows(model: &dyn Model, data: &Table) -> Result<Self> {
        let batch = data.to_batch()?;
        let answer = model.predict(&batch)?;
        let target = data.column(data.target()?.name())?;
        let signature = model.signature();
        let target = match &signature.task {
            Task::Classification { classes } => classes.indices(&target)?.into_iter().map(|i| i as f64).collect(),
            _ => numbers(&target, "target")?.iter().map(|y| y.unwrap_or(f64::NAN)).collect(),
        };
        let scores = Self::scores_of(signature, &answer)?;
        let predictions = Self::new(signature.task.clone(), target, scores)?.with_decision(signature.decision.clone());
        let weight = data.schema().fields().iter().find(|f| data.roles().of(f.name()) == Role::Weight);
        match weight {
            Some(field) => {
                let weights = numbers(&data.column(field.name())?, field.name())?;
                predictions.with_weights(weights.iter().map(|w| w.unwrap_or(f64::NAN)).collect())
            }
            None => Ok(predictions),
        }
    }

    /// The scores in an answer of [`Model::predict`], row-major: [`Signature::num_scores`] a row.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if it is no answer of this signature.
    pub fn scores_of(signature: &Signature, answer: &RecordBatch) -> Result<Vec<f64>> {
        let wrong =
            || Error::schema(format!("the answer lacks the columns {:?} of its task", signature.output_names()));
        let list = |name: &str, width: usize| {
            let column = answer.column_by_name(name).and_then(|column| column.as_fixed_size_list_opt());
            let column = column.filter(|column| column.value_length() as usize == width).ok_or_else(wrong)?;
            let values = column.values().as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
            Ok::<_, Error>(values.values()[column.offset() * width..][..column.len() * width].to_vec())
        };
        let predict = || {
            let column = answer.column_by_name("predict").and_then(|column| column.as_primitive_opt::<Float64Type>());
            Ok::<_, Error>(column.ok_or_else(wrong)?.values().to_vec())
        };
        match &signature.task {
            Task::Classification { classes } => list("predict_proba", classes.len()),
            Task::Clustering { clusters } => list("score", *clusters),
            Task::Interval { .. } => {
                let bounds = list("predict_interval", 2)?;
                Ok(predict()?.into_iter().zip(bounds.chunks_exact(2)).flat_map(|(y, b)| [y, b[0], b[1]]).collect())
            }
            Task::Regression => predict(),
        }
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> usize {
        self.target.len()
    }

    /// How many scores a row has.
    pub fn width(&self) -> usize {
        self.task.num_scores()
    }

    /// The scores of a row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.scores[row * self.width()..][..self.width()]
    }

    /// Of a classification, the index of the class that was chosen for a row.
    pub fn chosen(&self, row: usize) -> usize {
        self.decision.choose(self.row(row))
    }

    /// The weight of a row.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// Of a classification in two classes, the probability of the second, row by row.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for any other task.
    pub fn positive_scores(&self) -> Result<Vec<f64>> {
        match (&self.task, self.width()) {
            (Task::Classification { .. }, 2) => Ok(self.scores.chunks_exact(2).map(|row| row[1]).collect()),
            _ => Err(Error::unsupported("a classification in two classes is needed here")),
        }
    }

    /// The rows at `rows`, in that order; a row may come more than once (a bootstrap).
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        let width = self.width();
        let scores = rows.iter().flat_map(|row| &self.scores[row * width..(row + 1) * width]);
        Self {
            task: self.task.clone(),
            decision: self.decision.clone(),
            target: rows.iter().map(|row| self.target[*row]).collect(),
            scores: scores.copied().collect(),
            weights: self.weights.as_ref().map(|weights| rows.iter().map(|row| weights[*row]).collect()),
        }
    }
}

/// A number that says how good answers are.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a metric")]
pub trait Metric: Debug + Send + Sync + 'static {
    /// Its name in tables and trackers, such as `roc_auc`.
    fn name(&self) -> &'static str;

    /// Whether a greater value is better.
    fn greater_is_better(&self) -> bool;

    /// The value for these answers.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a task it does not judge,
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) where it is not defined (one class only).
    fn score(&self, predictions: &Predictions) -> Result<f64>;
}
