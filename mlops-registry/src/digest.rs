use std::fmt;
use std::str::FromStr;

use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// The BLAKE3 hash of some bytes, written as 64 lower-case hexadecimal digits: what a file is
/// called and checked by.
///
/// # Example
/// ```
/// use mlops_registry::Digest;
///
/// let digest = Digest::of(b"");
/// assert_eq!(digest.to_string(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
/// assert_eq!(digest.to_string().parse::<Digest>()?, digest);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// How many characters it is written with.
    pub(crate) const TEXT_LEN: usize = 64;

    /// The digest of `bytes`; one pass, on the calling thread.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digest = blake3::Hash::from_hex(text).ok().filter(|hash| hash.to_hex().as_str() == text);
        let digest = digest
            .ok_or_else(|| Error::corrupt(format!("{text:?} is no digest: 64 lower-case hexadecimal digits are")))?;
        Ok(Self(*digest.as_bytes()))
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_way_of_writing_is_read() {
        let text = Digest::of(b"x").to_string();
        assert!(text.parse::<Digest>().is_ok());
        for wrong in [text.to_uppercase(), format!("{text}0"), text[1..].to_owned(), String::new(), "é".repeat(32)] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}
