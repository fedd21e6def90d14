use bytes::Bytes;
use mlops_core::{Environment, Error, Metadata, Package, Result, Samples, Signature, check_name};
use serde::{Deserialize, Serialize};

use super::Limits;
use crate::{Digest, sealed};

/// The table of contents of a package: what it is, and every file with its size and digest.
///
/// It is all that has to be read to list models, their scores and their signatures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// The version of the layout; rises when it changes.
    pub format: u32,
    /// The name of the model.
    pub name: String,
    /// What it takes and what it answers.
    pub signature: Signature,
    /// What is known of it.
    pub metadata: Metadata,
    /// What it was made with.
    pub environment: Environment,
    /// How far the answers for the samples may be from the expected ones.
    #[serde(default = "usual_tolerance", skip_serializing_if = "is_usual")]
    pub tolerance: f64,
    /// Every other file of the package, in the order of paths.
    pub files: Vec<FileEntry>,
}

fn usual_tolerance() -> f64 {
    Samples::TOLERANCE
}

fn is_usual(tolerance: &f64) -> bool {
    *tolerance == Samples::TOLERANCE
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FileEntry {
    /// Where it stands in the package, with slashes.
    pub path: String,
    /// How many bytes it has.
    pub size: u64,
    /// The digest of its bytes.
    pub blake3: Digest,
}

impl FileEntry {
    pub(crate) fn new(path: impl Into<String>, bytes: &Bytes) -> Self {
        Self { path: path.into(), size: bytes.len() as u64, blake3: Digest::of(bytes) }
    }

    /// Whether `bytes` are what was written: size and digest. One pass over them.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) naming the file and the remedy.
    pub fn check(&self, bytes: &[u8]) -> Result<()> {
        let problem = if bytes.len() as u64 != self.size {
            format!("has {} bytes, {} were written", bytes.len(), self.size)
        } else if Digest::of(bytes) != self.blake3 {
            "does not have the digest that was written".to_owned()
        } else {
            return Ok(());
        };
        Err(damaged(&self.path, &problem))
    }
}

/// The error of a file that is not what was written.
pub(crate) fn damaged(path: &str, problem: &str) -> Error {
    Error::corrupt(format!("file '{path}' {problem}: restore it from a copy, or publish the package again"))
}

impl Manifest {
    pub(crate) const PATH: &'static str = "manifest.json";
    pub(super) const MODEL: &'static str = "model.json";
    pub(super) const DRIFT: &'static str = "drift.json";
    pub(super) const EXPLAINER: &'static str = "explainer.json";
    pub(super) const INPUTS: &'static str = "samples/inputs.arrow";
    pub(super) const EXPECTED: &'static str = "samples/expected.arrow";
    pub(super) const BLOBS: &'static str = "blobs/";

    /// The version of the layout that is written.
    pub const FORMAT: u32 = 1;

    pub(super) fn of(package: &Package, files: Vec<FileEntry>) -> Self {
        Self {
            format: Self::FORMAT,
            name: package.name.clone(),
            signature: package.signature().clone(),
            metadata: package.metadata.clone(),
            environment: package.environment.clone(),
            tolerance: package.samples.tolerance,
            files,
        }
    }

    pub(super) fn write(&self) -> Result<Bytes> {
        Ok(sealed::seal(self)?.into())
    }

    /// Reads `manifest.json` and checks all that can be checked without the other files.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) if a byte is not what was written or
    /// the list of files is none of a package, [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported)
    /// for a newer format or more than `limits` allow.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Self> {
        limits.check_manifest(bytes.len() as u64)?;
        let body = sealed::unseal(bytes).map_err(|e| damaged(Self::PATH, e.message()))?;
        check_format("the package", Self::FORMAT, body)?;
        let manifest: Self = sealed::open(bytes)?;
        check_name("model name", &manifest.name).map_err(|e| damaged(Self::PATH, e.message()))?;
        limits.check_files(&manifest.files)?;
        manifest.check_files().map_err(|problem| damaged(Self::PATH, &problem))?;
        Ok(manifest)
    }

    /// The file at `path`, if the package has it.
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        let found = self.files.binary_search_by(|file| file.path.as_str().cmp(path));
        found.ok().map(|i| &self.files[i])
    }

    /// All paths are ones that a package has, so none can lead out of it.
    fn check_files(&self) -> Result<(), String> {
        if !self.files.is_sorted_by(|a, b| a.path < b.path) {
            return Err("does not list its files in order, each once".to_owned());
        }
        for FileEntry { path, blake3, .. } in &self.files {
            let is_blob = || path.strip_prefix(Self::BLOBS).is_some_and(|name| name == blake3.to_string());
            let known = [Self::MODEL, Self::DRIFT, Self::EXPLAINER, Self::INPUTS, Self::EXPECTED];
            if !known.contains(&path.as_str()) && !is_blob() {
                return Err(format!("lists {path:?}, which is no file of a package"));
            }
        }
        match [Self::MODEL, Self::INPUTS, Self::EXPECTED].into_iter().find(|needed| self.file(needed).is_none()) {
            Some(needed) => Err(format!("does not list '{needed}'")),
            None => Ok(()),
        }
    }
}

/// Refuses what was written in a newer format, before the rest of it is looked at.
pub(crate) fn check_format(what: &str, newest: u32, json: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Probe {
        format: u32,
    }
    let probe: Probe = serde_json::from_slice(json)
        .map_err(|e| Error::corrupt(format!("{what} does not say in which format it is: {e}")).with_source(e))?;
    if probe.format == 0 || probe.format > newest {
        return Err(Error::unsupported(format!(
            "{what} is in format {}, this build reads formats 1 to {newest}: update mlops",
            probe.format
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mlops_core::conformance::LinearModel;

    use super::*;
    use crate::PackageFiles;

    #[test]
    fn a_tolerance_is_kept_and_the_usual_one_not_written() {
        let mut package = LinearModel::regression([("distance", 0.5)], 3.0).unwrap().package("flights").unwrap();
        let written = |package: &Package| {
            let files = PackageFiles::of(package).unwrap();
            let text = String::from_utf8(files.manifest_bytes().to_vec()).unwrap();
            (files.to_package(&LinearModel::codecs()).unwrap().samples.tolerance, text.contains("tolerance"))
        };
        assert_eq!(written(&package), (Samples::TOLERANCE, false));
        package.samples = package.samples.with_tolerance(1e-3);
        assert_eq!(written(&package), (1e-3, true));
    }
}
