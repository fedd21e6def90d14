//! The bytes of a Parquet file, and of its pages only what is true.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use mlops_core::Result;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::thrift::{Wrong, walk};
use crate::source::found::Found;

/// Bytes that most headers of pages fit into, and those of the largest that is read.
const HEADER: usize = 4 << 10;
const MAX_HEADER: usize = 16 << 20;

/// A file to read pages of.
#[derive(Debug)]
pub(super) struct Pages {
    bytes: Stock,
    length: u64,
    max_page: usize,
}

#[derive(Debug)]
enum Stock {
    Local(File),
    /// Parts of an object, by where they begin.
    Parts(Vec<(u64, Bytes)>),
}

impl Pages {
    /// The pages of `file`, of which `ranges` are needed. They are kept in memory if the file is not local.
    pub(super) fn of(file: &Found, ranges: &[Range<u64>], max_page: usize) -> Result<Self> {
        let bytes = match file.open_local()? {
            Some(local) => Stock::Local(local),
            None => {
                let parts = file.ranges(ranges)?;
                Stock::Parts(ranges.iter().map(|range| range.start).zip(parts).collect())
            }
        };
        Ok(Self { bytes, length: file.length()?, max_page })
    }

    /// At most `most` bytes from `start`.
    fn some(&self, start: u64, most: usize) -> io::Result<Bytes> {
        let most = most.min(usize::try_from(self.length.saturating_sub(start)).unwrap_or(usize::MAX));
        match &self.bytes {
            Stock::Local(file) => {
                let mut file = file;
                file.seek(SeekFrom::Start(start))?;
                let mut bytes = Vec::with_capacity(most);
                file.take(most as u64).read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
            Stock::Parts(parts) => {
                let part = parts.iter().find_map(|(begin, bytes)| {
                    let skipped = usize::try_from(start.checked_sub(*begin)?).ok()?;
                    (skipped < bytes.len()).then(|| bytes.slice(skipped..bytes.len().min(skipped.saturating_add(most))))
                });
                part.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
        }
    }

    /// Bytes from `start` that hold the whole header of a page, whose lengths are true.
    fn header(&self, start: u64) -> parquet::errors::Result<Bytes> {
        let mut size = HEADER;
        loop {
            let bytes = self.some(start, size)?;
            match walk(&bytes, [2, 3]) {
                Ok((_, sizes)) => {
                    let largest = sizes.into_iter().flatten().max().unwrap_or(0);
                    return if largest > self.max_page as i64 { Err(self.too_large(largest)) } else { Ok(bytes) };
                }
                Err(Wrong::Cut) if bytes.len() == size && size < MAX_HEADER => size *= 8,
                Err(_) => return Err(ParquetError::General(format!("no header of a page is at byte {start}"))),
            }
        }
    }

    fn too_large(&self, size: i64) -> ParquetError {
        ParquetError::General(format!(
            "a page says to have {size} bytes when it is decompressed, more than the limit of {}: if that is to be \
             trusted, raise the limit with `.with_max_page_bytes(…)`",
            self.max_page
        ))
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Pages {
    type T = Cursor<Bytes>;

    /// The library reads nothing but headers of pages in this way.
    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.header(start).map(Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let bytes = self.some(start, length)?;
        if bytes.len() == length {
            return Ok(bytes);
        }
        Err(ParquetError::EOF(format!("a page of {length} bytes is said to be at byte {start}, but is not")))
    }
}
