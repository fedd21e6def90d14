use std::collections::HashSet;
use std::time::Duration;

use futures::TryStreamExt;
use mlops_core::{Registry, Result, ResultExt, now_ms};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::ObjectRegistry;
use super::layout::{BLOBS, blob};
use super::publish::AT_A_TIME;
use crate::Digest;

/// What [`ObjectRegistry::gc`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Blobs that no version needs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that writers left when they died.
    pub temporaries: u64,
}

impl ObjectRegistry {
    /// Removes blobs that no version needs and that are older than `grace`, and what writers left
    /// that died in the middle. Versions and aliases are never removed.
    ///
    /// In a local directory it waits until nobody writes and keeps writers waiting, so any `grace`
    /// is safe. On another store there are no locks: there, `grace` must be longer than an hour and
    /// the longest publish together.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) if a version can't be read, as its
    /// blobs are not known then; nothing is removed. And if the store does not answer.
    pub async fn gc(&self, grace: Duration) -> Result<Collected> {
        self.make().await?;
        let _alone = self.store.lock_out_writers().await?;
        let mut collected = Collected::default();
        let born_before = now_ms().saturating_sub(i64::try_from(grace.as_millis()).unwrap_or(i64::MAX));
        let is_old = |object: &ObjectMeta| object.last_modified.timestamp_millis() <= born_before;
        let blobs = self.store.list(&Path::from(BLOBS), None).await?;
        let needed = self.needed().await?;
        for object in blobs.iter().filter(|object| is_old(object)) {
            let unneeded = blob_digest(&object.location).is_some_and(|digest| !needed.contains(&digest));
            // It may have been written again since it was listed.
            if unneeded && self.store.look(&object.location).await?.is_some_and(|object| is_old(&object)) {
                self.store.delete(&object.location).await?;
                collected.blobs += 1;
                collected.bytes += object.size;
            }
        }
        if let Some(directory) = self.store.directory() {
            collected.temporaries = directory.remove_temporaries().await?;
        }
        tracing::info!(target: "mlops::registry", ?collected, "collected");
        Ok(collected)
    }

    /// The blobs that versions need.
    async fn needed(&self) -> Result<HashSet<Digest>> {
        self.list(None)
            .map_ok(|version| async move { self.needs(&version).await.context("version", &version) })
            .try_buffer_unordered(AT_A_TIME)
            .try_fold(HashSet::new(), |mut needed, digests| async move {
                needed.extend(digests);
                Ok(needed)
            })
            .await
    }
}

fn blob_digest(path: &Path) -> Option<Digest> {
    path.filename()?.parse().ok().filter(|digest| *path == blob(*digest))
}
