use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float64Type};

use super::Trial;
use crate::{Artifact, Codecs, Error, ErrorKind, Explainer, Model, Predictions, Result};

/// A fitted explainer, a model that it can explain and rows to explain: what [`explainer`] tries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainerSubject {
    /// What the trials are called after.
    pub name: String,
    /// The fitted explainer.
    pub explainer: Arc<dyn Explainer>,
    /// A model that it explains.
    pub model: Arc<dyn Model>,
    /// Some 3 to 20 rows with all inputs of the model.
    pub rows: RecordBatch,
    /// What reads the explainer back.
    pub codecs: Codecs,
    /// How far base value and contributions may be from the score, relative to the greater of 1 and
    /// the score.
    pub tolerance: f64,
}

impl ExplainerSubject {
    /// An explainer whose contributions add up to within 10⁻⁹.
    pub fn new(
        name: impl Into<String>,
        explainer: Arc<dyn Explainer>,
        model: Arc<dyn Model>,
        rows: RecordBatch,
        codecs: Codecs,
    ) -> Self {
        Self { name: name.into(), explainer, model, rows, codecs, tolerance: 1e-9 }
    }

    /// With another tolerance.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    fn explain(&self, rows: &RecordBatch) -> RecordBatch {
        must("explain", self.explainer.explain(self.model.as_ref(), rows))
    }
}

/// What every [`Explainer`] must do.
pub fn explainer(subject: ExplainerSubject) -> Vec<Trial> {
    let subject = Arc::new(subject);
    let trial = |what: &str, check: fn(&ExplainerSubject)| {
        let subject = Arc::clone(&subject);
        Trial::new(format!("{}::{what}", subject.name), move || check(&subject))
    };
    vec![
        trial("gives_a_column_for_each_input_and_the_base", declared_form),
        trial("adds_up_to_the_score", additivity),
        trial("says_the_same_again", deterministic),
        trial("says_the_same_on_any_threads", any_threads),
        trial("explains_a_row_alone_as_among_others", rows_alone),
        trial("explains_no_rows", no_rows),
        trial("finds_columns_by_name_and_ignores_others", by_name),
        trial("names_a_missing_input", missing_input),
        trial("survives_saving", survives_saving),
        trial("refuses_a_newer_artifact", newer_artifact),
    ]
}

fn must<T>(what: &str, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error:?}"))
}

fn declared_form(subject: &ExplainerSubject) {
    let explained = subject.explain(&subject.rows);
    assert_eq!(explained.num_rows(), subject.rows.num_rows());
    let names: Vec<&str> = subject.model.signature().input_names().into_iter().chain(["base_value"]).collect();
    let schema = explained.schema();
    assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), names);
    for (field, column) in schema.fields().iter().zip(explained.columns()) {
        assert_eq!(*field.data_type(), DataType::Float64, "{field}");
        assert_eq!(column.null_count(), 0, "{field} has nulls");
    }
}

fn additivity(subject: &ExplainerSubject) {
    let explained = subject.explain(&subject.rows);
    let answer = must("predict", subject.model.predict(&subject.rows));
    let scores = must("read the scores", Predictions::scores_of(subject.model.signature(), &answer));
    let width = subject.model.signature().num_scores();
    for (row, scores) in scores.chunks_exact(width).enumerate() {
        let score = scores[width - 1];
        let sum: f64 = explained.columns().iter().map(|c| c.as_primitive::<Float64Type>().value(row)).sum();
        let off = (sum - score).abs();
        assert!(off <= subject.tolerance * score.abs().max(1.0), "row {row}: {sum} explained, the score is {score}");
    }
}

fn deterministic(subject: &ExplainerSubject) {
    assert_eq!(subject.explain(&subject.rows), subject.explain(&subject.rows));
}

fn any_threads(subject: &ExplainerSubject) {
    let expected = subject.explain(&subject.rows);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.unwrap_or_else(|error| panic!("start {threads} threads: {error}"));
        assert_eq!(pool.install(|| subject.explain(&subject.rows)), expected, "on {threads} threads");
    }
}

fn rows_alone(subject: &ExplainerSubject) {
    let whole = subject.explain(&subject.rows);
    let alone: Vec<RecordBatch> =
        (0..subject.rows.num_rows()).map(|row| subject.explain(&subject.rows.slice(row, 1))).collect();
    let joined = must("join the explanations", concat_batches(&whole.schema(), &alone).map_err(Error::from));
    assert_eq!(joined, whole);
}

fn no_rows(subject: &ExplainerSubject) {
    let explained = subject.explain(&subject.rows.slice(0, 0));
    assert_eq!((explained.num_rows(), explained.num_columns()), (0, subject.model.signature().inputs.len() + 1));
}

fn by_name(subject: &ExplainerSubject) {
    let (schema, extra) = (subject.rows.schema(), Arc::clone(subject.rows.column(0)));
    let reversed = schema.fields().iter().zip(subject.rows.columns()).rev();
    let columns = reversed.map(|(field, column)| (field.name().as_str(), Arc::clone(column), field.is_nullable()));
    let columns = [("an extra column", extra, true)].into_iter().chain(columns);
    let permuted = must("permute", RecordBatch::try_from_iter_with_nullable(columns).map_err(Error::from));
    assert_eq!(subject.explain(&permuted), subject.explain(&subject.rows));
}

fn missing_input(subject: &ExplainerSubject) {
    for input in subject.model.signature().input_names() {
        let schema = subject.rows.schema();
        let others: Vec<usize> = (0..schema.fields().len()).filter(|i| schema.field(*i).name() != input).collect();
        let without = must("leave out a column", subject.rows.project(&others).map_err(Error::from));
        let error = subject.explainer.explain(subject.model.as_ref(), &without).err();
        let error = error.unwrap_or_else(|| panic!("it did not need '{input}'"));
        assert_eq!(error.kind(), ErrorKind::Schema, "{error:?}");
        assert!(error.to_string().contains(input), "{error} does not name '{input}'");
    }
}

fn survives_saving(subject: &ExplainerSubject) {
    let artifact = must("save", subject.explainer.save());
    let text = must("write", serde_json::to_string(&artifact).map_err(Error::from));
    let mut stored: Artifact = must("read", serde_json::from_str(&text).map_err(Error::from));
    restore_blobs(&artifact, &mut stored);
    let loaded = must("load", subject.codecs.explainer(&stored));
    assert_eq!(must("explain", loaded.explain(subject.model.as_ref(), &subject.rows)), subject.explain(&subject.rows));
    assert_eq!(must("save again", loaded.save()), artifact);
}

/// Blobs are stored beside the text.
fn restore_blobs(from: &Artifact, to: &mut Artifact) {
    to.blobs.clone_from(&from.blobs);
    from.parts.iter().zip(&mut to.parts).for_each(|(from, to)| restore_blobs(from, to));
}

fn newer_artifact(subject: &ExplainerSubject) {
    let mut artifact = must("save", subject.explainer.save());
    artifact.version += 1;
    let error = subject.codecs.explainer(&artifact).err();
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Unsupported));
}
