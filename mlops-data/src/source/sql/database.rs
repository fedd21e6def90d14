use std::fmt;
use std::sync::Arc;

use mlops_core::{Error, Result};

#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "sqlite")]
use super::sqlite;

/// A database, for the [`SqlSource`](super::SqlSource)s and [`SqlSink`](super::SqlSink)s of a program.
///
/// It holds no connection: each scan and each write makes one and closes it. Messages and `Debug`
/// name the database, never the password, which may also come from `PGPASSWORD` or `~/.pgpass`.
///
/// # Example
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use mlops_data::SqlDatabase;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let database = SqlDatabase::connect("sqlite::memory:").await?;
/// assert_eq!(database.name(), "sqlite::memory:");
/// let error = SqlDatabase::connect("oracle://scott:tiger@orcl").await.unwrap_err();
/// assert!(!error.to_string().contains("tiger"));
/// # Ok::<(), mlops_core::Error>(()) })?;
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone)]
pub struct SqlDatabase {
    name: String,
    pub(super) backend: Backend,
}

#[derive(Clone)]
pub(super) enum Backend {
    #[cfg(feature = "postgres")]
    Postgres(Arc<postgres::Server>),
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<sqlite::Library>),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Reading; the database refuses to change anything.
    Read,
    Write,
}

impl SqlDatabase {
    /// The database at `url`, which is connected to once, to see that it is there:
    ///
    /// - `postgres://user:password@host:port/database`, with the parameters of `libpq`, such as
    ///   `?sslmode=require` (feature `postgres-tls`; without it connections are not encrypted)
    /// - `sqlite:path/to/file.db`, which must exist, or be made with `?mode=rwc`
    /// - `sqlite::memory:`, a database of its own that lasts as long as this value and its clones
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for a URL that is none,
    /// [`Unsupported`](mlops_core::ErrorKind::Unsupported) if the feature for it is off,
    /// [`NotFound`](mlops_core::ErrorKind::NotFound) for a file or a database that is not there,
    /// [`Denied`](mlops_core::ErrorKind::Denied) for wrong credentials,
    /// [`Unavailable`](mlops_core::ErrorKind::Unavailable) if nobody answers.
    pub async fn connect(url: &str) -> Result<Self> {
        let database = Self::of(url)?;
        match database.backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres(server) => {
                server.connect(Access::Read).await?;
                Ok(Self { backend: Backend::Postgres(server), ..database })
            }
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(library) => {
                let library = Arc::new(library.anchored().await?);
                Ok(Self { backend: Backend::Sqlite(library), ..database })
            }
        }
    }

    /// The database at `url` as at [`connect`](Self::connect), which is not connected to before the first
    /// scan or write: wrong credentials are an error there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for a URL that is none, and for a database in
    /// memory, which would be another one with each connection;
    /// [`Unsupported`](mlops_core::ErrorKind::Unsupported) if the feature for it is off.
    pub fn at(url: &str) -> Result<Self> {
        let database = Self::of(url)?;
        match &database.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(library) if library.is_in_memory() => Err(Error::config(
                "a database in memory is another one with each connection: hold on to one by SqlDatabase::connect, \
                 and make its sources and sinks of that",
            )),
            _ => Ok(database),
        }
    }

    fn of(url: &str) -> Result<Self> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => {
                let server = postgres::Server::at(url)?;
                Ok(Self { name: server.name(), backend: Backend::Postgres(Arc::new(server)) })
            }
            #[cfg(feature = "sqlite")]
            Some("sqlite") => {
                let library = sqlite::Library::at(url)?;
                Ok(Self { name: library.name(), backend: Backend::Sqlite(Arc::new(library)) })
            }
            #[cfg(not(feature = "postgres"))]
            Some("postgres" | "postgresql") => Err(without_feature("postgres")),
            #[cfg(not(feature = "sqlite"))]
            Some("sqlite") => Err(without_feature("sqlite")),
            // The URL itself is not shown: it may hold a password.
            _ => Err(Error::config(
                "the URL of a database starts with 'postgres://' or 'sqlite:', and this one does not: write \
                 postgres://user:password@host:5432/database or sqlite:path/to/file.db",
            )),
        }
    }

    /// What it is called in messages: the URL without password and parameters.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for SqlDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqlDatabase").field(&self.name).finish()
    }
}

#[cfg(not(all(feature = "postgres", feature = "sqlite")))]
fn without_feature(feature: &str) -> Error {
    Error::unsupported(format!("mlops-data was built without the feature '{feature}': turn it on in Cargo.toml"))
}
