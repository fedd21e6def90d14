use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::transform::FittedOn;
use crate::{
    DriftDetector, DriftMonitor, Error, Explainer, Model, Provenance, Result, Trainer, Transform, Transformer,
};

/// A fitted thing, written down: data that another program could read, never code.
///
/// `state` is JSON; large or binary parts (Arrow IPC, ONNX, safetensors) are `blobs`; a component
/// that is made of others keeps them as `parts`. [`Codecs`] turn it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Artifact {
    /// Which component it is, such as `standard_scaler`.
    pub kind: String,
    /// The version of the format of `state` and `blobs`; rises when they change.
    pub version: u32,
    /// The fitted state.
    pub state: serde_json::Value,
    /// Large or binary parts by file name.
    #[serde(skip)]
    pub blobs: BTreeMap<String, Bytes>,
    /// The components that this one is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Self>,
    /// The rows that a transform was fitted on, as far as that is known.
    #[serde(default, skip_serializing_if = "Provenance::is_empty")]
    pub fitted_on: Provenance,
}

impl Artifact {
    /// The artifact of a component of type `T` whose state is `state`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) if the state is not JSON (a map with keys
    /// that are not text); numbers that JSON has no form for (NaN, ±∞) become null, so keep those in
    /// an `Option` or a blob.
    pub fn of<T: Load>(state: &impl Serialize) -> Result<Self> {
        let state = serde_json::to_value(state)
            .map_err(|e| Error::internal(format!("the state of '{}' is not JSON", T::KIND)).with_source(e))?;
        Ok(Self::new(T::KIND, T::VERSION, state))
    }

    /// An artifact as it was stored, without blobs and parts; a component writes its own with
    /// [`Self::of`].
    pub fn new(kind: impl Into<String>, version: u32, state: serde_json::Value) -> Self {
        let (blobs, parts, fitted_on) = (BTreeMap::new(), Vec::new(), Provenance::default());
        Self { kind: kind.into(), version, state, blobs, parts, fitted_on }
    }

    /// Adds a large or binary part under a file name.
    #[must_use]
    pub fn with_blob(mut self, name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        self.blobs.insert(name.into(), bytes.into());
        self
    }

    /// Adds a component that this one is made of.
    #[must_use]
    pub fn with_part(mut self, part: Self) -> Self {
        self.parts.push(part);
        self
    }

    /// The state as `S`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if it is something else.
    pub fn state<S: DeserializeOwned>(&self) -> Result<S> {
        S::deserialize(&self.state).map_err(|e| {
            Error::corrupt(format!(
                "the state of component '{}' version {} is not readable: {e}",
                self.kind, self.version
            ))
            .with_source(e)
        })
    }

    /// The blob called `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if there is none.
    pub fn blob(&self, name: &str) -> Result<&Bytes> {
        self.blobs.get(name).ok_or_else(|| Error::corrupt(format!("component '{}' lacks its blob '{name}'", self.kind)))
    }
}

/// A recipe as plain data, by the name of its kind: what a configuration file, a package's
/// provenance and a retraining read.
///
/// Implemented for every serialisable [`Named`] type.
pub trait Recipe: Debug + Send + Sync + 'static {
    /// Which recipe it is, such as `standard_scaler`.
    fn kind(&self) -> &'static str;

    /// Its settings.
    ///
    /// # Errors
    /// If they can't be written as JSON.
    fn settings(&self) -> Result<serde_json::Value>;

    /// Kind and settings in one value, as [`Codecs`] read it.
    ///
    /// # Errors
    /// If the settings can't be written as JSON.
    fn to_spec(&self) -> Result<Spec> {
        Ok(Spec { kind: self.kind().to_owned(), settings: self.settings()? })
    }
}

/// A recipe written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Which recipe it is.
    pub kind: String,
    /// Its settings.
    #[serde(default)]
    pub settings: serde_json::Value,
}

/// The name of a recipe type in configurations.
pub trait Named {
    /// Lower case with underscores, unique among the recipes of a program.
    const KIND: &'static str;
}

impl<T: Named + Serialize + Debug + Send + Sync + 'static> Recipe for T {
    fn kind(&self) -> &'static str {
        T::KIND
    }

    fn settings(&self) -> Result<serde_json::Value> {
        Ok(serde_json::to_value(self)?)
    }
}

/// A component that can be read back from an [`Artifact`].
pub trait Load: Sized {
    /// Lower case with underscores, unique among the components of a program.
    const KIND: &'static str;

    /// The version of the format that is written. A loader reads this one and all before it.
    const VERSION: u32;

    /// Reads the component; `artifact.version` is at most [`Self::VERSION`]. Executes nothing and
    /// trusts nothing: lengths and indices are checked here, once.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the bytes are not what was written.
    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self>;
}

type Loader<T> = fn(&Artifact, &Codecs) -> Result<T>;
type Loaders<T> = BTreeMap<&'static str, (u32, Loader<T>)>;
type Reader<T> = fn(&serde_json::Value, &Codecs) -> Result<T>;

/// The components and recipes that a program can read: an explicit list, no linker magic.
///
/// # Example
/// ```
/// use mlops_core::{Codecs, PipelineModel};
///
/// let codecs = Codecs::default(); // knows what mlops-core itself brings
/// assert!(codecs.kinds().any(|kind| kind == "pipeline"));
/// ```
#[derive(Clone)]
pub struct Codecs {
    detectors: BTreeMap<&'static str, Reader<Box<dyn DriftDetector>>>,
    explainers: Loaders<Arc<dyn Explainer>>,
    models: Loaders<Arc<dyn Model>>,
    monitors: Loaders<Box<dyn DriftMonitor>>,
    trainers: BTreeMap<&'static str, Reader<Box<dyn Trainer>>>,
    transformers: BTreeMap<&'static str, Reader<Box<dyn Transformer>>>,
    transforms: Loaders<Arc<dyn Transform>>,
}

impl Debug for Codecs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.kinds()).finish()
    }
}

impl Default for Codecs {
    fn default() -> Self {
        Self::empty().with_model::<crate::PipelineModel>().with_transform::<crate::Chain>().with_reader_of_pipelines()
    }
}

impl Codecs {
    /// Knows nothing yet.
    pub fn empty() -> Self {
        Self {
            detectors: BTreeMap::new(),
            explainers: BTreeMap::new(),
            models: BTreeMap::new(),
            monitors: BTreeMap::new(),
            trainers: BTreeMap::new(),
            transformers: BTreeMap::new(),
            transforms: BTreeMap::new(),
        }
    }

    /// Adds everything that `other` knows.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.detectors.extend(other.detectors);
        self.explainers.extend(other.explainers);
        self.models.extend(other.models);
        self.monitors.extend(other.monitors);
        self.trainers.extend(other.trainers);
        self.transformers.extend(other.transformers);
        self.transforms.extend(other.transforms);
        self
    }

    /// Adds a kind of fitted transformer.
    #[must_use]
    pub fn with_transform<T: Transform + Load>(mut self) -> Self {
        self.transforms.insert(T::KIND, (T::VERSION, |a, c| Ok(Arc::new(T::load(a, c)?))));
        self
    }

    /// Adds a kind of model.
    #[must_use]
    pub fn with_model<T: Model + Load>(mut self) -> Self {
        self.models.insert(T::KIND, (T::VERSION, |a, c| Ok(Arc::new(T::load(a, c)?))));
        self
    }

    /// Adds a kind of drift monitor.
    #[must_use]
    pub fn with_monitor<T: DriftMonitor + Load>(mut self) -> Self {
        self.monitors.insert(T::KIND, (T::VERSION, |a, c| Ok(Box::new(T::load(a, c)?))));
        self
    }

    /// Adds a kind of explainer.
    #[must_use]
    pub fn with_explainer<T: Explainer + Load>(mut self) -> Self {
        self.explainers.insert(T::KIND, (T::VERSION, |a, c| Ok(Arc::new(T::load(a, c)?))));
        self
    }

    /// Adds a transformer recipe.
    #[must_use]
    pub fn with_transformer<T: Transformer + Named + DeserializeOwned>(mut self) -> Self {
        self.transformers.insert(T::KIND, |settings, _| Ok(Box::new(read_settings::<T>(settings)?)));
        self
    }

    /// Adds a trainer recipe.
    #[must_use]
    pub fn with_trainer<T: Trainer + Named + DeserializeOwned>(mut self) -> Self {
        self.trainers.insert(T::KIND, |settings, _| Ok(Box::new(read_settings::<T>(settings)?)));
        self
    }

    /// Adds a transformer recipe that is made of others, and so needs the codecs to be read.
    #[must_use]
    pub fn with_composite_transformer(
        mut self,
        kind: &'static str,
        read: fn(&serde_json::Value, &Self) -> Result<Box<dyn Transformer>>,
    ) -> Self {
        self.transformers.insert(kind, read);
        self
    }

    /// Adds a trainer recipe that is made of others, and so needs the codecs to be read.
    #[must_use]
    pub fn with_composite_trainer(
        mut self,
        kind: &'static str,
        read: fn(&serde_json::Value, &Self) -> Result<Box<dyn Trainer>>,
    ) -> Self {
        self.trainers.insert(kind, read);
        self
    }

    /// Adds a drift detector recipe.
    #[must_use]
    pub fn with_detector<T: DriftDetector + Named + DeserializeOwned>(mut self) -> Self {
        self.detectors.insert(T::KIND, |settings, _| Ok(Box::new(read_settings::<T>(settings)?)));
        self
    }

    fn with_reader_of_pipelines(self) -> Self {
        use crate::pipeline::{Estimator, Pipeline};
        self.with_composite_transformer(Pipeline::KIND, |s, c| Ok(Box::new(Pipeline::from_settings(s, c)?)))
            .with_composite_trainer(Estimator::KIND, |s, c| Ok(Box::new(Estimator::from_settings(s, c)?)))
    }

    /// The names of all that can be read.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let mut kinds: Vec<&'static str> = (self.detectors.keys())
            .chain(self.explainers.keys())
            .chain(self.models.keys())
            .chain(self.monitors.keys())
            .chain(self.trainers.keys())
            .chain(self.transformers.keys())
            .chain(self.transforms.keys())
            .copied()
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.into_iter()
    }

    /// Reads a fitted transformer.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a kind or version that is not
    /// known here, [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the bytes are damaged.
    pub fn transform(&self, artifact: &Artifact) -> Result<Arc<dyn Transform>> {
        let loaded = load(&self.transforms, "transform", artifact, self)?;
        Ok(FittedOn::wrap(loaded, artifact.fitted_on.clone()))
    }

    /// Reads a model.
    ///
    /// # Errors
    /// As [`Self::transform`].
    pub fn model(&self, artifact: &Artifact) -> Result<Arc<dyn Model>> {
        load(&self.models, "model", artifact, self)
    }

    /// Reads a drift monitor.
    ///
    /// # Errors
    /// As [`Self::transform`].
    pub fn monitor(&self, artifact: &Artifact) -> Result<Box<dyn DriftMonitor>> {
        load(&self.monitors, "drift monitor", artifact, self)
    }

    /// Reads an explainer.
    ///
    /// # Errors
    /// As [`Self::transform`].
    pub fn explainer(&self, artifact: &Artifact) -> Result<Arc<dyn Explainer>> {
        load(&self.explainers, "explainer", artifact, self)
    }

    /// Reads a transformer recipe.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a kind that is not known here,
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for settings that are not its own.
    pub fn transformer(&self, spec: &Spec) -> Result<Box<dyn Transformer>> {
        read(&self.transformers, "transformer", spec, self)
    }

    /// Reads a trainer recipe.
    ///
    /// # Errors
    /// As [`Self::transformer`].
    pub fn trainer(&self, spec: &Spec) -> Result<Box<dyn Trainer>> {
        read(&self.trainers, "trainer", spec, self)
    }

    /// Reads a drift detector recipe.
    ///
    /// # Errors
    /// As [`Self::transformer`].
    pub fn detector(&self, spec: &Spec) -> Result<Box<dyn DriftDetector>> {
        read(&self.detectors, "drift detector", spec, self)
    }
}

fn load<T>(loaders: &Loaders<T>, what: &str, artifact: &Artifact, codecs: &Codecs) -> Result<T> {
    let (newest, loader) =
        loaders.get(artifact.kind.as_str()).ok_or_else(|| unknown(what, &artifact.kind, loaders.keys()))?;
    if artifact.version > *newest {
        return Err(Error::unsupported(format!(
            "{what} '{}' was written in format version {}, this build reads up to {newest}: update mlops",
            artifact.kind, artifact.version
        )));
    }
    loader(artifact, codecs).map_err(|error| error.with_context("component", &artifact.kind))
}

fn read<T>(readers: &BTreeMap<&'static str, Reader<T>>, what: &str, spec: &Spec, codecs: &Codecs) -> Result<T> {
    let reader = readers.get(spec.kind.as_str()).ok_or_else(|| unknown(what, &spec.kind, readers.keys()))?;
    reader(&spec.settings, codecs).map_err(|error| error.with_context("recipe", &spec.kind))
}

fn read_settings<T: DeserializeOwned>(settings: &serde_json::Value) -> Result<T> {
    T::deserialize(settings).map_err(|e| Error::config(format!("settings not understood: {e}")).with_source(e))
}

fn unknown<'a>(what: &str, kind: &str, known: impl Iterator<Item = &'a &'static str>) -> Error {
    let known: Vec<&str> = known.copied().collect();
    Error::unsupported(format!(
        "{what} of kind '{kind}' is not known here; known are [{}]: add its codec or enable its feature",
        known.join(", ")
    ))
}
