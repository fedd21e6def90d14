//! Files that are still there after the power fails: what the standard library leaves to its users.
//!
//! A file is written under a temporary name, flushed to the disk (`fsync`), given its name, and the
//! directory is flushed, before anybody is told that it exists. Directories are flushed on Unix;
//! elsewhere that step does nothing, and the file system decides.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mlops_core::{Error, ErrorKind, Result};

/// An error of the operating system, with what was tried, where, and what to do about it.
pub(crate) fn io_error(tried: &str, path: &Path, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let place = path.display();
    let (kind, remedy) = match error.kind() {
        Io::PermissionDenied | Io::ReadOnlyFilesystem => {
            (ErrorKind::Denied, "give this user the right to, or choose another directory")
        }
        Io::StorageFull | Io::QuotaExceeded => (ErrorKind::Unavailable, "the disk is full: free some space, try again"),
        Io::NotADirectory | Io::IsADirectory | Io::InvalidFilename => {
            (ErrorKind::Config, "part of the path is not what it should be: choose another")
        }
        _ => {
            let plain = Error::from(error);
            let message = format!("could not {tried} {place}: {}", plain.message());
            return Error::new(plain.kind(), message).with_source(plain);
        }
    };
    Error::new(kind, format!("could not {tried} {place} ({error}): {remedy}")).with_source(error)
}

/// `path` with a suffix that no other writer has: `name#<digits>`, which
/// `object_store::local::LocalFileSystem` leaves out of its listings.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("#{}", random_u64()));
    name.into()
}

/// Whether a file name is one that [`temporary`] makes.
pub(crate) fn is_temporary(name: &str) -> bool {
    let suffix = name.rsplit_once('#').map(|(_, suffix)| suffix);
    suffix.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// 64 bits that differ from call to call and from process to process; not for secrets.
pub(crate) fn random_u64() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    // `RandomState` is seeded by the operating system.
    RandomState::new().hash_one((std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed)))
}

/// Writes a file that must not exist, and flushes it. The directory is not flushed.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| io_error("create", path, e))?;
    write_all(file, bytes).map_err(|e| io_error("write", path, e))
}

fn write_all(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a directory and all above it, each flushed into the one above.
pub(crate) fn create_dirs(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_dirs(parent(path))?;
    create_dir(path)?;
    sync_dir(parent(path))
}

fn create_dir(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(io_error("create directory", path, e)),
        Err(_) if !path.is_dir() => Err(io_error("create directory", path, io::ErrorKind::NotADirectory.into())),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The directories of a tree that are known to be on the disk.
///
/// A directory that is already there may have been made a moment ago by another process that has
/// not flushed it yet, so each is flushed once before something in it is reported as kept.
#[derive(Debug)]
pub(crate) struct Directories {
    root: PathBuf,
    settled: Mutex<HashSet<PathBuf>>,
}

impl Directories {
    /// The tree below `root`, which is made.
    pub(crate) fn new(root: PathBuf) -> Result<Self> {
        create_dirs(&root)?;
        Ok(Self { root, settled: Mutex::default() })
    }

    /// Its root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes a directory below the root and all between, on the disk when this returns.
    pub(crate) fn ensure(&self, path: &Path) -> Result<()> {
        if path == self.root || self.settled().contains(path) {
            return Ok(());
        }
        let parent = parent(path);
        if parent != path {
            self.ensure(parent)?;
        }
        if !path.is_dir() {
            create_dir(path)?;
        }
        sync_dir(parent)?;
        self.settled().insert(path.to_owned());
        Ok(())
    }

    fn settled(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        // A set of paths is whole after any panic.
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directory that holds `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Flushes the names in a directory.
#[cfg(unix)]
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    match File::open(path).and_then(|directory| directory.sync_all()) {
        // Some file systems keep names by themselves and refuse to be asked.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        flushed => flushed.map_err(|e| io_error("flush directory", path, e)),
    }
}

/// Does nothing: a directory can't be flushed here.
#[cfg(not(unix))]
pub(crate) fn sync_dir(_: &Path) -> Result<()> {
    Ok(())
}

/// Runs blocking work on a thread for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(result) => result,
        Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
        Err(e) => Err(Error::new(ErrorKind::Cancelled, "the async runtime is shutting down").with_source(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_told_from_others() {
        let name = temporary(Path::new("a/b.json"));
        assert!(is_temporary(name.file_name().unwrap().to_str().unwrap()));
        assert!(["a#1", "a.json#12"].iter().all(|name| is_temporary(name)));
        assert!(!["a", "a#", "a#b", "a#1b", "1"].iter().any(|name| is_temporary(name)));
        assert_ne!(random_u64(), random_u64());
    }

    #[test]
    fn errors_say_where_and_what_to_do() {
        let kinds = [
            (io::ErrorKind::PermissionDenied, ErrorKind::Denied, "the right to"),
            (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::Denied, "the right to"),
            (io::ErrorKind::StorageFull, ErrorKind::Unavailable, "disk is full"),
            (io::ErrorKind::NotADirectory, ErrorKind::Config, "choose another"),
            (io::ErrorKind::NotFound, ErrorKind::NotFound, "/models"),
        ];
        for (io, kind, remedy) in kinds {
            let error = io_error("write", Path::new("/models/a"), io.into());
            assert_eq!(error.kind(), kind);
            assert!(error.message().contains("/models/a") && error.message().contains(remedy), "{error}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_told_as_such() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = io_error("write", Path::new("/dev/full"), write_all(full, b"x").unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_retryable());
        assert!(error.message().contains("disk is full"), "{error}");
    }

    #[test]
    fn a_path_below_a_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        write_new(&file, b"x").unwrap();
        let error = create_dirs(&file.join("sub/deep")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert_eq!(write_new(&file, b"y").unwrap_err().kind(), ErrorKind::Conflict);
        create_dirs(&dir.path().join("a/b/c")).unwrap();
        assert!(dir.path().join("a/b/c").is_dir());
    }
}
