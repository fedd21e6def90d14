use std::sync::Arc;

use mlops_core::folds::Fold;
use mlops_core::{Error, Result, ResultExt, Run, Table, Trainer, Transform, Transformer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::elimination::{Amount, eliminate};
use super::fitted::{CvPoint, FeatureScore, FeatureSelection};
use super::scoring::Scoring;
use super::trials::{self, Trials, around_trainer};
use crate::split::Folds;

/// Drops the least important feature, fits anew, and so on until as many are left as were asked for:
/// recursive feature elimination (scikit-learn's `RFE`).
///
/// The importance is the square of the coefficient (summed over the classes), or the share that a
/// forest gives; of equal ones the earlier feature goes first. Takes a fit a step.
///
/// # Errors
/// As [`SelectFromModel`](super::SelectFromModel); [`ErrorKind::Config`](mlops_core::ErrorKind::Config)
/// for an amount that is none.
///
/// # Example
/// ```
#[doc = include_str!("doc_trainer.txt")]
/// use mlops_core::{Run, Transformer};
/// use mlops_data::select::Rfe;
///
/// // `trainer` is any recipe, such as Ridge; `data` has the features x and z.
/// let (fitted, _) = Rfe::new(trainer).with_n_features_to_select(1).fit_transform(&data, &Run::default())?;
/// assert_eq!(fitted.save()?.state["features"][1]["ranking"], 2);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Rfe {
    trainer: Box<dyn Trainer>,
    options: Options,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    columns: Option<Vec<String>>,
    n_features_to_select: Option<Amount>,
    step: Amount,
}

impl Default for Options {
    fn default() -> Self {
        Self { columns: None, n_features_to_select: None, step: Amount::Count(1) }
    }
}

around_trainer!(Rfe, "rfe");

impl Rfe {
    /// Drops one feature after the other until half of them are left.
    pub fn new(trainer: impl Trainer) -> Self {
        Self { trainer: Box::new(trainer), options: Options::default() }
    }

    /// Leaving so many features, or such a share of them.
    #[must_use]
    pub fn with_n_features_to_select(mut self, amount: impl Into<Amount>) -> Self {
        self.options.n_features_to_select = Some(amount.into());
        self
    }

    /// Dropping so many features at a time, or such a share of all.
    #[must_use]
    pub fn with_step(mut self, step: impl Into<Amount>) -> Self {
        self.options.step = step.into();
        self
    }
}

impl Transformer for Rfe {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        let trials = self.trials(data, run)?;
        let all = trials.names.len();
        let keep = match self.options.n_features_to_select {
            Some(amount) => amount.of(all, "n_features_to_select")?,
            None => (all / 2).max(1),
        };
        let step = self.options.step.of(all, "step")?;
        let ranking = run.install(|| eliminate(&trials, None, keep, step, None))??;
        Ok(Arc::new(FeatureSelection::new(Self::KIND, ranked(&trials.names, &ranking))))
    }
}

fn ranked(names: &[String], ranking: &[usize]) -> Vec<FeatureScore> {
    let feature = |(name, rank): (&String, &usize)| FeatureScore::new(name, *rank == 1).with_ranking(*rank);
    names.iter().zip(ranking).map(feature).collect()
}

/// [`Rfe`] down to the number of features that scores best in cross-validation (scikit-learn's
/// `RFECV`); of equally good numbers the least.
///
/// Each fold eliminates by its own training rows and is judged on the others; then all rows are
/// eliminated to the number whose scores have the greatest sum. The scores by number of features are
/// kept in the artifact (`cv_results`). Takes a fit a step and fold, folds in parallel.
///
/// # Errors
/// As [`Rfe`], and as the folds.
///
/// # Example
/// ```
#[doc = include_str!("doc_trainer.txt")]
/// use mlops_core::{Run, Transformer};
/// use mlops_data::select::RfeCv;
/// use mlops_data::split::KFold;
///
/// // `trainer` is any recipe, such as Ridge; `data` has the features x and z.
/// let recipe = RfeCv::new(trainer).with_cv(KFold::new(4).with_shuffle(7));
/// let (fitted, kept) = recipe.fit_transform(&data, &Run::default())?;
/// assert_eq!(fitted.save()?.state["cv_results"].as_array().map(Vec::len), Some(2));
/// assert!(kept.column("x").is_ok());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct RfeCv {
    trainer: Box<dyn Trainer>,
    options: CvOptions,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CvOptions {
    columns: Option<Vec<String>>,
    min_features_to_select: usize,
    step: Amount,
    cv: Option<Folds>,
    scoring: Scoring,
}

impl Default for CvOptions {
    fn default() -> Self {
        Self { columns: None, min_features_to_select: 1, step: Amount::Count(1), cv: None, scoring: Scoring::Auto }
    }
}

around_trainer!(RfeCv, "rfe_cv");

impl RfeCv {
    /// Drops one feature after the other, judged by five folds (stratified for classes).
    pub fn new(trainer: impl Trainer) -> Self {
        Self { trainer: Box::new(trainer), options: CvOptions::default() }
    }

    /// Leaving at least so many features.
    #[must_use]
    pub fn with_min_features_to_select(mut self, min_features_to_select: usize) -> Self {
        self.options.min_features_to_select = min_features_to_select;
        self
    }

    /// Dropping so many features at a time, or such a share of all.
    #[must_use]
    pub fn with_step(mut self, step: impl Into<Amount>) -> Self {
        self.options.step = step.into();
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

    /// The scores on one fold, for each number of features on the way down.
    fn scores(&self, trials: &Trials<'_>, fold: &Fold, least: usize, step: usize) -> Result<Vec<(usize, f64)>> {
        let mut scores = Vec::new();
        let mut visit = |features: &[usize], model: &dyn mlops_core::Model| {
            scores.push((features.len(), trials.score(model, features, &fold.test, self.options.scoring)?));
            Ok(())
        };
        eliminate(trials, Some(&fold.train), least, step, Some(&mut visit))?;
        Ok(scores)
    }
}

impl Transformer for RfeCv {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        let trials = self.trials(data, run)?;
        let all = trials.names.len();
        let least = Amount::Count(self.options.min_features_to_select).of(all, "min_features_to_select")?.min(all);
        let step = self.options.step.of(all, "step")?;
        let folds = trials::folds(self.options.cv.as_ref(), data)?;
        let on_fold = |(i, fold): (usize, &Fold)| self.scores(&trials, fold, least, step).context("fold", i + 1);
        let scores: Vec<Vec<(usize, f64)>> =
            run.install(|| folds.par_iter().enumerate().map(on_fold).collect::<Result<_>>())??;
        let points = cv_results(&scores);
        // From the least number on, so that of equally good ones the least is taken.
        let best = points.iter().reduce(|best, point| if point.sum > best.sum { point } else { best });
        let best = best.ok_or_else(|| Error::internal("an elimination without a step"))?;
        let ranking = run.install(|| eliminate(&trials, None, best.n_features, step, None))??;
        let results = points.iter().map(CvSum::point).collect();
        Ok(Arc::new(FeatureSelection::new(Self::KIND, ranked(&trials.names, &ranking)).with_cv_results(results)))
    }
}

/// The scores of one number of features over all folds.
struct CvSum {
    n_features: usize,
    sum: f64,
    folds: Vec<f64>,
}

impl CvSum {
    fn point(&self) -> CvPoint {
        let n = self.folds.len() as f64;
        let mean = self.sum / n;
        let variance = self.folds.iter().map(|score| (score - mean) * (score - mean)).sum::<f64>() / n;
        CvPoint { n_features: self.n_features, mean_test_score: mean, std_test_score: variance.sqrt() }
    }
}

/// By number of features, ascending. Every fold has gone through the same numbers.
fn cv_results(scores: &[Vec<(usize, f64)>]) -> Vec<CvSum> {
    let steps = scores.first().map_or(0, Vec::len);
    let at = |step: usize| {
        let folds: Vec<f64> = scores.iter().map(|fold| fold[step].1).collect();
        CvSum { n_features: scores[0][step].0, sum: folds.iter().sum(), folds }
    };
    (0..steps).rev().map(at).collect()
}
