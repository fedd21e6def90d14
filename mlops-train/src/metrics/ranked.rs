use mlops_core::{Error, Metric, Predictions, Result};
use rayon::slice::ParallelSliceMut;

use super::fold::counted;
use super::{check_rows, classes};

/// Rows by their score for one class, those that are of it beside those that are not.
///
/// Rows of equal score and side are interchangeable, so the order of rows changes nothing.
#[derive(Debug)]
pub(super) enum Ranked {
    /// Every row weighs 1.
    Plain(Sides<u64>),
    Weighted(Sides<(u64, u64)>),
}

#[derive(Debug)]
pub(super) struct Sides<T> {
    positive: Vec<T>,
    negative: Vec<T>,
}

/// The rows of one score: what those of the class and the others weigh.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tie {
    pub(super) score: f64,
    pub(super) positive: f64,
    pub(super) negative: f64,
}

/// A score as an integer of the same order, and the weight of its row.
pub(super) trait Entry: Copy + Ord + Send {
    fn key(self) -> u64;
    fn weight(self) -> f64;
}

impl Entry for u64 {
    fn key(self) -> u64 {
        self
    }

    fn weight(self) -> f64 {
        1.0
    }
}

impl Entry for (u64, u64) {
    fn key(self) -> u64 {
        self.0
    }

    fn weight(self) -> f64 {
        f64::from_bits(self.1)
    }
}

const SIGN: u64 = 1 << 63;

fn key_of(score: f64) -> u64 {
    // Both zeros are equal.
    let bits = (score + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn score_of(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
}

impl Ranked {
    /// By the score of `class`. A sort on all cores.
    pub(super) fn of(predictions: &Predictions, class: usize) -> Self {
        let width = predictions.width();
        let rows = || counted(predictions);
        let entry = |row: usize| (predictions.target[row] == class as f64, predictions.scores[row * width + class]);
        Self::collect(predictions.weights.is_some(), rows().map(|(row, weight)| (entry(row), weight)))
    }

    /// All scores of all classes together.
    pub(super) fn of_all(predictions: &Predictions) -> Self {
        let width = predictions.width();
        let entries = counted(predictions).flat_map(|(row, weight)| {
            (0..width).map(move |class| {
                ((predictions.target[row] == class as f64, predictions.scores[row * width + class]), weight)
            })
        });
        Self::collect(predictions.weights.is_some(), entries)
    }

    /// Of the second of two classes.
    pub(super) fn of_two(metric: &dyn Metric, predictions: &Predictions) -> Result<Self> {
        let classes = classes(metric, &predictions.task)?.len();
        if classes != 2 {
            return Err(Error::unsupported(format!(
                "{0} ranks rows between two classes, these are {classes}: use {0}_ovr or log_loss, or make the target \
                 a bool",
                metric.name(),
            )));
        }
        check_rows(metric, predictions)?;
        Ok(Self::of(predictions, 1))
    }

    fn collect(weighted: bool, entries: impl Iterator<Item = ((bool, f64), f64)>) -> Self {
        if weighted {
            Self::Weighted(Sides::of(entries.map(|((side, score), w)| (side, (key_of(score), w.to_bits())))))
        } else {
            Self::Plain(Sides::of(entries.map(|((side, score), _)| (side, key_of(score)))))
        }
    }

    /// Tie after tie, the greatest score first.
    pub(super) fn each(&self, visit: impl FnMut(Tie)) {
        match self {
            Self::Plain(sides) => sides.each(visit),
            Self::Weighted(sides) => sides.each(visit),
        }
    }

    pub(super) fn ties(&self) -> Vec<Tie> {
        let mut ties = Vec::new();
        self.each(|tie| ties.push(tie));
        ties
    }

    /// The area under the receiver operating characteristic, unless a side is empty.
    pub(super) fn auc(&self) -> Option<f64> {
        let (mut positive, mut negative, mut area) = (0.0, 0.0, 0.0);
        self.each(|tie| {
            area += tie.negative * (positive + 0.5 * tie.positive);
            positive += tie.positive;
            negative += tie.negative;
        });
        (positive > 0.0 && negative > 0.0).then(|| area / (positive * negative))
    }

    /// The mean precision over the recall, 0 if no row is of the class.
    pub(super) fn average_precision(&self) -> f64 {
        let (mut right, mut predicted, mut sum) = (0.0, 0.0, 0.0);
        self.each(|tie| {
            right += tie.positive;
            predicted += tie.positive + tie.negative;
            sum += tie.positive * right / predicted;
        });
        if right > 0.0 { sum / right } else { 0.0 }
    }
}

impl<T: Entry> Sides<T> {
    fn of(entries: impl Iterator<Item = (bool, T)>) -> Self {
        let (mut positive, mut negative) = (Vec::new(), Vec::new());
        entries.for_each(|(side, entry)| if side { positive.push(entry) } else { negative.push(entry) });
        positive.par_sort_unstable();
        negative.par_sort_unstable();
        Self { positive, negative }
    }

    fn each(&self, mut visit: impl FnMut(Tie)) {
        let (mut positive, mut negative) = (self.positive.as_slice(), self.negative.as_slice());
        loop {
            let key = match (positive.last(), negative.last()) {
                (Some(p), Some(n)) => p.key().max(n.key()),
                (Some(one), None) | (None, Some(one)) => one.key(),
                (None, None) => return,
            };
            visit(Tie {
                score: score_of(key),
                positive: take_tie(&mut positive, key),
                negative: take_tie(&mut negative, key),
            });
        }
    }
}

/// What the last entries weigh, as far as they have this key.
fn take_tie<T: Entry>(entries: &mut &[T], key: u64) -> f64 {
    let mut weight = 0.0;
    while let Some((last, rest)) = entries.split_last()
        && last.key() == key
    {
        weight += last.weight();
        *entries = rest;
    }
    weight
}
