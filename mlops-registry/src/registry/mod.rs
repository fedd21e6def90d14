use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use mlops_core::{Codecs, Error, ErrorKind, ModelRef, Package, Pick, Registry, Result, ResultExt, Version, check_name};
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::OnceCell;

mod alias;
mod collect;
mod fetch;
mod layout;
mod publish;

pub use collect::Collected;

use crate::package::{check_format, damaged};
use crate::store::Store;
use crate::{Limits, sealed};
use layout::{FORMAT, Log, MARKER, MAX_RECORD_BYTES, MODELS, Marker, Record, record_number};

/// A registry on any object store: a local directory, or whatever [`object_store`] can reach.
///
/// Many programs may use one at the same time, and any of them may die at any instant: a version is
/// there as a whole or not at all, an alias points where it was last told to, and no number is used
/// twice. All that it asks of a store is to put an object only if it is absent.
///
/// # Layout, format 1
/// ```text
/// registry.json                              {"format": 1}
/// registry.lock                              empty; only in a local directory
/// blobs/<first 2 digits>/<digest>            the files of packages, by their content
/// models/<model>/versions/<number>.json      {"model", "number", "manifest": {"size", "blake3"}, "published_ms", "token"}
/// models/<model>/aliases/<alias>/<number>.json
///                                            {"model", "alias", "number", "to", "moved_ms", "token"}
/// ```
/// Numbers have 20 digits and start at 1. A JSON file is one line,
/// `{"blake3":"<digest of the record>","record":<record>}`, as in [`crate::package`]. A version's
/// `manifest` is the digest of the package's `manifest.json`, which is a blob like the files it
/// lists; so equal files of different versions are kept once, and the digest of a version record
/// covers every byte of its package.
///
/// An alias is a log of moves: the record with the highest number says where it points (`to`: the
/// number of a version, or null once it is [deleted](Self::delete_alias)). To move it is to put the
/// next number if that is absent, which one of two rivals achieves. Nothing but blobs is ever
/// removed, and blobs only by [`gc`](Self::gc).
///
/// # What is on the disk when a call returns
/// In a local directory each file is flushed before it gets its name, and the directory before the
/// call returns (on Unix; elsewhere directories can't be flushed). On another store, what that
/// store acknowledged.
///
/// # Example
/// ```
/// # use mlops_core::conformance::LinearModel;
/// # let model = LinearModel::regression([("distance", 0.5)], 3.0)?;
/// # let (package, codecs) = (model.package("flights")?, LinearModel::codecs());
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::sync::Arc;
///
/// use mlops_core::{Registry, RegistryExt};
/// use mlops_registry::ObjectRegistry;
/// use object_store::memory::InMemory;
///
/// let registry = ObjectRegistry::new(Arc::new(InMemory::new()), codecs);
/// let first = registry.publish(&package).await?;
/// registry.promote(&first, "champion").await?;
/// let second = registry.publish(&package).await?;
/// assert_eq!(registry.resolve(&"flights".parse()?).await?, second);
/// assert_eq!(registry.resolve(&"flights@champion".parse()?).await?, first);
/// # Ok::<(), mlops_core::Error>(()) })?;
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone)]
pub struct ObjectRegistry {
    store: Store,
    codecs: Codecs,
    limits: Limits,
    state: Arc<State>,
}

/// What was learned of the store, to ask it less.
#[derive(Debug, Default)]
struct State {
    /// Set once the store is known to be a registry that can be read here.
    checked: OnceCell<()>,
    /// Set once it may be written to.
    made: OnceCell<()>,
    /// The highest number seen of each log, where looking for a higher one starts.
    highest: Mutex<HashMap<Log, u64>>,
}

impl fmt::Debug for ObjectRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectRegistry").field("store", &self.store.name()).finish_non_exhaustive()
    }
}

impl ObjectRegistry {
    /// The registry on a store; objects stand at its root, so wrap it in
    /// [`PrefixStore`](object_store::prefix::PrefixStore) to share a bucket.
    ///
    /// The store is first asked when the registry is used. For a local directory take
    /// [`open`](Self::open): `object_store`'s own local file system flushes nothing to the disk.
    pub fn new(store: Arc<dyn ObjectStore>, codecs: Codecs) -> Self {
        Self::of(Store::of(store), codecs)
    }

    /// The registry in a local directory, given as a path or a `file://` URL, or, with the feature
    /// `s3`, below `s3://bucket/prefix`; it is made if it does not exist or is empty.
    ///
    /// A place that can't be written may be opened if it is a registry already. For S3, region,
    /// credentials and the address of another server than Amazon's (such as MinIO) come from the usual
    /// variables: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT`, and
    /// `AWS_ALLOW_HTTP=true` where there is no TLS. A server that would overwrite an object that it was
    /// told only to create is refused when the registry is made.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a directory with other files, a newer format or another kind
    /// of URL; [`ErrorKind::Denied`] if it can't be made or the credentials are wrong;
    /// [`ErrorKind::Config`] if it is no directory; [`ErrorKind::NotFound`] for a bucket that is not
    /// there.
    pub async fn open(location: &str, codecs: Codecs) -> Result<Self> {
        #[cfg(feature = "s3")]
        if location.starts_with("s3://") {
            let registry = Self::of(Store::s3(location)?, codecs);
            if !registry.is_registry().await? {
                registry.make().await?;
                registry.check_is_conditional().await?;
            }
            return Ok(registry);
        }
        let registry = Self::of(Store::local(local_path(location)?).await?, codecs);
        if !registry.is_registry().await? {
            registry.make().await?;
        }
        Ok(registry)
    }

    /// Reads packages within other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn of(store: Store, codecs: Codecs) -> Self {
        Self { store, codecs, limits: Limits::default(), state: Arc::default() }
    }

    /// Refuses a store that overwrites what it was told only to create.
    #[cfg(feature = "s3")]
    async fn check_is_conditional(&self) -> Result<()> {
        let marker = sealed::seal(&Marker { format: FORMAT })?;
        if !self.store.create(&Path::from(MARKER), marker.into()).await? {
            return Ok(());
        }
        Err(Error::unsupported(
            "the store put an object over one that is there, although it was told only to create it (If-None-Match), \
             so rivals would undo each other's work: use a server that knows conditional puts",
        )
        .with_context("registry", self.store.name()))
    }

    /// Whether the store holds a registry that can be read here.
    async fn is_registry(&self) -> Result<bool> {
        if self.state.checked.initialized() {
            return Ok(true);
        }
        let Some(bytes) = self.store.read(&Path::from(MARKER), MAX_RECORD_BYTES).await? else { return Ok(false) };
        let body = sealed::unseal(&bytes).map_err(|e| damaged(MARKER, e.message()));
        body.and_then(|body| check_format("the registry", FORMAT, body)).context("registry", self.store.name())?;
        // Another task that was as fast set the same.
        let _ = self.state.checked.set(());
        Ok(true)
    }

    /// Makes the store a registry, if it is not one yet.
    async fn make(&self) -> Result<()> {
        let made = self.state.made.get_or_try_init(|| async {
            if !self.is_registry().await? {
                self.check_is_free().await?;
                let marker = sealed::seal(&Marker { format: FORMAT })?;
                self.store.create(&Path::from(MARKER), marker.into()).await?;
                self.is_registry().await?;
            }
            // Another process may have made it a moment ago; from here on it stays.
            self.store.look(&Path::from(MARKER)).await.map(|_| ())
        });
        made.await.copied()
    }

    /// Refuses a directory of something else.
    async fn check_is_free(&self) -> Result<()> {
        let Some(directory) = self.store.directory() else { return Ok(()) };
        // It may have become a registry just now.
        if directory.is_empty().await? || self.is_registry().await? {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "{} is no registry, but has files: give the directory of a registry, or an empty one",
            self.store.name()
        )))
    }

    /// The highest number of a log, 0 if it is empty. Numbers never go away, so the search starts at
    /// the highest one that was seen before.
    async fn highest(&self, log: &Log) -> Result<u64> {
        self.is_registry().await?;
        let seen = self.highest_seen().get(log).copied();
        let mut numbers = match seen {
            Some(seen) => self.numbers(log, Some(&log.record(seen - 1))).await?,
            None => Vec::new(),
        };
        // Not even the one that was seen: the store was emptied by other means.
        if numbers.is_empty() {
            numbers = self.numbers(log, None).await?;
        }
        let highest = numbers.into_iter().max();
        match highest {
            Some(highest) => self.highest_seen().insert(log.clone(), highest),
            None => self.highest_seen().remove(log),
        };
        Ok(highest.unwrap_or(0))
    }

    fn highest_seen(&self) -> std::sync::MutexGuard<'_, HashMap<Log, u64>> {
        // Only a hint: any state of it is fine.
        self.state.highest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn numbers(&self, log: &Log, after: Option<&Path>) -> Result<Vec<u64>> {
        let objects = self.store.list(&log.0, after).await?;
        Ok(objects.iter().filter_map(|object| record_number(&object.location)).collect())
    }

    /// A record of a log.
    async fn record<R: Record>(&self, log: &Log, number: u64) -> Result<Option<R>> {
        let bytes = self.store.read(&log.record(number), MAX_RECORD_BYTES).await?;
        bytes.map(|bytes| log.parse(number, &bytes)).transpose()
    }

    /// Puts a record if there is none of that number; whether it did.
    async fn append(&self, log: &Log, number: u64, record: &impl Record) -> Result<bool> {
        let (path, bytes) = (log.record(number), sealed::seal(record)?);
        if self.store.create(&path, bytes.clone().into()).await? {
            return Ok(true);
        }
        // A store that lost its answer and tried again meets its own record.
        Ok(self.store.read(&path, MAX_RECORD_BYTES).await?.is_some_and(|found| found == bytes))
    }

    async fn models(&self) -> Result<Vec<String>> {
        self.is_registry().await?;
        let mut models = self.store.children(&Path::from(MODELS)).await?;
        models.retain(|model| check_name("model name", model).is_ok());
        Ok(models)
    }

    async fn versions(&self, model: &str) -> Result<Vec<Version>> {
        check_name("model name", model)?;
        self.is_registry().await?;
        let mut numbers = self.numbers(&Log::versions(model), None).await?;
        numbers.sort_unstable();
        numbers.into_iter().map(|number| Version::new(model, number)).collect()
    }

    async fn check_exists(&self, version: &Version) -> Result<()> {
        self.is_registry().await?;
        match self.store.look(&Log::versions(version.model()).record(version.number())).await? {
            Some(_) => Ok(()),
            None => Err(self.no_version(version).await),
        }
    }

    /// The error of a version that is not there, which says what is.
    async fn no_version(&self, version: &Version) -> Error {
        match self.highest(&Log::versions(version.model())).await {
            Ok(0) => self.no_model(version.model()).await,
            Ok(highest) => self.not_found(format!("no version {version}; the newest is {highest}")),
            Err(error) => error,
        }
    }

    async fn no_model(&self, model: &str) -> Error {
        match self.models().await {
            Ok(models) => self.not_found(format!("no model '{model}'; the models are [{}]", models.join(", "))),
            Err(error) => error,
        }
    }

    fn not_found(&self, message: String) -> Error {
        Error::not_found(message).with_context("registry", self.store.name())
    }
}

#[async_trait]
impl Registry for ObjectRegistry {
    /// See [`Registry::publish`]. Besides replaying the samples, it reads the package back from the
    /// bytes that will be kept, so what is published can be loaded with the same codecs. Files that
    /// another version has already are compared and not written again.
    async fn publish(&self, package: &Package) -> Result<Version> {
        self.publish_package(package).await.context("registry", self.store.name()).context("publish", &package.name)
    }

    /// See [`Registry::fetch`]; the samples are replayed. Blobs are read and checked side by side.
    async fn fetch(&self, version: &Version) -> Result<Package> {
        self.fetch_package(version).await.context("version", version)
    }

    async fn resolve(&self, model: &ModelRef) -> Result<Version> {
        check_name("model name", &model.model)?;
        match &model.pick {
            Pick::Alias(alias) => self.resolve_alias(&model.model, alias).await,
            Pick::Newest => match self.highest(&Log::versions(&model.model)).await? {
                0 => Err(self.no_model(&model.model).await),
                newest => Version::new(&model.model, newest),
            },
            Pick::Version(number) => {
                let version = Version::new(&model.model, *number)?;
                self.check_exists(&version).await?;
                Ok(version)
            }
        }
    }

    async fn set_alias(&self, alias: &str, to: &Version, expected: Option<&Version>) -> Result<()> {
        self.move_alias(to.model(), alias, Some(to), expected).await
    }

    async fn aliases(&self, model: &str) -> Result<BTreeMap<String, Version>> {
        self.all_aliases(model).await
    }

    fn list(&self, model: Option<&str>) -> BoxStream<'static, Result<Version>> {
        let (registry, model) = (self.clone(), model.map(str::to_owned));
        let models = async move {
            let models = match model {
                Some(model) => vec![model],
                None => registry.models().await?,
            };
            let versions = futures::stream::iter(models).then(move |model| {
                let registry = registry.clone();
                async move { Ok::<_, Error>(futures::stream::iter(registry.versions(&model).await?).map(Ok)) }
            });
            Ok::<_, Error>(versions.try_flatten())
        };
        futures::stream::once(models).try_flatten().boxed()
    }
}

/// The path of a directory, or of a `file://` URL.
fn local_path(location: &str) -> Result<PathBuf> {
    let Some((scheme, rest)) = location.split_once("://") else { return Ok(location.into()) };
    if scheme != "file" {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{location:?} is no local directory: turn on the feature `s3` for s3://, or make the store with the \
                 `object_store` crate and give it to ObjectRegistry::new"
            ),
        ));
    }
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    let path = rest.starts_with('/').then(|| Path::from_url_path(rest).ok()).flatten();
    let path = path.ok_or_else(|| {
        Error::config(format!("{location:?} is no path: write file:///absolute/path, or the path alone"))
    })?;
    Ok(PathBuf::from(format!("/{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_record_put_twice_by_the_same_writer_is_its_own() {
        let registry = ObjectRegistry::new(Arc::new(object_store::memory::InMemory::new()), Codecs::default());
        let log = Log::alias("flights", "champion");
        let record = || layout::AliasRecord::new("flights", "champion", 1, Some(1));
        let ours = record();
        assert!(registry.append(&log, 1, &ours).await.unwrap());
        assert!(registry.append(&log, 1, &ours).await.unwrap());
        assert!(!registry.append(&log, 1, &record()).await.unwrap());
    }

    #[test]
    fn a_location_is_a_path_or_a_file_url() {
        assert_eq!(local_path("models").unwrap(), PathBuf::from("models"));
        assert_eq!(local_path("file:///var/my%20models").unwrap(), PathBuf::from("/var/my models"));
        assert_eq!(local_path("file://localhost/var/models/").unwrap(), PathBuf::from("/var/models"));
        assert_eq!(local_path("s3://models").unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(local_path("file://host/models").unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(local_path("file:///var/../etc").unwrap_err().kind(), ErrorKind::Config);
    }
}
