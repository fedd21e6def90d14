//! Why was this the answer? What each input contributed, compared with a typical row.

mod coalitions;
mod shapley;
mod stored;

pub use shapley::{Shapley, ShapleyExplainer};
