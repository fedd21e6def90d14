use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{Field, Schema};
use mlops_core::{Error, Learner, Named, Result, Roles, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::{NumberMap, owned};
use super::learn::{ColumnFold, Values, check_numeric, learner};
use super::normal::normal_quantile;
use super::quantiles::at_position;

/// Maps numeric columns onto their ranks: evenly spread over 0..=1, or normally distributed
/// (scikit-learn's `QuantileTransformer`).
///
/// A value becomes its place among the quantiles of training, by linear interpolation; where several
/// quantiles are equal, the middle of their places. Values beyond those of training become the ends.
/// Nulls and NaN are left out of the fit and stay what they are; outputs are `Float64`.
///
/// Learns exact quantiles from all values in one pass, for which fitting holds 8 bytes a value
/// (scikit-learn with `subsample=None`).
///
/// # Errors
/// Fitting fails with [`ErrorKind::Config`] for no quantiles, with [`ErrorKind::Data`] for a column
/// without a value or with an infinity.
///
/// [`ErrorKind::Config`]: mlops_core::ErrorKind::Config
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::QuantileTransformer;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("income", Float64, [1.0, 10.0, 1e3, 1e4, 1e9]))?);
/// let (_, ranks) = QuantileTransformer::on(["income"]).fit_transform(&table, &Run::default())?;
/// assert_eq!(ranks.column("income")?.as_primitive::<Float64Type>().values(), &[0.0, 0.25, 0.5, 0.75, 1.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct QuantileTransformer {
    /// The columns to map.
    pub columns: Vec<String>,
    /// How many quantiles are learned, at most one a row.
    pub n_quantiles: usize,
    /// How the outputs are distributed.
    pub output_distribution: OutputDistribution,
}

/// How the outputs of a [`QuantileTransformer`] are distributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutputDistribution {
    /// Normally, with mean 0 and variance 1, between some -5.2 and 5.2.
    Normal,
    /// Evenly between 0 and 1.
    #[default]
    Uniform,
}

impl Default for QuantileTransformer {
    fn default() -> Self {
        Self { columns: Vec::new(), n_quantiles: 1_000, output_distribution: OutputDistribution::default() }
    }
}

impl QuantileTransformer {
    /// Spreads these columns evenly over 0..=1, by 1,000 quantiles.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Learns so many quantiles.
    #[must_use]
    pub fn with_n_quantiles(mut self, n_quantiles: usize) -> Self {
        self.n_quantiles = n_quantiles;
        self
    }

    /// Distributes the outputs so.
    #[must_use]
    pub fn with_output_distribution(mut self, output_distribution: OutputDistribution) -> Self {
        self.output_distribution = output_distribution;
        self
    }
}

impl Named for QuantileTransformer {
    const KIND: &'static str = "quantile_transformer";
}

impl Transformer for QuantileTransformer {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let Self { n_quantiles, output_distribution, .. } = *self;
        if n_quantiles == 0 {
            return Err(Error::config("nothing can be mapped by 0 quantiles: give 1 or more"));
        }
        let start = |field: &Field| check_numeric(field).map(|()| Ranked::default());
        learner(schema, roles, &self.columns, start, move |name, ranked| {
            let sorted = ranked.values.sorted(name)?;
            // As scikit-learn, which counts the rows with missing values here.
            let count = n_quantiles.min(ranked.rows);
            let last = (sorted.len() - 1) as f64;
            // Times and by 100, as numpy's percentiles: where values are equal, the last bit decides.
            let level = |i| reference(i, count) * 100.0 / 100.0;
            let mut quantiles: Vec<f64> = (0..count).map(|i| at_position(&sorted, level(i) * last)).collect();
            // Rounding may put a quantile of equal values before the one in front of it.
            (1..count).for_each(|i| quantiles[i] = quantiles[i].max(quantiles[i - 1]));
            MappedColumn::try_from(Stored { quantiles, output_distribution })
        })
    }
}

/// The place of the `i`-th of `count` quantiles between 0 and 1, rounded as numpy's `linspace`.
fn reference(i: usize, count: usize) -> f64 {
    match i {
        0 => 0.0,
        i if i + 1 == count => 1.0,
        i => i as f64 * (1.0 / (count - 1) as f64),
    }
}

#[derive(Clone, Debug, Default)]
struct Ranked {
    values: Values,
    rows: usize,
}

impl ColumnFold for Ranked {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        self.rows += column.len();
        self.values.update(column, name)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.rows += other.rows;
        self.values.merge(other.values)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    quantiles: Vec<f64>,
    output_distribution: OutputDistribution,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(crate) struct MappedColumn(Stored);

impl TryFrom<Stored> for MappedColumn {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let finite = stored.quantiles.iter().all(|x| x.is_finite());
        if finite && stored.quantiles.is_sorted() && !stored.quantiles.is_empty() {
            return Ok(Self(stored));
        }
        Err(Error::config("quantiles are finite numbers in ascending order, at least one"))
    }
}

impl From<MappedColumn> for Stored {
    fn from(MappedColumn(stored): MappedColumn) -> Self {
        stored
    }
}

/// So near to an end of the training values a normal output becomes the end (scikit-learn's
/// `BOUNDS_THRESHOLD`).
const NEAR: f64 = 1e-7;

impl MappedColumn {
    /// The place of `x` between 0 and 1: the mean of its places from below and from above, which
    /// differ where quantiles are equal.
    fn rank(&self, x: f64) -> f64 {
        let quantiles = &self.0.quantiles;
        0.5 * (self.between(quantiles.partition_point(|q| *q <= x), x) + self.between_above(x))
    }

    /// The place of `x`, of which `above` quantiles are not above it.
    fn between(&self, above: usize, x: f64) -> f64 {
        let quantiles = &self.0.quantiles;
        let count = quantiles.len();
        if above == 0 {
            return 0.0;
        }
        let low = above - 1;
        let place = reference(low, count);
        if above == count || quantiles[low] == x {
            return place;
        }
        place + (reference(above, count) - place) / (quantiles[above] - quantiles[low]) * (x - quantiles[low])
    }

    fn between_above(&self, x: f64) -> f64 {
        let quantiles = &self.0.quantiles;
        let count = quantiles.len();
        let high = quantiles.partition_point(|q| *q < x);
        if high == count {
            return reference(count - 1, count);
        }
        let place = reference(high, count);
        if high == 0 || quantiles[high] == x {
            return place;
        }
        let slope = (place - reference(high - 1, count)) / (quantiles[high] - quantiles[high - 1]);
        place - slope * (quantiles[high] - x)
    }
}

impl NumberMap for MappedColumn {
    const KIND: &'static str = QuantileTransformer::KIND;

    fn map(&self, x: f64) -> f64 {
        let quantiles = &self.0.quantiles;
        let (first, last) = (quantiles[0], quantiles[quantiles.len() - 1]);
        match self.0.output_distribution {
            _ if x.is_nan() => x,
            OutputDistribution::Uniform if x == first => 0.0,
            OutputDistribution::Uniform if x == last => 1.0,
            OutputDistribution::Uniform => self.rank(x),
            OutputDistribution::Normal => {
                let rank = match x {
                    x if x - NEAR < first => 0.0,
                    x if x + NEAR > last => 1.0,
                    x => self.rank(x),
                };
                // Clamped before, not after: the ends are infinite.
                let least = NEAR - f64::EPSILON;
                normal_quantile(rank.clamp(least, 1.0 - least))
            }
        }
    }
}
