use bytes::Bytes;
use futures::stream::{StreamExt, TryStreamExt};
use mlops_core::{Error, ErrorKind, Package, Result, Version, check_name, now_ms};

use super::ObjectRegistry;
use super::layout::{BlobRef, Log, VersionRecord, blob, next};
use crate::durable::blocking;
use crate::{Digest, Manifest, PackageFiles};

/// So many blobs are written or read at a time.
pub(super) const AT_A_TIME: usize = 8;

/// On a store without locks, a blob that is used again after so long is written again, so that no
/// [`gc`](ObjectRegistry::gc) takes it for old.
pub(super) const REFRESH_MS: i64 = 60 * 60 * 1000;

impl ObjectRegistry {
    pub(super) async fn publish_package(&self, package: &Package) -> Result<Version> {
        let files = self.tested_files(package).await?;
        self.make().await?;
        let _writing = self.store.writing().await?;
        let manifest = BlobRef::of(files.manifest_bytes());
        let entries = files.manifest().files.iter();
        let blobs = entries.filter_map(|file| Some((file.blake3, files.get(&file.path)?.clone())));
        let blobs = blobs.chain([(manifest.blake3, files.manifest_bytes().clone())]);
        futures::stream::iter(blobs.collect::<Vec<_>>())
            .map(|(digest, bytes)| self.put_blob(digest, bytes))
            .buffer_unordered(AT_A_TIME)
            .try_collect::<Vec<()>>()
            .await?;
        let version = self.next_version(&package.name, manifest).await?;
        let bytes = files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        tracing::info!(target: "mlops::registry", %version, bytes, "published");
        Ok(version)
    }

    /// The files of a package that does what it says, also when it is read back from them.
    async fn tested_files(&self, package: &Package) -> Result<PackageFiles> {
        check_name("model name", &package.name)?;
        let (package, codecs, limits) = (package.clone(), self.codecs.clone(), self.limits.clone());
        blocking(move || {
            package.self_test().map_err(|e| failed("the package fails its self-test", e))?;
            let files = PackageFiles::of(&package)?;
            Manifest::read(files.manifest_bytes(), &limits)?;
            match files.to_package(&codecs) {
                Err(e) if e.kind() == ErrorKind::Corrupt => Err(failed("read back, the package is another one", e)),
                Err(e) => Err(e),
                Ok(_) => Ok(files),
            }
        })
        .await
    }

    /// Keeps a blob. One that is there already is compared, and put right if it is damaged.
    async fn put_blob(&self, digest: Digest, bytes: Bytes) -> Result<()> {
        let path = blob(digest);
        let found = self.store.look(&path).await?;
        let Some(found) = found else {
            // If another writer was faster, it wrote the same.
            return self.store.create(&path, bytes).await.map(|_| ());
        };
        let is_old = self.store.directory().is_none() && found.last_modified.timestamp_millis() < now_ms() - REFRESH_MS;
        let is_sound = !is_old && found.size == bytes.len() as u64 && self.reads_as(&path, &bytes).await?;
        if is_sound { Ok(()) } else { self.store.replace(&path, bytes).await }
    }

    async fn reads_as(&self, path: &object_store::path::Path, bytes: &Bytes) -> Result<bool> {
        match self.store.read(path, bytes.len() as u64).await {
            Ok(found) => Ok(found.is_some_and(|found| found == bytes)),
            Err(e) if e.kind() == ErrorKind::Corrupt => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Takes the next free number: whoever puts the record first has it.
    async fn next_version(&self, model: &str, manifest: BlobRef) -> Result<Version> {
        let log = Log::versions(model);
        loop {
            let version = Version::new(model, next(self.highest(&log).await?)?)?;
            let record = VersionRecord::new(&version, manifest);
            if self.append(&log, version.number(), &record).await? {
                return Ok(version);
            }
        }
    }
}

fn failed(what: &str, error: Error) -> Error {
    Error::data(format!("{what}: {}; nothing was published", error.message())).with_source(error)
}
