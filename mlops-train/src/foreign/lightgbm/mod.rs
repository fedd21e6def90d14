//! LightGBM's text format.

mod objective;
mod read;
mod text;
mod write;

pub(super) use read::read;
pub use write::to_lightgbm;
