//! The profile of 336,776 rows (a year of flights): a float column of distinct values, an integer
//! column of few, a text column of few and one of many.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mlops_core::Table;
use mlops_core::random::SplitMix64;
use mlops_data::profile::Profile;

const ROWS: usize = 336_776;

fn table() -> Table {
    let mut rng = SplitMix64::new(42);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("float", Arc::new(Float64Array::from_iter_values((0..ROWS).map(|_| rng.uniform())))),
        ("few", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| row as i64 % 31)))),
        ("zone", Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| ["EWR", "JFK", "LGA"][row % 3])))),
        ("tail", Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("N{}", row * 7919 % 4043))))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    Table::from_batch(batch).rebatch(8192).expect("a batch size above 0")
}

fn profile(c: &mut Criterion) {
    let table = table();
    let mut group = c.benchmark_group("profile");
    group.sample_size(10).throughput(Throughput::Elements((ROWS * 4) as u64));
    group.bench_function("all", |b| b.iter(|| Profile::of(black_box(&table)).expect("readable columns")));
    for name in ["float", "few", "zone", "tail"] {
        let column = table.select([name]).expect("a column");
        group.throughput(Throughput::Elements(ROWS as u64));
        group.bench_function(name, |b| b.iter(|| Profile::of(black_box(&column)).expect("readable columns")));
    }
    group.finish();
}

criterion_group!(benches, profile);
criterion_main!(benches);
