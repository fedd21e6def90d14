//! Isotonic regression: the monotone steps that are closest to the data.

use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Named, Result, Role, RowModel, Run, Signature, Table, Task, Trainer,
    predict_dense,
};
use serde::{Deserialize, Serialize};

use crate::training::TrainingSet;

/// A monotone curve through knots: linear between them, constant beyond.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Curve {
    /// Ascending.
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Curve {
    /// The curve whose weighted squared distance from the points is least among all that rise (or
    /// fall): pool adjacent violators, after equal `x` are averaged. At least one point is needed.
    pub(crate) fn fit(points: impl Iterator<Item = (f64, f64, f64)>, increasing: bool) -> Self {
        let sign = if increasing { 1.0 } else { -1.0 };
        let mut points: Vec<(f64, f64, f64)> = points.map(|(x, y, w)| (x, sign * y, w)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let (x, mean, weight) = average_ties(&points);
        let y = pool(&mean, &weight).into_iter().map(|y| sign * y).collect();
        Self { x, y }.without_inner_points()
    }

    /// Drops the points that lie between two others of the same height.
    fn without_inner_points(self) -> Self {
        let last = self.x.len().saturating_sub(1);
        let inner = |i: usize| i > 0 && i < last && self.y[i] == self.y[i - 1] && self.y[i] == self.y[i + 1];
        let kept: Vec<usize> = (0..self.x.len()).filter(|i| !inner(*i)).collect();
        Self { x: kept.iter().map(|i| self.x[*i]).collect(), y: kept.iter().map(|i| self.y[*i]).collect() }
    }

    /// The height at `x`; NaN for NaN.
    pub(crate) fn at(&self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        let last = self.x.len() - 1;
        let above = self.x.partition_point(|knot| *knot < x);
        match above {
            0 => self.y[0],
            above if above > last => self.y[last],
            above => {
                let (x0, x1, y0, y1) = (self.x[above - 1], self.x[above], self.y[above - 1], self.y[above]);
                (y1 - y0) / (x1 - x0) * (x - x0) + y0
            }
        }
    }

    /// Refuses what [`fit`](Self::fit) never gives.
    pub(crate) fn check(&self) -> Result<()> {
        let finite = self.x.iter().chain(&self.y).all(|v| v.is_finite());
        let fits = !self.x.is_empty() && self.x.len() == self.y.len() && self.x.is_sorted_by(|a, b| a < b);
        let monotone = self.y.is_sorted() || self.y.iter().rev().is_sorted();
        if finite && fits && monotone {
            return Ok(());
        }
        Err(Error::corrupt("a monotone curve needs ascending finite knots with a monotone height each"))
    }
}

/// One point for each `x`, with the mean height and the sum of the weights. Numbers that differ by
/// less than 10⁻¹⁵ count as one, as in scikit-learn.
fn average_ties(points: &[(f64, f64, f64)]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    const RESOLUTION: f64 = 1e-15;
    let (mut xs, mut means, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for group in points.chunk_by(|a, b| b.0 == a.0 || b.0 - a.0 < RESOLUTION) {
        let weight: f64 = group.iter().map(|p| p.2).sum();
        xs.push(group[0].0);
        means.push(group.iter().map(|p| p.2 * p.1).sum::<f64>() / weight);
        weights.push(weight);
    }
    (xs, means, weights)
}

/// Pool adjacent violators: neighbours that fall are replaced by their weighted mean until none does.
fn pool(mean: &[f64], weight: &[f64]) -> Vec<f64> {
    // (sum of weight · height, weight, how many)
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for (y, w) in mean.iter().zip(weight) {
        let mut block = (y * w, *w, 1);
        while let Some(before) = blocks.last().filter(|before| before.0 / before.1 >= block.0 / block.1) {
            block = (before.0 + block.0, before.1 + block.1, before.2 + block.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks.into_iter().flat_map(|(sum, weight, n)| std::iter::repeat_n(sum / weight, n)).collect()
}

/// A number that rises (or falls) with one feature, and no other assumption: scikit-learn's
/// `IsotonicRegression` with `out_of_bounds="clip"`.
///
/// Minimises the weighted squared error over all monotone curves by pooling adjacent violators; linear
/// between the knots, constant beyond the training range. Sorting costs n log n.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table};
/// use mlops_train::IsotonicRegression;
///
/// let batch = arrow::array::record_batch!(
///     ("dose", Float64, [1.0, 2.0, 3.0, 4.0]),
///     ("effect", Float64, [0.0, 2.0, 1.0, 5.0])
/// )?;
/// let trials = Table::from_batch(batch).with_role("effect", Role::Target)?;
/// let model = IsotonicRegression::on("dose").learn(&trials, &Run::default())?;
/// assert_eq!((model.at(2.5), model.at(3.5), model.at(9.0)), (1.5, 3.25, 5.0));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct IsotonicRegression {
    /// The feature; others are left alone. `None` takes the only one there is.
    pub feature: Option<String>,
    /// Whether it rises.
    pub increasing: bool,
}

impl Default for IsotonicRegression {
    fn default() -> Self {
        Self { feature: None, increasing: true }
    }
}

impl Named for IsotonicRegression {
    const KIND: &'static str = "isotonic_regression";
}

impl IsotonicRegression {
    /// Rising with the only feature.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rising with the feature `feature`.
    pub fn on(feature: impl Into<String>) -> Self {
        Self { feature: Some(feature.into()), ..Self::default() }
    }

    /// Rising or falling.
    #[must_use]
    pub fn with_increasing(mut self, increasing: bool) -> Self {
        self.increasing = increasing;
        self
    }

    /// As [`Trainer::fit`], with the type of the model.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if there is more than
    /// one feature and none was named.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<IsotonicModel> {
        run.check()?;
        let features = data.features();
        let feature = match (&self.feature, features.as_slice()) {
            (Some(feature), _) => feature,
            (None, [only]) => only.name(),
            (None, _) => {
                return Err(Error::schema(format!(
                    "isotonic regression takes one feature, given are {}: name it with IsotonicRegression::on",
                    features.len()
                )));
            }
        };
        let target = data.target()?.name();
        let weights = data.schema().fields().iter().filter(|f| data.roles().of(f.name()) == Role::Weight);
        let columns = [feature, target].into_iter().chain(weights.map(|field| field.name()));
        data.check_inputs([feature])?;
        let set = TrainingSet::read_finite(&data.select(columns)?)?;
        let target = set.numbers("isotonic regression")?;
        let points = (0..set.rows).map(|row| (set.matrix[row], target[row], set.weight(row)));
        let curve = Curve::fit(points, self.increasing);
        Ok(IsotonicModel { signature: set.signature, curve })
    }
}

impl Trainer for IsotonicRegression {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

/// A fitted [`IsotonicRegression`].
#[derive(Clone, Debug)]
pub struct IsotonicModel {
    signature: Signature,
    curve: Curve,
}

impl IsotonicModel {
    /// The answer for one value of the feature.
    pub fn at(&self, x: f64) -> f64 {
        self.curve.at(x)
    }

    /// The knots: values of the feature, ascending, and the answer at each.
    pub fn knots(&self) -> (&[f64], &[f64]) {
        (&self.curve.x, &self.curve.y)
    }
}

impl Model for IsotonicModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        predict_dense(&self.signature, self, batch)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(&State { signature: self.signature.clone(), curve: self.curve.clone() })
    }
}

impl Dense for IsotonicModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        scores[0] = self.curve.at(row[0]);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    curve: Curve,
}

impl Load for IsotonicModel {
    const KIND: &'static str = "isotonic_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, curve } = artifact.state()?;
        curve.check()?;
        if signature.inputs.len() != 1 || signature.task != Task::Regression {
            return Err(Error::corrupt("an isotonic model has one input and answers a number"));
        }
        Ok(Self { signature, curve })
    }
}
