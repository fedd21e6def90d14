use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::{Error, ErrorKind, Result};

type Shared = Arc<dyn Any + Send + Sync>;
type Work = Arc<dyn Fn(&[Shared]) -> BoxFuture<'static, Result<Shared>> + Send + Sync>;

/// The output of a step: a token that later steps name to get the value. Because a step can only
/// name steps that exist already, a cycle can't be written down; because the token carries the
/// type, a wrong connection does not compile.
pub struct Out<T> {
    id: StepId,
    marker: PhantomData<fn() -> T>,
}

/// A step of one workflow of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepId {
    workflow: u64,
    step: usize,
}

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Out<T> {}

impl<T> fmt::Debug for Out<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Out({})", self.id.step)
    }
}

/// What a step waits for: `()`, one [`Out`] or a tuple of up to six.
pub trait Deps {
    /// What the step gets: `()`, an [`Arc`] of the value, or a tuple of them.
    type In;

    /// The steps that must be done before.
    fn steps(&self) -> Vec<StepId>;

    /// The values of those steps, in the same order.
    #[doc(hidden)]
    fn take(values: &[Arc<dyn Any + Send + Sync>]) -> Option<Self::In>;
}

impl Deps for () {
    type In = ();

    fn steps(&self) -> Vec<StepId> {
        Vec::new()
    }

    fn take(_: &[Shared]) -> Option<()> {
        Some(())
    }
}

impl<T: Send + Sync + 'static> Deps for Out<T> {
    type In = Arc<T>;

    fn steps(&self) -> Vec<StepId> {
        vec![self.id]
    }

    fn take(values: &[Shared]) -> Option<Arc<T>> {
        Arc::clone(values.first()?).downcast().ok()
    }
}

macro_rules! tuple_deps {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Send + Sync + 'static),+> Deps for ($(Out<$name>,)+) {
            type In = ($(Arc<$name>,)+);

            fn steps(&self) -> Vec<StepId> {
                vec![$(self.$index.id),+]
            }

            fn take(values: &[Shared]) -> Option<Self::In> {
                Some(($(Arc::clone(values.get($index)?).downcast::<$name>().ok()?,)+))
            }
        }
    };
}
tuple_deps!(A 0, B 1);
tuple_deps!(A 0, B 1, C 2);
tuple_deps!(A 0, B 1, C 2, D 3);
tuple_deps!(A 0, B 1, C 2, D 3, E 4);
tuple_deps!(A 0, B 1, C 2, D 3, E 4, F 5);

/// Steps with typed connections, run in order of what they need, side by side where they can.
///
/// A step starts as soon as the steps it names are done. [`step`](Self::step) is for computation
/// and runs on a thread of its own; [`step_async`](Self::step_async) is for I/O and runs inside of
/// [`run`](Self::run), on the caller's async runtime. A value is dropped when the last step that
/// needs it is done.
///
/// # Example
/// ```
/// use mlops_core::Workflow;
///
/// # futures::executor::block_on(async {
/// let mut flow = Workflow::new("numbers");
/// let raw = flow.step("read", (), |()| Ok(vec![1.0, 2.0, 3.0])).out();
/// let mean = flow.step("mean", raw, |raw| Ok(raw.iter().sum::<f64>() / 3.0)).out();
/// let centred = flow
///     .step("centre", (raw, mean), |(raw, mean)| Ok(raw.iter().map(|x| x - *mean).collect::<Vec<_>>()))
///     .retries(2)
///     .out();
/// assert_eq!(*flow.run(centred).await?, [-1.0, 0.0, 1.0]);
/// # Ok::<(), mlops_core::Error>(()) }).unwrap();
/// ```
pub struct Workflow {
    /// What tells the tokens of this workflow from those of another.
    id: u64,
    name: String,
    steps: Vec<Step>,
    threads: NonZeroUsize,
}

struct Step {
    name: String,
    needs: Vec<usize>,
    /// Whether it was given the output of another workflow, so that it can't run.
    astray: bool,
    work: Work,
    computes: bool,
    retries: u32,
    pause: Duration,
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.iter().map(|step| (&step.name, step.needs.iter().map(|i| &self.steps[*i].name)));
        let steps = steps.map(|(name, needs)| (name, needs.collect::<Vec<_>>()));
        f.debug_struct("Workflow").field("name", &self.name).field("steps", &steps.collect::<Vec<_>>()).finish()
    }
}

/// A step that was just added: its options, and its output.
#[derive(Debug)]
pub struct StepRef<'w, T> {
    workflow: &'w mut Workflow,
    out: Out<T>,
}

impl<T> StepRef<'_, T> {
    /// Tries again up to `retries` times after an error that [is retryable](Error::is_retryable).
    #[must_use]
    pub fn retries(self, retries: u32) -> Self {
        self.workflow.steps[self.out.id.step].retries = retries;
        self
    }

    /// Waits so long before the first retry, and twice as long before each further one; 100 ms if
    /// not said.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        self.workflow.steps[self.out.id.step].pause = pause;
        self
    }

    /// The output, to be named by later steps.
    pub fn out(self) -> Out<T> {
        self.out
    }
}

impl Workflow {
    /// Without steps.
    pub fn new(name: impl Into<String>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, name: name.into(), steps: Vec::new(), threads }
    }

    /// Computes at most so many steps at a time; as many as there are cores if not said.
    #[must_use]
    pub fn with_threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "tokens are copied, and `(a, b)` reads better than `&(a, b)`")]
    /// Adds a step that computes. It runs on a thread of its own; a panic becomes an error.
    pub fn step<D: Deps + 'static, T: Send + Sync + 'static>(
        &mut self,
        name: impl Into<String>,
        needs: D,
        work: impl Fn(D::In) -> Result<T> + Send + Sync + 'static,
    ) -> StepRef<'_, T> {
        let work = Arc::new(work);
        let run: Work = Arc::new(move |values: &[Shared]| {
            let (work, values) = (Arc::clone(&work), values.to_vec());
            let compute = move || -> Result<Shared> {
                let input = D::take(&values).ok_or_else(wrong_values)?;
                Ok(Arc::new(work(input)?))
            };
            on_a_thread(compute).boxed()
        });
        self.add(name.into(), &needs.steps(), run, true)
    }

    #[expect(clippy::needless_pass_by_value, reason = "tokens are copied, and `(a, b)` reads better than `&(a, b)`")]
    /// Adds a step that waits for I/O. It runs inside of [`run`](Self::run); a panic becomes an error.
    pub fn step_async<D, T, F>(
        &mut self,
        name: impl Into<String>,
        needs: D,
        work: impl Fn(D::In) -> F + Send + Sync + 'static,
    ) -> StepRef<'_, T>
    where
        D: Deps + 'static,
        T: Send + Sync + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let work = Arc::new(work);
        let run: Work = Arc::new(move |values: &[Shared]| {
            let (work, values) = (Arc::clone(&work), values.to_vec());
            let begin = move || D::take(&values).map(|input| work(input)).ok_or_else(wrong_values);
            let attempt = async move { Ok(Arc::new(begin()?.await?) as Shared) };
            let attempt = AssertUnwindSafe(attempt).catch_unwind();
            attempt.map(|result| result.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))).boxed()
        });
        self.add(name.into(), &needs.steps(), run, false)
    }

    /// Adds a step that does the same for every element, on all cores, and keeps their order.
    pub fn map<A, T>(
        &mut self,
        name: impl Into<String>,
        over: Out<Vec<A>>,
        work: impl Fn(&A) -> Result<T> + Send + Sync + 'static,
    ) -> StepRef<'_, Vec<T>>
    where
        A: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        use rayon::prelude::*;
        self.step(name, over, move |items| items.par_iter().map(&work).collect())
    }

    fn add<T>(&mut self, name: String, needs: &[StepId], work: Work, computes: bool) -> StepRef<'_, T> {
        let id = StepId { workflow: self.id, step: self.steps.len() };
        let (own, others): (Vec<&StepId>, _) = needs.iter().partition(|need| need.workflow == self.id);
        self.steps.push(Step {
            name,
            needs: own.into_iter().map(|need| need.step).collect(),
            astray: !others.is_empty(),
            work,
            computes,
            retries: 0,
            pause: Duration::from_millis(100),
        });
        StepRef { workflow: self, out: Out { id, marker: PhantomData } }
    }

    /// Runs what `out` needs, and gives its value.
    ///
    /// After the first error no further step starts, async steps that have begun are dropped where
    /// they wait, and computations that have begun go on in their threads, and their results are
    /// dropped. So it is when the future is dropped.
    ///
    /// # Errors
    /// The first error of a step that has no retries left, with the names of the step and of the
    /// workflow; [`ErrorKind::Config`] for a token of another workflow.
    pub async fn run<T: Send + Sync + 'static>(&self, out: Out<T>) -> Result<Arc<T>> {
        let out = out.id;
        let wanted = self.ancestors(out)?;
        let mut values: Vec<Option<Shared>> = vec![None; self.steps.len()];
        let mut started = vec![false; self.steps.len()];
        let mut computing = 0;
        let mut running = FuturesUnordered::new();
        while values[out.step].is_none() {
            for (i, step) in self.steps.iter().enumerate().filter(|(i, _)| wanted[*i]) {
                let ready = !started[i] && step.needs.iter().all(|need| values[*need].is_some());
                if ready && (!step.computes || computing < self.threads.get()) {
                    started[i] = true;
                    computing += usize::from(step.computes);
                    let inputs = step.needs.iter().filter_map(|need| values[*need].clone()).collect();
                    running.push(self.attempt(step, inputs).map(move |result| (i, result)));
                    for need in step.needs.iter().filter(|need| **need != out.step) {
                        let waits = |i: usize| wanted[i] && !started[i] && self.steps[i].needs.contains(need);
                        if !(0..started.len()).any(waits) {
                            values[*need] = None;
                        }
                    }
                }
            }
            let Some((i, result)) = running.next().await else {
                return Err(Error::internal("no step is running, and none can start"));
            };
            computing -= usize::from(self.steps[i].computes);
            values[i] = Some(
                result.map_err(|e| e.with_context("step", &self.steps[i].name).with_context("workflow", &self.name))?,
            );
        }
        let value = values[out.step].take().and_then(|value| value.downcast().ok());
        value.ok_or_else(wrong_values)
    }

    async fn attempt(&self, step: &Step, inputs: Vec<Shared>) -> Result<Shared> {
        let mut pause = step.pause;
        let mut tried = 0;
        let start = Instant::now();
        tracing::info!(target: "mlops::workflow", workflow = self.name, step = step.name, "started");
        loop {
            match (step.work)(&inputs).await {
                Ok(value) => {
                    let seconds = start.elapsed().as_secs_f64();
                    tracing::info!(target: "mlops::workflow", workflow = self.name, step = step.name, seconds, "done");
                    return Ok(value);
                }
                Err(error) if error.is_retryable() && tried < step.retries => {
                    tried += 1;
                    tracing::warn!(target: "mlops::workflow", workflow = self.name, step = step.name, %error, tried, "retrying");
                    sleep(pause).await;
                    pause = pause.saturating_mul(2);
                }
                Err(error) => {
                    tracing::error!(target: "mlops::workflow", workflow = self.name, step = step.name, %error, "failed");
                    return Err(error);
                }
            }
        }
    }

    /// Which steps must be done for `out`.
    fn ancestors(&self, out: StepId) -> Result<Vec<bool>> {
        if out.workflow != self.id {
            return Err(self.foreign_token());
        }
        let mut wanted = vec![false; self.steps.len()];
        wanted[out.step] = true;
        // A step only needs steps before it.
        for (i, step) in self.steps[..=out.step].iter().enumerate().rev() {
            if !wanted[i] {
                continue;
            }
            if step.astray {
                return Err(self.foreign_token().with_context("step", &step.name));
            }
            step.needs.iter().for_each(|need| wanted[*need] = true);
        }
        Ok(wanted)
    }

    fn foreign_token(&self) -> Error {
        Error::config("the output of another workflow was asked for: use the tokens of this one")
            .with_context("workflow", &self.name)
    }
}

fn wrong_values() -> Error {
    Error::internal("the values of a step are not of the types that its tokens have")
}

async fn on_a_thread(compute: impl FnOnce() -> Result<Shared> + Send + 'static) -> Result<Shared> {
    let (sender, receiver) = oneshot::channel();
    let span = tracing::Span::current();
    let work = move || {
        let result = catch_unwind(AssertUnwindSafe(|| span.in_scope(compute)));
        // Nobody waits any more if the workflow was dropped.
        let _ = sender.send(result.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))));
    };
    std::thread::Builder::new().name("mlops-step".into()).spawn(work)?;
    receiver.await?
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::new(ErrorKind::Internal, format!("the step panicked: {}", text.unwrap_or_default()))
}

/// Waits without needing a particular async runtime; retries are rare enough for a thread each.
async fn sleep(pause: Duration) {
    let (sender, receiver) = oneshot::channel::<()>();
    let sleeper = std::thread::Builder::new().name("mlops-pause".into()).spawn(move || {
        std::thread::sleep(pause);
        drop(sender);
    });
    if sleeper.is_ok() {
        // The sender is dropped when the time is over.
        let _ = receiver.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn branches_run_side_by_side() {
        let mut flow = Workflow::new("test").with_threads(NonZeroUsize::new(2).unwrap());
        let barrier = Arc::new(Barrier::new(2));
        let branch = |flow: &mut Workflow, name: &str| {
            let barrier = Arc::clone(&barrier);
            flow.step(name, (), move |()| {
                barrier.wait();
                Ok(1)
            })
            .out()
        };
        let (a, b) = (branch(&mut flow, "a"), branch(&mut flow, "b"));
        let sum = flow.step("sum", (a, b), |(a, b)| Ok(*a + *b)).out();
        assert_eq!(*block_on(flow.run(sum)).unwrap(), 2);
    }

    #[test]
    fn only_retryable_errors_are_tried_again() {
        let tries = Arc::new(AtomicU32::new(0));
        let failing = |kind: ErrorKind, tries: Arc<AtomicU32>| {
            move |()| match tries.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => Err(Error::new(kind, "not yet")),
                n => Ok(n),
            }
        };
        let mut flow = Workflow::new("test");
        let step = flow.step("flaky", (), failing(ErrorKind::Unavailable, Arc::clone(&tries)));
        let out = step.retries(2).pause(Duration::from_millis(1)).out();
        assert_eq!(*block_on(flow.run(out)).unwrap(), 2);

        tries.store(0, Ordering::SeqCst);
        let out = flow.step("broken", (), failing(ErrorKind::Data, Arc::clone(&tries))).retries(2).out();
        let error = block_on(flow.run(out)).unwrap_err();
        assert_eq!(error.to_string(), "not yet (step: broken, workflow: test)");
        assert_eq!(tries.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_panic_is_an_error_and_unneeded_steps_do_not_run() {
        let mut flow = Workflow::new("test");
        let fine = flow.step("fine", (), |()| Ok(7)).out();
        let bad = flow.step("bad", fine, |_| -> Result<u8> { panic!("out of range") }).out();
        assert_eq!(*block_on(flow.run(fine)).unwrap(), 7);
        let error = block_on(flow.run(bad)).unwrap_err();
        assert_eq!(error.message(), "the step panicked: out of range");
    }

    #[test]
    fn a_map_keeps_the_order() {
        let mut flow = Workflow::new("test");
        let items = flow.step("items", (), |()| Ok((0..100).collect::<Vec<i32>>())).out();
        let squares = flow.map("square", items, |x| Ok(x * x)).out();
        assert_eq!(block_on(flow.run(squares)).unwrap()[99], 9801);
    }

    #[test]
    fn tokens_of_another_workflow_are_refused() {
        let mut other = Workflow::new("other");
        let theirs = other.step("x", (), |()| Ok(1)).out();
        let mut flow = Workflow::new("test");
        let own = flow.step("own", (), |()| Ok(99)).out();
        let mixed = flow.step("mixed", (own, theirs), |(a, b)| Ok(*a + *b)).out();
        for token in [theirs, mixed] {
            let error = block_on(flow.run(token)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        }
        assert_eq!(*block_on(flow.run(own)).unwrap(), 99);
    }

    #[test]
    fn a_panic_of_an_async_step_is_an_error() {
        let mut flow = Workflow::new("test");
        let early = flow.step_async("early", (), |()| -> BoxFuture<'static, Result<u8>> { panic!("boom") }).out();
        let late = flow.step_async("late", early, |_| async { Ok(1) }).out();
        let error = block_on(flow.run(late)).unwrap_err();
        assert_eq!(error.to_string(), "the step panicked: boom (step: early, workflow: test)");
        let within = flow.step_async("within", (), |()| async { if true { panic!("boom") } else { Ok(1) } }).out();
        assert_eq!(block_on(flow.run(within)).unwrap_err().kind(), ErrorKind::Internal);
    }

    #[test]
    fn a_value_is_dropped_when_nothing_needs_it_any_more() {
        let mut flow = Workflow::new("test");
        let held = Arc::new(());
        let watch = Arc::downgrade(&held);
        let held = std::sync::Mutex::new(Some(held));
        let large = flow.step("large", (), move |()| Ok(held.lock().unwrap().take())).out();
        let size = flow.step("size", large, |large| Ok(large.iter().count())).out();
        let freed = flow.step("freed", size, move |size| Ok((*size, watch.upgrade().is_none()))).out();
        assert_eq!(*block_on(flow.run(freed)).unwrap(), (1, true));
    }
}
