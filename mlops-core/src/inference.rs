use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{BoxFuture, Shared};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Signature, Value, Version};

/// A transport: brings requests from a wire to an [`Inference`] service and answers back.
#[async_trait]
#[diagnostic::on_unimplemented(message = "`{Self}` is not a server")]
pub trait Server: Debug + Send + 'static {
    /// Serves until `stop`, then finishes the requests that have begun and returns.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the address is in use, and as the
    /// system refuses.
    async fn serve(self: Box<Self>, service: Arc<dyn Inference>, stop: Shutdown) -> Result<()>;
}

/// What every transport talks to: models by name and version, requests in, answers out.
#[async_trait]
pub trait Inference: Debug + Send + Sync + 'static {
    /// The models that are served, by name and version.
    fn models(&self) -> Vec<ModelStatus>;

    /// What a version of a model takes and answers; of the current one if `version` is `None`.
    ///
    /// A transport that reads a request by the signature told here asks
    /// [`ModelDescription::version`] to answer it, so that a swap in between mixes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if it is not served,
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if it is still to be loaded.
    fn describe(&self, model: &str, version: Option<&str>) -> Result<Arc<ModelDescription>>;

    /// Answers a request.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the model is not served,
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) or
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) if the inputs do not fit,
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if there is too much to do or the
    /// model is still to be loaded.
    async fn infer(&self, request: InferRequest<'_>) -> Result<InferResponse>;

    /// All metrics in Prometheus' text format, version 0.0.4.
    fn metrics(&self) -> String;
}

/// How a served model stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelStatus {
    /// The name it is served under.
    pub name: String,
    /// The version; empty if none is loaded yet.
    pub version: String,
    /// Whether it answers.
    pub ready: bool,
}

impl ModelStatus {
    /// The status of a version of a model.
    pub fn new(name: impl Into<String>, version: impl Into<String>, ready: bool) -> Self {
        Self { name: name.into(), version: version.into(), ready }
    }
}

/// What a served model takes and answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelDescription {
    /// The name it is served under.
    pub name: String,
    /// The version that is described.
    pub version: String,
    /// The versions that are served, oldest first.
    pub versions: Vec<String>,
    /// Inputs and task.
    pub signature: Arc<Signature>,
}

impl ModelDescription {
    /// A description of `version`.
    pub fn new(
        name: impl Into<String>,
        version: impl Into<String>,
        versions: Vec<String>,
        signature: Arc<Signature>,
    ) -> Self {
        Self { name: name.into(), version: version.into(), versions, signature }
    }
}

/// A request to a model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InferRequest<'a> {
    /// The name the model is served under.
    pub model: &'a str,
    /// The version; the current one if `None`.
    pub version: Option<&'a str>,
    /// What the caller calls the request; answers and labels refer to it.
    pub id: Option<&'a str>,
    /// The rows.
    pub inputs: Inputs<'a>,
}

impl<'a> InferRequest<'a> {
    /// A request to the current version of `model`.
    pub fn new(model: &'a str, inputs: Inputs<'a>) -> Self {
        Self { model, version: None, id: None, inputs }
    }

    /// To this version.
    #[must_use]
    pub fn with_version(mut self, version: Option<&'a str>) -> Self {
        self.version = version;
        self
    }

    /// Called so.
    #[must_use]
    pub fn with_id(mut self, id: Option<&'a str>) -> Self {
        self.id = id;
        self
    }
}

/// The rows of a request.
#[derive(Clone, Debug)]
pub enum Inputs<'a> {
    /// Columns by name.
    Batch(RecordBatch),
    /// One row, in the order of the signature.
    Row(&'a [Value<'a>]),
}

/// The answer to a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InferResponse {
    /// The version that answered.
    pub version: Arc<Version>,
    /// Its signature, whose task says what the scores mean.
    pub signature: Arc<Signature>,
    /// The scores, row-major: [`Signature::num_scores`] for each row.
    pub scores: Vec<f64>,
}

impl InferResponse {
    /// An answer.
    pub fn new(version: Arc<Version>, signature: Arc<Signature>, scores: Vec<f64>) -> Self {
        Self { version, signature, scores }
    }

    /// The answer as the model's output columns.
    ///
    /// # Errors
    /// As [`Signature::answer`].
    pub fn to_batch(&self) -> Result<RecordBatch> {
        self.signature.answer(self.scores.clone())
    }
}

/// Sees every answered request: drift and quality monitors, payload logs.
///
/// Called on the path of the request, so it must not wait: it hands over or drops, and counts what
/// it dropped.
pub trait Tap: Debug + Send + Sync + 'static {
    /// Takes what was asked and answered.
    fn record(&self, record: InferenceRecord);
}

/// A request and its answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InferenceRecord {
    /// What the caller called the request.
    pub id: Option<String>,
    /// The version that answered.
    pub version: Arc<Version>,
    /// Whether the answer went to the caller, or only here.
    pub route: Route,
    /// The rows, with the columns of the signature.
    pub inputs: RecordBatch,
    /// The scores, row-major.
    pub scores: Vec<f64>,
    /// When it was answered, in milliseconds since 1970, UTC.
    pub timestamp_ms: i64,
}

impl InferenceRecord {
    /// A record of now.
    pub fn new(id: Option<String>, version: Arc<Version>, route: Route, inputs: RecordBatch, scores: Vec<f64>) -> Self {
        Self { id, version, route, inputs, scores, timestamp_ms: crate::now_ms() }
    }
}

/// Where an answer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Route {
    /// To the caller.
    Primary,
    /// Nowhere: it was made to be compared.
    Shadow,
}

/// Tells servers to stop: a future that resolves when [`Trigger::fire`] is called or the trigger is
/// dropped.
///
/// # Example
/// ```
/// use mlops_core::Shutdown;
///
/// # futures::executor::block_on(async {
/// let (trigger, stop) = Shutdown::new();
/// assert!(!stop.is_requested());
/// trigger.fire();
/// stop.requested().await;
/// assert!(stop.is_requested());
/// # });
/// ```
#[derive(Clone)]
pub struct Shutdown(Shared<BoxFuture<'static, ()>>);

impl Shutdown {
    /// A trigger and what it tells.
    pub fn new() -> (Trigger, Self) {
        let (sender, receiver) = oneshot::channel::<()>();
        (Trigger(sender), Self::on(receiver.map(|_| ())))
    }

    /// Stops when `event` happens: a signal, a timer.
    pub fn on(event: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(event.boxed().shared())
    }

    /// Never stops.
    pub fn never() -> Self {
        Self::on(futures::future::pending())
    }

    /// Waits until it is time to stop.
    pub async fn requested(&self) {
        self.0.clone().await;
    }

    /// Whether it is time to stop.
    pub fn is_requested(&self) -> bool {
        self.0.clone().now_or_never().is_some()
    }
}

impl Debug for Shutdown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shutdown").field("requested", &self.is_requested()).finish()
    }
}

/// Stops the servers that hold its [`Shutdown`].
#[derive(Debug)]
pub struct Trigger(oneshot::Sender<()>);

impl Trigger {
    /// It is time to stop.
    pub fn fire(self) {
        // Nobody listening is as good as stopped.
        let _ = self.0.send(());
    }
}

impl From<oneshot::Canceled> for Error {
    fn from(_: oneshot::Canceled) -> Self {
        Self::internal("the other side of a channel went away")
    }
}
