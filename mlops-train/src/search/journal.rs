//! What a search has found so far, kept by a tracker: one run for the search, a run within it for
//! each trial, and all that a job found in one entry. A search that died reads it and goes on.

use std::collections::{BTreeMap, HashMap};

use futures::StreamExt;
use mlops_core::{Error, ErrorKind, Result, RunEntry, RunId, RunRecord, RunStatus, Tracker};
use serde_json::Value as Json;

use super::judge::Outcome;
use super::schedule::Job;
use crate::metrics::Scores;

/// The definition of the search, on all of its runs.
const SEARCH: &str = "mlops.search";
/// The number of the trial.
const TRIAL: &str = "mlops.trial";
/// MLflow shows runs within the run that this names.
const PARENT: &str = "mlflow.parentRunId";
const FAILED: &str = "mlops.failed_rung_";
const SHARE: &str = "resource_share";
const SECONDS: &str = "fit_seconds";

/// How a job ended: with scores, or with a message.
pub(super) type Ended = std::result::Result<Outcome, String>;

#[derive(Debug)]
pub(super) struct Journal<'a> {
    tracker: &'a dyn Tracker,
    experiment: String,
    key: String,
    parent: RunRecord,
    trials: HashMap<usize, RunRecord>,
    known: HashMap<Job, Ended>,
}

impl<'a> Journal<'a> {
    /// Finds the search of this definition in the experiment, or begins it.
    pub(super) async fn open(tracker: &'a dyn Tracker, experiment: &str, key: &str, metrics: &[&str]) -> Result<Self> {
        let (mut parent, mut trials, mut known) = (None, HashMap::new(), HashMap::new());
        let mut runs = tracker.runs(experiment);
        while let Some(run) = runs.next().await.transpose()? {
            if run.tags.get(SEARCH).is_none_or(|of| of != key) {
                continue;
            }
            match run.tags.get(TRIAL).and_then(|number| number.parse().ok()) {
                Some(trial) => {
                    known.extend(jobs_of(trial, &run, metrics));
                    trials.insert(trial, run);
                }
                None => parent = Some(run),
            }
        }
        let parent = match parent {
            Some(parent) => parent,
            None => {
                let id = tracker.start_run(experiment, "search").await?;
                tracker.log(&id, &[RunEntry::tag(SEARCH, key)]).await?;
                tracker.run(&id).await?
            }
        };
        Ok(Self { tracker, experiment: experiment.to_owned(), key: key.to_owned(), parent, trials, known })
    }

    /// What is known of a job already.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](mlops_core::ErrorKind::Conflict) if its trial had other settings.
    pub(super) fn known(&self, job: Job, settings: &BTreeMap<String, Json>) -> Result<Option<Ended>> {
        let Some(run) = self.trials.get(&job.trial) else { return Ok(None) };
        if run.params != params(settings) {
            let message = format!(
                "trial {} of the tracked search (run {}) had other settings than this search gives it: another version \
                 of the library made it; search under another experiment",
                job.trial, run.id
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Ok(self.known.get(&job).cloned())
    }

    /// Keeps how a job ended, all at once.
    pub(super) async fn keep(
        &mut self,
        job: Job,
        settings: &BTreeMap<String, Json>,
        share: f64,
        ended: &Ended,
    ) -> Result<()> {
        let mut entries = Vec::new();
        if !self.trials.contains_key(&job.trial) {
            let id = self.tracker.start_run(&self.experiment, &format!("trial {}", job.trial)).await?;
            entries.extend([
                RunEntry::tag(SEARCH, &self.key),
                RunEntry::tag(TRIAL, job.trial),
                RunEntry::tag(PARENT, &self.parent.id),
            ]);
            let mut run = RunRecord::started(id, &self.experiment, format!("trial {}", job.trial), 0);
            run.params = params(settings);
            entries.extend(run.params.iter().map(|(key, value)| RunEntry::param(key, value)));
            self.trials.insert(job.trial, run);
        }
        let step = job.rung as i64;
        match ended {
            Ok(outcome) => {
                entries.extend(outcome.scores.iter().map(|(name, value)| RunEntry::metric(name, value, step)));
                entries.push(RunEntry::metric(SHARE, share, step));
                entries.push(RunEntry::metric(SECONDS, outcome.fit_seconds, step));
            }
            Err(message) => entries.push(RunEntry::tag(format!("{FAILED}{step}"), message)),
        }
        self.tracker.log(&self.trials[&job.trial].id, &entries).await
    }

    /// Ends the runs of a search that has come to its end.
    pub(super) async fn end(self, best: usize, scores: &Scores) -> Result<()> {
        for (trial, run) in &self.trials {
            if run.status == RunStatus::Running {
                let failed = *trial != best && self.tracker.run(&run.id).await?.metrics.is_empty();
                self.end_run(&run.id, if failed { RunStatus::Failed } else { RunStatus::Finished }).await?;
            }
        }
        if self.parent.status == RunStatus::Running {
            let mut entries = vec![RunEntry::tag("mlops.best_trial", best)];
            entries.extend(scores.iter().map(|(name, value)| RunEntry::metric(format!("best_{name}"), value, 0)));
            self.tracker.log(&self.parent.id, &entries).await?;
            self.end_run(&self.parent.id, RunStatus::Finished).await?;
        }
        Ok(())
    }

    async fn end_run(&self, run: &RunId, status: RunStatus) -> Result<()> {
        self.tracker.end_run(run, status).await
    }
}

fn params(settings: &BTreeMap<String, Json>) -> BTreeMap<String, String> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    settings.iter().map(|(path, value)| (path.clone(), text(value))).collect()
}

/// The jobs of a trial that ended.
fn jobs_of(trial: usize, run: &RunRecord, metrics: &[&str]) -> Vec<(Job, Ended)> {
    let mut jobs = Vec::new();
    let done = run.metrics.iter().filter(|point| point.key == SHARE);
    for step in done.map(|point| point.step) {
        let value =
            |key: &str| run.metrics.iter().find(|point| point.key == key && point.step == step).map(|p| p.value);
        let scores: Option<Vec<(&str, f64)>> = metrics.iter().map(|name| Some((*name, value(name)?))).collect();
        if let (Some(scores), Ok(rung), Some(fit_seconds)) = (scores, usize::try_from(step), value(SECONDS)) {
            jobs.push((Job { trial, rung }, Ok(Outcome { scores: scores.into_iter().collect(), fit_seconds })));
        }
    }
    for (tag, message) in &run.tags {
        if let Some(rung) = tag.strip_prefix(FAILED).and_then(|rung| rung.parse().ok()) {
            jobs.push((Job { trial, rung }, Err(message.clone())));
        }
    }
    jobs
}
