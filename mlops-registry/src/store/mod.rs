//! The few things a registry asks of its store: put if absent, read, list.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use mlops_core::{Error, Result};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

mod directory;
mod error;
#[cfg(feature = "s3")]
mod s3;

use directory::{Directory, Guard};
use error::store_error;

/// A place for objects. What a method reports as kept is durable: on a local directory because we
/// flush it ourselves, elsewhere as the store promises.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    objects: Arc<dyn ObjectStore>,
    directory: Option<Arc<Directory>>,
}

impl Store {
    pub(crate) fn of(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, directory: None }
    }

    /// The directory `root`, which is made.
    pub(crate) async fn local(root: PathBuf) -> Result<Self> {
        let directory = directory::open(root).await?;
        let objects =
            LocalFileSystem::new_with_prefix(directory.root()).map_err(|e| store_error("open", &Path::default(), e))?;
        Ok(Self { objects: Arc::new(objects), directory: Some(Arc::new(directory)) })
    }

    /// The bucket that an `s3://` URL names.
    #[cfg(feature = "s3")]
    pub(crate) fn s3(url: &str) -> Result<Self> {
        Ok(Self::of(s3::open(url)?))
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> String {
        self.directory.as_ref().map_or_else(|| self.objects.to_string(), |dir| dir.root().display().to_string())
    }

    pub(crate) fn directory(&self) -> Option<&Arc<Directory>> {
        self.directory.as_ref()
    }

    /// Puts an object if there is none; whether it did.
    pub(crate) async fn create(&self, path: &Path, bytes: Bytes) -> Result<bool> {
        if let Some(directory) = &self.directory {
            return directory.create(path, bytes).await;
        }
        match self.put(path, bytes, PutMode::Create).await {
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(e) => Err(store_error("write", path, e)),
            Ok(()) => Ok(true),
        }
    }

    /// Puts an object, whether or not there is one: only where any two writers write the same.
    pub(crate) async fn replace(&self, path: &Path, bytes: Bytes) -> Result<()> {
        match &self.directory {
            Some(directory) => directory.replace(path, bytes).await,
            None => self.put(path, bytes, PutMode::Overwrite).await.map_err(|e| store_error("write", path, e)),
        }
    }

    async fn put(&self, path: &Path, bytes: Bytes, mode: PutMode) -> object_store::Result<()> {
        self.objects.put_opts(path, PutPayload::from_bytes(bytes), mode.into()).await.map(|_| ())
    }

    /// The bytes of an object, `None` if there is none.
    ///
    /// # Errors
    /// `Corrupt` if it has more than `most` bytes; they are not read then.
    pub(crate) async fn read(&self, path: &Path, most: u64) -> Result<Option<Bytes>> {
        let found = match self.objects.get(path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(|e| store_error("read", path, e))?,
        };
        if found.meta.size > most {
            return Err(Error::corrupt(format!(
                "'{path}' has {} bytes, at most {most} were written or are allowed: restore it from a copy",
                found.meta.size
            )));
        }
        found.bytes().await.map(Some).map_err(|e| store_error("read", path, e))
    }

    /// What is known of an object, `None` if there is none. Once found, it is durable.
    pub(crate) async fn look(&self, path: &Path) -> Result<Option<ObjectMeta>> {
        let found = match self.objects.head(path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(|e| store_error("read", path, e))?,
        };
        if let Some(directory) = &self.directory {
            directory.settle(path).await?;
        }
        Ok(Some(found))
    }

    /// All objects below `prefix`, in no order; those after `after` only, if it is given.
    pub(crate) async fn list(&self, prefix: &Path, after: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        let objects = match after {
            Some(after) => self.objects.list_with_offset(Some(prefix), after),
            None => self.objects.list(Some(prefix)),
        };
        objects.try_collect().await.map_err(|e| store_error("list", prefix, e))
    }

    /// The names right below `prefix` that have something below them, sorted.
    pub(crate) async fn children(&self, prefix: &Path) -> Result<Vec<String>> {
        let listed = self.objects.list_with_delimiter(Some(prefix)).await;
        let listed = listed.map_err(|e| store_error("list", prefix, e))?;
        let mut names: Vec<String> =
            listed.common_prefixes.iter().filter_map(|path| Some(path.filename()?.to_owned())).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Removes an object; none there is as good.
    pub(crate) async fn delete(&self, path: &Path) -> Result<()> {
        match self.objects.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(store_error("remove", path, e)),
        }
    }

    /// Keeps [`lock_out_writers`](Self::lock_out_writers) waiting until the guard is dropped; on a
    /// local directory, where there are locks.
    pub(crate) async fn writing(&self) -> Result<Option<Guard>> {
        match &self.directory {
            Some(directory) => directory.lock(false).await.map(Some),
            None => Ok(None),
        }
    }

    /// Waits until nobody writes, and keeps it so until the guard is dropped.
    pub(crate) async fn lock_out_writers(&self) -> Result<Option<Guard>> {
        match &self.directory {
            Some(directory) => directory.lock(true).await.map(Some),
            None => Ok(None),
        }
    }
}
