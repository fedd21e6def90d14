use std::sync::Arc;

use bytes::Bytes;
use mlops_core::{Error, ErrorKind, InferRequest, InferResponse, Inference, Inputs, ModelDescription, Result};
use tokio::runtime::Handle;

use super::bind::bind;
use super::request::{Outputs, Request};
use super::response::write_answer;

/// A body greater than this is read, and an answer with more scores written, away from the thread
/// that asked, which may look after others.
const INLINE_BODY: usize = 64 << 10;
const INLINE_SCORES: usize = 4096;

/// Answers the JSON of an Open Inference Protocol request with the JSON of its answer: what REST
/// does behind its URL, for any other way that requests come.
///
/// If no `version` is asked for, the current one answers.
///
/// # Errors
/// As [`Inference::infer`]; [`ErrorKind::Data`] or [`ErrorKind::Schema`] if the body is no request to
/// this model.
///
/// # Example
/// ```
/// use mlops_core::conformance::LinearModel;
/// use mlops_serve::{InferenceService, infer_json};
///
/// # futures::executor::block_on(async {
/// let service = InferenceService::new();
/// service.deploy("trip:1".parse()?, LinearModel::regression([("distance", 0.5)], 3.0)?.package("trip")?)?;
/// let body = r#"{"inputs": [{"name": "distance", "shape": [2], "datatype": "FP64", "data": [10, 20]}]}"#;
/// let answer = infer_json(&service, "trip", None, &body.into()).await?;
/// assert!(answer.ends_with(br#"[{"name":"predict","shape":[2],"datatype":"FP64","data":[8.0,13.0]}]}"#));
/// # Ok::<(), mlops_core::Error>(())
/// # }).unwrap();
/// ```
pub async fn infer_json(service: &dyn Inference, model: &str, version: Option<&str>, body: &Bytes) -> Result<Vec<u8>> {
    loop {
        let description = service.describe(model, version)?;
        match answer(service, &description, body).await {
            // A swap took the version out of service after it was described: the next one answers.
            Err(error) if error.kind() == ErrorKind::NotFound && version.is_none() => {}
            answered => return answered,
        }
    }
}

async fn answer(service: &dyn Inference, description: &Arc<ModelDescription>, body: &Bytes) -> Result<Vec<u8>> {
    if body.len() > INLINE_BODY {
        return answer_large(service, description, body).await;
    }
    let request = Request::read(body)?;
    let signature = description.signature.as_ref();
    let outputs = request.outputs(signature)?;
    let bound = bind(signature, &request.inputs)?;
    if bound.num_rows() == 1 {
        let row = bound.first_row();
        let response = service.infer(to_version(description, request.id(), Inputs::Row(&row))).await?;
        return written(description, request.id(), &outputs, response).await;
    }
    let inputs = Inputs::Batch(bound.batch(signature)?);
    let response = service.infer(to_version(description, request.id(), inputs)).await?;
    written(description, request.id(), &outputs, response).await
}

/// Reads a large body away from the thread that asked, into what needs it no more.
async fn answer_large(service: &dyn Inference, description: &Arc<ModelDescription>, body: &Bytes) -> Result<Vec<u8>> {
    let (body, signature) = (body.clone(), Arc::clone(&description.signature));
    let read = move || {
        let request = Request::read(&body)?;
        let outputs = request.outputs(&signature)?;
        let batch = bind(&signature, &request.inputs)?.batch(&signature)?;
        Ok((request.id().map(str::to_owned), outputs, batch))
    };
    let (id, outputs, batch) = aside(read).await?;
    let response = service.infer(to_version(description, id.as_deref(), Inputs::Batch(batch))).await?;
    written(description, id.as_deref(), &outputs, response).await
}

/// The request to the very version whose signature it was read by.
fn to_version<'a>(description: &'a ModelDescription, id: Option<&'a str>, inputs: Inputs<'a>) -> InferRequest<'a> {
    InferRequest::new(&description.name, inputs).with_version(Some(&description.version)).with_id(id)
}

async fn written(
    description: &Arc<ModelDescription>,
    id: Option<&str>,
    outputs: &Outputs,
    response: InferResponse,
) -> Result<Vec<u8>> {
    if response.scores.len() <= INLINE_SCORES {
        return write_answer(&description.name, &description.version, id, outputs, &response);
    }
    let (description, id, outputs) = (Arc::clone(description), id.map(str::to_owned), outputs.clone());
    aside(move || write_answer(&description.name, &description.version, id.as_deref(), &outputs, &response)).await
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let Ok(runtime) = Handle::try_current() else { return work() };
    let done = runtime.spawn_blocking(work).await;
    done.map_err(|e| Error::internal("the work on a large request did not end well").with_source(e))?
}
