use arrow::datatypes::{Field, Schema};
use mlops_core::{Error, Learner, Named, Operand, Operator, Operators, Result, Roles, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::{NumberMap, clamped, owned, with_number};
use super::learn::{Extremes, check_numeric, learner};

/// A range less than this is rounding, and the column constant (scikit-learn's rule).
pub(super) const LEAST_SCALE: f64 = 10.0 * f64::EPSILON;

/// Maps the range of numeric columns onto another, 0 to 1 unless said otherwise (scikit-learn's
/// `MinMaxScaler`).
///
/// Learns the least and the greatest value, in one pass and 16 bytes a column. Nulls and NaN are left
/// out of the fit and stay what they are; a constant column becomes the lower end. Values outside of
/// the training range land outside of the new one, unless [`with_clip`](Self::with_clip) holds them
/// back. Outputs are `Float64`.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Config`] if the new range is empty, with [`ErrorKind::Data`] for a
/// column without a value, with an infinity, or whose range is wider than a float.
///
/// [`ErrorKind::Config`]: mlops_core::ErrorKind::Config
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::MinMaxScaler;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("age", Int64, [20, 40, 60]))?);
/// let (_, scaled) = MinMaxScaler::on(["age"]).fit_transform(&table, &Run::default())?;
/// assert_eq!(scaled.column("age")?.as_primitive::<Float64Type>().values(), &[0.0, 0.5, 1.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MinMaxScaler {
    /// The columns to scale.
    pub columns: Vec<String>,
    /// What the least and the greatest value of training become.
    pub feature_range: (f64, f64),
    /// Whether values beyond those of training become the ends of the range.
    pub clip: bool,
}

impl Default for MinMaxScaler {
    fn default() -> Self {
        Self { columns: Vec::new(), feature_range: (0.0, 1.0), clip: false }
    }
}

impl MinMaxScaler {
    /// Scales these columns to 0..=1.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Scales to `least..=greatest` instead.
    #[must_use]
    pub fn with_feature_range(mut self, least: f64, greatest: f64) -> Self {
        self.feature_range = (least, greatest);
        self
    }

    /// Values beyond those of training become the ends of the range.
    #[must_use]
    pub fn with_clip(mut self) -> Self {
        self.clip = true;
        self
    }
}

impl Named for MinMaxScaler {
    const KIND: &'static str = "min_max_scaler";
}

impl Transformer for MinMaxScaler {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let (least, greatest) = self.feature_range;
        if !(least < greatest && least.is_finite() && greatest.is_finite()) {
            return Err(Error::config(format!(
                "{least} to {greatest} is no range to scale to: give two finite numbers, the lower first"
            )));
        }
        let clip = self.clip.then_some(self.feature_range);
        let start = |field: &Field| check_numeric(field).map(|()| Extremes::default());
        learner(schema, roles, &self.columns, start, move |name, extremes| {
            let (data_min, data_max) = extremes.finite(name)?;
            let range = data_max - data_min;
            let scale = (greatest - least) / if range < LEAST_SCALE { 1.0 } else { range };
            let min = least - data_min * scale;
            if !(range.is_finite() && scale.is_finite() && min.is_finite()) {
                return Err(Error::data(format!(
                    "column '{name}' runs from {data_min:e} to {data_max:e}, which is too wide to scale: clip it first"
                )));
            }
            Ok(MinMaxColumn { data_min, data_max, scale, min, clip })
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MinMaxColumn {
    data_min: f64,
    data_max: f64,
    scale: f64,
    min: f64,
    clip: Option<(f64, f64)>,
}

impl NumberMap for MinMaxColumn {
    const KIND: &'static str = MinMaxScaler::KIND;

    #[inline]
    fn map(&self, x: f64) -> f64 {
        let scaled = x * self.scale + self.min;
        match self.clip {
            // Not f64::clamp, which panics where a damaged state has the limits the wrong way round.
            Some((least, _)) if scaled < least => least,
            Some((_, greatest)) if scaled > greatest => greatest,
            _ => scaled,
        }
    }

    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Operand> {
        let scaled = with_number(&Operator::Mul, column, self.scale, graph)?;
        let moved = with_number(&Operator::Add, scaled, self.min, graph)?;
        self.clip.map_or(Ok(moved), |(least, greatest)| clamped(moved, least, greatest, graph))
    }
}
