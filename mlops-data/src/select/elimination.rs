use mlops_core::{Error, Model, Result};
use serde::{Deserialize, Serialize};

use super::trials::Trials;

/// How many features.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Amount {
    /// So many, at least 1.
    Count(usize),
    /// This share of all that are looked at, rounded down; above 0 and at most 1.
    Fraction(f64),
}

impl From<usize> for Amount {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Amount {
    fn from(share: f64) -> Self {
        Self::Fraction(share)
    }
}

impl Amount {
    /// At least 1.
    pub(super) fn of(self, all: usize, what: &str) -> Result<usize> {
        match self {
            Self::Count(count) if count > 0 => Ok(count),
            Self::Fraction(share) if share > 0.0 && share <= 1.0 => Ok(((all as f64 * share) as usize).max(1)),
            wrong => Err(Error::config(format!(
                "{what} = {wrong:?}: give a number of features from 1, or a share of them above 0 and at most 1"
            ))),
        }
    }
}

/// Called with the features that are left, and the model of them.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&[usize], &dyn Model) -> Result<()>;

/// Drops the least important features, `step` at a time, until `keep` are left; the rank of each
/// feature. With `visit` it looks at every model on the way, and at that of the features left.
pub(super) fn eliminate(
    trials: &Trials<'_>,
    rows: Option<&[usize]>,
    keep: usize,
    step: usize,
    mut visit: Option<Visit<'_>>,
) -> Result<Vec<usize>> {
    let mut left: Vec<usize> = (0..trials.names.len()).collect();
    let mut ranking = vec![1; left.len()];
    while left.len() > keep {
        let model = trials.fit(&left, rows)?;
        if let Some(visit) = &mut visit {
            visit(&left, model.as_ref())?;
        }
        let outputs = trials.importances(model.as_ref(), &left)?;
        let square = |place: usize| outputs.iter().map(|output| output[place] * output[place]).sum::<f64>();
        let squares: Vec<f64> = (0..left.len()).map(square).collect();
        let mut order: Vec<usize> = (0..left.len()).collect();
        order.sort_by(|a, b| squares[*a].total_cmp(&squares[*b]));
        order.truncate(step.min(left.len() - keep));
        let mut dropped = vec![false; left.len()];
        order.iter().for_each(|place| dropped[*place] = true);
        let mut place = 0..;
        left.retain(|_| place.next().is_some_and(|place| !dropped[place]));
        let mut others = vec![true; ranking.len()];
        left.iter().for_each(|feature| others[*feature] = false);
        ranking.iter_mut().zip(others).for_each(|(rank, other)| *rank += usize::from(other));
    }
    if let Some(visit) = visit {
        visit(&left, trials.fit(&left, rows)?.as_ref())?;
    }
    Ok(ranking)
}
