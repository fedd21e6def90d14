use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::{
    Accumulator, Cancel, DataSource, Error, ErrorKind, Result, ResultExt, Run, Scan, Table, Transform, fold_stream,
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
    dictionaries: bool,
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
        Self::of_fold(inputs, move || Box::new(start()))
    }

    /// Learns by the fold that `start` begins, which after a pass may ask for another one with what it
    /// gathered: [`Learned::Again`]. Otherwise as [`new`](Self::new).
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Accumulator, Chain, Learned, Learner, Result, Run, Table};
    /// use arrow::array::RecordBatch;
    /// use std::sync::Arc;
    ///
    /// /// Looks at the rows twice.
    /// #[derive(Clone)]
    /// struct Twice(u32);
    ///
    /// impl Accumulator for Twice {
    ///     type Output = Learned;
    ///     fn update(&mut self, _: &RecordBatch) -> Result<()> {
    ///         Ok(())
    ///     }
    ///     fn merge(&mut self, _: Self) -> Result<()> {
    ///         Ok(())
    ///     }
    ///     fn finish(self) -> Result<Learned> {
    ///         Ok(match self {
    ///             Self(1) => Learned::Again(Learner::in_passes(["distance"], || Self(2))),
    ///             _ => Learned::Done(Arc::new(Chain::default())),
    ///         })
    ///     }
    /// }
    ///
    /// let table = Table::from_batch(arrow::array::record_batch!(("distance", Float64, [1.0]))?);
    /// let fitted = Learner::in_passes(["distance"], || Twice(1)).fit(&table, &Run::default())?;
    /// assert_eq!(fitted.apply(table.to_batch()?)?.num_rows(), 1);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    pub fn in_passes<A>(
        inputs: impl IntoIterator<Item = impl Into<String>>,
        start: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self
    where
        A: Accumulator<Output = Learned> + 'static,
    {
        Self::of_fold(inputs, move || Box::new(InPasses(start())))
    }

    pub(crate) fn of_fold(
        inputs: impl IntoIterator<Item = impl Into<String>>,
        start: impl Fn() -> Box<dyn Fold> + Send + Sync + 'static,
    ) -> Self {
        Self::with(inputs, How::Fold(Arc::new(start)))
    }

    /// Has nothing to learn: `transform` reads or replaces the columns `inputs` and leaves others alone.
    pub fn ready(inputs: impl IntoIterator<Item = impl Into<String>>, transform: Arc<dyn Transform>) -> Self {
        Self::with(inputs, How::Known(transform))
    }

    fn with(inputs: impl IntoIterator<Item = impl Into<String>>, how: How) -> Self {
        let inputs = inputs.into_iter().map(Into::into).collect();
        Self { inputs, any_columns: false, cross_fits: false, dictionaries: false, how }
    }

    /// Chooses its columns by looking at the schema, or leaves out columns that it does not look at:
    /// never fitted in one pass with a step before or after it.
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

    /// Takes a column of `Utf8` as dictionaries, too, in all batches or in some
    /// ([`Scan::with_dictionaries`]): the fold comes to the same for less.
    #[must_use]
    pub fn with_dictionaries(mut self) -> Self {
        self.dictionaries = true;
        self
    }

    /// The columns it looks at.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().map(String::as_str)
    }

    pub(crate) fn takes_any_columns(&self) -> bool {
        self.any_columns
    }

    /// Whether it takes texts as dictionaries, too.
    pub(crate) fn takes_dictionaries(&self) -> bool {
        self.dictionaries || self.known().is_some()
    }

    /// Whether the training rows are prepared differently, which takes the whole table.
    pub fn cross_fits(&self) -> bool {
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

    /// Several learners in the same passes, whose transforms `combine` makes into one. Each looks at
    /// the same rows: none sees what another one makes of them.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Chain, Learner, Run, Table};
    /// use std::sync::Arc;
    ///
    /// let ready = || Learner::ready(["distance"], Arc::new(Chain::default()));
    /// let joined = Learner::join([ready(), ready()], |transforms| Ok(Arc::new(Chain::new(transforms))));
    /// let table = Table::from_batch(arrow::array::record_batch!(("distance", Float64, [1.0]))?);
    /// let fitted = joined.fit(&table, &Run::default())?;
    /// assert_eq!(fitted.apply(table.to_batch()?)?, table.to_batch()?);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    pub fn join(
        learners: impl IntoIterator<Item = Self>,
        combine: impl Fn(Vec<Arc<dyn Transform>>) -> Result<Arc<dyn Transform>> + Send + Sync + 'static,
    ) -> Self {
        Self::joined(learners.into_iter().collect(), Arc::new(combine))
    }

    fn joined(learners: Vec<Self>, combine: Combine) -> Self {
        let inputs: Vec<String> = learners.iter().flat_map(Self::inputs).map(str::to_owned).collect();
        let any_columns = learners.iter().any(|learner| learner.any_columns);
        let cross_fits = learners.iter().any(|learner| learner.cross_fits);
        let dictionaries = learners.iter().all(Self::takes_dictionaries);
        let joined = Self::of_fold(inputs, move || {
            let learning = Learning::of(&learners, &[], &Cancel::default());
            Box::new(Joined { learning, combine: Arc::clone(&combine) })
        });
        Self { any_columns, cross_fits, dictionaries, ..joined }
    }

    /// Learns from a table on the threads of `run`, in one pass, or several where what is learned in
    /// one prepares the rows of the next.
    ///
    /// # Errors
    /// As the fold, and as [`Transform::output_schema`] for the columns of the table;
    /// [`ErrorKind::Cancelled`] if told to stop.
    pub fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        let mut learner = self.clone();
        let fitted = loop {
            let start = || Learning::of(std::slice::from_ref(&learner), &[], &run.cancel);
            match only(run.install(|| data.fold(start))??.finish()?)? {
                Learned::Done(fitted) => break fitted,
                Learned::Again(next) => learner = next,
            }
        };
        fitted.output_schema(data.schema())?;
        Ok(fitted)
    }

    /// Learns from a source, whose data need not fit into memory, reading the columns it looks at: in
    /// as many passes as [`fit`](Self::fit), outside of the async threads.
    ///
    /// # Errors
    /// As [`fit`](Self::fit) and [`DataSource::scan`].
    pub async fn fit_source(&self, source: &dyn DataSource, run: &Run) -> Result<Arc<dyn Transform>> {
        let schema = source.schema().await?;
        let mut learner = self.clone();
        let fitted = loop {
            let names = schema.fields().iter().map(|field| field.name());
            let columns = names.filter(|name| learner.inputs.contains(*name));
            let scan = Scan::all().with_columns(columns).with_batch_size(FITTED_AT_ONCE);
            let scan = if learner.dictionaries { scan.with_dictionaries() } else { scan };
            let learned = match learner.known() {
                Some(known) => Learned::Done(Arc::clone(known)),
                None => {
                    let learners = [learner.clone()];
                    let start = || Learning::of(&learners, &[], &run.cancel);
                    only(fold_stream(source.scan(scan).await?, run, start).await?.finish()?)?
                }
            };
            match learned {
                Learned::Done(fitted) => break fitted,
                Learned::Again(next) => learner = next,
            }
        };
        fitted.output_schema(&schema)?;
        Ok(fitted)
    }
}

/// Rows in a batch of a source that is fitted on: enough of them that what a part of the fold keeps is
/// fetched into the caches but rarely.
const FITTED_AT_ONCE: usize = 1 << 15;

fn only<T>(learned: Vec<T>) -> Result<T> {
    learned.into_iter().next().ok_or_else(|| Error::internal("a learner came to nothing"))
}

/// What a pass over the data comes to.
#[derive(Clone, Debug)]
pub enum Learned {
    /// Another pass is needed, by this learner; it may look at fewer columns.
    Again(Learner),
    /// Nothing more is to be learned.
    Done(Arc<dyn Transform>),
}

/// The transforms if all are done, or else the learners of another pass.
pub(crate) fn settle(learned: Vec<Learned>) -> Result<Vec<Arc<dyn Transform>>, Vec<Learner>> {
    let done = learned.iter().map(|learned| match learned {
        Learned::Done(transform) => Some(Arc::clone(transform)),
        Learned::Again(_) => None,
    });
    if let Some(done) = done.collect() {
        return Ok(done);
    }
    let again = learned.into_iter().map(|learned| match learned {
        Learned::Done(transform) => Learner::ready([] as [&str; 0], transform),
        Learned::Again(learner) => learner,
    });
    Err(again.collect())
}

type Combine = Arc<dyn Fn(Vec<Arc<dyn Transform>>) -> Result<Arc<dyn Transform>> + Send + Sync>;

struct Joined {
    learning: Learning,
    combine: Combine,
}

impl Fold for Joined {
    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        self.learning.update(batch)
    }

    fn merge(&mut self, other: Box<dyn Fold>) -> Result<()> {
        self.learning.merge(same::<Self>(other)?.learning)
    }

    fn finish(self: Box<Self>) -> Result<Learned> {
        Ok(match settle(self.learning.finish()?) {
            Ok(transforms) => Learned::Done((self.combine)(transforms)?),
            Err(learners) => Learned::Again(Learner::joined(learners, self.combine)),
        })
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// An accumulator of unknown type.
pub(crate) trait Fold: Send {
    fn update(&mut self, batch: &RecordBatch) -> Result<()>;
    fn merge(&mut self, other: Box<dyn Fold>) -> Result<()>;
    fn finish(self: Box<Self>) -> Result<Learned>;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// The other part of a fold as what it is.
pub(crate) fn same<F: 'static>(other: Box<dyn Fold>) -> Result<F> {
    let other = other.into_any().downcast::<F>();
    other.map(|other| *other).map_err(|_| Error::internal("two folds of one step differ in type"))
}

impl<A: Accumulator<Output = Arc<dyn Transform>> + 'static> Fold for A {
    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        Accumulator::update(self, batch)
    }

    fn merge(&mut self, other: Box<dyn Fold>) -> Result<()> {
        Accumulator::merge(self, same::<A>(other)?)
    }

    fn finish(self: Box<Self>) -> Result<Learned> {
        Ok(Learned::Done(Accumulator::finish(*self)?))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// A fold that may ask for another pass.
struct InPasses<A>(A);

impl<A: Accumulator<Output = Learned> + 'static> Fold for InPasses<A> {
    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.update(batch)
    }

    fn merge(&mut self, other: Box<dyn Fold>) -> Result<()> {
        self.0.merge(same::<Self>(other)?.0)
    }

    fn finish(self: Box<Self>) -> Result<Learned> {
        self.0.finish()
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
    type Output = Vec<Learned>;

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

    fn finish(self) -> Result<Vec<Learned>> {
        let finish = |(i, state)| match state {
            State::Known(transform) => Ok(Learned::Done(transform)),
            State::Fold(fold) => named(Fold::finish(fold), &self.places, i),
        };
        self.folds.into_iter().enumerate().map(finish).collect()
    }
}
