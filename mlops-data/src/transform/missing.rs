use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, Float16Type, Float32Type, Float64Type, Schema};
use mlops_core::{Error, Learner, Named, Result, ResultExt, Roles, Transformer, Value};
use serde::{Deserialize, Serialize};

use super::columns::{ColumnMap, number_field, owned};
use super::learn::{ColumnFold, learner};

/// Says where values are missing: `missingindicator_<column>`, 1 where a value is missing and else 0,
/// in the place of each column (scikit-learn's `MissingIndicator`).
///
/// Null is missing in a column of any type, and so is NaN in one of floats. A column in which training
/// missed nothing is left out, unless [`with_all_features`](Self::with_all_features) keeps it. Learns
/// in one pass and one byte a column.
///
/// To fill values in and say where they were missing in one step, use
/// [`SimpleImputer::with_indicator`](super::SimpleImputer::with_indicator); to keep the columns themselves, use
/// [`with_columns_kept`](Self::with_columns_kept).
///
/// # Errors
/// With [`with_error_on_new`](Self::with_error_on_new), applying fails with
/// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) where a value is missing in a column in which
/// training missed none.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::MissingIndicator;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let batch = record_batch!(("age", Float64, [Some(31.0), None]), ("city", Utf8, ["oslo", "bern"]))?;
/// let recipe = MissingIndicator::on(["age", "city"]);
/// let (_, missing) = recipe.fit_transform(&Table::from_batch(batch), &Run::default())?;
/// assert_eq!(missing.column("missingindicator_age")?.as_primitive::<Float64Type>().values(), &[0.0, 1.0]);
/// assert!(missing.column("missingindicator_city").is_err());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MissingIndicator {
    /// The columns.
    pub columns: Vec<String>,
    /// Whether columns in which training missed nothing have an indicator too.
    pub all_features: bool,
    /// Whether a missing value is an error where training missed none.
    pub error_on_new: bool,
    /// Whether the columns stay, in front of their indicators.
    pub keep: bool,
}

impl MissingIndicator {
    /// Says where values are missing in those of these columns in which training misses some.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Columns in which training misses nothing have an indicator too.
    #[must_use]
    pub fn with_all_features(mut self) -> Self {
        self.all_features = true;
        self
    }

    /// A missing value is an error where training missed none.
    #[must_use]
    pub fn with_error_on_new(mut self) -> Self {
        self.error_on_new = true;
        self
    }

    /// The columns stay, in front of their indicators.
    #[must_use]
    pub fn with_columns_kept(mut self) -> Self {
        self.keep = true;
        self
    }
}

impl Named for MissingIndicator {
    const KIND: &'static str = "missing_indicator";
}

impl Transformer for MissingIndicator {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let Self { all_features, error_on_new, keep, .. } = *self;
        learner(
            schema,
            roles,
            &self.columns,
            |_| Ok(AnyMissing(false)),
            move |_, AnyMissing(missing)| {
                let indicates = missing || all_features;
                Ok(IndicatedColumn { indicates, refuses: error_on_new && !indicates, keep })
            },
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct AnyMissing(bool);

impl ColumnFold for AnyMissing {
    fn update(&mut self, column: &ArrayRef, _: &str) -> Result<()> {
        self.0 = self.0 || missing(column).any(|missing| missing);
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.0 |= other.0;
        Ok(())
    }
}

/// Whether each value of a column is missing.
fn missing(column: &ArrayRef) -> impl Iterator<Item = bool> {
    let nulls = column.logical_nulls();
    let is_nan = |row: usize| match column.data_type() {
        DataType::Float16 => column.as_primitive::<Float16Type>().value(row).is_nan(),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).is_nan(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).is_nan(),
        _ => false,
    };
    (0..column.len()).map(move |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) || is_nan(row))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndicatedColumn {
    /// Whether there is an indicator.
    indicates: bool,
    /// Whether a missing value is an error.
    refuses: bool,
    keep: bool,
}

impl IndicatedColumn {
    fn check(&self, missing: bool) -> Result<()> {
        if self.refuses && missing {
            return Err(Error::data(
                "a value is missing, but none was in training: fit again, or do without `with_error_on_new`",
            ));
        }
        Ok(())
    }
}

impl ColumnMap for IndicatedColumn {
    const KIND: &'static str = MissingIndicator::KIND;
    type Binding = ();

    fn bind(&self, _: &Field) -> Result<()> {
        Ok(())
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        let indicator = || number_field(format!("missingindicator_{}", input.name()), false);
        Ok(self.keep.then(|| input.clone()).into_iter().chain(self.indicates.then(indicator)).collect())
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        self.check(self.refuses && missing(&column).any(|missing| missing)).context("column", name)?;
        let indicator = || -> ArrayRef {
            let cells = missing(&column).map(|missing| f64::from(u8::from(missing))).collect();
            Arc::new(Float64Array::new(cells, None))
        };
        let indicator = self.indicates.then(indicator);
        Ok(self.keep.then_some(column).into_iter().chain(indicator).collect())
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        let missing = match cell {
            Value::Null => true,
            Value::Float(x) => x.is_nan(),
            _ => false,
        };
        self.check(missing)?;
        if self.keep {
            output.push(cell);
        }
        if self.indicates {
            output.push(Value::Float(f64::from(u8::from(missing))));
        }
        Ok(())
    }
}
