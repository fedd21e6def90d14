use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use mlops_core::columns::{is_text, texts};
use mlops_core::{Error, Result};

/// The classes of a target as they turn up, numbered; other folds may number them otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenClasses {
    numbers: HashMap<i64, usize>,
    texts: HashMap<String, usize>,
}

impl SeenClasses {
    /// Refuses a target that has no classes.
    pub(super) fn check(data_type: &DataType, name: &str, func: &str) -> Result<()> {
        if *data_type == DataType::Boolean || data_type.is_integer() || is_text(data_type) {
            return Ok(());
        }
        Err(Error::schema(format!(
            "{func} compares classes, but the target '{name}' is {data_type}: make it a bool, whole number or text, or \
             score by f_regression or mutual_info_regression"
        )))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len() + self.texts.len()
    }

    /// The number of the class of each row.
    pub(super) fn number(&mut self, target: &ArrayRef, name: &str) -> Result<Vec<usize>> {
        if target.logical_null_count() > 0 {
            return Err(Error::data(format!(
                "the target '{name}' has nulls, which belong to no class: filter those rows first"
            )));
        }
        if is_text(target.data_type()) {
            let values = texts(target, name)?;
            return Ok(values.iter().flatten().map(|value| self.text(value)).collect());
        }
        let values = cast(target, &DataType::Int64)?;
        if values.null_count() > 0 {
            return Err(Error::data(format!("the target '{name}' has a class above 2⁶³: make it a text")));
        }
        Ok(values.as_primitive::<Int64Type>().values().iter().map(|value| self.whole(*value)).collect())
    }

    /// For each class of `other` its number here.
    pub(super) fn merge(&mut self, other: &Self) -> Vec<usize> {
        let mut here = vec![0; other.len()];
        other.numbers.iter().for_each(|(value, there)| here[*there] = self.whole(*value));
        other.texts.iter().for_each(|(value, there)| here[*there] = self.text(value));
        here
    }

    /// The numbers in the order of the classes.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let mut numbers: Vec<_> = self.numbers.iter().collect();
        numbers.sort_unstable();
        let mut texts: Vec<_> = self.texts.iter().collect();
        texts.sort_unstable();
        numbers.into_iter().map(|(_, i)| *i).chain(texts.into_iter().map(|(_, i)| *i)).collect()
    }

    fn whole(&mut self, value: i64) -> usize {
        let next = self.len();
        *self.numbers.entry(value).or_insert(next)
    }

    fn text(&mut self, value: &str) -> usize {
        if let Some(number) = self.texts.get(value) {
            return *number;
        }
        let next = self.len();
        self.texts.insert(value.to_owned(), next);
        next
    }
}
