//! Metrics of a million predictions; peers/metrics.py times scikit-learn on as many and tells the ratios.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use mlops_core::random::SplitMix64;
use mlops_core::{Classes, Metric, Predictions, Task};
use mlops_train::evaluation::{DeLong, Evaluation};
use mlops_train::metrics::named;
use mlops_train::{MulticlassRocAuc, RocCurve};

const ROWS: usize = 1_000_000;

fn two_classes(rows: usize) -> Predictions {
    let mut rng = SplitMix64::new(1);
    let scores: Vec<f64> = (0..rows).map(|_| rng.uniform()).collect();
    let target = scores.iter().map(|p| f64::from(u8::from(rng.uniform() < *p))).collect();
    let scores = scores.iter().flat_map(|p| [1.0 - p, *p]).collect();
    Predictions::new(Task::Classification { classes: Classes::Bool }, target, scores).unwrap()
}

fn weights(rows: usize) -> Vec<f64> {
    let mut rng = SplitMix64::new(2);
    (0..rows).map(|_| 0.1 + rng.uniform()).collect()
}

fn bench(c: &mut Criterion, name: &str, metric: &dyn Metric, predictions: &Predictions) {
    c.bench_function(name, |b| b.iter(|| metric.score(black_box(predictions)).unwrap()));
}

fn classes(c: &mut Criterion) {
    let predictions = two_classes(ROWS);
    for name in ["accuracy", "f1", "matthews_corrcoef", "log_loss", "brier", "roc_auc", "average_precision"] {
        bench(c, name, named(name).unwrap().as_ref(), &predictions);
    }
    bench(c, "expected_calibration_error", named("expected_calibration_error").unwrap().as_ref(), &predictions);
    c.bench_function("roc_curve", |b| b.iter(|| RocCurve::of(black_box(&predictions)).unwrap().simplified()));
    c.bench_function("delong", |b| b.iter(|| DeLong::interval(black_box(&predictions), 0.95).unwrap()));
    let weighted = predictions.with_weights(weights(ROWS)).unwrap();
    for name in ["f1", "log_loss", "roc_auc"] {
        bench(c, &format!("{name}_weighted_rows"), named(name).unwrap().as_ref(), &weighted);
    }
}

fn several_classes(c: &mut Criterion) {
    let mut rng = SplitMix64::new(3);
    let (rows, classes) = (200_000, 5);
    let target = (0..rows).map(|_| rng.below(classes as u64) as f64).collect();
    let scores: Vec<f64> = (0..rows * classes).map(|_| rng.uniform()).collect();
    let scores = scores.chunks(classes).flat_map(|row| {
        let sum: f64 = row.iter().sum();
        row.iter().map(move |p| p / sum).collect::<Vec<_>>()
    });
    let task = Task::Classification { classes: Classes::Int((0..classes as i64).collect()) };
    let predictions = Predictions::new(task, target, scores.collect()).unwrap();
    bench(c, "roc_auc_ovr", &MulticlassRocAuc::ovr(), &predictions);
}

fn numbers(c: &mut Criterion) {
    let mut rng = SplitMix64::new(4);
    let mut draw = || (0..ROWS).map(|_| rng.uniform() * 100.0).collect::<Vec<f64>>();
    let predictions = Predictions::new(Task::Regression, draw(), draw()).unwrap();
    for name in ["mae", "mse", "r2", "median_absolute_error"] {
        bench(c, name, named(name).unwrap().as_ref(), &predictions);
    }
    let weighted = predictions.with_weights(weights(ROWS)).unwrap();
    bench(c, "r2_weighted_rows", named("r2").unwrap().as_ref(), &weighted);
}

fn evaluation(c: &mut Criterion) {
    let predictions = two_classes(100_000);
    c.bench_function("evaluation_of_100k", |b| b.iter(|| Evaluation::of(black_box(predictions.clone())).unwrap()));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(std::time::Duration::from_millis(300));
    targets = classes, several_classes, numbers, evaluation
}
criterion_main!(benches);
