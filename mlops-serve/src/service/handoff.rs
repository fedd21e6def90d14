use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use mlops_core::{Error, ErrorKind, Result};
use tokio::sync::watch;

/// A bounded queue with a thread of its own behind it: handing over never waits.
#[derive(Debug)]
pub(crate) struct Handoff<T> {
    queue: SyncSender<T>,
    accepted: AtomicU64,
    dropped: AtomicU64,
    done: watch::Receiver<u64>,
}

impl<T: Send + 'static> Handoff<T> {
    /// Starts the thread, which lives until the handoff is dropped and the queue is empty.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the system gives no thread.
    pub(crate) fn start(name: &str, capacity: usize, work: impl FnMut(T) + Send + 'static) -> Result<Self> {
        let (queue, items) = sync_channel(capacity.max(1));
        let (progress, done) = watch::channel(0);
        let body = || drain(items, work, progress);
        thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|e| {
            Error::new(ErrorKind::Unavailable, format!("no thread for '{name}': raise the limit of threads"))
                .with_source(e)
        })?;
        Ok(Self { queue, accepted: AtomicU64::new(0), dropped: AtomicU64::new(0), done })
    }

    /// Hands over, or drops the item and counts it if the queue is full.
    pub(crate) fn offer(&self, item: T) -> bool {
        let accepted = self.queue.try_send(item).is_ok();
        let count = if accepted { &self.accepted } else { &self.dropped };
        count.fetch_add(1, Ordering::Release);
        accepted
    }

    /// How many items were handed over.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// How many items were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Acquire)
    }

    /// Waits until everything that has been handed over is done.
    pub(crate) async fn settle(&self) {
        let target = self.accepted();
        // The thread only ends when this handoff is gone, so there is no error to meet.
        let _ = self.done.clone().wait_for(|done| *done >= target).await;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the thread owns its end of both channels")]
fn drain<T>(items: Receiver<T>, mut work: impl FnMut(T), progress: watch::Sender<u64>) {
    for item in &items {
        if catch_unwind(AssertUnwindSafe(|| work(item))).is_err() {
            let thread = thread::current();
            tracing::error!(thread = thread.name(), "panicked on a record; going on with the next");
        }
        progress.send_modify(|done| *done += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn never_waits_and_counts_what_it_drops() {
        let (release, gate) = channel::<()>();
        let handoff = Handoff::start("test", 2, move |()| _ = gate.recv()).unwrap();
        let accepted = (0..10).filter(|_| handoff.offer(())).count() as u64;
        assert!((2..=3).contains(&accepted), "two wait and one may be under way: {accepted}");
        assert_eq!((handoff.accepted(), handoff.dropped()), (accepted, 10 - accepted));
        drop(release);
        futures::executor::block_on(handoff.settle());
    }

    #[test]
    fn survives_a_panic() {
        let (sender, receiver) = channel();
        let work = move |n: i32| {
            assert_ne!(n, 1, "as the test wants it");
            sender.send(n).unwrap();
        };
        let handoff = Handoff::start("test", 8, work).unwrap();
        for n in 0..3 {
            assert!(handoff.offer(n));
        }
        futures::executor::block_on(handoff.settle());
        drop(handoff);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [0, 2]);
    }
}
