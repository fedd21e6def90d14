//! Decision trees of every origin in one form: forests, boosted trees and what other libraries
//! trained.
//!
//! A [`Tree`] is what a grower or an importer writes, a [`TreeEnsemble`] what is evaluated and
//! stored, a [`TreeModel`] the same behind a signature. How rules of other libraries are said here:
//!
//! | elsewhere | here |
//! | --- | --- |
//! | `x < t` goes left | `x <= below(t)` |
//! | `x` is rounded to `f32` first | `x <= at_most_f32(t)` or `x <= below_f32(t)` |
//! | `x > t` goes left | the same test with the children exchanged |
//! | NaN counts as 0 | `missing_left` where 0 goes left |
//! | a category equals `c` | a set of one code |
//! | base score, learning rate | `base`, and leaves that were multiplied |
#![cfg_attr(
    not(all(feature = "boosting", feature = "foreign", feature = "forest")),
    allow(dead_code, unused_imports, reason = "each of the three uses what the others do not")
)]

mod ensemble;
mod evaluate;
pub(crate) mod grow;
mod link;
mod model;
mod node;
mod store;
mod threshold;
mod tree;
mod unfold;

use crate::tensors;

pub(crate) use ensemble::{Layout, TreeEnsemble};
pub(crate) use link::{Link, logistic, softmax};
pub(crate) use model::TREES;
pub use model::TreeModel;
pub(crate) use tree::{Split, Tree};
pub(crate) use {
    threshold::{at_most_f32, below, below_f32},
    tree::{CodeSet, Step, Test},
};
