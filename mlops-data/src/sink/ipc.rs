use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::format::{Encoder, Format, Target, file_sink, io_error};
use crate::source::place::Place;

/// An Arrow IPC file or stream. It is there whole, or not at all (see [`sink`](crate::sink)).
///
/// [`ArrowIpc`](crate::source::ArrowIpc) reads both; other programs map the file format into memory and
/// read any batch of it, or take the stream format from a pipe. A batch is in memory at a time. In the
/// file format, all batches must share the dictionaries of their columns.
///
/// # Example
/// See [`ArrowIpc`](crate::source::ArrowIpc).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ArrowIpcSink {
    /// The file.
    pub path: Place,
    /// Whether it may replace what is there.
    pub overwrite: bool,
    /// Which of the formats is written.
    pub format: IpcFormat,
}

/// The formats of Arrow IPC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpcFormat {
    /// With a footer that says where each batch is; also called Feather, version 2.
    #[default]
    File,
    /// To be read from its beginning to its end.
    Stream,
}

file_sink!(ArrowIpcSink);

impl ArrowIpcSink {
    /// In this format.
    #[must_use]
    pub fn with_format(mut self, format: IpcFormat) -> Self {
        self.format = format;
        self
    }
}

impl Format for ArrowIpcSink {
    fn begin(&self, schema: &SchemaRef, target: Target) -> Result<Box<dyn Encoder>> {
        Ok(match self.format {
            IpcFormat::File => Box::new(FileWriter::try_new(target, schema).map_err(failed)?),
            IpcFormat::Stream => Box::new(StreamWriter::try_new(target, schema).map_err(failed)?),
        })
    }
}

impl Encoder for FileWriter<Target> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Self::write(self, batch).map_err(failed)
    }

    fn finish(self: Box<Self>) -> Result<Target> {
        self.into_inner().map_err(failed)
    }
}

impl Encoder for StreamWriter<Target> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Self::write(self, batch).map_err(failed)
    }

    fn finish(self: Box<Self>) -> Result<Target> {
        self.into_inner().map_err(failed)
    }
}

fn failed(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => io_error(error),
        error => error.into(),
    }
}
