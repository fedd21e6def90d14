//! The Open Inference Protocol over HTTP/1.1 and JSON.

mod answer;
mod listen;
mod metrics;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mlops_core::{Error, ErrorKind, Inference, Result, Server, Shutdown};
use tokio::net::TcpListener;

pub use listen::BoundRest;

/// Serves models by the Open Inference Protocol, version 2, in JSON, and Prometheus metrics under
/// `/metrics`.
///
/// | request | answer |
/// | --- | --- |
/// | `GET /v2` | name, version and extensions of the server |
/// | `GET /v2/health/live` | 200 while the server runs |
/// | `GET /v2/health/ready` | 200 if there are models and all are ready, else 503 |
/// | `GET /v2/models/{m}[/versions/{v}]` | inputs and outputs of a model |
/// | `GET /v2/models/{m}[/versions/{v}]/ready` | 200 if it answers, else 503 |
/// | `POST /v2/models/{m}[/versions/{v}]/infer` | the answers for the rows of the request |
/// | `GET /metrics` | all metrics |
///
/// Inputs come as one tensor an input, `[n]` or `[n, 1]`; or, if all inputs are numbers, as one
/// tensor `[n, inputs]` of any name with the columns in order. A null is a missing value. Times are
/// `INT64` in the unit of the column. Answers are `predict`, and for classifications
/// `predict_proba`.
///
/// Every fault of a caller is answered with a status from 400 to 499 and `{"error": …}`.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use mlops_core::conformance::LinearModel;
/// use mlops_core::{Server, Shutdown};
/// use mlops_serve::{InferenceService, Rest};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// let service = InferenceService::new();
/// service.deploy("trip:1".parse()?, LinearModel::regression([("distance", 0.5)], 3.0)?.package("trip")?)?;
///
/// let rest = Rest::bind("127.0.0.1:0").await?;
/// let url = format!("http://{}/v2/models/trip/infer", rest.local_addr());
/// let (trigger, stop) = Shutdown::new();
/// let serving = tokio::spawn(Box::new(rest).serve(Arc::new(service), stop));
///
/// let request = r#"{"inputs": [{"name": "distance", "shape": [1], "datatype": "FP64", "data": [10]}]}"#;
/// let answer = reqwest::Client::new().post(url).body(request).send().await.unwrap().text().await.unwrap();
/// assert_eq!(
///     answer,
///     r#"{"model_name":"trip","model_version":"1","outputs":[{"name":"predict","shape":[1],"datatype":"FP64","data":[8.0]}]}"#,
/// );
///
/// trigger.fire();
/// serving.await.unwrap()
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rest {
    /// Where to listen, such as `127.0.0.1:8080`.
    pub address: String,
    /// The name of the server in its metadata.
    pub name: String,
    /// The greatest body of a request, in bytes.
    pub max_body: usize,
    /// So many bytes of bodies may be under way at once, and one body in any case; requests that come
    /// on top are turned away. While a body is read, it may take some ten times its size.
    pub max_bodies: usize,
    /// At most so many connections; more wait to be accepted.
    pub max_connections: usize,
    /// A connection that does not send the head of a request within this time is closed; so is one
    /// that is idle for so long.
    pub head_timeout: Duration,
    /// A body that has not arrived by then is given up.
    pub body_timeout: Duration,
    /// When told to stop, the server says for so long that it is not ready but still answers, so
    /// that load balancers turn away.
    pub notice: Duration,
    /// After that, requests that have begun have so long to finish.
    pub grace: Duration,
}

impl Rest {
    /// Listens at `address`, such as `127.0.0.1:8080`, `[::]:8080` or `localhost:0` (any free port).
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            name: "mlops".to_owned(),
            max_body: 16 << 20,
            max_bodies: 64 << 20,
            max_connections: 8192,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            notice: Duration::ZERO,
            grace: Duration::from_secs(30),
        }
    }

    /// Listens at `address` from now on: [`at`](Self::at) and [`listen`](Self::listen).
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub async fn bind(address: impl Into<String>) -> Result<BoundRest> {
        Self::at(address).listen().await
    }

    /// With another name in the metadata.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// With another greatest body.
    #[must_use]
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// With room for so many bytes of bodies at once.
    #[must_use]
    pub fn with_max_bodies(mut self, bytes: usize) -> Self {
        self.max_bodies = bytes;
        self
    }

    /// With at most so many connections.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// With another time for the head of a request and for idling.
    #[must_use]
    pub fn with_head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    /// With another time for the body of a request.
    #[must_use]
    pub fn with_body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// With a time of notice before it stops.
    #[must_use]
    pub fn with_notice(mut self, notice: Duration) -> Self {
        self.notice = notice;
        self
    }

    /// With another time to finish requests that have begun.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Listens from now on; connections wait until it serves.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if another program listens there, [`ErrorKind::Denied`] if the system
    /// does not allow it, [`ErrorKind::Config`] for an address that is none of this machine.
    pub async fn listen(self) -> Result<BoundRest> {
        let listener = TcpListener::bind(self.address.as_str()).await.map_err(|e| refused(&self.address, e))?;
        let local = listener.local_addr()?;
        Ok(BoundRest::new(self, listener, local))
    }
}

fn refused(address: &str, error: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let (kind, what) = match error.kind() {
        Io::AddrInUse => (
            ErrorKind::Conflict,
            "is in use: stop the program that listens there, or choose another port (0 is any free one)".to_owned(),
        ),
        Io::PermissionDenied => {
            (ErrorKind::Denied, "is not for this user: choose a port from 1024 on, or run with the right".to_owned())
        }
        _ => (ErrorKind::Config, format!("can't be listened at ({error}): write host:port of this machine")),
    };
    Error::new(kind, format!("address {address} {what}")).with_source(error)
}

#[async_trait]
impl Server for Rest {
    async fn serve(self: Box<Self>, service: Arc<dyn Inference>, stop: Shutdown) -> Result<()> {
        self.listen().await?.run(service, stop).await
    }
}
