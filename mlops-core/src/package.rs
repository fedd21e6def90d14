use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use serde::{Deserialize, Serialize};

use crate::model::score_row;
use crate::{
    Artifact, CellReader, DriftMonitor, Error, Explainer, Model, Result, ResultExt, Scratch, Signature, Spec,
    check_name,
};

/// A model with all that production needs: the fitted graph, sample rows with the answers they must
/// get, a drift reference, an explainer, evidence and environment.
///
/// # Example
/// ```no_run
/// # fn example(model: std::sync::Arc<dyn mlops_core::Model>, june: &mlops_core::Table) -> mlops_core::Result<()> {
/// use mlops_core::Package;
///
/// let package = Package::new("flights", model, &june.to_batch()?)?
///     .with_description("Will this flight arrive 15 minutes late or more?")
///     .with_score("roc_auc", 0.74);
/// package.self_test()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Package {
    /// The name under which it is published.
    pub name: String,
    /// The fitted graph.
    pub model: Arc<dyn Model>,
    /// Rows with the answers they must get.
    pub samples: Samples,
    /// What normal data looked like, for a [`DriftMonitor`].
    pub drift: Option<Artifact>,
    /// Explains the model's answers.
    pub explainer: Option<Artifact>,
    /// What is known of it.
    pub metadata: Metadata,
    /// What it was made with.
    pub environment: Environment,
}

/// Rows with the answers they must get: replayed when a package is published, loaded and deployed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Samples {
    /// The rows, with the columns of the signature.
    pub inputs: RecordBatch,
    /// The answers.
    pub expected: RecordBatch,
    /// How far a number may be from the expected one, relative to the greater of 1 and that number.
    pub tolerance: f64,
}

impl Samples {
    /// The tolerance if not said: processors differ in the last bits.
    pub const TOLERANCE: f64 = 1e-9;

    /// Rows and the answers they must get, within [`Self::TOLERANCE`].
    pub fn new(inputs: RecordBatch, expected: RecordBatch) -> Self {
        Self { inputs, expected, tolerance: Self::TOLERANCE }
    }

    /// Within another tolerance, such as for a model that computes with `f32`.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }
}

/// What is known of a package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Metadata {
    /// What it is for, in a sentence.
    pub description: String,
    /// How good it was, by the name of the metric; NaN where it is not defined.
    #[serde(with = "crate::json_float::map")]
    pub scores: BTreeMap<String, f64>,
    /// Notes: the data's digest, the run, the author.
    pub tags: BTreeMap<String, String>,
    /// The recipe it was fitted by.
    pub recipe: Option<Spec>,
    /// When it was made, in milliseconds since 1970, UTC.
    pub created_ms: i64,
}

/// What a package was made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Environment {
    /// The version of `mlops`.
    pub mlops: String,
    /// The processor, such as `x86_64`.
    pub arch: String,
    /// The operating system, such as `linux`.
    pub os: String,
}

impl Environment {
    /// The one this program runs in.
    pub fn here() -> Self {
        Self {
            mlops: env!("CARGO_PKG_VERSION").to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            os: std::env::consts::OS.to_owned(),
        }
    }
}

impl Package {
    /// The most sample rows that are kept.
    pub const MAX_SAMPLES: usize = 64;

    /// A package of `model`, with the first [`MAX_SAMPLES`](Self::MAX_SAMPLES) of `rows` as samples.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a name as [`check_name`] refuses it,
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) without rows, and as [`Model::predict`].
    pub fn new(name: impl Into<String>, model: Arc<dyn Model>, rows: &RecordBatch) -> Result<Self> {
        let name = name.into();
        check_name("model name", &name)?;
        if rows.num_rows() == 0 {
            return Err(Error::data("a package needs at least one sample row to test itself with"));
        }
        let inputs = model.signature().check(&rows.slice(0, rows.num_rows().min(Self::MAX_SAMPLES)))?;
        let expected = model.predict(&inputs)?;
        let metadata = Metadata { created_ms: crate::now_ms(), ..Metadata::default() };
        let samples = Samples::new(inputs, expected);
        let environment = Environment::here();
        Ok(Self { name, model, samples, drift: None, explainer: None, metadata, environment })
    }

    /// A package as it was stored, still without metadata and the like; nothing is computed, so
    /// [`self_test`](Self::self_test) is due.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a name as [`check_name`] refuses it.
    pub fn restored(name: impl Into<String>, model: Arc<dyn Model>, samples: Samples) -> Result<Self> {
        let name = name.into();
        check_name("model name", &name)?;
        let (metadata, environment) = (Metadata::default(), Environment::here());
        Ok(Self { name, model, samples, drift: None, explainer: None, metadata, environment })
    }

    /// With the reference of a drift monitor.
    ///
    /// # Errors
    /// As [`DriftMonitor::save`].
    pub fn with_drift(mut self, monitor: &dyn DriftMonitor) -> Result<Self> {
        self.drift = Some(monitor.save()?);
        Ok(self)
    }

    /// With an explainer.
    ///
    /// # Errors
    /// As [`Explainer::save`].
    pub fn with_explainer(mut self, explainer: &dyn Explainer) -> Result<Self> {
        self.explainer = Some(explainer.save()?);
        Ok(self)
    }

    /// With a sentence on what it is for.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.metadata.description = description.into();
        self
    }

    /// With a score.
    #[must_use]
    pub fn with_score(mut self, metric: impl Into<String>, value: f64) -> Self {
        self.metadata.scores.insert(metric.into(), value);
        self
    }

    /// With a note.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.tags.insert(key.into(), value.into());
        self
    }

    /// With the recipe it was fitted by.
    #[must_use]
    pub fn with_recipe(mut self, recipe: Spec) -> Self {
        self.metadata.recipe = Some(recipe);
        self
    }

    /// What it takes and what it answers.
    pub fn signature(&self) -> &Signature {
        self.model.signature()
    }

    /// Replays the samples, by batch and, where the model can, row by row.
    ///
    /// Labels must be equal; numbers may differ by [`Samples::tolerance`].
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) naming the first row and column that
    /// differs, or if there is nothing to test with.
    pub fn self_test(&self) -> Result<()> {
        self.test_batch().context("package", &self.name)?;
        self.test_rows().context("package", &self.name).context("path", "row by row")
    }

    fn test_batch(&self) -> Result<()> {
        if self.samples.inputs.num_rows() == 0 {
            return Err(Error::corrupt("the package has no sample rows to test itself with: publish it again"));
        }
        if !self.samples.tolerance.is_finite() || self.samples.tolerance < 0.0 {
            return Err(Error::corrupt(format!("a tolerance of {} compares nothing", self.samples.tolerance)));
        }
        self.samples.compare(&self.model.predict(&self.samples.inputs)?)
    }

    fn test_rows(&self) -> Result<()> {
        if self.model.row().is_none() && self.model.dense().is_none() {
            return Ok(());
        }
        let signature = self.signature();
        let reader = CellReader::new(&self.samples.inputs)?;
        let width = signature.width()?;
        let mut scores = vec![0.0; width * reader.num_rows()];
        let mut scratch = Scratch::default();
        for (row, scores) in scores.chunks_exact_mut(width).enumerate() {
            let cells: Vec<_> = reader.row(row).collect();
            if score_row(self.model.as_ref(), &cells, &mut scratch, scores)?.is_none() {
                return Ok(());
            }
        }
        self.samples.compare(&signature.answer(scores)?)
    }
}

impl Samples {
    fn compare(&self, answer: &RecordBatch) -> Result<()> {
        let expected = &self.expected;
        if expected.schema() != answer.schema() || expected.num_rows() != answer.num_rows() {
            return Err(Error::corrupt("the samples got an answer of another form than when the package was made"));
        }
        for (i, field) in expected.schema().fields().iter().enumerate() {
            if let Some(row) = self.first_difference(expected.column(i), answer.column(i)) {
                return Err(Error::corrupt(format!(
                    "sample row {row} got another '{}' than when the package was made: do not serve it; publish it \
                     again",
                    field.name()
                )));
            }
        }
        Ok(())
    }

    fn first_difference(&self, expected: &dyn Array, answer: &dyn Array) -> Option<usize> {
        match expected.data_type() {
            DataType::Float64 => {
                let (a, b) = (expected.as_primitive::<Float64Type>(), answer.as_primitive::<Float64Type>());
                a.iter().zip(b).position(|(a, b)| !self.is_close(a.unwrap_or(f64::NAN), b.unwrap_or(f64::NAN)))
            }
            DataType::FixedSizeList(_, width) => {
                let (a, b) = (expected.as_fixed_size_list(), answer.as_fixed_size_list());
                self.first_difference(a.values(), b.values()).map(|i| i / (*width).max(1) as usize)
            }
            _ => (0..expected.len()).find(|row| expected.slice(*row, 1).to_data() != answer.slice(*row, 1).to_data()),
        }
    }

    fn is_close(&self, expected: f64, answer: f64) -> bool {
        let near = || (expected - answer).abs() <= self.tolerance * expected.abs().max(1.0);
        // An infinite distance is within an infinite tolerance, so infinities must be equal.
        expected == answer
            || (expected.is_nan() && answer.is_nan())
            || (expected.is_finite() && answer.is_finite() && near())
    }
}
