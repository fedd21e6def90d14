//! Data for `mlops`: sources, profiles, schemas and expectations, transformers, joins and splits.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod expect;
pub mod join;
pub mod profile;
pub mod source;
pub mod split;
pub mod transform;
