use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use mlops_core::columns::{find_column, numbers};
use mlops_core::sketch::Moments;
use mlops_core::{Accumulator, Error, Learner, Named, Result, Roles, Transform, Transformer};
use serde::{Deserialize, Serialize};

use super::fitted::{FeatureScore, FeatureSelection};
use super::inputs::considered;
use crate::transform::columns::owned;

/// Drops features whose variance is not above a threshold; with the default of 0, constant ones
/// (scikit-learn's `VarianceThreshold`).
///
/// The variance divides by n; nulls and NaN are left out. It is exact, so a constant column has none
/// at all, whatever its value. A column without a value, or with an infinity, has no variance and is
/// dropped. One pass, bounded memory.
///
/// # Errors
/// Fitting is [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if no feature has so much variance.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::select::VarianceThreshold;
/// # let batch = arrow::array::record_batch!(("year", Int32, [2013, 2013, 2013]), ("day", Int32, [1, 2, 3]))?;
/// let (_, kept) = VarianceThreshold::new(0.0).fit_transform(&Table::from_batch(batch), &Run::default())?;
/// assert!(kept.column("day").is_ok() && kept.column("year").is_err());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct VarianceThreshold {
    /// The columns it looks at; all features if `None`.
    pub columns: Option<Vec<String>>,
    /// A feature is kept if its variance is greater.
    pub threshold: f64,
}

impl VarianceThreshold {
    /// Keeps features of all whose variance is above `threshold`.
    pub fn new(threshold: f64) -> Self {
        Self { columns: None, threshold }
    }

    /// Looks at these columns only; all others stay.
    #[must_use]
    pub fn on<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(owned(columns));
        self
    }
}

impl Named for VarianceThreshold {
    const KIND: &'static str = "variance_threshold";
}

impl Transformer for VarianceThreshold {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let columns = considered(schema, roles, self.columns.as_deref())?;
        if self.threshold.is_nan() || self.threshold < 0.0 {
            return Err(Error::config(format!("a variance threshold of {}: it must be 0 or above", self.threshold)));
        }
        let (names, threshold): (Arc<[String]>, f64) = (columns.clone().into(), self.threshold);
        let start =
            move || Variances { moments: vec![Moments::default(); names.len()], names: Arc::clone(&names), threshold };
        Ok(Some(Learner::new(columns, start)))
    }
}

struct Variances {
    names: Arc<[String]>,
    moments: Vec<Moments>,
    threshold: f64,
}

impl Accumulator for Variances {
    type Output = Arc<dyn Transform>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        for (name, moments) in self.names.iter().zip(&mut self.moments) {
            let values = numbers(batch.column(find_column(batch.schema_ref(), name)?), name)?;
            values.iter().flatten().filter(|x| !x.is_nan()).for_each(|x| moments.update(x));
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.moments.iter_mut().zip(&other.moments).for_each(|(mine, theirs)| mine.merge(theirs));
        Ok(())
    }

    fn finish(self) -> Result<Arc<dyn Transform>> {
        let judge = |(name, moments): (&String, &Moments)| {
            let variance = self.variance(moments);
            FeatureScore::new(name, variance > self.threshold).with_score(variance)
        };
        let features: Vec<FeatureScore> = self.names.iter().zip(&self.moments).map(judge).collect();
        if !features.iter().any(|feature| feature.selected) {
            return Err(Error::data(format!(
                "none of {:?} has a variance above {}: lower the threshold, or look at the source and its filter",
                self.names, self.threshold
            )));
        }
        Ok(Arc::new(FeatureSelection::new(VarianceThreshold::KIND, features).with_threshold(self.threshold)))
    }
}

impl Variances {
    /// NaN if there is none. With a threshold of 0 at most the range, as scikit-learn has it.
    fn variance(&self, moments: &Moments) -> f64 {
        let variance = moments.variance(0).filter(|v| v.is_finite()).unwrap_or(f64::NAN);
        match (moments.min(), moments.max()) {
            (Some(min), Some(max)) if self.threshold == 0.0 && !variance.is_nan() => variance.min(max - min),
            _ => variance,
        }
    }
}
