use std::sync::Arc;
use std::time::Duration;

use mlops_core::{Result, Tap};

use super::InferenceService;
use super::observe::Observers;

/// How an [`InferenceService`] is to work.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use mlops_serve::InferenceService;
///
/// let service = InferenceService::builder()
///     .with_max_in_flight(64)
///     .with_timeout(Duration::from_secs(2))
///     .build()?;
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceBuilder {
    /// Who sees the answered requests.
    pub taps: Vec<Arc<dyn Tap>>,
    /// So many records may wait for each tap, and so many copies of requests for the shadows; what
    /// comes on top is dropped and counted. A record holds the rows of its request.
    pub queue: usize,
    /// So many requests may be under way at once, computing or waiting for a processor; what comes
    /// on top is turned away with [`ErrorKind::Unavailable`](mlops_core::ErrorKind::Unavailable).
    pub max_in_flight: usize,
    /// A request that is not answered by then is given up.
    pub timeout: Duration,
}

impl Default for ServiceBuilder {
    fn default() -> Self {
        Self { taps: Vec::new(), queue: 4096, max_in_flight: 1024, timeout: Duration::from_secs(30) }
    }
}

impl ServiceBuilder {
    /// With one more tap. Each has a thread and a queue of its own, so a slow one only loses its own
    /// records, and a panic in one is logged and forgotten.
    #[must_use]
    pub fn with_tap(mut self, tap: Arc<dyn Tap>) -> Self {
        self.taps.push(tap);
        self
    }

    /// With room for so many records before each tap.
    #[must_use]
    pub fn with_queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// With at most so many requests under way.
    #[must_use]
    pub fn with_max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.max_in_flight = max_in_flight;
        self
    }

    /// With another time limit for a request.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The service, without models.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](mlops_core::ErrorKind::Unavailable) if the system gives no threads
    /// for the taps.
    pub fn build(self) -> Result<InferenceService> {
        let observers = Observers::start(&self.taps, self.queue)?;
        Ok(InferenceService::start(self, observers))
    }
}
