//! Models that other libraries trained, as models of ours, and the way back.
//!
//! | file | read by | becomes |
//! | --- | --- | --- |
//! | LightGBM's text | [`Import::lightgbm`] | [`TreeModel`](crate::TreeModel) |
//! | tabular ONNX | [`Import::onnx`] | [`OnnxModel`] |
//! | XGBoost's JSON or UBJSON | [`Import::xgboost`] | [`TreeModel`](crate::TreeModel) |
//!
//! The way back: [`to_lightgbm`] and [`to_xgboost`] write any model of trees, [`to_onnx`] a model with its
//! preparation as one file.
//!
//! What was read is saved, packaged, served and explained like what was trained here. The files are
//! data: reading one executes nothing, trusts no number in it, and takes memory in proportion to its
//! size.

mod export;
mod import;
mod lightgbm;
mod onnx;
mod xgboost;

pub use import::Import;
pub use lightgbm::to_lightgbm;
pub use onnx::{GraphValue, OnnxModel, to_onnx};
pub use xgboost::to_xgboost;
