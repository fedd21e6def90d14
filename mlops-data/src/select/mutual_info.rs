use std::collections::BTreeMap;

use arrow::array::Array;
use arrow::datatypes::DataType;
use mlops_core::columns::find_column;
use mlops_core::random::SplitMix64;
use mlops_core::sketch::Moments;
use mlops_core::special::digamma;
use mlops_core::{Error, Result, Run, Table};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::classes::SeenClasses;
use super::fold::Scored;
use super::inputs::Flaws;
use super::neighbours::{just_inside, kth_nearest, within};

/// How [mutual information](super::ScoreFunc::MutualInfoClassif) is estimated.
///
/// Between discrete values it is counted. Otherwise it is estimated from the distances to the nearest
/// neighbours (Kraskov, Stögbauer, Grassberger, Physical Review E 69, 2004; with classes: Ross, PLoS
/// ONE 9(2), 2014), after scaling to a deviation of 1 and adding noise of relative size 10⁻¹⁰, so that
/// no two values are equal. As scikit-learn does it; but the noise comes of [`Run::seed`] and the
/// sorted values, so the result does not depend on the order of rows. Without equal values (or nearly
/// equal distances) the numbers are the same as scikit-learn's.
///
/// Takes O(n·√(k·n)) time a column at most, 40 bytes of memory a row and core; columns run in
/// parallel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MutualInfo {
    /// Which columns are discrete.
    pub discrete_features: DiscreteFeatures,
    /// How many neighbours are looked at, at least 1: more are steadier, and more biased.
    pub n_neighbors: usize,
}

impl Default for MutualInfo {
    fn default() -> Self {
        Self { discrete_features: DiscreteFeatures::Auto, n_neighbors: 3 }
    }
}

impl MutualInfo {
    /// With 3 neighbours.
    pub fn new() -> Self {
        Self::default()
    }

    /// With other columns taken as discrete.
    #[must_use]
    pub fn with_discrete_features(mut self, discrete_features: DiscreteFeatures) -> Self {
        self.discrete_features = discrete_features;
        self
    }

    /// With another number of neighbours.
    #[must_use]
    pub fn with_n_neighbors(mut self, n_neighbors: usize) -> Self {
        self.n_neighbors = n_neighbors;
        self
    }

    fn is_discrete(&self, name: &str, data_type: &DataType) -> bool {
        match &self.discrete_features {
            DiscreteFeatures::All => true,
            DiscreteFeatures::Auto => *data_type == DataType::Boolean,
            DiscreteFeatures::Columns(columns) => columns.iter().any(|column| column == name),
            DiscreteFeatures::None => false,
        }
    }
}

/// Which columns are discrete: their values are names, not quantities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DiscreteFeatures {
    /// All.
    All,
    /// Booleans.
    #[default]
    Auto,
    /// These.
    Columns(Vec<String>),
    /// None.
    None,
}

/// Values as the estimator takes them.
enum Values {
    /// Ranks of equal values.
    Discrete(Vec<usize>),
    Continuous(Vec<f64>),
}

/// The mutual information of each column with the target; without p-values.
pub(super) fn mutual_information(
    options: &MutualInfo,
    data: &Table,
    columns: &[String],
    classes: bool,
    run: &Run,
) -> Result<Vec<Scored>> {
    if options.n_neighbors == 0 {
        return Err(Error::config("mutual information by 0 neighbours: look at 1 at least, such as 3"));
    }
    if let DiscreteFeatures::Columns(discrete) = &options.discrete_features {
        discrete.iter().try_for_each(|name| find_column(data.schema(), name).map(|_| ()))?;
    }
    let target = target(data, classes)?;
    let score = |(i, name): (usize, &String)| {
        run.check()?;
        let column = data.column(name)?;
        let x = continuous(data, name)?;
        let x = if options.is_discrete(name, column.data_type()) {
            Values::Discrete(ranks(&x))
        } else {
            Values::Continuous(x)
        };
        let noise = SplitMix64::stream(run.seed, i as u64);
        Ok((estimate(&x, &target, options.n_neighbors, noise)?, f64::NAN))
    };
    run.install(|| columns.par_iter().enumerate().map(score).collect())?
}

fn target(data: &Table, classes: bool) -> Result<Values> {
    let field = data.target()?;
    let (name, data_type) = (field.name(), field.data_type());
    if classes {
        SeenClasses::check(data_type, name, "mutual_info_classif")?;
        let mut seen = SeenClasses::default();
        let numbers = seen.number(&data.column(name)?, name)?;
        let mut rank = vec![0; seen.len()];
        seen.in_order().iter().enumerate().for_each(|(place, number)| rank[*number] = place);
        return Ok(Values::Discrete(numbers.into_iter().map(|number| rank[number]).collect()));
    }
    if !mlops_core::columns::is_numeric(data_type) {
        return Err(Error::schema(format!(
            "mutual_info_regression needs a number to predict, but the target '{name}' is {data_type}: score by \
             mutual_info_classif"
        )));
    }
    Ok(Values::Continuous(continuous(data, name)?))
}

fn continuous(data: &Table, name: &str) -> Result<Vec<f64>> {
    let mut flaws = Flaws::default();
    let values = flaws.note(&data.column(name)?, name)?;
    flaws.refuse(name)?;
    if values.is_empty() {
        return Err(Error::data(format!("there are no rows to score '{name}' by: look at the source and its filter")));
    }
    Ok(values.values().to_vec())
}

/// Each value by its place among the different ones.
fn ranks(values: &[f64]) -> Vec<usize> {
    // Adding 0 turns -0 into 0: they are one value.
    let mut different: Vec<f64> = values.iter().map(|x| x + 0.0).collect();
    different.sort_by(f64::total_cmp);
    different.dedup();
    values.iter().map(|x| different.partition_point(|other| *other < *x)).collect()
}

fn estimate(x: &Values, y: &Values, k: usize, noise: SplitMix64) -> Result<f64> {
    match (x, y) {
        (Values::Discrete(x), Values::Discrete(y)) => Ok(counted(x, y)),
        (Values::Continuous(c), Values::Discrete(d)) | (Values::Discrete(d), Values::Continuous(c)) => {
            Ok(by_class(c, d, k, noise))
        }
        (Values::Continuous(x), Values::Continuous(y)) => by_neighbours(x, y, k, noise),
    }
}

/// Between discrete values: Σ p(x, y) ln (p(x, y) / (p(x) p(y))).
fn counted(x: &[usize], y: &[usize]) -> f64 {
    let mut pairs: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let (mut xs, mut ys): (BTreeMap<usize, u64>, BTreeMap<usize, u64>) = Default::default();
    for (x, y) in x.iter().zip(y) {
        *pairs.entry((*x, *y)).or_default() += 1;
        *xs.entry(*x).or_default() += 1;
        *ys.entry(*y).or_default() += 1;
    }
    let n = x.len() as f64;
    let term = |((x, y), count): (&(usize, usize), &u64)| {
        let count = *count as f64;
        count / n * (count * n / (xs[x] as f64 * ys[y] as f64)).ln()
    };
    pairs.iter().map(term).sum::<f64>().max(0.0)
}

/// Between numbers and classes, by the neighbours within the class (Ross). Rows that are alone in
/// their class are left out.
fn by_class(c: &[f64], d: &[usize], k: usize, mut noise: SplitMix64) -> f64 {
    let mut pairs: Vec<(f64, usize)> = c.iter().copied().zip(d.iter().copied()).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut values: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    scale_and_stir(&mut values, &mut noise);
    let mut of_class: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (value, (_, class)) in values.iter().zip(&pairs) {
        of_class.entry(*class).or_default().push(*value);
    }
    of_class.retain(|_, values| values.len() > 1);
    let mut all: Vec<f64> = of_class.values().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let (mut neighbours, mut sizes, mut near) = (Digammas::default(), Digammas::default(), Digammas::default());
    for values in of_class.values_mut() {
        values.sort_by(f64::total_cmp);
        let k = k.min(values.len() - 1);
        let points: Vec<(f64, f64)> = values.iter().map(|x| (*x, 0.0)).collect();
        for (x, distance) in values.iter().zip(kth_nearest(&points, k)) {
            near.add(within(&all, *x, just_inside(distance)));
            neighbours.add(k);
            sizes.add(values.len());
        }
    }
    (digamma(all.len() as f64) + neighbours.mean() - sizes.mean() - near.mean()).max(0.0)
}

/// Between numbers (Kraskov and others, the first of their estimators).
fn by_neighbours(x: &[f64], y: &[f64], k: usize, mut noise: SplitMix64) -> Result<f64> {
    let n = x.len();
    if n <= k {
        return Err(Error::data(format!("{n} rows are too few for {k} neighbours of each: look at fewer neighbours")));
    }
    let mut points: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (mut x, mut y): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
    scale_and_stir(&mut x, &mut noise);
    scale_and_stir(&mut y, &mut noise);
    let mut points: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (x, mut y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    y.sort_by(f64::total_cmp);
    let (mut near_x, mut near_y) = (Digammas::default(), Digammas::default());
    for (point, distance) in points.iter().zip(kth_nearest(&points, k)) {
        let radius = just_inside(distance);
        near_x.add(within(&x, point.0, radius));
        near_y.add(within(&y, point.1, radius));
    }
    Ok((digamma(n as f64) + digamma(k as f64) - near_x.mean() - near_y.mean()).max(0.0))
}

/// Divides by the deviation, and moves each value by a little of its own.
fn scale_and_stir(values: &mut [f64], noise: &mut SplitMix64) {
    let mut moments = Moments::default();
    moments.update_slice(values);
    let std = moments.std(0).filter(|std| *std >= 10.0 * f64::EPSILON).unwrap_or(1.0);
    values.iter_mut().for_each(|x| *x /= std);
    let mut sizes = Moments::default();
    values.iter().for_each(|x| sizes.update(x.abs()));
    let size = 1e-10 * sizes.mean().unwrap_or(0.0).max(1.0);
    // The sum of twelve uniform numbers is near enough to a normal one, and the same everywhere.
    values.iter_mut().for_each(|x| *x += size * ((0..12).map(|_| noise.uniform()).sum::<f64>() - 6.0));
}

/// A mean of ψ over whole numbers, counted first so that their order makes no difference.
#[derive(Default)]
struct Digammas(BTreeMap<usize, u64>);

impl Digammas {
    fn add(&mut self, n: usize) {
        *self.0.entry(n).or_default() += 1;
    }

    fn mean(&self) -> f64 {
        let count: u64 = self.0.values().sum();
        self.0.iter().map(|(n, times)| digamma(*n as f64) * *times as f64).sum::<f64>() / count as f64
    }
}
