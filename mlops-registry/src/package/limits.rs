use mlops_core::{Error, Result};

use super::FileEntry;

/// What a reader is ready to take in, so that a hostile package can't exhaust it.
///
/// # Example
/// ```
/// use mlops_registry::Limits;
///
/// let limits = Limits::default().with_max_bytes(64 << 20);
/// assert_eq!(limits.max_bytes, 67_108_864);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most files of a package; 10,000.
    pub max_files: usize,
    /// The most bytes of all its files; 4 GiB.
    pub max_bytes: u64,
    /// The most bytes of its manifest; 16 MiB.
    pub max_manifest_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_files: 10_000, max_bytes: 4 << 30, max_manifest_bytes: 16 << 20 }
    }
}

impl Limits {
    /// At most `max_files` files.
    #[must_use]
    pub fn with_max_files(mut self, max_files: usize) -> Self {
        self.max_files = max_files;
        self
    }

    /// At most `max_bytes` bytes in all files.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// At most `max_manifest_bytes` bytes in the manifest.
    #[must_use]
    pub fn with_max_manifest_bytes(mut self, max_manifest_bytes: u64) -> Self {
        self.max_manifest_bytes = max_manifest_bytes;
        self
    }

    pub(crate) fn check_manifest(&self, bytes: u64) -> Result<()> {
        check("bytes of manifest", bytes, self.max_manifest_bytes)
    }

    pub(super) fn check_files(&self, files: &[FileEntry]) -> Result<()> {
        check("files", files.len() as u64, self.max_files as u64)?;
        let bytes = files.iter().fold(0u64, |sum, file| sum.saturating_add(file.size));
        check("bytes", bytes, self.max_bytes)
    }
}

fn check(what: &str, given: u64, most: u64) -> Result<()> {
    if given > most {
        return Err(Error::unsupported(format!(
            "the package has {given} {what}, at most {most} are read: raise the limit if you trust it"
        )));
    }
    Ok(())
}
