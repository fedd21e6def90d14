use std::cell::RefCell;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use mlops_core::{
    CellReader, Error, ErrorKind, Model, Package, Predictions, Result, ResultExt, Scratch, Signature, Value, Version,
    score_row,
};

use super::metrics::{Outcome, ServiceMetrics, VersionMetrics};
use crate::cells::{Kind, row_kinds};

/// A version of a model that is ready to answer: tested, warm, and never changed.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) version: Arc<Version>,
    /// The number of the version, as the wire writes it.
    pub(crate) number: String,
    pub(crate) signature: Arc<Signature>,
    pub(crate) metrics: Arc<VersionMetrics>,
    /// The kinds of the inputs, if the model answers row by row.
    pub(crate) row_kinds: Option<Vec<Kind>>,
    /// Up to so many rows are answered on the thread that asks.
    pub(crate) inline_rows: usize,
    model: Arc<dyn Model>,
}

/// What kept a model from answering.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) outcome: Outcome,
    pub(crate) error: Error,
}

impl Failure {
    pub(crate) fn invalid(error: Error) -> Self {
        Self { outcome: Outcome::Invalid, error }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Deployed {
    /// A request that takes longer than this is not answered on the thread that asks, which has
    /// others to look after.
    const INLINE: Duration = Duration::from_micros(200);

    /// Tests the package with its samples, and warms it up: some tens of answers, half a second of
    /// them at most.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the package is of another model than `version`, as
    /// [`Package::self_test`], and [`ErrorKind::Internal`] if the model panics.
    pub(crate) fn new(version: Version, package: &Package, metrics: &ServiceMetrics) -> Result<Self> {
        if package.name != version.model() {
            return Err(Error::config(format!(
                "the package is of model '{}', the version is '{version}': deploy it under its own name",
                package.name
            )));
        }
        let test = catch_unwind(AssertUnwindSafe(|| package.self_test()));
        test.unwrap_or_else(|_| Err(Error::internal("the model panicked on its own samples")))
            .context("version", &version)?;
        let signature = Arc::new(package.signature().clone());
        let takes_rows = package.model.row().is_some() || package.model.dense().is_some();
        let mut deployed = Self {
            number: version.number().to_string(),
            metrics: metrics.version(&version),
            row_kinds: row_kinds(&signature).filter(|_| takes_rows),
            inline_rows: 0,
            model: Arc::clone(&package.model),
            signature,
            version: Arc::new(version),
        };
        deployed.inline_rows = deployed.warm_up(&package.samples.inputs)?;
        Ok(deployed)
    }

    /// Answers the samples a few times, so that the first caller does not pay for cold caches, and
    /// returns how many rows a thread may answer on the side.
    fn warm_up(&self, samples: &RecordBatch) -> Result<usize> {
        let batch = least_time(|| drop(black_box(self.predict(samples))));
        let each = batch / u32::try_from(samples.num_rows().max(1)).unwrap_or(u32::MAX);
        let one = match &self.row_kinds {
            Some(_) => {
                let reader = CellReader::new(samples)?;
                let row: Vec<Value<'_>> = if samples.num_rows() > 0 { reader.row(0).collect() } else { Vec::new() };
                least_time(|| drop(black_box(self.score_row(&row))))
            }
            None => least_time(|| drop(black_box(self.predict(&samples.slice(0, samples.num_rows().min(1)))))),
        };
        if one > Self::INLINE {
            return Ok(0);
        }
        let rows = Self::INLINE.as_nanos() / each.as_nanos().max(1);
        Ok(usize::try_from(rows).unwrap_or(usize::MAX).max(1))
    }

    /// The scores of one row, whose cells are settled for [`Self::row_kinds`].
    ///
    /// # Errors
    /// If the model fails or panics.
    pub(crate) fn score_row(&self, row: &[Value<'_>]) -> Result<Vec<f64>, Failure> {
        let mut scores = vec![0.0; self.signature.num_scores()];
        self.guard(|| {
            let mut scored = |scratch: &mut Scratch| score_row(self.model.as_ref(), row, scratch, &mut scores);
            let done = SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
                Ok(mut scratch) => scored(&mut scratch),
                // A model that asks this service again, on the same thread.
                Err(_) => scored(&mut Scratch::default()),
            })?;
            done.ok_or_else(|| Error::internal("the model had a row path when it was deployed and has none now"))
        })?;
        Ok(scores)
    }

    /// The scores of the rows of a batch.
    ///
    /// # Errors
    /// If the inputs do not fit, or the model fails or panics.
    pub(crate) fn predict(&self, batch: &RecordBatch) -> Result<Vec<f64>, Failure> {
        self.guard(|| self.scores_of(&self.model.predict(batch)?, batch.num_rows()))
    }

    fn scores_of(&self, answer: &RecordBatch, rows: usize) -> Result<Vec<f64>> {
        if answer.num_rows() != rows {
            return Err(Error::internal(format!("the model answered {} rows for {rows}", answer.num_rows())));
        }
        let unlike = |e| Error::internal("the model answered in another form than its signature says").with_source(e);
        Predictions::scores_of(&self.signature, answer).map_err(unlike)
    }

    /// Keeps a panic and a confused model to the request that caused it.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T, Failure> {
        let (outcome, error) = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => match error.kind() {
                ErrorKind::Schema | ErrorKind::Data => return Err(Failure::invalid(error)),
                ErrorKind::Internal | ErrorKind::Unavailable | ErrorKind::Cancelled => (Outcome::Failed, error),
                _ => {
                    let message = format!("model '{}' failed: {}", self.version, error.message());
                    (Outcome::Failed, Error::internal(message).with_source(error))
                }
            },
            Err(panic) => {
                // What a panic leaves in the buffers is of no use.
                SCRATCH.with(|scratch| drop(scratch.try_borrow_mut().map(|mut scratch| *scratch = Scratch::default())));
                let said = panic.downcast_ref::<&str>().copied();
                let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
                tracing::error!(version = %self.version, panic = said, "the model panicked");
                (Outcome::Panicked, Error::internal(format!("model '{}' panicked on this request", self.version)))
            }
        };
        Err(Failure { outcome, error })
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// What the work costs when nothing else is in the way: the least time of some runs, which together
/// take a quarter of a second if one does not take more.
fn least_time(mut work: impl FnMut()) -> Duration {
    const RUNS: usize = 16;
    const ENOUGH: Duration = Duration::from_millis(250);
    let started = Instant::now();
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        let run = Instant::now();
        work();
        least = least.min(run.elapsed());
        if started.elapsed() > ENOUGH {
            break;
        }
    }
    least
}
