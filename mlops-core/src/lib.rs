//! The vocabulary of `mlops`: what a table, a recipe, a model, a package and an answer are, and the
//! traits that everything else implements.
//!
//! Three ideas carry the rest:
//!
//! - **Data is Arrow.** A [`Table`] is batches, a schema, and the [`Roles`] of the columns.
//! - **A recipe is plain data; fitting it gives a component of another type.** A [`Transformer`] gives
//!   a [`Transform`], a [`Trainer`] a [`Model`], a [`DriftDetector`] a [`DriftMonitor`]. A component is
//!   saved as an [`Artifact`], which is data and never code, and read back through explicit [`Codecs`].
//! - **Everything statistical is a fold** ([`Accumulator`]): the same answer for any batches, threads
//!   and order of merging.
//!
//! | trait | what implements it does | fitted, it is |
//! | --- | --- | --- |
//! | [`DataSource`] | gives batches of rows | |
//! | [`Transformer`] | prepares rows | [`Transform`] |
//! | [`Trainer`] | learns to predict | [`Model`] |
//! | [`Registry`] | keeps packages and moves aliases | |
//! | [`Server`] | brings requests from a wire to an [`Inference`] service | |
//! | [`DriftDetector`] | watches for change | [`DriftMonitor`] |
//! | [`Tracker`] | remembers experiments | |
//! | [`Explainer`] | says what an answer is made of | |
//! | [`Metric`] | judges answers | |
//!
//! [`Pipeline`] chains preparation steps and a model into one recipe and one fitted graph.
//! [`Workflow`] runs steps of a program in order of what they need.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accumulator;
pub mod columns;
pub mod compare;
mod component;
#[cfg(feature = "conformance")]
pub mod conformance;
mod drift;
mod error;
mod explain;
mod expr;
pub mod folds;
mod inference;
pub mod json_float;
mod learner;
mod model;
mod operators;
mod package;
mod pipeline;
mod predictions;
pub mod progress;
mod provenance;
pub mod random;
mod reference;
mod registry;
pub mod report;
mod roles;
mod scan;
mod signature;
pub mod sketch;
mod source;
pub mod special;
mod stream;
mod table;
mod track;
mod transform;
mod value;
mod workflow;

pub use accumulator::Accumulator;
pub use component::{Artifact, Codecs, Load, Named, Recipe, Spec};
pub use drift::{DriftDetector, DriftMonitor, DriftReport, FeatureDrift};
pub use error::{Error, ErrorKind, Result, ResultExt};
pub use explain::Explainer;
pub use expr::{Expr, Literal, Op, col, lit};
pub use inference::{
    InferRequest, InferResponse, Inference, InferenceRecord, Inputs, ModelDescription, ModelStatus, Route, Server,
    Shutdown, Tap, Trigger,
};
pub use learner::{Learned, Learner};
pub use model::{Cancel, Dense, Incremental, Model, RowModel, Run, Scratch, Trainer, predict_dense, score_row};
pub use operators::{CodeKeys, Operand, OperandKind, Operator, Operators};
pub use package::{Environment, Metadata, Package, Samples};
pub use pipeline::{Chain, Estimator, Pipeline, PipelineModel};
pub use predictions::{Metric, Predictions};
pub use provenance::Provenance;
pub use reference::{ModelRef, Pick, Version, check_alias, check_name};
pub use registry::{Registry, RegistryExt};
pub use roles::{Role, Roles};
pub use scan::{BatchStream, Scan};
pub use signature::{Classes, Decision, Domain, InputColumn, Output, Rule, Signature, Task, group};
pub use source::{DataSource, DataSourceExt};
pub use stream::{fold_stream, map_stream};
pub use table::Table;
pub use track::{MetricPoint, RunEntry, RunId, RunRecord, RunStatus, Tracker, now_ms};
pub use transform::{RowTransform, Transform, Transformer, transform_table};
pub use value::{CellReader, Value};
pub use workflow::{Deps, Out, StepId, StepRef, Workflow};
