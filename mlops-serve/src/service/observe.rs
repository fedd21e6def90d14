use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use mlops_core::{InferenceRecord, Result, Route, Signature, Tap, Version, now_ms};

use super::deployed::{Deployed, Failure};
use super::handoff::Handoff;
use super::metrics::{Call, ModelMetrics, Outcome, TapCounts};
use crate::cells::{OwnedRow, row_batch};

/// Who sees requests and answers besides the caller: taps, and shadows with their answers.
#[derive(Debug)]
pub(crate) struct Observers {
    taps: Arc<[Handoff<Seen>]>,
    /// Started with the first shadow; settled before the taps, to which its answers go.
    shadows: OnceLock<Handoff<Copied>>,
    queue: usize,
}

/// The rows of a request, taken from its path as cheaply as can be; made a batch when somebody
/// looks.
#[derive(Debug)]
pub(crate) struct Rows {
    signature: Arc<Signature>,
    taken: Taken,
    batch: OnceLock<Result<RecordBatch>>,
}

#[derive(Debug)]
pub(crate) enum Taken {
    Batch(RecordBatch),
    Row(OwnedRow),
}

impl Rows {
    pub(crate) fn new(signature: &Arc<Signature>, taken: Taken) -> Self {
        Self { signature: Arc::clone(signature), taken, batch: OnceLock::new() }
    }

    /// The rows with the columns of the signature; `None` if they do not fit, which was logged.
    fn batch(&self) -> Option<&RecordBatch> {
        let batch = self.batch.get_or_init(|| match &self.taken {
            Taken::Batch(batch) => self.signature.check(batch),
            Taken::Row(row) => row_batch(&self.signature, &row.cells()),
        });
        match batch {
            Ok(batch) => Some(batch),
            Err(error) => {
                tracing::error!(%error, "the rows of an answered request are lost to taps and shadows");
                None
            }
        }
    }
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) id: Option<Arc<str>>,
    pub(crate) version: Arc<Version>,
    pub(crate) route: Route,
    pub(crate) rows: Arc<Rows>,
    pub(crate) scores: Arc<[f64]>,
    pub(crate) timestamp_ms: i64,
}

/// A request that a shadow is to answer too.
#[derive(Debug)]
struct Copied {
    shadow: Arc<Deployed>,
    id: Option<Arc<str>>,
    rows: Arc<Rows>,
}

impl Observers {
    pub(crate) fn none() -> Self {
        Self { taps: Arc::new([]), shadows: OnceLock::new(), queue: super::ServiceBuilder::default().queue }
    }

    pub(crate) fn start(taps: &[Arc<dyn Tap>], queue: usize) -> Result<Self> {
        let start = |tap: &Arc<dyn Tap>| {
            let tap = Arc::clone(tap);
            Handoff::start("mlops-tap", queue, move |seen| record(tap.as_ref(), seen))
        };
        Ok(Self { taps: taps.iter().map(start).collect::<Result<_>>()?, shadows: OnceLock::new(), queue })
    }

    /// Starts the thread of the shadows, if it does not run.
    pub(crate) fn prepare_shadows(&self) -> Result<()> {
        if self.shadows.get().is_none() {
            let taps = Arc::clone(&self.taps);
            let started = Handoff::start("mlops-shadow", self.queue, move |copied| answer(&taps, copied))?;
            // Of two that start one at once, the second is dropped, and its thread with it.
            let _ = self.shadows.set(started);
        }
        Ok(())
    }

    /// Whether somebody looks, so that rows must be kept.
    pub(crate) fn look(&self, shadow: Option<&Arc<Deployed>>) -> bool {
        !self.taps.is_empty() || shadow.is_some()
    }

    /// Hands over what the current version was asked and answered.
    pub(crate) fn seen(
        &self,
        deployed: &Deployed,
        model: &ModelMetrics,
        shadow: Option<Arc<Deployed>>,
        id: Option<&str>,
        rows: Rows,
        scores: &[f64],
    ) {
        let rows = Arc::new(rows);
        let id: Option<Arc<str>> = id.map(Into::into);
        if let (Some(shadow), Some(shadows)) = (shadow, self.shadows.get()) {
            let copied = Copied { shadow, id: id.clone(), rows: Arc::clone(&rows) };
            if !shadows.offer(copied) {
                model.shadow_drops.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        if !self.taps.is_empty() {
            let version = Arc::clone(&deployed.version);
            let (scores, timestamp_ms) = (scores.into(), now_ms());
            show(&self.taps, &Seen { id, version, route: Route::Primary, rows, scores, timestamp_ms });
        }
    }

    /// Waits until everything that was handed over has been seen.
    pub(crate) async fn settle(&self) {
        if let Some(shadows) = self.shadows.get() {
            shadows.settle().await;
        }
        for tap in self.taps.iter() {
            tap.settle().await;
        }
    }

    pub(crate) fn counts(&self) -> Vec<TapCounts> {
        let counts = |(tap, handoff): (usize, &Handoff<Seen>)| TapCounts {
            tap,
            handed_over: handoff.accepted(),
            dropped: handoff.dropped(),
        };
        self.taps.iter().enumerate().map(counts).collect()
    }
}

fn show(taps: &[Handoff<Seen>], seen: &Seen) {
    for tap in taps {
        tap.offer(seen.clone());
    }
}

fn record(tap: &dyn Tap, seen: Seen) {
    if let Some(batch) = seen.rows.batch() {
        let id = seen.id.map(|id| id.as_ref().to_owned());
        let mut record = InferenceRecord::new(id, seen.version, seen.route, batch.clone(), seen.scores.to_vec());
        record.timestamp_ms = seen.timestamp_ms;
        tap.record(record);
    }
}

fn answer(taps: &[Handoff<Seen>], copied: Copied) {
    let Copied { shadow, id, rows } = copied;
    let Some(batch) = rows.batch() else { return };
    let call = Call::begin(&shadow.metrics, true);
    match shadow.predict(batch) {
        Ok(scores) => {
            call.end(Outcome::Ok, batch.num_rows());
            let version = Arc::clone(&shadow.version);
            let (scores, timestamp_ms) = (scores.into(), now_ms());
            show(taps, &Seen { id, version, route: Route::Shadow, rows, scores, timestamp_ms });
        }
        Err(Failure { outcome, error }) => {
            call.end(outcome, 0);
            tracing::warn!(version = %shadow.version, %error, "the shadow did not answer");
        }
    }
}
