//! The package format: what is written, what is read, and everything that must be refused.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use common::{codecs, copy_dir, files_below, package};
use mlops_core::random::SplitMix64;
use mlops_core::{Codecs, Error, ErrorKind};
use mlops_registry::{Limits, Manifest, PackageFiles, read_package, write_package};
use proptest::prelude::*;

/// Written by the first version of the format; if this fails, users can't read their packages.
fn version_1() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/package.v1")
}

async fn written() -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("package");
    write_package(&package("flights"), &dir).await.unwrap();
    (temporary, dir)
}

#[tokio::test]
async fn everything_comes_back() {
    let (temporary, dir) = written().await;
    let (given, back) = (package("flights"), read_package(&dir, &codecs()).await.unwrap());
    assert_eq!(back.model.save().unwrap(), given.model.save().unwrap());
    assert_eq!((back.samples, back.drift, back.explainer), (given.samples, given.drift, given.explainer));
    assert_eq!((back.metadata.tags, back.environment), (given.metadata.tags, given.environment));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1, "nothing is left over");
}

#[tokio::test]
async fn the_files_are_as_documented() {
    let (_temporary, dir) = written().await;
    let paths: Vec<_> = files_below(&dir).iter().map(|f| f.strip_prefix(&dir).unwrap().display().to_string()).collect();
    assert_eq!(paths.len(), 8, "{paths:?}");
    for path in ["drift.json", "explainer.json", "manifest.json", "model.json", "samples/expected.arrow"] {
        assert!(paths.iter().any(|p| p == path), "{path}");
    }
    let manifest = fs::read_to_string(dir.join("manifest.json")).unwrap();
    let (digest, record) = manifest.strip_prefix(r#"{"blake3":""#).unwrap().split_once(r#"","record":"#).unwrap();
    let record = record.strip_suffix("}\n").unwrap();
    assert_eq!(blake3::hash(record.as_bytes()).to_hex().as_str(), digest);
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    assert_eq!((&record["format"], &record["name"]), (&1.into(), &"flights".into()));
    let model = fs::read(dir.join("model.json")).unwrap();
    let listed = record["files"].as_array().unwrap().iter().find(|file| file["path"] == "model.json").unwrap();
    assert_eq!(listed["size"], model.len());
    assert_eq!(listed["blake3"], blake3::hash(&model).to_hex().as_str());
    let model: serde_json::Value = serde_json::from_slice(&model).unwrap();
    let blob = model["blobs"]["table.bin"].as_str().unwrap();
    assert_eq!(fs::read(dir.join("blobs").join(blob)).unwrap().len(), 1000);
}

#[tokio::test]
async fn a_package_of_version_1_is_read() {
    let back = read_package(version_1(), &codecs()).await.unwrap();
    assert_eq!(back.name, "flights");
    assert_eq!(back.model.save().unwrap(), package("flights").model.save().unwrap());
    assert_eq!(back.samples, package("flights").samples);
}

/// Made once: `cargo test -p mlops-registry --test package -- --ignored write_version_1`.
#[tokio::test]
#[ignore = "writes the file that another test reads forever"]
async fn write_version_1() {
    let mut package = package("flights");
    package.metadata.created_ms = 1_767_225_600_000;
    write_package(&package, version_1()).await.unwrap();
}

#[tokio::test]
async fn a_changed_byte_in_any_file_is_noticed_by_name() {
    let (_temporary, dir) = written().await;
    let mut rng = SplitMix64::new(11);
    for file in files_below(&dir) {
        let sound = fs::read(&file).unwrap();
        let name = file.strip_prefix(&dir).unwrap().display().to_string();
        for round in 0..60 {
            let mut bytes = sound.clone();
            let place = if round < 3 {
                [0, bytes.len() / 2, bytes.len() - 1][round]
            } else {
                rng.below(bytes.len() as u64) as usize
            };
            bytes[place] ^= 1 << rng.below(8);
            fs::write(&file, &bytes).unwrap();
            refused(&dir, &name).await;
        }
        for wrong in [&sound[..sound.len() - 1], &[sound.as_slice(), b"\n"].concat(), b""] {
            fs::write(&file, wrong).unwrap();
            refused(&dir, &name).await;
        }
        fs::write(&file, &sound).unwrap();
    }
    read_package(&dir, &codecs()).await.unwrap();
}

async fn refused(dir: &Path, file: &str) {
    let error = read_package(dir, &codecs()).await.expect_err("a changed byte was not noticed");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.message().contains(file) && error.message().contains("publish the package again"), "{error}");
    assert!(error.to_string().contains(dir.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn missing_and_extra_files_are_noticed() {
    let (_temporary, dir) = written().await;
    for file in files_below(&dir).iter().filter(|file| !file.ends_with("manifest.json")) {
        let bytes = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        let error = read_package(&dir, &codecs()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("is missing"), "{error}");
        fs::write(file, bytes).unwrap();
    }
    for extra in ["extra.txt", "blobs/extra", "samples/more.arrow", "samples/deep/a"] {
        let path = dir.join(extra);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let error = read_package(&dir, &codecs()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("is not part of the package"), "{error}");
        fs::remove_file(path).unwrap();
        let _ = fs::remove_dir(dir.join("samples/deep"));
    }
    fs::remove_file(dir.join("manifest.json")).unwrap();
    assert_eq!(read_package(&dir, &codecs()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
#[cfg(unix)]
async fn links_and_special_files_are_not_followed() {
    let (temporary, dir) = written().await;
    let (model, outside) = (dir.join("model.json"), temporary.path().join("outside.json"));
    fs::rename(&model, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &model).unwrap();
    let error = read_package(&dir, &codecs()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn a_package_needs_a_directory_of_its_own() {
    let (_temporary, dir) = written().await;
    let error = write_package(&package("flights"), &dir).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    read_package(&dir, &codecs()).await.unwrap();
    let below_a_file = dir.join("model.json/package");
    assert_eq!(write_package(&package("flights"), below_a_file).await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn limits_are_checked_before_anything_is_read() {
    let (_temporary, dir) = written().await;
    let all = Limits::default();
    PackageFiles::read(&dir, &all).await.unwrap();
    for limits in [all.clone().with_max_files(4), all.clone().with_max_bytes(900), all.with_max_manifest_bytes(90)] {
        let error = PackageFiles::read(&dir, &limits).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}

/// The files of a package after its manifest was changed by somebody who can compute digests.
fn forged(change: impl FnOnce(&mut serde_json::Value, &mut BTreeMap<String, Bytes>)) -> Result<PackageFiles, Error> {
    let files = PackageFiles::of(&package("flights")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(files.manifest_bytes()).unwrap();
    let mut record = manifest["record"].clone();
    let mut contents = files.iter().skip(1).map(|(path, bytes)| (path.to_owned(), bytes.clone())).collect();
    change(&mut record, &mut contents);
    let record = record.to_string();
    let digest = blake3::hash(record.as_bytes()).to_hex();
    let line = format!("{{\"blake3\":\"{digest}\",\"record\":{record}}}\n");
    PackageFiles::new(line.into(), contents, &Limits::default())
}

#[test]
fn forged_manifests_are_refused() {
    forged(|_, _| {}).unwrap().to_package(&codecs()).unwrap();
    for path in ["../../etc/passwd", "/etc/passwd", "blobs/../x", "blobs/00", "model.json/", "C:\\x", ""] {
        let error = forged(|record, _| record["files"][0]["path"] = path.into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{path}: {error}");
    }
    let twice = forged(|record, _| {
        let first = record["files"][0].clone();
        record["files"].as_array_mut().unwrap().push(first);
    });
    assert!(twice.unwrap_err().message().contains("each once"));
    let newer = forged(|record, _| record["format"] = 2.into()).unwrap_err();
    assert_eq!(newer.kind(), ErrorKind::Unsupported);
    assert!(newer.message().contains("update mlops"), "{newer}");
    let named = forged(|record, _| record["name"] = "../flights".into()).unwrap_err();
    assert_eq!(named.kind(), ErrorKind::Corrupt);
    let extra = forged(|_, files| drop(files.insert("extra".into(), Bytes::new()))).unwrap_err();
    assert_eq!(extra.kind(), ErrorKind::Corrupt);
}

#[test]
fn contents_that_do_not_fit_each_other_are_refused() {
    let signature = forged(|record, _| record["signature"]["inputs"][0]["name"] = "y".into()).unwrap();
    assert_eq!(signature.to_package(&codecs()).unwrap_err().kind(), ErrorKind::Corrupt);

    let unused = forged(|record, files| {
        let (bytes, digest) = (Bytes::from_static(b"unused"), blake3::hash(b"unused").to_hex());
        let path = format!("blobs/{digest}");
        let entry = serde_json::json!({"path": path, "size": 6, "blake3": digest.as_str()});
        let listed = record["files"].as_array_mut().unwrap();
        listed.push(entry);
        listed.sort_by(|a, b| a["path"].as_str().cmp(&b["path"].as_str()));
        files.insert(path, bytes);
    });
    let error = unused.unwrap().to_package(&codecs()).unwrap_err();
    assert!(error.message().contains("is not part of the package"), "{error}");

    let swapped = forged(|record, files| {
        let model = files["drift.json"].clone();
        for file in record["files"].as_array_mut().unwrap() {
            if file["path"] == "model.json" {
                file["size"] = model.len().into();
                file["blake3"] = blake3::hash(&model).to_hex().as_str().into();
            }
        }
        files.insert("model.json".into(), model);
    });
    assert!(swapped.unwrap().to_package(&codecs()).is_err());
}

#[test]
fn samples_with_other_answers_are_refused() {
    let mut package = package("flights");
    package.samples.expected = package.samples.expected.slice(0, 3);
    let files = PackageFiles::of(&package).unwrap();
    assert_eq!(files.to_package(&codecs()).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_component_nobody_knows_is_named() {
    let files = PackageFiles::of(&package("flights")).unwrap();
    let error = files.to_package(&Codecs::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("table_example") && error.message().contains("codec"), "{error}");
}

#[tokio::test]
async fn a_moved_package_is_the_same_package() {
    let (temporary, dir) = written().await;
    let copy = temporary.path().join("copy");
    copy_dir(&dir, &copy);
    let limits = Limits::default();
    let (a, b) = (PackageFiles::read(&dir, &limits).await.unwrap(), PackageFiles::read(&copy, &limits).await.unwrap());
    assert_eq!(a, b);
    let again = temporary.path().join("again");
    a.write(&again).await.unwrap();
    assert_eq!(PackageFiles::read(&again, &limits).await.unwrap(), a);
}

proptest! {
    #[test]
    fn random_bytes_are_no_manifest(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(Manifest::read(&bytes, &Limits::default()).is_err());
    }

    #[test]
    fn a_forged_model_never_ends_the_program(bytes in proptest::collection::vec(any::<u8>(), 0..200), json in "[\\[\\]{}\":,a-z0-9]{0,80}") {
        for bytes in [bytes, json.into_bytes()] {
            for path in ["model.json", "samples/inputs.arrow"] {
                let bytes = Bytes::from(bytes.clone());
                let files = forged(|record, files| {
                    for file in record["files"].as_array_mut().unwrap() {
                        if file["path"] == path {
                            file["size"] = bytes.len().into();
                            file["blake3"] = blake3::hash(&bytes).to_hex().as_str().into();
                        }
                    }
                    files.insert(path.into(), bytes.clone());
                });
                prop_assert!(files.unwrap().to_package(&codecs()).is_err());
            }
        }
    }
}
