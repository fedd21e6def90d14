//! Where models and experiments are kept: the package format, a registry on any object store, and
//! a tracker of experiments in plain files.
//!
//! - [`package`]: a model with its samples, its drift reference and its evidence as a directory of
//!   files, each checked byte by byte before anything reads it.
//! - [`ObjectRegistry`]: versions that never change and aliases that move, on a local directory or
//!   any [`object_store`], for many writers, safe under `kill -9` at any instant.
//! - [`JsonlTracker`]: parameters, metrics, tags and files of training runs as JSON lines that no
//!   crash can tear.
//!
//! Nothing here executes what it reads: a package is data, and the [`Codecs`](mlops_core::Codecs)
//! of the program say which components it can be.
//!
//! # Example
//! ```
//! # use mlops_core::conformance::LinearModel;
//! # let model = LinearModel::regression([("distance", 0.5)], 3.0)?;
//! # let (package, codecs) = (model.package("flights")?, LinearModel::codecs());
//! # let temporary = tempfile::tempdir()?;
//! # let directory = temporary.path().to_str().expect("a path of plain text");
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use mlops_core::{Registry, RegistryExt};
//! use mlops_registry::ObjectRegistry;
//!
//! let registry = ObjectRegistry::open(directory, codecs).await?;
//! let version = registry.publish(&package).await?;
//! registry.promote(&version, "champion").await?;
//! let (loaded, again) = registry.load("flights@champion").await?;
//! assert_eq!((loaded, again.samples), (version, package.samples));
//! # Ok::<(), mlops_core::Error>(()) })?;
//! # Ok::<(), mlops_core::Error>(())
//! ```
//!
//! # What is on the disk when a call returns
//! In a local directory, everything: each file is flushed (`fsync`) before it gets its name, and the
//! directories that name it are flushed before the call returns. `object_store`'s own local file
//! system does not do that, so [`ObjectRegistry::open`] writes by itself and only reads through it.
//! On any other store, what the store acknowledged.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod digest;
mod durable;
pub mod package;
mod registry;
mod sealed;
mod store;
mod track;

pub use digest::Digest;
pub use package::{Limits, Manifest, PackageFiles, read_package, write_package};
pub use registry::{Collected, ObjectRegistry};
pub use track::{Durability, JsonlTracker};
