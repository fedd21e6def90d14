use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mlops_core::{Error, Result, ResultExt, RunEntry, RunRecord, RunStatus, now_ms};

use super::Durability;
use super::line::{Kept, Known, Line, read_lines, read_run};
use crate::durable::{Directories, io_error, is_temporary, parent, sync_dir, temporary, write_new};
use crate::{Digest, sealed};

/// The directory of a run: `run.jsonl`, and `artifacts/<digest>`.
#[derive(Debug)]
pub(super) struct RunFile {
    path: PathBuf,
    file: File,
    /// What the first `read` bytes of the file say.
    known: Known,
    read: u64,
    durability: Durability,
}

/// The file of the lines in the directory of a run.
pub(super) fn lines_of(dir: &Path) -> PathBuf {
    dir.join("run.jsonl")
}

/// All that is known of the run in `dir`; `None` if there is none.
pub(super) fn read(dir: &Path) -> Result<Option<(RunRecord, Known)>> {
    let path = lines_of(dir);
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|mut file| {
        // A writer may be cutting off a torn end.
        ignore_missing_locks(file.lock_shared())?;
        file.read_to_end(&mut bytes)
    });
    match read {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_error("read", &path, e)),
        Ok(_) => {
            let run = read_run(&bytes).context("file", path.display())?;
            run.map(|(record, known)| match dir.ends_with(&record.id.0) {
                true => Ok((record, known)),
                false => Err(Error::corrupt(format!("{} is the file of another run: {}", path.display(), record.id))),
            })
            .transpose()
        }
    }
}

/// A file kept with the run in `dir`, every byte checked.
pub(super) fn read_artifact(dir: &Path, kept: Kept) -> Result<Bytes> {
    let path = artifact(dir, kept.blake3);
    let bytes = fs::read(&path).map_err(|e| io_error("read", &path, e))?;
    if bytes.len() as u64 != kept.size || Digest::of(&bytes) != kept.blake3 {
        return Err(Error::corrupt(format!("{} is not what was kept: restore it from a copy", path.display())));
    }
    Ok(bytes.into())
}

fn artifact(dir: &Path, digest: Digest) -> PathBuf {
    dir.join("artifacts").join(digest.to_string())
}

impl RunFile {
    /// Starts a run in a new directory.
    pub(super) fn create(dir: &Path, start: &Line, directories: &Directories, durability: Durability) -> Result<Self> {
        directories.ensure(dir)?;
        let mut options = OpenOptions::new();
        let mut file = Self::of(dir, options.create_new(true), durability)?;
        file.locked(|file| file.append(start))?;
        sync_dir(dir)?;
        Ok(file)
    }

    /// Opens a run to log more.
    pub(super) fn open(dir: &Path, durability: Durability) -> Result<Self> {
        Self::of(dir, &mut OpenOptions::new(), durability)
    }

    fn of(dir: &Path, options: &mut OpenOptions, durability: Durability) -> Result<Self> {
        let path = lines_of(dir);
        let file = options.read(true).append(true).open(&path).map_err(|e| io_error("open", &path, e))?;
        Ok(Self { path, file, known: Known::default(), read: 0, durability })
    }

    pub(super) fn log(&mut self, entries: &[RunEntry]) -> Result<()> {
        self.locked(|file| {
            file.known.check_open()?;
            file.known.check(entries)?;
            if entries.is_empty() { Ok(()) } else { file.append(&Line::Logged { entries: entries.to_vec() }) }
        })
    }

    pub(super) fn keep(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let kept = Kept { size: bytes.len() as u64, blake3: Digest::of(bytes) };
        self.locked(|file| {
            file.known.check_open()?;
            if file.known.files.get(path) == Some(&kept) {
                return Ok(());
            }
            file.write_artifact(kept.blake3, bytes)?;
            file.append(&Line::Kept { path: path.to_owned(), size: kept.size, blake3: kept.blake3 })
        })
    }

    pub(super) fn end(&mut self, status: RunStatus) -> Result<()> {
        self.locked(|file| {
            if file.known.ended == Some(status) {
                return Ok(());
            }
            file.known.check_open()?;
            file.append(&Line::Ended { status, end_ms: now_ms() })
        })
    }

    /// Does `work` while no other process writes, and after taking in what others wrote.
    fn locked(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        ignore_missing_locks(self.file.lock()).map_err(|e| io_error("lock", &self.path, e))?;
        let done = self.catch_up().and_then(|()| work(self));
        let unlocked = ignore_missing_locks(self.file.unlock()).map_err(|e| io_error("unlock", &self.path, e));
        done.context("file", self.path.display())?;
        unlocked
    }

    fn catch_up(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        let read = self.file.seek(SeekFrom::Start(self.read)).and_then(|_| self.file.read_to_end(&mut bytes));
        read.map_err(|e| io_error("read", &self.path, e))?;
        let known = &mut self.known;
        let lines = read_lines(&bytes, |line| known.take(&line))?;
        self.read += lines as u64;
        if lines < bytes.len() {
            tracing::warn!(target: "mlops::tracker", path = %self.path.display(), at = self.read, "torn line removed");
            self.file.set_len(self.read).map_err(|e| io_error("repair", &self.path, e))?;
        }
        Ok(())
    }

    fn append(&mut self, line: &Line) -> Result<()> {
        let bytes = sealed::seal(line)?;
        let written = self.file.write_all(&bytes).and_then(|()| match self.durability {
            Durability::Disk => self.file.sync_data(),
            Durability::Process => Ok(()),
        });
        written.map_err(|e| io_error("write", &self.path, e))?;
        self.read += bytes.len() as u64;
        self.known.take(line)
    }

    fn write_artifact(&self, digest: Digest, bytes: &[u8]) -> Result<()> {
        let path = artifact(parent(&self.path), digest);
        let dir = parent(&path);
        crate::durable::create_dirs(dir)?;
        remove_leftovers(dir)?;
        let staged = temporary(&path);
        write_new(&staged, bytes)?;
        fs::rename(&staged, &path).map_err(|e| io_error("write", &path, e))?;
        sync_dir(dir)
    }
}

/// Removes what a writer left that died; the lock is held, so nobody is writing.
fn remove_leftovers(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|e| io_error("list", dir, e))? {
        let entry = entry.map_err(|e| io_error("list", dir, e))?;
        if is_temporary(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path()).map_err(|e| io_error("remove", &entry.path(), e))?;
        }
    }
    Ok(())
}

/// Some network file systems have no locks: one writer at a time is up to the user there.
fn ignore_missing_locks(locked: io::Result<()>) -> io::Result<()> {
    match locked {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => Ok(()),
        locked => locked,
    }
}
