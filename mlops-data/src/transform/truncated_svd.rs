use std::sync::Arc;

use arrow::datatypes::Schema;
use mlops_core::{Error, Learner, Named, Result, Roles, Transform, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::owned;
use super::eigen::symmetric;
use super::products::{self, Moments};
use super::wide::{Wide, WideMap};

/// The directions in which rows are longest, without centring them first (scikit-learn's
/// `TruncatedSVD`; latent semantic analysis, if the columns count words).
///
/// The named columns give way to `truncatedsvd0`, `truncatedsvd1` and so on, where the first of them was.
/// Signs are scikit-learn's, and so are the numbers of its exact algorithm, `arpack`.
///
/// Learns the exact sums of products in one pass, and takes their eigenvectors, at the cost of
/// [`Pca`](super::Pca). Directions are told apart down to some 1e-8 of the longest. A row with a null
/// among the columns gets nulls.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Config`] for more components than columns, or none; with
/// [`ErrorKind::Data`] for fewer rows than components, columns that are all zero, or a column with a
/// missing value or an infinity.
///
/// [`ErrorKind::Config`]: mlops_core::ErrorKind::Config
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::TruncatedSvd;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("x", Float64, [0.0, 4.0, 8.0]), ("y", Float64, [0.0, 3.0, 6.0]))?);
/// let recipe = TruncatedSvd::on(["x", "y"]).with_n_components(1);
/// let (_, rotated) = recipe.fit_transform(&table, &Run::default())?;
/// assert!((rotated.column("truncatedsvd0")?.as_primitive::<Float64Type>().value(2) - 10.0).abs() < 1e-12);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[doc(alias = "TruncatedSVD")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TruncatedSvd {
    /// The columns to combine.
    pub columns: Vec<String>,
    /// How many components there are.
    pub n_components: usize,
}

impl Default for TruncatedSvd {
    fn default() -> Self {
        Self { columns: Vec::new(), n_components: 2 }
    }
}

impl TruncatedSvd {
    /// Two components of these columns.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Keeps so many components.
    #[must_use]
    pub fn with_n_components(mut self, n_components: usize) -> Self {
        self.n_components = n_components;
        self
    }

    fn finish(&self, moments: &Moments) -> Result<Projected> {
        let count = self.n_components;
        let rows = moments.rows;
        if usize::try_from(rows).is_ok_and(|rows| rows < count) {
            return Err(Error::data(format!("{rows} rows do not have {count} components: lower their number")));
        }
        // Means instead of sums keep squares in range.
        let (values, components) = symmetric(moments.gram(rows as f64));
        if !values.first().is_some_and(|largest| *largest > 0.0 && largest.is_finite()) {
            return Err(Error::data(format!(
                "the columns {:?} are all zero, or too large for a float: leave them out, or scale them",
                self.columns
            )));
        }
        let covariances = moments.covariances(rows as f64);
        let along = |component: &[f64]| -> f64 {
            let product = |row: &Vec<f64>| row.iter().zip(component).map(|(c, weight)| c * weight).sum::<f64>();
            covariances.iter().zip(component).map(|(row, weight)| weight * product(row)).sum()
        };
        let components = components[..count].to_vec();
        let explained_variance: Vec<f64> = components.iter().map(|component| along(component).max(0.0)).collect();
        let total: f64 = (0..covariances.len()).map(|i| covariances[i][i]).sum();
        Projected::try_from(Stored {
            // Of constant columns nothing can be explained.
            explained_variance_ratio: explained_variance
                .iter()
                .map(|variance| if total > 0.0 { variance / total } else { 0.0 })
                .collect(),
            explained_variance,
            singular_values: values[..count].iter().map(|value| (value.max(0.0) * rows as f64).sqrt()).collect(),
            components,
        })
    }
}

impl Named for TruncatedSvd {
    const KIND: &'static str = "truncated_svd";
}

impl Transformer for TruncatedSvd {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let columns = self.columns.len();
        if !(1..=columns).contains(&self.n_components) {
            return Err(Error::config(format!(
                "{columns} columns do not have {} components: give 1 to {columns}",
                self.n_components
            )));
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
    components: Vec<Vec<f64>>,
    explained_variance: Vec<f64>,
    explained_variance_ratio: Vec<f64>,
    singular_values: Vec<f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(crate) struct Projected(Stored);

impl TryFrom<Stored> for Projected {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let width = stored.components.first().map_or(0, Vec::len);
        let others = [&stored.explained_variance, &stored.explained_variance_ratio, &stored.singular_values];
        if width == 0
            || stored.components.iter().any(|component| component.len() != width)
            || others.iter().any(|numbers| numbers.len() != stored.components.len())
        {
            return Err(Error::config("components need as many weights, variances and singular values each"));
        }
        Ok(Self(stored))
    }
}

impl From<Projected> for Stored {
    fn from(Projected(stored): Projected) -> Self {
        stored
    }
}

impl WideMap for Projected {
    const KIND: &'static str = TruncatedSvd::KIND;

    fn width(&self) -> Option<usize> {
        self.0.components.first().map(Vec::len)
    }

    fn names(&self, _: &[String]) -> Vec<String> {
        (0..self.0.components.len()).map(|i| format!("truncatedsvd{i}")).collect()
    }

    fn map(&self, input: &[f64], output: &mut [f64]) {
        for (output, weights) in output.iter_mut().zip(&self.0.components) {
            *output = input.iter().zip(weights).map(|(x, weight)| x * weight).sum();
        }
    }
}
