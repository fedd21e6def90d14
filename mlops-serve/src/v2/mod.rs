//! The messages of the Open Inference Protocol, version 2, in JSON.
//!
//! A request is read in one pass, its numbers straight into typed buffers whatever the order of the
//! keys; an answer is written through one buffer. What does not fit is refused with a message that
//! says where, and never grows in memory beyond a small multiple of the request.

mod bind;
mod datatype;
mod elements;
mod infer;
#[cfg(feature = "rest")]
mod metadata;
mod nest;
mod request;
mod response;
mod tensor;
mod values;

pub use infer::infer_json;
#[cfg(feature = "rest")]
pub(crate) use metadata::{ModelMetadata, ServerMetadata};
