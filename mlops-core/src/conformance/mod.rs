//! What every implementation of a trait must do, as named trials: run by `mlops` for each of its
//! own implementations, and ready for yours.
//!
//! A suite gives a list of [`Trial`]s. Run them all with [`run_all`], or hand them to a test runner
//! one by one, so that each shows under its own name.
//!
//! The suites grow with `mlops`: a new version may ask more of an implementation.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;
use futures::future::BoxFuture;

mod drift;
mod explain;
mod linear;
mod registry;
mod serve;
mod service;
mod source;
mod track;
mod train;
mod transform;

pub use drift::*;
pub use explain::*;
pub use linear::LinearModel;
pub use registry::*;
pub use serve::*;
pub use service::{service, skip};
pub use source::*;
pub use track::*;
pub use train::*;
pub use transform::*;

/// One thing that an implementation must do; running it panics if it does not.
pub struct Trial {
    name: String,
    run: Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>,
}

impl Trial {
    /// A trial that computes.
    pub fn new(name: impl Into<String>, run: impl FnOnce() + Send + 'static) -> Self {
        Self::of_future(name, move || async move { run() })
    }

    /// A trial that waits for I/O.
    pub fn of_future<F: Future<Output = ()> + Send + 'static>(
        name: impl Into<String>,
        run: impl FnOnce() -> F + Send + 'static,
    ) -> Self {
        Self { name: name.into(), run: Box::new(move || run().boxed()) }
    }

    /// Its name: the subject, two colons, and what it must do.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs it.
    ///
    /// # Panics
    /// If the implementation does not do what it must; the message says what it did instead.
    pub async fn run(self) {
        (self.run)().await;
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trial").field(&self.name).finish()
    }
}

/// Runs every trial with `block_on` (an async runtime's), and names all that failed.
///
/// # Panics
/// If a trial failed.
pub fn run_all(trials: Vec<Trial>, block_on: impl Fn(BoxFuture<'static, ()>)) {
    assert!(!trials.is_empty(), "no trials: the suite checks nothing");
    let mut failed = Vec::new();
    let count = trials.len();
    for trial in trials {
        let Trial { name, run } = trial;
        if catch_unwind(AssertUnwindSafe(|| block_on(run()))).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{} of {count} trials failed: {failed:#?}", failed.len());
}
