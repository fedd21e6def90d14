use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::channel::oneshot;
use futures::{StreamExt, TryStreamExt};
use rayon::prelude::*;

use crate::{Accumulator, BatchStream, Error, ErrorKind, Result, Run};

/// So many partial results of a fold are alive, and so many batches in memory.
const PARTS: usize = 8;

/// Folds a stream into an accumulator on the threads of `run`: one pass in bounded memory.
///
/// Batches are dealt to 8 parts in turn, which are merged in order, so the outcome does not depend on
/// the number of threads. Computes outside of the async threads.
///
/// # Errors
/// The first error of the stream, an update or a merge;
/// [`ErrorKind::Cancelled`] if told to stop.
///
/// # Example
/// ```
/// use futures::{FutureExt, StreamExt, stream};
/// use mlops_core::{Accumulator, Result, Run, fold_stream};
/// use arrow::array::RecordBatch;
///
/// struct Rows(usize);
///
/// impl Accumulator for Rows {
///     type Output = usize;
///     fn update(&mut self, batch: &RecordBatch) -> Result<()> {
///         self.0 += batch.num_rows();
///         Ok(())
///     }
///     fn merge(&mut self, other: Self) -> Result<()> {
///         self.0 += other.0;
///         Ok(())
///     }
///     fn finish(self) -> Result<usize> {
///         Ok(self.0)
///     }
/// }
///
/// let batch = arrow::array::record_batch!(("n", Int64, [1, 2, 3]))?;
/// let batches = stream::iter([Ok(batch.clone()), Ok(batch)]).boxed();
/// let rows = futures::executor::block_on(fold_stream(batches, &Run::default(), || Rows(0)))?;
/// assert_eq!(rows.finish()?, 6);
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub async fn fold_stream<A: Accumulator + 'static>(stream: BatchStream, run: &Run, new: impl Fn() -> A) -> Result<A> {
    let workers = Workers::of(run)?;
    let mut parts: Vec<A> = (0..PARTS).map(|_| new()).collect();
    let mut waves = stream.try_ready_chunks(PARTS).map_err(|error| error.1);
    let mut turn = 0;
    while let Some(batches) = waves.next().await.transpose()? {
        run.check()?;
        // Each batch goes to the part whose turn it is, however many came at once.
        parts.rotate_left(turn % PARTS);
        let taken = batches.len();
        parts = workers
            .run(move || {
                let work = parts.par_iter_mut().zip(batches);
                work.try_for_each(|(part, batch)| part.update(&batch))?;
                Ok(parts)
            })
            .await?;
        parts.rotate_right(turn % PARTS);
        turn += taken;
    }
    let merge = move || {
        let mut parts = parts.into_iter();
        let mut whole = parts.next().ok_or_else(|| Error::internal("a fold without parts"))?;
        parts.try_for_each(|part| whole.merge(part))?;
        Ok(whole)
    };
    workers.run(merge).await
}

/// Changes every batch of a stream on the threads of `run`; the order stays. At most 8 batches are
/// under way, and dropping the stream stops the work.
///
/// # Errors
/// If the threads can't be started; the stream ends with the first error of `change`.
pub fn map_stream(
    stream: BatchStream,
    run: &Run,
    change: impl Fn(RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
) -> Result<BatchStream> {
    let workers = Workers::of(run)?;
    let cancel = run.cancel.clone();
    let change = Arc::new(change);
    let changed = stream.map(move |batch| {
        let (workers, change, cancel) = (workers.clone(), Arc::clone(&change), cancel.clone());
        async move {
            if cancel.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "the work on a stream was cancelled"));
            }
            let batch = batch?;
            workers.run(move || change(batch)).await
        }
    });
    let mut failed = false;
    let changed = changed.buffered(PARTS).take_while(move |batch| {
        let ended = failed;
        failed |= batch.is_err();
        futures::future::ready(!ended)
    });
    Ok(changed.boxed())
}

/// The threads that compute: those of a run, or the global pool.
#[derive(Clone)]
struct Workers(Option<Arc<rayon::ThreadPool>>);

impl Workers {
    fn of(run: &Run) -> Result<Self> {
        Ok(Self(run.pool()?.map(Arc::new)))
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        let work = move || {
            // A panic that left a worker would end the process.
            let done = catch_unwind(AssertUnwindSafe(work));
            let done = done.unwrap_or_else(|_| Err(Error::internal("a computation on a stream panicked")));
            // Nobody waits for the result if the stream was dropped.
            drop(sender.send(done));
        };
        match &self.0 {
            Some(pool) => pool.spawn(work),
            None => rayon::spawn(work),
        }
        receiver.await.map_err(|_| Error::internal("a worker thread went away"))?
    }
}
