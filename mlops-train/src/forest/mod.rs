//! Random forests and extremely randomised trees.

mod extra;
mod fit;
mod model;
mod recipe;

pub use extra::ExtraTrees;
pub use model::ForestModel;
pub use recipe::{MaxFeatures, RandomForest};
