//! Groups, neighbours and few coefficients on the rows that `peers/estimators_sklearn.py` makes too: splitmix64 gives
//! both the same numbers.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use criterion::{Criterion, criterion_group, criterion_main};
use mlops_core::random::SplitMix64;
use mlops_core::{Role, Run, Table, Trainer};
use mlops_train::{ElasticNet, GaussianMixture, GaussianNb, KMeans, KNeighbors};

/// Rows around 20 centres, and which of them.
fn blobs(rows: usize, width: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut rng = SplitMix64::new(7);
    let centres: Vec<Vec<f64>> = (0..20).map(|_| (0..width).map(|_| 10.0 * rng.uniform()).collect()).collect();
    let mut columns = vec![Vec::with_capacity(rows); width];
    for row in 0..rows {
        for (column, centre) in columns.iter_mut().zip(&centres[row % 20]) {
            column.push(centre + 4.0 * (rng.uniform() + rng.uniform() - 1.0));
        }
    }
    (columns, (0..rows).map(|row| (row % 20) as f64).collect())
}

fn table(columns: Vec<Vec<f64>>, target: Option<Vec<f64>>) -> Table {
    let named = columns.into_iter().enumerate().map(|(i, column)| (format!("x{i}"), column));
    let all = named.chain(target.map(|target| ("y".to_owned(), target)));
    let arrays = all.map(|(name, column)| (name, Arc::new(Float64Array::from(column)) as ArrayRef));
    let table = Table::from_batch(RecordBatch::try_from_iter(arrays).unwrap());
    if table.schema().index_of("y").is_ok() { table.with_role("y", Role::Target).unwrap() } else { table }
}

fn groups(c: &mut Criterion) {
    let mut group = c.benchmark_group("groups");
    group.sample_size(10);
    let rows = table(blobs(100_000, 20).0, None);
    group.bench_function("k-means, 100k x 20, 20 groups", |b| {
        b.iter(|| KMeans::new(20).fit(&rows, &Run::default()).unwrap());
    });
    let some = table(blobs(20_000, 10).0, None);
    group.bench_function("mixture, 20k x 10, 5 groups, 10 steps", |b| {
        b.iter(|| GaussianMixture::new(5).with_tol(0.0).with_max_iter(10).fit(&some, &Run::default()).unwrap());
    });
    group.finish();
}

fn neighbours(c: &mut Criterion) {
    let mut group = c.benchmark_group("neighbours");
    group.sample_size(10);
    for width in [5, 20] {
        let (columns, target) = blobs(100_000, width);
        let asked = table(columns.iter().map(|column| column[..5_000].to_vec()).collect(), None);
        let model = KNeighbors::new(10).fit(&table(columns, Some(target)), &Run::default()).unwrap();
        let batch = asked.to_batch().unwrap();
        group.bench_function(format!("5k rows ask 100k x {width}"), |b| {
            b.iter(|| model.predict(black_box(&batch)).unwrap());
        });
    }
    group.finish();
}

fn coefficients(c: &mut Criterion) {
    let mut group = c.benchmark_group("coefficients");
    group.sample_size(10);
    let (columns, _) = blobs(100_000, 100);
    let target = (0..100_000).map(|row| columns[3][row] - 2.0 * columns[50][row] + columns[99][row] * columns[1][row]);
    let rows = table(columns.clone(), Some(target.collect()));
    group.bench_function("elastic net, 100k x 100", |b| {
        b.iter(|| ElasticNet::new(0.1).fit(&rows, &Run::default()).unwrap());
    });
    let (columns, _) = blobs(100_000, 20);
    let classes: ArrayRef = Arc::new((0..100_000).map(|row| i64::from(row % 20)).collect::<arrow::array::Int64Array>());
    let named = columns.into_iter().enumerate();
    let arrays = named.map(|(i, column)| (format!("x{i}"), Arc::new(Float64Array::from(column)) as ArrayRef));
    let batch = RecordBatch::try_from_iter(arrays.chain([("y".to_owned(), classes)])).unwrap();
    let rows = Table::from_batch(batch).with_role("y", Role::Target).unwrap();
    group.bench_function("gaussian naive Bayes, 100k x 20, 20 classes", |b| {
        b.iter(|| GaussianNb::new().fit(&rows, &Run::default()).unwrap());
    });
    group.finish();
}

criterion_group!(benches, groups, neighbours, coefficients);
criterion_main!(benches);
