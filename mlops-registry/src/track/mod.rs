use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use mlops_core::{
    Error, ErrorKind, Result, ResultExt, RunEntry, RunId, RunRecord, RunStatus, Tracker, check_name, now_ms,
};

mod line;
mod run_file;

use crate::durable::{Directories, blocking, io_error, random_u64};
use line::{FORMAT, Line};
use run_file::RunFile;

/// A tracker of experiments in plain files: JSON lines that no crash can tear.
///
/// # Layout, format 1
/// ```text
/// experiments/<experiment>/<run id>/run.jsonl
/// experiments/<experiment>/<run id>/artifacts/<digest>
/// ```
/// Each line of `run.jsonl` is `{"blake3":"<digest of the record>","record":<record>}`, and one call
/// writes one line, so all of its entries are there or none. The first record is `{"line":
/// "started", "format": 1, "id", "experiment", "name", "start_ms"}`, the others are `{"line":
/// "logged", "entries": [<RunEntry>, …]}`, `{"line": "kept", "path", "size", "blake3"}` and
/// `{"line": "ended", "status", "end_ms"}`. A kept file is called by its digest (BLAKE3, 64
/// hexadecimal digits), so no path that a user gives reaches the file system. A run id is 16
/// hexadecimal digits of time and 16 random ones: the order of ids is the order of starts.
///
/// # What a crash leaves
/// A line that was being written when the program died was never acknowledged; readers leave it
/// out, and the next writer cuts it off. A line that is damaged in any other way is an
/// [`ErrorKind::Corrupt`] that names it.
///
/// With [`Durability::Disk`], which is the default, each call flushes its line to the disk before it
/// returns: what was acknowledged survives a power cut. With [`Durability::Process`] it survives the
/// death of the program, and no call waits for the disk. Files are always flushed.
///
/// # Cost
/// A call that logs is one write, and with [`Durability::Disk`] one flush; calls to the same run take
/// turns. Reading a run reads its whole file into memory.
///
/// # Many writers
/// Tasks, threads, trackers and processes may log to the same run: each takes a lock on the file for
/// the moment of a write, and reads what the others wrote before. The lock is advisory and belongs to
/// the system, so that no crash leaves it behind. A file system without locks (some network ones)
/// takes one writer a run.
///
/// # Example
/// ```
/// # let temporary = tempfile::tempdir()?;
/// # let directory = temporary.path();
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use mlops_core::{RunEntry, RunStatus, Tracker};
/// use mlops_registry::JsonlTracker;
///
/// let tracker = JsonlTracker::open(directory).await?;
/// let run = tracker.start_run("flights", "ridge").await?;
/// tracker.log(&run, &[RunEntry::param("alpha", 0.5), RunEntry::metric("rmse", 12.5, 1)]).await?;
/// tracker.log_artifact(&run, "plots/residuals.svg", "<svg/>".into()).await?;
/// tracker.end_run(&run, RunStatus::Finished).await?;
///
/// let record = tracker.run(&run).await?;
/// assert_eq!((record.params["alpha"].as_str(), record.metric("rmse")), ("0.5", Some(12.5)));
/// assert_eq!(record.artifacts, ["plots/residuals.svg"]);
/// # Ok::<(), mlops_core::Error>(()) })?;
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone)]
pub struct JsonlTracker {
    inner: Arc<Inner>,
    durability: Durability,
}

/// What a call that logs waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The line is on the disk.
    #[default]
    Disk,
    /// The operating system has the line.
    Process,
}

struct Inner {
    directories: Directories,
    /// The runs that are being logged to.
    open: Mutex<HashMap<RunId, Arc<Mutex<RunFile>>>>,
}

impl fmt::Debug for JsonlTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = self.inner.directories.root();
        f.debug_struct("JsonlTracker").field("directory", &directory).finish_non_exhaustive()
    }
}

impl JsonlTracker {
    /// The tracker in a directory, which is made if it does not exist.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] if it can't be made, [`ErrorKind::Config`] if it is no directory.
    pub async fn open(directory: impl AsRef<Path>) -> Result<Self> {
        let root = directory.as_ref().to_owned();
        let directories =
            blocking(move || Directories::new(std::path::absolute(&root).map_err(|e| io_error("find", &root, e))?));
        let inner = Inner { directories: directories.await?, open: Mutex::default() };
        Ok(Self { inner: Arc::new(inner), durability: Durability::Disk })
    }

    /// With calls that wait for something else.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The experiments, by name.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub async fn experiments(&self) -> Result<Vec<String>> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.experiments()).await
    }

    /// Does blocking work with the file of a run.
    async fn with_run(
        &self,
        run: &RunId,
        work: impl FnOnce(&mut RunFile) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (inner, run, durability) = (Arc::clone(&self.inner), run.clone(), self.durability);
        blocking(move || {
            let file = inner.file(&run, durability)?;
            // A writer that panicked left a line that the next one cuts off.
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut file).context("run", run)
        })
        .await
    }
}

impl Inner {
    fn experiment(&self, experiment: &str) -> PathBuf {
        self.directories.root().join("experiments").join(experiment)
    }

    fn experiments(&self) -> Result<Vec<String>> {
        names(&self.directories.root().join("experiments"), |name| check_name("experiment", name).is_ok())
    }

    fn runs(&self, experiment: &str) -> Result<Vec<PathBuf>> {
        check_name("experiment", experiment)?;
        let dir = self.experiment(experiment);
        Ok(names(&dir, is_run_id)?.into_iter().map(|id| dir.join(id)).collect())
    }

    /// The directory of a run.
    fn find(&self, run: &RunId) -> Result<PathBuf> {
        if is_run_id(&run.0) {
            for experiment in self.experiments()? {
                let dir = self.experiment(&experiment).join(&run.0);
                if dir.is_dir() {
                    return Ok(dir);
                }
            }
        }
        Err(no_run(run))
    }

    fn read(&self, run: &RunId) -> Result<(PathBuf, RunRecord, line::Known)> {
        let dir = self.find(run)?;
        let (record, known) = run_file::read(&dir)?.ok_or_else(|| no_run(run))?;
        Ok((dir, record, known))
    }

    fn start(&self, experiment: &str, name: &str, durability: Durability) -> Result<RunId> {
        let id = new_run_id();
        let start = Line::Started {
            format: FORMAT,
            id: id.clone(),
            experiment: experiment.to_owned(),
            name: name.to_owned(),
            start_ms: now_ms(),
        };
        let dir = self.experiment(experiment).join(&id.0);
        let file = RunFile::create(&dir, &start, &self.directories, durability)?;
        self.opened().insert(id.clone(), Arc::new(Mutex::new(file)));
        Ok(id)
    }

    fn file(&self, run: &RunId, durability: Durability) -> Result<Arc<Mutex<RunFile>>> {
        if let Some(file) = self.opened().get(run) {
            return Ok(Arc::clone(file));
        }
        let (dir, record, _) = self.read(run)?;
        let file = Arc::new(Mutex::new(RunFile::open(&dir, durability)?));
        // A run that has ended is not logged to; keeping its file open would be for nothing.
        if record.status != RunStatus::Running {
            return Ok(file);
        }
        Ok(Arc::clone(self.opened().entry(run.clone()).or_insert(file)))
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Arc<Mutex<RunFile>>>> {
        // A map of open files is whole after any panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Tracker for JsonlTracker {
    async fn start_run(&self, experiment: &str, name: &str) -> Result<RunId> {
        check_name("experiment", experiment)?;
        let (inner, durability) = (Arc::clone(&self.inner), self.durability);
        let (experiment, name) = (experiment.to_owned(), name.to_owned());
        blocking(move || inner.start(&experiment, &name, durability)).await
    }

    async fn log(&self, run: &RunId, entries: &[RunEntry]) -> Result<()> {
        let entries = entries.to_vec();
        self.with_run(run, move |file| file.log(&entries)).await
    }

    async fn log_artifact(&self, run: &RunId, path: &str, bytes: Bytes) -> Result<()> {
        check_path(path)?;
        let path = path.to_owned();
        self.with_run(run, move |file| file.keep(&path, &bytes)).await
    }

    async fn end_run(&self, run: &RunId, status: RunStatus) -> Result<()> {
        if status == RunStatus::Running {
            return Err(Error::config("a run can't end as running: say finished, failed or killed"));
        }
        self.with_run(run, move |file| file.end(status)).await?;
        self.inner.opened().remove(run);
        Ok(())
    }

    async fn run(&self, run: &RunId) -> Result<RunRecord> {
        let (inner, run) = (Arc::clone(&self.inner), run.clone());
        blocking(move || Ok(inner.read(&run)?.1)).await
    }

    async fn artifact(&self, run: &RunId, path: &str) -> Result<Bytes> {
        check_path(path)?;
        let (inner, run, path) = (Arc::clone(&self.inner), run.clone(), path.to_owned());
        blocking(move || {
            let (dir, record, known) = inner.read(&run)?;
            let kept = known.files.get(&path).ok_or_else(|| {
                Error::not_found(format!("run {run} has no file {path:?}; it has [{}]", record.artifacts.join(", ")))
            })?;
            run_file::read_artifact(&dir, *kept).context("artifact", &path).context("run", &run)
        })
        .await
    }

    fn runs(&self, experiment: &str) -> BoxStream<'static, Result<RunRecord>> {
        const AT_A_TIME: usize = 8;
        let (inner, experiment) = (Arc::clone(&self.inner), experiment.to_owned());
        let runs = async move {
            let runs = blocking(move || inner.runs(&experiment)).await?;
            let records = futures::stream::iter(runs).map(|dir| blocking(move || run_file::read(&dir)));
            Ok::<_, Error>(records.buffered(AT_A_TIME))
        };
        // A run whose first line is torn was never acknowledged.
        let records = futures::stream::once(runs).try_flatten();
        records.try_filter_map(async |run| Ok(run.map(|(record, _)| record))).boxed()
    }
}

/// The names in a directory that `is_one` lets pass, sorted; none if it does not exist.
fn names(dir: &Path, is_one: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| io_error("list", dir, e))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| io_error("list", dir, e))?.file_name();
        names.extend(name.into_string().ok().filter(|name| is_one(name)));
    }
    names.sort_unstable();
    Ok(names)
}

fn new_run_id() -> RunId {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // Milliseconds and a count, so that runs started in the same millisecond keep their order.
    let now = (now_ms().max(0) as u64) << 16;
    let after = |last: u64| now.max(last.saturating_add(1));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
    RunId(format!("{:016x}{:016x}", last.map_or(now, after), random_u64()))
}

fn is_run_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn no_run(run: &RunId) -> Error {
    Error::not_found(format!("no run {:?} here: take the id that start_run gave", run.0))
}

/// Refuses a path that leaves the run, or that other tools could not keep.
fn check_path(path: &str) -> Result<()> {
    let problem = if path.is_empty() || path.len() > 1024 {
        "has no or more than 1024 bytes"
    } else if path.starts_with('/') || path.contains('\\') || path.contains(char::is_control) {
        "starts with a slash, or has a backslash or control character"
    } else if path.split('/').any(|part| part.is_empty() || part == "." || part == ".." || part.len() > 255) {
        "has a part that is empty, '.', '..' or longer than 255 bytes"
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Config,
        format!("artifact path {path:?} {problem}: give a relative path such as plots/roc.svg"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_run() {
        for fine in ["a", "plots/roc.svg", "b c%20+#1.txt", "..a/b..", "é/日本"] {
            check_path(fine).unwrap();
        }
        for wrong in ["", "/etc/passwd", "..", "a/../b", "./a", "a//b", "a/", "a\\b", "a\0b", "a\nb"] {
            assert_eq!(check_path(wrong).unwrap_err().kind(), ErrorKind::Config, "{wrong:?}");
        }
    }

    #[test]
    fn ids_are_in_the_order_of_starts() {
        let ids: Vec<RunId> = (0..1000).map(|_| new_run_id()).collect();
        assert!(ids.is_sorted() && ids.iter().all(|id| is_run_id(&id.0)));
    }
}
