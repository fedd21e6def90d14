use mlops_core::{Error, Metric, Predictions, Result};
use serde::{Deserialize, Serialize};

use super::{classes, mean};

/// How the values of several classes become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Average {
    /// The value of the second of two classes.
    #[default]
    Binary,
    /// The mean over the classes that are true or predicted somewhere.
    Macro,
    /// The mean over the classes, each counting by its rows.
    Weighted,
}

/// The share of rows whose class is predicted.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::Accuracy;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.9, 0.1, 0.7, 0.3])?;
/// assert_eq!(Accuracy.score(&predictions)?, 0.5);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn greater_is_better(&self) -> bool {
        true
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        classes(self, predictions)?;
        Ok(mean(predictions, |row| f64::from(u8::from(predictions.chosen(row) == truth(predictions, row)))))
    }
}

fn truth(predictions: &Predictions, row: usize) -> usize {
    // `Predictions` only takes class indices.
    predictions.target[row] as usize
}

/// What the rows of a class weigh.
#[derive(Clone, Copy, Default)]
struct Counts {
    right: f64,
    predicted: f64,
    truth: f64,
}

impl Counts {
    fn precision(&self) -> f64 {
        ratio(self.right, self.predicted)
    }

    fn recall(&self) -> f64 {
        ratio(self.right, self.truth)
    }

    fn f1(&self) -> f64 {
        ratio(2.0 * self.right, self.predicted + self.truth)
    }
}

/// 0 / 0 is 0.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn count(predictions: &Predictions, classes: usize) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); classes];
    for row in 0..predictions.num_rows() {
        let weight = predictions.weight(row);
        let (truth, chosen) = (truth(predictions, row), predictions.chosen(row));
        counts[truth].truth += weight;
        counts[chosen].predicted += weight;
        if truth == chosen {
            counts[truth].right += weight;
        }
    }
    counts
}

fn averaged(
    metric: &dyn Metric,
    predictions: &Predictions,
    average: Average,
    value: impl Fn(&Counts) -> f64,
) -> Result<f64> {
    let classes = classes(metric, predictions)?;
    let counts = count(predictions, classes);
    match (average, counts.as_slice()) {
        (Average::Binary, [_, positive]) => Ok(value(positive)),
        (Average::Binary, _) => Err(Error::unsupported(format!(
            "{} is for two classes, these are {classes}: take its macro or weighted average",
            metric.name()
        ))),
        (Average::Macro, counts) => {
            let there: Vec<f64> =
                counts.iter().filter(|counts| counts.truth + counts.predicted > 0.0).map(value).collect();
            Ok(there.iter().sum::<f64>() / there.len() as f64)
        }
        (Average::Weighted, counts) => {
            let total: f64 = counts.iter().map(|counts| counts.truth).sum();
            Ok(counts.iter().map(|counts| counts.truth * value(counts)).sum::<f64>() / total)
        }
    }
}

macro_rules! label_metric {
    ($(#[$doc:meta])* $name:ident, $value:ident, [$binary:literal, $macro:literal, $weighted:literal]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name {
            /// How the values of several classes become one.
            pub average: Average,
        }

        impl $name {
            /// Of the second of two classes.
            pub fn binary() -> Self {
                Self { average: Average::Binary }
            }

            /// The mean over the classes.
            pub fn macro_average() -> Self {
                Self { average: Average::Macro }
            }

            /// The mean over the classes, each counting by its rows.
            pub fn weighted() -> Self {
                Self { average: Average::Weighted }
            }
        }

        impl Metric for $name {
            fn name(&self) -> &'static str {
                match self.average {
                    Average::Binary => $binary,
                    Average::Macro => $macro,
                    Average::Weighted => $weighted,
                }
            }

            fn greater_is_better(&self) -> bool {
                true
            }

            fn score(&self, predictions: &Predictions) -> Result<f64> {
                averaged(self, predictions, self.average, Counts::$value)
            }
        }
    };
}

label_metric! {
    /// How many of the rows that are predicted to be of a class are: 0 where none is predicted.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Classes, Metric, Predictions, Task};
    /// use mlops_train::Precision;
    ///
    /// let task = Task::Classification { classes: Classes::Bool };
    /// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.4, 0.6, 0.2, 0.8])?;
    /// assert_eq!(Precision::binary().score(&predictions)?, 0.5);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    Precision, precision, ["precision", "precision_macro", "precision_weighted"]
}

label_metric! {
    /// How many of the rows of a class are predicted to be: 0 where there is no such row.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Classes, Metric, Predictions, Task};
    /// use mlops_train::Recall;
    ///
    /// let task = Task::Classification { classes: Classes::Bool };
    /// let predictions = Predictions::new(task, vec![1.0, 1.0], vec![0.6, 0.4, 0.2, 0.8])?;
    /// assert_eq!(Recall::binary().score(&predictions)?, 0.5);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    Recall, recall, ["recall", "recall_macro", "recall_weighted"]
}

label_metric! {
    /// The harmonic mean of precision and recall.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Classes, Metric, Predictions, Task};
    /// use mlops_train::F1;
    ///
    /// let task = Task::Classification { classes: Classes::Bool };
    /// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.9, 0.1, 0.2, 0.8])?;
    /// assert_eq!(F1::macro_average().score(&predictions)?, 1.0);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    F1, f1, ["f1", "f1_macro", "f1_weighted"]
}
