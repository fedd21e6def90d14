//! What the registry promises beyond its trait: of a directory, of damage, of what is cleaned up.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::{codecs, copy_dir, files_below, package, package_of};
use futures::StreamExt;
use mlops_core::{Codecs, ErrorKind, Registry, RegistryExt, Version};
use mlops_registry::{Limits, ObjectRegistry};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};

async fn open(dir: &Path) -> ObjectRegistry {
    ObjectRegistry::open(dir.to_str().unwrap(), codecs()).await.unwrap()
}

async fn listed(registry: &ObjectRegistry) -> Vec<Version> {
    registry.list(None).map(Result::unwrap).collect().await
}

fn version_1() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/registry.v1")
}

#[tokio::test]
async fn a_registry_of_version_1_is_read_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&version_1(), dir.path());
    let registry = open(dir.path()).await;
    let (champion, loaded) = registry.load("flights@champion").await.unwrap();
    assert_eq!((champion.number(), loaded.samples), (2, package("flights").samples));
    assert_eq!(registry.aliases("flights").await.unwrap().len(), 1, "the other alias was deleted");
    assert_eq!(registry.publish(&package("flights")).await.unwrap().number(), 3);
}

/// Made once: `cargo test -p mlops-registry --test registry -- --ignored write_version_1`.
#[tokio::test]
#[ignore = "writes the files that another test reads forever"]
async fn write_version_1() {
    let registry = open(&version_1()).await;
    let first = registry.publish(&package_of("flights", 1, 100)).await.unwrap();
    let second = registry.publish(&package("flights")).await.unwrap();
    registry.promote(&first, "champion").await.unwrap();
    registry.promote(&second, "champion").await.unwrap();
    registry.promote(&first, "challenger").await.unwrap();
    registry.delete_alias("challenger", &first).await.unwrap();
}

#[tokio::test]
async fn all_of_it_is_there_when_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).await.publish(&package("flights")).await.unwrap();
    open(dir.path()).await.promote(&first, "champion").await.unwrap();
    let url = format!("file://{}", dir.path().display());
    let again = ObjectRegistry::open(&url, codecs()).await.unwrap();
    assert_eq!(again.load("flights@champion").await.unwrap().0, first);
    assert_eq!(again.manifest(&first).await.unwrap().name, "flights");
    assert_eq!(again.files(&first).await.unwrap().iter().count(), 8);
}

#[tokio::test]
async fn every_file_is_needed_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let version = {
        let registry = open(dir.path()).await;
        let version = registry.publish(&package("flights")).await.unwrap();
        registry.promote(&version, "champion").await.unwrap();
        version
    };
    for file in files_below(dir.path()).iter().filter(|file| !file.ends_with("registry.lock")) {
        let sound = fs::read(file).unwrap();
        for place in (0..sound.len()).step_by(sound.len() / 17 + 1).chain([sound.len() - 1]) {
            let mut bytes = sound.clone();
            bytes[place] ^= 0x20;
            fs::write(file, bytes).unwrap();
            let error = load(dir.path()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{}: {error}", file.display());
            assert!(error.message().contains("restore it from a copy"), "{error}");
        }
        fs::write(file, &sound[..sound.len() - 1]).unwrap();
        assert_eq!(load(dir.path()).await.unwrap_err().kind(), ErrorKind::Corrupt, "{}", file.display());
        fs::write(file, [sound.as_slice(), b"x"].concat()).unwrap();
        assert_eq!(load(dir.path()).await.unwrap_err().kind(), ErrorKind::Corrupt, "{}", file.display());
        fs::write(file, &sound).unwrap();
    }
    assert_eq!(load(dir.path()).await.unwrap(), version);
}

async fn load(dir: &Path) -> mlops_core::Result<Version> {
    let registry = ObjectRegistry::open(dir.to_str().unwrap(), codecs()).await?;
    Ok(registry.load("flights@champion").await?.0)
}

#[tokio::test]
async fn a_record_in_another_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(dir.path()).await;
    registry.publish(&package_of("flights", 1, 10)).await.unwrap();
    registry.publish(&package_of("trips", 1, 10)).await.unwrap();
    let record = |model: &str| dir.path().join(format!("models/{model}/versions/00000000000000000001.json"));
    fs::copy(record("trips"), record("flights")).unwrap();
    let error = registry.fetch(&"flights:1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("belongs elsewhere"), "{error}");
}

#[tokio::test]
async fn a_missing_blob_is_named_and_publishing_again_puts_it_right() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(dir.path()).await;
    let version = registry.publish(&package("flights")).await.unwrap();
    // The manifest of a version is its own; the files that it names are those of the package.
    let manifest = files_below(&dir.path().join("models/flights/versions"));
    let record = fs::read_to_string(&manifest[0]).unwrap();
    let is_manifest = |blob: &PathBuf| record.contains(blob.file_name().unwrap().to_str().unwrap());
    let blobs = files_below(&dir.path().join("blobs"));
    let blobs: Vec<PathBuf> = blobs.into_iter().filter(|blob| !is_manifest(blob)).collect();
    fs::remove_file(&blobs[0]).unwrap();
    fs::write(&blobs[1], "damaged").unwrap();
    let error = registry.fetch(&version).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("flights:1"), "{error}");
    registry.publish(&package("flights")).await.unwrap();
    registry.fetch(&version).await.unwrap();
}

#[tokio::test]
async fn equal_files_are_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(dir.path()).await;
    registry.publish(&package("flights")).await.unwrap();
    let blobs = files_below(&dir.path().join("blobs")).len();
    registry.publish(&package("flights").with_description("another manifest")).await.unwrap();
    assert_eq!(files_below(&dir.path().join("blobs")).len(), blobs + 1);
}

#[tokio::test]
async fn what_could_not_be_loaded_is_not_published() {
    let registry = ObjectRegistry::new(Arc::new(InMemory::new()), Codecs::default());
    let error = registry.publish(&package("flights")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("table_example") && error.message().contains("codec"), "{error}");
    assert!(listed(&registry).await.is_empty());
    let small =
        ObjectRegistry::new(Arc::new(InMemory::new()), codecs()).with_limits(Limits::default().with_max_bytes(10));
    assert_eq!(small.publish(&package("flights")).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_deleted_alias_is_gone_and_may_come_back() {
    let registry = ObjectRegistry::new(Arc::new(InMemory::new()), codecs());
    let version = registry.publish(&package("flights")).await.unwrap();
    let other = registry.publish(&package("flights")).await.unwrap();
    registry.promote(&version, "champion").await.unwrap();
    assert_eq!(registry.delete_alias("champion", &other).await.unwrap_err().kind(), ErrorKind::Conflict);
    registry.delete_alias("champion", &version).await.unwrap();
    assert_eq!(registry.delete_alias("champion", &version).await.unwrap_err().kind(), ErrorKind::Conflict);
    let reference = "flights@champion".parse().unwrap();
    let error = registry.resolve(&reference).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(registry.aliases("flights").await.unwrap().is_empty());
    registry.set_alias("champion", &other, None).await.unwrap();
    assert_eq!(registry.resolve(&reference).await.unwrap(), other);
}

#[tokio::test]
async fn errors_say_what_there_is() {
    let registry = ObjectRegistry::new(Arc::new(InMemory::new()), codecs());
    let version = registry.publish(&package("flights")).await.unwrap();
    registry.promote(&version, "champion").await.unwrap();
    for (reference, told) in [("trips", "[flights]"), ("flights:9", "newest is 1"), ("flights@prod", "[champion]")] {
        let error = registry.resolve(&reference.parse().unwrap()).await.unwrap_err();
        assert!(error.message().contains(told), "{error}");
        assert!(error.to_string().contains("registry: InMemory"), "{error}");
    }
}

#[tokio::test]
async fn gc_removes_what_no_version_needs() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(dir.path()).await;
    let version = registry.publish(&package("flights")).await.unwrap();
    let orphan = dir.path().join(format!("blobs/ab/ab{}", "0".repeat(62)));
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, "left by a publisher that died").unwrap();
    fs::write(dir.path().join("models/flights/versions/00000000000000000002.json#77"), "torn").unwrap();
    let collected = registry.gc(Duration::from_secs(3600)).await.unwrap();
    assert_eq!((collected.blobs, collected.temporaries), (0, 1), "the blob is young");
    let collected = registry.gc(Duration::ZERO).await.unwrap();
    assert_eq!((collected.blobs, collected.bytes, collected.temporaries), (1, 29, 0));
    registry.fetch(&version).await.unwrap();
    assert_eq!(registry.gc(Duration::ZERO).await.unwrap().blobs, 0);
}

#[tokio::test]
async fn gc_removes_nothing_if_a_version_can_not_be_read() {
    let store = Arc::new(InMemory::new());
    let registry = ObjectRegistry::new(Arc::clone(&store) as Arc<dyn ObjectStore>, codecs());
    registry.publish(&package("flights")).await.unwrap();
    let record = ObjectPath::from("models/flights/versions/00000000000000000001.json");
    store.put(&record, "damaged".into()).await.unwrap();
    let before = store.list(None).count().await;
    assert_eq!(registry.gc(Duration::ZERO).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(store.list(None).count().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gc_and_publishers_do_not_meet() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, other) = (open(dir.path()).await, open(dir.path()).await);
    let publishing = tokio::spawn(async move {
        for seed in 0..12 {
            registry.publish(&package_of("flights", seed, 500)).await.unwrap();
        }
    });
    while !publishing.is_finished() {
        other.gc(Duration::ZERO).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    publishing.await.unwrap();
    for version in listed(&other).await {
        other.fetch(&version).await.unwrap();
    }
}

#[tokio::test]
async fn a_store_that_was_emptied_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(dir.path()).await;
    registry.publish(&package("flights")).await.unwrap();
    registry.publish(&package("flights")).await.unwrap();
    fs::remove_dir_all(dir.path().join("models")).unwrap();
    assert_eq!(registry.resolve(&"flights".parse().unwrap()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(listed(&registry).await.is_empty());
}

#[tokio::test]
async fn a_directory_of_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "x").unwrap();
    let error = ObjectRegistry::open(dir.path().to_str().unwrap(), codecs()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("is no registry"), "{error}");
    assert_eq!(files_below(dir.path()).len(), 1);
    let file = dir.path().join("thesis.txt");
    for path in [file.clone(), file.join("below")] {
        let error = ObjectRegistry::open(path.to_str().unwrap(), codecs()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let record = r#"{"format":2,"shards":16}"#;
    let digest = blake3::hash(record.as_bytes()).to_hex();
    fs::write(dir.path().join("registry.json"), format!("{{\"blake3\":\"{digest}\",\"record\":{record}}}\n")).unwrap();
    let error = ObjectRegistry::open(dir.path().to_str().unwrap(), codecs()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("format 2") && error.message().contains("update mlops"), "{error}");
}

/// Run by the next test as a user without rights, because root has them all.
#[tokio::test]
async fn as_a_user_without_rights() {
    let Ok(dir) = std::env::var("MLOPS_TEST_READ_ONLY") else { return };
    for place in [format!("{dir}/new"), format!("{dir}/empty")] {
        let error = ObjectRegistry::open(&place, codecs()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.message().contains(&place) && error.message().contains("right"), "{error}");
    }
    let registry = ObjectRegistry::open(&format!("{dir}/registry"), codecs()).await.unwrap();
    let (version, _) = registry.load("flights").await.unwrap();
    for error in [
        registry.publish(&package("flights")).await.map(|_| ()).unwrap_err(),
        registry.promote(&version, "champion").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.message().contains(&dir), "{error}");
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_directory_without_write_permission_can_be_read_only() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let dir = tempfile::tempdir().unwrap();
    open(&dir.path().join("registry")).await.publish(&package("flights")).await.unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    for place in ["empty", "registry", "."] {
        fs::set_permissions(dir.path().join(place), fs::Permissions::from_mode(0o555)).unwrap();
    }
    fs::set_permissions(dir.path().join("registry/registry.lock"), fs::Permissions::from_mode(0o444)).unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "as_a_user_without_rights"]).env("MLOPS_TEST_READ_ONLY", dir.path());
    let is_root = fs::write(dir.path().join("probe"), "").is_ok();
    if is_root {
        child.uid(65_534).gid(65_534);
    }
    match child.output() {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && told.contains("1 passed"), "{told}");
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "skipped: another user can't run this program here ({error})");
        }
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
}
