use mlops_core::{Error, Result, Task};
use serde::{Deserialize, Serialize};

/// What turns the outputs of trees into scores.
///
/// One output for two classes is about the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub(crate) enum Link {
    /// e to the output: a quantity that is never negative.
    Exp,
    /// The output itself; of classes it is a probability.
    Identity,
    /// 1 / (1 + e to the negative output), for each output; of more than two classes as shares of
    /// their sum.
    Logistic,
    /// The output's share in their sum; even shares if all are 0.
    Normalise,
    /// The share of e to the output.
    Softmax,
}

impl Link {
    /// How many outputs trees have for a task, if they are as few as possible.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for another task.
    pub(crate) fn fewest_outputs(task: &Task) -> Result<usize> {
        match task {
            Task::Regression => Ok(1),
            Task::Classification { classes } if classes.len() == 2 => Ok(1),
            Task::Classification { classes } => Ok(classes.len()),
            other => Err(Error::unsupported(format!("trees can't answer {other:?}"))),
        }
    }

    /// Whether so many outputs make the scores of a task.
    pub(crate) fn fits(self, task: &Task, outputs: usize) -> bool {
        match (task, self) {
            (Task::Regression, Self::Exp | Self::Identity | Self::Logistic) => outputs == 1,
            (Task::Classification { classes }, Self::Identity | Self::Logistic | Self::Normalise) => {
                outputs == classes.len() || (outputs == 1 && classes.len() == 2)
            }
            (Task::Classification { classes }, Self::Softmax) => outputs == classes.len(),
            _ => false,
        }
    }

    /// Turns the outputs, which come first in `scores`, into scores.
    pub(crate) fn apply(self, scores: &mut [f64], outputs: usize) {
        match (self, &mut *scores) {
            (Self::Exp, scores) => scores.iter_mut().for_each(|score| *score = score.exp()),
            (Self::Softmax, scores) => softmax(scores),
            (Self::Logistic, scores) => scores[..outputs].iter_mut().for_each(|score| *score = logistic(*score)),
            (Self::Identity | Self::Normalise, _) => {}
        }
        match scores {
            [negative, positive] if outputs == 1 => (*negative, *positive) = (1.0 - *negative, *negative),
            scores if self == Self::Normalise || (self == Self::Logistic && outputs > 1) => normalise(scores),
            _ => {}
        }
    }
}

pub(crate) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The greatest is taken from all first, so that none overflows.
pub(crate) fn softmax(scores: &mut [f64]) {
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - greatest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

fn normalise(scores: &mut [f64]) {
    let sum: f64 = scores.iter().sum();
    let even = 1.0 / scores.len() as f64;
    // A sum of 0: no tree has an opinion.
    scores.iter_mut().for_each(|score| *score = if sum > 0.0 { *score / sum } else { even });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply<const N: usize>(link: Link, mut scores: [f64; N], outputs: usize) -> [f64; N] {
        link.apply(&mut scores, outputs);
        scores
    }

    #[test]
    fn outputs_become_scores() {
        assert_eq!(apply(Link::Identity, [0.25, 0.0], 1), [0.75, 0.25]);
        assert_eq!(apply(Link::Normalise, [0.25, 0.0], 1), [0.75, 0.25]);
        assert_eq!(apply(Link::Normalise, [1.0, 3.0], 2), [0.25, 0.75]);
        assert_eq!(apply(Link::Normalise, [0.0; 4], 4), [0.25; 4]);
        assert_eq!(apply(Link::Logistic, [0.0, 0.0], 1), [0.5, 0.5]);
        assert_eq!(apply(Link::Logistic, [-800.0], 1), [0.0]);
        assert_eq!(apply(Link::Softmax, [1000.0, 1000.0], 2), [0.5, 0.5]);
        assert_eq!(apply(Link::Exp, [0.0], 1), [1.0]);
        assert_eq!(apply(Link::Identity, [7.0], 1), [7.0]);
    }
}
