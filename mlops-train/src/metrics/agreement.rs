use mlops_core::{Error, Metric, Predictions, Result, Task};
use serde::{Deserialize, Serialize};

use super::classes;
use super::confusion::ConfusionMatrix;
use super::fold::{FoldMetric, fold_metric, nothing};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accuracy;

/// The mean recall of the classes that occur: accuracy as if all were equally frequent.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::BalancedAccuracy;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 0.0, 0.0, 1.0], [0.9, 0.1].repeat(4))?;
/// assert_eq!(BalancedAccuracy::default().score(&predictions)?, 0.5);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BalancedAccuracy {
    /// Whether guessing scores 0 instead of one over the number of classes.
    pub adjusted: bool,
}

impl BalancedAccuracy {
    /// So that guessing scores 0, and perfection still 1.
    pub fn adjusted() -> Self {
        Self { adjusted: true }
    }
}

/// Matthews' correlation of truth and prediction, from -1 to 1, for any number of classes (Gorodkin,
/// "Comparing two K-category assignments by a K-category correlation coefficient", 2004). 0 where
/// only one class is true or predicted.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::MatthewsCorrcoef;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.9, 0.1, 0.3, 0.7])?;
/// assert_eq!(MatthewsCorrcoef.score(&predictions)?, 1.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatthewsCorrcoef;

/// Cohen's kappa: how much better truth and prediction agree than by chance.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::CohenKappa;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.9, 0.1, 0.7, 0.3])?;
/// assert_eq!(CohenKappa::default().score(&predictions)?, 0.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CohenKappa {
    /// How much a wrong class counts.
    pub weights: KappaWeights,
}

/// How much a wrong class counts in [`CohenKappa`]; the distance is that of the classes' places in
/// their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KappaWeights {
    /// As much as it is far.
    Linear,
    /// Every wrong class the same.
    #[default]
    None,
    /// As the square of how far it is.
    Quadratic,
}

impl CohenKappa {
    /// Where wrong classes count by their distance.
    pub fn weighted(weights: KappaWeights) -> Self {
        Self { weights }
    }
}

/// The share of rows whose class is not predicted. [`HammingLoss`] of one label a row is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZeroOneLoss;

/// The share of labels that are wrong, which with one label a row is that of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HammingLoss;

/// What the answers cost, on average over the rows: each pair of a true and a predicted class has its
/// price.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::Cost;
///
/// // A missed delay costs 10, a false alarm 1.
/// let cost = Cost::new([vec![0.0, 1.0], vec![10.0, 0.0]])?;
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.3, 0.7, 0.8, 0.2])?;
/// assert_eq!(cost.score(&predictions)?, 5.5);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Cost {
    /// The price of each predicted class, for each true class.
    pub matrix: Vec<Vec<f64>>,
}

impl Cost {
    /// With a price for each predicted class, for each true class.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if it is not square or a price is not
    /// finite.
    pub fn new(matrix: impl IntoIterator<Item = Vec<f64>>) -> Result<Self> {
        let cost = Self { matrix: matrix.into_iter().collect() };
        cost.check()?;
        Ok(cost)
    }

    fn check(&self) -> Result<()> {
        let width = self.matrix.len();
        if width > 0 && self.matrix.iter().all(|row| row.len() == width && row.iter().all(|price| price.is_finite())) {
            return Ok(());
        }
        Err(Error::config("a cost matrix is square, with a finite price for each true and predicted class"))
    }
}

fold_metric!(Accuracy, greater, |this| "accuracy");
fold_metric!(BalancedAccuracy, greater, |this| if this.adjusted {
    "balanced_accuracy_adjusted"
} else {
    "balanced_accuracy"
});
fold_metric!(MatthewsCorrcoef, greater, |this| "matthews_corrcoef");
fold_metric!(CohenKappa, greater, |this| match this.weights {
    KappaWeights::Linear => "cohen_kappa_linear",
    KappaWeights::None => "cohen_kappa",
    KappaWeights::Quadratic => "cohen_kappa_quadratic",
});
fold_metric!(ZeroOneLoss, less, |this| "zero_one_loss");
fold_metric!(HammingLoss, less, |this| "hamming_loss");
fold_metric!(Cost, less, |this| "cost");

/// The fold of a metric that a confusion matrix decides.
macro_rules! of_matrix {
    ($($type:ident, |$this:ident, $matrix:ident| $value:expr;)*) => {$(
        impl FoldMetric for $type {
            type State = ConfusionMatrix;

            fn start(&self, task: &Task) -> Result<ConfusionMatrix> {
                Ok(ConfusionMatrix::new(classes(self, task)?.clone()))
            }

            fn update(&self, state: &mut ConfusionMatrix, rows: &Predictions) -> Result<()> {
                state.update(rows)
            }

            fn finish(&self, state: &ConfusionMatrix) -> Result<f64> {
                if state.total() == 0.0 {
                    return Err(nothing(self));
                }
                let ($this, $matrix) = (self, state);
                let _ = $this;
                $value
            }
        }
    )*};
}

of_matrix! {
    Accuracy, |this, matrix| Ok(accuracy(matrix));
    BalancedAccuracy, |this, matrix| balanced(this, matrix);
    MatthewsCorrcoef, |this, matrix| Ok(correlation(matrix));
    CohenKappa, |this, matrix| kappa(this, matrix);
    ZeroOneLoss, |this, matrix| Ok(1.0 - accuracy(matrix));
    HammingLoss, |this, matrix| Ok(1.0 - accuracy(matrix));
    Cost, |this, matrix| price(this, matrix);
}

fn accuracy(matrix: &ConfusionMatrix) -> f64 {
    matrix.counts().iter().map(|counts| counts.right).sum::<f64>() / matrix.total()
}

fn balanced(metric: &BalancedAccuracy, matrix: &ConfusionMatrix) -> Result<f64> {
    let counts = matrix.counts();
    let recalls: Vec<f64> =
        counts.iter().filter(|counts| counts.truth > 0.0).map(|counts| counts.right / counts.truth).collect();
    let mean = recalls.iter().sum::<f64>() / recalls.len() as f64;
    if !metric.adjusted {
        return Ok(mean);
    }
    if recalls.len() < 2 {
        return Err(Error::data(format!(
            "{} is not defined where only one class is true: score rows of several",
            metric.name()
        )));
    }
    let chance = 1.0 / recalls.len() as f64;
    Ok((mean - chance) / (1.0 - chance))
}

fn correlation(matrix: &ConfusionMatrix) -> f64 {
    let counts = matrix.counts();
    let total: f64 = counts.iter().map(|c| c.truth).sum();
    let right: f64 = counts.iter().map(|c| c.right).sum();
    let products = |f: fn(&super::confusion::Counts) -> f64| counts.iter().map(f).sum::<f64>();
    let both = right * total - products(|c| c.truth * c.predicted);
    let predicted = total * total - products(|c| c.predicted * c.predicted);
    let truth = total * total - products(|c| c.truth * c.truth);
    // Decided by the classes: weights that are no whole numbers leave a rest.
    let only_one = |f: fn(&super::confusion::Counts) -> f64| counts.iter().filter(|c| f(c) > 0.0).count() < 2;
    if only_one(|c| c.truth) || only_one(|c| c.predicted) { 0.0 } else { both / (predicted * truth).sqrt() }
}

fn kappa(metric: &CohenKappa, matrix: &ConfusionMatrix) -> Result<f64> {
    let (counts, rows, total) = (matrix.counts(), matrix.rows(), matrix.total());
    let distance = |truth: usize, predicted: usize| match (metric.weights, truth.abs_diff(predicted) as f64) {
        (KappaWeights::None, far) => f64::from(u8::from(far > 0.0)),
        (KappaWeights::Linear, far) => far,
        (KappaWeights::Quadratic, far) => far * far,
    };
    let (mut seen, mut expected) = (0.0, 0.0);
    for (truth, row) in rows.iter().enumerate() {
        for (predicted, weight) in row.iter().enumerate() {
            let distance = distance(truth, predicted);
            seen += distance * weight;
            expected += distance * (counts[truth].truth * counts[predicted].predicted / total);
        }
    }
    if expected == 0.0 {
        return Err(Error::data(format!(
            "{} is not defined where one class alone is true and predicted: score rows of several",
            metric.name()
        )));
    }
    Ok(1.0 - seen / expected)
}

fn price(metric: &Cost, matrix: &ConfusionMatrix) -> Result<f64> {
    metric.check()?;
    let rows = matrix.rows();
    if rows.len() != metric.matrix.len() {
        return Err(Error::config(format!(
            "a cost matrix of {} classes for predictions of {}",
            metric.matrix.len(),
            rows.len()
        )));
    }
    let cells = rows.iter().flatten().zip(metric.matrix.iter().flatten());
    Ok(cells.map(|(weight, price)| weight * price).sum::<f64>() / matrix.total())
}
