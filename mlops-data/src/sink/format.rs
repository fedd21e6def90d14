//! What the formats of sinks have in common.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use mlops_core::{Error, Result};

use super::file::Staged;
use super::upload::Upload;
use crate::source::place::Place;

/// Where a file is to be, and whether it may replace one.
pub(super) trait Placed {
    fn place(&self) -> &Place;

    fn overwrite(&self) -> bool;
}

/// A recipe of how batches become a file. Its methods block.
pub(super) trait Format: Placed + Clone + Send + Sync + 'static {
    /// Begins a file.
    fn begin(&self, schema: &SchemaRef, target: Target) -> Result<Box<dyn Encoder>>;
}

/// Makes a [`Sink`](super::Sink) of a [`Format`] with the settings `path` and `overwrite`.
macro_rules! file_sink {
    ($sink:ty) => {
        impl $sink {
            /// A file at `path`, of the local file system or of an object store.
            pub fn at(path: impl Into<$crate::source::Place>) -> Self {
                Self { path: path.into(), ..Self::default() }
            }

            /// Whether the file may replace one that is there.
            #[must_use]
            pub fn with_overwrite(mut self, overwrite: bool) -> Self {
                self.overwrite = overwrite;
                self
            }
        }

        impl $crate::sink::format::Placed for $sink {
            fn place(&self) -> &$crate::source::Place {
                &self.path
            }

            fn overwrite(&self) -> bool {
                self.overwrite
            }
        }

        #[async_trait::async_trait]
        impl $crate::sink::Sink for $sink {
            fn name(&self) -> String {
                self.path.to_string()
            }

            async fn write(
                &self,
                schema: arrow::datatypes::SchemaRef,
                batches: mlops_core::BatchStream,
            ) -> mlops_core::Result<$crate::sink::Written> {
                $crate::sink::write::write(self, schema, batches).await
            }
        }
    };
}
pub(super) use file_sink;

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
