use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::columns::{check_type, describe_columns, is_text, texts};
use crate::{Error, Provenance, Result, Table, Value};

mod input;

pub use input::{Domain, InputColumn};

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
    fitted_on: Provenance,
}

impl TryFrom<Stored> for Signature {
    type Error = String;

    fn try_from(Stored { inputs, task, fitted_on }: Stored) -> Result<Self, String> {
        let mut names = BTreeSet::new();
        if let Some(twice) = inputs.iter().find(|input| !names.insert(input.name.as_str())) {
            return Err(format!("two inputs are called '{}'", twice.name));
        }
        for InputColumn { name, data_type, .. } in &inputs {
            check_type(data_type).map_err(|e| format!("input '{name}': {}", e.message()))?;
        }
        if let Task::Classification { classes } = &task {
            classes.check()?;
        }
        Ok(Self { inputs, task, fitted_on })
    }
}

/// What a model predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Task {
    /// One of several classes, with a probability for each: scores are one probability a class.
    Classification {
        /// The classes, in the order of the scores.
        classes: Classes,
    },
    /// A number: one score.
    Regression,
}

/// The classes of a target column, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Classes {
    /// False, true.
    Bool,
    /// Whole numbers.
    Int(Vec<i64>),
    /// Texts.
    Text(Vec<String>),
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
        Ok(Self { inputs, task, fitted_on: table.fitting_provenance() })
    }

    /// A signature of given inputs and task.
    pub fn new(inputs: Vec<InputColumn>, task: Task) -> Self {
        Self { inputs, task, fitted_on: Provenance::default() }
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

    /// The names of the outputs: `predict`, and `predict_proba` for a classification.
    pub fn output_names(&self) -> &'static [&'static str] {
        match self.task {
            Task::Classification { .. } => &["predict", "predict_proba"],
            Task::Regression => &["predict"],
        }
    }

    /// The outputs as an Arrow schema; `predict_proba` is a fixed-size list with one number a class.
    pub fn output_schema(&self) -> SchemaRef {
        let schema = match &self.task {
            Task::Classification { classes } => Schema::new(vec![
                Field::new("predict", classes.data_type(), false),
                Field::new("predict_proba", DataType::FixedSizeList(proba_item(), classes.len() as i32), false),
            ]),
            Task::Regression => Schema::new(vec![Field::new("predict", DataType::Float64, false)]),
        };
        Arc::new(schema)
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
        if self.task == Task::Regression {
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
        match &self.task {
            Task::Classification { classes } => classes.len(),
            Task::Regression => 1,
        }
    }

    /// [`Self::num_scores`], which is not 0 for a signature of training or of a package.
    pub(crate) fn width(&self) -> Result<usize> {
        match self.num_scores() {
            0 => Err(Error::internal("a classification without classes has no scores")),
            width => Ok(width),
        }
    }

    /// The index of the class that a row of scores chooses: the greatest, the first of equals.
    pub fn choose(scores: &[f64]) -> usize {
        let mut best = 0;
        for (i, score) in scores.iter().enumerate() {
            if *score > scores[best] {
                best = i;
            }
        }
        best
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
        let columns: Vec<ArrayRef> = match &self.task {
            Task::Classification { classes } => {
                let chosen: Vec<usize> = scores.chunks_exact(width).map(Self::choose).collect();
                let proba = FixedSizeListArray::try_new(
                    proba_item(),
                    width as i32,
                    Arc::new(Float64Array::from(scores)),
                    None,
                )?;
                vec![classes.labels(&chosen), Arc::new(proba)]
            }
            Task::Regression => vec![Arc::new(Float64Array::from(scores))],
        };
        Ok(RecordBatch::try_new(self.output_schema(), columns)?)
    }
}

fn proba_item() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Float64, false))
}

impl Task {
    /// The task that a target column sets: booleans, whole numbers and texts are classes, floats
    /// are a regression.
    ///
    /// To predict a whole number as a quantity, convert the column to `Float64`.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) for nulls, fewer than 2 or more than 1,000
    /// classes; [`ErrorKind::Schema`](crate::ErrorKind::Schema) for another type.
    pub fn of(target: &ArrayRef, field: &Field) -> Result<Self> {
        let name = field.name();
        let nulls = target.logical_null_count();
        if nulls > 0 {
            return Err(Error::data(format!("target '{name}' has {nulls} nulls: filter those rows before training")));
        }
        let classes = match target.data_type() {
            float if float.is_floating() => return Ok(Self::Regression),
            DataType::Boolean => {
                let seen = target.as_boolean();
                if !seen.has_true() || !seen.has_false() {
                    return Err(too_few_classes(name, usize::from(!seen.is_empty())));
                }
                Classes::Bool
            }
            integer if integer.is_integer() => {
                let values = whole_numbers(target, name)?;
                let seen: BTreeSet<i64> = values.values().iter().copied().collect();
                Classes::Int(seen.into_iter().collect())
            }
            text if is_text(text) => {
                let values = texts(target, name)?;
                let seen: BTreeSet<&str> = values.iter().flatten().collect();
                Classes::Text(seen.into_iter().map(str::to_owned).collect())
            }
            other => {
                return Err(Error::schema(format!(
                    "target '{name}' is {other}: a bool, whole number, text (classes) or float (regression) is needed"
                )));
            }
        };
        if classes.len() < 2 {
            return Err(too_few_classes(name, classes.len()));
        }
        if classes.len() > Classes::MAX {
            return Err(Error::data(format!(
                "target '{name}' has {} classes: convert it to Float64 if it is a quantity",
                classes.len()
            )));
        }
        Ok(Self::Classification { classes })
    }
}

fn too_few_classes(target: &str, seen: usize) -> Error {
    Error::data(format!("target '{target}' has {seen} classes: at least 2 are needed to tell them apart"))
}

/// A target of whole numbers, which must fit into `Int64`; nulls stay.
fn whole_numbers(target: &ArrayRef, name: &str) -> Result<Int64Array> {
    let values = cast(target, &DataType::Int64)?;
    if values.null_count() > target.logical_null_count() {
        return Err(Error::data(format!("target '{name}' has classes beyond {}: give them other numbers", i64::MAX)));
    }
    Ok(values.as_primitive::<Int64Type>().clone())
}

impl Classes {
    /// The most classes that a target may have.
    pub const MAX: usize = 1_000;

    fn check(&self) -> Result<(), String> {
        if !(2..=Self::MAX).contains(&self.len()) {
            return Err(format!("{} classes: 2 to {} are needed", self.len(), Self::MAX));
        }
        let ascending = match self {
            Self::Bool => true,
            Self::Int(classes) => classes.is_sorted_by(|a, b| a < b),
            Self::Text(classes) => classes.is_sorted_by(|a, b| a < b),
        };
        if ascending { Ok(()) } else { Err("the classes are not in ascending order, each once".to_owned()) }
    }

    /// How many classes there are.
    #[expect(clippy::len_without_is_empty, reason = "a target without a value has no classes to ask about")]
    pub fn len(&self) -> usize {
        match self {
            Self::Bool => 2,
            Self::Int(classes) => classes.len(),
            Self::Text(classes) => classes.len(),
        }
    }

    /// The Arrow type of a label.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int(_) => DataType::Int64,
            Self::Text(_) => DataType::Utf8,
        }
    }

    /// The labels of the classes at `indices`.
    ///
    /// # Panics
    /// If an index is not below [`Self::len`].
    pub fn labels(&self, indices: &[usize]) -> ArrayRef {
        match self {
            Self::Bool => Arc::new(indices.iter().map(|i| Some(*i == 1)).collect::<BooleanArray>()),
            Self::Int(classes) => Arc::new(indices.iter().map(|i| classes[*i]).collect::<Int64Array>()),
            Self::Text(classes) => Arc::new(StringArray::from_iter_values(indices.iter().map(|i| &classes[*i]))),
        }
    }

    /// The class index of every value of a target column. One pass; copies a column of another width
    /// or another kind of text.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a column of another kind (bools, whole
    /// numbers, texts), [`ErrorKind::Data`](crate::ErrorKind::Data) for a null or a value that is no
    /// class here.
    pub fn indices(&self, target: &ArrayRef) -> Result<Vec<usize>> {
        match (self, target.data_type()) {
            (Self::Bool, DataType::Boolean) => known(target.as_boolean().iter().map(|value| Some(usize::from(value?)))),
            (Self::Int(classes), integer) if integer.is_integer() => {
                let values = cast(target, &DataType::Int64)?;
                let values = values.as_primitive::<Int64Type>();
                known(values.iter().map(|value| classes.binary_search(&value?).ok()))
            }
            (Self::Text(classes), text) if is_text(text) => {
                let values = texts(target, "target")?;
                known(values.iter().map(|value| {
                    let value = value?;
                    classes.binary_search_by(|class| class.as_str().cmp(value)).ok()
                }))
            }
            (_, other) => {
                Err(Error::schema(format!("the target is {other}, but the classes are {}", self.data_type())))
            }
        }
    }

    /// The class at `index` as a text.
    pub fn name(&self, index: usize) -> String {
        match self {
            Self::Bool => (index == 1).to_string(),
            Self::Int(classes) => classes[index].to_string(),
            Self::Text(classes) => classes[index].clone(),
        }
    }
}

fn known(indices: impl Iterator<Item = Option<usize>>) -> Result<Vec<usize>> {
    let known = |(row, index): (usize, Option<usize>)| {
        index.ok_or_else(|| Error::data(format!("row {row} of the target has no known class")))
    };
    indices.enumerate().map(known).collect()
}
