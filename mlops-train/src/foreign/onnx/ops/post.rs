//! What the scorers of `ai.onnx.ml` do with their scores at last, and the labels of classifiers.

use std::sync::Arc;

use mlops_core::{Error, Result};

use super::Call;
use crate::foreign::onnx::tensor::{Data, Tensor};
use crate::trees::{logistic, softmax};

/// `post_transform`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Post {
    Logistic,
    None,
    Probit,
    Softmax,
    SoftmaxZero,
}

impl Post {
    pub(super) fn read(call: Call<'_>) -> Result<Self> {
        Self::of(&call.text("post_transform", "NONE")?)
    }

    fn of(name: &str) -> Result<Self> {
        Ok(match name {
            "LOGISTIC" => Self::Logistic,
            "NONE" => Self::None,
            "PROBIT" => Self::Probit,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            other => return Err(Error::unsupported(format!("post_transform '{other}'"))),
        })
    }

    /// By the number that version 5 of the domain gives it.
    pub(super) fn numbered(number: i64) -> Result<Self> {
        let names = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];
        let name = usize::try_from(number).ok().and_then(|i| names.get(i));
        Self::of(name.ok_or_else(|| Error::corrupt(format!("post_transform {number}")))?)
    }

    /// On the scores of one row.
    pub(super) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::Logistic => scores.iter_mut().for_each(|x| *x = logistic(*x)),
            Self::None => {}
            Self::Probit => scores.iter_mut().for_each(|x| *x = std::f64::consts::SQRT_2 * inverse_erf(2.0 * *x - 1.0)),
            Self::Softmax => softmax(scores),
            Self::SoftmaxZero => {
                // Scores of 0 stay, and count for nothing.
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                scores.iter_mut().filter(|x| x.abs() > 1e-7).for_each(|x| *x = (*x - max).exp());
                let sum: f64 = scores.iter().sum();
                scores.iter_mut().for_each(|x| *x /= sum);
            }
        }
    }
}

/// As onnxruntime approximates it (Winitzki).
fn inverse_erf(x: f64) -> f64 {
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (std::f64::consts::PI * 0.147) + 0.5 * log;
    x.signum() * (-v + (v * v - log / 0.147).sqrt()).sqrt()
}

/// The labels of a classifier.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Labels {
    Ints(Vec<i64>),
    Texts(Vec<Arc<str>>),
}

impl Labels {
    pub(super) fn read(call: Call<'_>, ints: &str, texts: &str) -> Result<Self> {
        let texts = call.texts(texts)?;
        Ok(if texts.is_empty() { Self::Ints(call.ints(ints)?) } else { Self::Texts(texts) })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ints(labels) => labels.len(),
            Self::Texts(labels) => labels.len(),
        }
    }

    /// The labels at some places, which must be there.
    pub(super) fn pick(&self, places: &[usize]) -> Tensor {
        Tensor::list(match self {
            Self::Ints(labels) => Data::I64(places.iter().map(|place| labels[*place]).collect()),
            Self::Texts(labels) => Data::Text(places.iter().map(|place| Arc::clone(&labels[*place])).collect()),
        })
    }
}

/// The first of the greatest.
pub(super) fn greatest(scores: &[f64]) -> usize {
    let mut best = 0;
    for (i, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = i;
        }
    }
    best
}

/// Scores of `width` numbers a row as a tensor of `f32`, or of `f64` where the inputs were.
pub(super) fn scores(scores: Vec<f64>, width: usize, like: &Tensor) -> Result<Tensor> {
    let shape = vec![scores.len().checked_div(width).unwrap_or(0), width];
    let data = match like.data {
        Data::F64(_) => Data::F64(scores),
        _ => Data::F32(scores.into_iter().map(|x| x as f32).collect()),
    };
    Tensor::new(shape, data)
}
