use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, concat};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use mlops_core::columns::{find_column, to_matrix};
use mlops_core::random::SplitMix64;
use mlops_core::{Error, Named, Result, ResultExt, Role, Run, Table, Transform, Transformer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::nothing;
use super::sampler::{SamplingStrategy, rows_by_class};

/// Learns from rare classes as often as from the others, by making rows that lie between a random row of the
/// class and one of its nearest neighbours of the same class (imbalanced-learn's `SMOTE`).
///
/// What is between is the columns that are features, each at the same random share of the way. They must be
/// numbers without gaps; a whole number stays one, rounded to the nearest. All other columns of a made row are
/// those of the row it starts from: its target, but also its id and its weight. Neighbours are the nearest by
/// Euclidean distance, so scale the columns before, as with
/// [`StandardScaler`](crate::transform::StandardScaler), and encode categories where a mixture of two makes
/// sense; where it does not, [`RandomOverSampler`](super::RandomOverSampler) is the sampler to take.
///
/// The made rows stand behind the others. They are drawn by [`Run::seed`], when training only, that is in
/// [`fit_transform`](Transformer::fit_transform), which a [`Pipeline`](mlops_core::Pipeline) calls; served and
/// judged rows pass through. What a model then says of probabilities is of the resampled world. Put it behind
/// the split and behind the steps that look at the target.
///
/// # Cost
/// The whole table, its features as floats, and `k_neighbors` row numbers for each row of a rare class, of
/// which every two are compared: n² distances of a class of n rows, on all cores.
///
/// # Errors
/// As [`Task::of`](mlops_core::Task::of) for the target, of which there must be one, of classes;
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a feature that is no number,
/// [`Data`](mlops_core::ErrorKind::Data) for one with a null, NaN or infinity and for a class with no more than
/// `k_neighbors` rows, [`Config`](mlops_core::ErrorKind::Config) without a feature or for a ratio that is not
/// in 0..=1.
///
/// # Example
/// ```
/// use std::num::NonZeroUsize;
/// use mlops_core::{Role, Run, Table, Transformer};
/// use mlops_data::transform::Smote;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let batch = record_batch!(
///     ("amount", Float64, [1.0, 2.0, 3.0, 4.0, 900.0, 1000.0]),
///     ("fraud", Boolean, [false, false, false, false, true, true])
/// )?;
/// let table = Table::from_batch(batch).with_role("fraud", Role::Target)?;
/// let (fitted, balanced) = Smote::new().with_k_neighbors(NonZeroUsize::MIN).fit_transform(&table, &Run::default())?;
/// let amounts = balanced.column("amount")?;
/// let made = &amounts.as_primitive::<Float64Type>().values()[6..];
/// assert_eq!(made.len(), 2);
/// assert!(made.iter().all(|amount| (900.0..=1000.0).contains(amount)));
/// assert_eq!(fitted.apply(table.to_batch()?)?.num_rows(), 6);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Smote {
    /// How many rows a class is to have.
    pub sampling_strategy: SamplingStrategy,
    /// Among how many nearest neighbours the other end is drawn.
    pub k_neighbors: NonZeroUsize,
}

impl Default for Smote {
    fn default() -> Self {
        // imbalanced-learn's.
        const NEIGHBORS: NonZeroUsize = NonZeroUsize::new(5).expect("5 is not 0");
        Self { sampling_strategy: SamplingStrategy::default(), k_neighbors: NEIGHBORS }
    }
}

impl Smote {
    /// Makes rows until all classes have as many, between a row and one of its 5 nearest neighbours.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows a class is to have.
    #[must_use]
    pub fn with_sampling_strategy(mut self, sampling_strategy: SamplingStrategy) -> Self {
        self.sampling_strategy = sampling_strategy;
        self
    }

    /// Among how many nearest neighbours the other end is drawn.
    #[must_use]
    pub fn with_k_neighbors(mut self, k_neighbors: NonZeroUsize) -> Self {
        self.k_neighbors = k_neighbors;
        self
    }
}

impl Named for Smote {
    const KIND: &'static str = "smote";
}

impl Transformer for Smote {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        run.check()?;
        self.sampling_strategy.ratio()?;
        data.target()?;
        features(data)?;
        Ok(nothing())
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let fitted = self.learn(data, run)?;
        let points = Points::of(data)?;
        let classes = rows_by_class(data)?;
        let wanted = self.sampling_strategy.most(&classes)?;
        let mut rows: Vec<usize> = (0..data.num_rows()).collect();
        let mut made = Vec::new();
        for (class, members) in (0..).zip(&classes).filter(|(_, members)| !members.is_empty()) {
            let more = wanted.saturating_sub(members.len());
            if more == 0 {
                continue;
            }
            run.check()?;
            let nearest = run.install(|| self.neighbours(data, &points, members))??;
            let mut rng = SplitMix64::stream(run.seed, class);
            for _ in 0..more {
                let drawn = rng.below(nearest.len() as u64) as usize;
                let row = members[drawn / self.k_neighbors];
                rows.push(row);
                points.between(row, nearest[drawn], rng.uniform(), &mut made);
            }
        }
        let table = data.take(&rows)?;
        let schema = Arc::clone(table.schema());
        // It is one batch, in which the made rows come last.
        let table = table.map_batches(schema, |batch| points.put(&batch, data.num_rows(), &made))?;
        Ok((fitted, table))
    }
}

impl Smote {
    /// Of each of `members` the nearest others, one row's after the other's.
    fn neighbours(&self, data: &Table, points: &Points, members: &[usize]) -> Result<Vec<usize>> {
        let k = self.k_neighbors.get();
        if members.len() <= k {
            let target = data.target()?.name();
            let class = array_value_to_string(&data.column(target)?, members[0])?;
            return Err(Error::data(format!(
                "the class '{class}' has {} rows, too few for each to have {k} neighbours: set k_neighbors lower, or \
                 take RandomOverSampler",
                members.len()
            ))
            .with_context("column", target));
        }
        let nearest = |row: &usize| {
            let others = members.iter().filter(|other| *other != row);
            let mut others: Vec<(f64, usize)> = others.map(|other| (points.distance(*row, *other), *other)).collect();
            let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            others.select_nth_unstable_by(k - 1, order);
            others.truncate(k);
            others.sort_unstable_by(order);
            others.into_iter().map(|(_, other)| other).collect::<Vec<_>>()
        };
        Ok(members.par_iter().map(nearest).collect::<Vec<_>>().concat())
    }
}

/// The names of the features, which are numbers.
fn features(data: &Table) -> Result<Vec<String>> {
    let fields = data.schema().fields().iter().filter(|field| data.roles().of(field.name()) == Role::Feature);
    let mixable = |field: &&Arc<arrow::datatypes::Field>| field.data_type().is_numeric();
    if let Some(other) = fields.clone().find(|field| !mixable(field)) {
        return Err(Error::schema(format!(
            "column '{}' is {}, and Smote makes rows between two others, which only numbers allow: encode it before \
             (OneHotEncoder, TargetEncoder), drop it, or take RandomOverSampler",
            other.name(),
            other.data_type()
        )));
    }
    let names: Vec<String> = fields.map(|field| field.name().clone()).collect();
    if names.is_empty() {
        return Err(Error::config("Smote has no feature to make rows of: keep a column of numbers as a feature"));
    }
    Ok(names)
}

/// The features of all rows.
struct Points {
    names: Vec<String>,
    /// Row by row.
    values: Vec<f64>,
}

impl Points {
    fn of(data: &Table) -> Result<Self> {
        let names = features(data)?;
        let values = to_matrix(&data.to_batch()?, &names)?;
        if let Some(place) = values.iter().position(|x| !x.is_finite()) {
            return Err(Error::data(
                "Smote needs a number in every row: impute what is missing (SimpleImputer), and clip infinities",
            )
            .with_context("column", &names[place % names.len()])
            .with_context("row", place / names.len() + 1));
        }
        Ok(Self { names, values })
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.names.len()..(row + 1) * self.names.len()]
    }

    /// The square of the distance of two rows.
    fn distance(&self, a: usize, b: usize) -> f64 {
        self.row(a).iter().zip(self.row(b)).map(|(a, b)| (a - b).powi(2)).sum()
    }

    /// Adds what lies at a `share` of the way from one row to another.
    fn between(&self, from: usize, to: usize, share: f64, made: &mut Vec<f64>) {
        let mix = |(a, b): (&f64, &f64)| (a + share * (b - a)).clamp(a.min(*b), a.max(*b));
        made.extend(self.row(from).iter().zip(self.row(to)).map(mix));
    }

    /// `batch` with the features of the rows after `given` replaced by what was `made`.
    fn put(&self, batch: &RecordBatch, given: usize, made: &[f64]) -> Result<RecordBatch> {
        let schema = batch.schema();
        let mut columns = batch.columns().to_vec();
        for (i, name) in self.names.iter().enumerate() {
            let place = find_column(&schema, name)?;
            let values = made.iter().skip(i).step_by(self.names.len());
            let made = as_type(values, columns[place].data_type()).context("column", name)?;
            columns[place] = concat(&[&columns[place].slice(0, given), &made])?;
        }
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

fn as_type<'a>(values: impl Iterator<Item = &'a f64>, to: &DataType) -> Result<ArrayRef> {
    let whole = to.is_integer();
    let values: Float64Array = values.map(|x| Some(if whole { x.round() } else { *x })).collect();
    Ok(cast_with_options(&values, to, &CastOptions { safe: false, ..CastOptions::default() })?)
}
