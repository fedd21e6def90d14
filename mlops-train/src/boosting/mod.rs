//! Gradient boosting.

mod fit;
mod loss;
mod recipe;
mod stopping;

pub use loss::Loss;
pub use recipe::HistGradientBoosting;
