use std::fmt;

use mlops_core::{Error, Metric, Model, Predictions, Result, ResultExt, Table};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Values of metrics, in the order they were asked for.
///
/// Displays as `roc_auc 0.7391, log_loss 0.4012`, and is a JSON object.
///
/// # Example
/// ```
/// use mlops_train::Scores;
///
/// let scores: Scores = [("roc_auc", 0.75), ("brier", 0.125)].into_iter().collect();
/// assert_eq!(scores.get("brier")?, 0.125);
/// assert_eq!(scores.to_string(), "roc_auc 0.7500, brier 0.1250");
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(Vec<(String, f64)>);

/// Judges a model on the rows of `data`: one prediction of all rows, then each metric.
///
/// # Errors
/// As [`Predictions::of`] (rows that the model was fitted on are refused) and [`Metric::score`].
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::{LinearRegression, R2, Rmse, score};
///
/// let batch = arrow::array::record_batch!(("x", Float64, [1.0, 2.0, 3.0]), ("y", Float64, [3.0, 5.0, 7.0]))?;
/// let data = Table::from_batch(batch).with_role("y", Role::Target)?;
/// let model = LinearRegression::new().fit(&data, &Run::default())?;
///
/// let batch = arrow::array::record_batch!(("x", Float64, [4.0, 5.0]), ("y", Float64, [9.0, 11.0]))?;
/// let held_back = Table::from_batch(batch).with_role("y", Role::Target)?;
/// assert!(score(model.as_ref(), &held_back, &[&R2, &Rmse])?.get("r2")? > 0.999);
/// let error = score(model.as_ref(), &data, &[&R2]).unwrap_err();
/// assert_eq!(error.kind(), mlops_core::ErrorKind::Leak);
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn score(model: &dyn Model, data: &Table, metrics: &[&dyn Metric]) -> Result<Scores> {
    Scores::of(&Predictions::of(model, data)?, metrics)
}

impl Scores {
    /// The values of `metrics` for given predictions.
    ///
    /// # Errors
    /// As [`Metric::score`], with the name of the metric.
    pub fn of(predictions: &Predictions, metrics: &[&dyn Metric]) -> Result<Self> {
        let value = |metric: &&dyn Metric| {
            let value = metric.score(predictions).context("metric", metric.name())?;
            Ok((metric.name().to_owned(), value))
        };
        Ok(Self(metrics.iter().map(value).collect::<Result<_>>()?))
    }

    /// The value of a metric.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](mlops_core::ErrorKind::NotFound) if it was not asked for.
    pub fn get(&self, metric: &str) -> Result<f64> {
        let found = self.0.iter().find(|(name, _)| name == metric);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
            Error::not_found(format!("no score '{metric}'; there are {}", names.join(", ")))
        })
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl<S: Into<String>> FromIterator<(S, f64)> for Scores {
    fn from_iter<I: IntoIterator<Item = (S, f64)>>(scores: I) -> Self {
        Self(scores.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name} {value:.4}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}
