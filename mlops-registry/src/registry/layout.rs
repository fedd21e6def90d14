use mlops_core::{Error, Result, Version, now_ms};
use object_store::path::Path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable::random_u64;
use crate::package::damaged;
use crate::{Digest, sealed};

/// The version of the layout that is written.
pub(super) const FORMAT: u32 = 1;

/// Records are small; whatever is greater is none.
pub(super) const MAX_RECORD_BYTES: u64 = 64 << 10;

pub(super) const MARKER: &str = "registry.json";
pub(super) const BLOBS: &str = "blobs";
pub(super) const MODELS: &str = "models";

/// Says that this is a registry, and in which format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marker {
    pub(super) format: u32,
}

/// A published version: which manifest it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionRecord {
    pub(super) model: String,
    pub(super) number: u64,
    pub(super) manifest: BlobRef,
    pub(super) published_ms: i64,
    /// Differs from writer to writer, so that one who got no answer can tell its record from
    /// another's.
    token: String,
}

/// A move of an alias: where it points since then, or that it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AliasRecord {
    pub(super) model: String,
    pub(super) alias: String,
    pub(super) number: u64,
    pub(super) to: Option<u64>,
    pub(super) moved_ms: i64,
    token: String,
}

/// Names a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlobRef {
    pub(super) size: u64,
    pub(super) blake3: Digest,
}

impl BlobRef {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, blake3: Digest::of(bytes) }
    }
}

/// A record of a numbered log.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// Whether it is the one that belongs to this place: a whole record may have been copied to
    /// another.
    fn is_at(&self, log: &Log, number: u64) -> bool;
}

impl VersionRecord {
    pub(super) fn new(version: &Version, manifest: BlobRef) -> Self {
        let (model, number) = (version.model().to_owned(), version.number());
        Self { model, number, manifest, published_ms: now_ms(), token: token() }
    }
}

impl Record for VersionRecord {
    fn is_at(&self, log: &Log, number: u64) -> bool {
        *log == Log::versions(&self.model) && self.number == number
    }
}

impl AliasRecord {
    pub(super) fn new(model: &str, alias: &str, number: u64, to: Option<u64>) -> Self {
        let (model, alias) = (model.to_owned(), alias.to_owned());
        Self { model, alias, number, to, moved_ms: now_ms(), token: token() }
    }
}

impl Record for AliasRecord {
    fn is_at(&self, log: &Log, number: u64) -> bool {
        *log == Log::alias(&self.model, &self.alias) && self.number == number
    }
}

/// The place of a numbered log: records `1, 2, 3, …`, each put if absent and never changed, whose
/// highest is in force.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Log(pub(super) Path);

impl Log {
    pub(super) fn versions(model: &str) -> Self {
        Self(Path::from_iter([MODELS, model, "versions"]))
    }

    pub(super) fn alias(model: &str, alias: &str) -> Self {
        Self(aliases(model).join(alias))
    }

    /// The path of a record: 20 digits, so that the order of names is the order of numbers.
    pub(super) fn record(&self, number: u64) -> Path {
        self.0.clone().join(format!("{number:020}.json"))
    }

    pub(super) fn parse<R: Record>(&self, number: u64, bytes: &[u8]) -> Result<R> {
        let path = self.record(number);
        let record: R = sealed::open(bytes).map_err(|e| match e.kind() {
            mlops_core::ErrorKind::Corrupt => damaged(path.as_ref(), e.message()),
            _ => e.with_context("file", &path),
        })?;
        if !record.is_at(self, number) {
            return Err(damaged(path.as_ref(), "belongs elsewhere"));
        }
        Ok(record)
    }
}

/// The number of the record at a path; `None` if it is none.
pub(super) fn record_number(path: &Path) -> Option<u64> {
    let digits = path.filename()?.strip_suffix(".json")?;
    let is_number = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|number| is_number && *number > 0)
}

/// Where the aliases of a model are.
pub(super) fn aliases(model: &str) -> Path {
    Path::from_iter([MODELS, model, "aliases"])
}

/// Where a blob is.
pub(super) fn blob(digest: Digest) -> Path {
    let name = digest.to_string();
    Path::from_iter([BLOBS, &name[..2], &name])
}

/// The number after `number`.
pub(super) fn next(number: u64) -> Result<u64> {
    number.checked_add(1).ok_or_else(|| Error::corrupt("a record has the greatest number there is: remove it"))
}

fn token() -> String {
    format!("{:016x}{:016x}", random_u64(), random_u64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlops_core::ErrorKind;
    use proptest::prelude::*;

    #[test]
    fn names_are_in_the_order_of_numbers() {
        let log = Log::versions("flights");
        assert_eq!(log.record(3).as_ref(), "models/flights/versions/00000000000000000003.json");
        assert!(log.record(9) < log.record(10) && log.record(10) < log.record(u64::MAX));
        assert_eq!(record_number(&log.record(u64::MAX)), Some(u64::MAX));
        for foreign in
            ["1.json", "00000000000000000003.json~", "00000000000000000000.json", "+0000000000000000003.json"]
        {
            assert_eq!(record_number(&log.0.clone().join(foreign)), None, "{foreign}");
        }
        assert!(next(u64::MAX).is_err());
    }

    #[test]
    fn a_record_counts_only_in_its_place() {
        let (log, other) = (Log::alias("flights", "champion"), Log::alias("flights", "challenger"));
        let bytes = sealed::seal(&AliasRecord::new("flights", "champion", 2, Some(7))).unwrap();
        assert_eq!(log.parse::<AliasRecord>(2, &bytes).unwrap().to, Some(7));
        for error in [log.parse::<AliasRecord>(3, &bytes), other.parse::<AliasRecord>(2, &bytes)] {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_record(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let sealed = sealed::seal(&String::from_utf8_lossy(&bytes)).unwrap();
            for bytes in [bytes, sealed] {
                prop_assert!(Log::versions("m").parse::<VersionRecord>(1, &bytes).is_err());
                prop_assert!(Log::alias("m", "a").parse::<AliasRecord>(1, &bytes).is_err());
            }
        }
    }
}
