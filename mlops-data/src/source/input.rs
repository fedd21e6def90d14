//! The bytes of a text file, whatever they are wrapped in: gzip or Zstandard, and their limit.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use mlops_core::{Error, Result};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::found::Found;

const GZIP: [u8; 2] = [0x1F, 0x8B];
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Bytes that are read of a compressed file at once.
const BUFFER: usize = 128 << 10;

/// Opens a file that may be compressed, which its first bytes tell, not its name.
///
/// Reading more than `limit` decompressed bytes fails; a file that is not compressed has none.
pub(super) fn open(file: &Found, limit: u64) -> Result<Box<dyn Read + Send>> {
    let mut source = file.read()?;
    let mut start = Vec::new();
    source.by_ref().take(4).read_to_end(&mut start).map_err(|error| file.cannot_read(error))?;
    let (gzip, zstd) = (start.starts_with(&GZIP), start == ZSTD);
    let whole = Cursor::new(start).chain(source);
    Ok(match (gzip, zstd) {
        (true, _) => limited("gzip", MultiGzDecoder::new(BufReader::with_capacity(BUFFER, whole)), limit),
        (_, true) => limited("Zstandard", Zstd::new(BufReader::with_capacity(BUFFER, whole)), limit),
        _ => Box::new(whole),
    })
}

fn limited(format: &'static str, decoder: impl Read + Send + 'static, limit: u64) -> Box<dyn Read + Send> {
    Box::new(Limited { format, decoder, limit, read: 0 })
}

/// A decoder that gives no more than it may, and says what is wrong in our terms.
struct Limited<R> {
    format: &'static str,
    decoder: R,
    limit: u64,
    read: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer).map_err(|error| self.damaged(error))?;
        self.read += read as u64;
        if self.read > self.limit {
            return Err(io::Error::other(Error::data(format!(
                "the file holds more than {0} bytes when it is decompressed, the limit: \
                 if it is to be trusted, raise the limit with `.with_max_decompressed_bytes(…)`",
                self.limit
            ))));
        }
        Ok(read)
    }
}

impl<R> Limited<R> {
    fn damaged(&self, error: io::Error) -> io::Error {
        let is_ours = error.get_ref().is_some_and(|inner| inner.is::<Error>());
        match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {}
            io::ErrorKind::Other if !is_ours => {}
            _ => return error,
        }
        let message = format!(
            "the {} data are damaged or torn after {} decompressed bytes ({error}): \
             write the file again, or restore it from a copy",
            self.format, self.read
        );
        io::Error::other(Error::corrupt(message).with_source(error))
    }
}

/// All frames of a Zstandard file, one after the other.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Begins the next frame; whether there is one.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(invalid(&error)),
            }
        }
        Ok(false)
    }

    fn end(&mut self) -> io::Result<()> {
        self.in_frame = false;
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(written), Some(read)) if written != read => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum of the data is another"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame {
                self.in_frame = self.begin()?;
                if !self.in_frame {
                    return Ok(0);
                }
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if self.decoder.is_finished() {
                self.end()?;
                continue;
            }
            let some = BlockDecodingStrategy::UptoBytes(BUFFER);
            self.decoder.decode_blocks(&mut self.source, some).map_err(|error| invalid(&error))?;
        }
    }
}

fn invalid(error: &FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
