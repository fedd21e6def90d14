use arrow::datatypes::{Field, Schema};
use mlops_core::{Learner, Named, Operand, Operator, Operators, Result, Roles, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::{NumberMap, clamped, owned, with_number};
use super::learn::{Extremes, check_numeric, learner};
use super::min_max::LEAST_SCALE;

/// Divides numeric columns by their greatest absolute value, so that zero stays zero
/// (scikit-learn's `MaxAbsScaler`).
///
/// Learns in one pass and 16 bytes a column. Nulls and NaN are left out of the fit and stay what they
/// are; a column of zeros stays as it is. Outputs are `Float64`.
///
/// # Errors
/// Fitting a column without a value, or with an infinity, is [`ErrorKind::Data`].
///
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::MaxAbsScaler;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("change", Float64, [-4.0, 0.0, 2.0]))?);
/// let (_, scaled) = MaxAbsScaler::on(["change"]).fit_transform(&table, &Run::default())?;
/// assert_eq!(scaled.column("change")?.as_primitive::<Float64Type>().values(), &[-1.0, 0.0, 0.5]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MaxAbsScaler {
    /// The columns to scale.
    pub columns: Vec<String>,
    /// Whether values beyond those of training become -1 or 1.
    pub clip: bool,
}

impl MaxAbsScaler {
    /// Scales these columns.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), clip: false }
    }

    /// Values beyond those of training become -1 or 1.
    #[must_use]
    pub fn with_clip(mut self) -> Self {
        self.clip = true;
        self
    }
}

impl Named for MaxAbsScaler {
    const KIND: &'static str = "max_abs_scaler";
}

impl Transformer for MaxAbsScaler {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let clip = self.clip;
        let start = |field: &Field| check_numeric(field).map(|()| Extremes::default());
        learner(schema, roles, &self.columns, start, move |name, extremes| {
            let (min, max) = extremes.finite(name)?;
            let max_abs = min.abs().max(max.abs());
            Ok(MaxAbsColumn { scale: if max_abs < LEAST_SCALE { 1.0 } else { max_abs }, clip })
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaxAbsColumn {
    scale: f64,
    clip: bool,
}

impl NumberMap for MaxAbsColumn {
    const KIND: &'static str = MaxAbsScaler::KIND;

    #[inline]
    fn map(&self, x: f64) -> f64 {
        let scaled = x / self.scale;
        if self.clip { scaled.clamp(-1.0, 1.0) } else { scaled }
    }

    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Operand> {
        let scaled = with_number(&Operator::Div, column, self.scale, graph)?;
        if self.clip { clamped(scaled, -1.0, 1.0, graph) } else { Ok(scaled) }
    }
}
