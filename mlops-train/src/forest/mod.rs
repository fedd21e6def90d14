//! Random forests.

mod ensemble;
mod grow;
mod importance;
mod model;
mod recipe;
mod tensors;

pub use model::ForestModel;
pub use recipe::{MaxFeatures, RandomForest};
