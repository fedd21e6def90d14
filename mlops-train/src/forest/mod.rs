//! Random forests.

mod grow;
mod importance;
mod model;
mod recipe;

pub use model::ForestModel;
pub use recipe::{MaxFeatures, RandomForest};
