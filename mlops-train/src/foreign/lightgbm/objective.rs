//! What LightGBM does with the sum of the leaves.

use mlops_core::{Error, Result};

use crate::foreign::import::Answer;
use crate::trees::Link;

/// What an objective line means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Objective {
    pub(super) answer: Answer,
    pub(super) link: Link,
    /// What leaves are multiplied by before the link.
    pub(super) slope: f64,
}

impl Objective {
    /// Of the objective line of a model with so many classes; without a line the sum itself is the
    /// answer.
    pub(super) fn read(line: Option<&str>, classes: usize) -> Result<Self> {
        let mut words = line.unwrap_or("none").split_ascii_whitespace();
        let name = words.next().unwrap_or("none");
        let options: Vec<&str> = words.collect();
        let slope = || {
            let given = options.iter().find_map(|word| word.strip_prefix("sigmoid:"));
            let slope = given.unwrap_or("1").parse().ok().filter(|slope: &f64| slope.is_finite() && *slope > 0.0);
            slope.ok_or_else(|| Error::corrupt("'sigmoid' of the objective is no positive number"))
        };
        let number = |link| Self { answer: Answer::Number, link, slope: 1.0 };
        let objective = match name {
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" if options.contains(&"sqrt") => {
                return Err(Error::unsupported(format!(
                    "LightGBM objective '{name}' of square roots (reg_sqrt): train on the target itself"
                )));
            }
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" | "lambdarank" | "rank_xendcg" => {
                number(Link::Identity)
            }
            "poisson" | "gamma" | "tweedie" => number(Link::Exp),
            "cross_entropy" => number(Link::Logistic),
            "binary" => Self { answer: Answer::Classes(2), link: Link::Logistic, slope: slope()? },
            "multiclass" => Self { answer: Answer::Classes(classes), link: Link::Softmax, slope: 1.0 },
            "multiclassova" => Self { answer: Answer::Classes(classes), link: Link::Logistic, slope: slope()? },
            "none" | "custom" if classes == 1 => number(Link::Identity),
            // As our own forests are written: the leaves are probabilities.
            "none" | "custom" => Self { answer: Answer::Classes(classes), link: Link::Normalise, slope: 1.0 },
            other => {
                return Err(Error::unsupported(format!(
                    "LightGBM objective '{other}'; known are regression, regression_l1, huber, fair, quantile, mape, \
                     poisson, gamma, tweedie, cross_entropy, binary, multiclass, multiclassova, lambdarank, \
                     rank_xendcg"
                )));
            }
        };
        let several = matches!(objective.answer, Answer::Classes(classes) if classes > 2) || name.starts_with("multi");
        if several != (classes > 1) && name != "none" && name != "custom" {
            return Err(Error::corrupt(format!("LightGBM objective '{name}' with {classes} classes")));
        }
        Ok(objective)
    }
}
