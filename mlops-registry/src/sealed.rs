//! Records that show by themselves whether they are whole: one line of JSON that carries the digest
//! of its own content.
//!
//! ```text
//! {"blake3":"<64 hexadecimal digits>","record":<JSON>}\n
//! ```
//!
//! Byte for byte: no other white space around the record, and the digest is that of the bytes
//! between `"record":` and the last `}`. Any JSON reader can read it; ours refuses it if a single
//! byte is not what was written. JSON escapes line breaks, so the only one is the last byte.

use mlops_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Digest;

const HEAD: &[u8] = br#"{"blake3":""#;
const MIDDLE: &[u8] = br#"","record":"#;
const TAIL: &[u8] = b"}\n";

/// The line of a record.
pub(crate) fn seal(record: &impl Serialize) -> Result<Vec<u8>> {
    let body = serde_json::to_vec(record)
        .map_err(|e| Error::internal(format!("a record can't be written as JSON: {e}")).with_source(e))?;
    let digest = Digest::of(&body).to_string();
    Ok([HEAD, digest.as_bytes(), MIDDLE, &body, TAIL].concat())
}

/// The JSON of a sealed record, if every byte is what was written.
pub(crate) fn unseal(line: &[u8]) -> Result<&[u8]> {
    let sound = || {
        let rest = line.strip_prefix(HEAD)?;
        let (digest, rest) = rest.split_at_checked(Digest::TEXT_LEN)?;
        let body = rest.strip_prefix(MIDDLE)?.strip_suffix(TAIL)?;
        (Digest::of(body).to_string().as_bytes() == digest).then_some(body)
    };
    sound().ok_or_else(|| Error::corrupt("a byte is not what was written, or the end is missing"))
}

/// The record of a line.
///
/// # Errors
/// `Corrupt` if a byte changed; `Unsupported` if the record is whole but of another form, so
/// another version wrote it.
pub(crate) fn open<T: DeserializeOwned>(line: &[u8]) -> Result<T> {
    serde_json::from_slice(unseal(line)?).map_err(|e| {
        Error::unsupported(format!("the record is whole, but this version does not understand it: {e}; update mlops"))
            .with_source(e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlops_core::ErrorKind;
    use proptest::prelude::*;

    #[test]
    fn a_record_is_one_line_of_json() {
        let line = seal(&("a\nb", 1)).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let json: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(json["record"], serde_json::json!(["a\nb", 1]));
        assert_eq!(open::<(String, u8)>(&line).unwrap(), ("a\nb".to_owned(), 1));
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let line = seal(&serde_json::json!({"model": "flights", "number": 3})).unwrap();
        for i in 0..line.len() {
            for flip in [1, 0x20, 0x80] {
                let mut changed = line.clone();
                changed[i] ^= flip;
                assert_eq!(unseal(&changed).unwrap_err().kind(), ErrorKind::Corrupt);
            }
            assert!(unseal(&line[..i]).is_err());
        }
        assert!(unseal(&[line.as_slice(), b" "].concat()).is_err());
    }

    #[test]
    fn a_whole_record_of_another_form_is_of_another_version() {
        let line = seal(&"text").unwrap();
        assert_eq!(open::<u64>(&line).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = open::<serde_json::Value>(&bytes);
        }
    }
}
