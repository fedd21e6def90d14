use arrow::datatypes::Schema;
use mlops_core::{Learner, Named, Result, Roles, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::owned;
use super::learn::{check_columns, ready};
use super::min_max::LEAST_SCALE;
use super::wide::{Wide, WideMap};

/// Scales each row to length 1 over the named columns (scikit-learn's `Normalizer`).
///
/// Nothing is learned. A row of zeros stays as it is; one with a null among the columns gets nulls,
/// one with NaN gets NaN. Outputs are `Float64`.
///
/// # Errors
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column without numbers.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::Normalizer;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("x", Float64, [3.0, 0.0]), ("y", Float64, [4.0, 0.0]))?);
/// let (_, unit) = Normalizer::on(["x", "y"]).fit_transform(&table, &Run::default())?;
/// assert_eq!(unit.column("y")?.as_primitive::<Float64Type>().values(), &[0.8, 0.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Normalizer {
    /// The columns that make up the row.
    pub columns: Vec<String>,
    /// What its length is.
    pub norm: Norm,
}

/// The length of a row, for [`Normalizer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Norm {
    /// The sum of the absolute values.
    L1,
    /// The square root of the sum of the squares.
    #[default]
    L2,
    /// The greatest absolute value.
    Max,
}

impl Normalizer {
    /// Scales rows over these columns to the Euclidean length 1.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), norm: Norm::default() }
    }

    /// With another length.
    #[must_use]
    pub fn with_norm(mut self, norm: Norm) -> Self {
        self.norm = norm;
        self
    }
}

impl Named for Normalizer {
    const KIND: &'static str = "normalizer";
}

impl Transformer for Normalizer {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        check_columns(schema, roles, &self.columns)?;
        ready(schema, &self.columns, Wide::new(&self.columns, NormalizedRow { norm: self.norm }))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NormalizedRow {
    norm: Norm,
}

impl WideMap for NormalizedRow {
    const KIND: &'static str = Normalizer::KIND;
    const IN_PLACE: bool = true;

    fn width(&self) -> Option<usize> {
        None
    }

    fn names(&self, inputs: &[String]) -> Vec<String> {
        inputs.to_vec()
    }

    fn map(&self, input: &[f64], output: &mut [f64]) {
        let length = match self.norm {
            Norm::L1 => input.iter().map(|x| x.abs()).sum(),
            Norm::L2 => input.iter().map(|x| x * x).sum::<f64>().sqrt(),
            // Not f64::max, which passes over NaN.
            Norm::Max => {
                input.iter().map(|x| x.abs()).fold(0.0, |most, x| if x > most || x.is_nan() { x } else { most })
            }
        };
        let scale = if length < LEAST_SCALE { 1.0 } else { length };
        output.iter_mut().zip(input).for_each(|(output, x)| *output = x / scale);
    }
}
