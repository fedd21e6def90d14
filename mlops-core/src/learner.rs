use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::{
    Accumulator, BatchStream, Cancel, Error, ErrorKind, Result, ResultExt, Run, Table, Transform, fold_stream,
};

/// How a preparation step learns from data in pieces: an [`Accumulator`] that comes to a fitted
/// [`Transform`], and the columns it looks at.
///
/// Steps that give one ([`Transformer::learner`](crate::Transformer::learner)) are fitted together:
/// those of a [`Pipeline`](crate::Pipeline) whose columns do not touch share one pass over the data,
/// which need not fit into memory.
///
/// # Example
/// ```
/// use mlops_core::{Chain, Learner, Table, Run};
/// use std::sync::Arc;
///
/// // A step that has nothing to learn.
/// let learner = Learner::ready(["distance"], Arc::new(Chain::default()));
/// let table = Table::from_batch(arrow::array::record_batch!(("distance", Float64, [1.0]))?);
/// let fitted = learner.fit(&table, &Run::default())?;
/// assert_eq!(fitted.apply(table.to_batch()?)?.num_rows(), 1);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Learner {
    inputs: BTreeSet<String>,
    any_columns: bool,
    cross_fits: bool,
    how: How,
}

#[derive(Clone)]
enum How {
    Known(Arc<dyn Transform>),
    Fold(Arc<dyn Fn() -> Box<dyn Fold> + Send + Sync>),
}

impl fmt::Debug for Learner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Learner").field("inputs", &self.inputs).field("any_columns", &self.any_columns).finish()
    }
}

impl Learner {
    /// Learns about the columns `inputs` by the fold that `start` begins.
    ///
    /// The fitted transform must leave all other columns alone. The fold sees batches with at least
    /// these columns, in any order; it may be begun many times.
    pub fn new<A>(
        inputs: impl IntoIterator<Item = impl Into<String>>,
        start: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self
    where
        A: Accumulator<Output = Arc<dyn Transform>> + 'static,
    {
        let start = move || Box::new(start()) as Box<dyn Fold>;
        Self::with(inputs, How::Fold(Arc::new(start)))
    }

    /// Has nothing to learn: `transform` reads or replaces the columns `inputs` and leaves others alone.
    pub fn ready(inputs: impl IntoIterator<Item = impl Into<String>>, transform: Arc<dyn Transform>) -> Self {
        Self::with(inputs, How::Known(transform))
    }

    fn with(inputs: impl IntoIterator<Item = impl Into<String>>, how: How) -> Self {
        Self { inputs: inputs.into_iter().map(Into::into).collect(), any_columns: false, cross_fits: false, how }
    }

    /// Looks at, or leaves out, whichever columns there are: never fitted in one pass with a step
    /// before or after it.
    #[must_use]
    pub fn with_any_columns(mut self) -> Self {
        self.any_columns = true;
        self
    }

    /// Prepares its training rows differently
    /// ([`learn_transform`](crate::Transformer::learn_transform) is overridden), which takes the whole
    /// table: the fold is for data that does not fit into memory.
    #[must_use]
    pub fn with_cross_fitting(mut self) -> Self {
        self.cross_fits = true;
        self
    }

    /// The columns it looks at.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().map(String::as_str)
    }

    pub(crate) fn takes_any_columns(&self) -> bool {
        self.any_columns
    }

    pub(crate) fn cross_fits(&self) -> bool {
        self.cross_fits
    }

    /// What it comes to, if that takes no data.
    pub(crate) fn known(&self) -> Option<&Arc<dyn Transform>> {
        match &self.how {
            How::Known(transform) => Some(transform),
            How::Fold(_) => None,
        }
    }

    /// Whether its columns are none of those that `others` look at.
    pub(crate) fn is_apart_from(&self, others: &[Self]) -> bool {
        let apart = |other: &Self| !self.any_columns && !other.any_columns && self.inputs.is_disjoint(&other.inputs);
        others.iter().all(apart)
    }

    /// Learns from a table, in one pass on the threads of `run`.
    ///
    /// # Errors
    /// As the fold, and as [`Transform::output_schema`] for the columns of the table; [`ErrorKind::Cancelled`] if told to stop.
    pub fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        let start = || Learning::of(std::slice::from_ref(self), &[], &run.cancel);
        let fitted = only(run.install(|| data.fold(start))??.finish()?)?;
        fitted.output_schema(data.schema())?;
        Ok(fitted)
    }
}

/// Learning from what need not fit into memory.
impl Learner {
    /// Learns from a stream, in one pass and bounded memory, outside of the async threads.
    ///
    /// # Errors
    /// As the stream and the fold; [`ErrorKind::Cancelled`] if told to stop.
    pub async fn fit_stream(&self, stream: BatchStream, run: &Run) -> Result<Arc<dyn Transform>> {
        let learners = [self.clone()];
        let cancel = run.cancel.clone();
        let fitted = fold_stream(stream, run, || Learning::of(&learners, &[], &cancel), Ok).await?.finish()?;
        only(fitted)
    }
}

fn only(fitted: Vec<Arc<dyn Transform>>) -> Result<Arc<dyn Transform>> {
    fitted.into_iter().next().ok_or_else(|| Error::internal("a learner came to nothing"))
}

/// An accumulator of unknown type.
trait Fold: Send {
    fn update(&mut self, batch: &RecordBatch) -> Result<()>;
    fn merge(&mut self, other: Box<dyn Fold>) -> Result<()>;
    fn finish(self: Box<Self>) -> Result<Arc<dyn Transform>>;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<A: Accumulator<Output = Arc<dyn Transform>> + 'static> Fold for A {
    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        Accumulator::update(self, batch)
    }

    fn merge(&mut self, other: Box<dyn Fold>) -> Result<()> {
        match other.into_any().downcast::<A>() {
            Ok(other) => Accumulator::merge(self, *other),
            Err(_) => Err(Error::internal("two folds of one step differ in type")),
        }
    }

    fn finish(self: Box<Self>) -> Result<Arc<dyn Transform>> {
        Accumulator::finish(*self)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Several learners in one pass; errors name the step.
pub(crate) struct Learning {
    folds: Vec<State>,
    places: Vec<String>,
    cancel: Cancel,
}

enum State {
    Known(Arc<dyn Transform>),
    Fold(Box<dyn Fold>),
}

impl Learning {
    pub(crate) fn of(learners: &[Learner], places: &[String], cancel: &Cancel) -> Self {
        let start = |learner: &Learner| match &learner.how {
            How::Known(transform) => State::Known(Arc::clone(transform)),
            How::Fold(start) => State::Fold(start()),
        };
        Self { folds: learners.iter().map(start).collect(), places: places.to_vec(), cancel: cancel.clone() }
    }
}

fn named<T>(result: Result<T>, places: &[String], i: usize) -> Result<T> {
    match places.get(i) {
        Some(place) => result.context("step", place),
        None => result,
    }
}

impl Accumulator for Learning {
    type Output = Vec<Arc<dyn Transform>>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "fitting was cancelled"));
        }
        for (i, fold) in self.folds.iter_mut().enumerate() {
            if let State::Fold(fold) = fold {
                named(fold.update(batch), &self.places, i)?;
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        for (i, (mine, theirs)) in self.folds.iter_mut().zip(other.folds).enumerate() {
            if let (State::Fold(mine), State::Fold(theirs)) = (mine, theirs) {
                named(mine.merge(theirs), &self.places, i)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Arc<dyn Transform>>> {
        let finish = |(i, state)| match state {
            State::Known(transform) => Ok(transform),
            State::Fold(fold) => named(Fold::finish(fold), &self.places, i),
        };
        self.folds.into_iter().enumerate().map(finish).collect()
    }
}
