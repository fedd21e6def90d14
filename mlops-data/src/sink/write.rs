//! From the async stream to the thread that writes.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use mlops_core::{BatchStream, Error, ErrorKind, Result, ResultExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Written;
use super::file::Staged;
use super::format::{Format, Target};
use super::upload::Upload;
use crate::source::background::blocking;
use crate::source::place::Site;

/// Batches that wait for the writer.
const QUEUE: usize = 2;

/// What the writer is told. A channel that closes without `Done` tells it to undo everything.
enum Told {
    Batch(RecordBatch),
    Done,
}

/// What [`Sink::write`](super::Sink::write) does with files.
pub(super) async fn write<F: Format>(format: &F, schema: SchemaRef, mut batches: BatchStream) -> Result<Written> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (writer, name) = (format.clone(), format.place().to_string());
    let writing = blocking(move || write_all(&writer, &schema, receiver));
    let feeding = async move {
        while let Some(batch) = batches.next().await {
            if sender.send(Told::Batch(batch?)).await.is_err() {
                return Ok(());
            }
        }
        // A writer that has stopped says itself why.
        let _ = sender.send(Told::Done).await;
        Ok::<_, Error>(())
    };
    let (written, fed) = futures::future::join(writing, feeding).await;
    fed?;
    written.context("sink", name)
}

fn write_all<F: Format>(format: &F, schema: &SchemaRef, mut told: mpsc::Receiver<Told>) -> Result<Written> {
    let mut encoder = format.begin(schema, target(format)?)?;
    let mut rows = 0;
    loop {
        match told.blocking_recv() {
            Some(Told::Batch(batch)) => {
                if batch.schema_ref().fields() != schema.fields() {
                    return Err(Error::schema("a batch of the stream has other columns than the stream said"));
                }
                encoder.write(&batch)?;
                rows += batch.num_rows() as u64;
            }
            Some(Told::Done) => return Ok(Written { rows, bytes: Some(encoder.finish()?.commit()?) }),
            None => return Err(Error::new(ErrorKind::Cancelled, "the sink was dropped before it was done")),
        }
    }
}

fn target<F: Format>(format: &F) -> Result<Target> {
    match format.place().site()? {
        Site::Local(path) => Ok(Target::local(Staged::begin(&path, format.overwrite())?)),
        Site::Stored(store, path) => {
            Ok(Target::stored(Upload::begin(store, &path, format.overwrite(), Handle::current())?))
        }
    }
}
