use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use mlops_core::{Error, ErrorKind, ModelRef, Registry, Result, ResultExt, Version};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Inner;
use super::deployed::Deployed;

/// A registry that does not answer for so long is taken for down, and a model for broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a followed version is put into service as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Current,
    Shadow,
}

/// Follows a reference of a registry for an [`InferenceService`](super::InferenceService), which
/// goes on when this is dropped.
#[derive(Debug)]
pub struct Follower {
    checks: mpsc::Sender<oneshot::Sender<Result<Arc<Version>>>>,
    switch: Switch,
}

/// Turns a follower off: from then on it puts nothing into service.
#[derive(Clone, Debug)]
pub(super) struct Switch {
    off: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Switch {
    pub(super) fn turn_off(&self) {
        self.off.store(true, Ordering::Release);
        self.task.abort();
    }

    pub(super) fn is_off(&self) -> bool {
        self.off.load(Ordering::Acquire) || self.task.is_finished()
    }
}

impl Follower {
    /// Looks now what the reference means, puts that into service and returns its version: for the
    /// start of a program, and after a promotion. A version that was refused before is tried again.
    ///
    /// # Errors
    /// What keeps the version from being put into service; [`ErrorKind::Cancelled`] if the follower
    /// was stopped.
    pub async fn check(&self) -> Result<Arc<Version>> {
        let gone = || Error::new(ErrorKind::Cancelled, "the follower was stopped");
        let (reply, answer) = oneshot::channel();
        self.checks.send(reply).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Stops following; what is in service stays.
    pub fn stop(self) {
        self.switch.turn_off();
    }
}

/// Starts the task behind a [`Follower`].
pub(super) fn spawn(
    service: &Arc<Inner>,
    registry: Arc<dyn Registry>,
    reference: ModelRef,
    every: Duration,
    place: Place,
) -> Result<(Follower, Switch)> {
    let runtime = Handle::try_current().map_err(|e| {
        Error::config(format!("following {reference} needs a tokio runtime: call it within one")).with_source(e)
    })?;
    if place == Place::Shadow {
        service.observers.prepare_shadows()?;
    }
    let (checks, asked) = mpsc::channel(16);
    let off = Arc::new(AtomicBool::new(false));
    let mut task = Task {
        service: Arc::downgrade(service),
        off: Arc::clone(&off),
        registry,
        reference,
        place,
        now: None,
        before: None,
        refused: None,
        trouble: String::new(),
    };
    let task = runtime.spawn(async move { task.run(asked, every).await }).abort_handle();
    let switch = Switch { off, task };
    Ok((Follower { checks, switch: switch.clone() }, switch))
}

struct Task {
    service: Weak<Inner>,
    off: Arc<AtomicBool>,
    registry: Arc<dyn Registry>,
    reference: ModelRef,
    place: Place,
    /// What was put into service last, and what it replaced: kept for a way back that needs no
    /// registry.
    now: Option<Arc<Deployed>>,
    before: Option<Arc<Deployed>>,
    /// A version that did not pass, not to be tried again and again.
    refused: Option<Version>,
    /// The last failure, not to be logged again and again.
    trouble: String,
}

impl Task {
    async fn run(&mut self, mut asked: mpsc::Receiver<oneshot::Sender<Result<Arc<Version>>>>, every: Duration) {
        let mut ticks = interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reply = tokio::select! {
                Some(reply) = asked.recv() => Some(reply),
                _ = ticks.tick() => None,
            };
            let Some(service) = self.service.upgrade() else { return };
            if reply.is_some() {
                self.refused = None;
            }
            let checked = self.check(&service).await;
            self.log(&checked);
            if let Some(reply) = reply {
                // Whoever asked may have gone away.
                let _ = reply.send(checked);
            }
        }
    }

    fn log<T>(&mut self, checked: &Result<T>) {
        let trouble = checked.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let idle = checked.as_ref().err().is_some_and(|error| self.is_idle(error));
        if trouble != self.trouble && !trouble.is_empty() && !idle {
            let serving = self.now.as_ref().map(|now| now.version.to_string());
            tracing::warn!(follows = %self.reference, serving, error = trouble, "no new version in service");
        }
        self.trouble = trouble;
    }

    /// Whether the error only says that there is nothing to shadow with now.
    fn is_idle(&self, error: &Error) -> bool {
        self.place == Place::Shadow && error.kind() == ErrorKind::NotFound
    }

    async fn check(&mut self, service: &Arc<Inner>) -> Result<Arc<Version>> {
        let resolved = patiently(self.registry.resolve(&self.reference)).await;
        let version = match resolved {
            Err(error) if self.is_idle(&error) => {
                if self.now.is_some() {
                    self.put(service, None)?;
                }
                return Err(error);
            }
            resolved => resolved.context("follows", &self.reference)?,
        };
        if let Some(now) = self.now.as_ref().filter(|now| *now.version == version) {
            return Ok(Arc::clone(&now.version));
        }
        if self.refused.as_ref() == Some(&version) {
            return Err(Error::new(ErrorKind::Conflict, format!("version '{version}' was refused before"))
                .with_context("follows", &self.reference));
        }
        let next = match self.before.take_if(|before| *before.version == version) {
            Some(before) => before,
            None => match self.load(service, &version).await {
                Ok(loaded) => loaded,
                Err(error) => {
                    self.refuse(service, &version, &error);
                    return Err(error);
                }
            },
        };
        let version = Arc::clone(&next.version);
        self.put(service, Some(next))?;
        Ok(version)
    }

    async fn load(&self, service: &Arc<Inner>, version: &Version) -> Result<Arc<Deployed>> {
        let package = patiently(self.registry.fetch(version)).await.context("version", version)?;
        let (service, version) = (Arc::clone(service), version.clone());
        let test = move || Deployed::new(version, &package, &service.metrics).map(Arc::new);
        match timeout(PATIENCE, tokio::task::spawn_blocking(test)).await {
            Ok(tested) => tested.map_err(|e| Error::internal("the test of a new version broke off").with_source(e))?,
            Err(_) => Err(Error::internal(format!("the model did not answer its samples within {PATIENCE:?}"))),
        }
    }

    fn refuse(&mut self, service: &Inner, version: &Version, error: &Error) {
        if error.is_retryable() {
            return;
        }
        tracing::error!(%version, %error, "a new version was refused");
        service.metrics.model(version.model()).refusals.fetch_add(1, Ordering::Relaxed);
        self.refused = Some(version.clone());
    }

    /// Swaps a version in, in place of the one this task put there before.
    fn put(&mut self, service: &Inner, next: Option<Arc<Deployed>>) -> Result<()> {
        let replaced = self.now.as_ref().map(|now| now.version.number());
        let metrics = service.metrics.model(&self.reference.model);
        let following = service.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if self.off.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Cancelled, "the follower was stopped"));
        }
        service.swap(&following, |table| {
            let endpoint = table.endpoint(&self.reference.model, || Arc::clone(&metrics));
            match (self.place, next.clone()) {
                (Place::Current, Some(next)) => {
                    metrics.swaps.fetch_add(u64::from(endpoint.current.is_some()), Ordering::Relaxed);
                    endpoint.set_current(next, replaced);
                }
                (Place::Current, None) => {}
                (Place::Shadow, next) => endpoint.shadow = next,
            }
            Ok(())
        })?;
        drop(following);
        if let Some(next) = &next {
            let before = self.now.as_ref().map(|now| now.version.to_string());
            tracing::info!(version = %next.version, before, place = ?self.place, "a version is in service");
        }
        self.before = std::mem::replace(&mut self.now, next);
        Ok(())
    }
}

async fn patiently<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, format!("the registry did not answer within {PATIENCE:?}")))
    })
}
