use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use futures::StreamExt;
use futures::channel::oneshot;
use futures::stream::FuturesUnordered;
use mlops_core::progress::Progress;
use mlops_core::{Cancel, Error, ErrorKind, Result, ResultExt, Run, Table, Tracker};
use serde_json::{Value as Json, json};
use xxhash_rust::xxh3::xxh3_128;

use super::journal::{Ended, Journal};
use super::judge::{Bench, Judge};
use super::schedule::{Job, Next, Schedule};
use super::study::{Rung, Study, Trial};
use super::{Halving, Search, Values};

/// Runs a search to its end.
pub(super) async fn drive(
    search: &Search,
    data: &Table,
    run: &Run,
    tracked: Option<(&dyn Tracker, &str)>,
) -> Result<Study> {
    run.check()?;
    let judge = search.judge()?;
    let recipe = (search.recipe.clone(), search.codecs.clone());
    let (metrics, halving) = (search.metrics.clone(), search.halving.as_ref());
    let bench = Bench::new(recipe, search.paths(), metrics, halving, judge, data, run.seed)?;
    check(search, &bench)?;
    let names: Vec<&str> = bench.metrics.iter().map(|metric| metric.name()).collect();
    let journal = match tracked {
        Some((tracker, experiment)) => {
            let key = key_of(search, judge, data, run.seed)?;
            Some(Journal::open(tracker, experiment, &key, &names).await?)
        }
        None => None,
    };
    let study = Study {
        metric: bench.metrics[0].name(),
        greater_is_better: bench.metrics[0].greater_is_better(),
        trials: Vec::new(),
        resumed: 0,
    };
    let study = Drive::new(search, bench, run, journal, study).run().await?;
    study.best()?;
    Ok(study)
}

/// Tries the ends of all settings on the recipe, before anything is fitted.
fn check(search: &Search, bench: &Bench) -> Result<()> {
    for (i, (path, values)) in search.space.iter().enumerate() {
        values.check().context("setting", path)?;
        if search.space[..i].iter().any(|(other, _)| other == path) {
            return Err(Error::config(format!("'{path}' is varied twice: give all of its values at once")));
        }
        for share in [0.0, 1.0 - f64::EPSILON] {
            let spec = bench.recipe_with([(path, values.at(share))], 0).context("setting", path)?;
            bench.codecs.trainer(&spec).context("setting", path)?;
        }
    }
    Ok(())
}

/// Names the search: equal for the same definition, rows and seed.
fn key_of(search: &Search, judge: &Judge, data: &Table, seed: u64) -> Result<String> {
    let judged = match judge {
        Judge::Folds(splitter) => json!({ "folds": splitter.folds(data)? }),
        Judge::HeldOut(rows) => json!({ "rows": rows.provenance() }),
    };
    let definition = json!([1, search.definition(), judged, data.provenance(), seed]);
    Ok(format!("{:032x}", xxh3_128(definition.to_string().as_bytes())))
}

/// A search under way.
struct Drive<'a> {
    search: &'a Search,
    bench: Arc<Bench>,
    values: Vec<Values>,
    run: Run,
    journal: Option<Journal<'a>>,
    study: Study,
    progress: Option<Progress>,
    /// Stops the threads when the search ends early, however it does.
    _stop: StopOnDrop,
}

struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

type Worked = (Job, Result<super::judge::Outcome>);

impl<'a> Drive<'a> {
    fn new(search: &'a Search, bench: Bench, run: &Run, journal: Option<Journal<'a>>, study: Study) -> Self {
        let threads =
            run.threads.map_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get), NonZeroUsize::get);
        let each = NonZeroUsize::new(threads / search.concurrency).unwrap_or(NonZeroUsize::MIN);
        let cancel = run.cancel.child();
        Self {
            search,
            values: search.space.iter().map(|(_, values)| values.clone()).collect(),
            bench: Arc::new(bench),
            run: run.clone().with_threads(each).with_cancel(cancel.clone()),
            journal,
            study,
            progress: None,
            _stop: StopOnDrop(cancel),
        }
    }

    async fn run(mut self) -> Result<Study> {
        let values = self.values.clone();
        let halving: Option<&Halving> = self.search.halving.as_ref();
        let (rungs, concurrency) = (self.bench.shares.len(), self.search.concurrency);
        let mut schedule =
            Schedule::new(&values, self.search.sampler, halving, rungs, self.search.trials, self.run.seed, concurrency);
        self.progress = Some(Progress::start("search: trials", Some(schedule.most_trials() as u64)));
        let mut working = FuturesUnordered::new();
        loop {
            while schedule.awaits().is_some() {
                let Some(worked) = working.next().await else {
                    return Err(Error::internal("a search waits for a trial that was not begun"));
                };
                let (job, ended) = settle(worked)?;
                self.keep(job, &ended).await?;
                self.record(&mut schedule, job, ended);
            }
            match schedule.next() {
                Next::Idle => {}
                Next::Done => break,
                Next::Job(job) => {
                    let point = schedule.point(job.trial);
                    self.begin(job, point)?;
                    match self.known(job)? {
                        Some(ended) => {
                            self.study.resumed += 1;
                            self.record(&mut schedule, job, ended);
                        }
                        None => working.push(self.work(job, point.to_vec())?),
                    }
                }
            }
        }
        let best = self.study.best().ok().and_then(|best| Some((best.number, best.last()?)));
        if let (Some(journal), Some((number, last))) = (self.journal.take(), best) {
            journal.end(number, &last.scores).await?;
        }
        Ok(self.study)
    }

    fn settings(&self, trial: usize) -> &BTreeMap<String, Json> {
        &self.study.trials[trial].settings
    }

    /// Notes a trial in the study, if it is new.
    fn begin(&mut self, job: Job, point: &[Json]) -> Result<()> {
        if job.trial == self.study.trials.len() {
            let settings = self.bench.paths.iter().cloned().zip(point.iter().cloned()).collect();
            let recipe = self.bench.recipe(point, self.bench.shares.len() - 1)?;
            self.study.trials.push(Trial::new(job.trial, settings, recipe));
        }
        Ok(())
    }

    fn known(&self, job: Job) -> Result<Option<Ended>> {
        self.journal.as_ref().map_or(Ok(None), |journal| journal.known(job, self.settings(job.trial)))
    }

    async fn keep(&mut self, job: Job, ended: &Ended) -> Result<()> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        journal.keep(job, &self.study.trials[job.trial].settings, self.bench.shares[job.rung], ended).await
    }

    /// Starts a thread that works on a job.
    fn work(&self, job: Job, point: Vec<Json>) -> Result<impl Future<Output = Worked> + use<>> {
        let (answer, answered) = oneshot::channel();
        let (bench, run) = (Arc::clone(&self.bench), self.run.clone());
        let work = move || {
            let span = tracing::debug_span!("trial", number = job.trial, rung = job.rung);
            // Nobody waits any more if the search was given up.
            let _ = answer.send(span.in_scope(|| bench.judge(&point, job.rung, &run)));
        };
        thread::Builder::new().name(format!("trial {}", job.trial)).spawn(work).map_err(|e| {
            Error::new(ErrorKind::Unavailable, "a thread for a trial could not be started").with_source(e)
        })?;
        Ok(async move {
            let panicked = |_| Err(Error::internal("the trial panicked; its message is on standard error"));
            (job, answered.await.unwrap_or_else(panicked))
        })
    }

    fn record(&mut self, schedule: &mut Schedule<'_>, job: Job, ended: Ended) {
        let loss = match ended {
            Ok(outcome) => {
                let share = self.bench.shares[job.rung];
                let rung = Rung { rung: job.rung, share, scores: outcome.scores, fit_seconds: outcome.fit_seconds };
                let loss = self.study.loss(&rung);
                self.study.trials[job.trial].rungs.push(rung);
                loss
            }
            Err(message) => {
                tracing::warn!(trial = job.trial, message, "a trial failed");
                self.study.trials[job.trial].error = Some(message);
                f64::INFINITY
            }
        };
        if let Some(progress) = self.progress.as_ref().filter(|_| self.study.trials[job.trial].rungs.len() <= 1) {
            progress.advance(1);
        }
        schedule.record(job, loss);
    }
}

/// A trial may fail; the search stops if it was told to.
fn settle((job, worked): Worked) -> Result<(Job, Ended)> {
    match worked {
        Ok(outcome) => Ok((job, Ok(outcome))),
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        Err(error) => Ok((job, Err(format!("{error:#}")))),
    }
}
