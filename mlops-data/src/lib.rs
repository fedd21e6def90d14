//! Data for `mlops`: sources, sinks, profiles, schemas and expectations, transformers, feature selection, joins and
//! splits.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod expect;
pub mod join;
pub mod profile;
pub mod select;
pub mod sink;
pub mod source;
pub mod split;
pub mod transform;

pub use expect::{Column, Expectations, Expecting, ExpectingExt, Severity, Suggest, Validated, ValidationReport};
pub use join::{AsOf, Duplicates, Join, JoinKey};
pub use profile::{Profile, ProfileOptions, ProfileSummary};
#[cfg(feature = "ipc")]
#[cfg_attr(docsrs, doc(cfg(feature = "ipc")))]
pub use sink::ArrowIpcSink;
#[cfg(feature = "csv")]
#[cfg_attr(docsrs, doc(cfg(feature = "csv")))]
pub use sink::CsvSink;
#[cfg(feature = "json")]
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub use sink::JsonLinesSink;
#[cfg(feature = "parquet")]
#[cfg_attr(docsrs, doc(cfg(feature = "parquet")))]
pub use sink::ParquetSink;
pub use sink::{Sink, SinkExt, Written};
#[cfg(feature = "ipc")]
#[cfg_attr(docsrs, doc(cfg(feature = "ipc")))]
pub use source::ArrowIpc;
#[cfg(feature = "json")]
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub use source::JsonLines;
#[cfg(feature = "parquet")]
#[cfg_attr(docsrs, doc(cfg(feature = "parquet")))]
pub use source::Parquet;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlite"))))]
pub use source::sql::{SqlDatabase, SqlSink, SqlSource};
#[cfg(feature = "csv")]
#[cfg_attr(docsrs, doc(cfg(feature = "csv")))]
pub use source::{Csv, Dialect, Encoding};
pub use source::{MemorySource, Place};
pub use split::{Folds, Split, SplitExt, Stratify};

/// The recipes and components that this crate can read back, for
/// [`Codecs::with`](mlops_core::Codecs::with).
///
/// # Example
/// ```
/// let codecs = mlops_core::Codecs::default().with(mlops_data::codecs());
/// assert!(codecs.kinds().any(|kind| kind == "standard_scaler"));
/// ```
pub fn codecs() -> mlops_core::Codecs {
    transform::codecs().with(select::codecs())
}
