//! Steps that change which rows there are to learn from, and nothing else: rows that are served pass
//! through.

mod deduplicate;
mod sampler;
mod smote;

use std::sync::Arc;

use mlops_core::{Chain, Transform};

pub use self::deduplicate::{Deduplicate, Keep};
pub use self::sampler::{RandomOverSampler, RandomUnderSampler, SamplingStrategy};
pub use self::smote::Smote;

/// What is done with rows that are served.
fn nothing() -> Arc<dyn Transform> {
    Arc::new(Chain::default())
}
