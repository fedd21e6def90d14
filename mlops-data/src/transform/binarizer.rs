use arrow::datatypes::Schema;
use mlops_core::{Error, Learner, Named, Operand, Operator, Operators, Result, Roles, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::{Fitted, NumberMap, owned, with_number};
use super::learn::{check_columns, ready};

/// Tells numbers above a threshold (1) from the others (0) (scikit-learn's `Binarizer`).
///
/// Nothing is learned. Nulls and NaN stay what they are; outputs are `Float64`.
///
/// # Errors
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if the threshold is not finite,
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column without numbers.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::Binarizer;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("delay", Float64, [-3.0, 15.0, 15.5]))?);
/// let (_, late) = Binarizer::on(["delay"], 15.0).fit_transform(&table, &Run::default())?;
/// assert_eq!(late.column("delay")?.as_primitive::<Float64Type>().values(), &[0.0, 0.0, 1.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Binarizer {
    /// The columns.
    pub columns: Vec<String>,
    /// Numbers above it become 1.
    pub threshold: f64,
}

impl Binarizer {
    /// Numbers above `threshold` become 1 in these columns.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>, threshold: f64) -> Self {
        Self { columns: owned(columns), threshold }
    }
}

impl Named for Binarizer {
    const KIND: &'static str = "binarizer";
}

impl Transformer for Binarizer {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let threshold = self.threshold;
        if !threshold.is_finite() {
            return Err(Error::config(format!("{threshold} is no threshold: give a finite number")));
        }
        check_columns(schema, roles, &self.columns)?;
        let maps = self.columns.iter().map(|_| BinarizedColumn { threshold }).collect();
        ready(schema, &self.columns, Fitted::new(&self.columns, maps))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BinarizedColumn {
    threshold: f64,
}

impl NumberMap for BinarizedColumn {
    const KIND: &'static str = Binarizer::KIND;

    #[inline]
    fn map(&self, x: f64) -> f64 {
        if x.is_nan() { x } else { f64::from(u8::from(x > self.threshold)) }
    }

    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Operand> {
        let above = with_number(&Operator::Greater, column, self.threshold, graph)?;
        let missing = graph.apply(&Operator::IsMissing, &[column])?;
        graph.apply(&Operator::Choose, &[missing, column, above])
    }
}
