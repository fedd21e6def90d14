//! What the formats of sinks have in common.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use mlops_core::{Error, Result};

use super::file::Staged;
use super::upload::Upload;
use crate::source::place::Place;

/// A recipe of how batches become a file. Its methods block.
pub(super) trait Format: Clone + Send + Sync + 'static {
    fn place(&self) -> &Place;

    fn overwrite(&self) -> bool;

    /// Begins a file.
    fn begin(&self, schema: &SchemaRef, target: Target) -> Result<Box<dyn Encoder>>;
}

/// A file that is being made.
pub(super) trait Encoder: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what was kept back and what the format ends with.
    fn finish(self: Box<Self>) -> Result<Target>;
}

/// Where the bytes of a file go. Dropping it undoes them.
#[derive(Debug)]
pub(super) struct Target {
    bytes: u64,
    place: Where,
}

#[derive(Debug)]
pub(super) enum Where {
    Local(io::BufWriter<Staged>),
    Stored(Upload),
}

impl Target {
    pub(super) fn local(staged: Staged) -> Self {
        Self { bytes: 0, place: Where::Local(io::BufWriter::with_capacity(256 << 10, staged)) }
    }

    pub(super) fn stored(upload: Upload) -> Self {
        Self { bytes: 0, place: Where::Stored(upload) }
    }

    /// Makes the file visible; says how many bytes it has.
    pub(super) fn commit(self) -> Result<u64> {
        match self.place {
            Where::Local(file) => file.into_inner().map_err(|error| Error::from(error.into_error()))?.commit()?,
            Where::Stored(upload) => upload.commit()?,
        }
        Ok(self.bytes)
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.place {
            Where::Local(file) => file.write(bytes)?,
            Where::Stored(upload) => upload.write(bytes)?,
        };
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.place {
            Where::Local(file) => file.flush(),
            Where::Stored(upload) => upload.flush(),
        }
    }
}

/// An error of ours that went through a writer, or what the format says.
pub(super) fn io_error(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) => error.into(),
    }
}
