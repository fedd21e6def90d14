//! Blocking work off the async threads.

use std::future::ready;
use std::pin::pin;

use arrow::datatypes::Schema;
use futures::StreamExt;
use futures::executor::block_on;
use futures::future::{Either, select};
use futures::stream::unfold;
use mlops_core::{BatchStream, Error, ErrorKind, Result, ResultExt, Scan};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

/// Batches that wait for the reader of a stream, besides the one being made.
const QUEUE: usize = 2;

/// Runs `work` where it may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    runtime()?.spawn_blocking(work).await.map_err(lost)?
}

/// Makes `batches`, which have `schema`, and does all of `scan` to them, on a thread that may block.
/// Dropping the stream that is returned stops the thread before its next batch.
pub(crate) fn in_background(name: &str, schema: &Schema, scan: &Scan, batches: BatchStream) -> Result<BatchStream> {
    let runtime = runtime()?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    // A scan that keeps no row sends nothing, so whether anybody still listens is asked by batch.
    let probe = sender.clone();
    let batches = batches.take_while(move |_| ready(!probe.is_closed())).boxed();
    let applied = scan.apply(schema, batches).context("source", name)?;
    let work = runtime.spawn_blocking(move || block_on(send_all(applied, sender)));
    Ok(unfold((receiver, Some(work)), next).boxed())
}

async fn send_all(mut batches: BatchStream, sender: mpsc::Sender<Result<arrow::array::RecordBatch>>) {
    while let Either::Left((Some(batch), _)) = select(batches.next(), pin!(sender.closed())).await {
        let failed = batch.is_err();
        if sender.send(batch).await.is_err() || failed {
            break;
        }
    }
}

type Receiving = (mpsc::Receiver<Result<arrow::array::RecordBatch>>, Option<JoinHandle<()>>);

/// The next batch; after the last one, whether the thread came to its end.
async fn next((mut receiver, mut work): Receiving) -> Option<(Result<arrow::array::RecordBatch>, Receiving)> {
    if let Some(batch) = receiver.recv().await {
        return Some((batch, (receiver, work)));
    }
    let error = work.take()?.await.err()?;
    Some((Err(lost(error)), (receiver, work)))
}

fn runtime() -> Result<Handle> {
    Handle::try_current().map_err(|e| {
        Error::config("a source reads on the threads of a tokio runtime, and there is none: await it in one, such as under `#[tokio::main]`")
            .with_source(e)
    })
}

fn lost(error: JoinError) -> Error {
    if error.is_cancelled() {
        return Error::new(ErrorKind::Cancelled, "the runtime was shut down while data were read");
    }
    Error::internal("the thread that reads data panicked: please report this").with_source(error)
}
