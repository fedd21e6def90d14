use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;

use crate::columns::to_matrix;
use crate::{Artifact, Error, ErrorKind, Recipe, Result, Signature, Table, Value};

/// The recipe of a model: plain data, without state. [`fit`](Self::fit) learns and gives a
/// [`Model`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a recipe that can be trained",
    note = "implement `Named` and derive `Serialize` for its settings, then implement `Trainer`"
)]
pub trait Trainer: Recipe {
    /// Learns the target of `data` from its features ([`Table::features`], [`Table::target`]),
    /// each row counting by the weight column if there is one and the algorithm can.
    ///
    /// The same `data` and [`Run::seed`] give the same model, for any number of threads.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] for a feature that is not numeric, [`ErrorKind::Data`] for values the
    /// algorithm can't take, [`ErrorKind::Cancelled`] if told to stop.
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>>;
}

#[deny(clippy::missing_trait_methods)]
impl Recipe for Box<dyn Trainer> {
    fn kind(&self) -> &'static str {
        self.as_ref().kind()
    }

    fn settings(&self) -> Result<serde_json::Value> {
        self.as_ref().settings()
    }

    fn to_spec(&self) -> Result<crate::Spec> {
        self.as_ref().to_spec()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Trainer for Box<dyn Trainer> {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        self.as_ref().fit(data, run)
    }
}

/// How a [`Trainer`] or a [`Transformer`](crate::Transformer) is to work.
///
/// # Example
/// ```
/// use mlops_core::Run;
///
/// let run = Run::default().with_seed(7);
/// let sum: u64 = run.install(|| 1 + 1)?;
/// assert_eq!(sum, 2);
/// run.cancel.cancel();
/// assert!(run.check().is_err());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Run {
    /// Where all randomness comes from.
    pub seed: u64,
    /// At most so many threads; all cores if `None`.
    pub threads: Option<NonZeroUsize>,
    /// Tells the work to stop.
    pub cancel: Cancel,
}

impl Run {
    /// With another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With at most `threads` threads.
    #[must_use]
    pub fn with_threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Stopped by `cancel`.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Runs parallel work on the threads of this run.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the threads can't be started.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        Ok(match self.pool()? {
            Some(pool) => pool.install(work),
            None => work(),
        })
    }

    /// Its own threads, if it asks for some.
    pub(crate) fn pool(&self) -> Result<Option<rayon::ThreadPool>> {
        let Some(threads) = self.threads else { return Ok(None) };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build();
        pool.map(Some).map_err(|e| {
            Error::new(ErrorKind::Unavailable, format!("{threads} threads could not be started")).with_source(e)
        })
    }

    /// Stops the work, if it was cancelled; call it often.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] if it was.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the work was cancelled"));
        }
        Ok(())
    }
}

/// A switch that tells long work to stop; clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    told: Arc<AtomicBool>,
    parent: Option<Arc<Self>>,
}

impl Cancel {
    /// A switch for a part of the work: this one stops it too, but it does not stop this one.
    ///
    /// ```
    /// use mlops_core::Cancel;
    ///
    /// let whole = Cancel::default();
    /// let part = whole.child();
    /// part.cancel();
    /// assert!(!whole.is_cancelled());
    /// whole.cancel();
    /// assert!(whole.child().is_cancelled());
    /// ```
    #[must_use]
    pub fn child(&self) -> Self {
        Self { told: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    /// Tells the work to stop.
    pub fn cancel(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to stop.
    pub fn is_cancelled(&self) -> bool {
        self.told.load(Ordering::Relaxed) || self.parent.as_ref().is_some_and(|parent| parent.is_cancelled())
    }
}

/// A fitted model: rows in, answers out.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a fitted model")]
pub trait Model: Debug + Send + Sync + 'static {
    /// What it takes and what it answers.
    fn signature(&self) -> &Signature;

    /// The answers for the rows of `batch`, row by row: the columns of
    /// [`Signature::output_schema`]. Columns are found by name; others are ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] or [`ErrorKind::Data`] as [`Signature::check`] does.
    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch>;

    /// The model over plain rows of numbers, if all inputs are numeric.
    fn dense(&self) -> Option<&dyn Dense>;

    /// The model over rows of cells, if its whole graph can work row by row.
    fn row(&self) -> Option<&dyn RowModel>;

    /// What each input counts for, as the algorithm itself sees it; `None` if it has no such number
    /// (feature selection then has to ask otherwise).
    ///
    /// A list for each output, with one number an input in the order of the signature: the
    /// coefficients of a linear model, with their sign (one list for a quantity or two classes, one
    /// a class for more), or one list of shares that sum to 1, as a forest has them. A model behind
    /// preparation gives its numbers only if the inputs keep their names (scaled, imputed).
    fn importances(&self) -> Option<Vec<Vec<f64>>> {
        None
    }

    /// Writes it down.
    ///
    /// # Errors
    /// If the state can't be written.
    fn save(&self) -> Result<Artifact>;
}

/// A model that can go on learning, without the rows it has learned from: what it knows are sums.
///
/// The signature stays what it is, but for the rows it was fitted on; so a class that the first rows did
/// not have is refused.
pub trait Incremental: Model {
    /// Learns the rows of `data` too, each counting by the weight column if there is one; equal, up to
    /// rounding, to fitting on all rows at once. Nothing is learned if it fails.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`ErrorKind::Data`] for a class that is none of the signature.
    fn partial_fit(&mut self, data: &Table, run: &Run) -> Result<()>;
}

/// A model over rows of `f64`, in the order of its signature; null is NaN.
///
/// # Errors and panics
/// `score_row` trusts the lengths: `row` has one number an input, `scores` one a score. It does not
/// allocate.
pub trait Dense: Debug + Send + Sync {
    /// Writes the scores of one row.
    fn score_row(&self, row: &[f64], scores: &mut [f64]);
}

/// A model over rows of [`Value`]s, in the order of its signature; call it through [`score_row`],
/// which checks the row.
pub trait RowModel: Debug + Send + Sync {
    /// Writes the scores of one row; equal to the batch path, and without allocations once
    /// `scratch` has grown.
    ///
    /// # Errors
    /// As [`Model::predict`].
    fn score_row(&self, row: &[Value<'_>], scratch: &mut Scratch, scores: &mut [f64]) -> Result<()>;
}

/// Buffers that a [`RowModel`] reuses from call to call; one a thread.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) from: Vec<Value<'static>>,
    pub(crate) to: Vec<Value<'static>>,
    numbers: Vec<f64>,
    inner: Option<Box<Self>>,
}

impl Scratch {
    /// The buffers of the model inside of this one, which does not disturb those of this one. The
    /// first call allocates them.
    pub fn inner(&mut self) -> &mut Self {
        self.inner.get_or_insert_default()
    }

    /// A buffer for cells of another lifetime: an empty vector is collected in place, so the
    /// allocation stays.
    pub(crate) fn relabel<'a>(mut cells: Vec<Value<'_>>) -> Vec<Value<'a>> {
        cells.clear();
        cells.into_iter().map(|_| Value::Null).collect()
    }
}

/// The scores of one row by the cheapest path the model has; `None` if it only takes batches.
///
/// # Errors
/// As [`Model::predict`]; [`ErrorKind::Schema`] if `row` does not have one cell an input, or `scores`
/// not [`Signature::num_scores`] places.
pub fn score_row(
    model: &dyn Model,
    row: &[Value<'_>],
    scratch: &mut Scratch,
    scores: &mut [f64],
) -> Result<Option<()>> {
    let signature = model.signature();
    if let Some(model) = model.row() {
        signature.check_row(row, scores)?;
        model.score_row(row, scratch, scores)?;
    } else if let Some(model) = model.dense() {
        signature.check_row(row, scores)?;
        scratch.numbers.clear();
        scratch.numbers.extend(row.iter().map(|value| value.to_f64()));
        model.score_row(&scratch.numbers, scores);
    } else {
        return Ok(None);
    }
    signature.check_scores(scores)?;
    Ok(Some(()))
}

/// The batch path of a model that is [`Dense`]: checks the batch, scores it row by row on all
/// cores, and makes the answer.
///
/// # Errors
/// As [`Model::predict`].
pub fn predict_dense(signature: &Signature, model: &dyn Dense, batch: &RecordBatch) -> Result<RecordBatch> {
    use rayon::prelude::*;
    const ROWS_A_TASK: usize = 512;
    let batch = signature.check(batch)?;
    let (inputs, outputs) = (signature.inputs.len(), signature.width()?);
    let matrix = to_matrix(&batch, &signature.input_names())?;
    let mut scores = vec![0.0; batch.num_rows() * outputs];
    let score = |(task, scores): (usize, &mut [f64])| {
        for (row, scores) in (task * ROWS_A_TASK..).zip(scores.chunks_exact_mut(outputs)) {
            model.score_row(&matrix[row * inputs..][..inputs], scores);
        }
    };
    if batch.num_rows() <= ROWS_A_TASK {
        score((0, scores.as_mut_slice()));
    } else {
        scores.par_chunks_mut(outputs * ROWS_A_TASK).enumerate().for_each(score);
    }
    signature.answer(scores)
}
