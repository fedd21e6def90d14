//! Nearest neighbours: an index of points, and the models that ask it.

mod index;
mod model;
mod recipe;

pub(crate) use index::{Index, Metric};
pub use model::KNeighborsModel;
pub use recipe::{KNeighbors, NeighborWeights};
