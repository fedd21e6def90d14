use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_json::WriterBuilder;
use arrow_json::writer::{LineDelimited, Writer};
use async_trait::async_trait;
use mlops_core::{BatchStream, Error, Result};
use serde::{Deserialize, Serialize};

use super::format::{Encoder, Format, Target, io_error};
use super::{Sink, Written};
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

impl JsonLinesSink {
    /// A file at `path`, of the local file system or of an object store.
    pub fn at(path: impl Into<Place>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Whether the file may replace one that is there.
    #[must_use]
    pub fn with_overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }
}

#[async_trait]
impl Sink for JsonLinesSink {
    fn name(&self) -> String {
        self.path.to_string()
    }

    async fn write(&self, schema: SchemaRef, batches: BatchStream) -> Result<Written> {
        super::write::write(self, schema, batches).await
    }
}

impl Format for JsonLinesSink {
    fn place(&self) -> &Place {
        &self.path
    }

    fn overwrite(&self) -> bool {
        self.overwrite
    }

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
