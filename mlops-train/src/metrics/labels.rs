use mlops_core::{Error, Metric, Predictions, Result, Task};
use serde::{Deserialize, Serialize};

use super::confusion::{ConfusionMatrix, Counts};
use super::fold::{FoldMetric, fold_metric, nothing};
use super::{check_setting, classes};

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
    /// The value of all classes taken together: every row counts the same.
    Micro,
    /// The mean over the classes, each counting by its rows.
    Weighted,
}

/// What 0 / 0 is: the precision of a class that is never predicted, the recall of one that never
/// occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ZeroDivision {
    /// 1.
    One,
    /// Not defined: the class is left out of the average (scikit-learn's `nan`).
    Skip,
    /// 0.
    #[default]
    Zero,
}

impl ZeroDivision {
    fn ratio(self, part: f64, whole: f64) -> Option<f64> {
        if whole > 0.0 {
            return Some(part / whole);
        }
        match self {
            Self::One => Some(1.0),
            Self::Skip => None,
            Self::Zero => Some(0.0),
        }
    }
}

fn averaged(
    metric: &dyn Metric,
    matrix: &ConfusionMatrix,
    average: Average,
    value: impl Fn(&Counts) -> Option<f64>,
) -> Result<f64> {
    let counts = matrix.counts();
    if counts.iter().all(|counts| counts.truth == 0.0) {
        return Err(nothing(metric));
    }
    let there = || counts.iter().filter(|counts| counts.truth + counts.predicted > 0.0);
    let mean = |weight: &dyn Fn(&Counts) -> f64| {
        let defined = || there().filter_map(|counts| Some((weight(counts), value(counts)?)));
        let total: f64 = defined().map(|(weight, _)| weight).sum();
        (total > 0.0).then(|| defined().map(|(weight, value)| weight * value).sum::<f64>() / total)
    };
    let found = match average {
        Average::Binary => value(&counts[1]),
        Average::Macro => mean(&|_| 1.0),
        Average::Micro => value(&counts.iter().fold(Counts::default(), |sum, counts| Counts {
            right: sum.right + counts.right,
            predicted: sum.predicted + counts.predicted,
            truth: sum.truth + counts.truth,
        })),
        // Classes that are true nowhere may be all that is defined.
        Average::Weighted => mean(&|counts| counts.truth).or_else(|| mean(&|_| 1.0)),
    };
    found.ok_or_else(|| {
        Error::data(format!(
            "{} is 0 / 0 for every class, which its zero_division leaves out: score rows of more classes",
            metric.name()
        ))
    })
}

fn start(metric: &dyn Metric, task: &Task, average: Average) -> Result<ConfusionMatrix> {
    let classes = classes(metric, task)?;
    if average == Average::Binary && classes.len() != 2 {
        return Err(Error::unsupported(format!(
            "{} is for two classes, these are {}: take its macro, micro or weighted average",
            metric.name(),
            classes.len()
        )));
    }
    Ok(ConfusionMatrix::new(classes.clone()))
}

macro_rules! label_metric {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$field_doc:meta])* $field:ident: f64 = $default:expr,)* },
        |$this:ident, $counts:ident| $value:expr,
        [$binary:literal, $macro:literal, $micro:literal, $weighted:literal]
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: f64,)*
            /// How the values of several classes become one.
            pub average: Average,
            /// What 0 / 0 is.
            pub zero_division: ZeroDivision,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* average: Average::Binary, zero_division: ZeroDivision::Zero }
            }
        }

        impl $name {
            /// Of the second of two classes.
            pub fn binary() -> Self {
                Self::default()
            }

            /// The mean over the classes.
            pub fn macro_average() -> Self {
                Self { average: Average::Macro, ..Self::default() }
            }

            /// Of all classes taken together.
            pub fn micro() -> Self {
                Self { average: Average::Micro, ..Self::default() }
            }

            /// The mean over the classes, each counting by its rows.
            pub fn weighted() -> Self {
                Self { average: Average::Weighted, ..Self::default() }
            }

            /// With another value of 0 / 0.
            #[must_use]
            pub fn with_zero_division(mut self, zero_division: ZeroDivision) -> Self {
                self.zero_division = zero_division;
                self
            }
        }

        fold_metric!($name, greater, |this| match this.average {
            Average::Binary => $binary,
            Average::Macro => $macro,
            Average::Micro => $micro,
            Average::Weighted => $weighted,
        });

        impl FoldMetric for $name {
            type State = ConfusionMatrix;

            fn start(&self, task: &Task) -> Result<ConfusionMatrix> {
                $(check_setting(self, stringify!($field), self.$field, self.$field >= 0.0)?;)*
                start(self, task, self.average)
            }

            fn update(&self, state: &mut ConfusionMatrix, rows: &Predictions) -> Result<()> {
                state.update(rows)
            }

            fn finish(&self, state: &ConfusionMatrix) -> Result<f64> {
                let $this = self;
                averaged(self, state, self.average, |$counts| $value)
            }
        }
    };
}

label_metric! {
    /// How many of the rows that are predicted to be of a class are.
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
    Precision {},
    |this, counts| this.zero_division.ratio(counts.right, counts.predicted),
    ["precision", "precision_macro", "precision_micro", "precision_weighted"]
}

label_metric! {
    /// How many of the rows of a class are predicted to be.
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
    Recall {},
    |this, counts| this.zero_division.ratio(counts.right, counts.truth),
    ["recall", "recall_macro", "recall_micro", "recall_weighted"]
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
    F1 {},
    |this, counts| this.zero_division.ratio(2.0 * counts.right, counts.truth + counts.predicted),
    ["f1", "f1_macro", "f1_micro", "f1_weighted"]
}

label_metric! {
    /// The mean of precision and recall in which recall counts `beta` times as much: 2 where a miss is
    /// worse than a false alarm, 0.5 where it is the other way.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Classes, Metric, Predictions, Task};
    /// use mlops_train::FBeta;
    ///
    /// let task = Task::Classification { classes: Classes::Bool };
    /// let predictions = Predictions::new(task, vec![1.0, 1.0], vec![0.6, 0.4, 0.2, 0.8])?;
    /// assert_eq!(FBeta::binary().with_beta(2.0).score(&predictions)?, 5.0 / 9.0);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    FBeta {
        /// How much more recall counts than precision.
        beta: f64 = 1.0,
    },
    |this, counts| {
        let square = this.beta * this.beta;
        this.zero_division.ratio((1.0 + square) * counts.right, square * counts.truth + counts.predicted)
    },
    ["fbeta", "fbeta_macro", "fbeta_micro", "fbeta_weighted"]
}

impl FBeta {
    /// With recall counting `beta` times as much as precision; 0 gives precision.
    #[must_use]
    pub fn with_beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }
}

label_metric! {
    /// What is both true and predicted of a class, of all that is either: the intersection over the
    /// union.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Classes, Metric, Predictions, Task};
    /// use mlops_train::Jaccard;
    ///
    /// let task = Task::Classification { classes: Classes::Bool };
    /// let predictions = Predictions::new(task, vec![1.0, 1.0], vec![0.6, 0.4, 0.2, 0.8])?;
    /// assert_eq!(Jaccard::binary().score(&predictions)?, 0.5);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    Jaccard {},
    |this, counts| this.zero_division.ratio(counts.right, counts.truth + counts.predicted - counts.right),
    ["jaccard", "jaccard_macro", "jaccard_micro", "jaccard_weighted"]
}
