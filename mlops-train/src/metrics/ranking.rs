use mlops_core::{Error, Metric, Predictions, Result};
use serde::{Deserialize, Serialize};

use super::ranked::Ranked;
use super::{check_rows, check_setting, classes};

/// The probability that a row of the second class gets a greater score than one of the first, ties
/// counting half: the area under the receiver operating characteristic. Needs all scores; a sort.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::RocAuc;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let scores = vec![0.9, 0.1, 0.2, 0.8, 0.2, 0.8];
/// let predictions = Predictions::new(task, vec![0.0, 1.0, 0.0], scores)?;
/// assert_eq!(RocAuc.score(&predictions)?, 0.75);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RocAuc;

/// The mean precision over the recall (scikit-learn's step function, not the trapezoids): the area
/// under the precision-recall curve. 0 if no row is of the second class. Needs all scores; a sort.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::AveragePrecision;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![1.0, 0.0], vec![0.6, 0.4, 0.2, 0.8])?;
/// assert_eq!(AveragePrecision.score(&predictions)?, 0.5);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AveragePrecision;

/// The area under the precision-recall curve by trapezoids, which flatters where points are few:
/// prefer [`AveragePrecision`] (which is what MLflow calls `precision_recall_auc`, too). Needs all
/// scores; a sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrecisionRecallAuc;

/// [`RocAuc`] up to a share of false alarms, scaled so that guessing scores 0.5 and perfection 1
/// (McClish, "Analyzing a portion of the ROC curve", 1989). Needs all scores; a sort.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::PartialRocAuc;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let predictions = Predictions::new(task, vec![0.0, 1.0], vec![0.9, 0.1, 0.2, 0.8])?;
/// assert_eq!(PartialRocAuc::new(0.1).score(&predictions)?, 1.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PartialRocAuc {
    /// The share of false alarms up to which the curve counts, above 0.
    pub max_fpr: f64,
}

impl Default for PartialRocAuc {
    fn default() -> Self {
        Self { max_fpr: 0.1 }
    }
}

impl PartialRocAuc {
    /// Up to this share of false alarms.
    pub fn new(max_fpr: f64) -> Self {
        Self { max_fpr }
    }
}

/// [`RocAuc`] of several classes: each against the rest, or each against each. Needs all scores; a
/// sort for each class or pair.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Metric, Predictions, Task};
/// use mlops_train::MulticlassRocAuc;
///
/// let task = Task::Classification { classes: Classes::Int(vec![1, 2, 3]) };
/// let scores = vec![0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.1, 0.2, 0.7];
/// let predictions = Predictions::new(task, vec![0.0, 1.0, 2.0], scores)?;
/// assert_eq!(MulticlassRocAuc::ovr().score(&predictions)?, 1.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MulticlassRocAuc {
    /// Which rows a class is told from.
    pub scheme: Multiclass,
    /// How the values become one.
    pub average: MulticlassAverage,
}

/// [`AveragePrecision`] of several classes, each against the rest. Needs all scores; a sort for each
/// class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MulticlassAveragePrecision {
    /// How the values become one.
    pub average: MulticlassAverage,
}

/// Which rows a class is told from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Multiclass {
    /// Each class from each other one, both ways (Hand and Till, "A simple generalisation of the area
    /// under the ROC curve", 2001): does not depend on how frequent they are.
    OneVsOne,
    /// Each class from all others together.
    #[default]
    OneVsRest,
}

/// How the values of several classes become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MulticlassAverage {
    /// Their mean.
    #[default]
    Macro,
    /// One value for all pairs of a row and a class; only for one against the rest.
    Micro,
    /// Their mean, each counting by its rows.
    Weighted,
}

impl MulticlassRocAuc {
    /// The mean over the classes, each against the rest.
    pub fn ovr() -> Self {
        Self::default()
    }

    /// The mean over the pairs of classes.
    pub fn ovo() -> Self {
        Self { scheme: Multiclass::OneVsOne, ..Self::default() }
    }

    /// With another average.
    #[must_use]
    pub fn with_average(mut self, average: MulticlassAverage) -> Self {
        self.average = average;
        self
    }
}

impl MulticlassAveragePrecision {
    /// With an average.
    pub fn new(average: MulticlassAverage) -> Self {
        Self { average }
    }
}

/// A metric of how rows are ranked: the greater the better.
macro_rules! ranking_metric {
    ($($type:ident, |$this:ident| $name:expr, |$predictions:ident| $value:expr;)*) => {$(
        impl Metric for $type {
            fn name(&self) -> &'static str {
                let $this = self;
                let _ = $this;
                $name
            }

            fn greater_is_better(&self) -> bool {
                true
            }

            fn score(&self, $predictions: &Predictions) -> Result<f64> {
                let $this = self;
                $value
            }
        }
    )*};
}

ranking_metric! {
    RocAuc, |this| "roc_auc",
        |predictions| Ranked::of_two(this, predictions)?.auc().ok_or_else(|| one_class(this));
    AveragePrecision, |this| "average_precision",
        |predictions| Ok(Ranked::of_two(this, predictions)?.average_precision());
    PrecisionRecallAuc, |this| "pr_auc",
        |predictions| Ok(trapezoids(&Ranked::of_two(this, predictions)?));
    PartialRocAuc, |this| "partial_roc_auc", |predictions| partial(this, predictions);
    MulticlassRocAuc, |this| match (this.scheme, this.average) {
            (Multiclass::OneVsOne, MulticlassAverage::Weighted) => "roc_auc_ovo_weighted",
            (Multiclass::OneVsOne, _) => "roc_auc_ovo",
            (Multiclass::OneVsRest, MulticlassAverage::Macro) => "roc_auc_ovr",
            (Multiclass::OneVsRest, MulticlassAverage::Micro) => "roc_auc_ovr_micro",
            (Multiclass::OneVsRest, MulticlassAverage::Weighted) => "roc_auc_ovr_weighted",
        },
        |predictions| match this.scheme {
            Multiclass::OneVsOne => one_vs_one(this, predictions),
            Multiclass::OneVsRest => one_vs_rest(this, predictions, this.average, Ranked::auc),
        };
    MulticlassAveragePrecision, |this| match this.average {
            MulticlassAverage::Macro => "average_precision_macro",
            MulticlassAverage::Micro => "average_precision_micro",
            MulticlassAverage::Weighted => "average_precision_weighted",
        },
        |predictions| one_vs_rest(this, predictions, this.average, |ranked| Some(ranked.average_precision()));
}

fn one_class(metric: &dyn Metric) -> Error {
    Error::data(format!("{} is not defined where only one class is true: score rows of both classes", metric.name()))
}

/// The area under precision by recall.
fn trapezoids(ranked: &Ranked) -> f64 {
    let ties = ranked.ties();
    let total: f64 = ties.iter().map(|tie| tie.positive).sum();
    let (mut right, mut predicted, mut area) = (0.0, 0.0, 0.0);
    let mut before = (0.0, 1.0);
    for tie in ties {
        right += tie.positive;
        predicted += tie.positive + tie.negative;
        // Without a positive row scikit-learn takes the recall for 1.
        let point = (if total > 0.0 { right / total } else { 1.0 }, right / predicted);
        area += (point.0 - before.0) * f64::midpoint(point.1, before.1);
        before = point;
    }
    area
}

fn partial(metric: &PartialRocAuc, predictions: &Predictions) -> Result<f64> {
    let most = metric.max_fpr;
    check_setting(metric, "max_fpr", most, most > 0.0 && most <= 1.0)?;
    let ranked = Ranked::of_two(metric, predictions)?;
    let whole = ranked.auc().ok_or_else(|| one_class(metric))?;
    if most == 1.0 {
        return Ok(whole);
    }
    let ties = ranked.ties();
    let positives: f64 = ties.iter().map(|tie| tie.positive).sum();
    let negatives: f64 = ties.iter().map(|tie| tie.negative).sum();
    let (mut positive, mut negative, mut area) = (0.0, 0.0, 0.0);
    for tie in ties {
        let (x, y) = (negative / negatives, positive / positives);
        positive += tie.positive;
        negative += tie.negative;
        let (next_x, next_y) = (negative / negatives, positive / positives);
        if next_x > most {
            let at = y + (next_y - y) * (most - x) / (next_x - x);
            area += (most - x) * f64::midpoint(y, at);
            break;
        }
        area += (next_x - x) * f64::midpoint(y, next_y);
    }
    let by_chance = 0.5 * most * most;
    Ok(0.5 * (1.0 + (area - by_chance) / (most - by_chance)))
}

fn one_vs_rest(
    metric: &dyn Metric,
    predictions: &Predictions,
    average: MulticlassAverage,
    value: impl Fn(&Ranked) -> Option<f64>,
) -> Result<f64> {
    let classes = classes(metric, &predictions.task)?.len();
    check_rows(metric, predictions)?;
    if average == MulticlassAverage::Micro {
        return value(&Ranked::of_all(predictions)).ok_or_else(|| one_class(metric));
    }
    let (mut sum, mut total) = (0.0, 0.0);
    for class in 0..classes {
        let ranked = Ranked::of(predictions, class);
        let mut weight = 1.0;
        if average == MulticlassAverage::Weighted {
            weight = 0.0;
            ranked.each(|tie| weight += tie.positive);
            if weight == 0.0 {
                continue;
            }
        }
        let value = value(&ranked).ok_or_else(|| {
            Error::data(format!(
                "{} is not defined where a class is true nowhere or everywhere (class number {class}): score rows of \
                 every class, or take its weighted average",
                metric.name()
            ))
        })?;
        sum += weight * value;
        total += weight;
    }
    if total > 0.0 { Ok(sum / total) } else { Err(super::fold::nothing(metric)) }
}

fn one_vs_one(metric: &MulticlassRocAuc, predictions: &Predictions) -> Result<f64> {
    let classes = classes(metric, &predictions.task)?.len();
    check_rows(metric, predictions)?;
    if predictions.weights.is_some() || metric.average == MulticlassAverage::Micro {
        return Err(Error::unsupported(format!(
            "{} takes neither weights nor the micro average: use roc_auc_ovr",
            metric.name()
        )));
    }
    let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); classes];
    for (row, class) in predictions.target.iter().enumerate() {
        of_class[*class as usize].push(row);
    }
    // As scikit-learn, which looks at the pairs of classes that are there.
    let there: Vec<usize> = (0..classes).filter(|class| !of_class[*class].is_empty()).collect();
    let (mut sum, mut total) = (0.0, 0.0);
    for (i, &a) in there.iter().enumerate() {
        for &b in &there[i + 1..] {
            let rows = [of_class[a].as_slice(), of_class[b].as_slice()].concat();
            let pair = predictions.take(&rows);
            let both = [a, b].map(|class| Ranked::of(&pair, class).auc());
            let [Some(one), Some(other)] = both else { return Err(one_class(metric)) };
            let weight = if metric.average == MulticlassAverage::Weighted { rows.len() as f64 } else { 1.0 };
            sum += weight * f64::midpoint(one, other);
            total += weight;
        }
    }
    if total > 0.0 { Ok(sum / total) } else { Err(one_class(metric)) }
}

#[cfg(test)]
mod tests {
    use mlops_core::{Classes, Task};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn auc_counts_pairs(rows in prop::collection::vec((any::<bool>(), 0u8..6, 0u8..3), 2..60)) {
            let task = Task::Classification { classes: Classes::Bool };
            let target = rows.iter().map(|(y, ..)| f64::from(u8::from(*y))).collect();
            let score = |s: u8| f64::from(s) / 8.0;
            let scores = rows.iter().flat_map(|(_, s, _)| [1.0 - score(*s), score(*s)]).collect();
            let weights = rows.iter().map(|(.., w)| f64::from(*w)).collect();
            let predictions = Predictions::new(task, target, scores).unwrap().with_weights(weights).unwrap();
            let (mut pairs, mut won) = (0.0, 0.0);
            for (_, s, w) in rows.iter().filter(|(y, ..)| *y) {
                for (_, t, v) in rows.iter().filter(|(y, ..)| !*y) {
                    let weight = f64::from(*w) * f64::from(*v);
                    pairs += weight;
                    won += weight * if s > t { 1.0 } else if s == t { 0.5 } else { 0.0 };
                }
            }
            match RocAuc.score(&predictions) {
                Ok(auc) => prop_assert!((auc - won / pairs).abs() < 1e-12),
                Err(_) => prop_assert_eq!(pairs, 0.0),
            }
        }
    }
}
