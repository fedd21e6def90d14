//! A document whose arrays of numbers are arrays.

use std::fmt;

use mlops_core::{Error, Result};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A part of a document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    Null,
    /// A number; true is 1.
    Number(f64),
    /// A list of numbers alone.
    Numbers(Vec<f64>),
    Text(String),
}

impl Value {
    pub(super) fn from_json(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|e| {
            Error::corrupt(format!(
                "the XGBoost model is no JSON that can be read: {e}; a model with infinite numbers is readable as \
                 UBJSON"
            ))
            .with_source(e)
        })
    }

    pub(super) fn find(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(super) fn get(&self, key: &str) -> Result<&Self> {
        self.find(key).ok_or_else(|| Error::corrupt(format!("the XGBoost model lacks '{key}'")))
    }

    pub(super) fn text(&self, key: &str) -> Result<&str> {
        match self.get(key)? {
            Self::Text(text) => Ok(text),
            _ => Err(wrong(key, "a text")),
        }
    }

    pub(super) fn list(&self, key: &str) -> Result<&[Self]> {
        match self.get(key)? {
            Self::List(values) => Ok(values),
            Self::Numbers(numbers) if numbers.is_empty() => Ok(&[]),
            _ => Err(wrong(key, "a list")),
        }
    }

    /// Numbers; an empty list has none.
    pub(super) fn numbers(&self, key: &str) -> Result<&[f64]> {
        match self.get(key)? {
            Self::Numbers(numbers) => Ok(numbers),
            Self::List(values) if values.is_empty() => Ok(&[]),
            _ => Err(wrong(key, "a list of numbers")),
        }
    }

    /// So many numbers.
    pub(super) fn exactly(&self, key: &str, count: usize) -> Result<&[f64]> {
        let numbers = self.numbers(key)?;
        if numbers.len() == count {
            return Ok(numbers);
        }
        Err(wrong(key, &format!("a list of {count} numbers, but has {}", numbers.len())))
    }

    /// A number, which XGBoost writes as a text.
    pub(super) fn count(&self, key: &str) -> Result<usize> {
        let number = match self.get(key)? {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) if *number >= 0.0 && number.fract() == 0.0 => Some(*number as usize),
            _ => None,
        };
        number.ok_or_else(|| wrong(key, "a whole number"))
    }
}

pub(super) fn wrong(key: &str, expected: &str) -> Error {
    Error::corrupt(format!("'{key}' of the XGBoost model must be {expected}"))
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Number(f64::from(u8::from(value))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = Collected::default();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(list.finish())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}

/// A list that is of numbers until something else comes.
#[derive(Debug, Default)]
pub(super) struct Collected {
    numbers: Vec<f64>,
    others: Vec<Value>,
}

impl Collected {
    pub(super) fn push(&mut self, value: Value) {
        match value {
            Value::Number(number) if self.others.is_empty() => self.numbers.push(number),
            other => {
                self.others.extend(self.numbers.drain(..).map(Value::Number));
                self.others.push(other);
            }
        }
    }

    pub(super) fn finish(self) -> Value {
        if self.others.is_empty() { Value::Numbers(self.numbers) } else { Value::List(self.others) }
    }
}
