use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::columns::{describe_columns, is_numeric, is_text, numbers, texts};
use crate::{Error, Result, Role, Table};

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
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Signature {
    /// The input columns, in the order of a row.
    pub inputs: Vec<InputColumn>,
    /// What is predicted.
    pub task: Task,
}

/// One input of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct InputColumn {
    /// The name of the column.
    pub name: String,
    /// Its Arrow type.
    pub data_type: DataType,
    /// Whether a value may be missing.
    pub nullable: bool,
    /// What the column is for.
    pub role: Role,
    /// The values that training saw.
    pub domain: Domain,
}

/// The values of an input that training saw: documentation for users and a reference for monitors,
/// not a condition for an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Domain {
    /// Not recorded.
    #[default]
    Any,
    /// These texts, at most [`Domain::MAX_CATEGORIES`] of them.
    Categories(Vec<String>),
    /// Numbers from `min` to `max`.
    Range {
        /// The smallest finite value.
        min: f64,
        /// The greatest finite value.
        max: f64,
    },
}

impl Domain {
    /// A text column with more different values than this is recorded as [`Domain::Any`].
    pub const MAX_CATEGORIES: usize = 200;
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
        Ok(Self { inputs, task })
    }

    /// A signature of given inputs and task.
    pub fn new(inputs: Vec<InputColumn>, task: Task) -> Self {
        Self { inputs, task }
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
    /// where nothing is lost (an integer to a float, a string to another kind of string).
    /// Columns that are no inputs are left out.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a missing column or another type,
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) for a null where none may be.
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

    /// How many scores a row has.
    pub fn num_scores(&self) -> usize {
        match &self.task {
            Task::Classification { classes } => classes.len(),
            Task::Regression => 1,
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
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) if the number of scores is no multiple.
    pub fn answer(&self, scores: Vec<f64>) -> Result<RecordBatch> {
        let width = self.num_scores();
        if !scores.len().is_multiple_of(width) {
            return Err(Error::internal(format!("{} scores are not rows of {width}", scores.len())));
        }
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

impl InputColumn {
    /// An input of any domain.
    pub fn new(name: impl Into<String>, data_type: DataType, nullable: bool) -> Self {
        Self { name: name.into(), data_type, nullable, role: Role::Feature, domain: Domain::Any }
    }

    /// The input that column `field` of `table` makes, with the values seen there.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if the table has no such column.
    pub fn of(table: &Table, field: &Field) -> Result<Self> {
        Ok(Self {
            domain: Domain::of(&table.column(field.name())?, field)?,
            role: table.roles().of(field.name()),
            ..Self::new(field.name(), field.data_type().clone(), field.is_nullable())
        })
    }

    fn convert(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let given = column.data_type();
        let converted = if *given == self.data_type {
            Arc::clone(column)
        } else if self.takes(given) {
            cast(column, &self.data_type)?
        } else {
            return Err(Error::schema(format!("input '{}' must be {}, given was {given}", self.name, self.data_type)));
        };
        let nulls = converted.null_count();
        if nulls > column.null_count() {
            return Err(Error::data(format!("input '{}' has values that {} can't hold", self.name, self.data_type)));
        }
        if nulls > 0 && !self.nullable {
            return Err(Error::data(format!("input '{}' must have a value in every row; {nulls} are null", self.name)));
        }
        Ok(converted)
    }

    fn takes(&self, given: &DataType) -> bool {
        let wanted = &self.data_type;
        *given == DataType::Null
            || (wanted.is_integer() && given.is_integer())
            || (wanted.is_floating() && is_numeric(given))
            || (is_text(wanted) && is_text(given))
            || (wanted.is_temporal() && given.is_temporal())
            || (wanted.is_temporal() && given.is_integer())
    }
}

impl Domain {
    fn of(column: &ArrayRef, field: &Field) -> Result<Self> {
        if is_text(field.data_type()) {
            let mut seen = BTreeSet::new();
            let texts = texts(column, field.name())?;
            for text in texts.iter().flatten() {
                seen.insert(text);
                if seen.len() > Self::MAX_CATEGORIES {
                    return Ok(Self::Any);
                }
            }
            return Ok(Self::Categories(seen.into_iter().map(str::to_owned).collect()));
        }
        if !is_numeric(field.data_type()) {
            return Ok(Self::Any);
        }
        let numbers = numbers(column, field.name())?;
        let finite = numbers.iter().flatten().filter(|x| x.is_finite());
        let range = finite.fold(None, |range: Option<(f64, f64)>, x| {
            Some(range.map_or((x, x), |(min, max)| (min.min(x), max.max(x))))
        });
        Ok(range.map_or(Self::Any, |(min, max)| Self::Range { min, max }))
    }
}

impl Task {
    /// The task that a target column sets: booleans, whole numbers and texts are classes, floats
    /// are a regression.
    ///
    /// To predict a whole number as a quantity, convert the column to `Float64`.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) for nulls, or more than 1,000 classes;
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for another type.
    pub fn of(target: &ArrayRef, field: &Field) -> Result<Self> {
        let name = field.name();
        if target.null_count() > 0 {
            return Err(Error::data(format!(
                "target '{name}' has {} nulls: filter those rows before training",
                target.null_count()
            )));
        }
        let classes = match field.data_type() {
            float if float.is_floating() => return Ok(Self::Regression),
            DataType::Boolean => Classes::Bool,
            integer if integer.is_integer() => {
                let values = cast(target, &DataType::Int64)?;
                let values = values.as_any().downcast_ref::<Int64Array>();
                let seen: BTreeSet<i64> = values.into_iter().flatten().flatten().collect();
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
        if classes.len() > 1_000 {
            return Err(Error::data(format!(
                "target '{name}' has {} classes: convert it to Float64 if it is a quantity",
                classes.len()
            )));
        }
        Ok(Self::Classification { classes })
    }
}

impl Classes {
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

    /// The class index of every value of a target column.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) for a null or a value that is no class here.
    pub fn indices(&self, target: &ArrayRef) -> Result<Vec<usize>> {
        let unknown = |row: usize| Error::data(format!("row {row} of the target has no known class"));
        let target = cast(target, &self.data_type())?;
        let reader = crate::CellReader::new(&RecordBatch::try_from_iter([("target", target)])?)?;
        (0..reader.num_rows())
            .map(|row| {
                let value = reader.row(row).next();
                let index = match (self, value) {
                    (Self::Bool, Some(crate::Value::Bool(value))) => Some(usize::from(value)),
                    (Self::Int(classes), Some(crate::Value::Int(value))) => classes.binary_search(&value).ok(),
                    (Self::Text(classes), Some(crate::Value::Text(value))) => {
                        classes.binary_search_by(|class| class.as_str().cmp(value)).ok()
                    }
                    _ => None,
                };
                index.ok_or_else(|| unknown(row))
            })
            .collect()
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
