use std::collections::BTreeMap;

use bytes::Bytes;
use mlops_core::{Artifact, Codecs, Error, Package, Result, ResultExt, Samples};

use super::manifest::damaged;
use super::{FileEntry, Limits, Manifest, component, samples};
use crate::Digest;

/// A package as files in memory: what is written to a directory or a registry, and all that is
/// needed to get the package back.
///
/// # Example
/// ```
/// # use mlops_core::conformance::LinearModel;
/// # let model = LinearModel::regression([("distance", 0.5)], 3.0)?;
/// # let (package, codecs) = (model.package("flights")?, LinearModel::codecs());
/// use mlops_registry::PackageFiles;
///
/// let files = PackageFiles::of(&package)?;
/// let paths: Vec<&str> = files.iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["manifest.json", "model.json", "samples/expected.arrow", "samples/inputs.arrow"]);
/// assert_eq!(files.to_package(&codecs)?.samples, package.samples);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PackageFiles {
    manifest: Manifest,
    manifest_bytes: Bytes,
    files: BTreeMap<String, Bytes>,
}

impl PackageFiles {
    /// Writes a package down, in memory. One pass over all bytes for the digests.
    ///
    /// # Errors
    /// If a component can't be saved, or is nested too deeply.
    pub fn of(package: &Package) -> Result<Self> {
        let mut blobs = BTreeMap::new();
        let mut files = BTreeMap::new();
        let mut component = |path: &str, artifact: &Artifact| -> Result<()> {
            let json = component::write(artifact, &mut blobs).context("file", path)?;
            files.insert(path.to_owned(), json);
            Ok(())
        };
        component(Manifest::MODEL, &package.model.save()?)?;
        if let Some(drift) = &package.drift {
            component(Manifest::DRIFT, drift)?;
        }
        if let Some(explainer) = &package.explainer {
            component(Manifest::EXPLAINER, explainer)?;
        }
        files.insert(Manifest::INPUTS.to_owned(), samples::write(&package.samples.inputs)?);
        files.insert(Manifest::EXPECTED.to_owned(), samples::write(&package.samples.expected)?);
        let mut entries: Vec<_> = files.iter().map(|(path, bytes)| FileEntry::new(path, bytes)).collect();
        for (blake3, bytes) in blobs {
            let path = format!("{}{blake3}", Manifest::BLOBS);
            entries.push(FileEntry { path: path.clone(), size: bytes.len() as u64, blake3 });
            files.insert(path, bytes);
        }
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let manifest = Manifest::of(package, entries);
        Ok(Self { manifest_bytes: manifest.write()?, manifest, files })
    }

    /// Takes the files of a package as they were read; nothing is parsed before its digest is right.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) naming the file that is damaged,
    /// missing or too many; and as [`Manifest::read`].
    pub fn new(manifest: Bytes, files: BTreeMap<String, Bytes>, limits: &Limits) -> Result<Self> {
        let contents = Manifest::read(&manifest, limits)?;
        for entry in &contents.files {
            let bytes = files.get(&entry.path).ok_or_else(|| damaged(&entry.path, "is missing"))?;
            entry.check(bytes)?;
        }
        if let Some(path) = files.keys().find(|path| contents.file(path).is_none()) {
            return Err(unlisted(path));
        }
        Ok(Self { manifest: contents, manifest_bytes: manifest, files })
    }

    /// The files whose digests were checked one by one as they came.
    pub(crate) fn checked(manifest: Manifest, manifest_bytes: Bytes, files: BTreeMap<String, Bytes>) -> Self {
        Self { manifest, manifest_bytes, files }
    }

    /// The table of contents.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bytes of `manifest.json`.
    pub fn manifest_bytes(&self) -> &Bytes {
        &self.manifest_bytes
    }

    /// The file at `path`, if the manifest lists it.
    pub fn get(&self, path: &str) -> Option<&Bytes> {
        self.files.get(path)
    }

    /// Every file by path, the manifest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        let files = self.files.iter().map(|(path, bytes)| (path.as_str(), bytes));
        std::iter::once((Manifest::PATH, &self.manifest_bytes)).chain(files)
    }

    /// Reads the package and replays its samples, so what comes back works.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a kind of component that
    /// `codecs` do not know, [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) if the contents
    /// do not fit each other or a sample gets another answer.
    pub fn to_package(&self, codecs: &Codecs) -> Result<Package> {
        let mut blobs = self.blobs();
        let model = self.component(Manifest::MODEL, &mut blobs)?.ok_or_else(|| self.missing(Manifest::MODEL))?;
        let drift = self.component(Manifest::DRIFT, &mut blobs)?;
        let explainer = self.component(Manifest::EXPLAINER, &mut blobs)?;
        if let Some(unused) = blobs.into_iter().find(|(_, blob)| !blob.used) {
            return Err(unlisted(&format!("{}{}", Manifest::BLOBS, unused.0)));
        }
        let model = codecs.model(&model).context("file", Manifest::MODEL)?;
        if *model.signature() != self.manifest.signature {
            return Err(Error::corrupt("the model has another signature than the manifest: publish the package again"));
        }
        let samples = Samples::new(self.samples(Manifest::INPUTS)?, self.samples(Manifest::EXPECTED)?)
            .with_tolerance(self.manifest.tolerance);
        let mut package = Package::restored(&self.manifest.name, model, samples)?;
        package.drift = drift;
        package.explainer = explainer;
        package.metadata = self.manifest.metadata.clone();
        package.environment = self.manifest.environment.clone();
        package.self_test()?;
        Ok(package)
    }

    fn blobs(&self) -> BTreeMap<Digest, Blob> {
        let is_blob = |file: &&FileEntry| file.path.starts_with(Manifest::BLOBS);
        let blobs = self.manifest.files.iter().filter(is_blob);
        blobs
            .filter_map(|file| Some((file.blake3, Blob { bytes: self.files.get(&file.path)?.clone(), used: false })))
            .collect()
    }

    fn component(&self, path: &str, blobs: &mut BTreeMap<Digest, Blob>) -> Result<Option<Artifact>> {
        let Some(json) = self.files.get(path) else { return Ok(None) };
        let mut blob = |digest| {
            let blob = blobs.get_mut(&digest)?;
            blob.used = true;
            Some(blob.bytes.clone())
        };
        component::read(json, &mut blob).context("file", path).map(Some)
    }

    fn samples(&self, path: &str) -> Result<arrow::array::RecordBatch> {
        samples::read(self.files.get(path).ok_or_else(|| self.missing(path))?).context("file", path)
    }

    fn missing(&self, path: &str) -> Error {
        damaged(path, "is missing").with_context("package", &self.manifest.name)
    }
}

struct Blob {
    bytes: Bytes,
    used: bool,
}

/// The error of a file that a package does not have.
pub(super) fn unlisted(path: &str) -> Error {
    Error::corrupt(format!("file {path:?} is not part of the package: remove it, or publish the package again"))
}
