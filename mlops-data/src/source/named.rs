use std::path::Path;

use mlops_core::{DataSource, Error, Result};

use super::Place;

/// The format that a file's name tells: its extension in lower case, without that of a compression.
pub(crate) fn extension(path: &Path) -> Option<String> {
    let of = |path: &Path| path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match of(path).as_deref() {
        Some("gz" | "zst" | "zstd") => of(Path::new(path.file_stem()?)),
        _ => of(path),
    }
}

/// The URL of a database, which may hold a password.
pub(crate) fn database_url(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| matches!(text.split_once(':'), Some(("postgres" | "postgresql" | "sqlite", _))))
}

/// The refusal of a database by a build that knows none.
#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
pub(crate) fn no_database() -> Error {
    Error::unsupported("this build knows no databases: turn the feature 'postgres' or 'sqlite' of mlops-data on")
}

/// The refusal of a name that tells no format that this build knows.
pub(crate) fn unknown(path: &Path) -> Error {
    let known = [
        ("csv", ".csv, .tsv, .txt", cfg!(feature = "csv")),
        ("parquet", ".parquet, .pq", cfg!(feature = "parquet")),
        ("json", ".jsonl, .ndjson, .json", cfg!(feature = "json")),
        ("ipc", ".arrow, .arrows, .feather, .ipc", cfg!(feature = "ipc")),
    ];
    let known: Vec<&str> = known.iter().filter(|(_, _, enabled)| *enabled).map(|(_, names, _)| *names).collect();
    Error::config(format!(
        "the name '{}' tells no format: known here are {}; for another name use the source or sink of the format",
        path.display(),
        known.join(", ")
    ))
}

/// A source for files whose name tells their format: `.csv`, `.tsv`, `.txt`, `.parquet`, `.pq`, `.jsonl`,
/// `.ndjson`, `.json`, `.arrow`, `.arrows`, `.feather`, `.ipc`, the texts also with `.gz` or `.zst` behind.
/// A pattern such as `data/*.parquet` tells it too. Or for a table of a database: `sqlite:trips.db#trips`,
/// `postgres://user@host/database#trips` or `…#schema.trips`, the names as they are written.
///
/// # Errors
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for any other name,
/// [`Unsupported`](mlops_core::ErrorKind::Unsupported) for a database whose feature is off. Nothing is read yet.
///
/// # Example
/// ```
/// use mlops_core::DataSourceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> mlops_core::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("trips.csv");
/// std::fs::write(&path, "minutes\n12\n7\n")?;
/// assert_eq!(mlops_data::source::open(&path)?.read().await?.num_rows(), 2);
/// assert!(mlops_data::source::open("trips.xlsx").is_err());
/// # Ok(())
/// # }
/// ```
pub fn open(place: impl Into<Place>) -> Result<Box<dyn DataSource>> {
    let place = place.into();
    if let Some(url) = database_url(place.path()) {
        return table_at(url);
    }
    match extension(place.path()).as_deref() {
        #[cfg(feature = "csv")]
        Some("csv" | "txt") => Ok(Box::new(super::Csv::at(place))),
        #[cfg(feature = "csv")]
        Some("tsv") => Ok(Box::new(super::Csv::at(place).with_delimiter('\t'))),
        #[cfg(feature = "parquet")]
        Some("parquet" | "pq") => Ok(Box::new(super::Parquet::at(place))),
        #[cfg(feature = "json")]
        Some("json" | "jsonl" | "ndjson") => Ok(Box::new(super::JsonLines::at(place))),
        #[cfg(feature = "ipc")]
        Some("arrow" | "arrows" | "feather" | "ipc") => Ok(Box::new(super::ArrowIpc::at(place))),
        _ => Err(unknown(place.path())),
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn table_at(url: &str) -> Result<Box<dyn DataSource>> {
    Ok(Box::new(super::sql::SqlSource::at(url)?))
}

#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
fn table_at(_: &str) -> Result<Box<dyn DataSource>> {
    Err(no_database())
}
