//! ONNX: tabular models as graphs of operators, evaluated here.
//!
//! The file is read by [`wire`] and [`proto`], its outputs are understood by [`roles`], its nodes become
//! the functions of [`ops`] in a [`graph`], and a [`model`] puts a signature in front of that.

mod graph;
mod model;
mod ops;
mod probe;
mod proto;
mod roles;
mod tensor;
mod wire;
mod write;

pub(super) use model::read;
pub use model::{GraphValue, OnnxModel};
pub use write::to_onnx;
