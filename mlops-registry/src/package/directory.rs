use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use mlops_core::{Codecs, Error, ErrorKind, Package, Result, ResultExt};

use super::files::unlisted;
use super::manifest::damaged;
use super::{Limits, Manifest, PackageFiles};
use crate::durable::{blocking, create_dirs, io_error, parent, sync_dir, temporary, write_new};

/// Writes a package to the directory `dir`, which must not exist or be empty. See [`PackageFiles::write`].
///
/// # Errors
/// As [`PackageFiles::of`] and [`PackageFiles::write`].
///
/// # Example
/// ```
/// # use mlops_core::conformance::LinearModel;
/// # let model = LinearModel::regression([("distance", 0.5)], 3.0)?;
/// # let (package, codecs) = (model.package("flights")?, LinearModel::codecs());
/// # let temporary = tempfile::tempdir()?;
/// # let dir = temporary.path().join("flights");
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use mlops_registry::{read_package, write_package};
///
/// write_package(&package, &dir).await?;
/// let back = read_package(&dir, &codecs).await?;
/// assert_eq!(back.samples, package.samples);
/// # Ok::<(), mlops_core::Error>(()) })?;
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub async fn write_package(package: &Package, dir: impl AsRef<Path>) -> Result<()> {
    let package = package.clone();
    let files = blocking(move || PackageFiles::of(&package)).await?;
    files.write(dir).await
}

/// Reads the package in the directory `dir`, checks every byte and replays the samples.
///
/// # Errors
/// As [`PackageFiles::read`], with the [`Limits`] that are the default, and
/// [`PackageFiles::to_package`].
pub async fn read_package(dir: impl AsRef<Path>, codecs: &Codecs) -> Result<Package> {
    let place = dir.as_ref().display().to_string();
    let files = PackageFiles::read(dir, &Limits::default()).await?;
    let codecs = codecs.clone();
    blocking(move || files.to_package(&codecs)).await.context("directory", place)
}

impl PackageFiles {
    /// Writes the files to the directory `dir`, which must not exist or be empty: all of them or,
    /// after a crash at any moment, none (and a directory `dir#<digits>` that may be removed).
    /// When it returns, files and directories are flushed to the disk.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if the directory has files, [`ErrorKind::Denied`] without the right
    /// to write there, [`ErrorKind::Unavailable`] if the disk is full.
    pub async fn write(&self, dir: impl AsRef<Path>) -> Result<()> {
        let (files, dir) = (self.clone(), dir.as_ref().to_owned());
        blocking(move || {
            let staged = temporary(&dir);
            let result = files.write_staged(&staged).and_then(|()| move_into_place(&staged, &dir));
            if result.is_err() {
                // The first error is the one to tell; what can't be removed is only in the way.
                let _ = fs::remove_dir_all(&staged);
            }
            result
        })
        .await
    }

    /// Reads the files of the directory `dir` and checks every byte against the manifest.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no package, [`ErrorKind::Corrupt`] naming the file that
    /// is damaged, missing or too many; and as [`Manifest::read`].
    pub async fn read(dir: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let (dir, limits) = (dir.as_ref().to_owned(), limits.clone());
        let place = dir.display().to_string();
        blocking(move || read(&dir, &limits)).await.context("directory", place)
    }

    fn write_staged(&self, dir: &Path) -> Result<()> {
        create_dirs(dir)?;
        for (path, bytes) in self.iter() {
            let path = dir.join(path);
            create_dirs(parent(&path))?;
            write_new(&path, bytes)?;
        }
        for sub in ["samples", "blobs", "."] {
            let sub = dir.join(sub);
            if sub.is_dir() {
                sync_dir(&sub)?;
            }
        }
        Ok(())
    }
}

fn move_into_place(staged: &Path, dir: &Path) -> Result<()> {
    let taken = |e: io::Error| match e.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => Error::new(
            ErrorKind::Conflict,
            format!("{} has files already: a package needs a directory of its own", dir.display()),
        ),
        _ => io_error("create", dir, e),
    };
    fs::rename(staged, dir).map_err(taken)?;
    sync_dir(parent(dir))
}

fn read(dir: &Path, limits: &Limits) -> Result<PackageFiles> {
    let path = dir.join(Manifest::PATH);
    let manifest = read_at_most(&path, limits.max_manifest_bytes).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::not_found(format!("no package here: {} does not exist", path.display())),
        _ => e,
    })?;
    let contents = Manifest::read(&manifest, limits)?;
    check_listing(dir, "", &contents)?;
    let mut files = BTreeMap::new();
    for entry in &contents.files {
        let bytes = read_at_most(&dir.join(&entry.path), entry.size).map_err(|e| match e.kind() {
            ErrorKind::NotFound => damaged(&entry.path, "is missing"),
            _ => e,
        })?;
        entry.check(&bytes)?;
        files.insert(entry.path.clone(), bytes);
    }
    Ok(PackageFiles::checked(contents, manifest, files))
}

/// Refuses anything that is not listed, links and special files included: reading those could
/// lead out of the package, or never end.
fn check_listing(dir: &Path, prefix: &str, manifest: &Manifest) -> Result<()> {
    let place = dir.join(prefix);
    for entry in fs::read_dir(&place).map_err(|e| io_error("list", &place, e))? {
        let entry = entry.map_err(|e| io_error("list", &place, e))?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().map_err(|e| io_error("look at", &entry.path(), e))?;
        match path.as_str() {
            "blobs" | "samples" if kind.is_dir() => check_listing(dir, &format!("{path}/"), manifest)?,
            path if kind.is_file() && (path == Manifest::PATH || manifest.file(path).is_some()) => {}
            path => return Err(unlisted(path)),
        }
    }
    Ok(())
}

/// The bytes of a file; one more than `most` if there are more, which no digest fits.
fn read_at_most(path: &Path, most: u64) -> Result<Bytes> {
    let file = File::open(path).map_err(|e| io_error("open", path, e))?;
    let size = file.metadata().map_err(|e| io_error("look at", path, e))?.len();
    // One more than there is, so that the end is found without growing.
    let mut bytes = Vec::with_capacity(size.min(most).saturating_add(1) as usize);
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| io_error("read", path, e))?;
    Ok(bytes.into())
}
