use arrow::datatypes::{Field, Schema};
use mlops_core::sketch::Moments;
use mlops_core::{Error, Learner, Named, Operand, Operator, Operators, Result, Roles, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::{NumberMap, owned, with_number};
use super::learn::{check_numeric, learner};

/// Centres numeric columns on their mean and divides them by their standard deviation
/// (scikit-learn's `StandardScaler`).
///
/// Learns exact moments in one pass and bounded memory: the result does not depend on the order of
/// rows, and a mean of 1e9 with a deviation of 1e-3 does no harm. Nulls and NaN are left out of the
/// fit and stay what they are. The deviation divides by n; a column whose deviation is no more than
/// rounding, ε·|mean|, is constant and has the scale 1. Outputs are `Float64`.
///
/// # Errors
/// Fitting a column without a value, or with an infinity, is [`ErrorKind::Data`].
///
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::StandardScaler;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("age", Int64, [20, 40, 60]))?);
/// let (fitted, scaled) = StandardScaler::on(["age"]).with_std(false).fit_transform(&table, &Run::default())?;
/// assert_eq!(scaled.column("age")?.as_primitive::<Float64Type>().values(), &[-20.0, 0.0, 20.0]);
/// assert_eq!(fitted.save()?.state["columns"][0]["learned"]["mean"], 40.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct StandardScaler {
    /// The columns to scale.
    pub columns: Vec<String>,
    /// Whether the mean is subtracted.
    pub with_mean: bool,
    /// Whether the standard deviation is divided by.
    pub with_std: bool,
}

impl Default for StandardScaler {
    fn default() -> Self {
        Self { columns: Vec::new(), with_mean: true, with_std: true }
    }
}

impl StandardScaler {
    /// Scales these columns.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Whether the mean is subtracted; it is unless said otherwise.
    #[must_use]
    pub fn with_mean(mut self, with_mean: bool) -> Self {
        self.with_mean = with_mean;
        self
    }

    /// Whether the standard deviation is divided by; it is unless said otherwise.
    #[must_use]
    pub fn with_std(mut self, with_std: bool) -> Self {
        self.with_std = with_std;
        self
    }

    fn finish(&self, name: &str, moments: &Moments) -> Result<ScaledColumn> {
        let count = moments.count();
        let (Some(mean), Some(std)) = (moments.mean(), moments.std(0)) else {
            return Err(Error::data(format!(
                "column '{name}' has no value to learn a scale from: leave it out, or impute it first"
            )));
        };
        if !(mean.is_finite() && std.is_finite()) {
            return Err(Error::data(format!(
                "column '{name}' has an infinity, or values too large to have a deviation: clip it, or filter those rows"
            )));
        }
        let scale = if std <= f64::EPSILON * mean.abs() { 1.0 } else { std };
        Ok(ScaledColumn { mean, scale, count, with_mean: self.with_mean, with_std: self.with_std })
    }
}

impl Named for StandardScaler {
    const KIND: &'static str = "standard_scaler";
}

impl Transformer for StandardScaler {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let recipe = self.clone();
        let start = |field: &Field| check_numeric(field).map(|()| Moments::default());
        learner(schema, roles, &self.columns, start, move |name, moments| recipe.finish(name, &moments))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScaledColumn {
    mean: f64,
    scale: f64,
    count: u64,
    with_mean: bool,
    with_std: bool,
}

impl NumberMap for ScaledColumn {
    const KIND: &'static str = StandardScaler::KIND;

    #[inline]
    fn map(&self, x: f64) -> f64 {
        let x = if self.with_mean { x - self.mean } else { x };
        if self.with_std { x / self.scale } else { x }
    }

    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Operand> {
        let column = if self.with_mean { with_number(&Operator::Sub, column, self.mean, graph)? } else { column };
        if self.with_std { with_number(&Operator::Div, column, self.scale, graph) } else { Ok(column) }
    }
}
