use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use mlops_core::{Error, Result};
use object_store::path::Path;

use crate::durable::{Directories, blocking, io_error, is_temporary, parent, sync_dir, temporary, write_new};

/// Writes objects to a local directory so that they survive a power cut.
///
/// `object_store`'s local file system makes its files visible atomically, as this does, but flushes
/// neither a file nor the directory that names it: after a power cut an object could be missing,
/// empty or cut, although it was acknowledged. Here a file is flushed before it is linked to its
/// name, and the directory before anybody is told, also if somebody else linked it.
#[derive(Debug)]
pub(crate) struct Directory {
    directories: Arc<Directories>,
}

/// Held while writing, or while nobody may.
#[derive(Debug)]
pub(crate) struct Guard {
    _file: Option<File>,
}

pub(super) async fn open(root: PathBuf) -> Result<Directory> {
    let open = move || {
        let root = std::path::absolute(&root).map_err(|e| io_error("find", &root, e))?;
        let directories = Directories::new(root)?;
        Ok(Directory { directories: Arc::new(directories) })
    };
    blocking(open).await
}

impl Directory {
    /// The file that is locked; empty, and never removed.
    const LOCK: &'static str = "registry.lock";

    pub(crate) fn root(&self) -> &FilePath {
        self.directories.root()
    }

    /// Whether there is no file yet, but for leftovers and the lock.
    pub(crate) async fn is_empty(&self) -> Result<bool> {
        let root = self.root().to_owned();
        blocking(move || {
            for entry in fs::read_dir(&root).map_err(|e| io_error("list", &root, e))? {
                let name = entry.map_err(|e| io_error("list", &root, e))?.file_name();
                let name = name.to_string_lossy();
                if name != Self::LOCK && !is_temporary(&name) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    pub(super) async fn create(&self, path: &Path, bytes: Bytes) -> Result<bool> {
        let (directories, path) = (Arc::clone(&self.directories), self.file(path));
        blocking(move || create(&directories, &path, &bytes)).await
    }

    pub(super) async fn replace(&self, path: &Path, bytes: Bytes) -> Result<()> {
        let (directories, path) = (Arc::clone(&self.directories), self.file(path));
        blocking(move || {
            directories.ensure(parent(&path))?;
            with_staged(&path, &bytes, |staged| fs::rename(staged, &path).map_err(|e| io_error("write", &path, e)))?;
            sync_dir(parent(&path))
        })
        .await
    }

    /// Makes sure that a name that was seen stays.
    pub(super) async fn settle(&self, path: &Path) -> Result<()> {
        let path = self.file(path);
        blocking(move || sync_dir(parent(&path))).await
    }

    /// Locks the directory among processes: for everybody who writes, or for one who wants nobody
    /// to. The system releases it when a process dies.
    pub(super) async fn lock(&self, exclusive: bool) -> Result<Guard> {
        let path = self.root().join(Self::LOCK);
        blocking(move || {
            let mut options = OpenOptions::new();
            let file = options.create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(|e| io_error("open", &path, e))?;
            let locked = if exclusive { file.lock() } else { file.lock_shared() };
            match locked {
                Ok(()) => Ok(Guard { _file: Some(file) }),
                // Some network file systems have no locks: the grace time of `gc` is all there is.
                Err(e) if e.kind() == io::ErrorKind::Unsupported => Ok(Guard { _file: None }),
                Err(e) => Err(io_error("lock", &path, e)),
            }
        })
        .await
    }

    /// Removes what writers that died have left; nobody may be writing.
    pub(crate) async fn remove_temporaries(&self) -> Result<u64> {
        let root = self.root().to_owned();
        blocking(move || remove_temporaries(&root)).await
    }

    fn file(&self, path: &Path) -> PathBuf {
        path.parts().fold(self.root().to_owned(), |file, part| file.join(part.as_ref()))
    }
}

fn create(directories: &Directories, path: &FilePath, bytes: &[u8]) -> Result<bool> {
    directories.ensure(parent(path))?;
    if path.exists() {
        sync_dir(parent(path))?;
        return Ok(false);
    }
    let created = with_staged(path, bytes, |staged| match fs::hard_link(staged, path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) if e.kind() == io::ErrorKind::Unsupported => Err(Error::unsupported(format!(
            "the file system of {} has no hard links, which put-if-absent needs: choose another directory",
            path.display()
        ))),
        Err(e) => Err(io_error("write", path, e)),
    })?;
    sync_dir(parent(path))?;
    Ok(created)
}

/// Writes a flushed file beside `path`, lets `place` give it its name, and removes what is left.
fn with_staged<T>(path: &FilePath, bytes: &[u8], place: impl FnOnce(&FilePath) -> Result<T>) -> Result<T> {
    let staged = temporary(path);
    let placed = write_new(&staged, bytes).and_then(|()| place(&staged));
    // Renamed, it is gone; if it can't be removed now, `remove_temporaries` will.
    let _ = fs::remove_file(&staged);
    placed
}

fn remove_temporaries(directory: &FilePath) -> Result<u64> {
    let mut removed = 0;
    for entry in fs::read_dir(directory).map_err(|e| io_error("list", directory, e))? {
        let entry = entry.map_err(|e| io_error("list", directory, e))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|e| io_error("look at", &path, e))?;
        if kind.is_dir() {
            removed += remove_temporaries(&path)?;
        } else if is_temporary(&entry.file_name().to_string_lossy()) {
            fs::remove_file(&path).map_err(|e| io_error("remove", &path, e))?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_is_put_once() {
        let dir = tempfile::tempdir().unwrap();
        let directory = open(dir.path().join("deep/registry")).await.unwrap();
        assert!(directory.is_empty().await.unwrap());
        let path = Path::from("a/b.json");
        assert!(directory.create(&path, "1".into()).await.unwrap());
        assert!(!directory.create(&path, "2".into()).await.unwrap());
        let file = directory.file(&path);
        assert_eq!(fs::read(&file).unwrap(), b"1");
        directory.replace(&path, "3".into()).await.unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"3");
        assert_eq!(fs::read_dir(parent(&file)).unwrap().count(), 1, "nothing is left over");
        assert!(!directory.is_empty().await.unwrap());
    }

    #[tokio::test]
    async fn of_many_writers_one_creates() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Arc::new(open(dir.path().to_owned()).await.unwrap());
        let path = Path::from("x");
        let writers = (0..16).map(|i| {
            let (directory, path) = (Arc::clone(&directory), path.clone());
            tokio::spawn(async move { directory.create(&path, vec![i; 1000].into()).await.unwrap() })
        });
        let created = futures::future::join_all(writers).await;
        assert_eq!(created.into_iter().filter(|created| *created.as_ref().unwrap()).count(), 1);
    }

    #[tokio::test]
    async fn leftovers_are_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let directory = open(dir.path().to_owned()).await.unwrap();
        directory.create(&Path::from("a/b"), "1".into()).await.unwrap();
        fs::write(dir.path().join("a/b#17"), "torn").unwrap();
        assert_eq!(directory.remove_temporaries().await.unwrap(), 1);
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn the_lock_keeps_writers_out() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Arc::new(open(dir.path().to_owned()).await.unwrap());
        let writing = [directory.lock(false).await.unwrap(), directory.lock(false).await.unwrap()];
        let other = Arc::clone(&directory);
        let exclusive = tokio::spawn(async move { other.lock(true).await.unwrap() });
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(!exclusive.is_finished());
        drop(writing);
        exclusive.await.unwrap();
    }
}
