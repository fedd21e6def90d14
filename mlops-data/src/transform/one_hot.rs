use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::{Field, Schema};
use mlops_core::{Error, Learner, Named, Operand, Operator, Operators, Result, ResultExt, Roles, Transformer, Value};
use serde::{Deserialize, Serialize};

use super::columns::{ColumnMap, number_field, owned};
use super::groups::{Groups, Keys, Vocabulary, unknown_category};
use super::learn::learner;

/// Makes a column of zeros and ones of each category of a column (scikit-learn's `OneHotEncoder`),
/// for models that need numbers.
///
/// Text, whole-number and boolean columns; each is replaced by columns `<column>_<category>` of
/// `Float64`, in ascending order of the categories. A null that training saw is a category, called
/// `nan`. A category that training did not see is all zeros, unless
/// [`with_handle_unknown`](Self::with_handle_unknown) says otherwise. Learns in one pass, with one
/// entry in memory a different category.
///
/// # Errors
/// Applying fails with [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for an unknown category if
/// those are errors, with [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if two outputs would
/// have the same name.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::{DropCategory, OneHotEncoder};
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("origin", Utf8, ["JFK", "EWR", "LGA", "EWR"]))?);
/// let (fitted, encoded) = OneHotEncoder::on(["origin"]).with_drop(DropCategory::First).fit_transform(&table, &Run::default())?;
/// let names: Vec<_> = encoded.schema().fields().iter().map(|field| field.name().as_str()).collect();
/// assert_eq!(names, ["origin_JFK", "origin_LGA"]);
///
/// let unseen = fitted.apply(record_batch!(("origin", Utf8, ["SFO"]))?)?;
/// assert!(unseen.columns().iter().all(|column| column.as_primitive::<Float64Type>().values() == &[0.0]));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OneHotEncoder {
    /// The columns to encode.
    pub columns: Vec<String>,
    /// Which category has no column of its own.
    pub drop: DropCategory,
    /// What becomes of a category that training did not see.
    pub handle_unknown: HandleUnknown,
    /// At most so many output columns for a column; the least frequent categories share
    /// `<column>_infrequent`, which counts as one.
    pub max_categories: Option<NonZeroUsize>,
    /// Categories that are less frequent share `<column>_infrequent`.
    pub min_frequency: Option<Frequency>,
}

/// Which category has no output column of its own, being the one where all others are zero.
///
/// With it the outputs of a column don't always add up to 1, which linear models without penalty
/// need; infrequent categories are joined before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DropCategory {
    /// The first of each column.
    First,
    /// The first of each column that has two.
    IfBinary,
    /// None.
    #[default]
    None,
}

/// What becomes of a category that training did not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HandleUnknown {
    /// It is an error.
    Error,
    /// All outputs of the column are 0.
    #[default]
    Ignore,
    /// It counts as infrequent if the column has infrequent categories, else all outputs are 0.
    InfrequentIfExist,
}

/// How frequent a category is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Frequency {
    /// In so many rows.
    Count(u64),
    /// In this share of the rows.
    Fraction(f64),
}

impl OneHotEncoder {
    /// Encodes these columns.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Leaves out the column of one category.
    #[must_use]
    pub fn with_drop(mut self, drop: DropCategory) -> Self {
        self.drop = drop;
        self
    }

    /// What becomes of a category that training did not see.
    #[must_use]
    pub fn with_handle_unknown(mut self, handle_unknown: HandleUnknown) -> Self {
        self.handle_unknown = handle_unknown;
        self
    }

    /// Joins the least frequent categories, so that a column has at most so many outputs. As with
    /// scikit-learn, of equally frequent categories the first is joined first, and a column with
    /// just so many categories has its least frequent one renamed.
    #[must_use]
    pub fn with_max_categories(mut self, max_categories: NonZeroUsize) -> Self {
        self.max_categories = Some(max_categories);
        self
    }

    /// Joins the categories that are less frequent.
    #[must_use]
    pub fn with_min_frequency(mut self, min_frequency: Frequency) -> Self {
        self.min_frequency = Some(min_frequency);
        self
    }

    fn finish(&self, counts: Groups<u64>) -> Result<OneHotColumn> {
        let (vocabulary, counts) = counts.finish()?;
        let infrequent = self.infrequent(&counts)?;
        let groups = vocabulary.len() - infrequent.len() + usize::from(!infrequent.is_empty());
        let drop_first = match self.drop {
            DropCategory::First => true,
            DropCategory::IfBinary => groups == 2,
            DropCategory::None => false,
        };
        OneHotColumn::try_from(Stored { vocabulary, infrequent, drop_first, handle_unknown: self.handle_unknown })
    }

    /// The codes of the infrequent categories, ascending, by scikit-learn's rule.
    fn infrequent(&self, counts: &[u64]) -> Result<Vec<usize>> {
        let rows: u64 = counts.iter().sum();
        let mut joined: Vec<bool> = match self.min_frequency {
            None => vec![false; counts.len()],
            Some(Frequency::Count(least)) => counts.iter().map(|count| *count < least).collect(),
            Some(Frequency::Fraction(least)) if (0.0..=1.0).contains(&least) => {
                counts.iter().map(|count| (*count as f64) < rows as f64 * least).collect()
            }
            Some(Frequency::Fraction(least)) => {
                return Err(Error::config(format!("min_frequency is a fraction of {least}: give one in 0..=1")));
            }
        };
        let outputs = joined.iter().filter(|joined| !**joined).count() + 1;
        if let Some(most) = self.max_categories.map(NonZeroUsize::get).filter(|most| *most < outputs) {
            let mut by_count: Vec<usize> = (0..counts.len()).collect();
            by_count.sort_by_key(|code| counts[*code]);
            by_count.truncate(counts.len().saturating_sub(most - 1));
            by_count.into_iter().for_each(|code| joined[code] = true);
        }
        Ok((0..counts.len()).filter(|code| joined[*code]).collect())
    }
}

impl Named for OneHotEncoder {
    const KIND: &'static str = "one_hot";
}

impl Transformer for OneHotEncoder {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let recipe = self.clone();
        let finish = move |name: &str, counts| recipe.finish(counts).context("column", name);
        learner(schema, roles, &self.columns, Groups::<u64>::of, finish)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(crate) struct OneHotColumn {
    stored: Stored,
    /// The output of each category; `None` is dropped.
    slots: Vec<Option<usize>>,
    /// What the outputs are called after the name of the column.
    suffixes: Vec<String>,
    unknown: Unknown,
}

#[derive(Clone, Copy, Debug)]
enum Unknown {
    Error,
    Slot(Option<usize>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    vocabulary: Vocabulary,
    infrequent: Vec<usize>,
    drop_first: bool,
    handle_unknown: HandleUnknown,
}

impl From<OneHotColumn> for Stored {
    fn from(column: OneHotColumn) -> Self {
        column.stored
    }
}

impl TryFrom<Stored> for OneHotColumn {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let Stored { vocabulary, infrequent, drop_first, handle_unknown } = &stored;
        if !infrequent.is_sorted_by(|a, b| a < b) || infrequent.last().is_some_and(|last| *last >= vocabulary.len()) {
            return Err(Error::corrupt("the infrequent categories are not categories in ascending order"));
        }
        let frequent = vocabulary.len() - infrequent.len();
        let mut slots = vec![Some(frequent); vocabulary.len()];
        let mut suffixes = Vec::with_capacity(frequent + 1);
        for code in (0..vocabulary.len()).filter(|code| infrequent.binary_search(code).is_err()) {
            slots[code] = Some(suffixes.len());
            suffixes.push(vocabulary.label(code));
        }
        let mut joined = None;
        if !infrequent.is_empty() {
            joined = Some(frequent);
            suffixes.push("infrequent".to_owned());
        }
        if *drop_first && !suffixes.is_empty() {
            suffixes.remove(0);
            for slot in slots.iter_mut().chain([&mut joined]) {
                *slot = slot.and_then(|slot| slot.checked_sub(1));
            }
        }
        let unknown = match handle_unknown {
            HandleUnknown::Error => Unknown::Error,
            HandleUnknown::Ignore => Unknown::Slot(None),
            HandleUnknown::InfrequentIfExist => Unknown::Slot(joined),
        };
        Ok(Self { slots, suffixes, unknown, stored })
    }
}

impl OneHotColumn {
    /// The output that is 1.
    #[inline]
    fn slot(&self, key: Value<'_>) -> Result<Option<usize>> {
        match (self.stored.vocabulary.code(key)?, self.unknown) {
            (Some(code), _) => Ok(self.slots[code]),
            (None, Unknown::Slot(slot)) => Ok(slot),
            (None, Unknown::Error) => Err(unknown_category(key)),
        }
    }
}

impl ColumnMap for OneHotColumn {
    const KIND: &'static str = OneHotEncoder::KIND;
    type Binding = ();

    fn bind(&self, input: &Field) -> Result<()> {
        self.stored.vocabulary.check(input)
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        let name = |suffix| format!("{}_{suffix}", input.name());
        Ok(self.suffixes.iter().map(|suffix| number_field(name(suffix), false)).collect())
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        let keys = Keys::read(&column, name)?;
        let mut outputs = vec![vec![0.0; column.len()]; self.suffixes.len()];
        for (row, code) in self.stored.vocabulary.codes(&keys)?.into_iter().enumerate() {
            let slot = match (self.slots.get(code), self.unknown) {
                (Some(slot), _) => *slot,
                (None, Unknown::Slot(slot)) => slot,
                (None, Unknown::Error) => {
                    let error = unknown_category(keys.get(row));
                    return Err(error.with_context("row", row + 1).with_context("column", name));
                }
            };
            if let Some(slot) = slot {
                outputs[slot][row] = 1.0;
            }
        }
        Ok(outputs.into_iter().map(|output| Arc::new(Float64Array::from(output)) as ArrayRef).collect())
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        let slot = self.slot(cell)?;
        output.extend((0..self.suffixes.len()).map(|i| Value::Float(if slot == Some(i) { 1.0 } else { 0.0 })));
        Ok(())
    }

    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Vec<Operand>> {
        let code = self.stored.vocabulary.operators(column, graph)?;
        let unknown = match self.unknown {
            Unknown::Slot(slot) => slot,
            Unknown::Error => None,
        };
        let slots = || self.slots.iter().chain([&unknown]);
        let output = |i: usize| {
            let hot = slots().map(|slot| f64::from(u8::from(*slot == Some(i)))).collect();
            graph.apply(&Operator::Pick(hot), &[code])
        };
        (0..self.suffixes.len()).map(output).collect()
    }
}
