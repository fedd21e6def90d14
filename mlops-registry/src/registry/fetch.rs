use std::collections::BTreeMap;

use bytes::Bytes;
use futures::stream::{StreamExt, TryStreamExt};
use mlops_core::{Error, Package, Result, ResultExt, Version};

use super::ObjectRegistry;
use super::layout::{BlobRef, Log, VersionRecord, blob};
use super::publish::AT_A_TIME;
use crate::durable::blocking;
use crate::package::{FileEntry, Manifest};
use crate::{Digest, PackageFiles};

impl ObjectRegistry {
    /// The manifest of a version: what it is, without its model.
    ///
    /// # Errors
    /// As [`Registry::fetch`](mlops_core::Registry::fetch).
    pub async fn manifest(&self, version: &Version) -> Result<Manifest> {
        Ok(self.read_manifest(version).await.context("version", version)?.0)
    }

    /// The files of a version, every byte checked: to copy it elsewhere.
    ///
    /// # Errors
    /// As [`Registry::fetch`](mlops_core::Registry::fetch).
    pub async fn files(&self, version: &Version) -> Result<PackageFiles> {
        self.read_files(version).await.context("version", version)
    }

    pub(super) async fn fetch_package(&self, version: &Version) -> Result<Package> {
        let (files, codecs) = (self.read_files(version).await?, self.codecs.clone());
        blocking(move || files.to_package(&codecs)).await
    }

    async fn read_files(&self, version: &Version) -> Result<PackageFiles> {
        let (manifest, manifest_bytes) = self.read_manifest(version).await?;
        let files = futures::stream::iter(manifest.files.clone())
            .map(|file| async move { Ok::<_, Error>((file.path.clone(), self.read_blob(file).await?)) })
            .buffer_unordered(AT_A_TIME)
            .try_collect::<BTreeMap<_, _>>()
            .await?;
        Ok(PackageFiles::checked(manifest, manifest_bytes, files))
    }

    pub(super) async fn read_manifest(&self, version: &Version) -> Result<(Manifest, Bytes)> {
        let record = self.version_record(version).await?;
        let BlobRef { size, blake3 } = record.manifest;
        let file = FileEntry { path: Manifest::PATH.to_owned(), size, blake3 };
        self.limits.check_manifest(size)?;
        let bytes = self.read_blob(file).await?;
        let manifest = Manifest::read(&bytes, &self.limits)?;
        if manifest.name != version.model() {
            return Err(Error::corrupt(format!(
                "the version has a package of '{}': it was not written by this program; publish it again",
                manifest.name
            )));
        }
        Ok((manifest, bytes))
    }

    pub(super) async fn version_record(&self, version: &Version) -> Result<VersionRecord> {
        self.is_registry().await?;
        let record = self.record(&Log::versions(version.model()), version.number()).await?;
        match record {
            Some(record) => Ok(record),
            None => Err(self.no_version(version).await),
        }
    }

    /// A file of a package, checked on a thread for blocking work: other files are checked beside it.
    async fn read_blob(&self, file: FileEntry) -> Result<Bytes> {
        let path = blob(file.blake3);
        let place = |e: Error| e.with_context("blob", &path);
        let bytes = self.store.read(&path, file.size).await.map_err(place)?;
        let bytes = bytes.ok_or_else(|| place(crate::package::damaged(&file.path, "is missing")))?;
        blocking(move || file.check(&bytes).map(|()| bytes)).await.map_err(place)
    }

    /// The blobs that a version needs.
    pub(super) async fn needs(&self, version: &Version) -> Result<Vec<Digest>> {
        let record = self.version_record(version).await?;
        let (manifest, _) = self.read_manifest(version).await?;
        Ok(manifest.files.iter().map(|file| file.blake3).chain([record.manifest.blake3]).collect())
    }
}
