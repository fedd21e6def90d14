use std::collections::BTreeSet;
use std::fmt::{self, Debug};

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::report::{Grid, Tone, number};
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
    /// The verdicts, in the order of the reference; a feature may have more than one, such as on
    /// its values and on how many are missing.
    pub features: Vec<FeatureDrift>,
}

impl DriftReport {
    /// A report of `rows` rows.
    pub fn new(rows: u64, features: Vec<FeatureDrift>) -> Self {
        Self { rows, features }
    }

    /// The verdicts that say drift.
    pub fn drifted(&self) -> impl Iterator<Item = &FeatureDrift> {
        self.features.iter().filter(|feature| feature.drifted)
    }

    /// The names of the features that drifted, each once, in the order of the reference.
    pub fn drifted_features(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        self.drifted().map(|drift| drift.feature.as_str()).filter(|name| seen.insert(*name)).collect()
    }

    /// How many of the features drifted, from 0 to 1; 0 if there are none.
    pub fn drifted_share(&self) -> f64 {
        let all: BTreeSet<&str> = self.features.iter().map(|drift| drift.feature.as_str()).collect();
        self.drifted_features().len() as f64 / all.len().max(1) as f64
    }

    /// The verdicts as a table, what drifted first.
    pub fn to_grid(&self) -> Grid {
        let grid = Grid::new(["feature", "test", "statistic", "p-value", "threshold", "effect", "drifted"]);
        let (drifted, fine): (Vec<_>, Vec<_>) = self.features.iter().partition(|drift| drift.drifted);
        drifted.into_iter().chain(fine).fold(grid, |grid, drift| {
            let tone = if drift.drifted { Tone::Bad } else { Tone::Plain };
            let cells = [
                drift.feature.clone(),
                drift.test.clone(),
                number(drift.statistic),
                drift.p_value.map(number).unwrap_or_default(),
                number(drift.threshold),
                number(drift.effect),
                if drift.drifted { "yes".to_owned() } else { "no".to_owned() },
            ];
            grid.with_toned_row(tone, cells)
        })
    }

    /// Whether any feature drifted.
    pub fn is_drift(&self) -> bool {
        self.drifted().next().is_some()
    }
}

/// For a terminal: one line in words, then [`DriftReport::to_grid`].
impl fmt::Display for DriftReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drifted = self.drifted_features();
        write!(f, "{} rows, ", self.rows)?;
        match drifted.as_slice() {
            [] => writeln!(f, "no drift")?,
            names => writeln!(f, "drift in {}", names.join(", "))?,
        }
        write!(f, "{}", self.to_grid())
    }
}

/// The verdict of a test on one feature.
///
/// With enough rows any test finds a difference that nobody would act on; so, beside the p-value,
/// the `effect` must reach `min_effect`.
///
/// # Example
/// ```
/// use mlops_core::FeatureDrift;
///
/// let drift = FeatureDrift::by_p_value("distance", "ks", 0.004, 1e-9, 0.05);
/// assert!(drift.drifted);
/// assert!(!drift.with_effect(0.004, 0.1).drifted);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FeatureDrift {
    /// The name of the column.
    pub feature: String,
    /// The test, such as `ks`.
    pub test: String,
    /// Its statistic or distance; 0 means the window looks like the reference.
    #[serde(with = "crate::json_float")]
    pub statistic: f64,
    /// The probability of such a statistic without drift, if the test has one.
    pub p_value: Option<f64>,
    /// What the p-value must stay above, or the statistic below.
    #[serde(with = "crate::json_float")]
    pub threshold: f64,
    /// How large the change is, on a scale that does not grow with the rows.
    #[serde(with = "crate::json_float")]
    pub effect: f64,
    /// The least effect that counts as drift.
    #[serde(with = "crate::json_float")]
    pub min_effect: f64,
    /// Whether it drifted.
    pub drifted: bool,
}

impl FeatureDrift {
    /// A verdict by p-value: drifted if it is below `threshold`.
    pub fn by_p_value(feature: &str, test: &str, statistic: f64, p_value: f64, threshold: f64) -> Self {
        let drifted = p_value < threshold;
        let (feature, test) = (feature.to_owned(), test.to_owned());
        Self {
            feature,
            test,
            statistic,
            p_value: Some(p_value),
            threshold,
            effect: statistic,
            min_effect: 0.0,
            drifted,
        }
    }

    /// A verdict by distance: drifted if it is above `threshold`.
    pub fn by_distance(feature: &str, test: &str, statistic: f64, threshold: f64) -> Self {
        let drifted = statistic > threshold;
        let (feature, test) = (feature.to_owned(), test.to_owned());
        Self { feature, test, statistic, p_value: None, threshold, effect: statistic, min_effect: 0.0, drifted }
    }

    /// With an effect, which must be at least `min_effect` for a drift. Without, the effect is the
    /// statistic and any will do.
    #[must_use]
    pub fn with_effect(mut self, effect: f64, min_effect: f64) -> Self {
        (self.effect, self.min_effect) = (effect, min_effect);
        self.drifted &= effect >= min_effect;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_infinite_distance_can_be_written_down() {
        let report = DriftReport::new(1, vec![FeatureDrift::by_distance("a", "psi", f64::INFINITY, 0.2)]);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<DriftReport>(&json).unwrap(), report);
    }
}
