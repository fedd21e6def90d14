//! Files that were found, and their bytes.

#[cfg(any(feature = "csv", feature = "parquet"))]
mod local;
#[cfg(any(feature = "ipc", feature = "parquet"))]
mod ranges;
#[cfg(any(feature = "csv", feature = "json"))]
mod stamp;
#[cfg(any(feature = "csv", feature = "ipc", feature = "json"))]
mod stream;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use mlops_core::{Error, ErrorKind};
use object_store::{GetOptions, ObjectMeta, ObjectStore};
use tokio::runtime::Handle;

#[cfg(any(feature = "csv", feature = "json"))]
pub(crate) use self::stamp::Stamp;

/// A file that a place stands for.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// What it is called in messages.
    pub(crate) name: String,
    /// The `key=value` directories above it, below what is fixed of the place.
    pub(crate) partitions: Vec<(String, String)>,
    pub(super) at: At,
}

#[derive(Clone, Debug)]
pub(super) enum At {
    Local(PathBuf),
    Stored { store: Arc<dyn ObjectStore>, meta: ObjectMeta, runtime: Handle },
}

impl Found {
    /// How many bytes it has.
    #[cfg(any(feature = "csv", feature = "ipc", feature = "parquet"))]
    pub(crate) fn length(&self) -> mlops_core::Result<u64> {
        match &self.at {
            At::Local(path) => {
                std::fs::metadata(path).map(|found| found.len()).map_err(|error| self.cannot_read(error))
            }
            At::Stored { meta, .. } => Ok(meta.size),
        }
    }

    /// What went wrong with reading, and what to do about it.
    pub(crate) fn cannot_read(&self, error: io::Error) -> Error {
        cannot_read(&self.name, error)
    }

    fn store_error(&self, error: object_store::Error) -> Error {
        store_error("read", error).with_context("file", &self.name)
    }
}

/// The object as it was when it was found, or an error.
fn same(meta: &ObjectMeta) -> GetOptions {
    GetOptions { if_match: meta.e_tag.clone(), version: meta.version.clone(), ..GetOptions::default() }
}

fn open(path: &PathBuf) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

/// What went wrong with reading a file called `name`, and what to do about it.
pub(crate) fn cannot_read(name: &str, error: io::Error) -> Error {
    let error = match error.downcast::<Error>() {
        // An error of ours on its way through a reader.
        Ok(ours) if ours.context().iter().any(|(key, _)| *key == "file") => return ours,
        Ok(ours) => return ours.with_context("file", name),
        Err(error) => error,
    };
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "; it was there before: was it moved while it was read?",
        io::ErrorKind::PermissionDenied => "; allow this user to read it and to enter its directories",
        _ => "",
    };
    let kind = Error::from(io::Error::from(error.kind())).kind();
    Error::new(kind, format!("can't read the file: {error}{remedy}")).with_context("file", name).with_source(error)
}

/// An error of a store, with what was tried and what to do about it.
pub(crate) fn store_error(tried: &str, error: object_store::Error) -> Error {
    use object_store::Error as E;
    const MISSING: (ErrorKind, &str) = (ErrorKind::NotFound, "check the names of the store and of the object");
    const REFUSED: (ErrorKind, &str) = (ErrorKind::Denied, "check the credentials and the rights that they give");
    let (kind, remedy) = match &error {
        E::AlreadyExists { .. } => (ErrorKind::Conflict, "choose another name, or allow it to be overwritten"),
        E::Precondition { .. } => (ErrorKind::Conflict, "it changed in between: start anew"),
        E::InvalidPath { .. } => (ErrorKind::Config, "choose another path"),
        E::NotFound { .. } => MISSING,
        E::NotImplemented { .. } | E::NotSupported { .. } => {
            (ErrorKind::Unsupported, "choose a store that has put-if-absent, or allow overwriting")
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => REFUSED,
        _ => match status(&error) {
            Some(401 | 403) => REFUSED,
            Some(404) => MISSING,
            _ => (ErrorKind::Unavailable, "try again later"),
        },
    };
    Error::new(kind, format!("could not {tried} an object ({error}): {remedy}")).with_source(error)
}

/// The status of an answer of a server. Listing has no error of its own for any, and the type that holds it is private
/// to `object_store`, so its text is all there is.
fn status(error: &object_store::Error) -> Option<u16> {
    error.to_string().split_once("status code: ")?.1.get(..3)?.parse().ok()
}
