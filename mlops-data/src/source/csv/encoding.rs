//! Bytes in other encodings than UTF-8.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

/// How the characters of a file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// ISO 8859-1: each byte is the character of that number.
    Latin1,
    /// UTF-8; anything else is an error that says where.
    #[default]
    Utf8,
    /// UTF-8; what is not becomes U+FFFD, the replacement character.
    Utf8Lossy,
}

/// `source`, in UTF-8 unless it is to be an error that it is not.
pub(super) fn decoded(source: Box<dyn Read + Send>, encoding: Encoding) -> Box<dyn Read + Send> {
    match encoding {
        Encoding::Latin1 => Box::new(Converted::new(source, latin1)),
        Encoding::Utf8 => source,
        Encoding::Utf8Lossy => Box::new(Converted::new(source, lossy)),
    }
}

/// Bytes that are read of the source at once.
const CHUNK: usize = 64 << 10;

/// Appends what the bytes stand for to a text and says how many it took; told whether more follow.
type Convert = fn(&[u8], &mut Vec<u8>, bool) -> usize;

struct Converted<R> {
    source: R,
    convert: Convert,
    raw: Vec<u8>,
    text: Vec<u8>,
    given: usize,
}

impl<R: Read> Converted<R> {
    fn new(source: R, convert: Convert) -> Self {
        Self { source, convert, raw: Vec::new(), text: Vec::new(), given: 0 }
    }
}

impl<R: Read> Read for Converted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            let read = self.source.by_ref().take(CHUNK as u64).read_to_end(&mut self.raw)?;
            self.text.clear();
            self.given = 0;
            let taken = (self.convert)(&self.raw, &mut self.text, read > 0);
            self.raw.drain(..taken);
            if read == 0 && self.text.is_empty() {
                return Ok(0);
            }
        }
        let rest = &self.text[self.given..];
        let given = rest.len().min(buffer.len());
        buffer[..given].copy_from_slice(&rest[..given]);
        self.given += given;
        Ok(given)
    }
}

fn latin1(raw: &[u8], text: &mut Vec<u8>, _: bool) -> usize {
    let mut character = [0; 2];
    for byte in raw {
        text.extend_from_slice(char::from(*byte).encode_utf8(&mut character).as_bytes());
    }
    raw.len()
}

fn lossy(raw: &[u8], text: &mut Vec<u8>, more: bool) -> usize {
    let mut rest = raw;
    loop {
        match std::str::from_utf8(rest) {
            Ok(_) => {
                text.extend_from_slice(rest);
                return raw.len();
            }
            Err(error) => {
                let (valid, wrong) = rest.split_at(error.valid_up_to());
                text.extend_from_slice(valid);
                // Without a length, the character may only be cut.
                let length = match error.error_len() {
                    Some(length) => length,
                    None if more => return raw.len() - wrong.len(),
                    None => wrong.len(),
                };
                text.extend_from_slice("\u{FFFD}".as_bytes());
                rest = &wrong[length..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives one byte at a time.
    struct Slowly(io::Cursor<Vec<u8>>);

    impl Read for Slowly {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let wanted = buffer.len().min(1);
            self.0.read(&mut buffer[..wanted])
        }
    }

    proptest! {
        #[test]
        fn bytes_become_what_the_standard_library_says(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for (encoding, expected) in [
                (Encoding::Utf8Lossy, String::from_utf8_lossy(&bytes).into_owned()),
                (Encoding::Latin1, bytes.iter().map(|byte| char::from(*byte)).collect()),
            ] {
                let mut text = String::new();
                let source = Box::new(Slowly(io::Cursor::new(bytes.clone())));
                decoded(source, encoding).read_to_string(&mut text).unwrap();
                prop_assert_eq!(&text, &expected);
            }
        }
    }
}
