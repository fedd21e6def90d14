use std::fmt::Debug;

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::{Artifact, Recipe, Result, Table};

/// The recipe of a drift monitor: [`fit`](Self::fit) learns what is normal from a reference.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a recipe of a drift monitor")]
pub trait DriftDetector: Recipe {
    /// Learns the reference from the features of a table.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if a named column is missing or of a type
    /// the test can't take, [`ErrorKind::Data`](crate::ErrorKind::Data) if it has no values.
    fn fit(&self, reference: &Table) -> Result<Box<dyn DriftMonitor>>;
}

/// Watches rows against a fitted reference. One owner behind a bounded queue, so that the path of a
/// prediction takes no lock.
pub trait DriftMonitor: Debug + Send + 'static {
    /// Takes rows into the current window. Columns are found by name; others are ignored. Observing
    /// the pieces of a batch equals observing the whole.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a missing column or another type.
    fn observe(&mut self, batch: &RecordBatch) -> Result<()>;

    /// What the current window says.
    ///
    /// # Errors
    /// If the statistics can't be computed.
    fn report(&self) -> Result<DriftReport>;

    /// Starts a new window.
    fn reset(&mut self);

    /// Writes down the reference and the current window.
    ///
    /// # Errors
    /// If the state can't be written.
    fn save(&self) -> Result<Artifact>;
}

/// What a [`DriftMonitor`] found in a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DriftReport {
    /// The rows of the window.
    pub rows: u64,
    /// The verdict on each feature, in the order of the reference.
    pub features: Vec<FeatureDrift>,
}

impl DriftReport {
    /// A report of `rows` rows.
    pub fn new(rows: u64, features: Vec<FeatureDrift>) -> Self {
        Self { rows, features }
    }

    /// The features that drifted.
    pub fn drifted(&self) -> impl Iterator<Item = &FeatureDrift> {
        self.features.iter().filter(|feature| feature.drifted)
    }

    /// Whether any feature drifted.
    pub fn is_drift(&self) -> bool {
        self.drifted().next().is_some()
    }
}

/// The verdict of a test on one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FeatureDrift {
    /// The name of the column.
    pub feature: String,
    /// The test, such as `ks`.
    pub test: String,
    /// Its statistic or distance; 0 means the window looks like the reference.
    pub statistic: f64,
    /// The probability of such a statistic without drift, if the test has one.
    pub p_value: Option<f64>,
    /// What the p-value must stay above, or the statistic below.
    pub threshold: f64,
    /// Whether it drifted.
    pub drifted: bool,
}

impl FeatureDrift {
    /// A verdict by p-value: drifted if it is below `threshold`.
    pub fn by_p_value(feature: &str, test: &str, statistic: f64, p_value: f64, threshold: f64) -> Self {
        let drifted = p_value < threshold;
        let (feature, test) = (feature.to_owned(), test.to_owned());
        Self { feature, test, statistic, p_value: Some(p_value), threshold, drifted }
    }

    /// A verdict by distance: drifted if it is above `threshold`.
    pub fn by_distance(feature: &str, test: &str, statistic: f64, threshold: f64) -> Self {
        let drifted = statistic > threshold;
        let (feature, test) = (feature.to_owned(), test.to_owned());
        Self { feature, test, statistic, p_value: None, threshold, drifted }
    }
}
