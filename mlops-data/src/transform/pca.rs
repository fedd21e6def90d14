use std::sync::Arc;

use arrow::datatypes::Schema;
use mlops_core::{Error, Learner, Named, Result, Roles, Transform, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::owned;
use super::eigen::symmetric;
use super::products::{self, Moments};
use super::wide::{Wide, WideMap};

/// Principal components: the directions in which numeric columns vary most (scikit-learn's `PCA`).
///
/// The named columns give way to `pca0`, `pca1` and so on, where the first of them was. Signs are
/// scikit-learn's: the component of the largest weight is positive.
///
/// Learns the exact covariances in one pass, and takes their eigenvectors: n² / 2 sums of some 50 bytes
/// for n columns, some 13 ns a row and sum, and some 60 n³ operations at the end; made for up to a few hundred
/// columns. Large means do no harm: the covariances are rounded once. A row with a null among the
/// columns gets nulls.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Config`] for more components than columns, or none; with
/// [`ErrorKind::Data`] for fewer than two rows, fewer rows than components, columns that are all
/// constant, or a column with a missing value or an infinity.
///
/// [`ErrorKind::Config`]: mlops_core::ErrorKind::Config
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::Pca;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// // Points on a line with the slope 3/4.
/// let table = Table::from_batch(record_batch!(("x", Float64, [0.0, 4.0, 8.0]), ("y", Float64, [1.0, 4.0, 7.0]))?);
/// let (_, rotated) = Pca::on(["x", "y"]).with_n_components(1).fit_transform(&table, &Run::default())?;
/// assert!((rotated.column("pca0")?.as_primitive::<Float64Type>().value(2) - 5.0).abs() < 1e-12);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[doc(alias = "PCA")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Pca {
    /// The columns to combine.
    pub columns: Vec<String>,
    /// How many components there are.
    pub n_components: Components,
    /// Whether each component is scaled to the variance 1.
    pub whiten: bool,
}

/// How many components a [`Pca`] keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Components {
    /// As many as columns, or rows if they are fewer.
    #[default]
    All,
    /// So many.
    Count(usize),
    /// As many as it takes to keep more than this share of the variance.
    Variance(f64),
}

impl Pca {
    /// All components of these columns.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Keeps so many components.
    #[must_use]
    pub fn with_n_components(mut self, n_components: usize) -> Self {
        self.n_components = Components::Count(n_components);
        self
    }

    /// Keeps as many components as it takes for more than this share of the variance.
    #[must_use]
    pub fn with_variance(mut self, share: f64) -> Self {
        self.n_components = Components::Variance(share);
        self
    }

    /// Scales each component to the variance 1.
    #[must_use]
    pub fn with_whiten(mut self) -> Self {
        self.whiten = true;
        self
    }

    fn finish(&self, moments: &Moments) -> Result<Rotated> {
        if moments.rows < 2 {
            return Err(Error::data("one row has no variance to learn from: give two or more"));
        }
        let freedom = (moments.rows - 1) as f64;
        let (mut variances, components) = symmetric(moments.covariances(freedom));
        variances.iter_mut().for_each(|variance| *variance = variance.max(0.0));
        let total: f64 = variances.iter().sum();
        if !(total > 0.0 && total.is_finite()) {
            return Err(Error::data(format!(
                "the columns {:?} have the variance {total}: leave them out if they are constant, scale them if it is infinite",
                self.columns
            )));
        }
        let ratios: Vec<f64> = variances.iter().map(|variance| variance / total).collect();
        let most = variances.len().min(usize::try_from(moments.rows).unwrap_or(usize::MAX));
        let count = match self.n_components {
            Components::All => most,
            Components::Count(count) if count <= most => count,
            Components::Count(count) => {
                return Err(Error::data(format!("{most} rows do not have {count} components: lower their number")));
            }
            Components::Variance(share) => {
                let mut kept = 0.0;
                let enough = ratios.iter().position(|ratio| {
                    kept += ratio;
                    kept > share
                });
                enough.map_or(most, |last| last + 1).min(most)
            }
        };
        let kept = |numbers: &[f64]| numbers[..count].to_vec();
        Rotated::try_from(Stored {
            means: moments.means(),
            components: components[..count].to_vec(),
            explained_variance: kept(&variances),
            explained_variance_ratio: kept(&ratios),
            whiten: self.whiten,
        })
    }
}

impl Named for Pca {
    const KIND: &'static str = "pca";
}

impl Transformer for Pca {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let columns = self.columns.len();
        match self.n_components {
            Components::Count(count) if count == 0 || count > columns => {
                return Err(Error::config(format!(
                    "{columns} columns do not have {count} components: give 1 to {columns}"
                )));
            }
            Components::Variance(share) if !(0.0 < share && share < 1.0) => {
                return Err(Error::config(format!("{share} is no share of the variance: give 0 < share < 1")));
            }
            _ if columns == 0 => return Err(Error::config("no columns have no components: name some")),
            _ => {}
        }
        let recipe = self.clone();
        products::learner(schema, roles, &self.columns, move |columns, moments| {
            Ok(Arc::new(Wide::new(columns, recipe.finish(moments)?)) as Arc<dyn Transform>)
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    means: Vec<f64>,
    components: Vec<Vec<f64>>,
    explained_variance: Vec<f64>,
    explained_variance_ratio: Vec<f64>,
    whiten: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(crate) struct Rotated {
    stored: Stored,
    /// What each component is divided by.
    scales: Vec<f64>,
}

impl TryFrom<Stored> for Rotated {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let (width, count) = (stored.means.len(), stored.components.len());
        let as_many = |numbers: &[f64]| numbers.len() == count;
        if stored.components.iter().any(|component| component.len() != width)
            || !as_many(&stored.explained_variance)
            || !as_many(&stored.explained_variance_ratio)
        {
            return Err(Error::config(format!(
                "{count} components of {width} columns need as many weights and variances"
            )));
        }
        // A component without variance is not blown up without bound (scikit-learn's rule).
        let scale = |variance: &f64| if stored.whiten { variance.sqrt().max(f64::EPSILON) } else { 1.0 };
        let scales = stored.explained_variance.iter().map(scale).collect();
        Ok(Self { stored, scales })
    }
}

impl From<Rotated> for Stored {
    fn from(rotated: Rotated) -> Self {
        rotated.stored
    }
}

impl WideMap for Rotated {
    const KIND: &'static str = Pca::KIND;

    fn width(&self) -> Option<usize> {
        Some(self.stored.means.len())
    }

    fn names(&self, _: &[String]) -> Vec<String> {
        (0..self.scales.len()).map(|i| format!("pca{i}")).collect()
    }

    fn map(&self, input: &[f64], output: &mut [f64]) {
        for ((output, weights), scale) in output.iter_mut().zip(&self.stored.components).zip(&self.scales) {
            let centred = input.iter().zip(&self.stored.means).zip(weights);
            *output = centred.map(|((x, mean), weight)| (x - mean) * weight).sum::<f64>() / scale;
        }
    }
}
