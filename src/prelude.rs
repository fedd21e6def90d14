//! The names that most programs need: `use mlops::prelude::*;`.

pub use mlops_core::{
    DataSource, DataSourceExt, DriftDetector, DriftMonitor, Error, ErrorKind, Explainer, Inference, Metric, Model,
    Package, Pipeline, Registry, RegistryExt, Result, Role, Roles, Run, Scan, Server, Shutdown, Table, Tracker,
    Trainer, Transform, Transformer, Workflow, col, lit,
};
