use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, FixedSizeListArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::columns::{check_type, describe_columns};
use crate::{Error, Provenance, Result, Table, Value};

mod decision;
mod input;
mod task;

pub use decision::{Decision, Rule};
pub use input::{Domain, InputColumn};
pub use task::{Classes, Task};

/// What a model takes and what it answers: the contract that a package carries and a server checks.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Role, Signature, Table, Task};
/// # let batch = arrow::array::record_batch!(("distance", Float64, [1.0, 2.0]), ("late", Boolean, [true, false]))?;
/// let table = Table::from_batch(batch).with_role("late", Role::Target)?;
/// let signature = Signature::of(&table)?;
/// assert_eq!(signature.inputs[0].name, "distance");
/// assert_eq!(signature.task, Task::Classification { classes: Classes::Bool });
/// assert_eq!(signature.output_names(), ["predict", "predict_proba"]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
#[non_exhaustive]
pub struct Signature {
    /// The input columns, in the order of a row.
    pub inputs: Vec<InputColumn>,
    /// What is predicted.
    pub task: Task,
    /// How the class is chosen, of a classification.
    #[serde(default, skip_serializing_if = "Decision::is_plain")]
    pub decision: Decision,
    /// The rows that the model and the preparation in front of it were fitted on, as far as that is
    /// known.
    #[serde(default, skip_serializing_if = "Provenance::is_empty")]
    pub fitted_on: Provenance,
}

/// A signature as it was read, still to be checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    inputs: Vec<InputColumn>,
    task: Task,
    #[serde(default)]
    decision: Decision,
    #[serde(default)]
    fitted_on: Provenance,
}

impl TryFrom<Stored> for Signature {
    type Error = String;

    fn try_from(Stored { inputs, task, decision, fitted_on }: Stored) -> Result<Self, String> {
        let mut names = BTreeSet::new();
        if let Some(twice) = inputs.iter().find(|input| !names.insert(input.name.as_str())) {
            return Err(format!("two inputs are called '{}'", twice.name));
        }
        for InputColumn { name, data_type, .. } in &inputs {
            check_type(data_type).map_err(|e| format!("input '{name}': {}", e.message()))?;
        }
        task.check()?;
        decision.check(&task)?;
        Ok(Self { inputs, task, decision, fitted_on })
    }
}

impl Signature {
    /// The signature of a model that learns the target of `table` from its features. One pass over
    /// the features and the target.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if there is no target,
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) if it has nulls or only one class.
    pub fn of(table: &Table) -> Result<Self> {
        let inputs = table.features().iter().map(|f| InputColumn::of(table, f)).collect::<Result<_>>()?;
        let target = table.target()?;
        let task = Task::of(&table.column(target.name())?, target)?;
        Ok(Self::new(inputs, task).with_fitted_on(table.fitting_provenance()))
    }

    /// A signature of given inputs and task.
    pub fn new(inputs: Vec<InputColumn>, task: Task) -> Self {
        Self { inputs, task, decision: Decision::default(), fitted_on: Provenance::default() }
    }

    /// Choosing the class another way.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a decision that does not fit the task.
    pub fn with_decision(mut self, decision: Decision) -> Result<Self> {
        decision.check(&self.task).map_err(Error::config)?;
        self.decision = decision;
        Ok(self)
    }

    /// Fitted on these rows.
    #[must_use]
    pub fn with_fitted_on(mut self, provenance: Provenance) -> Self {
        self.fitted_on = provenance;
        self
    }

    /// The names of the inputs, in order.
    pub fn input_names(&self) -> Vec<&str> {
        self.inputs.iter().map(|input| input.name.as_str()).collect()
    }

    /// The inputs as an Arrow schema.
    pub fn input_schema(&self) -> SchemaRef {
        let field = |input: &InputColumn| Field::new(&input.name, input.data_type.clone(), input.nullable);
        Arc::new(Schema::new(self.inputs.iter().map(field).collect::<Vec<_>>()))
    }

    /// The outputs, in order:
    ///
    /// | task | outputs |
    /// | --- | --- |
    /// | classification | `predict`, `predict_proba` (a number a class); `predict_set` (a bool a class) if the [`Decision`] has one |
    /// | clustering | `predict` (the number of the group, −1 for noise), `score` (a number a group) |
    /// | interval | `predict`, `predict_interval` (lower and upper bound) |
    /// | regression | `predict` |
    pub fn outputs(&self) -> Vec<Output> {
        let one = |data_type| Output { name: "predict", data_type, width: None };
        let some = |name, data_type, width| Output { name, data_type, width: Some(width) };
        let width = self.num_scores();
        match &self.task {
            Task::Classification { classes } => {
                let mut outputs = vec![one(classes.data_type()), some("predict_proba", DataType::Float64, width)];
                outputs.extend(self.decision.set_from.map(|_| some("predict_set", DataType::Boolean, width)));
                outputs
            }
            Task::Clustering { .. } => vec![one(DataType::Int64), some("score", DataType::Float64, width)],
            Task::Interval { .. } => vec![one(DataType::Float64), some("predict_interval", DataType::Float64, 2)],
            Task::Regression => vec![one(DataType::Float64)],
        }
    }

    /// The names of the [`outputs`](Self::outputs).
    pub fn output_names(&self) -> Vec<&'static str> {
        self.outputs().into_iter().map(|output| output.name).collect()
    }

    /// The outputs as an Arrow schema; several values a row are a fixed-size list.
    pub fn output_schema(&self) -> SchemaRef {
        let field = |output: Output| Field::new(output.name, output.column_type(), false);
        Arc::new(Schema::new(self.outputs().into_iter().map(field).collect::<Vec<_>>()))
    }

    /// Checks a batch against the inputs: picks the columns by name, in order, and converts types
    /// where nothing is lost (an integer to a float, a string to another kind of string), except that
    /// a float may be rounded to a narrower one. Columns that are no inputs are left out.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a missing column or another type,
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) for a null where none may be, or a value that the
    /// input can't hold without losing digits.
    pub fn check(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let column = batch.column_by_name(&input.name).ok_or_else(|| {
                Error::schema(format!(
                    "input '{}' ({}) is missing; the model takes {}, given were {}",
                    input.name,
                    input.data_type,
                    describe_columns(&self.input_schema()),
                    describe_columns(batch.schema_ref())
                ))
            })?;
            columns.push(input.convert(column)?);
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.input_schema(), columns, &options)?)
    }

    /// Checks a row of cells against the inputs, and the room for its scores, as [`Self::check`] does
    /// with a batch. Allocates nothing if they fit.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_row(&self, row: &[Value<'_>], scores: &[f64]) -> Result<()> {
        if row.len() != self.inputs.len() {
            return Err(Error::schema(format!(
                "a row of {} cells for {} inputs: {}",
                row.len(),
                self.inputs.len(),
                describe_columns(&self.input_schema())
            )));
        }
        if scores.len() != self.num_scores() {
            return Err(Error::schema(format!(
                "room for {} scores, but the model gives {} a row",
                scores.len(),
                self.num_scores()
            )));
        }
        self.inputs.iter().zip(row).try_for_each(|(input, cell)| input.check_cell(*cell))
    }

    /// Refuses scores that are no probabilities because an input was not a number.
    pub(crate) fn check_scores(&self, scores: &[f64]) -> Result<()> {
        if !matches!(self.task, Task::Classification { .. }) {
            return Ok(());
        }
        match scores.iter().position(|score| score.is_nan()) {
            Some(i) => Err(Error::data(format!(
                "row {} has no probabilities: an input is missing or not a number, and the model can't do without",
                i / self.num_scores().max(1)
            ))),
            None => Ok(()),
        }
    }

    /// How many scores a row has.
    pub fn num_scores(&self) -> usize {
        self.task.num_scores()
    }

    /// [`Self::num_scores`], which is not 0 for a signature of training or of a package.
    pub(crate) fn width(&self) -> Result<usize> {
        match self.num_scores() {
            0 => Err(Error::internal("a classification without classes has no scores")),
            width => Ok(width),
        }
    }

    /// The answer for row-major scores: [`Self::num_scores`] for each row.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) if the number of scores is no multiple,
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) if a probability is NaN.
    pub fn answer(&self, scores: Vec<f64>) -> Result<RecordBatch> {
        let width = self.width()?;
        if !scores.len().is_multiple_of(width) {
            return Err(Error::internal(format!("{} scores are not rows of {width}", scores.len())));
        }
        self.check_scores(&scores)?;
        let rows = scores.chunks_exact(width);
        let columns: Vec<ArrayRef> = match &self.task {
            Task::Classification { classes } => {
                let chosen: Vec<usize> = rows.map(|row| self.decision.choose(row)).collect();
                let set = self.decision.set_from.map(|from| scores.iter().map(|p| Some(*p >= from)).collect());
                let set = set.map(|set: BooleanArray| list(width, Arc::new(set))).transpose()?;
                let proba = list(width, Arc::new(Float64Array::from(scores)))?;
                [classes.labels(&chosen), proba].into_iter().chain(set).collect()
            }
            Task::Clustering { .. } => {
                let groups: Int64Array = rows.map(group).collect();
                vec![Arc::new(groups), list(width, Arc::new(Float64Array::from(scores)))?]
            }
            Task::Interval { .. } => {
                let numbers: Float64Array = rows.clone().map(|row| row[0]).collect();
                let bounds: Float64Array = rows.flat_map(|row| [row[1], row[2]]).collect();
                vec![Arc::new(numbers), list(2, Arc::new(bounds))?]
            }
            Task::Regression => vec![Arc::new(Float64Array::from(scores))],
        };
        Ok(RecordBatch::try_new(self.output_schema(), columns)?)
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// The name of the column.
    pub name: &'static str,
    /// The type of a value.
    pub data_type: DataType,
    /// How many values a row has; `None` if it has one, not in a list.
    pub width: Option<usize>,
}

impl Output {
    fn column_type(&self) -> DataType {
        match self.width {
            // At most 100,000.
            Some(width) => DataType::FixedSizeList(item(&self.data_type), width as i32),
            None => self.data_type.clone(),
        }
    }
}

/// The number of the group that the scores of a row of a [`Task::Clustering`] choose: the greatest,
/// the first of equals; −1 if none of them is a number.
pub fn group(scores: &[f64]) -> i64 {
    let numbers = scores.iter().enumerate().filter(|(_, score)| !score.is_nan());
    let best = numbers.reduce(|best, other| if other.1 > best.1 { other } else { best });
    best.map_or(-1, |(i, _)| i as i64)
}

fn item(data_type: &DataType) -> Arc<Field> {
    Arc::new(Field::new_list_field(data_type.clone(), false))
}

fn list(width: usize, values: ArrayRef) -> Result<ArrayRef> {
    Ok(Arc::new(FixedSizeListArray::try_new(item(values.data_type()), width as i32, values, None)?))
}
