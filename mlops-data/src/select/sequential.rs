use std::sync::Arc;

use mlops_core::{Error, Result, Run, Table, Trainer, Transform, Transformer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::elimination::Amount;
use super::fitted::{FeatureScore, FeatureSelection};
use super::scoring::Scoring;
use super::trials::{self, around_trainer};
use crate::split::Folds;

/// Adds the feature that improves the cross-validated score most, and so on; or drops the one that
/// is missed least (scikit-learn's `SequentialFeatureSelector`).
///
/// Needs nothing of a model but its answers, so it goes with any trainer. Of equally good features the
/// earlier one is taken. Takes features² / 2 times folds fits at most, features in parallel.
///
/// # Errors
/// Fitting fails as the trainer and the folds do; with
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for fewer than two features, as many to select as
/// there are, or a tolerance that no forward selection ends by.
///
/// # Example
/// ```
#[doc = include_str!("doc_trainer.txt")]
/// use mlops_core::{Run, Transformer};
/// use mlops_data::select::{Direction, SequentialFeatureSelector};
///
/// // `trainer` is any recipe, such as a forest; `data` has the features x and z.
/// let recipe = SequentialFeatureSelector::new(trainer).with_direction(Direction::Backward);
/// let (_, kept) = recipe.fit_transform(&data, &Run::default())?;
/// assert_eq!(kept.num_rows(), data.num_rows());
/// assert!(kept.column("x").is_ok() && kept.column("z").is_err());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct SequentialFeatureSelector {
    trainer: Box<dyn Trainer>,
    options: Options,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    columns: Option<Vec<String>>,
    n_features_to_select: Option<Amount>,
    tol: Option<f64>,
    direction: Direction,
    cv: Option<Folds>,
    scoring: Scoring,
}

/// Which way a [`SequentialFeatureSelector`] goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there are two ways to go along a line")]
pub enum Direction {
    /// From all features down.
    Backward,
    /// From no feature up.
    #[default]
    Forward,
}

around_trainer!(SequentialFeatureSelector, "sequential_feature_selector");

impl SequentialFeatureSelector {
    /// Adds features until half of them are there, judged by five folds (stratified for classes).
    pub fn new(trainer: impl Trainer) -> Self {
        Self { trainer: Box::new(trainer), options: Options::default() }
    }

    /// Keeping so many features, or such a share of them.
    #[must_use]
    pub fn with_n_features_to_select(mut self, amount: impl Into<Amount>) -> Self {
        self.options.n_features_to_select = Some(amount.into());
        self
    }

    /// Ending when a step improves the score by less than this (below 0 for going backward), unless
    /// a number of features is given.
    #[must_use]
    pub fn with_tol(mut self, tol: f64) -> Self {
        self.options.tol = Some(tol);
        self
    }

    /// Going the other way.
    #[must_use]
    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.options.direction = direction;
        self
    }

    /// Judged by other folds.
    #[must_use]
    pub fn with_cv(mut self, cv: impl Into<Folds>) -> Self {
        self.options.cv = Some(cv.into());
        self
    }

    /// Judged by another score.
    #[must_use]
    pub fn with_scoring(mut self, scoring: Scoring) -> Self {
        self.options.scoring = scoring;
        self
    }

    /// How many features are moved at most.
    fn steps(&self, all: usize) -> Result<usize> {
        let Options { n_features_to_select, tol, direction, .. } = &self.options;
        if all < 2 {
            return Err(Error::config(format!("{all} feature to select from: there must be 2 at least")));
        }
        if tol.is_some_and(|tol| tol.is_nan() || (tol < 0.0 && *direction == Direction::Forward)) {
            return Err(Error::config(
                "a tolerance below 0 would let a forward selection take in any feature: give one above 0",
            ));
        }
        let keep = match n_features_to_select {
            None if tol.is_some() => return Ok(all - 1),
            None => return Ok(all / 2),
            Some(amount) => amount.of(all, "n_features_to_select")?,
        };
        if keep >= all {
            return Err(Error::config(format!(
                "{keep} of {all} features to select leaves no choice: select fewer, or leave the step out"
            )));
        }
        Ok(if *direction == Direction::Forward { keep } else { all - keep })
    }
}

impl Transformer for SequentialFeatureSelector {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        let trials = self.trials(data, run)?;
        let steps = self.steps(trials.names.len())?;
        let folds = trials::folds(self.options.cv.as_ref(), data)?;
        let forward = self.options.direction == Direction::Forward;
        let ends = self.options.tol.filter(|_| self.options.n_features_to_select.is_none());
        let mut moved = vec![false; trials.names.len()];
        let mut before = f64::NEG_INFINITY;
        for _ in 0..steps {
            let candidates: Vec<usize> = (0..moved.len()).filter(|i| !moved[*i]).collect();
            let score = |candidate: &usize| {
                let chosen = (0..moved.len()).filter(|i| (moved[*i] || i == candidate) == forward);
                trials.cross_validate(&chosen.collect::<Vec<_>>(), &folds, self.options.scoring)
            };
            let scores: Vec<f64> = run.install(|| candidates.par_iter().map(score).collect::<Result<_>>())??;
            let better = |best: usize, i: usize| if scores[i] > scores[best] { i } else { best };
            let Some(best) = (0..scores.len()).reduce(better) else { break };
            if ends.is_some_and(|tol| scores[best] - before < tol) {
                break;
            }
            before = scores[best];
            moved[candidates[best]] = true;
        }
        let features = trials.names.iter().zip(&moved).map(|(name, moved)| FeatureScore::new(name, *moved == forward));
        Ok(Arc::new(FeatureSelection::new(Self::KIND, features.collect())))
    }
}
