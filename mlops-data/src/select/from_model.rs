use std::sync::Arc;

use mlops_core::{Error, Result, Run, Table, Trainer, Transform, Transformer};
use serde::{Deserialize, Serialize};

use super::fitted::{FeatureScore, FeatureSelection};
use super::trials::around_trainer;

/// Keeps the features that a model finds important (scikit-learn's `SelectFromModel`).
///
/// Fits the trainer once on all features it looks at, and keeps those whose importance is at least
/// the threshold: the absolute coefficient of a linear model (the sum over the classes), or the share
/// that a forest gives it. Bring features to one scale before a linear model.
///
/// # Errors
/// Fitting fails as the trainer does; with [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported)
/// if its model has no [importances](mlops_core::Model::importances).
///
/// # Example
/// ```
#[doc = include_str!("doc_trainer.txt")]
/// use mlops_core::{Run, Transformer};
/// use mlops_data::select::{SelectFromModel, Threshold};
///
/// // `trainer` is any recipe, such as Ridge; `data` has the features x and z.
/// let recipe = SelectFromModel::new(trainer).with_threshold(Threshold::Mean(1.25));
/// let (_, kept) = recipe.fit_transform(&data, &Run::default())?;
/// assert!(kept.column("x").is_ok() && kept.column("z").is_err());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct SelectFromModel {
    trainer: Box<dyn Trainer>,
    options: Options,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    columns: Option<Vec<String>>,
    threshold: Threshold,
    max_features: Option<usize>,
}

/// The least importance that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Threshold {
    /// So many times the mean of all.
    Mean(f64),
    /// So many times the median of all.
    Median(f64),
    /// This.
    Value(f64),
}

impl Default for Threshold {
    fn default() -> Self {
        Self::Mean(1.0)
    }
}

impl Threshold {
    fn of(self, importances: &[f64]) -> f64 {
        match self {
            Self::Mean(times) => times * (importances.iter().sum::<f64>() / importances.len() as f64),
            Self::Median(times) => {
                let mut sorted = importances.to_vec();
                sorted.sort_by(f64::total_cmp);
                let middle = sorted.len() / 2;
                let median =
                    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
                times * median
            }
            Self::Value(value) => value,
        }
    }
}

around_trainer!(SelectFromModel, "select_from_model");

impl SelectFromModel {
    /// Keeps features of at least mean importance to this trainer's model.
    pub fn new(trainer: impl Trainer) -> Self {
        Self { trainer: Box::new(trainer), options: Options::default() }
    }

    /// With another threshold.
    #[must_use]
    pub fn with_threshold(mut self, threshold: Threshold) -> Self {
        self.options.threshold = threshold;
        self
    }

    /// Keeping at most so many, the most important ones; of equal ones the earlier.
    #[must_use]
    pub fn with_max_features(mut self, max_features: usize) -> Self {
        self.options.max_features = Some(max_features);
        self
    }
}

impl Transformer for SelectFromModel {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        let (Threshold::Mean(x) | Threshold::Median(x) | Threshold::Value(x)) = self.options.threshold;
        if x.is_nan() {
            return Err(Error::config("a threshold of NaN: give a number"));
        }
        let trials = self.trials(data, run)?;
        let all: Vec<usize> = (0..trials.names.len()).collect();
        let model = run.install(|| trials.fit(&all, None))??;
        let outputs = trials.importances(model.as_ref(), &all)?;
        let importances: Vec<f64> = all.iter().map(|i| outputs.iter().map(|output| output[*i].abs()).sum()).collect();
        let threshold = self.options.threshold.of(&importances);
        let mut order = all;
        order.sort_by(|a, b| importances[*b].total_cmp(&importances[*a]));
        let mut keep: Vec<bool> = vec![false; order.len()];
        order
            .iter()
            .take(self.options.max_features.unwrap_or(usize::MAX))
            .for_each(|i| keep[*i] = importances[*i] >= threshold);
        let features = trials.names.iter().zip(keep).zip(&importances);
        let features = features.map(|((name, keep), importance)| FeatureScore::new(name, keep).with_score(*importance));
        Ok(Arc::new(FeatureSelection::new(Self::KIND, features.collect()).with_threshold(threshold)))
    }
}
