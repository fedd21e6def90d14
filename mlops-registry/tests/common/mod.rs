//! A model with everything a package can hold: a part and a blob.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::DataType;
use mlops_core::conformance::LinearModel;
use mlops_core::random::SplitMix64;
use mlops_core::{
    Artifact, Codecs, Dense, Error, InputColumn, Load, Model, Package, Result, RowModel, Signature, Task, predict_dense,
};

/// A linear model, plus a number looked up in a table that is kept as a blob.
#[derive(Debug)]
pub(crate) struct TableModel {
    signature: Signature,
    linear: LinearModel,
    table: Vec<u8>,
}

impl TableModel {
    pub(crate) fn new(table: Vec<u8>) -> Self {
        let linear = LinearModel::regression([("x", 2.0)], 1.0).unwrap();
        let signature = Signature::new(vec![InputColumn::new("x", DataType::Float64, false)], Task::Regression);
        Self { signature, linear, table }
    }
}

impl Dense for TableModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        self.linear.score_row(row, scores);
        scores[0] += f64::from(self.table[row[0].abs() as usize % self.table.len()]);
    }
}

impl Model for TableModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        predict_dense(&self.signature, self, batch)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        let artifact = Artifact::of::<Self>(&self.signature)?;
        Ok(artifact.with_part(self.linear.save()?).with_blob("table.bin", self.table.clone()))
    }
}

impl Load for TableModel {
    const KIND: &'static str = "table_example";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let [part] = artifact.parts.as_slice() else { return Err(Error::corrupt("one part is needed")) };
        let table = artifact.blob("table.bin")?.to_vec();
        if table.is_empty() {
            return Err(Error::corrupt("the table is empty"));
        }
        Ok(Self { signature: artifact.state()?, linear: LinearModel::load(part, codecs)?, table })
    }
}

pub(crate) fn codecs() -> Codecs {
    LinearModel::codecs().with_model::<TableModel>()
}

/// A package whose table has `bytes` bytes drawn from `seed`.
pub(crate) fn package_of(name: &str, seed: u64, bytes: usize) -> Package {
    let mut rng = SplitMix64::new(seed);
    let table = (0..bytes.div_ceil(8)).flat_map(|_| rng.next_u64().to_le_bytes()).take(bytes).collect();
    let x: ArrayRef = Arc::new(Float64Array::from(vec![0.0, 1.5, -2.0, 1e6]));
    let rows = RecordBatch::try_from_iter([("x", x)]).unwrap();
    let package = Package::new(name, Arc::new(TableModel::new(table)), &rows).unwrap();
    package.with_description("A test.").with_score("rmse", 0.5).with_tag("seed", seed.to_string())
}

pub(crate) fn package(name: &str) -> Package {
    let mut package = package_of(name, 7, 1000);
    package.drift = Some(Artifact::new("reference", 3, serde_json::json!({"mean": 0.5})).with_blob("kll", vec![1; 50]));
    package.explainer = Some(Artifact::new("explainer", 1, serde_json::json!(null)));
    package
}

/// Every file below a directory.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, &target).unwrap();
    }
}
