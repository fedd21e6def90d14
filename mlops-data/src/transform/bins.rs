use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::datatypes::{Field, Schema};
use mlops_core::columns::numbers;
use mlops_core::{Error, Learner, Named, Result, Roles, Transformer, Value};
use serde::{Deserialize, Serialize};

use super::bin_edges::edges;
use super::columns::{ColumnMap, cell_of, map_numbers, number, number_field, owned};
use super::learn::{Values, check_numeric, learner};
use super::quantiles::QuantileMethod;

/// Cuts numeric columns into bins (scikit-learn's `KBinsDiscretizer`).
///
/// Each column becomes one of 0/1 for each of its bins, `<column>_0.0`, `<column>_1.0` and so on; or,
/// with [`Encode::Ordinal`], the number of its bin. A bin includes its lower edge; values beyond those
/// of training fall into the first or last. A constant column has a single bin, and bins narrower than
/// 1e-8 are joined with the next. A missing value (null or NaN) is in no bin: 0 in every column, or
/// still missing if bins are numbered.
///
/// Learns from all values in one pass, for which fitting holds 8 bytes a value (scikit-learn with
/// `subsample=None`).
///
/// # Errors
/// Fitting fails with [`ErrorKind::Config`] for fewer than two bins, with [`ErrorKind::Data`] for a
/// column without a value, with an infinity, or, for [`BinStrategy::KMeans`], with fewer values than
/// bins.
///
/// [`ErrorKind::Config`]: mlops_core::ErrorKind::Config
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::{BinStrategy, Encode, KBinsDiscretizer};
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("x", Float64, [0.0, 4.9, 5.0, 10.0]))?);
/// let recipe = KBinsDiscretizer::on(["x"]).with_n_bins(2).with_strategy(BinStrategy::Uniform);
/// let (_, bins) = recipe.clone().with_encode(Encode::Ordinal).fit_transform(&table, &Run::default())?;
/// assert_eq!(bins.column("x")?.as_primitive::<Float64Type>().values(), &[0.0, 0.0, 1.0, 1.0]);
/// let (_, bins) = recipe.fit_transform(&table, &Run::default())?;
/// assert_eq!(bins.column("x_1.0")?.as_primitive::<Float64Type>().values(), &[0.0, 0.0, 1.0, 1.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KBinsDiscretizer {
    /// The columns to cut.
    pub columns: Vec<String>,
    /// Into how many bins.
    pub n_bins: usize,
    /// What the output is.
    pub encode: Encode,
    /// Where the bins are cut.
    pub strategy: BinStrategy,
    /// How quantiles are defined, for [`BinStrategy::Quantile`].
    pub quantile_method: QuantileMethod,
}

/// What becomes of a column that is cut into bins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encode {
    /// A column of 0 and 1 for each bin.
    #[default]
    OneHot,
    /// The number of the bin, from 0.
    Ordinal,
}

/// Where [`KBinsDiscretizer`] cuts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BinStrategy {
    /// Halfway between the centres of clusters, which are found by k-means from evenly spread centres.
    KMeans,
    /// So that each bin holds as many values.
    #[default]
    Quantile,
    /// So that all bins are of one width.
    Uniform,
}

impl Default for KBinsDiscretizer {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            n_bins: 5,
            encode: Encode::default(),
            strategy: BinStrategy::default(),
            quantile_method: QuantileMethod::default(),
        }
    }
}

impl KBinsDiscretizer {
    /// Cuts these columns into 5 bins of as many values each.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Cuts into so many bins.
    #[must_use]
    pub fn with_n_bins(mut self, n_bins: usize) -> Self {
        self.n_bins = n_bins;
        self
    }

    /// Gives another output.
    #[must_use]
    pub fn with_encode(mut self, encode: Encode) -> Self {
        self.encode = encode;
        self
    }

    /// Cuts elsewhere.
    #[must_use]
    pub fn with_strategy(mut self, strategy: BinStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Defines quantiles in another way.
    #[must_use]
    pub fn with_quantile_method(mut self, quantile_method: QuantileMethod) -> Self {
        self.quantile_method = quantile_method;
        self
    }
}

impl Named for KBinsDiscretizer {
    const KIND: &'static str = "k_bins_discretizer";
}

/// More bins than columns of 0 and 1 can sensibly hold.
const MOST_BINS: usize = 100_000;

impl Transformer for KBinsDiscretizer {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let Self { n_bins, encode, strategy, quantile_method, .. } = *self;
        if !(2..=MOST_BINS).contains(&n_bins) {
            return Err(Error::config(format!("{n_bins} bins were asked for: give 2 to {MOST_BINS}")));
        }
        let start = |field: &Field| check_numeric(field).map(|()| Values::default());
        learner(schema, roles, &self.columns, start, move |name, values| {
            let edges = edges(name, &values.sorted(name)?, n_bins, strategy, quantile_method)?;
            BinnedColumn::try_from(Stored { edges, encode })
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// The lower edge of each bin and the upper one of the last; none if there is a single bin.
    edges: Vec<f64>,
    encode: Encode,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(crate) struct BinnedColumn(Stored);

impl TryFrom<Stored> for BinnedColumn {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let ascend = stored.edges.is_sorted_by(|a, b| a < b) && stored.edges.iter().all(|edge| edge.is_finite());
        if ascend && stored.edges.len() != 1 && stored.edges.len() <= MOST_BINS + 1 {
            return Ok(Self(stored));
        }
        Err(Error::config("the edges of bins are finite numbers that ascend, none or at least two"))
    }
}

impl From<BinnedColumn> for Stored {
    fn from(BinnedColumn(stored): BinnedColumn) -> Self {
        stored
    }
}

impl BinnedColumn {
    fn bins(&self) -> usize {
        self.0.edges.len().saturating_sub(1).max(1)
    }

    /// In which bin a number is that is not NaN.
    fn bin(&self, x: f64) -> usize {
        let inner = self.0.edges.get(1..self.bins()).unwrap_or_default();
        inner.partition_point(|edge| *edge <= x)
    }

    fn numbered(&self, x: f64) -> f64 {
        if x.is_nan() { x } else { self.bin(x) as f64 }
    }
}

impl ColumnMap for BinnedColumn {
    const KIND: &'static str = KBinsDiscretizer::KIND;
    type Binding = ();

    fn bind(&self, input: &Field) -> Result<()> {
        check_numeric(input)
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        Ok(match self.0.encode {
            Encode::OneHot => {
                (0..self.bins()).map(|bin| number_field(format!("{}_{bin}.0", input.name()), false)).collect()
            }
            Encode::Ordinal => vec![number_field(input.name(), input.is_nullable())],
        })
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        if self.0.encode == Encode::Ordinal {
            return Ok(vec![map_numbers(column, name, |x| self.numbered(x))?]);
        }
        let mut columns = vec![vec![0.0; column.len()]; self.bins()];
        for (row, x) in numbers(&column, name)?.iter().enumerate() {
            if let Some(x) = x.filter(|x| !x.is_nan()) {
                columns[self.bin(x)][row] = 1.0;
            }
        }
        Ok(columns.into_iter().map(|column| Arc::new(Float64Array::from(column)) as ArrayRef).collect())
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        let number = number(cell)?;
        match self.0.encode {
            Encode::Ordinal => output.push(cell_of(number.map(|x| self.numbered(x)))),
            Encode::OneHot => {
                let bin = number.filter(|x| !x.is_nan()).map(|x| self.bin(x));
                let cell = |i| Value::Float(f64::from(u8::from(Some(i) == bin)));
                output.extend((0..self.bins()).map(cell));
            }
        }
        Ok(())
    }
}
