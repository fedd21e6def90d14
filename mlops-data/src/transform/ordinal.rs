use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{Field, Schema};
use mlops_core::columns::is_text;
use mlops_core::{Error, Learner, Named, Operand, Operator, Operators, Result, ResultExt, Roles, Transformer, Value};
use serde::{Deserialize, Serialize};

use super::columns::{ColumnMap, cell_of, number_field, owned};
use super::groups::{Categories, Groups, Keys, Vocabulary, unknown_category};
use super::learn::learner;

/// Numbers the categories of columns (scikit-learn's `OrdinalEncoder`): one column stays one column,
/// for trees and for categories that have an order.
///
/// Text, whole-number and boolean columns; the categories are numbered from 0 in ascending order
/// (texts by code point), or in the order of [`with_categories`](Self::with_categories). Null stays
/// null if training saw nulls in the column, and is unknown otherwise. Learns in one pass, with one
/// entry in memory a different category.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Config`] if `unknown_value` is the number of a category; applying
/// with [`ErrorKind::Data`] for an unknown category where there is no `unknown_value`.
///
/// [`ErrorKind::Config`]: mlops_core::ErrorKind::Config
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::OrdinalEncoder;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("size", Utf8, ["m", "s", "l", "xl"]))?);
/// let recipe = OrdinalEncoder::on(["size"]).with_categories("size", ["s", "m", "l"]);
/// let (_, encoded) = recipe.fit_transform(&table, &Run::default())?;
/// assert_eq!(encoded.column("size")?.as_primitive::<Float64Type>().values(), &[1.0, 0.0, 2.0, -1.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OrdinalEncoder {
    /// The columns to encode.
    pub columns: Vec<String>,
    /// The categories of text columns whose order is not the alphabet's.
    pub categories: BTreeMap<String, Vec<String>>,
    /// The number of a category that training did not see; `None` makes it an error.
    pub unknown_value: Option<f64>,
}

impl Default for OrdinalEncoder {
    fn default() -> Self {
        Self { columns: Vec::new(), categories: BTreeMap::new(), unknown_value: Some(-1.0) }
    }
}

impl OrdinalEncoder {
    /// Encodes these columns.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Numbers the categories of a text column in this order; texts that are not listed are unknown.
    #[must_use]
    pub fn with_categories<S: Into<String>>(
        mut self,
        column: impl Into<String>,
        categories: impl IntoIterator<Item = S>,
    ) -> Self {
        self.categories.insert(column.into(), owned(categories));
        self
    }

    /// The number of a category that training did not see, -1 unless said otherwise; `None` makes it
    /// an error.
    #[must_use]
    pub fn with_unknown_value(mut self, unknown_value: impl Into<Option<f64>>) -> Self {
        self.unknown_value = unknown_value.into();
        self
    }

    fn finish(&self, name: &str, counts: Groups<u64>) -> Result<OrdinalColumn> {
        let (mut vocabulary, _) = counts.finish()?;
        if let Some(categories) = self.categories.get(name) {
            vocabulary = Vocabulary::new(Categories::Text(categories.clone()), vocabulary.has_null())?;
        }
        match self.unknown_value {
            Some(x) if !x.is_finite() => Err(Error::config(format!("unknown_value is {x}: give a finite number"))),
            Some(x) if x >= 0.0 && x.fract() == 0.0 && x < vocabulary.len() as f64 => Err(Error::config(format!(
                "unknown_value is {x}, which is the number of category '{}': give a negative number",
                vocabulary.label(x as usize)
            ))),
            unknown_value => Ok(OrdinalColumn { vocabulary, unknown_value }),
        }
    }
}

impl Named for OrdinalEncoder {
    const KIND: &'static str = "ordinal";
}

impl Transformer for OrdinalEncoder {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        if let Some(name) = self.categories.keys().find(|name| !self.columns.contains(name)) {
            return Err(Error::config(format!(
                "categories of '{name}' are given, but it is not encoded: add the column"
            )));
        }
        let start = |field: &Field| {
            if self.categories.contains_key(field.name()) && !is_text(field.data_type()) {
                return Err(Error::schema(format!(
                    "column '{}' is {}, but a list of categories needs text: leave the list out, or convert the column",
                    field.name(),
                    field.data_type()
                )));
            }
            Groups::of(field)
        };
        let recipe = self.clone();
        let finish = move |name: &str, counts| recipe.finish(name, counts).context("column", name);
        learner(schema, roles, &self.columns, start, finish)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrdinalColumn {
    vocabulary: Vocabulary,
    unknown_value: Option<f64>,
}

impl OrdinalColumn {
    #[inline]
    fn encode(&self, key: Value<'_>) -> Result<Option<f64>> {
        match self.vocabulary.code(key)? {
            Some(_) if key.is_null() => Ok(None),
            Some(code) => Ok(Some(code as f64)),
            None => self.unknown_value.map(Some).ok_or_else(|| unknown_category(key)),
        }
    }
}

impl ColumnMap for OrdinalColumn {
    const KIND: &'static str = OrdinalEncoder::KIND;
    type Binding = ();

    fn bind(&self, input: &Field) -> Result<()> {
        self.vocabulary.check(input)
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        Ok(vec![number_field(input.name(), self.vocabulary.has_null())])
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        let keys = Keys::read(&column, name)?;
        let null = if self.vocabulary.has_null() { self.vocabulary.len() - 1 } else { usize::MAX };
        let encode = |(row, code): (usize, usize)| match self.unknown_value {
            _ if code == null => Ok(None),
            _ if code < self.vocabulary.len() => Ok(Some(code as f64)),
            Some(unknown) => Ok(Some(unknown)),
            None => Err(unknown_category(keys.get(row))).context("row", row + 1),
        };
        let codes = self.vocabulary.codes(&keys)?.into_iter().enumerate();
        let codes: Float64Array = codes.map(encode).collect::<Result<_>>().context("column", name)?;
        Ok(vec![Arc::new(codes)])
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        output.push(cell_of(self.encode(cell)?));
        Ok(())
    }

    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Vec<Operand>> {
        let code = self.vocabulary.operators(column, graph)?;
        let codes = (0..self.vocabulary.len()).map(|code| code as f64);
        let codes = codes.chain([self.unknown_value.unwrap_or(f64::NAN)]).collect();
        Ok(vec![graph.apply(&Operator::Pick(codes), &[code])?])
    }
}
