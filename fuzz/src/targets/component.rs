//! Any fitted component: its JSON is the first part, its blobs are the others. What loads must work on
//! rows and be the same after it was saved and loaded again.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use mlops::core::conformance::LinearModel;
use mlops::core::{
    Artifact, CellReader, DriftMonitor, Explainer, Model, Predictions, Result, Scratch, Value, score_row,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::parts::{self, Part};
use super::{answered, codecs, sample};

/// An artifact whose blobs are parts of the input, by number.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    kind: String,
    version: u32,
    state: Json,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    blobs: BTreeMap<String, usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Self>,
}

/// The input that has this artifact.
pub fn input(artifact: &Artifact) -> Vec<u8> {
    let mut blobs = Vec::new();
    let stored = Stored::of(artifact, &mut blobs);
    let json = serde_json::to_vec(&stored).expect("an artifact is JSON");
    blobs.insert(0, Part::new(0, json));
    parts::join(&blobs)
}

impl Stored {
    fn of(artifact: &Artifact, blobs: &mut Vec<Part>) -> Self {
        let mut named = BTreeMap::new();
        for (name, bytes) in &artifact.blobs {
            named.insert(name.clone(), blobs.len());
            blobs.push(Part::new(0, bytes.to_vec()));
        }
        let parts = artifact.parts.iter().map(|part| Self::of(part, blobs)).collect();
        let (kind, state) = (artifact.kind.clone(), artifact.state.clone());
        Self { kind, version: artifact.version, state, blobs: named, parts }
    }

    fn artifact(self, blobs: &[Part]) -> Artifact {
        let artifact = Artifact::new(self.kind, self.version, self.state);
        let found = self.blobs.into_iter().filter_map(|(name, i)| Some((name, blobs.get(i)?.bytes.clone())));
        let artifact = found.fold(artifact, |artifact, (name, bytes)| artifact.with_blob(name, bytes));
        self.parts.into_iter().fold(artifact, |artifact, part| artifact.with_part(part.artifact(blobs)))
    }
}

pub(super) fn run(data: &[u8]) {
    let parts = parts::split(data);
    let Some((json, blobs)) = parts.split_first() else { return };
    let Ok(stored) = serde_json::from_slice::<Stored>(&json.bytes) else { return };
    try_all(&stored.artifact(blobs));
}

/// Tries an artifact as every sort of component that it may be.
pub(super) fn try_all(artifact: &Artifact) {
    if let Some(loaded) = answered(codecs().model(artifact)) {
        model(loaded.as_ref());
    }
    if let Some(loaded) = answered(codecs().transform(artifact)) {
        let saved = loaded.save().expect("what was loaded can be saved");
        let again = codecs().transform(&saved).expect("what was saved can be loaded");
        assert_eq!(again.save().expect("as before"), saved);
        for schema in sample::schemas(&all_texts(artifact)) {
            sample::rows(&schema).map(|rows| answered(sample::transform(loaded.as_ref(), &rows)));
        }
    }
    if let Some(loaded) = answered(codecs().monitor(artifact)) {
        for schema in sample::schemas(&all_texts(artifact)) {
            sample::rows(&schema).map(|rows| answered(monitor(loaded.as_ref(), &rows)));
        }
    }
    if let Some(loaded) = answered(codecs().explainer(artifact)) {
        let saved = loaded.save().expect("what was loaded can be saved");
        codecs().explainer(&saved).expect("what was saved can be loaded");
        answered(explain(loaded.as_ref()));
    }
}

/// The texts of a component and of its parts: the names of columns are among them.
fn all_texts(artifact: &Artifact) -> Json {
    let parts = artifact.parts.iter().map(all_texts);
    Json::Array(std::iter::once(artifact.state.clone()).chain(parts).collect())
}

/// A model answers rows that fit its signature in the form that it promises, and one by one as all at
/// once.
pub(super) fn model(model: &dyn Model) {
    let saved = model.save().expect("what was loaded can be saved");
    let again = codecs().model(&saved).expect("what was saved can be loaded");
    assert_eq!(again.signature(), model.signature());

    let signature = model.signature();
    let Some(rows) = sample::rows(&signature.input_schema()) else { return };
    if let Some(answer) = answered(model.predict(&rows)) {
        assert_eq!(answer.schema(), signature.output_schema());
        assert_eq!(answer.num_rows(), rows.num_rows());
    }
    if CellReader::new(&rows).is_err() {
        return;
    }
    for i in 0..rows.num_rows() {
        same_row(model, &rows.slice(i, 1));
    }
}

fn same_row(model: &dyn Model, row: &RecordBatch) {
    let cells = CellReader::new(row).expect("rows of cells");
    let cells: Vec<Value<'_>> = cells.row(0).collect();
    let mut scores = vec![0.0; model.signature().num_scores()];
    let alone = score_row(model, &cells, &mut Scratch::default(), &mut scores).transpose();
    let batch = model.predict(row).and_then(|answer| Predictions::scores_of(model.signature(), &answer));
    match (alone, batch) {
        (None, batch) => drop(answered(batch)),
        (Some(Ok(())), Ok(batch)) => {
            let same = scores.iter().zip(&batch).all(|(a, b)| sample::same_number(*a, *b));
            assert!(same && scores.len() == batch.len(), "{cells:?}: by row {scores:?}, but by batch {batch:?}");
        }
        (Some(Err(alone)), Err(batch)) => drop(answered::<()>(Err(alone)).or(answered::<()>(Err(batch)))),
        (alone, batch) => panic!("{cells:?}: by row {alone:?}, but by batch {batch:?}"),
    }
}

/// A monitor says after it was saved and loaded what it said before.
fn monitor(loaded: &dyn DriftMonitor, rows: &RecordBatch) -> Result<()> {
    let mut monitor = codecs().monitor(&loaded.save()?).expect("what was saved can be loaded");
    monitor.observe(rows)?;
    let report = monitor.report()?;
    assert!(!report.to_string().is_empty());
    let again = codecs().monitor(&monitor.save()?).expect("what was saved can be loaded");
    assert_eq!(format!("{report:?}"), format!("{:?}", again.report()?));
    Ok(())
}

fn explain(explainer: &dyn Explainer) -> Result<()> {
    let model = LinearModel::regression([("distance", 0.5), ("seats", -1.0)], 3.0)?;
    let rows = sample::flights().slice(0, 2);
    let explanation = explainer.explain(&model, &rows)?;
    assert_eq!((explanation.num_rows(), explanation.num_columns()), (2, 3));
    Ok(())
}
