#![doc = include_str!("../README.md")]
//! # From phases to traits
//!
//! | phase | trait | embedded by default |
//! | --- | --- | --- |
//! | 1 discovery and validation | [`DataSource`](prelude::DataSource) | [`data::source`], [`data::profile`], [`data::expect`] |
//! | 2 transformation | [`Transformer`](prelude::Transformer) → [`Transform`](prelude::Transform) | [`data::transform`], [`data::join`], [`data::split`] |
//! | 3 training and validation | [`Trainer`](prelude::Trainer) → [`Model`](prelude::Model), [`Metric`](prelude::Metric), [`Tracker`](prelude::Tracker) | [`train`], [`registry`] |
//! | 4 packaging | [`Registry`](prelude::Registry), [`Package`](prelude::Package) | [`registry`] |
//! | 5, 6 code and integration | [`Workflow`](prelude::Workflow) | [`core`] |
//! | 7 deployment and serving | [`Server`](prelude::Server), [`Inference`](core::Inference) | [`serve`] |
//! | 8 monitoring | [`DriftDetector`](prelude::DriftDetector) → [`DriftMonitor`](prelude::DriftMonitor), [`Explainer`](prelude::Explainer) | [`monitor`] |
#![doc = include_str!("docs/phases.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(no_inline)]
pub use mlops_core as core;
#[doc(no_inline)]
pub use mlops_data as data;
#[doc(no_inline)]
pub use mlops_monitor as monitor;
#[doc(no_inline)]
pub use mlops_registry as registry;
#[doc(no_inline)]
pub use mlops_serve as serve;
#[doc(no_inline)]
pub use mlops_train as train;

pub mod prelude;

/// Reads every component and recipe that the enabled features bring.
///
/// # Example
/// ```
/// assert!(mlops::codecs().kinds().count() > 10);
/// ```
pub fn codecs() -> core::Codecs {
    core::Codecs::default().with(data::codecs()).with(train::codecs()).with(monitor::codecs())
}
