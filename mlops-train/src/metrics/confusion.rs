use std::collections::BTreeMap;
use std::fmt;

use mlops_core::report::{Grid, grouped, number};
use mlops_core::sketch::ExactSum;
use mlops_core::{Classes, Error, Predictions, Result, Task};
use serde::{Deserialize, Serialize};

use super::fold::{MetricState, counted};

/// How often each class was predicted for each true class, by weight: what every metric of labels is
/// computed from.
///
/// It is a fold (`update`, `merge`) whose sums are exact, so pieces and order change nothing. It
/// takes 8 bytes a cell, and some 100 more for one with weights other than 1.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Predictions, Task};
/// use mlops_train::ConfusionMatrix;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0, 1.0], vec![0.9, 0.1, 0.7, 0.3, 0.2, 0.8])?;
/// let matrix = ConfusionMatrix::of(&predictions)?;
/// assert_eq!(matrix.get(1, 0), 1.0);
/// assert_eq!(matrix.per_class()[1].recall, Some(0.5));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct ConfusionMatrix {
    classes: Classes,
    /// How many rows of weight 1 a cell has: truth by truth, prediction by prediction.
    counts: Vec<u64>,
    /// The sums of the other weights, by cell.
    weights: BTreeMap<usize, ExactSum>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    classes: Classes,
    counts: Vec<u64>,
    weights: BTreeMap<usize, ExactSum>,
}

impl TryFrom<Stored> for ConfusionMatrix {
    type Error = String;

    fn try_from(Stored { classes, counts, weights }: Stored) -> Result<Self, String> {
        let cells = classes.len() * classes.len();
        if counts.len() != cells || weights.keys().any(|cell| *cell >= cells) {
            return Err(format!("{} cells, {} classes have {cells}", counts.len(), classes.len()));
        }
        Ok(Self { classes, counts, weights })
    }
}

/// How well one class is told from the others. A ratio whose denominator is 0 is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClassScores {
    /// The class.
    pub class: String,
    /// How much of what was predicted to be of it is.
    pub precision: Option<f64>,
    /// How much of what is of it was predicted to be.
    pub recall: Option<f64>,
    /// The harmonic mean of the two.
    pub f1: Option<f64>,
    /// What its rows weigh.
    pub support: f64,
    /// What the rows weigh that were predicted to be of it.
    pub predicted: f64,
}

/// What the rows of a class weigh.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) right: f64,
    pub(super) predicted: f64,
    pub(super) truth: f64,
}

impl ConfusionMatrix {
    /// Of no rows.
    pub fn new(classes: Classes) -> Self {
        let cells = classes.len() * classes.len();
        Self { classes, counts: vec![0; cells], weights: BTreeMap::new() }
    }

    /// Of the classes that have the greatest score, the first of equals. One pass.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a regression.
    pub fn of(predictions: &Predictions) -> Result<Self> {
        let mut matrix = Self::new(classes_of(&predictions.task)?.clone());
        matrix.update(predictions)?;
        Ok(matrix)
    }

    /// Of two classes, where the second is predicted from a score of `threshold` on. One pass.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for any other task.
    pub fn at_threshold(predictions: &Predictions, threshold: f64) -> Result<Self> {
        let scores = predictions.positive_scores()?;
        let mut matrix = Self::new(classes_of(&predictions.task)?.clone());
        for (row, weight) in counted(predictions) {
            matrix.add(predictions.target[row] as usize, usize::from(scores[row] >= threshold), weight);
        }
        Ok(matrix)
    }

    /// Takes in more rows.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if they have other classes.
    pub fn update(&mut self, rows: &Predictions) -> Result<()> {
        if classes_of(&rows.task)? != &self.classes {
            return Err(Error::data("rows of other classes than the confusion matrix has"));
        }
        for (row, weight) in counted(rows) {
            // `Predictions` only takes class indices.
            self.add(rows.target[row] as usize, rows.chosen(row), weight);
        }
        Ok(())
    }

    #[inline]
    fn add(&mut self, truth: usize, chosen: usize, weight: f64) {
        let cell = truth * self.classes.len() + chosen;
        if weight == 1.0 {
            self.counts[cell] += 1;
        } else {
            self.weights.entry(cell).or_default().add(weight);
        }
    }

    /// Takes in what another has counted.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if it is about other classes.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.classes != other.classes {
            return Err(Error::config("confusion matrices of different classes can't be merged"));
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        for (cell, sum) in &other.weights {
            self.weights.entry(*cell).or_default().merge(sum);
        }
        Ok(())
    }

    /// The classes, in the order of rows and columns.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// What the rows of class `truth` weigh that were predicted to be of class `predicted`.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn get(&self, truth: usize, predicted: usize) -> f64 {
        let width = self.classes.len();
        assert!(truth < width && predicted < width, "there are {width} classes");
        let cell = truth * width + predicted;
        let count = self.counts[cell];
        match self.weights.get(&cell) {
            None => count as f64,
            Some(sum) => {
                let mut sum = sum.clone();
                sum.add_times(1.0, count);
                sum.sum()
            }
        }
    }

    /// Every cell: a row for each true class, a column for each predicted one.
    pub fn rows(&self) -> Vec<Vec<f64>> {
        let classes = 0..self.classes.len();
        classes.clone().map(|truth| classes.clone().map(|predicted| self.get(truth, predicted)).collect()).collect()
    }

    /// What all rows weigh.
    pub fn total(&self) -> f64 {
        self.counts().iter().map(|counts| counts.truth).sum()
    }

    /// Class by class, each against the others.
    pub fn per_class(&self) -> Vec<ClassScores> {
        let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let scores = |(class, counts): (usize, &Counts)| ClassScores {
            class: self.classes.name(class),
            precision: ratio(counts.right, counts.predicted),
            recall: ratio(counts.right, counts.truth),
            f1: ratio(2.0 * counts.right, counts.predicted + counts.truth),
            support: counts.truth,
            predicted: counts.predicted,
        };
        self.counts().iter().enumerate().map(scores).collect()
    }

    /// What is predicted and what is true of each class.
    pub(super) fn counts(&self) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.classes.len()];
        for (truth, row) in self.rows().iter().enumerate() {
            for (predicted, weight) in row.iter().enumerate() {
                counts[truth].truth += weight;
                counts[predicted].predicted += weight;
                if truth == predicted {
                    counts[truth].right += weight;
                }
            }
        }
        counts
    }

    /// The matrix for people.
    pub fn grid(&self) -> Grid {
        let names: Vec<String> = (0..self.classes.len()).map(|class| self.classes.name(class)).collect();
        let head = std::iter::once("true \\ predicted".to_owned()).chain(names.iter().cloned());
        let weight = |weight: f64| if weight.fract() == 0.0 { grouped(weight as u64) } else { number(weight) };
        self.rows().iter().zip(&names).fold(Grid::new(head), |grid, (row, name)| {
            grid.with_row(std::iter::once(name.clone()).chain(row.iter().map(|w| weight(*w))))
        })
    }
}

/// For a terminal: a row for each true class.
impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.grid().fmt(f)
    }
}

impl MetricState for ConfusionMatrix {
    fn merge(&mut self, other: &Self) -> Result<()> {
        Self::merge(self, other)
    }
}

pub(super) fn classes_of(task: &Task) -> Result<&Classes> {
    match task {
        Task::Classification { classes } => Ok(classes),
        _ => Err(Error::unsupported("a classification is needed here, the predictions are numbers")),
    }
}
