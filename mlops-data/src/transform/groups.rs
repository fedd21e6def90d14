//! Categories: how a column of them is read, gathered by, written down and looked up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use mlops_core::columns::{is_text, texts};
use mlops_core::{Error, Result, Value};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::learn::ColumnFold;

/// A column whose cells are categories.
pub(super) enum Keys {
    Bool(BooleanArray),
    Int(Int64Array),
    Text(StringArray),
}

impl Keys {
    pub(super) fn read(column: &ArrayRef, name: &str) -> Result<Self> {
        Ok(match KeyType::of(name, column.data_type())? {
            KeyType::Bool => Self::Bool(column.as_boolean().clone()),
            KeyType::Int => Self::Int(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
            KeyType::Text => Self::Text(texts(column, name)?),
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Value<'_>> {
        (0..self.len()).map(|row| self.get(row))
    }

    fn len(&self) -> usize {
        match self {
            Self::Bool(keys) => keys.len(),
            Self::Int(keys) => keys.len(),
            Self::Text(keys) => keys.len(),
        }
    }

    fn get(&self, row: usize) -> Value<'_> {
        match self {
            Self::Bool(keys) if keys.is_valid(row) => Value::Bool(keys.value(row)),
            Self::Int(keys) if keys.is_valid(row) => Value::Int(keys.value(row)),
            Self::Text(keys) if keys.is_valid(row) => Value::Text(keys.value(row)),
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

/// Something gathered for every category of a column, and for its nulls.
#[derive(Clone, Debug)]
pub(super) struct Groups<V> {
    known: Known<V>,
    null: Option<V>,
}

#[derive(Clone, Debug)]
enum Known<V> {
    Bool([Option<V>; 2]),
    Int(BTreeMap<i64, V>),
    Text(HashMap<String, V, Xxh3DefaultBuilder>),
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
        let known = match KeyType::of(field.name(), field.data_type())? {
            KeyType::Bool => Known::Bool([None, None]),
            KeyType::Int => Known::Int(BTreeMap::new()),
            KeyType::Text => Known::Text(HashMap::default()),
        };
        Ok(Self { known, null: None })
    }

    /// Changes what was gathered for the category `key`, which is `empty` if it was not met before.
    pub(super) fn change(&mut self, key: Value<'_>, empty: impl Fn() -> V, change: impl FnOnce(&mut V)) -> Result<()> {
        let value = match (&mut self.known, key) {
            (_, Value::Null) => self.null.get_or_insert_with(empty),
            (Known::Bool(known), Value::Bool(key)) => known[usize::from(key)].get_or_insert_with(empty),
            (Known::Int(known), Value::Int(key)) => known.entry(key).or_insert_with(empty),
            (Known::Text(known), Value::Text(key)) => {
                if let Some(value) = known.get_mut(key) {
                    change(value);
                    return Ok(());
                }
                known.entry(key.to_owned()).or_insert_with(empty)
            }
            (_, other) => return Err(Error::internal(format!("{other:?} is no category of this column"))),
        };
        change(value);
        Ok(())
    }

    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        match (&mut self.known, other.known) {
            (Known::Bool(mine), Known::Bool(theirs)) => {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| join(mine, theirs));
            }
            (Known::Int(mine), Known::Int(theirs)) => {
                for (key, value) in theirs {
                    mine.entry(key).and_modify(|mine| mine.gather(value.clone())).or_insert(value);
                }
            }
            (Known::Text(mine), Known::Text(theirs)) => {
                for (key, value) in theirs {
                    mine.entry(key).and_modify(|mine| mine.gather(value.clone())).or_insert(value);
                }
            }
            _ => return Err(Error::internal("categories of different types can't be merged")),
        }
        join(&mut self.null, other.null);
        Ok(())
    }

    /// The categories in ascending order, null last, and what was gathered for each.
    pub(super) fn finish(self) -> Result<(Vocabulary, Vec<V>)> {
        let null = self.null.is_some();
        let (categories, mut values) = match self.known {
            Known::Bool(known) => {
                let pairs = [false, true].into_iter().zip(known).filter_map(|(key, value)| Some((key, value?)));
                let (keys, values): (Vec<_>, Vec<_>) = pairs.unzip();
                (Categories::Bool(keys), values)
            }
            Known::Int(known) => {
                let (keys, values): (Vec<_>, Vec<_>) = known.into_iter().unzip();
                (Categories::Int(keys), values)
            }
            Known::Text(known) => {
                let mut pairs: Vec<(String, V)> = known.into_iter().collect();
                pairs.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
                let (keys, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
                (Categories::Text(keys), values)
            }
        };
        values.extend(self.null);
        Ok((Vocabulary::new(categories, null)?, values))
    }
}

fn join<V: Gather>(mine: &mut Option<V>, theirs: Option<V>) {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => mine.gather(theirs),
        (mine @ None, theirs) => *mine = theirs,
        (Some(_), None) => {}
    }
}

/// How often each category occurs.
impl ColumnFold for Groups<u64> {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        Keys::read(column, name)?.iter().try_for_each(|key| self.change(key, || 0, |count| *count += 1))
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
    known: Lookup,
    null: bool,
}

#[derive(Clone, Debug)]
enum Lookup {
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Text { list: Vec<Arc<str>>, codes: HashMap<Arc<str>, usize, Xxh3DefaultBuilder> },
}

impl Vocabulary {
    pub(super) fn new(categories: Categories, null: bool) -> Result<Self> {
        let known = match categories {
            Categories::Bool(list) if list.is_sorted_by(|a, b| a < b) => Lookup::Bool(list),
            Categories::Int(list) if list.is_sorted_by(|a, b| a < b) => Lookup::Int(list),
            Categories::Text(list) => {
                let list: Vec<Arc<str>> = list.into_iter().map(Arc::from).collect();
                let codes: HashMap<_, _, _> = list.iter().enumerate().map(|(i, text)| (Arc::clone(text), i)).collect();
                if codes.len() != list.len() {
                    return Err(Error::config("a category is listed twice: list it once"));
                }
                Lookup::Text { list, codes }
            }
            _ => return Err(Error::config("categories must ascend")),
        };
        Ok(Self { known, null })
    }

    /// How many categories there are, null among them.
    pub(super) fn len(&self) -> usize {
        let known = match &self.known {
            Lookup::Bool(list) => list.len(),
            Lookup::Int(list) => list.len(),
            Lookup::Text { list, .. } => list.len(),
        };
        known + usize::from(self.null)
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
            (Lookup::Bool(list), Value::Bool(key)) => Ok(list.binary_search(&key).ok()),
            (Lookup::Int(list), Value::Int(key)) => Ok(list.binary_search(&key).ok()),
            (Lookup::Text { codes, .. }, Value::Text(key)) => Ok(codes.get(key).copied()),
            (_, other) => Err(Error::schema(format!("{other:?} stands where {} is needed", self.key_type().name()))),
        }
    }

    /// The category as it stands in names and messages; null is `nan`, as scikit-learn has it.
    pub(super) fn label(&self, code: usize) -> String {
        match &self.known {
            _ if self.null && code + 1 == self.len() => "nan".to_owned(),
            Lookup::Bool(list) => list[code].to_string(),
            Lookup::Int(list) => list[code].to_string(),
            Lookup::Text { list, .. } => list[code].to_string(),
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

    fn key_type(&self) -> KeyType {
        match &self.known {
            Lookup::Bool(_) => KeyType::Bool,
            Lookup::Int(_) => KeyType::Int,
            Lookup::Text { .. } => KeyType::Text,
        }
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
            Lookup::Bool(list) => Categories::Bool(list),
            Lookup::Int(list) => Categories::Int(list),
            Lookup::Text { list, .. } => Categories::Text(list.iter().map(|text| text.to_string()).collect()),
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
