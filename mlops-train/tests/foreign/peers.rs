//! What is written here, loaded by the libraries it is written for.
//!
//! Needs a Python that has them: `MLOPS_PYTHON`, or the one that `tests/services install python` makes.
//! Skipped without one, unless `MLOPS_REQUIRE_SERVICES` says that it must be there.

use std::path::{Path, PathBuf};
use std::process::Command;

use mlops_core::{Model, Role, Run, Table, Trainer};
use mlops_train::{Import, RandomForest, foreign};

use super::golden::{batch, path, read, rows, values};

/// A Python with the libraries, if there is one.
#[expect(clippy::print_stderr, reason = "why a test was skipped")]
fn python() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/services/python/bin/python");
    let python = std::env::var_os("MLOPS_PYTHON").map_or(made, PathBuf::from);
    let imports = Command::new(&python).args(["-c", "import lightgbm, onnxruntime, xgboost"]).output();
    if imports.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("MLOPS_REQUIRE_SERVICES").is_none(), "no Python with lightgbm, onnxruntime and xgboost");
    eprintln!("skipped: no Python with lightgbm, onnxruntime and xgboost; see `tests/services install python`");
    None
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// A model's file, the rows, and what its library should answer.
    fn add(&self, file: &str, content: impl AsRef<[u8]>, rows: &[f64], expected: &[f64], width: usize) {
        let count = rows.len() / width;
        let numbers: Vec<u8> = rows.iter().chain(expected).flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(self.0.join(file), content).unwrap();
        std::fs::write(self.0.join(format!("{file}.expected")), numbers).unwrap();
        std::fs::write(self.0.join(format!("{file}.shape")), format!("{count} {width} {}", expected.len() / count))
            .unwrap();
    }

    fn check(&self, python: &Path) {
        let output = Command::new(python).arg(path("check.py")).arg(&self.0).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{said}");
    }
}

/// A forest and rows of four features.
fn forest(classes: i64) -> (std::sync::Arc<dyn Model>, Vec<f64>) {
    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
    let x: Vec<f64> = rows(250, 9, false).into_iter().map(f64::from).collect();
    let column = |i: usize| -> Vec<f64> { x.iter().skip(i).step_by(4).copied().collect() };
    let y: Vec<f64> = column(0).iter().zip(column(1)).map(|(a, b)| a * b + a).collect();
    let target: ArrayRef = match classes {
        0 => std::sync::Arc::new(Float64Array::from(y)),
        classes => std::sync::Arc::new(y.iter().map(|y| (y.abs() as i64) % classes).collect::<Int64Array>()),
    };
    let features = ["a", "b", "c", "d"].into_iter().enumerate();
    let features = features.map(|(i, name)| (name, std::sync::Arc::new(Float64Array::from(column(i))) as ArrayRef));
    let batch = RecordBatch::try_from_iter(features.chain([("y", target)])).unwrap();
    let table = Table::from_batch(batch).with_role("y", Role::Target).unwrap();
    (RandomForest::new().with_n_trees(7).fit(&table, &Run::default()).unwrap(), x)
}

#[test]
fn lightgbm_and_xgboost_load_what_is_written() {
    let Some(python) = python() else { return };
    let folder = Folder::new("foreign_trees");
    let x = rows(2_000, 3, true);
    let wide: Vec<f64> = x.iter().copied().map(f64::from).collect();
    for entry in std::fs::read_dir(path("")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some((name, "txt" | "ubj")) = file.split_once('.') else { continue };
        if name == "requirements" {
            continue;
        }
        let model = Import::new().read(&read(&file)).unwrap();
        let expected = values(model.as_ref(), &model.predict(&batch(model.as_ref(), &x)).unwrap());
        if let Ok(json) = foreign::to_xgboost(model.as_ref()) {
            folder.add(&format!("{name}.json"), json, &wide, &expected, 8);
        }
        if name == "lgb_ova" {
            // LightGBM does not bring them to a sum of 1.
            continue;
        }
        if let Ok(text) = foreign::to_lightgbm(model.as_ref()) {
            folder.add(&format!("{name}.txt"), text, &wide, &expected, 8);
        }
    }
    for classes in [0, 2, 3] {
        let (model, x) = forest(classes);
        let names = ["a", "b", "c", "d"];
        let columns = names.iter().enumerate().map(|(i, name)| {
            let column: arrow::array::Float64Array = x.iter().skip(i).step_by(4).copied().collect();
            (*name, std::sync::Arc::new(column) as arrow::array::ArrayRef)
        });
        let batch = arrow::array::RecordBatch::try_from_iter(columns).unwrap();
        let expected = values(model.as_ref(), &model.predict(&batch).unwrap());
        let name = if classes == 3 { "shares".to_owned() } else { format!("forest_{classes}") };
        let (text, json) =
            (foreign::to_lightgbm(model.as_ref()).unwrap(), foreign::to_xgboost(model.as_ref()).unwrap());
        folder.add(&format!("{name}.txt"), text, &x, &expected, 4);
        folder.add(&format!("{name}.json"), json, &x, &expected, 4);
    }
    folder.check(&python);
}
