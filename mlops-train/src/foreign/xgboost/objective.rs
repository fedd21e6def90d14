//! What XGBoost does with the sum of the leaves, and what it makes of the base score.

use mlops_core::{Error, Result};

use crate::foreign::import::Answer;
use crate::trees::Link;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Objective {
    pub(super) answer: Answer,
    pub(super) link: Link,
    base: Base,
}

/// The scale that base scores are stored in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Base {
    Exp,
    Identity,
    Logistic,
}

impl Objective {
    pub(super) fn read(name: &str, classes: usize) -> Result<Self> {
        let number = |link, base| Self { answer: Answer::Number, link, base };
        let objective = match name {
            "reg:squarederror"
            | "reg:linear"
            | "reg:absoluteerror"
            | "reg:pseudohubererror"
            | "reg:quantileerror"
            | "reg:squaredlogerror"
            | "binary:logitraw"
            | "rank:pairwise"
            | "rank:ndcg"
            | "rank:map" => number(Link::Identity, Base::Identity),
            "reg:logistic" => number(Link::Logistic, Base::Logistic),
            "reg:gamma" | "reg:tweedie" | "count:poisson" => number(Link::Exp, Base::Exp),
            "binary:logistic" => Self { answer: Answer::Classes(2), link: Link::Logistic, base: Base::Logistic },
            "multi:softprob" | "multi:softmax" => {
                Self { answer: Answer::Classes(classes), link: Link::Softmax, base: Base::Identity }
            }
            other => {
                return Err(Error::unsupported(format!(
                    "XGBoost objective '{other}'; known are reg:squarederror, reg:absoluteerror, \
                     reg:pseudohubererror, reg:quantileerror, reg:squaredlogerror, reg:logistic, reg:gamma, \
                     reg:tweedie, count:poisson, binary:logistic, binary:logitraw, multi:softprob, multi:softmax and \
                     rank:*"
                )));
            }
        };
        let outputs = if let Answer::Classes(classes @ 3..) = objective.answer { classes } else { 1 };
        // A file of softmax may well have two classes.
        if classes.max(1) != outputs && !name.starts_with("multi:") {
            return Err(Error::unsupported(format!(
                "XGBoost objective '{name}' with {classes} outputs: train one model for each"
            )));
        }
        Ok(objective)
    }

    /// What an output starts from.
    pub(super) fn margin(&self, base_score: f64) -> Result<f64> {
        // XGBoost computes it in `f32`.
        let score = base_score as f32;
        let margin = match self.base {
            Base::Exp => score.ln(),
            Base::Identity => score,
            Base::Logistic => -(1.0 / score - 1.0).ln(),
        };
        if margin.is_finite() {
            return Ok(f64::from(margin));
        }
        Err(Error::corrupt(format!("the base score {base_score} of the XGBoost model is out of its range")))
    }
}
