//! The inference service of `mlops` and its Open Inference Protocol v2 server.
//!
//! [`InferenceService`] answers in process: it holds the models, swaps their versions without
//! dropping or mixing a request, follows the aliases of a registry, shadows challengers and shows
//! every answer to taps. A transport such as [`Rest`] brings requests from a wire to it;
//! [`infer_json`] is for those that come another way. [`Serve`] puts service and transports together.
//!
//! # Example
//! ```
//! use std::sync::Arc;
//! use mlops_core::{Inference, InferRequest, Inputs, Value};
//! use mlops_core::conformance::LinearModel;
//! use mlops_serve::InferenceService;
//!
//! # futures::executor::block_on(async {
//! let service = InferenceService::new();
//! let model = LinearModel::classification([("delay", 0.1), ("wind", 0.2)], -1.0)?;
//! service.deploy("flights:1".parse()?, model.package("flights")?)?;
//!
//! let row = [Value::Float(30.0), Value::Float(5.0)];
//! let answer = service.infer(InferRequest::new("flights", Inputs::Row(&row))).await?;
//! assert!(answer.scores[1] > 0.9);
//! assert!(service.metrics().contains("mlops_inference_rows_total{model=\"flights\",version=\"1\"} 1"));
//! # Ok::<(), mlops_core::Error>(())
//! # }).unwrap();
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cells;
mod metrics;
#[cfg(feature = "rest")]
mod rest;
mod serve;
mod service;
mod v2;

#[cfg(feature = "rest")]
pub use rest::{BoundRest, Rest};
pub use serve::Serve;
pub use service::{Follower, InferenceService, ServiceBuilder};
pub use v2::infer_json;
