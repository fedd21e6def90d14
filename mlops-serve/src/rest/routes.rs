use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{DefaultBodyLimit, RawPathParams, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use mlops_core::{ErrorKind, Inference};
use serde::Serialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::Rest;
use super::answer::{Refusal, infer};
use super::metrics::{RestMetrics, Route};
use crate::v2::{ModelMetadata, ServerMetadata};

/// What the handlers share.
#[derive(Debug)]
pub(super) struct App {
    pub(super) settings: Rest,
    pub(super) service: Arc<dyn Inference>,
    /// Room for bodies, in KiB.
    pub(super) room: Semaphore,
    metrics: RestMetrics,
    retired: AtomicBool,
}

impl App {
    pub(super) fn new(settings: Rest, service: Arc<dyn Inference>) -> Self {
        let room = (settings.max_bodies.max(settings.max_body) >> 10) + 1;
        let room = Semaphore::new(room.min(Semaphore::MAX_PERMITS));
        Self { settings, service, room, metrics: RestMetrics::default(), retired: AtomicBool::new(false) }
    }

    /// From now on, the server says that it is not ready.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    fn is_ready(&self) -> bool {
        let models = self.service.models();
        !self.retired.load(Ordering::Relaxed) && !models.is_empty() && models.iter().all(|model| model.ready)
    }
}

type Params = Result<RawPathParams, RawPathParamsRejection>;

/// The model and version that a path names.
pub(super) struct Target {
    pub(super) model: String,
    pub(super) version: Option<String>,
}

impl Target {
    fn new(params: Params) -> Result<Self, Refusal> {
        let params = params
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the path is not UTF-8 behind its percent signs"))?;
        let param = |wanted: &str| params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned());
        Ok(Self { model: param("model").unwrap_or_default(), version: param("version") })
    }
}

/// All routes.
pub(super) fn router(app: Arc<App>) -> Router {
    let model = |path: &str| format!("/v2/models/{{model}}{path}");
    let mut router = Router::new()
        .route("/v2", get(server))
        .route("/v2/", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/metrics", get(metrics));
    for version in ["", "/versions/{version}"] {
        router = router
            .route(&model(version), get(describe))
            .route(&model(&format!("{version}/ready")), get(model_ready))
            .route(&model(&format!("{version}/infer")), post(answer));
    }
    let max_body = app.settings.max_body;
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(max_body))
        .with_state(app)
}

async fn server(State(app): State<Arc<App>>) -> Response {
    let metadata = ServerMetadata { name: &app.settings.name, version: env!("CARGO_PKG_VERSION"), extensions: &[] };
    app.counted(Route::Metadata, || to_json(StatusCode::OK, &metadata))
}

async fn live(State(app): State<Arc<App>>) -> Response {
    app.counted(Route::Health, || to_json(StatusCode::OK, &json!({ "live": true })))
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    app.counted(Route::Health, || {
        let ready = app.is_ready();
        // The protocol's own example says "live" here too; who answers is alive.
        to_json(ready_status(ready), &json!({ "live": true, "ready": ready }))
    })
}

async fn model_ready(State(app): State<Arc<App>>, params: Params) -> Response {
    app.counted(Route::Health, || {
        let target = match Target::new(params) {
            Ok(target) => target,
            Err(refusal) => return refusal.into_response(),
        };
        let ready = match app.service.describe(&target.model, target.version.as_deref()) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::Unavailable => false,
            Err(error) => return Refusal::from(error).into_response(),
        };
        to_json(ready_status(ready), &json!({ "name": target.model, "ready": ready }))
    })
}

async fn describe(State(app): State<Arc<App>>, params: Params) -> Response {
    app.counted(Route::Metadata, || {
        let described = Target::new(params)
            .and_then(|target| Ok(app.service.describe(&target.model, target.version.as_deref())?));
        match described {
            Ok(description) => to_json(StatusCode::OK, &ModelMetadata::from(description.as_ref())),
            Err(refusal) => refusal.into_response(),
        }
    })
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    app.counted(Route::Metrics, || {
        let text = app.service.metrics() + &app.metrics.write();
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
    })
}

async fn answer(State(app): State<Arc<App>>, params: Params, request: Request) -> Response {
    let started = Instant::now();
    let answered = match Target::new(params) {
        Ok(target) => infer(&app, &target, request).await,
        Err(refusal) => Err(refusal),
    };
    let response = match answered {
        Ok(json) => json_response(StatusCode::OK, json),
        Err(refusal) => refusal.into_response(),
    };
    app.metrics.count(Route::Infer, response.status().as_u16(), started.elapsed());
    response
}

async fn unknown(State(app): State<Arc<App>>) -> Response {
    app.counted(Route::Other, || {
        Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path; GET /v2 says what serves here")
            .into_response()
    })
}

async fn wrong_method(State(app): State<Arc<App>>, method: Method) -> Response {
    app.counted(Route::Other, || {
        let message = format!("{method} is not what this path takes: POST to .../infer, GET the others");
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message).into_response()
    })
}

impl App {
    fn counted(&self, route: Route, handle: impl FnOnce() -> Response) -> Response {
        let started = Instant::now();
        let response = handle();
        self.metrics.count(route, response.status().as_u16(), started.elapsed());
        response
    }
}

fn ready_status(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn to_json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(json) => json_response(status, json),
        Err(error) => Refusal::from(mlops_core::Error::from(error)).into_response(),
    }
}

pub(super) fn json_response(status: StatusCode, json: Vec<u8>) -> Response {
    let mut response = Response::new(json.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
