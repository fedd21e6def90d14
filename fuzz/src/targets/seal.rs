//! The line that carries its own digest, as the registry and the tracker write it: without it, no
//! mutation would get past the first check.

use mlops::registry::Digest;

/// `{"blake3":"<digest of the record>","record":<record>}` and a line feed.
pub(super) fn seal(record: &[u8]) -> Vec<u8> {
    let digest = Digest::of(record).to_string();
    [br#"{"blake3":""#, digest.as_bytes(), br#"","record":"#, record, b"}\n"].concat()
}
