use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use serde::{Deserialize, Serialize};

use crate::columns::{is_text, texts};
use crate::{Error, Result};

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
    /// One of several groups that were found in rows without labels: scores are one number a group,
    /// the greatest for the group the row belongs to, NaN for one it can't belong to. A row that
    /// belongs to none is noise.
    Clustering {
        /// How many groups there are.
        clusters: usize,
    },
    /// A number between two others: scores are the number, the lower and the upper bound.
    Interval {
        /// The share of rows whose truth is to lie within the bounds.
        coverage: f64,
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

impl Task {
    /// The most groups of a clustering.
    pub const MAX_CLUSTERS: usize = 100_000;

    /// How many scores a row has.
    pub fn num_scores(&self) -> usize {
        match self {
            Self::Classification { classes } => classes.len(),
            Self::Clustering { clusters } => *clusters,
            Self::Interval { .. } => 3,
            Self::Regression => 1,
        }
    }

    /// Whether a number is predicted, with or without bounds.
    pub fn is_quantity(&self) -> bool {
        matches!(self, Self::Interval { .. } | Self::Regression)
    }

    /// Refuses what no model can answer.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Classification { classes } => classes.check(),
            Self::Clustering { clusters } if !(1..=Self::MAX_CLUSTERS).contains(clusters) => {
                Err(format!("{clusters} clusters: 1 to {} are needed", Self::MAX_CLUSTERS))
            }
            Self::Interval { coverage } if !(*coverage > 0.0 && *coverage < 1.0) => {
                Err(format!("a coverage of {coverage}: above 0 and below 1 is needed"))
            }
            _ => Ok(()),
        }
    }

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

    pub(super) fn check(&self) -> Result<(), String> {
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
