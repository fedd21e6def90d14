use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use futures::stream::BoxStream;
use mlops_core::Result;
use tokio::runtime::Handle;

use super::{At, Found, open, same, store_error};

impl Found {
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
