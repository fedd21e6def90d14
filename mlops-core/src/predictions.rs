use std::fmt::Debug;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;

use crate::columns::numbers;
use crate::{Error, ErrorKind, Model, Result, Role, Table, Task};

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
    /// The truth of each row: the index of the class, or the number.
    pub target: Vec<f64>,
    /// The scores of each row, row-major: one probability a class, or one number.
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
        let width = match &task {
            Task::Classification { classes } => classes.len(),
            Task::Regression => 1,
        };
        if scores.len() != target.len() * width {
            return Err(Error::data(format!(
                "{} scores for {} rows, {width} a row are needed",
                scores.len(),
                target.len()
            )));
        }
        let is_target = |y: &f64| match &task {
            Task::Classification { classes } => *y >= 0.0 && *y < classes.len() as f64 && y.fract() == 0.0,
            Task::Regression => y.is_finite(),
        };
        if let Some(row) = target.iter().position(|y| !is_target(y)) {
            let wanted = if task == Task::Regression { "not a finite number" } else { "no class index" };
            return Err(Error::data(format!("the target of row {row} is {}, {wanted}", target[row])));
        }
        if let Some(i) = scores.iter().position(|score| score.is_nan()) {
            return Err(Error::data(format!(
                "the score of row {} is NaN: an input is missing or not a number, and the model can't do without",
                i / width.max(1)
            )));
        }
        Ok(Self { task, target, scores, weights: None })
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
            Task::Regression => numbers(&target, "target")?.iter().map(|y| y.unwrap_or(f64::NAN)).collect(),
        };
        let scores = Self::scores_of(&answer)?;
        let predictions = Self::new(signature.task.clone(), target, scores)?;
        let weight = data.schema().fields().iter().find(|f| data.roles().of(f.name()) == Role::Weight);
        match weight {
            Some(field) => {
                let weights = numbers(&data.column(field.name())?, field.name())?;
                predictions.with_weights(weights.iter().map(|w| w.unwrap_or(f64::NAN)).collect())
            }
            None => Ok(predictions),
        }
    }

    /// The scores in an answer of [`Model::predict`], row-major: the probabilities of a
    /// classification, or the numbers of a regression.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if it is no answer.
    pub fn scores_of(answer: &RecordBatch) -> Result<Vec<f64>> {
        if let Some(proba) = answer.column_by_name("predict_proba") {
            let proba = proba.as_fixed_size_list_opt().ok_or_else(no_answer)?;
            let width = proba.value_length() as usize;
            let values = proba.values().as_primitive_opt::<Float64Type>().ok_or_else(no_answer)?;
            return Ok(values.values()[proba.offset() * width..][..proba.len() * width].to_vec());
        }
        let predict = answer.column_by_name("predict").ok_or_else(no_answer)?;
        Ok(numbers(predict, "predict")?.values().to_vec())
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> usize {
        self.target.len()
    }

    /// How many scores a row has.
    pub fn width(&self) -> usize {
        match &self.task {
            Task::Classification { classes } => classes.len(),
            Task::Regression => 1,
        }
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
            target: rows.iter().map(|row| self.target[*row]).collect(),
            scores: scores.copied().collect(),
            weights: self.weights.as_ref().map(|weights| rows.iter().map(|row| weights[*row]).collect()),
        }
    }
}

fn no_answer() -> Error {
    Error::schema("an answer has a column 'predict', and 'predict_proba' (fixed-size lists of Float64) for classes")
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
