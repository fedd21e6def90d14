use serde::{Deserialize, Serialize};

use super::Task;

/// How the probabilities of a classification become a choice.
///
/// # Example
/// ```
/// use mlops_core::{Decision, Rule};
///
/// assert_eq!(Decision::default().choose(&[0.6, 0.4]), 0);
/// // A late plane that nobody was told of costs three times as much as a false alarm.
/// let careful = Decision::by(Rule::Costs(vec![vec![0.0, 1.0], vec![3.0, 0.0]]));
/// assert_eq!(careful.choose(&[0.6, 0.4]), 1);
/// assert_eq!(Decision::by(Rule::Threshold(0.3)).choose(&[0.6, 0.4]), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Decision {
    /// What chooses the one class.
    pub rule: Rule,
    /// Every class at least so probable is in the set of classes that a conformal prediction gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_from: Option<f64>,
}

/// What chooses the one class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// The least expected cost, the first of equals: `costs[i][j]` is what it costs to choose class
    /// `j` where class `i` is true.
    Costs(Vec<Vec<f64>>),
    /// The greatest probability, the first of equals.
    #[default]
    Greatest,
    /// Of two classes the second, if it is at least so probable.
    Threshold(f64),
}

impl Decision {
    /// By a rule, without sets.
    pub fn by(rule: Rule) -> Self {
        Self { rule, set_from: None }
    }

    /// With the set of all classes that are at least so probable.
    #[must_use]
    pub fn with_set_from(mut self, probability: f64) -> Self {
        self.set_from = Some(probability);
        self
    }

    /// The index of the class that these probabilities choose. Allocates nothing.
    pub fn choose(&self, scores: &[f64]) -> usize {
        match &self.rule {
            Rule::Costs(costs) => {
                let cost = |chosen: usize| -> f64 { costs.iter().zip(scores).map(|(row, p)| row[chosen] * p).sum() };
                first_best(scores.len(), |class| -cost(class))
            }
            Rule::Greatest => first_best(scores.len(), |class| scores[class]),
            Rule::Threshold(threshold) => usize::from(scores.get(1).is_some_and(|p| p >= threshold)),
        }
    }

    /// Whether the greatest probability chooses, and no set is given.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self, task: &Task) -> Result<(), String> {
        if self.is_plain() {
            return Ok(());
        }
        let Task::Classification { classes } = task else {
            return Err("only a classification decides between classes".to_owned());
        };
        let share = |name: &str, p: f64| {
            let fits = (0.0..=1.0).contains(&p);
            if fits { Ok(()) } else { Err(format!("{name} of {p}: a probability from 0 to 1 is needed")) }
        };
        match &self.rule {
            Rule::Costs(costs) => {
                let n = classes.len();
                if costs.len() != n || costs.iter().any(|row| row.len() != n || !row.iter().all(|c| c.is_finite())) {
                    return Err(format!("costs are {n} rows of {n} finite numbers, one a class"));
                }
            }
            Rule::Greatest => {}
            Rule::Threshold(_) if classes.len() != 2 => {
                return Err(format!("a threshold tells two classes apart, not {}: use costs", classes.len()));
            }
            Rule::Threshold(threshold) => share("a threshold", *threshold)?,
        }
        self.set_from.map_or(Ok(()), |p| share("a set", p))
    }
}

fn first_best(n: usize, value: impl Fn(usize) -> f64) -> usize {
    let mut best = 0;
    for i in 1..n {
        if value(i) > value(best) {
            best = i;
        }
    }
    best
}
