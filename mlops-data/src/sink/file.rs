//! A local file that appears whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mlops_core::{Error, ErrorKind, Result};

/// A file that is being written beside its place, under a name that no source looks at:
/// `.<name>.#<digits>`. It is locked for as long as its writer lives. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Staged {
    file: File,
    staged: PathBuf,
    place: PathBuf,
    overwrite: bool,
    kept: bool,
}

impl Staged {
    /// Begins a file that is to be at `place`, and removes what writers that died have left there.
    ///
    /// # Errors
    /// `Conflict` if there is one that may not be overwritten.
    pub(super) fn begin(place: &Path, overwrite: bool) -> Result<Self> {
        let name = place.file_name().filter(|_| !place.is_dir()).ok_or_else(|| {
            Error::config(format!("'{}' is no name of a file: name one in the directory", place.display()))
        })?;
        if !overwrite && place.symlink_metadata().is_ok() {
            return Err(taken(place));
        }
        let directory = parent(place);
        create_dirs(directory)?;
        let prefix = format!(".{}.#", name.to_string_lossy());
        remove_leftovers(directory, &prefix)?;
        loop {
            let staged = directory.join(format!("{prefix}{}", random_u64()));
            let file = OpenOptions::new().write(true).create_new(true).open(&staged);
            let file = file.map_err(|error| failed("create", &staged, error))?;
            // Where there are no locks, leftovers stay.
            let _ = file.try_lock();
            // Before it was locked, it looked like a leftover.
            if staged.exists() {
                return Ok(Self { file, staged, place: place.to_owned(), overwrite, kept: false });
            }
        }
    }

    /// Makes the file visible, on the disk when this returns.
    pub(super) fn commit(mut self) -> Result<()> {
        self.file.sync_all().map_err(|error| failed("write", &self.place, error))?;
        if self.overwrite {
            fs::rename(&self.staged, &self.place).map_err(|error| failed("write", &self.place, error))?;
            self.kept = true;
        } else {
            match fs::hard_link(&self.staged, &self.place) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(taken(&self.place)),
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    return Err(Error::unsupported(format!(
                        "the file system of '{}' has no hard links, which put-if-absent needs: choose another \
                         directory, or allow overwriting",
                        self.place.display()
                    )));
                }
                Err(error) => return Err(failed("write", &self.place, error)),
            }
            fs::remove_file(&self.staged).map_err(|error| failed("remove", &self.staged, error))?;
            self.kept = true;
        }
        sync_dir(parent(&self.place))
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept {
            // If it can't be removed now, the next writer will.
            let _ = fs::remove_file(&self.staged);
        }
    }
}

/// Removes files that nobody holds locked.
fn remove_leftovers(directory: &Path, prefix: &str) -> Result<()> {
    let entries = fs::read_dir(directory).map_err(|error| failed("list", directory, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed("list", directory, error))?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(prefix));
        if digits.is_none_or(|digits| digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit())) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        match file.try_lock() {
            // Its writer is gone, or is another one that removed it just now.
            Ok(()) => drop(fs::remove_file(entry.path())),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
    Ok(())
}

fn taken(place: &Path) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "'{}' is there already: choose another name, or allow it with `.with_overwrite(true)`",
            place.display()
        ),
    )
}

fn failed(tried: &str, path: &Path, error: io::Error) -> Error {
    let plain = Error::from(error);
    let remedy = match plain.kind() {
        ErrorKind::Denied => ": give this user the right and the space to, or choose another directory",
        _ => "",
    };
    Error::new(plain.kind(), format!("could not {tried} '{}': {}{remedy}", path.display(), plain.message()))
        .with_source(plain)
}

/// 64 bits that differ from call to call and from process to process; not for secrets.
pub(super) fn random_u64() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    // `RandomState` is seeded by the operating system.
    RandomState::new().hash_one((std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed)))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Makes a directory and all above it, each flushed into the one above.
fn create_dirs(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_dirs(parent(path))?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("create the directory", path, error));
        }
        Ok(()) | Err(_) => {}
    }
    sync_dir(parent(path))
}

/// Flushes the names in a directory; elsewhere than on Unix, that can't be done.
fn sync_dir(path: &Path) -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(path).and_then(|directory| directory.sync_all()) {
        // Some file systems keep names by themselves and refuse to be asked.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        flushed => flushed.map_err(|error| failed("flush the directory", path, error)),
    }
}
