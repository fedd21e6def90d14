use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use mlops_core::{Error, ErrorKind, Result};
use serde_json::json;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::routes::{App, Target, json_response};
use crate::infer_json;

/// A request that gets a status other than 200, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Schema | ErrorKind::Data => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Denied => StatusCode::FORBIDDEN,
            ErrorKind::Unavailable | ErrorKind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%error, "a request failed");
        }
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json_response(self.status, json!({ "error": self.message }).to_string().into_bytes());
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(self.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            // The rest of the body is not waited for.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Answers a request to a model.
pub(super) async fn infer(app: &Arc<App>, target: &Target, request: Request) -> Result<Vec<u8>, Refusal> {
    // Known before a body is read: a model that is not there, and what this server does not read.
    app.service.describe(&target.model, target.version.as_deref())?;
    check_encoding(request.headers())?;
    let (body, _room) = read_body(app, request).await?;
    Ok(infer_json(app.service.as_ref(), &target.model, target.version.as_deref(), &body).await?)
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let encoding = headers.get(header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity");
    let problem = if encoding.is_some() {
        "a compressed body is not taken here: send plain JSON"
    } else if headers.contains_key("inference-header-content-length") {
        "binary tensors are not taken here: send JSON, and let the client ask for no binary data"
    } else {
        return Ok(());
    };
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem))
}

/// Reads the body, within the limits of size, memory and time.
async fn read_body(app: &App, request: Request) -> Result<(Bytes, SemaphorePermit<'_>), Refusal> {
    let settings = &app.settings;
    let too_large = || {
        let message = format!("the body has more than {} bytes: send fewer rows at once", settings.max_body);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let told = request.headers().get(header::CONTENT_LENGTH);
    let told = told.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    // A body of unknown length may become as large as any.
    let length = told.unwrap_or(settings.max_body);
    if told.is_some_and(|length| length > settings.max_body) {
        return Err(too_large());
    }
    let room = u32::try_from(length >> 10).unwrap_or(u32::MAX).saturating_add(1);
    let room = app
        .room
        .try_acquire_many(room)
        .map_err(|_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many bytes are under way: try again soon"))?;
    match timeout(settings.body_timeout, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok((body, room)),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
        Ok(Err(rejection)) => Err(Refusal::new(StatusCode::BAD_REQUEST, rejection.body_text())),
        Err(_) => {
            let message = format!("the body did not arrive within {:?}", settings.body_timeout);
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, message))
        }
    }
}
