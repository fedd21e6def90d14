//! Artifacts written by version 1 are read forever.

mod common;

use arrow::array::RecordBatch;
use common::{mixed_rows, of_mixed_columns};
use mlops_core::{Artifact, DriftDetector, DriftMonitor, Explainer, Table};
use mlops_monitor::{DriftSuite, NumericTest, ShapleyExplainer, codecs};

/// Where to write artifacts anew, when a format gets its first version.
fn rewrite() -> Option<String> {
    std::env::var("MLOPS_WRITE_ARTIFACTS").ok()
}

fn reference() -> RecordBatch {
    arrow::array::record_batch!(
        ("km", Float64, [Some(1.5), Some(2.0), None, Some(7.25), Some(-0.5), Some(2.0)]),
        ("zone", Utf8, [Some("a"), Some("b"), Some("a"), None, Some("ü"), Some("a")])
    )
    .unwrap()
}

fn window() -> RecordBatch {
    arrow::array::record_batch!(
        ("km", Float64, [Some(9.0), Some(2.0), None, Some(1.0)]),
        ("zone", Utf8, ["new", "a", "a", "b"])
    )
    .unwrap()
}

fn monitor(numeric: NumericTest) -> Box<dyn DriftMonitor> {
    let mut monitor = DriftSuite::default().with_numeric(numeric).fit(&Table::from_batch(reference())).unwrap();
    monitor.observe(&window()).unwrap();
    monitor
}

fn check_monitor(file: &str, stored: &str, expected: &dyn DriftMonitor) {
    if let Some(folder) = rewrite() {
        let text = serde_json::to_string_pretty(&expected.save().unwrap()).unwrap();
        std::fs::write(format!("{folder}/{file}"), text + "\n").unwrap();
        return;
    }
    let artifact: Artifact = serde_json::from_str(stored).unwrap();
    let loaded = codecs().monitor(&artifact).unwrap();
    assert_eq!(loaded.report().unwrap(), expected.report().unwrap());
}

#[test]
fn column_monitor_v1() {
    let stored = include_str!("data/column_monitor.v1.json");
    check_monitor("column_monitor.v1.json", stored, monitor(NumericTest::Ks).as_ref());
}

#[test]
fn column_monitor_with_bins_v1() {
    let stored = include_str!("data/column_monitor_bins.v1.json");
    let expected = monitor(NumericTest::Psi { bins: 3, threshold: 0.2 });
    check_monitor("column_monitor_bins.v1.json", stored, expected.as_ref());
}

#[test]
fn shapley_v1() {
    let fitted = ShapleyExplainer::default().with_background(3).fit(&Table::from_batch(mixed_rows())).unwrap();
    if let Some(folder) = rewrite() {
        let artifact = fitted.save().unwrap();
        let text = serde_json::to_string_pretty(&artifact).unwrap();
        std::fs::write(format!("{folder}/shapley.v1.json"), text + "\n").unwrap();
        std::fs::write(format!("{folder}/shapley.v1.background.arrow"), artifact.blob("background.arrow").unwrap())
            .unwrap();
        return;
    }
    let artifact: Artifact = serde_json::from_str(include_str!("data/shapley.v1.json")).unwrap();
    let blob: &[u8] = include_bytes!("data/shapley.v1.background.arrow");
    let loaded = codecs().explainer(&artifact.with_blob("background.arrow", blob)).unwrap();
    let explain = |explainer: &dyn Explainer| explainer.explain(of_mixed_columns().as_ref(), &mixed_rows()).unwrap();
    assert_eq!(explain(loaded.as_ref()), explain(&fitted));
}
