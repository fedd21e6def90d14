use std::sync::Arc;

use mlops_core::{Error, Model, Named, Result, Run, Table, Trainer};
use serde::{Deserialize, Serialize};

use super::model::KNeighborsModel;
use crate::training::TrainingSet;

/// What the nearest rows of training say, averaged: scikit-learn's `KNeighborsClassifier` and
/// `KNeighborsRegressor` in one; the target decides.
///
/// Learning keeps the rows, in a tree that is cut at medians: in up to a dozen dimensions an answer
/// looks at few of them, in many dimensions at nearly all. Of rows at equal distance the first count, and
/// neighbours count by their weight. Scale the features first (`StandardScaler`): distances add them up.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::KNeighbors;
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0]),
///     ("late", Boolean, [false, false, true, true])
/// )?;
/// let flights = Table::from_batch(batch.clone()).with_role("late", Role::Target)?;
/// let model = KNeighbors::new(3).fit(&flights, &Run::default())?;
/// assert_eq!(model.predict(&batch)?.num_rows(), 4);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KNeighbors {
    /// How many neighbours are asked.
    pub n_neighbors: usize,
    /// What each of them counts.
    pub weights: NeighborWeights,
    /// The order of Minkowski's distance, at least 1: 1 adds up differences, 2 is Euclid's.
    pub p: f64,
}

/// What a neighbour counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NeighborWeights {
    /// One over its distance; if some are at distance 0, those alone.
    Distance,
    /// All the same.
    #[default]
    Uniform,
}

impl Default for KNeighbors {
    fn default() -> Self {
        Self { n_neighbors: 5, weights: NeighborWeights::Uniform, p: 2.0 }
    }
}

impl Named for KNeighbors {
    const KIND: &'static str = "k_neighbors";
}

impl KNeighbors {
    /// Asking `n_neighbors`, which all count the same, by Euclid's distance.
    pub fn new(n_neighbors: usize) -> Self {
        Self { n_neighbors, ..Self::default() }
    }

    /// With neighbours that count otherwise.
    #[must_use]
    pub fn with_weights(mut self, weights: NeighborWeights) -> Self {
        self.weights = weights;
        self
    }

    /// With another order of the distance.
    #[must_use]
    pub fn with_p(mut self, p: f64) -> Self {
        self.p = p;
        self
    }

    /// As [`Trainer::fit`], with the type of the model.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for settings out of
    /// range, [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for fewer rows than neighbours.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<KNeighborsModel> {
        run.check()?;
        if self.n_neighbors == 0 || !(self.p.is_finite() && self.p >= 1.0) {
            return Err(Error::config(format!(
                "nearest neighbours with n_neighbors = {} and p = {}: both must be at least 1",
                self.n_neighbors, self.p
            )));
        }
        let set = run.install(|| TrainingSet::read_finite(data))??;
        if set.rows < self.n_neighbors {
            return Err(Error::data(format!(
                "{} neighbours can't be found among {} rows of a weight above 0: ask for fewer, or bring more rows",
                self.n_neighbors, set.rows
            )));
        }
        run.check()?;
        KNeighborsModel::learn(self.clone(), set)
    }
}

impl Trainer for KNeighbors {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}
