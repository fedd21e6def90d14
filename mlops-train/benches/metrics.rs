//! The metrics of 100,000 predictions.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use mlops_core::random::SplitMix64;
use mlops_core::{Classes, Metric, Predictions, Task};
use mlops_train::{Accuracy, AveragePrecision, F1, LogLoss, RocAuc};

fn metrics(c: &mut Criterion) {
    let mut rng = SplitMix64::new(1);
    let scores: Vec<f64> = (0..100_000).map(|_| rng.uniform()).collect();
    let target = scores.iter().map(|p| f64::from(u8::from(rng.uniform() < *p))).collect();
    let scores = scores.iter().flat_map(|p| [1.0 - p, *p]).collect();
    let predictions = Predictions::new(Task::Classification { classes: Classes::Bool }, target, scores).unwrap();
    let metrics: [&dyn Metric; 5] = [&Accuracy, &F1::binary(), &LogLoss, &RocAuc, &AveragePrecision];
    for metric in metrics {
        c.bench_function(metric.name(), |b| b.iter(|| metric.score(black_box(&predictions)).unwrap()));
    }
}

criterion_group!(benches, metrics);
criterion_main!(benches);
