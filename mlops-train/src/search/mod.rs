//! Searching for the settings of a recipe: at random, on a grid, by the tree-structured Parzen
//! estimator, with successive halving.
//!
//! ```
//! # #[cfg(feature = "linear")] {
//! use mlops_core::{Role, Run, Table};
//! use mlops_train::search::{Search, Values};
//! use mlops_train::{CrossValidation, R2, Ridge, codecs};
//!
//! let batch = arrow::array::record_batch!(
//!     ("x", Float64, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
//!     ("y", Float64, [3.0, 5.1, 7.0, 9.1, 11.0, 13.1])
//! )?;
//! let data = Table::from_batch(batch).with_role("y", Role::Target)?;
//! let search = Search::over(&Ridge::new(1.0), codecs())?
//!     .vary("alpha", Values::log_uniform(1e-3, 1e3))
//!     .by(R2)
//!     .on_folds(CrossValidation::new(3))
//!     .with_trials(20);
//! let study = futures::executor::block_on(search.run(&data, &Run::default()))?;
//! assert!(study.best()?.settings["alpha"].as_f64() < Some(1.0), "{study}");
//! # }
//! # Ok::<(), mlops_core::Error>(())
//! ```
//!
//! The same search on the same rows gives the same trials and the same best one, on any number of
//! threads, at once or [resumed](Search::run_tracked) after its program was killed.

mod drive;
mod halving;
mod journal;
mod judge;
mod path;
mod sampler;
mod schedule;
mod study;
mod tpe;
mod values;

use std::sync::Arc;

use mlops_core::folds::Splitter;
use mlops_core::{Codecs, Error, Metric, Model, Recipe, Result, ResultExt, Run, Spec, Table, Tracker, Trainer};
use serde_json::{Value as Json, json};

use self::drive::drive;
pub use self::halving::{Halving, Resource};
use self::judge::Judge;
pub use self::sampler::Sampler;
pub use self::study::{Rung, Study, Trial};
pub use self::values::Values;

/// A recipe, the settings of it to vary, and how to choose among what comes out.
///
/// It is a [`Trainer`] itself: fitting searches, and then fits the best recipe on all rows. So a
/// cross-validation of a search is a nested one.
#[derive(Clone, Debug)]
pub struct Search {
    recipe: Spec,
    codecs: Codecs,
    space: Vec<(String, Values)>,
    metrics: Vec<Arc<dyn Metric>>,
    judge: Option<Judge>,
    trials: usize,
    sampler: Sampler,
    halving: Option<Halving>,
    concurrency: usize,
}

impl Search {
    /// Searches the settings of `recipe`, which `codecs` can read. 100 trials by the tree-structured
    /// Parzen estimator, two at a time, unless said otherwise.
    ///
    /// # Errors
    /// If the recipe can't be written as plain data.
    pub fn over(recipe: &dyn Trainer, codecs: Codecs) -> Result<Self> {
        Ok(Self {
            recipe: recipe.to_spec()?,
            codecs,
            space: Vec::new(),
            metrics: Vec::new(),
            judge: None,
            trials: 100,
            sampler: Sampler::default(),
            halving: None,
            concurrency: 2,
        })
    }

    /// Varies a setting: names with dots between, as the recipe is written down. A step of a pipeline
    /// goes by its number, from 0, or by its kind if there is one of it:
    /// `steps.simple_imputer.strategy`, `trainer.learning_rate`.
    #[must_use]
    pub fn vary(mut self, path: impl Into<String>, values: Values) -> Self {
        self.space.push((path.into(), values));
        self
    }

    /// Chooses by `metric`; a second one is reported.
    #[must_use]
    pub fn by(mut self, metric: impl Metric) -> Self {
        self.metrics.push(Arc::new(metric));
        self
    }

    /// Judges every trial by cross-validation.
    #[must_use]
    pub fn on_folds(mut self, splitter: impl Splitter + 'static) -> Self {
        self.judge = Some(Judge::Folds(Arc::new(splitter)));
        self
    }

    /// Judges every trial on rows that none learns from.
    #[must_use]
    pub fn on_rows(mut self, rows: Table) -> Self {
        self.judge = Some(Judge::HeldOut(rows));
        self
    }

    /// With at most so many trials.
    #[must_use]
    pub fn with_trials(mut self, trials: usize) -> Self {
        self.trials = trials;
        self
    }

    /// With another way of choosing what to try.
    #[must_use]
    pub fn with_sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = sampler;
        self
    }

    /// With a little for every trial, and more for the good ones.
    #[must_use]
    pub fn with_halving(mut self, halving: Halving) -> Self {
        self.halving = Some(halving);
        self
    }

    /// With so many trials at a time, which share the threads of the run. It is part of the search:
    /// what is chosen next depends on what is known by then.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// Searches. A trial that fails is told in the study; the others go on.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for a path that leads nowhere, a value
    /// that the recipe does not take, no metric or nothing to judge on;
    /// [`ErrorKind::Cancelled`](mlops_core::ErrorKind::Cancelled) if told to stop.
    pub async fn run(&self, data: &Table, run: &Run) -> Result<Study> {
        drive(self, data, run, None).await
    }

    /// [`run`](Self::run), with every trial as a run of `experiment`. If the same search was begun
    /// there before and did not come to its end, it goes on where it was: what it has found is read,
    /// and what it was at is done again.
    ///
    /// The same search is one of the same recipe, settings, metrics, folds, seed and rows. One that
    /// is given up stays open; another one does not mind.
    ///
    /// # Errors
    /// As [`run`](Self::run) and [`Tracker::log`].
    pub async fn run_tracked(&self, data: &Table, run: &Run, tracker: &dyn Tracker, experiment: &str) -> Result<Study> {
        drive(self, data, run, Some((tracker, experiment))).await
    }

    fn paths(&self) -> Vec<String> {
        self.space.iter().map(|(path, _)| path.clone()).collect()
    }

    fn definition(&self) -> Json {
        let metrics: Vec<&str> = self.metrics.iter().map(|metric| metric.name()).collect();
        json!({
            "recipe": self.recipe,
            "vary": self.space,
            "by": metrics,
            "trials": self.trials,
            "sampler": self.sampler,
            "halving": self.halving,
            "concurrency": self.concurrency,
        })
    }

    fn judge(&self) -> Result<&Judge> {
        if self.metrics.is_empty() {
            return Err(Error::config("no metric to choose by: give at least one with Search::by"));
        }
        self.judge.as_ref().ok_or_else(|| {
            Error::config("nothing to judge trials on: give folds (Search::on_folds) or rows (Search::on_rows)")
        })
    }
}

impl Recipe for Search {
    fn kind(&self) -> &'static str {
        "search"
    }

    /// For people to read: folds and rows to judge on are not part of it, so it can't be read back.
    fn settings(&self) -> Result<Json> {
        Ok(self.definition())
    }
}

impl Trainer for Search {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        // Trials have threads of their own, and nothing here waits for a reactor.
        let study = futures::executor::block_on(self.run(data, run))?;
        let best = study.best()?;
        let trainer = self.codecs.trainer(&best.recipe)?;
        trainer.fit(data, run).context("the best trial", best.number)
    }
}
