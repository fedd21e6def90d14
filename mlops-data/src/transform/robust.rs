use arrow::datatypes::{Field, Schema};
use mlops_core::{Error, Learner, Named, Operand, Operator, Operators, Result, Roles, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::{NumberMap, owned, with_number};
use super::learn::{check_numeric, infinities, learner, no_values};
use super::min_max::LEAST_SCALE;
use super::normal::normal_quantile;
use super::ranks::Quantiles;

/// Centres numeric columns on their median and divides them by the distance of two quantiles, which
/// outliers do not move (scikit-learn's `RobustScaler`).
///
/// Learns exact quantiles (numpy's, by linear interpolation), for which fitting takes up to four passes in
/// memory that does not grow with the rows, and one for a column of few different values. Nulls and NaN are left out of the fit and stay what they are; a column whose
/// quantiles are equal has the scale 1. Outputs are `Float64`.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Config`] if the quantiles are not in 0..=100 and in order, with
/// [`ErrorKind::Data`] for a column without a value, or with a quantile that is infinite.
///
/// [`ErrorKind::Config`]: mlops_core::ErrorKind::Config
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::RobustScaler;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("fare", Float64, [1.0, 2.0, 3.0, 4.0, 1e6]))?);
/// let (_, scaled) = RobustScaler::on(["fare"]).fit_transform(&table, &Run::default())?;
/// assert_eq!(scaled.column("fare")?.as_primitive::<Float64Type>().values()[..4], [-1.0, -0.5, 0.0, 0.5]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RobustScaler {
    /// The columns to scale.
    pub columns: Vec<String>,
    /// Whether the median is subtracted.
    pub with_centering: bool,
    /// Whether the distance of the quantiles is divided by.
    pub with_scaling: bool,
    /// The two quantiles, in per cent.
    pub quantile_range: (f64, f64),
    /// Whether the scale is such that normally distributed values get the variance 1.
    pub unit_variance: bool,
}

impl Default for RobustScaler {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            with_centering: true,
            with_scaling: true,
            quantile_range: (25.0, 75.0),
            unit_variance: false,
        }
    }
}

impl RobustScaler {
    /// Scales these columns by their interquartile range.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Whether the median is subtracted; it is unless said otherwise.
    #[must_use]
    pub fn with_centering(mut self, with_centering: bool) -> Self {
        self.with_centering = with_centering;
        self
    }

    /// Whether the distance of the quantiles is divided by; it is unless said otherwise.
    #[must_use]
    pub fn with_scaling(mut self, with_scaling: bool) -> Self {
        self.with_scaling = with_scaling;
        self
    }

    /// Scales by the distance of these quantiles, in per cent.
    #[must_use]
    pub fn with_quantile_range(mut self, lower: f64, upper: f64) -> Self {
        self.quantile_range = (lower, upper);
        self
    }

    /// Scales so that normally distributed values get the variance 1.
    #[must_use]
    pub fn with_unit_variance(mut self) -> Self {
        self.unit_variance = true;
        self
    }

    fn finish(&self, name: &str, quantiles: &Quantiles<3>) -> Result<RobustColumn> {
        let [lower, center, upper] = quantiles.finish()?.ok_or_else(|| no_values(name))?;
        let range = upper - lower;
        if !(center.is_finite() && range.is_finite()) {
            return Err(infinities(name));
        }
        let mut scale = if range < LEAST_SCALE { 1.0 } else { range };
        if self.unit_variance {
            scale /= self.normal_range();
        }
        let Self { with_centering, with_scaling, .. } = *self;
        Ok(RobustColumn { center, scale, with_centering, with_scaling })
    }

    /// How far the quantiles of a standard normal distribution are apart.
    fn normal_range(&self) -> f64 {
        let (lower, upper) = self.quantile_range;
        normal_quantile(upper / 100.0) - normal_quantile(lower / 100.0)
    }
}

impl Named for RobustScaler {
    const KIND: &'static str = "robust_scaler";
}

impl Transformer for RobustScaler {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let (lower, upper) = self.quantile_range;
        if !(0.0 <= lower && lower <= upper && upper <= 100.0) {
            return Err(Error::config(format!(
                "quantiles {lower} and {upper} are no range: give 0 <= lower <= upper <= 100 per cent"
            )));
        }
        if self.unit_variance && !(self.normal_range().is_finite() && lower < upper) {
            return Err(Error::config(
                "the variance of a normal distribution can't be told from its ends: give 0 < lower < upper < 100 per cent",
            ));
        }
        let recipe = self.clone();
        let levels = [lower / 100.0, 0.5, upper / 100.0];
        let start = |field: &Field| check_numeric(field).map(|()| Quantiles::new(levels));
        learner(schema, roles, &self.columns, start, move |name, quantiles| recipe.finish(name, &quantiles))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RobustColumn {
    center: f64,
    scale: f64,
    with_centering: bool,
    with_scaling: bool,
}

impl NumberMap for RobustColumn {
    const KIND: &'static str = RobustScaler::KIND;

    #[inline]
    fn map(&self, x: f64) -> f64 {
        let x = if self.with_centering { x - self.center } else { x };
        if self.with_scaling { x / self.scale } else { x }
    }

    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Operand> {
        let column =
            if self.with_centering { with_number(&Operator::Sub, column, self.center, graph)? } else { column };
        if self.with_scaling { with_number(&Operator::Div, column, self.scale, graph) } else { Ok(column) }
    }
}
