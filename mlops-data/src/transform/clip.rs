use arrow::datatypes::{Field, Schema};
use mlops_core::{Error, Learner, Named, Result, Roles, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::{Fitted, NumberMap, owned};
use super::learn::{check_columns, check_numeric, learner, ready};
use super::ranks::Quantiles;

/// Keeps numbers between two limits, given or learned: a value beyond a limit becomes the limit
/// (winsorising). Infinities become limits too, so it makes columns safe for steps that need finite
/// numbers.
///
/// Nulls and NaN stay what they are; outputs are `Float64`. Learned limits are exact quantiles
/// (numpy's, by linear interpolation), for which fitting takes up to four passes in memory that does not
/// grow with the rows, and one for a column of few different values.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Config`] if the lower limit is above the upper or no number, or a
/// quantile is not in 0..=1; with [`ErrorKind::Data`] if there is no finite quantile to learn.
///
/// [`ErrorKind::Config`]: mlops_core::ErrorKind::Config
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::Clip;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("fare", Float64, [-1.0, 12.0, 9_999.0]))?);
/// let (_, clipped) = Clip::on(["fare"], 0.0, 500.0).fit_transform(&table, &Run::default())?;
/// assert_eq!(clipped.column("fare")?.as_primitive::<Float64Type>().values(), &[0.0, 12.0, 500.0]);
///
/// let (_, clipped) = Clip::quantiles(["fare"], 0.5, 1.0).fit_transform(&table, &Run::default())?;
/// assert_eq!(clipped.column("fare")?.as_primitive::<Float64Type>().values(), &[12.0, 12.0, 9_999.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[doc(alias = "winsorise")]
#[doc(alias = "winsorize")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Clip {
    /// The columns to clip.
    pub columns: Vec<String>,
    /// Between what.
    pub limits: Limits,
}

/// The limits of a [`Clip`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Limits {
    /// The quantiles of the training values at these levels in 0..=1.
    Quantiles {
        /// The level of the lower limit.
        lower: f64,
        /// The level of the upper limit.
        upper: f64,
    },
    /// These values; `None` is no limit.
    Values {
        /// The lower limit.
        lower: Option<f64>,
        /// The upper limit.
        upper: Option<f64>,
    },
}

impl Default for Limits {
    fn default() -> Self {
        Self::Values { lower: None, upper: None }
    }
}

impl Clip {
    /// Keeps these columns between `lower` and `upper`; `None` is no limit.
    pub fn on<S: Into<String>>(
        columns: impl IntoIterator<Item = S>,
        lower: impl Into<Option<f64>>,
        upper: impl Into<Option<f64>>,
    ) -> Self {
        let limits = Limits::Values { lower: lower.into(), upper: upper.into() };
        Self { columns: owned(columns), limits }
    }

    /// Keeps these columns between two quantiles of their training values.
    pub fn quantiles<S: Into<String>>(columns: impl IntoIterator<Item = S>, lower: f64, upper: f64) -> Self {
        Self { columns: owned(columns), limits: Limits::Quantiles { lower, upper } }
    }
}

impl Named for Clip {
    const KIND: &'static str = "clip";
}

impl Transformer for Clip {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        match self.limits {
            Limits::Quantiles { lower, upper } => {
                if !(0.0 <= lower && lower <= upper && upper <= 1.0) {
                    return Err(Error::config(format!(
                        "quantiles {lower} and {upper} are no limits: give 0 <= lower <= upper <= 1"
                    )));
                }
                let start = |field: &Field| check_numeric(field).map(|()| Quantiles::new([lower, upper]));
                learner(schema, roles, &self.columns, start, between)
            }
            Limits::Values { lower, upper } => {
                check_columns(schema, roles, &self.columns)?;
                let map = || ClippedColumn::try_from(StoredLimits { lower, upper });
                let maps = self.columns.iter().map(|_| map()).collect::<Result<Vec<_>>>()?;
                ready(schema, &self.columns, Fitted::new(&self.columns, maps))
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a learner ends with the fold")]
fn between(name: &str, limits: Quantiles<2>) -> Result<ClippedColumn> {
    let Some([lower, upper]) = limits.finish()? else {
        return Err(Error::data(format!(
            "column '{name}' has no value to learn limits from: give the limits, or leave it out"
        )));
    };
    if !(lower.is_finite() && upper.is_finite()) {
        return Err(Error::data(format!(
            "the limits learned for column '{name}' are {lower} and {upper}: \
             it has too many infinities; choose other quantiles, or give the limits"
        )));
    }
    ClippedColumn::try_from(StoredLimits { lower: Some(lower), upper: Some(upper) })
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "StoredLimits", into = "StoredLimits")]
pub(crate) struct ClippedColumn(StoredLimits);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLimits {
    lower: Option<f64>,
    upper: Option<f64>,
}

impl TryFrom<StoredLimits> for ClippedColumn {
    type Error = Error;

    fn try_from(limits: StoredLimits) -> Result<Self> {
        let finite = [limits.lower, limits.upper].into_iter().flatten().all(f64::is_finite);
        let ordered = limits.lower.zip(limits.upper).is_none_or(|(lower, upper)| lower <= upper);
        if finite && ordered {
            return Ok(Self(limits));
        }
        Err(Error::config(format!(
            "{:?} and {:?} are no limits: give finite numbers, the lower first, or none",
            limits.lower, limits.upper
        )))
    }
}

impl From<ClippedColumn> for StoredLimits {
    fn from(ClippedColumn(limits): ClippedColumn) -> Self {
        limits
    }
}

impl NumberMap for ClippedColumn {
    const KIND: &'static str = Clip::KIND;

    #[inline]
    fn map(&self, x: f64) -> f64 {
        match self.0 {
            StoredLimits { lower: Some(lower), .. } if x < lower => lower,
            StoredLimits { upper: Some(upper), .. } if x > upper => upper,
            _ => x,
        }
    }
}
