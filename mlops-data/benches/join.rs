//! 336,776 flights joined with 26,115 hours of weather and 3,322 planes; 17,000 rows joined with 1,000 features.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use criterion::{Criterion, criterion_group, criterion_main};
use mlops_core::Table;
use mlops_core::random::SplitMix64;
use mlops_data::join::{AsOf, Join};

const FLIGHTS: usize = 336_776;
const HOURS: usize = 8_705;
const PLANES: usize = 3_322;
const HOUR: i64 = 3_600_000_000;
const ORIGINS: [&str; 3] = ["EWR", "JFK", "LGA"];

fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
    Table::from_batch(RecordBatch::try_from_iter(columns).expect("columns of one length"))
}

fn flights() -> Table {
    let mut rng = SplitMix64::new(1);
    let mut draw = |bound: usize| rng.below(bound as u64) as usize;
    let origin = StringArray::from_iter_values((0..FLIGHTS).map(|_| ORIGINS[draw(3)]));
    let tail = StringArray::from_iter_values((0..FLIGHTS).map(|_| format!("N{}", draw(PLANES + 700))));
    let time = TimestampMicrosecondArray::from_iter_values((0..FLIGHTS).map(|_| draw(HOURS) as i64 * HOUR + 7));
    table(vec![("origin", Arc::new(origin)), ("tailnum", Arc::new(tail)), ("time", Arc::new(time))])
}

fn weather() -> Table {
    let origin = StringArray::from_iter_values((0..3 * HOURS).map(|row| ORIGINS[row / HOURS]));
    let time = TimestampMicrosecondArray::from_iter_values((0..3 * HOURS).map(|row| (row % HOURS) as i64 * HOUR));
    let wind = Float64Array::from_iter_values((0..3 * HOURS).map(|row| row as f64));
    table(vec![("origin", Arc::new(origin)), ("time", Arc::new(time)), ("wind", Arc::new(wind))])
}

fn planes() -> Table {
    let tail = StringArray::from_iter_values((0..PLANES).map(|plane| format!("N{plane}")));
    let seats = Float64Array::from_iter_values((0..PLANES).map(|plane| (plane % 300) as f64));
    table(vec![("tailnum", Arc::new(tail)), ("seats", Arc::new(seats))])
}

fn join(c: &mut Criterion) {
    let (flights, weather, planes) = (flights(), weather(), planes());
    let batched = flights.rebatch(8192).expect("a batch size above 0");
    let mut group = c.benchmark_group("join");
    group.sample_size(10);
    let as_of = AsOf::latest(&weather, "time").by(["origin"]).with_gap(Duration::from_secs(3600));
    let by_tail = Join::left(&planes).on(["tailnum"]);
    for (name, flights) in [("one_batch", &flights), ("batches", &batched)] {
        group.bench_function(format!("as_of/{name}"), |b| {
            b.iter(|| as_of.apply(black_box(flights)).expect("columns that fit"));
        });
        group.bench_function(format!("left/{name}"), |b| {
            b.iter(|| by_tail.apply(black_box(flights)).expect("columns that fit"));
        });
    }
    group.finish();
}

/// 17,000 moments of 2,000 customers, with so many features.
fn moments(features: usize, seed: u64) -> Table {
    const ROWS: usize = 17_000;
    let mut rng = SplitMix64::new(seed);
    let customer = StringArray::from_iter_values((0..ROWS).map(|_| format!("c{}", rng.below(2_000))));
    let time = TimestampMicrosecondArray::from_iter_values((0..ROWS).map(|_| rng.below(8_760) as i64 * HOUR));
    let names: Vec<String> = (0..features).map(|i| format!("f{i}")).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![("customer", Arc::new(customer)), ("time", Arc::new(time))];
    columns.extend(names.iter().map(|name| {
        let feature = Float64Array::from_iter_values((0..ROWS).map(|_| rng.uniform()));
        (name.as_str(), Arc::new(feature) as ArrayRef)
    }));
    table(columns)
}

fn wide(c: &mut Criterion) {
    let (rows, features) = (moments(0, 1), moments(1_000, 2));
    let join = AsOf::latest(&features, "time").by(["customer"]);
    let mut group = c.benchmark_group("join");
    group.sample_size(10);
    group.bench_function("as_of/1000_features", |b| b.iter(|| join.apply(black_box(&rows)).expect("columns that fit")));
    group.finish();
}

criterion_group!(benches, join, wide);
criterion_main!(benches);
