use mlops_core::{Error, Predictions, Result};
use serde::Serialize;

use super::confusion::classes_of;
use super::ranked::{Ranked, Tie};

/// The receiver operating characteristic of one class against the rest: how many of its rows are
/// found, and how many others come with them, as the threshold falls. A sort; a point for each
/// different score.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Predictions, Task};
/// use mlops_train::RocCurve;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let scores = vec![0.9, 0.1, 0.6, 0.4, 0.2, 0.8];
/// let curve = RocCurve::of(&Predictions::new(task, vec![0.0, 1.0, 1.0], scores)?)?;
/// assert_eq!(curve.auc(), 1.0);
/// assert_eq!(curve.points[1].threshold, 0.8);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RocCurve {
    /// From nothing found, at a threshold of infinity, to everything.
    pub points: Vec<RocPoint>,
}

/// A point of a [`RocCurve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RocPoint {
    /// The least score that is taken for the class.
    #[serde(with = "mlops_core::json_float")]
    pub threshold: f64,
    /// The share of the others that is taken for the class: false alarms.
    pub false_positive_rate: f64,
    /// The share of the class that is found: recall.
    pub true_positive_rate: f64,
}

/// Precision and recall of one class as the threshold falls. A sort; a point for each different
/// score.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PrecisionRecallCurve {
    /// From everything found to nothing (recall 0, precision 1, a threshold of infinity), as in
    /// scikit-learn.
    pub points: Vec<PrecisionRecallPoint>,
}

/// A point of a [`PrecisionRecallCurve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PrecisionRecallPoint {
    /// The least score that is taken for the class.
    #[serde(with = "mlops_core::json_float")]
    pub threshold: f64,
    /// How much of what is taken for the class is of it.
    pub precision: f64,
    /// How much of the class is found.
    pub recall: f64,
}

/// The detection error tradeoff of one class: misses against false alarms. A sort; a point for each
/// different score between where there is no false alarm and where there is no miss.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DetCurve {
    /// From no misses to no false alarms.
    pub points: Vec<DetPoint>,
}

/// A point of a [`DetCurve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DetPoint {
    /// The least score that is taken for the class.
    #[serde(with = "mlops_core::json_float")]
    pub threshold: f64,
    /// The share of the others that is taken for the class.
    pub false_positive_rate: f64,
    /// The share of the class that is missed.
    pub false_negative_rate: f64,
}

/// How much is gained by looking at the rows with the greatest scores first. A sort; a point for each
/// different score.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Predictions, Task};
/// use mlops_train::GainCurve;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let scores = vec![0.9, 0.1, 0.6, 0.4, 0.2, 0.8, 0.7, 0.3];
/// let curve = GainCurve::of(&Predictions::new(task, vec![0.0, 0.0, 1.0, 0.0], scores)?)?;
/// assert_eq!((curve.gain_at(0.25), curve.lift_at(0.25)), (1.0, 4.0));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GainCurve {
    /// From no rows to all.
    pub points: Vec<GainPoint>,
}

/// A point of a [`GainCurve`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GainPoint {
    /// The share of the rows that is looked at.
    pub rows: f64,
    /// The share of the class that is among them.
    pub gain: f64,
}

/// How many rows of the class and how many others there are from each score on, the greatest first.
fn cumulated(predictions: &Predictions, class: usize) -> Result<Vec<Tie>> {
    let classes = classes_of(&predictions.task)?.len();
    if class >= classes {
        return Err(Error::not_found(format!("no class number {class}: there are {classes}, counted from 0")));
    }
    let (mut positive, mut negative) = (0.0, 0.0);
    let mut ties = Ranked::of(predictions, class).ties();
    for tie in &mut ties {
        positive += tie.positive;
        negative += tie.negative;
        (tie.positive, tie.negative) = (positive, negative);
    }
    Ok(ties)
}

fn both_sides(predictions: &Predictions, class: usize, curve: &str) -> Result<(Vec<Tie>, Tie)> {
    let ties = cumulated(predictions, class)?;
    match ties.last().copied().filter(|all| all.positive > 0.0 && all.negative > 0.0) {
        Some(all) => Ok((ties, all)),
        None => Err(Error::data(format!(
            "the {curve} curve is not defined where every row is of the class or none is: score rows of both kinds"
        ))),
    }
}

/// The second of two classes.
fn of_two(predictions: &Predictions) -> Result<usize> {
    match classes_of(&predictions.task)?.len() {
        2 => Ok(1),
        classes => Err(Error::unsupported(format!(
            "one curve is for two classes, these are {classes}: take the curve of each with of_class"
        ))),
    }
}

impl RocCurve {
    /// Of the second of two classes.
    ///
    /// # Errors
    /// As [`Self::of_class`]; [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for
    /// another number of classes.
    pub fn of(predictions: &Predictions) -> Result<Self> {
        Self::of_class(predictions, of_two(predictions)?)
    }

    /// Of a class against the rest.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a regression,
    /// [`ErrorKind::NotFound`](mlops_core::ErrorKind::NotFound) if there is no such class,
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if every row is of it or none.
    pub fn of_class(predictions: &Predictions, class: usize) -> Result<Self> {
        let (ties, all) = both_sides(predictions, class, "ROC")?;
        let start = RocPoint { threshold: f64::INFINITY, false_positive_rate: 0.0, true_positive_rate: 0.0 };
        let point = |tie: &Tie| RocPoint {
            threshold: tie.score,
            false_positive_rate: tie.negative / all.negative,
            true_positive_rate: tie.positive / all.positive,
        };
        Ok(Self { points: std::iter::once(start).chain(ties.iter().map(point)).collect() })
    }

    /// Without points on a straight line between their neighbours, as scikit-learn leaves them out
    /// (`drop_intermediate`): the same picture and the same area.
    #[must_use]
    pub fn simplified(&self) -> Self {
        let x = |i: usize| self.points[i].false_positive_rate;
        let y = |i: usize| self.points[i].true_positive_rate;
        let bends = |f: &dyn Fn(usize) -> f64, i: usize| {
            let (before, after) = (f(i) - f(i - 1), f(i + 1) - f(i));
            // Shares are whole numbers over the same total but for rounding.
            (before - after).abs() > 1e-12 * (before + after)
        };
        let last = self.points.len().saturating_sub(1);
        let kept = |i: &usize| *i <= 1 || *i == last || bends(&x, *i) || bends(&y, *i);
        Self { points: (0..self.points.len()).filter(kept).map(|i| self.points[i]).collect() }
    }

    /// The area under it.
    pub fn auc(&self) -> f64 {
        let area = |pair: &[RocPoint]| {
            (pair[1].false_positive_rate - pair[0].false_positive_rate)
                * f64::midpoint(pair[0].true_positive_rate, pair[1].true_positive_rate)
        };
        self.points.windows(2).map(area).sum()
    }

    /// The share of the class that is found at a share of false alarms, between points by straight
    /// lines.
    pub fn at(&self, false_positive_rate: f64) -> f64 {
        on_line(self.points.iter().map(|p| (p.false_positive_rate, p.true_positive_rate)), false_positive_rate)
    }
}

impl PrecisionRecallCurve {
    /// Of the second of two classes.
    ///
    /// # Errors
    /// As [`RocCurve::of`].
    pub fn of(predictions: &Predictions) -> Result<Self> {
        Self::of_class(predictions, of_two(predictions)?)
    }

    /// Of a class against the rest.
    ///
    /// # Errors
    /// As [`RocCurve::of_class`], except that a class may be nowhere: then recall is 1 throughout.
    pub fn of_class(predictions: &Predictions, class: usize) -> Result<Self> {
        let ties = cumulated(predictions, class)?;
        let Some(total) = ties.last().map(|all| all.positive) else {
            return Err(Error::data("the precision-recall curve of no rows is not defined: score at least one"));
        };
        let point = |tie: &Tie| PrecisionRecallPoint {
            threshold: tie.score,
            precision: tie.positive / (tie.positive + tie.negative),
            recall: if total > 0.0 { tie.positive / total } else { 1.0 },
        };
        let end = PrecisionRecallPoint { threshold: f64::INFINITY, precision: 1.0, recall: 0.0 };
        Ok(Self { points: ties.iter().rev().map(point).chain([end]).collect() })
    }

    /// The best precision with at least this recall.
    pub fn at(&self, recall: f64) -> f64 {
        self.points.iter().filter(|point| point.recall >= recall).map(|point| point.precision).fold(0.0, f64::max)
    }

    /// The point whose F-beta is greatest: where to put the threshold.
    pub fn best_f(&self, beta: f64) -> Option<PrecisionRecallPoint> {
        let f = |point: &PrecisionRecallPoint| {
            let sum = beta * beta * point.precision + point.recall;
            if sum > 0.0 { (1.0 + beta * beta) * point.precision * point.recall / sum } else { 0.0 }
        };
        self.points.iter().copied().filter(|point| point.threshold.is_finite()).max_by(|a, b| f(a).total_cmp(&f(b)))
    }
}

impl DetCurve {
    /// Of the second of two classes.
    ///
    /// # Errors
    /// As [`RocCurve::of`].
    pub fn of(predictions: &Predictions) -> Result<Self> {
        Self::of_class(predictions, of_two(predictions)?)
    }

    /// Of a class against the rest.
    ///
    /// # Errors
    /// As [`RocCurve::of_class`].
    pub fn of_class(predictions: &Predictions, class: usize) -> Result<Self> {
        let (mut ties, all) = both_sides(predictions, class, "DET")?;
        ties.insert(0, Tie { score: f64::INFINITY, positive: 0.0, negative: 0.0 });
        let first = ties.partition_point(|tie| tie.negative == 0.0) - 1;
        let last = ties.partition_point(|tie| tie.positive < all.positive);
        let point = |tie: &Tie| DetPoint {
            threshold: tie.score,
            false_positive_rate: tie.negative / all.negative,
            false_negative_rate: (all.positive - tie.positive) / all.positive,
        };
        Ok(Self { points: ties[first.min(last)..=last].iter().rev().map(point).collect() })
    }
}

impl GainCurve {
    /// Of the second of two classes.
    ///
    /// # Errors
    /// As [`RocCurve::of`].
    pub fn of(predictions: &Predictions) -> Result<Self> {
        Self::of_class(predictions, of_two(predictions)?)
    }

    /// Of a class against the rest.
    ///
    /// # Errors
    /// As [`RocCurve::of_class`], except that every row may be of the class.
    pub fn of_class(predictions: &Predictions, class: usize) -> Result<Self> {
        let ties = cumulated(predictions, class)?;
        let Some(all) = ties.last().copied().filter(|all| all.positive > 0.0) else {
            return Err(Error::data("the gain curve is not defined where no row is of the class: score some that are"));
        };
        let point = |tie: &Tie| GainPoint {
            rows: (tie.positive + tie.negative) / (all.positive + all.negative),
            gain: tie.positive / all.positive,
        };
        let start = GainPoint { rows: 0.0, gain: 0.0 };
        Ok(Self { points: std::iter::once(start).chain(ties.iter().map(point)).collect() })
    }

    /// The share of the class among a share of the rows, between points by straight lines.
    pub fn gain_at(&self, rows: f64) -> f64 {
        on_line(self.points.iter().map(|p| (p.rows, p.gain)), rows)
    }

    /// How many times more of the class there is among a share of the rows than among all.
    pub fn lift_at(&self, rows: f64) -> f64 {
        self.gain_at(rows) / rows
    }
}

/// The height of a rising line at `x`: on a steep piece, its upper end.
fn on_line(points: impl Iterator<Item = (f64, f64)>, x: f64) -> f64 {
    let mut before = (0.0, 0.0);
    for point in points {
        if point.0 > x {
            return before.1 + (point.1 - before.1) * (x - before.0) / (point.0 - before.0);
        }
        before = point;
    }
    before.1
}
