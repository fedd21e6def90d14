use std::collections::BTreeMap;

use bytes::Bytes;
use mlops_core::{Artifact, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::Digest;

/// An [`Artifact`] whose blobs stand in files of their own, named by their digests.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    kind: String,
    version: u32,
    state: Json,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    blobs: BTreeMap<String, Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Self>,
}

/// JSON is read to a depth of 128, and each part is two levels of it: what is written here can be
/// read.
const MAX_PARTS_DEPTH: usize = 24;
const MAX_STATE_DEPTH: usize = 64;

/// The JSON of an artifact; its blobs are added to `blobs`.
pub(super) fn write(artifact: &Artifact, blobs: &mut BTreeMap<Digest, Bytes>) -> Result<Bytes> {
    let stored = Stored::of(artifact, blobs, 0)?;
    let json = serde_json::to_vec(&stored)
        .map_err(|e| Error::internal(format!("a component can't be written as JSON: {e}")).with_source(e))?;
    Ok(json.into())
}

/// The artifact of a JSON text, with the blobs that `blob` finds.
pub(super) fn read(json: &[u8], blob: &mut impl FnMut(Digest) -> Option<Bytes>) -> Result<Artifact> {
    let stored: Stored = serde_json::from_slice(json)
        .map_err(|e| Error::corrupt(format!("the component is not readable: {e}")).with_source(e))?;
    stored.into_artifact(blob)
}

impl Stored {
    fn of(artifact: &Artifact, blobs: &mut BTreeMap<Digest, Bytes>, depth: usize) -> Result<Self> {
        if depth > MAX_PARTS_DEPTH || !is_shallow(&artifact.state, MAX_STATE_DEPTH) {
            return Err(Error::config(format!(
                "component '{}' is nested too deeply: at most {MAX_PARTS_DEPTH} components in each other, whose \
                 states are at most {MAX_STATE_DEPTH} levels of JSON, can be kept",
                artifact.kind
            )));
        }
        let mut named = BTreeMap::new();
        for (name, bytes) in &artifact.blobs {
            let digest = Digest::of(bytes);
            blobs.insert(digest, bytes.clone());
            named.insert(name.clone(), digest);
        }
        let parts = artifact.parts.iter().map(|part| Self::of(part, blobs, depth + 1)).collect::<Result<_>>()?;
        let (kind, state) = (artifact.kind.clone(), artifact.state.clone());
        Ok(Self { kind, version: artifact.version, state, blobs: named, parts })
    }

    fn into_artifact(self, blob: &mut impl FnMut(Digest) -> Option<Bytes>) -> Result<Artifact> {
        let mut artifact = Artifact::new(self.kind, self.version, self.state);
        for (name, digest) in self.blobs {
            let bytes = blob(digest).ok_or_else(|| {
                Error::corrupt(format!("component '{}' lacks its blob '{name}' ({digest})", artifact.kind))
            })?;
            artifact.blobs.insert(name, bytes);
        }
        for part in self.parts {
            artifact.parts.push(part.into_artifact(blob)?);
        }
        Ok(artifact)
    }
}

fn is_shallow(value: &Json, levels: usize) -> bool {
    match value {
        Json::Array(values) => levels > 0 && values.iter().all(|value| is_shallow(value, levels - 1)),
        Json::Object(values) => levels > 0 && values.values().all(|value| is_shallow(value, levels - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlops_core::ErrorKind;
    use serde_json::json;

    fn leaf(state: Json) -> Artifact {
        Artifact::new("leaf", 1, state)
    }

    #[test]
    fn the_tree_and_its_blobs_come_back() {
        let part = leaf(json!([0.1, null])).with_blob("weights.bin", vec![1, 2]);
        let tree = leaf(json!({})).with_blob("again.bin", vec![1, 2]).with_part(part).with_part(leaf(json!(null)));
        let mut blobs = BTreeMap::new();
        let json = write(&tree, &mut blobs).unwrap();
        assert_eq!(blobs.len(), 1, "equal blobs are kept once");
        assert_eq!(read(&json, &mut |digest| blobs.get(&digest).cloned()).unwrap(), tree);
        let error = read(&json, &mut |_| None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("again.bin"), "{error}");
    }

    #[test]
    fn the_deepest_that_is_written_can_be_read() {
        let deep = |parts: usize, levels: usize| {
            let state = (0..levels).fold(json!(1), |inner, _| json!([inner]));
            (0..parts).fold(leaf(state.clone()), |inner, _| leaf(state.clone()).with_part(inner))
        };
        let deepest = deep(MAX_PARTS_DEPTH, MAX_STATE_DEPTH);
        let json = write(&deepest, &mut BTreeMap::new()).unwrap();
        assert_eq!(read(&json, &mut |_| None).unwrap(), deepest);
        for too_deep in [deep(MAX_PARTS_DEPTH + 1, 1), deep(0, MAX_STATE_DEPTH + 1)] {
            assert_eq!(write(&too_deep, &mut BTreeMap::new()).unwrap_err().kind(), ErrorKind::Config);
        }
        let hostile = "[".repeat(100_000);
        assert_eq!(read(hostile.as_bytes(), &mut |_| None).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
