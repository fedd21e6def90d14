//! What each fuzz target does with its bytes. Plain functions that panic when a promise is broken:
//! the fuzzer's programs call them, and so does `tests/fuzz_corpus.rs` of the workspace, which replays
//! the checked-in inputs with the stable toolchain.
//!
//! The promise is the same everywhere: bytes from elsewhere are answered or refused with an error that
//! blames them. A panic, [`ErrorKind::Internal`], a result that differs from the same result by
//! another way, a hang and an allocation that the bytes merely claim are bugs.

pub mod component;
mod csv;
mod expectations;
mod expr;
mod foreign;
mod forest;
pub mod infer;
mod names;
pub mod package;
mod parquet;
pub mod parts;
mod profile;
mod recipe;
mod registry;
mod sample;
mod seal;
mod tracker;

use std::sync::OnceLock;

use mlops::core::conformance::LinearModel;
use mlops::core::{Codecs, Error, ErrorKind, Result};
use tokio::runtime::{Builder, Runtime};

/// How a target's bytes are made of what it reads, which tells the mutator where structure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Bytes as they are.
    Bytes,
    /// One JSON text.
    Json,
    /// [`parts`], many of which are JSON.
    Parts,
}

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folders of inputs.
    pub name: &'static str,
    /// What its bytes are.
    pub form: Form,
    /// Panics if a promise is broken.
    pub body: fn(&[u8]),
}

/// All targets. A new one is a line here, a module beside this one, a folder in `seeds` and a
/// program in `fuzz_targets`.
pub const ALL: &[Target] = &[
    Target { name: "component", form: Form::Parts, body: component::run },
    Target { name: "csv", form: Form::Bytes, body: csv::run },
    Target { name: "expectations", form: Form::Json, body: expectations::run },
    Target { name: "expr", form: Form::Json, body: expr::run },
    Target { name: "forest", form: Form::Parts, body: forest::run },
    Target { name: "infer", form: Form::Json, body: infer::run },
    Target { name: "lightgbm", form: Form::Bytes, body: foreign::lightgbm },
    Target { name: "names", form: Form::Bytes, body: names::run },
    Target { name: "onnx", form: Form::Bytes, body: foreign::onnx },
    Target { name: "package", form: Form::Parts, body: package::run },
    Target { name: "parquet", form: Form::Bytes, body: parquet::run },
    Target { name: "profile", form: Form::Json, body: profile::run },
    Target { name: "recipe", form: Form::Json, body: recipe::run },
    Target { name: "registry", form: Form::Parts, body: registry::run },
    Target { name: "tracker", form: Form::Parts, body: tracker::run },
    Target { name: "ubj", form: Form::Bytes, body: foreign::ubj },
    Target { name: "xgboost_json", form: Form::Json, body: foreign::xgboost_json },
];

/// The target called `name`.
///
/// # Panics
/// If there is none.
pub fn find(name: &str) -> &'static Target {
    ALL.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target is called {name}"))
}

/// What came of foreign bytes; an error must blame them, not us.
fn answered<T>(result: Result<T>) -> Option<T> {
    result.inspect_err(blames_the_bytes).ok()
}

fn blames_the_bytes(error: &Error) {
    assert_ne!(error.kind(), ErrorKind::Internal, "{error:?}");
    assert!(!error.message().is_empty(), "{error:?}");
}

/// Everything that the workspace can read.
fn codecs() -> &'static Codecs {
    static CODECS: OnceLock<Codecs> = OnceLock::new();
    CODECS.get_or_init(|| mlops::codecs().with(LinearModel::codecs()))
}

fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().enable_time().build().unwrap()).block_on(future)
}
