use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::datatypes::Field;
use mlops_core::{Error, Named, Result, ResultExt, Value};
use serde::{Deserialize, Serialize};

use super::TargetEncoder;
use crate::transform::columns::{ColumnMap, number_field};
use crate::transform::groups::{Keys, Vocabulary};

/// The encodings of the categories of a column.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(crate) struct EncodedColumn {
    stored: Stored,
    /// For each category, and behind them for an unknown one, a number an output.
    flat: Vec<f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    vocabulary: Vocabulary,
    /// For each category a number an output.
    encodings: Vec<Vec<f64>>,
    /// The encoding of a category that training did not see.
    target_mean: Vec<f64>,
    /// What the outputs are called after the name of the column; nothing if there is one.
    classes: Vec<String>,
}

impl EncodedColumn {
    pub(super) fn new(
        vocabulary: Vocabulary,
        encodings: Vec<Vec<f64>>,
        target_mean: Vec<f64>,
        classes: Vec<String>,
    ) -> Result<Self> {
        Self::try_from(Stored { vocabulary, encodings, target_mean, classes })
    }

    #[inline]
    fn encodings(&self, key: Value<'_>) -> Result<&[f64]> {
        let code = self.stored.vocabulary.code(key)?;
        Ok(code.map_or(&self.stored.target_mean, |code| &self.stored.encodings[code]))
    }

    /// The encodings of the rows of a column, output by output.
    fn encode(&self, keys: &Keys) -> Result<Vec<ArrayRef>> {
        let codes = self.stored.vocabulary.codes(keys)?;
        let outputs = self.stored.target_mean.len();
        let output = |output| {
            let encodings: Vec<f64> = codes.iter().map(|code| self.flat[code * outputs + output]).collect();
            Arc::new(Float64Array::from(encodings)) as ArrayRef
        };
        Ok((0..outputs).map(output).collect())
    }
}

impl TryFrom<Stored> for EncodedColumn {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let outputs = stored.target_mean.len();
        let named = if stored.classes.is_empty() { outputs == 1 } else { outputs == stored.classes.len() };
        let complete = stored.encodings.len() == stored.vocabulary.len();
        if named && complete && stored.encodings.iter().all(|encodings| encodings.len() == outputs) {
            let flat = stored.encodings.iter().chain([&stored.target_mean]).flatten().copied().collect();
            return Ok(Self { stored, flat });
        }
        Err(Error::corrupt("the encodings are not one for each category and output"))
    }
}

impl From<EncodedColumn> for Stored {
    fn from(EncodedColumn { stored, .. }: EncodedColumn) -> Self {
        stored
    }
}

/// Encodes each row of a column by one of several maps, which all have the same outputs.
pub(super) fn encode_by(
    column: &ArrayRef,
    name: &str,
    maps: &[&EncodedColumn],
    map_of: &[u32],
) -> Result<Vec<ArrayRef>> {
    let keys = Keys::read(column, name)?;
    let outputs = maps.first().map_or(1, |map| map.stored.target_mean.len());
    let mut encoded = vec![Vec::with_capacity(column.len()); outputs];
    for (row, map) in map_of.iter().enumerate() {
        let encodings = maps[*map as usize].encodings(keys.get(row)).context("column", name)?;
        encoded.iter_mut().zip(encodings).for_each(|(output, encoding)| output.push(*encoding));
    }
    Ok(encoded.into_iter().map(|output| Arc::new(Float64Array::from(output)) as ArrayRef).collect())
}

impl ColumnMap for EncodedColumn {
    const KIND: &'static str = TargetEncoder::KIND;
    type Binding = ();

    fn bind(&self, input: &Field) -> Result<()> {
        self.stored.vocabulary.check(input)
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        if self.stored.classes.is_empty() {
            return Ok(vec![number_field(input.name(), false)]);
        }
        let field = |class| number_field(format!("{}_{class}", input.name()), false);
        Ok(self.stored.classes.iter().map(field).collect())
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        self.encode(&Keys::read(&column, name)?)
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        output.extend(self.encodings(cell)?.iter().map(|encoding| Value::Float(*encoding)));
        Ok(())
    }
}
