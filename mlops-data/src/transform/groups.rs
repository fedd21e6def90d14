//! Categories: how a column of them is read, gathered by, written down and looked up.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use mlops_core::columns::{is_text, texts};
use mlops_core::{CodeKeys, Error, Operand, Operator, Operators, Result, Value};
use serde::{Deserialize, Serialize};

use super::coded::Coded;
use super::index::{Ints, Texts};
use super::learn::ColumnFold;

/// A column whose cells are categories.
pub(super) enum Keys {
    Bool(BooleanArray),
    Int(Int64Array),
    Text(StringArray),
    /// Texts by their places in a dictionary.
    Coded(Coded),
}

impl Keys {
    pub(super) fn read(column: &ArrayRef, name: &str) -> Result<Self> {
        Ok(match KeyType::of(name, column.data_type())? {
            KeyType::Bool => Self::Bool(column.as_boolean().clone()),
            KeyType::Int => Self::Int(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
            KeyType::Text => match Coded::of(column) {
                Some(coded) => Self::Coded(coded),
                None => Self::Text(texts(column, name)?),
            },
        })
    }

    pub(super) fn get(&self, row: usize) -> Value<'_> {
        match self {
            Self::Bool(keys) if keys.is_valid(row) => Value::Bool(keys.value(row)),
            Self::Int(keys) if keys.is_valid(row) => Value::Int(keys.value(row)),
            Self::Text(keys) if keys.is_valid(row) => Value::Text(keys.value(row)),
            Self::Coded(keys) => keys.get(row).map_or(Value::Null, Value::Text),
            _ => Value::Null,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyType {
    Bool,
    Int,
    Text,
}

impl KeyType {
    fn of(name: &str, data_type: &DataType) -> Result<Self> {
        match data_type {
            DataType::Boolean => Ok(Self::Bool),
            DataType::UInt64 => Err(Error::schema(format!(
                "column '{name}' is UInt64, whose values don't all fit the Int64 of a category: convert it to Int64 or text"
            ))),
            integer if integer.is_integer() => Ok(Self::Int),
            text if is_text(text) => Ok(Self::Text),
            other => Err(Error::schema(format!(
                "column '{name}' is {other}, but categories are texts, whole numbers or booleans: convert it, \
                 cut it into ranges with Derive, or leave it out"
            ))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int => "a whole number",
            Self::Text => "text",
        }
    }
}

/// Different keys of one type, numbered in the order in which they are first met.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Bool(Vec<bool>),
    Int(Ints),
    Text(Texts),
}

/// Stands for null among the numbers of keys.
pub(super) const NULL: usize = usize::MAX;

impl Known {
    /// None yet, of the type of a column.
    pub(super) fn of(field: &Field) -> Result<Self> {
        Ok(match KeyType::of(field.name(), field.data_type())? {
            KeyType::Bool => Self::Bool(Vec::new()),
            KeyType::Int => Self::Int(Ints::default()),
            KeyType::Text => Self::Text(Texts::default()),
        })
    }

    /// The numbers of the keys of a column, of which new ones get the next numbers; [`NULL`] for null.
    pub(super) fn intern(&mut self, keys: &Keys) -> Result<Vec<usize>> {
        Ok(match (self, keys) {
            (Self::Bool(known), Keys::Bool(keys)) => {
                keys.iter().map(|key| key.map_or(NULL, |key| intern_bool(known, key))).collect()
            }
            (Self::Int(known), Keys::Int(keys)) => {
                keys.iter().map(|key| key.map_or(NULL, |key| known.intern(key))).collect()
            }
            (Self::Text(known), Keys::Text(keys)) => known.intern_all(keys, NULL),
            (Self::Text(known), Keys::Coded(keys)) if keys.is_short() => keys.numbers(NULL, |key| known.intern(key)),
            (Self::Text(known), Keys::Coded(keys)) => known.intern_all(keys, NULL),
            _ => return Err(other_keys()),
        })
    }

    /// What the numbers of others are called here, in their order.
    pub(super) fn absorb(&mut self, others: &Self) -> Result<Vec<usize>> {
        Ok(match (self, others) {
            (Self::Bool(known), Self::Bool(keys)) => keys.iter().map(|key| intern_bool(known, *key)).collect(),
            (Self::Int(known), Self::Int(keys)) => keys.keys().iter().map(|key| known.intern(*key)).collect(),
            (Self::Text(known), Self::Text(keys)) => keys.iter().map(|key| known.intern(key)).collect(),
            _ => return Err(Error::internal("categories of different types can't be merged")),
        })
    }

    /// The keys in ascending order, and their numbers.
    pub(super) fn ascending(&self) -> (Categories, Vec<usize>) {
        match self {
            Self::Bool(keys) => {
                let (keys, numbers) = ascending(keys.iter().copied());
                (Categories::Bool(keys), numbers)
            }
            Self::Int(keys) => {
                let (keys, numbers) = ascending(keys.keys().iter().copied());
                (Categories::Int(keys), numbers)
            }
            Self::Text(keys) => {
                let (keys, numbers) = ascending(keys.iter());
                (Categories::Text(keys.into_iter().map(str::to_owned).collect()), numbers)
            }
        }
    }

    fn key_type(&self) -> KeyType {
        match self {
            Self::Bool(_) => KeyType::Bool,
            Self::Int(_) => KeyType::Int,
            Self::Text(_) => KeyType::Text,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bool(keys) => keys.len(),
            Self::Int(keys) => keys.keys().len(),
            Self::Text(keys) => keys.len(),
        }
    }
}

fn find_bool(keys: &[bool], key: bool) -> Option<usize> {
    keys.iter().position(|known| *known == key)
}

fn intern_bool(keys: &mut Vec<bool>, key: bool) -> usize {
    find_bool(keys, key).unwrap_or_else(|| {
        keys.push(key);
        keys.len() - 1
    })
}

/// Something gathered for every category of a column, and for its nulls.
#[derive(Clone, Debug)]
pub(super) struct Groups<V> {
    known: Known,
    /// By the numbers of the categories.
    values: Vec<V>,
    null: Option<V>,
}

/// What is gathered for a category.
pub(super) trait Gather: Clone + Send + Sync {
    fn gather(&mut self, other: Self);
}

impl Gather for u64 {
    fn gather(&mut self, other: Self) {
        *self += other;
    }
}

impl<V: Gather> Groups<V> {
    pub(super) fn of(field: &Field) -> Result<Self> {
        Ok(Self { known: Known::of(field)?, values: Vec::new(), null: None })
    }

    /// Changes what was gathered for the category of each row in turn; it is `empty` if the category
    /// was not met before.
    pub(super) fn change(
        &mut self,
        keys: &Keys,
        empty: impl Fn() -> V,
        mut change: impl FnMut(&mut V, usize),
    ) -> Result<()> {
        let numbers = self.known.intern(keys)?;
        self.values.resize_with(self.known.len(), &empty);
        for (row, number) in numbers.into_iter().enumerate() {
            match self.values.get_mut(number) {
                Some(value) => change(value, row),
                None => change(self.null.get_or_insert_with(&empty), row),
            }
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        for (code, value) in self.known.absorb(&other.known)?.into_iter().zip(other.values) {
            match self.values.get_mut(code) {
                Some(mine) => mine.gather(value),
                None => self.values.push(value),
            }
        }
        match (&mut self.null, other.null) {
            (Some(mine), Some(theirs)) => mine.gather(theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        Ok(())
    }

    /// Changes what was gathered for every category.
    pub(super) fn change_all(&mut self, change: impl FnMut(&mut V)) {
        self.values.iter_mut().chain(&mut self.null).for_each(change);
    }

    /// The categories in ascending order, null last, and what was gathered for each.
    pub(super) fn finish(self) -> Result<(Vocabulary, Vec<V>)> {
        let (categories, numbers) = self.known.ascending();
        let null = self.null.is_some();
        let values = numbers.into_iter().map(|number| self.values[number].clone()).chain(self.null.clone()).collect();
        Ok((Vocabulary::new(categories, null)?, values))
    }
}

fn ascending<K: Ord>(keys: impl Iterator<Item = K>) -> (Vec<K>, Vec<usize>) {
    let mut pairs: Vec<(K, usize)> = keys.zip(0..).collect();
    pairs.sort_unstable();
    pairs.into_iter().unzip()
}

fn other_keys() -> Error {
    Error::internal("the keys of a column are of another type than its categories")
}

/// How often each category occurs.
impl ColumnFold for Groups<u64> {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        self.change(&Keys::read(column, name)?, || 0, |count, _| *count += 1)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        Self::merge(self, other)
    }
}

/// The categories of a column as they are written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Categories {
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Text(Vec<String>),
}

/// The categories that training saw, numbered: booleans and whole numbers ascending, texts in the
/// order given, null last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(super) struct Vocabulary {
    known: Known,
    null: bool,
}

impl Vocabulary {
    pub(super) fn new(categories: Categories, null: bool) -> Result<Self> {
        let known = match categories {
            Categories::Bool(list) if list.is_sorted_by(|a, b| a < b) => Known::Bool(list),
            Categories::Int(list) if list.is_sorted_by(|a, b| a < b) => {
                let mut keys = Ints::default();
                for key in list {
                    keys.intern(key);
                }
                Known::Int(keys)
            }
            Categories::Text(list) => {
                let mut keys = Texts::default();
                for key in &list {
                    keys.intern(key);
                }
                if keys.len() != list.len() {
                    return Err(Error::config("a category is listed twice: list it once"));
                }
                Known::Text(keys)
            }
            _ => return Err(Error::config("categories must ascend")),
        };
        Ok(Self { known, null })
    }

    /// How many categories there are, null among them.
    pub(super) fn len(&self) -> usize {
        self.known.len() + usize::from(self.null)
    }

    /// Whether null is a category.
    pub(super) fn has_null(&self) -> bool {
        self.null
    }

    /// The number of a category; `None` if training did not see it.
    #[inline]
    pub(super) fn code(&self, key: Value<'_>) -> Result<Option<usize>> {
        match (&self.known, key) {
            (_, Value::Null) => Ok(self.null.then(|| self.len() - 1)),
            (Known::Bool(known), Value::Bool(key)) => Ok(find_bool(known, key)),
            (Known::Int(known), Value::Int(key)) => Ok(known.find(key)),
            (Known::Text(known), Value::Text(key)) => Ok(known.find(key)),
            (_, other) => Err(Error::schema(format!("{other:?} stands where {} is needed", self.key_type().name()))),
        }
    }

    /// The numbers of the categories of a column; [`len`](Self::len) where training did not see one.
    pub(super) fn codes(&self, keys: &Keys) -> Result<Vec<usize>> {
        let unknown = self.len();
        let null = if self.null { unknown - 1 } else { unknown };
        Ok(match (&self.known, keys) {
            (Known::Bool(known), Keys::Bool(keys)) => {
                keys.iter().map(|key| key.map_or(null, |key| find_bool(known, key).unwrap_or(unknown))).collect()
            }
            (Known::Int(known), Keys::Int(keys)) => {
                keys.iter().map(|key| key.map_or(null, |key| known.find(key).unwrap_or(unknown))).collect()
            }
            (Known::Text(known), Keys::Text(keys)) => known.find_all(keys, null, unknown),
            (Known::Text(known), Keys::Coded(keys)) if keys.is_short() => {
                keys.numbers(null, |key| known.find(key).unwrap_or(unknown))
            }
            (Known::Text(known), Keys::Coded(keys)) => known.find_all(keys, null, unknown),
            _ => return Err(other_keys()),
        })
    }

    /// The category as it stands in names and messages; null is `nan`, as scikit-learn has it.
    pub(super) fn label(&self, code: usize) -> String {
        match &self.known {
            _ if self.null && code + 1 == self.len() => "nan".to_owned(),
            Known::Bool(known) => known[code].to_string(),
            Known::Int(known) => known.keys()[code].to_string(),
            Known::Text(known) => known.get(code).to_owned(),
        }
    }

    /// The categories without null, in order.
    pub(super) fn column(&self) -> ArrayRef {
        match &self.known {
            Known::Bool(known) => Arc::new(BooleanArray::from(known.clone())),
            Known::Int(known) => Arc::new(Int64Array::from(known.keys().to_vec())),
            Known::Text(known) => Arc::new(StringArray::from_iter_values(known.iter())),
        }
    }

    /// Refuses a column of another type than training saw.
    pub(super) fn check(&self, field: &Field) -> Result<()> {
        let given = KeyType::of(field.name(), field.data_type())?;
        let fitted = self.key_type();
        if given == fitted {
            return Ok(());
        }
        Err(Error::schema(format!(
            "column '{}' is {}, but was {} when its categories were learned: convert it, or fit again",
            field.name(),
            field.data_type(),
            fitted.name()
        )))
    }

    /// The number of a category as an operand of a graph; [`len`](Self::len) where training did not
    /// see it.
    pub(super) fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Operand> {
        let keys = match &self.known {
            _ if self.null => {
                return Err(Error::unsupported(
                    "a category for missing values: impute them first, graphs have no missing texts and whole numbers",
                ));
            }
            Known::Bool(known) => CodeKeys::Whole(known.iter().map(|key| i64::from(*key)).collect()),
            Known::Int(known) => CodeKeys::Whole(known.keys().to_vec()),
            Known::Text(known) => CodeKeys::Text(known.iter().map(str::to_owned).collect()),
        };
        graph.apply(&Operator::Code(keys), &[column])
    }

    fn key_type(&self) -> KeyType {
        self.known.key_type()
    }
}

/// The error for a category that training did not see, where that is not allowed.
pub(super) fn unknown_category(key: Value<'_>) -> Error {
    let shown = match key {
        Value::Bool(key) => key.to_string(),
        Value::Float(key) => key.to_string(),
        Value::Int(key) => key.to_string(),
        Value::Null => "null".to_owned(),
        Value::Text(key) => format!("{key:?}"),
    };
    Error::data(format!(
        "the category {shown} was not seen in training: correct the value, fit again, or let the encoder take unknown categories"
    ))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    categories: Categories,
    null: bool,
}

impl From<Vocabulary> for Stored {
    fn from(vocabulary: Vocabulary) -> Self {
        let categories = match vocabulary.known {
            Known::Bool(known) => Categories::Bool(known),
            Known::Int(known) => Categories::Int(known.keys().to_vec()),
            Known::Text(known) => Categories::Text(known.iter().map(str::to_owned).collect()),
        };
        Self { categories, null: vocabulary.null }
    }
}

impl TryFrom<Stored> for Vocabulary {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        Self::new(stored.categories, stored.null)
    }
}
