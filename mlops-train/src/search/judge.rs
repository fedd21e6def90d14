use std::sync::Arc;
use std::time::Instant;

use mlops_core::folds::{Fold, Splitter};
use mlops_core::random::SplitMix64;
use mlops_core::{Codecs, Error, Metric, Result, Run, Spec, Table};
use serde_json::Value as Json;

use super::halving::{Halving, Resource};
use super::path::set;
use crate::cross_validation::cross_validate;
use crate::metrics::{Scores, score};

/// What trials are judged on.
#[derive(Clone, Debug)]
pub(super) enum Judge {
    Folds(Arc<dyn Splitter>),
    HeldOut(Table),
}

/// How a job went.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) scores: Scores,
    pub(super) fit_seconds: f64,
}

/// All that a job needs, shared by the threads that work on them.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) codecs: Codecs,
    pub(super) recipe: Spec,
    pub(super) paths: Vec<String>,
    pub(super) metrics: Vec<Arc<dyn Metric>>,
    pub(super) resource: Option<Resource>,
    /// What each rung gives.
    pub(super) shares: Vec<f64>,
    data: Table,
    rows: Rows,
    /// The place of each row in a random order: a rung takes the first ones.
    ranks: Vec<usize>,
}

#[derive(Debug)]
enum Rows {
    Folds(Vec<Fold>),
    HeldOut(Table),
}

impl Bench {
    pub(super) fn new(
        (recipe, codecs): (Spec, Codecs),
        paths: Vec<String>,
        metrics: Vec<Arc<dyn Metric>>,
        halving: Option<&Halving>,
        judge: &Judge,
        data: &Table,
        seed: u64,
    ) -> Result<Self> {
        let rows = match judge {
            Judge::Folds(splitter) => Rows::Folds(splitter.folds(data)?),
            Judge::HeldOut(rows) => Rows::HeldOut(rows.clone()),
        };
        let mut order: Vec<usize> = (0..data.num_rows()).collect();
        SplitMix64::stream(seed, u64::MAX).shuffle(&mut order);
        let mut ranks = vec![0; order.len()];
        order.iter().enumerate().for_each(|(rank, row)| ranks[*row] = rank);
        let shares = halving.map_or_else(|| Ok(vec![1.0]), Halving::shares)?;
        let resource = halving.map(|halving| halving.resource.clone());
        // Joined once instead of once a trial.
        let data = Table::from_batch(data.to_batch()?)
            .with_roles(data.roles())
            .with_rows_of(data)
            .with_fitted_on(data.fitted_on());
        Ok(Self { codecs, recipe, paths, metrics, resource, shares, data, rows, ranks })
    }

    /// The recipe of a trial.
    pub(super) fn recipe(&self, point: &[Json], rung: usize) -> Result<Spec> {
        self.recipe_with(self.paths.iter().zip(point.iter().cloned()), rung)
    }

    /// The recipe with some settings, and what a rung gives.
    pub(super) fn recipe_with<'a>(
        &self,
        settings: impl IntoIterator<Item = (&'a String, Json)>,
        rung: usize,
    ) -> Result<Spec> {
        let wrong = |e: serde_json::Error| Error::internal("a recipe is no JSON").with_source(e);
        let mut spec = serde_json::to_value(&self.recipe).map_err(wrong)?;
        for (path, value) in settings {
            set(&mut spec, path, value)?;
        }
        if let Some(Resource::Setting { path, most }) = &self.resource {
            let share = (*most as f64 * self.shares[rung]).round() as u64;
            set(&mut spec, path, Json::from(share.max(1)))?;
        }
        serde_json::from_value(spec).map_err(wrong)
    }

    /// Fits and judges a trial with what its rung gives.
    pub(super) fn judge(&self, point: &[Json], rung: usize, run: &Run) -> Result<Outcome> {
        let trainer = self.codecs.trainer(&self.recipe(point, rung)?)?;
        let metrics: Vec<&dyn Metric> = self.metrics.iter().map(AsRef::as_ref).collect();
        let most = match self.resource {
            Some(Resource::Rows) => (self.shares[rung] * self.ranks.len() as f64).ceil() as usize,
            _ => self.ranks.len(),
        };
        let is_given = |row: &usize| self.ranks[*row] < most;
        match &self.rows {
            Rows::Folds(folds) => {
                let cut = |fold: &Fold| Fold {
                    train: fold.train.iter().copied().filter(|row| is_given(row)).collect(),
                    test: fold.test.clone(),
                };
                let folds: Vec<Fold> = folds.iter().map(cut).collect();
                let result = cross_validate(trainer.as_ref(), &self.data, &folds, &metrics, run)?;
                Ok(Outcome { scores: result.means(), fit_seconds: result.fit_seconds() })
            }
            Rows::HeldOut(test) => {
                let data = if most == self.ranks.len() {
                    self.data.clone()
                } else {
                    let rows: Vec<usize> = (0..self.ranks.len()).filter(is_given).collect();
                    self.data.take(&rows)?.with_rows_of(&self.data)
                };
                let start = Instant::now();
                let model = trainer.fit(&data, run)?;
                let fit_seconds = start.elapsed().as_secs_f64();
                Ok(Outcome { scores: score(model.as_ref(), test, &metrics)?, fit_seconds })
            }
        }
    }
}
