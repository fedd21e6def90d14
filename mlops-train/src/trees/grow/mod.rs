//! Growing trees from histograms.
//!
//! Every feature is cut into at most 255 bins ([`Binned`]), so a split is found by adding up rows by
//! bin rather than by sorting them. A tree learns from two numbers a row, a gradient and a Hessian
//! ([`Fixed`]); what those are makes it a boosted tree (derivatives of a loss) or one of a forest
//! (the target and the weight, whose best split by gain is the one of least variance, or of least
//! Gini impurity for two classes).
//!
//! Sums are whole numbers, so they are the same in any order: the tree does not depend on threads,
//! and the rows of a node less those of a child are exactly those of the other child.

mod binned;
mod categories;
mod edges;
mod fixed;
mod grower;
mod histogram;
mod split;

pub(crate) use binned::Binned;
pub(crate) use edges::MAX_BINS;
pub(crate) use fixed::{Cell, Fixed};
pub(crate) use grower::{Grower, Grown, Growth, LeafRows};
