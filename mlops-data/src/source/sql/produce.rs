//! A stream of batches from a loop that sends them.

use std::future::ready;

use arrow::array::RecordBatch;
use futures::channel::mpsc::{Sender, channel};
use futures::stream::{once, select};
use futures::{FutureExt, SinkExt, StreamExt};
use mlops_core::{BatchStream, Result};

use super::cell::Rows;

/// Where a loop sends its batches.
pub(super) struct Batches(Sender<Result<RecordBatch>>);

impl Batches {
    /// Hands a batch over once the one before is taken; whether anybody still listens.
    pub(super) async fn send(&mut self, batch: RecordBatch) -> bool {
        self.0.send(Ok(batch)).await.is_ok()
    }

    /// Hands over the rows that are left.
    pub(super) async fn send_last(mut self, mut rows: Rows) -> Result<()> {
        if !rows.is_empty() {
            self.send(rows.take()?).await;
        }
        Ok(())
    }
}

/// What `produce` sends, and the error it may end with. It runs while the stream is polled, owns what
/// it reads from, and is dropped with the stream.
pub(super) fn produced<F>(produce: impl FnOnce(Batches) -> F) -> BatchStream
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (sender, batches) = channel(0);
    let work = produce(Batches(sender)).map(Result::err);
    select(batches, once(work).filter_map(|failed| ready(failed.map(Err)))).boxed()
}
