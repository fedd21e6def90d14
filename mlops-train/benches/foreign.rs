//! Reading a model of 500 trees in each form, and answering 20,000 rows by what was read.
//!
//! `FOREIGN_BENCH_FILES=FOLDER` keeps the files, so that the libraries they are for can be timed too.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
use criterion::{Criterion, criterion_group, criterion_main};
use mlops_core::random::SplitMix64;
use mlops_core::{Codecs, Model, Role, Run, Table, Trainer};
use mlops_train::{Import, RandomForest, foreign};

const COLUMNS: usize = 20;

fn batch(rows: usize) -> RecordBatch {
    let mut rng = SplitMix64::new(1);
    let columns: Vec<Vec<f64>> = (0..COLUMNS).map(|_| (0..rows).map(|_| rng.uniform()).collect()).collect();
    let late = (0..rows).map(|i| Some(columns[0][i] + columns[1][i] * columns[2][i] > 0.8));
    let late: ArrayRef = Arc::new(late.collect::<BooleanArray>());
    let columns = columns.into_iter().enumerate();
    let columns = columns.map(|(i, column)| (format!("x{i}"), Arc::new(Float64Array::from(column)) as ArrayRef));
    RecordBatch::try_from_iter(columns.chain([("late".to_owned(), late)])).unwrap()
}

fn run(criterion: &mut Criterion) {
    let table = Table::from_batch(batch(3_000)).with_role("late", Role::Target).unwrap();
    let forest = RandomForest::new().with_n_trees(500).with_max_depth(6);
    let model = forest.fit(&table, &Run::default()).unwrap();
    let onnx = foreign::to_onnx(model.as_ref(), &Codecs::default()).unwrap();
    let lightgbm = foreign::to_lightgbm(model.as_ref()).unwrap();
    let xgboost = foreign::to_xgboost(model.as_ref()).unwrap();
    if let Some(folder) = std::env::var_os("FOREIGN_BENCH_FILES") {
        let folder = std::path::PathBuf::from(folder);
        std::fs::write(folder.join("forest.onnx"), &onnx).unwrap();
        std::fs::write(folder.join("forest.txt"), &lightgbm).unwrap();
        std::fs::write(folder.join("forest.json"), &xgboost).unwrap();
    }
    let import = Import::new();
    criterion.bench_function("read 500 trees of ONNX", |b| b.iter(|| import.onnx(black_box(&onnx)).unwrap()));
    criterion.bench_function("read 500 trees of LightGBM", |b| {
        b.iter(|| import.lightgbm(black_box(lightgbm.as_bytes())).unwrap());
    });
    criterion.bench_function("read 500 trees of XGBoost", |b| {
        b.iter(|| import.xgboost(black_box(xgboost.as_bytes())).unwrap());
    });
    let rows = batch(20_000);
    let read = import.onnx(&onnx).unwrap();
    let mut group = criterion.benchmark_group("20,000 rows, 500 trees");
    group.sample_size(10);
    group.bench_function("of ONNX", |b| b.iter(|| read.predict(black_box(&rows)).unwrap()));
    group.bench_function("of our forest", |b| b.iter(|| model.predict(black_box(&rows)).unwrap()));
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
