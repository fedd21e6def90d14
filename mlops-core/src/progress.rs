//! The advance of long work, told as events.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The `tracing` target of progress events.
pub const TARGET: &str = "mlops::progress";

/// The advance of long work, told as `tracing` events: a terminal shows bars, a log shows lines, a
/// console shows both; the work itself does not know.
///
/// Events have the target `mlops::progress` and the fields `task`, `id`, `done`, `total` (0 if not
/// known) and `state` (`started`, `running`, `finished`). At most ten events a second are sent
/// while it runs; an advance in between costs one atomic addition.
///
/// # Example
/// ```
/// use mlops_core::progress::Progress;
///
/// let progress = Progress::start("replay weeks", Some(26));
/// for _ in 0..26 {
///     progress.advance(1);
/// }
/// assert_eq!(progress.done(), 26);
/// ```
#[derive(Debug)]
pub struct Progress {
    task: String,
    id: u64,
    total: u64,
    done: AtomicU64,
    start: Instant,
    /// Milliseconds after `start` of the last event.
    told: AtomicU64,
}

impl Progress {
    const PAUSE: Duration = Duration::from_millis(100);

    /// Starts a task of `total` units, if that is known.
    pub fn start(task: impl Into<String>, total: Option<u64>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let progress = Self {
            task: task.into(),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            total: total.unwrap_or(0),
            done: AtomicU64::new(0),
            start: Instant::now(),
            told: AtomicU64::new(0),
        };
        progress.tell("started");
        progress
    }

    /// Counts `units` more as done; from any thread.
    pub fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
        let now = self.start.elapsed().as_millis() as u64;
        let told = self.told.load(Ordering::Relaxed);
        let due = now >= told + Self::PAUSE.as_millis() as u64;
        if due && self.told.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.tell("running");
        }
    }

    /// How many units are done.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn tell(&self, state: &str) {
        tracing::info!(
            target: TARGET,
            task = self.task,
            id = self.id,
            done = self.done(),
            total = self.total,
            seconds = self.start.elapsed().as_secs_f64(),
            state,
        );
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.tell("finished");
    }
}

#[cfg(feature = "progress")]
pub use layer::ProgressLayer;

#[cfg(feature = "progress")]
mod layer {
    use std::collections::HashMap;
    use std::fmt;
    use std::io::{IsTerminal, Write};
    use std::sync::{Mutex, PoisonError};

    use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
    use tracing::field::{Field, Visit};
    use tracing::{Event, Subscriber};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::Context;

    /// Shows [`Progress`](super::Progress) on standard error: bars in a terminal, a line at the end
    /// of each task elsewhere.
    ///
    /// # Example
    /// ```
    /// use tracing_subscriber::layer::SubscriberExt;
    ///
    /// let subscriber = tracing_subscriber::registry().with(mlops_core::progress::ProgressLayer::new());
    /// tracing::subscriber::with_default(subscriber, || {
    ///     mlops_core::progress::Progress::start("fit", Some(3)).advance(3);
    /// });
    /// ```
    #[derive(Debug)]
    pub struct ProgressLayer {
        bars: Option<MultiProgress>,
        open: Mutex<HashMap<u64, ProgressBar>>,
    }

    impl ProgressLayer {
        /// Bars if standard error is a terminal, else lines.
        pub fn new() -> Self {
            let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
            Self { bars, open: Mutex::default() }
        }

        fn draw(&self, bars: &MultiProgress, event: &Advance) {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let bar = open.entry(event.id).or_insert_with(|| bars.add(bar(event)));
            bar.set_position(event.done);
            if event.state == "finished" {
                bar.finish();
                open.remove(&event.id);
            }
        }
    }

    impl Default for ProgressLayer {
        fn default() -> Self {
            Self::new()
        }
    }

    fn bar(event: &Advance) -> ProgressBar {
        // The templates are constants; a test draws both.
        let known = ProgressStyle::with_template("{msg:28} {wide_bar} {pos}/{len} {elapsed}");
        let unknown = ProgressStyle::with_template("{msg:28} {spinner} {pos} {elapsed}");
        let style = if event.total > 0 { known } else { unknown };
        let bar = ProgressBar::new(event.total).with_message(event.task.clone());
        style.into_iter().fold(bar, ProgressBar::with_style)
    }

    impl<S: Subscriber> Layer<S> for ProgressLayer {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            if event.metadata().target() != super::TARGET {
                return;
            }
            let mut advance = Advance::default();
            event.record(&mut advance);
            if let Some(bars) = &self.bars {
                self.draw(bars, &advance);
            } else if advance.state == "finished" {
                // A closed standard error is no reason to stop the work.
                let _ = writeln!(std::io::stderr(), "{advance}");
            }
        }
    }

    #[derive(Default)]
    struct Advance {
        task: String,
        state: String,
        id: u64,
        done: u64,
        total: u64,
        seconds: f64,
    }

    impl fmt::Display for Advance {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}: {}", self.task, self.done)?;
            if self.total > 0 {
                write!(f, " of {}", self.total)?;
            }
            write!(f, " in {:.1} s", self.seconds)
        }
    }

    impl Visit for Advance {
        fn record_u64(&mut self, field: &Field, value: u64) {
            match field.name() {
                "id" => self.id = value,
                "done" => self.done = value,
                "total" => self.total = value,
                _ => {}
            }
        }

        fn record_f64(&mut self, field: &Field, value: f64) {
            if field.name() == "seconds" {
                self.seconds = value;
            }
        }

        fn record_str(&mut self, field: &Field, value: &str) {
            match field.name() {
                "task" => value.clone_into(&mut self.task),
                "state" => value.clone_into(&mut self.state),
                _ => {}
            }
        }

        fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_line_says_what_and_how_long() {
            let event = Advance { task: "fit".into(), done: 3, total: 4, seconds: 1.25, ..Advance::default() };
            assert_eq!(event.to_string(), "fit: 3 of 4 in 1.2 s");
        }

        #[test]
        fn both_templates_are_understood() {
            for total in [0, 4] {
                let event = Advance { task: "fit".into(), total, ..Advance::default() };
                assert_eq!(bar(&event).message(), "fit");
            }
            assert!(ProgressStyle::with_template("{msg:28} {wide_bar} {pos}/{len} {elapsed}").is_ok());
            assert!(ProgressStyle::with_template("{msg:28} {spinner} {pos} {elapsed}").is_ok());
        }
    }
}
