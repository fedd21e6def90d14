//! Models and their preparation as one ONNX file.
//!
//! Numbers go through the graph as doubles, so that what is compared here is compared alike there.

mod graph;
mod model;
mod trees;

pub use model::to_onnx;
