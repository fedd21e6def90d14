//! A package: its files are parts. Digests are made right, so that what is behind them is read too; a
//! tag says where they are left as they are.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use mlops::core::{Package, Result};
use mlops::registry::{Digest, Limits, PackageFiles};
use serde_json::{Value as Json, json};

use super::parts::{self, Part};
use super::{answered, block_on, codecs, component, seal};

const PATHS: [&str; 6] =
    ["manifest.json", "model.json", "drift.json", "explainer.json", "samples/inputs.arrow", "samples/expected.arrow"];
/// A file of the package that is a blob, named by its digest.
const BLOB: u8 = 6;
/// The manifest as it is.
const RAW_MANIFEST: u8 = 7;
/// A file that no package has.
const FOREIGN: u8 = 8;

/// The input that has these files of a package.
pub fn input(files: &PackageFiles) -> Vec<u8> {
    let blobs: Vec<_> = files.iter().filter_map(|(path, bytes)| Some((path.strip_prefix("blobs/")?, bytes))).collect();
    let mut parts: Vec<Part> = blobs.iter().map(|(_, bytes)| Part::new(BLOB, bytes.to_vec())).collect();
    for (path, bytes) in files.iter() {
        let Some(tag) = PATHS.iter().position(|known| *known == path) else { continue };
        let mut bytes = bytes.to_vec();
        if path.ends_with(".json") {
            let json: Json = serde_json::from_slice(&bytes).expect("a file of JSON");
            let json = if tag == 0 { json["record"].to_string() } else { json.to_string() };
            let blobs = blobs.iter().enumerate();
            bytes = blobs.fold(json, |json, (i, (digest, _))| json.replace(*digest, &format!("@{i}"))).into();
        }
        parts.push(Part::new(tag as u8, bytes));
    }
    parts::join(&parts)
}

pub(super) fn run(data: &[u8]) {
    let files = files(&parts::split(data));
    let manifest = files.get(PATHS[0]).cloned().unwrap_or_default();
    let mut others = files.clone();
    others.remove(PATHS[0]);
    let in_memory = answered(PackageFiles::new(manifest, others, &Limits::default()));
    let on_disk = answered(from_disk(&files));
    assert_eq!(in_memory, on_disk, "a directory of the same files");
    if let Some(package) = in_memory.and_then(|files| answered(files.to_package(codecs()))) {
        works(&package);
    }
}

/// The files by path, digests put in.
fn files(parts: &[Part]) -> BTreeMap<String, Bytes> {
    let mut files = BTreeMap::new();
    let blobs: Vec<_> =
        parts.iter().filter(|part| part.tag == BLOB).map(|part| Digest::of(&part.bytes).to_string()).collect();
    let resolved = |part: &Part| {
        let text = part.text();
        blobs.iter().enumerate().fold(text, |text, (i, blob)| text.replace(&format!("\"@{i}\""), &format!("{blob:?}")))
    };
    for part in parts.iter().rev() {
        let (path, bytes) = match part.tag {
            0 | RAW_MANIFEST => continue,
            tag @ 1..=3 => (PATHS[usize::from(tag)].to_owned(), resolved(part).into_bytes()),
            tag @ 4..=5 => (PATHS[usize::from(tag)].to_owned(), part.bytes.clone()),
            BLOB => (format!("blobs/{}", Digest::of(&part.bytes)), part.bytes.clone()),
            FOREIGN => ("samples/more.arrow".to_owned(), part.bytes.clone()),
            _ => continue,
        };
        files.insert(path, bytes.into());
    }
    if let Some(part) = parts.iter().find(|part| [0, RAW_MANIFEST].contains(&part.tag)) {
        let listed = || manifest(&resolved(part), &files).map(|record| seal::seal(record.as_bytes()));
        let bytes = if part.tag == 0 { listed().unwrap_or_else(|| part.bytes.clone()) } else { part.bytes.clone() };
        files.insert(PATHS[0].to_owned(), bytes.into());
    }
    files
}

/// The manifest with the sizes and digests of the files.
fn manifest(text: &str, files: &BTreeMap<String, Bytes>) -> Option<String> {
    let mut manifest: Json = serde_json::from_str(text).ok()?;
    // A manifest whose list is something else keeps it.
    if manifest.get("files")?.is_array() {
        let entry =
            |(path, bytes): (&String, &Bytes)| json!({"path": path, "size": bytes.len(), "blake3": Digest::of(bytes)});
        manifest["files"] = files.iter().map(entry).collect();
    }
    Some(manifest.to_string())
}

fn from_disk(files: &BTreeMap<String, Bytes>) -> Result<PackageFiles> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, bytes) in files {
        write(&folder.path().join(path), bytes);
    }
    block_on(PackageFiles::read(folder.path(), &Limits::default()))
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a small folder");
    std::fs::write(path, bytes).expect("a small file");
}

/// A package that was read works: it can be written and read again, and its model answers.
fn works(package: &Package) {
    let again = PackageFiles::of(package).expect("what was read can be written");
    let again = again.to_package(codecs()).expect("what was written can be read");
    assert_eq!((&again.name, &again.metadata.tags), (&package.name, &package.metadata.tags));
    component::model(package.model.as_ref());
    [&package.drift, &package.explainer].into_iter().flatten().for_each(component::try_all);
}
