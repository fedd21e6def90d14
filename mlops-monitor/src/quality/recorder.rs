use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use mlops_core::{InferenceRecord, Tap};

/// Hands every answered request to monitors, without making the request wait: a record that finds
/// the channel full is dropped and counted.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use mlops_core::{InferenceRecord, Route, Tap};
/// use mlops_monitor::Recorder;
///
/// let (recorder, records) = Recorder::new(1);
/// let inputs = arrow::array::record_batch!(("km", Float64, [3.0]))?;
/// for id in ["a", "b"] {
///     let version = Arc::new("taxi:1".parse()?);
///     recorder.record(InferenceRecord::new(Some(id.into()), version, Route::Primary, inputs.clone(), vec![7.5]));
/// }
/// assert_eq!(records.drain().map(|record| record.id.unwrap()).collect::<Vec<_>>(), ["a"]);
/// assert_eq!(recorder.dropped(), 1);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recorder {
    sender: SyncSender<InferenceRecord>,
    dropped: Arc<AtomicU64>,
}

/// Where the records of a [`Recorder`] come out.
#[derive(Debug)]
pub struct Records {
    receiver: Receiver<InferenceRecord>,
    dropped: Arc<AtomicU64>,
}

impl Recorder {
    /// A recorder, and where its records come out; at most `capacity` wait there (at least one).
    pub fn new(capacity: usize) -> (Self, Records) {
        let (sender, receiver) = sync_channel(capacity.max(1));
        let dropped = Arc::new(AtomicU64::new(0));
        (Self { sender, dropped: Arc::clone(&dropped) }, Records { receiver, dropped })
    }

    /// How many records were dropped, because nobody took the earlier ones in time.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Tap for Recorder {
    fn record(&self, record: InferenceRecord) {
        if self.sender.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Records {
    /// The records that have come by now, oldest first; does not wait.
    pub fn drain(&self) -> impl Iterator<Item = InferenceRecord> {
        self.receiver.try_iter()
    }

    /// The next record; waits for it at most `timeout`. `None` if none came, or every recorder is
    /// gone.
    pub fn next(&self, timeout: Duration) -> Option<InferenceRecord> {
        self.receiver.recv_timeout(timeout).ok()
    }

    /// How many records were dropped, because nobody took the earlier ones in time.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
