//! Fitting and answering: logistic regression on 105,000 rows (as many as the flights of four months), forests on a
//! part of them, and the latency of one row.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
use criterion::{Criterion, criterion_group, criterion_main};
use mlops_core::random::SplitMix64;
use mlops_core::{Model, Role, Run, Table, Trainer};
use mlops_train::{LogisticRegression, RandomForest, Ridge};

/// `dense` columns of numbers, `groups` one-hot encoded columns of 20 categories each.
fn table(rows: usize, dense: usize, groups: usize) -> Table {
    let mut rng = SplitMix64::new(1);
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let mut log_odds = vec![-1.0; rows];
    for c in 0..dense {
        let values: Vec<f64> = (0..rows).map(|_| rng.uniform() * (c + 1) as f64).collect();
        let slope = (rng.uniform() - 0.5) / (c + 1) as f64;
        log_odds.iter_mut().zip(&values).for_each(|(odds, x)| *odds += slope * x);
        columns.push((format!("x{c}"), Arc::new(Float64Array::from(values))));
    }
    for group in 0..groups {
        let category: Vec<u64> = (0..rows).map(|_| rng.below(20)).collect();
        log_odds.iter_mut().zip(&category).for_each(|(odds, c)| *odds += 0.1 * *c as f64 - 1.0);
        for c in 0..20 {
            let hot: Float64Array = category.iter().map(|k| f64::from(u8::from(*k == c))).collect();
            columns.push((format!("g{group}_{c}"), Arc::new(hot)));
        }
    }
    let late: BooleanArray = log_odds.iter().map(|z| Some(rng.uniform() < 1.0 / (1.0 + (-z).exp()))).collect();
    let amount: Float64Array = log_odds.iter().map(|z| z + rng.uniform()).collect();
    columns.push(("late".into(), Arc::new(late)));
    columns.push(("amount".into(), Arc::new(amount)));
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
        .with_role("late", Role::Target)
        .unwrap()
        .with_role("amount", Role::Ignored)
        .unwrap()
}

fn fit(c: &mut Criterion) {
    let mut group = c.benchmark_group("fit");
    group.sample_size(10);
    let flights = table(105_000, 15, 7);
    group.bench_function("logistic, 105k x 15 dense and 140 one-hot", |b| {
        b.iter(|| LogisticRegression::new().fit(&flights, &Run::default()).unwrap());
    });
    let amounts = flights.clone().with_role("late", Role::Ignored).unwrap().with_role("amount", Role::Target).unwrap();
    group.bench_function("ridge, 105k x 15 dense and 140 one-hot", |b| {
        b.iter(|| Ridge::new(1.0).fit(&amounts, &Run::default()).unwrap());
    });
    let dense = table(105_000, 155, 0);
    group.bench_function("logistic, 105k x 155 dense", |b| {
        b.iter(|| LogisticRegression::new().fit(&dense, &Run::default()).unwrap());
    });
    let narrow = table(20_000, 21, 0);
    let forest = RandomForest::new().with_n_trees(20).with_max_depth(16).with_min_samples_leaf(20);
    group.bench_function("forest, 20k x 21, 20 trees", |b| {
        b.iter(|| forest.fit(&narrow, &Run::default()).unwrap());
    });
    group.finish();
}

fn answer(c: &mut Criterion) {
    let rows = table(20_000, 21, 0);
    let batch = rows.to_batch().unwrap();
    let forest = RandomForest::new().with_n_trees(100).with_max_depth(16).with_min_samples_leaf(20);
    let models: [(&str, Arc<dyn Model>); 2] = [
        ("logistic", LogisticRegression::new().fit(&rows, &Run::default()).unwrap()),
        ("forest of 100 trees", forest.fit(&rows, &Run::default()).unwrap()),
    ];
    for (name, model) in models {
        let mut group = c.benchmark_group(name);
        group.sample_size(20);
        group.bench_function("20k rows as a batch", |b| b.iter(|| model.predict(black_box(&batch)).unwrap()));
        let row: Vec<f64> = (0..21).map(|c| 0.5 * f64::from(c)).collect();
        let mut scores = [0.0; 2];
        let dense = model.dense().unwrap();
        group.bench_function("one row", |b| b.iter(|| dense.score_row(black_box(&row), &mut scores)));
        group.finish();
    }
}

criterion_group!(benches, fit, answer);
criterion_main!(benches);
