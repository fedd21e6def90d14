use std::fmt;

use mlops_core::report::{Grid, number};
use mlops_core::{Predictions, Result};
use serde::Serialize;

use super::confusion::{ClassScores, ConfusionMatrix};

/// Precision, recall and F1 of each class, and their averages: scikit-learn's
/// `classification_report`. A ratio of 0 / 0 counts as 0 in the averages.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Predictions, Task};
/// use mlops_train::ClassificationReport;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0, 1.0], vec![0.9, 0.1, 0.7, 0.3, 0.2, 0.8])?;
/// let report = ClassificationReport::of(&predictions)?;
/// assert_eq!((report.macro_average.precision, report.macro_average.recall), (0.75, 0.75));
/// assert!(report.to_string().starts_with("class         precision  recall      f1  support"));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassificationReport {
    /// Class by class.
    pub classes: Vec<ClassScores>,
    /// The share of rows whose class is predicted.
    pub accuracy: f64,
    /// The mean over the classes that are true or predicted somewhere.
    pub macro_average: AveragedScores,
    /// The mean over the classes, each counting by its rows.
    pub weighted_average: AveragedScores,
    /// What all rows weigh.
    pub support: f64,
}

/// An average of a [`ClassificationReport`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AveragedScores {
    /// Of the precisions.
    pub precision: f64,
    /// Of the recalls.
    pub recall: f64,
    /// Of the F1 scores.
    pub f1: f64,
}

impl ClassificationReport {
    /// Of the classes that have the greatest score. One pass.
    ///
    /// # Errors
    /// As [`ConfusionMatrix::of`] and [`Self::of_matrix`].
    pub fn of(predictions: &Predictions) -> Result<Self> {
        Self::of_matrix(&ConfusionMatrix::of(predictions)?)
    }

    /// Of what was counted before.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if nothing was.
    pub fn of_matrix(matrix: &ConfusionMatrix) -> Result<Self> {
        let classes = matrix.per_class();
        let support: f64 = classes.iter().map(|class| class.support).sum();
        if support == 0.0 {
            return Err(mlops_core::Error::data("a report of no rows is not defined: score at least one row"));
        }
        let average = |weight: &dyn Fn(&ClassScores) -> f64| {
            let total: f64 = classes.iter().map(weight).sum();
            let mean = |value: fn(&ClassScores) -> Option<f64>| {
                classes.iter().map(|class| weight(class) * value(class).unwrap_or(0.0)).sum::<f64>() / total
            };
            AveragedScores { precision: mean(|c| c.precision), recall: mean(|c| c.recall), f1: mean(|c| c.f1) }
        };
        let occurs = |class: &ClassScores| f64::from(u8::from(class.support + class.predicted > 0.0));
        let right: f64 = (0..classes.len()).map(|class| matrix.get(class, class)).sum();
        Ok(Self {
            accuracy: right / support,
            macro_average: average(&occurs),
            weighted_average: average(&|class| class.support),
            support,
            classes,
        })
    }

    /// The report for people.
    pub fn grid(&self) -> Grid {
        let ratio = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
        let row = |name: &str, values: [Option<f64>; 3], support: f64| {
            let [precision, recall, f1] = values.map(ratio);
            [name.to_owned(), precision, recall, f1, number(support)]
        };
        let grid = Grid::new(["class", "precision", "recall", "f1", "support"]);
        let grid = self.classes.iter().fold(grid, |grid, class| {
            grid.with_row(row(&class.class, [class.precision, class.recall, class.f1], class.support))
        });
        let average = |scores: &AveragedScores| [scores.precision, scores.recall, scores.f1].map(Some);
        grid.with_row(row("accuracy", [None, None, Some(self.accuracy)], self.support))
            .with_row(row("macro avg", average(&self.macro_average), self.support))
            .with_row(row("weighted avg", average(&self.weighted_average), self.support))
    }
}

/// For a terminal.
impl fmt::Display for ClassificationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.grid().fmt(f)
    }
}
