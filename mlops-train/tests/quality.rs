//! Trees are as good as scikit-learn's on its bundled data sets; `benches/peers/quality.py` made the figures.
#![cfg(all(feature = "boosting", feature = "forest"))]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use mlops_core::{Metric, Role, Run, Table, Trainer};
use mlops_train::{Accuracy, ExtraTrees, HistGradientBoosting, R2, RandomForest, RocAuc, score};

const FOLDS: usize = 5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/peers")
}

/// The rows of a data set, and the fold of each.
fn read(name: &str, is_number: bool) -> (Table, Vec<usize>) {
    let text = std::fs::read_to_string(folder().join(format!("{name}.csv"))).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<f64>> = lines.map(|line| line.split(',').map(|value| value.parse().unwrap()).collect()).collect();
    let column = |c: usize| rows.iter().map(move |row| row[c]);
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    let width = header.len() - 2;
    for (c, name) in header[..width].iter().enumerate() {
        columns.push((name, Arc::new(column(c).collect::<Float64Array>())));
    }
    let target: ArrayRef = if is_number {
        Arc::new(column(width + 1).collect::<Float64Array>())
    } else {
        Arc::new(column(width + 1).map(|y| y as i64).collect::<Int64Array>())
    };
    columns.push(("y", target));
    let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role("y", Role::Target).unwrap();
    (table, column(width).map(|fold| fold as usize).collect())
}

/// The mean score over folds and seeds.
fn mean_score(trainer: &dyn Trainer, data: &(Table, Vec<usize>), metric: &dyn Metric, seeds: u64) -> f64 {
    let rows_of = |wanted: &dyn Fn(usize) -> bool| {
        let rows: Vec<usize> = (0..data.1.len()).filter(|row| wanted(data.1[*row])).collect();
        data.0.take(&rows).unwrap()
    };
    let mut sum = 0.0;
    for fold in 0..FOLDS {
        let (train, test) = (rows_of(&|of| of != fold), rows_of(&|of| of == fold));
        for seed in 0..seeds {
            let model = trainer.fit(&train, &Run::default().with_seed(seed)).unwrap();
            sum += score(model.as_ref(), &test, &[metric]).unwrap().get(metric.name()).unwrap();
        }
    }
    sum / (FOLDS as u64 * seeds) as f64
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is what the test is run for")]
fn trees_are_as_good_as_scikit_learns() {
    let figures = std::fs::read(folder().join("figures.json")).unwrap();
    let figures: BTreeMap<String, BTreeMap<String, f64>> = serde_json::from_slice(&figures).unwrap();
    let sets: [(&str, &dyn Metric); 4] =
        [("breast_cancer", &RocAuc), ("diabetes", &R2), ("iris", &Accuracy), ("wine", &Accuracy)];
    let trainers: [(&str, Box<dyn Trainer>, u64); 3] = [
        ("boosting", Box::new(HistGradientBoosting::new()), 1),
        ("extra_trees", Box::new(ExtraTrees::new()), 3),
        ("forest", Box::new(RandomForest::new()), 3),
    ];
    let mut worse = Vec::new();
    for (name, metric) in sets {
        let data = read(name, name == "diabetes");
        for (kind, trainer, seeds) in &trainers {
            let (ours, peers) = (mean_score(trainer.as_ref(), &data, metric, *seeds), figures[name][*kind]);
            println!("{name} {kind}: {ours:.4}, scikit-learn {peers:.4}");
            if ours < peers * 0.995 {
                worse.push(format!("{name} {kind}: {ours}, scikit-learn {peers}"));
            }
        }
    }
    assert!(worse.is_empty(), "{worse:#?}");
}
