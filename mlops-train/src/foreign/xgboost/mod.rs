//! XGBoost's models: one document, written as JSON or as UBJSON.

mod objective;
mod read;
mod tree;
mod ubj;
mod value;
mod write;

pub(super) use read::read;
pub use write::to_xgboost;
