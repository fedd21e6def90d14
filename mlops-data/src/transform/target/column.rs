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
pub(crate) struct EncodedColumn(Stored);

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
        let code = self.0.vocabulary.code(key)?;
        Ok(code.map_or(&self.0.target_mean, |code| &self.0.encodings[code]))
    }
}

impl TryFrom<Stored> for EncodedColumn {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let outputs = stored.target_mean.len();
        let named = if stored.classes.is_empty() { outputs == 1 } else { outputs == stored.classes.len() };
        let complete = stored.encodings.len() == stored.vocabulary.len();
        if named && complete && stored.encodings.iter().all(|encodings| encodings.len() == outputs) {
            return Ok(Self(stored));
        }
        Err(Error::corrupt("the encodings are not one for each category and output"))
    }
}

impl From<EncodedColumn> for Stored {
    fn from(EncodedColumn(stored): EncodedColumn) -> Self {
        stored
    }
}

/// Encodes each row of a column by the map for it; all maps have the same outputs.
pub(super) fn encode<'a>(
    column: &ArrayRef,
    name: &str,
    outputs: usize,
    map_of: impl Fn(usize) -> &'a EncodedColumn,
) -> Result<Vec<ArrayRef>> {
    let mut encoded = vec![Vec::with_capacity(column.len()); outputs];
    for (row, key) in Keys::read(column, name)?.iter().enumerate() {
        let encodings = map_of(row).encodings(key).context("column", name)?;
        encoded.iter_mut().zip(encodings).for_each(|(output, encoding)| output.push(*encoding));
    }
    Ok(encoded.into_iter().map(|output| Arc::new(Float64Array::from(output)) as ArrayRef).collect())
}

impl ColumnMap for EncodedColumn {
    const KIND: &'static str = TargetEncoder::KIND;
    type Binding = ();

    fn bind(&self, input: &Field) -> Result<()> {
        self.0.vocabulary.check(input)
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        if self.0.classes.is_empty() {
            return Ok(vec![number_field(input.name(), false)]);
        }
        let field = |class| number_field(format!("{}_{class}", input.name()), false);
        Ok(self.0.classes.iter().map(field).collect())
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        encode(&column, name, self.0.target_mean.len(), |_| self)
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        output.extend(self.encodings(cell)?.iter().map(|encoding| Value::Float(*encoding)));
        Ok(())
    }
}
