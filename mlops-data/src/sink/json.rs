use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_json::WriterBuilder;
use arrow_json::writer::{LineDelimited, Writer};
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::format::{Encoder, Format, Target, file_sink, io_error};
use crate::source::place::Place;

/// A file of JSON lines: an object for each row, with every column, null or not. It is there whole, or
/// not at all (see [`sink`](crate::sink)).
///
/// Dates and times are written as ISO 8601. JSON has no NaN and no infinity: they are written as null.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::{JsonLinesSink, Sink, SinkExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("trips.jsonl");
/// let batch = arrow::array::record_batch!(("zone", Utf8, [Some("north"), None]), ("minutes", Int64, [12, 7]))?;
/// JsonLinesSink::at(&path).write_table(&Table::from_batch(batch)).await?;
/// let text = std::fs::read_to_string(&path)?;
/// assert_eq!(text, "{\"zone\":\"north\",\"minutes\":12}\n{\"zone\":null,\"minutes\":7}\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct JsonLinesSink {
    /// The file.
    pub path: Place,
    /// Whether it may replace what is there.
    pub overwrite: bool,
}

file_sink!(JsonLinesSink);

impl Format for JsonLinesSink {
    fn begin(&self, _: &SchemaRef, target: Target) -> Result<Box<dyn Encoder>> {
        let writer: Lines = WriterBuilder::new().with_explicit_nulls(true).build(target);
        Ok(Box::new(writer))
    }
}

type Lines = Writer<Target, LineDelimited>;

impl Encoder for Lines {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Self::write(self, batch).map_err(failed)
    }

    fn finish(mut self: Box<Self>) -> Result<Target> {
        Self::finish(&mut self).map_err(failed)?;
        Ok(self.into_inner())
    }
}

fn failed(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => io_error(error),
        ArrowError::JsonError(_) | ArrowError::InvalidArgumentError(_) => {
            Error::unsupported(format!("a column can't be written as JSON: {error}; cast it to another type"))
                .with_source(error)
        }
        error => error.into(),
    }
}
