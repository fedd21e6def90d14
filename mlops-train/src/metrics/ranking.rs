use mlops_core::{Error, Metric, Predictions, Result};

use super::classes;

/// The probability that a row of the second class gets a greater score than one of the first, ties
/// counting half: the area under the receiver operating characteristic.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RocAuc;

/// The mean precision over the recall (scikit-learn's step function, not the trapezoids): the area
/// under the precision-recall curve. 0 if no row is of the second class.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AveragePrecision;

/// The rows of one score: what those of the second and of the first class weigh.
struct Tie {
    positive: f64,
    negative: f64,
}

/// Rows of equal scores together, the greatest score first.
fn ties(metric: &dyn Metric, predictions: &Predictions) -> Result<Vec<Tie>> {
    if classes(metric, predictions)? != 2 {
        return Err(Error::unsupported(format!(
            "{} ranks rows between two classes, these are {}: use log_loss or f1_macro, or make the target a bool",
            metric.name(),
            predictions.width()
        )));
    }
    let counts = |row: &usize| predictions.weight(*row) > 0.0;
    let score = |row: usize| predictions.scores[2 * row + 1];
    let mut rows: Vec<(f64, usize)> = (0..predictions.num_rows()).filter(counts).map(|r| (score(r), r)).collect();
    // Rows of a tie stay in their order, so that their weights are added in it.
    rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let same = |a: &(f64, usize), b: &(f64, usize)| a.0 == b.0;
    let tie = |rows: &[(f64, usize)]| {
        let mut tie = Tie { positive: 0.0, negative: 0.0 };
        for (_, row) in rows {
            let side = if predictions.target[*row] == 1.0 { &mut tie.positive } else { &mut tie.negative };
            *side += predictions.weight(*row);
        }
        tie
    };
    Ok(rows.chunk_by(same).map(tie).collect())
}

impl Metric for RocAuc {
    fn name(&self) -> &'static str {
        "roc_auc"
    }

    fn greater_is_better(&self) -> bool {
        true
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        let (mut positive, mut negative, mut area) = (0.0, 0.0, 0.0);
        for tie in ties(self, predictions)? {
            area += tie.negative * (positive + 0.5 * tie.positive);
            positive += tie.positive;
            negative += tie.negative;
        }
        if positive == 0.0 || negative == 0.0 {
            return Err(Error::data("roc_auc is not defined where only one class is true: score rows of both classes"));
        }
        Ok(area / (positive * negative))
    }
}

impl Metric for AveragePrecision {
    fn name(&self) -> &'static str {
        "average_precision"
    }

    fn greater_is_better(&self) -> bool {
        true
    }

    fn score(&self, predictions: &Predictions) -> Result<f64> {
        let (mut right, mut predicted, mut sum) = (0.0, 0.0, 0.0);
        for tie in ties(self, predictions)? {
            right += tie.positive;
            predicted += tie.positive + tie.negative;
            sum += tie.positive * right / predicted;
        }
        Ok(if right > 0.0 { sum / right } else { 0.0 })
    }
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
