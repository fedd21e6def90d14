//! The records of a registry: parts are sealed records or bytes as they are, each at the place that its
//! tag says. Whatever they say, the registry is listed, resolved and published to.

use std::path::Path;

use futures::TryStreamExt;
use mlops::core::conformance::LinearModel;
use mlops::core::{Registry, Result};
use mlops::registry::ObjectRegistry;

use super::parts;
use super::{answered, block_on, seal};

const PLACES: [&str; 7] = [
    "registry.json",
    "models/flights/versions/00000000000000000001.json",
    "models/flights/versions/00000000000000000002.json",
    "models/flights/aliases/champion/00000000000000000001.json",
    "models/flights/aliases/champion/00000000000000000002.json",
    "models/flights/aliases/champion/18446744073709551615.json",
    "models/flights/versions/99999999999999999999.json",
];
/// Added to the tag of a part that is no record.
const RAW: u8 = 128;

pub(super) fn run(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for part in parts::split(data) {
        let path = folder.path().join(PLACES[usize::from(part.tag & !RAW) % PLACES.len()]);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a small folder");
        let bytes = if part.tag & RAW == 0 { seal::seal(&part.bytes) } else { part.bytes };
        std::fs::write(path, bytes).expect("a small file");
    }
    answered(block_on(read(folder.path())));
    answered(block_on(publish(folder.path())));
}

async fn open(folder: &Path) -> Result<ObjectRegistry> {
    ObjectRegistry::open(folder.to_str().expect("a path of text"), LinearModel::codecs()).await
}

async fn read(folder: &Path) -> Result<()> {
    let registry = open(folder).await?;
    let versions = answered(registry.list(None).try_collect::<Vec<_>>().await);
    for version in versions.iter().flatten() {
        answered(registry.fetch(version).await);
    }
    for reference in ["flights", "flights@champion", "flights:1", "flights:2"] {
        answered(registry.resolve(&reference.parse()?).await);
    }
    Ok(())
}

/// What was published is there.
async fn publish(folder: &Path) -> Result<()> {
    let registry = open(folder).await?;
    let package = LinearModel::regression([("distance", 0.5)], 3.0)?.package("flights")?;
    let version = registry.publish(&package).await?;
    assert_eq!(registry.resolve(&"flights".parse()?).await.expect("what was published is the newest"), version);
    let fetched = registry.fetch(&version).await.expect("what was published can be fetched");
    assert_eq!(fetched.samples, package.samples);
    Ok(())
}
