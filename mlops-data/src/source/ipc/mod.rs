//! Arrow IPC files and streams.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use mlops_core::{Error, Result, ResultExt};
use serde::{Deserialize, Serialize};

use super::files::{Batches, Format, Wanted, common_schema, file_source};
use super::found::Found;
use super::place::Place;

/// What the file format, but not the stream format, begins and ends with.
const MAGIC: &[u8; 6] = b"ARROW1";

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Arrow IPC, the file format (Feather version 2) and the stream format, which the first bytes tell
/// apart: one, or all files that match a pattern or are in a directory ([`Place`]), read one after the
/// other in the order of their names.
///
/// All files must have the same columns and types. A file is read from its beginning to its end; what a
/// scan does not need of it is dropped without a copy. A batch of the file is in memory at a time.
///
/// A file that is torn or damaged is an error of kind [`Corrupt`](mlops_core::ErrorKind::Corrupt) that
/// names it and how far it could be read. The format has no checksums: a flipped bit in a value is a
/// different value. Compressed buffers are not read: they are
/// [`Unsupported`](mlops_core::ErrorKind::Unsupported).
///
/// # Example
/// ```
/// use mlops_core::{DataSourceExt, Scan, Table, col, lit};
/// use mlops_data::{ArrowIpc, ArrowIpcSink, Sink, SinkExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("flights.arrow");
/// # let batch = arrow::array::record_batch!(("month", Int64, [1, 2, 5]), ("delay", Int64, [3, 20, 41]))?;
/// ArrowIpcSink::at(&path).write_table(&Table::from_batch(batch)).await?;
/// let spring = Scan::all().with_columns(["delay"]).with_filter(col("month").lt(lit(4)));
/// assert_eq!(ArrowIpc::at(&path).read_scan(spring).await?.num_rows(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ArrowIpc {
    /// The files.
    pub path: Place,
    /// Bytes of the largest batch that is read: 1 GiB.
    pub max_batch_bytes: usize,
}

impl Default for ArrowIpc {
    fn default() -> Self {
        Self { path: Place::default(), max_batch_bytes: 1 << 30 }
    }
}

impl ArrowIpc {
    /// The file at `path`, all files in the directory `path`, or all files that match it as a pattern,
    /// such as `data/*.arrow`; of the local file system, or of an object store.
    pub fn at(path: impl Into<Place>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// With another limit for what a batch of a file holds.
    #[must_use]
    pub fn with_max_batch_bytes(mut self, bytes: usize) -> Self {
        self.max_batch_bytes = bytes;
        self
    }

    fn reader(&self, file: &Found) -> Result<Reading> {
        let mut reading = Reading {
            name: file.name.clone(),
            input: file.read()?,
            decoder: StreamDecoder::new(),
            chunk: Buffer::from(Vec::<u8>::new()),
            pending: 0,
            most: self.max_batch_bytes,
            wanted: None,
            rows: 0,
            first: None,
        };
        reading.begin(file)?;
        Ok(reading)
    }
}

file_source!(ArrowIpc);

impl Format for ArrowIpc {
    const ENDINGS: &'static [&'static str] = &[".arrow", ".arrows", ".feather", ".ipc"];

    type Plan = ();

    fn place(&self) -> &Place {
        &self.path
    }

    fn plan(&self, files: &[Found]) -> Result<(SchemaRef, ())> {
        Ok((common_schema(files, |file| self.reader(file)?.schema())?, ()))
    }

    fn open(&self, file: &Found, wanted: &Wanted, (): &()) -> Result<Batches> {
        let mut reading = self.reader(file)?;
        let schema = reading.schema()?;
        wanted.refuse_changed(&schema, file)?;
        reading.wanted = Some(wanted.clone());
        Ok(Box::new(reading))
    }
}

/// The batches of a file.
struct Reading {
    name: String,
    input: Box<dyn Read + Send>,
    decoder: StreamDecoder,
    chunk: Buffer,
    /// Bytes that were read since the last batch.
    pending: usize,
    most: usize,
    wanted: Option<Wanted>,
    rows: usize,
    /// A batch that was read while the schema was looked for.
    first: Option<RecordBatch>,
}

impl Reading {
    /// Tells the formats apart, and finds where the messages end.
    fn begin(&mut self, file: &Found) -> Result<()> {
        let mut start = Vec::new();
        let mut input = std::mem::replace(&mut self.input, Box::new(std::io::empty()));
        input.by_ref().take(8).read_to_end(&mut start).map_err(|error| file.cannot_read(error))?;
        if !start.starts_with(MAGIC) {
            self.input = Box::new(std::io::Cursor::new(start).chain(input));
            return Ok(());
        }
        let length = file.length()?;
        let end = length.checked_sub(10).filter(|end| *end >= 8).ok_or_else(|| self.torn("it is too short"))?;
        let tail = file.range(end..length)?;
        let footer = i32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
        let end = u64::try_from(footer).ok().and_then(|footer| end.checked_sub(footer));
        let Some(end) = end.filter(|_| &tail[4..] == MAGIC) else {
            return Err(self.torn("it does not end with a footer"));
        };
        // Writers fill up with zeros after the magic, to 8 or to 64 bytes.
        let (mut place, mut first) = (8, [0; 8]);
        while first == [0; 8] && place < end {
            input.read_exact(&mut first).map_err(|error| file.cannot_read(error))?;
            place += 8;
        }
        let rest = input.take(end.saturating_sub(place));
        self.input = Box::new(std::io::Cursor::new(first).chain(rest));
        Ok(())
    }

    fn schema(&mut self) -> Result<SchemaRef> {
        while self.decoder.schema().is_none() {
            match self.decode()? {
                Some(batch) => self.first = Some(batch),
                None => break,
            }
        }
        self.decoder.schema().ok_or_else(|| self.torn("it ends before its schema"))
    }

    /// Reads to the next batch, or to the schema, or to the end.
    fn decode(&mut self) -> Result<Option<RecordBatch>> {
        let had_schema = self.decoder.schema().is_some();
        loop {
            while !self.chunk.is_empty() {
                let Self { decoder, chunk, .. } = self;
                let before = chunk.len();
                let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode(chunk)));
                self.pending += before - self.chunk.len();
                if self.pending > self.most {
                    return Err(self.too_large());
                }
                match decoded {
                    Ok(Ok(Some(batch))) => {
                        self.pending = 0;
                        return Ok(Some(batch));
                    }
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => return Err(self.undecodable(error)),
                    Err(_) => return Err(self.torn("its values contradict its structure")),
                }
            }
            if !had_schema && self.decoder.schema().is_some() {
                return Ok(None);
            }
            let mut bytes = Vec::with_capacity(CHUNK);
            let read = self.input.by_ref().take(CHUNK as u64).read_to_end(&mut bytes);
            let read = read.map_err(|error| super::found::cannot_read(&self.name, error))?;
            if read == 0 {
                let finished = self.decoder.finish();
                return finished.map(|()| None).map_err(|error| self.undecodable(error));
            }
            self.chunk = Buffer::from(bytes);
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(wanted) = &self.wanted else { return Ok(None) };
        if wanted.limit.is_some_and(|limit| self.rows >= limit) {
            return Ok(None);
        }
        let (columns, schema) = (wanted.columns.clone(), Arc::clone(&wanted.schema));
        let batch = match self.first.take() {
            Some(first) => Some(first),
            None => self.decode().context("after row", self.rows)?,
        };
        let Some(batch) = batch else { return Ok(None) };
        self.rows += batch.num_rows();
        Ok(Some(batch.project(&columns)?.with_schema(schema)?))
    }

    fn undecodable(&self, error: ArrowError) -> Error {
        if error.to_string().contains("ipc_compression") {
            return Error::unsupported("its buffers are compressed, which is not read here: write them uncompressed")
                .with_context("file", &self.name)
                .with_source(error);
        }
        self.torn(&error.to_string()).with_source(error)
    }

    fn torn(&self, why: &str) -> Error {
        Error::corrupt(format!("not whole Arrow IPC: {why}; write it again, or restore it from a copy"))
            .with_context("file", &self.name)
    }

    fn too_large(&self) -> Error {
        Error::data(format!(
            "a batch has more than {} bytes, the limit: write smaller batches, or raise the limit with \
             `.with_max_batch_bytes(…)`",
            self.most
        ))
        .with_context("file", &self.name)
    }
}

impl Iterator for Reading {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}
