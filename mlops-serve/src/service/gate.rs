use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mlops_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

/// Lets in as many requests as the service is made for, and turns the rest away at once.
#[derive(Debug)]
pub(crate) struct Gate {
    inside: AtomicUsize,
    limit: usize,
    /// How many requests may compute away from the thread that asked; the others wait their turn.
    pub(crate) workers: Semaphore,
}

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Gate>);

impl Gate {
    pub(crate) fn new(limit: usize) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { inside: AtomicUsize::new(0), limit, workers: Semaphore::new(workers) }
    }

    /// # Errors
    /// [`ErrorKind::Unavailable`] if there is no room.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Pass> {
        let pass = Pass(Arc::clone(self));
        // The count goes up first, so that two can't take the last place; the pass takes it back.
        if self.inside.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Ok(pass);
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("{} requests are under way, as many as this service takes: try again soon", self.limit),
        ))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_room_for_its_limit_and_again_when_one_leaves() {
        let gate = Arc::new(Gate::new(2));
        let first = gate.enter().unwrap();
        let _second = gate.enter().unwrap();
        let error = gate.enter().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_retryable());
        drop(first);
        assert!(gate.enter().is_ok());
    }
}
