//! Files that were found, and their bytes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use futures::stream::BoxStream;
use mlops_core::{Error, ErrorKind, Result};
use object_store::{GetOptions, ObjectMeta, ObjectStore};
use tokio::runtime::Handle;

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

/// What tells that a file is another one than before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stamp {
    name: String,
    length: u64,
    modified: Option<SystemTime>,
    tag: Option<String>,
}

impl Found {
    /// The local file, where there is one to be read at several places at once.
    pub(crate) fn open_local(&self) -> Result<Option<File>> {
        match &self.at {
            At::Local(path) => open(path).map(Some).map_err(|error| self.cannot_read(error)),
            At::Stored { .. } => Ok(None),
        }
    }

    /// How many bytes it has.
    pub(crate) fn length(&self) -> Result<u64> {
        match &self.at {
            At::Local(path) => fs::metadata(path).map(|found| found.len()).map_err(|error| self.cannot_read(error)),
            At::Stored { meta, .. } => Ok(meta.size),
        }
    }

    pub(crate) fn stamp(&self) -> Result<Stamp> {
        let (length, modified, tag) = match &self.at {
            At::Local(path) => {
                let found = fs::metadata(path).map_err(|error| self.cannot_read(error))?;
                (found.len(), found.modified().ok(), None)
            }
            At::Stored { meta, .. } => (meta.size, Some(meta.last_modified.into()), meta.e_tag.clone()),
        };
        Ok(Stamp { name: self.name.clone(), length, modified, tag })
    }

    /// Its bytes from the first to the last.
    pub(crate) fn read(&self) -> Result<Box<dyn Read + Send>> {
        match &self.at {
            At::Local(path) => {
                open(path).map(|file| Box::new(file) as Box<dyn Read + Send>).map_err(|error| self.cannot_read(error))
            }
            At::Stored { store, meta, runtime } => {
                let (store, path, options) = (Arc::clone(store), meta.location.clone(), same(meta));
                let found = runtime.block_on(async move { store.get_opts(&path, options).await });
                let stream = found.map_err(|error| self.store_error(error))?.into_stream();
                let name = self.name.clone();
                Ok(Box::new(Streamed { name, stream, runtime: runtime.clone(), rest: Bytes::new() }))
            }
        }
    }

    /// Some of its bytes.
    pub(crate) fn range(&self, range: Range<u64>) -> Result<Bytes> {
        Ok(self.ranges(std::slice::from_ref(&range))?.swap_remove(0))
    }

    /// Several parts of its bytes, asked for side by side.
    pub(crate) fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match &self.at {
            At::Local(path) => {
                let bytes = |range: &Range<u64>| read_range(path, range.clone());
                ranges.iter().map(bytes).collect::<io::Result<_>>().map_err(|error| self.cannot_read(error))
            }
            At::Stored { store, meta, runtime } => {
                let gets = ranges.iter().map(|range| {
                    let (store, path) = (Arc::clone(store), meta.location.clone());
                    let options = same(meta).with_range(Some(range.clone()));
                    async move { store.get_opts(&path, options).await?.bytes().await }
                });
                let all = futures::stream::iter(gets.collect::<Vec<_>>()).buffered(8).collect::<Vec<_>>();
                let all: object_store::Result<Vec<Bytes>> = runtime.block_on(all).into_iter().collect();
                let all = all.map_err(|error| self.store_error(error))?;
                let cut = all.iter().zip(ranges).any(|(bytes, range)| bytes.len() as u64 != range.end - range.start);
                if cut { Err(self.cannot_read(io::ErrorKind::UnexpectedEof.into())) } else { Ok(all) }
            }
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

fn read_range(path: &PathBuf, range: Range<u64>) -> io::Result<Bytes> {
    use std::io::{Seek, SeekFrom};

    let mut file = open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    let wanted = range.end - range.start;
    if file.take(wanted).read_to_end(&mut bytes)? as u64 != wanted {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.into())
}

/// The bytes of an object, as they arrive.
struct Streamed {
    name: String,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    runtime: Handle,
    rest: Bytes,
}

impl Read for Streamed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => {
                    return Err(io::Error::other(store_error("read", error).with_context("file", &self.name)));
                }
                None => return Ok(0),
            }
        }
        let taken = buffer.len().min(self.rest.len());
        buffer[..taken].copy_from_slice(&self.rest[..taken]);
        self.rest.advance(taken);
        Ok(taken)
    }
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
