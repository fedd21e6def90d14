//! An object that appears whole or not at all.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use mlops_core::{Error, Result};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::runtime::Handle;

use super::file::random_u64;
use crate::source::found::store_error;

/// Bytes of a part. Stores take parts of 5 MiB or more, and at most 10,000 of them.
const PART: usize = 8 << 20;

/// How many parts of a size before parts grow: 10,000 parts then hold some 5 TiB.
const SAME: usize = 1000;

/// An object that is being uploaded, from a thread that may block. Dropping it aborts the upload.
#[derive(Debug)]
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
    place: Path,
    overwrite: bool,
    part: Vec<u8>,
    parts: usize,
    multipart: Option<(Path, Box<dyn MultipartUpload>)>,
}

impl Upload {
    pub(super) fn begin(store: Arc<dyn ObjectStore>, place: &str, overwrite: bool, runtime: Handle) -> Result<Self> {
        let path = Path::parse(place).map_err(|error| {
            Error::config(format!("'{place}' is no path of an object: {error}; choose another")).with_source(error)
        })?;
        let upload = Self { store, runtime, place: path, overwrite, part: Vec::new(), parts: 0, multipart: None };
        if !overwrite {
            match upload.runtime.block_on(upload.store.head(&upload.place)) {
                Ok(_) => return Err(upload.taken()),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(upload.failed("look for", error)),
            }
        }
        Ok(upload)
    }

    /// Makes the object visible.
    pub(super) fn commit(mut self) -> Result<()> {
        let last = Bytes::from(std::mem::take(&mut self.part));
        let Some((key, mut multipart)) = self.multipart.take() else {
            let mode = if self.overwrite { PutMode::Overwrite } else { PutMode::Create };
            let put = self.store.put_opts(&self.place, PutPayload::from_bytes(last), mode.into());
            return self.settled(self.runtime.block_on(put).map(|_| ()));
        };
        let uploaded = self.runtime.block_on(async {
            if !last.is_empty() {
                multipart.put_part(PutPayload::from_bytes(last)).await?;
            }
            multipart.complete().await
        });
        if let Err(error) = uploaded {
            // An upload that can't be aborted either is for the life-cycle rules of the store.
            let _ = self.runtime.block_on(multipart.abort());
            return Err(self.failed("write", error));
        }
        if key == self.place {
            return Ok(());
        }
        let copied = self.runtime.block_on(self.store.copy_if_not_exists(&key, &self.place));
        let removed = self.runtime.block_on(self.store.delete(&key));
        self.settled(copied)?;
        removed.map_err(|error| self.failed("remove the temporary", error))
    }

    /// Uploads what has been collected; the first part begins the upload.
    fn send(&mut self) -> object_store::Result<()> {
        if self.multipart.is_none() {
            let key = match self.overwrite {
                true => self.place.clone(),
                false => temporary(&self.place),
            };
            let multipart = self.runtime.block_on(self.store.put_multipart(&key))?;
            self.multipart = Some((key, multipart));
        }
        let part = PutPayload::from(std::mem::take(&mut self.part));
        self.parts += 1;
        match &mut self.multipart {
            Some((_, multipart)) => self.runtime.block_on(multipart.put_part(part)),
            None => Ok(()),
        }
    }

    fn part_size(&self) -> usize {
        PART << (self.parts / SAME)
    }

    fn settled(&self, put: object_store::Result<()>) -> Result<()> {
        match put {
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Err(self.taken())
            }
            put => put.map_err(|error| self.failed("write", error)),
        }
    }

    fn taken(&self) -> Error {
        Error::new(
            mlops_core::ErrorKind::Conflict,
            format!("'{}' is there already: choose another name, or allow it with `.with_overwrite(true)`", self.place),
        )
    }

    fn failed(&self, tried: &str, error: object_store::Error) -> Error {
        store_error(tried, error).with_context("path", &self.place)
    }
}

/// A key that no source looks at, beside that of the object.
fn temporary(place: &Path) -> Path {
    let mut parts: Vec<String> = place.parts().map(|part| part.as_ref().to_owned()).collect();
    let name = parts.pop().unwrap_or_default();
    parts.push(format!(".{name}.{}.tmp", random_u64()));
    Path::from_iter(parts)
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= self.part_size() {
            self.send().map_err(|error| io::Error::other(self.failed("write", error)))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some((_, mut multipart)) = self.multipart.take() {
            // Nobody is left to be told; parts that stay are for the life-cycle rules of the store.
            let _ = self.runtime.block_on(multipart.abort());
        }
    }
}
