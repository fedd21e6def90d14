//! Features of what happened before: earlier values of the same key.

mod history;
mod recipes;

pub(super) use self::history::History;
pub use self::recipes::{Lag, Rolling, Statistic, Window};
