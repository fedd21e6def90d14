//! Data for `mlops`: sources, profiles, schemas and expectations, transformers, joins and splits.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod expect;
pub mod join;
pub mod profile;
pub mod source;
pub mod split;
pub mod transform;

pub use expect::{Column, Expectations, Expecting, ExpectingExt, Severity, Suggest, Validated, ValidationReport};
pub use join::{AsOf, Duplicates, Join, JoinKey};
pub use profile::{Profile, ProfileOptions, ProfileSummary};
#[cfg(feature = "csv")]
#[cfg_attr(docsrs, doc(cfg(feature = "csv")))]
pub use source::Csv;
pub use source::MemorySource;
#[cfg(feature = "parquet")]
#[cfg_attr(docsrs, doc(cfg(feature = "parquet")))]
pub use source::Parquet;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlite"))))]
pub use source::sql::{SqlDatabase, SqlSink, SqlSource};
pub use split::{SplitExt, Stratify};

/// The recipes and components that this crate can read back, for
/// [`Codecs::with`](mlops_core::Codecs::with).
///
/// # Example
/// ```
/// let codecs = mlops_core::Codecs::default().with(mlops_data::codecs());
/// assert!(codecs.kinds().any(|kind| kind == "standard_scaler"));
/// ```
pub fn codecs() -> mlops_core::Codecs {
    transform::codecs()
}
