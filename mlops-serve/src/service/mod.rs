//! The service that every transport talks to.

mod builder;
mod deployed;
mod follow;
mod gate;
mod handoff;
mod infer;
mod metrics;
mod observe;
mod table;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use arrow::array::RecordBatch;
use mlops_core::{Error, ErrorKind, InferRequest, Inference, Inputs, ModelRef, Package, Registry, Result, Version};

pub use builder::ServiceBuilder;
pub use follow::Follower;

use deployed::Deployed;
use follow::{Place, Switch};
use gate::Gate;
use metrics::ServiceMetrics;
use observe::Observers;
use table::ModelTable;

/// Models that answer: the one value that every transport shares. Clones are the same service.
///
/// Reading which model answers takes no lock, and a request sees one version from beginning to end:
/// [`deploy`](Self::deploy) and [`follow`](Self::follow) swap a version in between two requests and
/// never within one.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Float64Array, RecordBatch};
/// use mlops_core::conformance::LinearModel;
/// use mlops_serve::InferenceService;
///
/// # futures::executor::block_on(async {
/// let service = InferenceService::new();
/// let model = LinearModel::regression([("distance", 0.5)], 3.0)?;
/// service.deploy("trip:1".parse()?, model.package("trip")?)?;
///
/// let column = |values: [f64; 2]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
/// let rows = RecordBatch::try_from_iter([("distance", column([10.0, 20.0]))])?;
/// let answer = service.predict("trip", &rows).await?;
/// assert_eq!(answer.column(0).as_ref(), column([8.0, 13.0]).as_ref());
/// # Ok::<(), mlops_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct InferenceService {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    table: ArcSwap<ModelTable>,
    /// Held by whoever makes the next table, and what follows which alias.
    writer: Mutex<Following>,
    gate: Arc<Gate>,
    metrics: ServiceMetrics,
    observers: Observers,
    timeout: Duration,
}

/// What follows which model of a registry.
#[derive(Debug, Default)]
struct Following(Vec<(String, Place, Switch)>);

impl Following {
    fn has(&self, model: &str, place: Place) -> bool {
        self.0.iter().any(|(name, taken, switch)| name == model && *taken == place && !switch.is_off())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, _, switch)| switch.turn_off());
    }
}

impl Default for InferenceService {
    fn default() -> Self {
        Self::new()
    }
}

impl InferenceService {
    /// A service without models, taps and with the limits of [`ServiceBuilder`].
    pub fn new() -> Self {
        Self::start(ServiceBuilder::default(), Observers::none())
    }

    /// A service with taps or other limits.
    pub fn builder() -> ServiceBuilder {
        ServiceBuilder::default()
    }

    #[expect(clippy::needless_pass_by_value, reason = "the settings of the service, told once")]
    fn start(settings: ServiceBuilder, observers: Observers) -> Self {
        let inner = Inner {
            table: ArcSwap::default(),
            writer: Mutex::default(),
            gate: Arc::new(Gate::new(settings.max_in_flight)),
            metrics: ServiceMetrics::default(),
            observers,
            timeout: settings.timeout,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Puts a version into service under the name of its model, as the one that answers requests
    /// which name no version. Versions that were deployed before stay, until
    /// [`remove`](Self::remove).
    ///
    /// The package is tested with its samples and warmed up first, on the calling thread.
    ///
    /// # Errors
    /// As [`Package::self_test`], [`ErrorKind::Config`] for a package of another model, and
    /// [`ErrorKind::Conflict`] if the model follows a registry; what was in service stays in
    /// service.
    #[expect(clippy::needless_pass_by_value, reason = "deployed is deployed: the caller hands it over")]
    pub fn deploy(&self, version: Version, package: Package) -> Result<()> {
        let name = version.model().to_owned();
        let metrics = self.inner.metrics.model(&name);
        let refused = |error: Error| {
            metrics.refusals.fetch_add(1, Ordering::Relaxed);
            error
        };
        let deployed = Deployed::new(version, &package, &self.inner.metrics).map_err(refused)?;
        let following = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if following.has(&name, Place::Current) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("model '{name}' follows a registry: move the alias there, or stop the follower first"),
            ));
        }
        self.inner.swap(&following, |table| {
            let endpoint = table.endpoint(&name, || Arc::clone(&metrics));
            let replaced = endpoint.current.is_some();
            endpoint.set_current(Arc::new(deployed), None);
            metrics.swaps.fetch_add(u64::from(replaced), Ordering::Relaxed);
            Ok(())
        })
    }

    /// Takes a version that is not the current one out of service; requests that it is answering
    /// are finished.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it is not served, [`ErrorKind::Conflict`] if it is the current
    /// version.
    pub fn remove(&self, version: &Version) -> Result<()> {
        let following = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.swap(&following, |table| table.remove(version.model(), version.number()))
    }

    /// Serves what a reference such as `flights@champion` means, and goes on looking what it means
    /// `every` so often.
    ///
    /// A new version is fetched, tested and warmed up while the old one answers, and then swapped
    /// in. A version that does not pass is refused, logged and counted, and the old one stays. When
    /// the alias moves back, the version before comes back, from memory if it was the last one.
    ///
    /// The model is listed as not ready until its first version is loaded; [`Follower::check`] waits
    /// for that. Following ends with the service or with [`Follower::stop`].
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a reference that is none or outside of a tokio runtime,
    /// [`ErrorKind::Conflict`] if the model follows a registry already.
    pub fn follow(&self, registry: Arc<dyn Registry>, model: &str, every: Duration) -> Result<Follower> {
        self.follow_as(registry, model.parse()?, every, Place::Current)
    }

    /// Gives copies of the requests to the current version of a model also to what a reference such
    /// as `flights@challenger` means, off the path of the requests. Its answers go to the taps only,
    /// as [`Route::Shadow`](mlops_core::Route::Shadow).
    ///
    /// Where the reference means nothing, or the current version itself, nothing is copied. A shadow
    /// that has no time for a request drops the copy and counts it.
    ///
    /// # Errors
    /// As [`Self::follow`].
    pub fn shadow(&self, registry: Arc<dyn Registry>, model: &str, every: Duration) -> Result<Follower> {
        self.follow_as(registry, model.parse()?, every, Place::Shadow)
    }

    fn follow_as(
        &self,
        registry: Arc<dyn Registry>,
        reference: ModelRef,
        every: Duration,
        place: Place,
    ) -> Result<Follower> {
        let name = reference.model.clone();
        let mut following = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        following.0.retain(|(_, _, switch)| !switch.is_off());
        if following.has(&name, place) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("model '{name}' follows a registry already: stop that follower first"),
            ));
        }
        let (follower, switch) = follow::spawn(&self.inner, registry, reference, every, place)?;
        following.0.push((name.clone(), place, switch));
        let metrics = self.inner.metrics.model(&name);
        self.inner.swap(&following, |table| {
            table.endpoint(&name, || metrics);
            Ok(())
        })?;
        Ok(follower)
    }

    /// The answers of a model for the rows of a batch, as its output columns.
    ///
    /// # Errors
    /// As [`Inference::infer`].
    pub async fn predict(&self, model: &str, batch: &RecordBatch) -> Result<RecordBatch> {
        self.infer(InferRequest::new(model, Inputs::Batch(batch.clone()))).await?.to_batch()
    }

    /// Waits until the shadows and taps have seen every request that has been answered so far.
    pub async fn flush(&self) {
        self.inner.observers.settle().await;
    }
}

impl Inner {
    /// Makes the next table and swaps it in; whoever calls it holds the writer's lock.
    fn swap(&self, _: &Following, change: impl FnOnce(&mut ModelTable) -> Result<()>) -> Result<()> {
        let mut table = ModelTable::clone(&self.table.load());
        change(&mut table)?;
        self.table.store(Arc::new(table));
        Ok(())
    }
}
