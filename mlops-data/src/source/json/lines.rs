//! Files to lines.

use std::io::Read;

use memchr::memchr;
use mlops_core::{Error, Result};

use crate::source::found::cannot_read;

/// Bytes that are read at once, and after which a batch of lines is full.
const CHUNK: usize = 256 << 10;
const MAX_BATCH: usize = 32 << 20;

/// The lines of a file that are not empty.
pub(super) struct Lines {
    name: String,
    input: Box<dyn Read + Send>,
    most: usize,
    /// Bytes that were read, of which those before `given` were given.
    bytes: Vec<u8>,
    given: usize,
    ended: bool,
    line: u64,
}

/// A few lines, one after the other, and the number of each.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Where each ends, with its line feed.
    pub(super) ends: Vec<usize>,
    pub(super) numbers: Vec<u64>,
}

impl Batch {
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).zip(&self.numbers).map(|((start, end), number)| (*number, &self.bytes[start..*end]))
    }
}

impl Lines {
    pub(super) fn new(name: &str, input: Box<dyn Read + Send>, most: usize) -> Self {
        Self { name: name.to_owned(), input, most, bytes: Vec::new(), given: 0, ended: false, line: 0 }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Replaces `batch` by the next lines, at most `rows` of them; none at the end of the file.
    pub(super) fn read(&mut self, batch: &mut Batch, rows: usize) -> Result<()> {
        batch.bytes.clear();
        batch.ends.clear();
        batch.numbers.clear();
        while batch.ends.len() < rows && batch.bytes.len() < MAX_BATCH {
            let rest = &self.bytes[self.given..];
            let length = match memchr(b'\n', rest) {
                Some(length) => length,
                None if self.ended && rest.is_empty() => break,
                None if self.ended => rest.len(),
                None => {
                    self.more()?;
                    continue;
                }
            };
            if length > self.most {
                return Err(self.too_long());
            }
            self.line += 1;
            let line = rest[..length].trim_ascii();
            let line = if self.line == 1 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
            if !line.is_empty() {
                batch.bytes.extend_from_slice(line);
                batch.bytes.push(b'\n');
                batch.ends.push(batch.bytes.len());
                batch.numbers.push(self.line);
            }
            self.given = (self.given + length + 1).min(self.bytes.len());
        }
        Ok(())
    }

    fn more(&mut self) -> Result<()> {
        self.bytes.drain(..self.given);
        self.given = 0;
        if self.bytes.len() > self.most {
            return Err(self.too_long());
        }
        // A long line is read in steps of its length so far, so that it is not searched again and again.
        let wanted = CHUNK.max(self.bytes.len()) as u64;
        let read = self.input.by_ref().take(wanted).read_to_end(&mut self.bytes);
        self.ended = read.map_err(|error| cannot_read(&self.name, error))? == 0;
        Ok(())
    }

    fn too_long(&self) -> Error {
        self.error(
            self.line + 1,
            &format!(
                "longer than {} bytes, the limit: is it a file of lines? If it is meant, raise the limit with \
                 `.with_max_record_bytes(…)`",
                self.most
            ),
        )
    }

    /// An error at a line of this file.
    pub(super) fn error(&self, line: u64, message: &str) -> Error {
        Error::data(format!("line {line}, {message}")).with_context("file", &self.name)
    }
}
