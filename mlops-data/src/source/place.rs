//! Where files are: a local path, a URL of an object store, or an object store at hand.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mlops_core::{Error, ErrorKind, Result, ResultExt};
use object_store::ObjectStore;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// Where files are read or written: a local path, a URL, or a path in an object store that the
/// program has made.
///
/// | text | where | needs the feature |
/// |---|---|---|
/// | `data/trips.csv`, `file:///data/trips.csv` | a local directory | |
/// | `s3://bucket/trips.csv` | Amazon S3 and what speaks its protocol | `s3` |
/// | `gs://bucket/trips.csv` | Google Cloud Storage | `gcs` |
/// | `az://container/trips.csv`, `abfss://…` | Azure Blob Storage | `azure` |
///
/// A source takes a **pattern** too (`*`, `?`, `[…]`, and `**` for any directories), or a
/// **directory**, of which it reads every file of its format, however deep, but those whose name or
/// directory begins with `_` or `.`. A name that looks like a pattern is a name first.
///
/// **Partitions**: below the part of a path that is fixed, a directory called `key=value` adds the
/// column `key` to the rows of its files. Its type is `Int64`, `Date32` or `Utf8`, whichever holds all
/// of its values; `__HIVE_DEFAULT_PARTITION__` is null. Files that a filter on such columns rules out
/// are not opened.
///
/// **Credentials** are no part of a recipe and are never stored with it. They come from the
/// environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, `GOOGLE_SERVICE_ACCOUNT`,
/// `AZURE_STORAGE_ACCOUNT_KEY` and so on, as `object_store` reads them) or from
/// [`with_option`](Self::with_option).
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use mlops_data::{Place, Sink, SinkExt, CsvSink, Csv};
/// use mlops_core::{DataSourceExt, Table};
/// use object_store::memory::InMemory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let batch = arrow::array::record_batch!(("minutes", Int64, [12, 7]))?;
/// let trips = Place::in_store(Arc::new(InMemory::new()), "lake/trips.csv");
/// CsvSink::at(trips.clone()).write_table(&Table::from_batch(batch)).await?;
/// assert_eq!(Csv::at(trips).read().await?.num_rows(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Place {
    path: PathBuf,
    options: BTreeMap<String, String>,
    store: Option<Arc<dyn ObjectStore>>,
    /// The store of a URL, made when it is first needed and shared by clones.
    opened: Arc<OnceLock<Opened>>,
}

type Opened = (Arc<dyn ObjectStore>, String);

/// What a place turns out to be.
#[derive(Clone, Debug)]
pub(crate) enum Site {
    /// A path of the local file system.
    Local(PathBuf),
    /// A path in a store.
    Stored(Arc<dyn ObjectStore>, String),
}

impl Place {
    /// A local path, or a URL.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// A path in a store that the program has made: in memory, or with credentials of its own. As
    /// data, only the path is left.
    pub fn in_store(store: Arc<dyn ObjectStore>, path: impl Into<String>) -> Self {
        Self { path: PathBuf::from(path.into()), store: Some(store), ..Self::default() }
    }

    /// With an option of the store that a URL names, such as `aws_endpoint`; it comes before the
    /// environment.
    #[must_use]
    pub fn with_option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(key.into().to_ascii_lowercase(), value.into());
        self.opened = Arc::default();
        self
    }

    /// The path or URL as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the place turns out to be. Makes no request.
    pub(crate) fn site(&self) -> Result<Site> {
        if self.path.as_os_str().is_empty() {
            return Err(Error::config(
                "the path of a source or sink is empty: name a file or a pattern such as 'data/*.csv'",
            ));
        }
        if let Some(store) = &self.store {
            return Ok(Site::Stored(Arc::clone(store), self.text()?.trim_start_matches('/').to_owned()));
        }
        let Some(text) = self.path.to_str().filter(|text| is_url(text)) else {
            return Ok(Site::Local(self.path.clone()));
        };
        let url = parse(text)?;
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| {
                Error::config(format!(
                    "'{text}' names no file of this computer: write file:///path, with three slashes"
                ))
            })?;
            return Ok(Site::Local(path));
        }
        if self.opened.get().is_none() {
            let opened = open(&url, &self.options).context("url", without_password(&url))?;
            // Another thread may have been faster; both are the same.
            let _ = self.opened.set(opened);
        }
        match self.opened.get() {
            Some((store, path)) => Ok(Site::Stored(Arc::clone(store), path.clone())),
            None => Err(Error::internal("a store that was opened a moment ago is gone")),
        }
    }

    fn text(&self) -> Result<&str> {
        self.path.to_str().ok_or_else(|| {
            Error::config(format!("'{}' is not valid UTF-8, as paths in a store are", self.path.display()))
        })
    }
}

fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.len() > 1 && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

fn without_password(url: &Url) -> Url {
    let mut shown = url.clone();
    // It can't be set where there can be none.
    let _ = shown.set_password(None);
    shown
}

/// A pattern's characters are none of a URL's.
fn parse(text: &str) -> Result<Url> {
    let escaped = text.replace('?', "%3F").replace('#', "%23").replace('[', "%5B").replace(']', "%5D");
    Url::parse(&escaped).map_err(|e| {
        Error::config(format!("'{text}' is no URL: {e}; write it such as s3://bucket/data/*.parquet")).with_source(e)
    })
}

fn open(url: &Url, options: &BTreeMap<String, String>) -> Result<Opened> {
    supported(url.scheme())?;
    let environment = std::env::vars().map(|(key, value)| (key.to_ascii_lowercase(), value));
    let environment = environment.filter(|(key, _)| {
        ["aws_", "azure_", "google_"].iter().any(|prefix| key.starts_with(prefix)) && key != "aws_profile"
    });
    // S3 has no copy-if-absent of its own; object_store makes one of a multipart upload.
    let defaults = [("aws_copy_if_not_exists".to_owned(), "multipart".to_owned())];
    let given = options.iter().map(|(key, value)| (key.clone(), value.clone()));
    let (store, path) = object_store::parse_url_opts(url, defaults.into_iter().chain(environment).chain(given))
        .map_err(|e| {
            Error::config(format!("can't open the store: {e}; check the URL and the environment's credentials"))
                .with_source(e)
        })?;
    Ok((Arc::from(store), path.to_string()))
}

/// Refuses schemes that this build knows nothing of.
fn supported(scheme: &str) -> Result<()> {
    let (feature, built_in) = match scheme {
        "s3" | "s3a" => ("s3", cfg!(feature = "s3")),
        "gs" => ("gcs", cfg!(feature = "gcs")),
        "abfs" | "abfss" | "adl" | "az" | "azure" => ("azure", cfg!(feature = "azure")),
        "memory" => {
            return Err(Error::config(
                "a store in memory begins empty with every URL: make one and hand it over, with Place::in_store",
            ));
        }
        _ => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("'{scheme}://' is no store that can be read: use a path, file, s3, gs, az or abfss"),
            ));
        }
    };
    if built_in {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "this build can't read '{scheme}://': turn the feature '{feature}' of mlops-data on"
    )))
}

/// Without the options, which may hold secrets.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<&String> = self.options.keys().collect();
        f.debug_struct("Place")
            .field("path", &self.path)
            .field("options", &options)
            .field("store", &self.store)
            .finish()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        let same_store = match (&self.store, &other.store) {
            (Some(store), Some(other)) => Arc::ptr_eq(store, other),
            (None, None) => true,
            _ => false,
        };
        same_store && self.path == other.path && self.options == other.options
    }
}

impl Eq for Place {}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.path.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PathBuf::deserialize(deserializer).map(Self::at)
    }
}

impl<T: AsRef<OsStr> + ?Sized> From<&T> for Place {
    fn from(path: &T) -> Self {
        Self::at(path.as_ref())
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self::at(path)
    }
}

impl From<String> for Place {
    fn from(path: String) -> Self {
        Self::at(path)
    }
}

impl From<Url> for Place {
    fn from(url: Url) -> Self {
        Self::at(url.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart() {
        assert!(
            matches!(Place::from("data/a.csv").site().unwrap(), Site::Local(path) if path == Path::new("data/a.csv"))
        );
        assert!(
            matches!(Place::from("file:///d/a?[1].csv").site().unwrap(), Site::Local(path) if path == Path::new("/d/a?[1].csv"))
        );
        assert_eq!(Place::from("ftp://host/a").site().unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(Place::from("memory:///a").site().unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(Place::default().site().unwrap_err().kind(), ErrorKind::Config);
        #[cfg(not(feature = "s3"))]
        assert!(Place::from("s3://bucket/a").site().unwrap_err().message().contains("feature 's3'"));
    }

    #[test]
    fn secrets_are_neither_shown_nor_stored() {
        let place = Place::from("s3://bucket/a").with_option("aws_secret_access_key", "hush");
        assert!(!format!("{place:?}").contains("hush"));
        assert_eq!(serde_json::to_string(&place).unwrap(), "\"s3://bucket/a\"");
    }
}
