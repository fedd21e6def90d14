//! How fast the transformers learn and prepare: 100,000 rows in batches of 8,192, and one row alone.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampSecondArray};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mlops_core::random::SplitMix64;
use mlops_core::{CellReader, Pipeline, Role, Run, Table, Transformer, Value, col};
use mlops_data::transform::{DateParts, Derive, Impute, OneHot, Ordinal, StandardScaler, TargetEncoder};

const ROWS: usize = 100_000;

fn table() -> Table {
    let mut rng = SplitMix64::new(1);
    let number: Float64Array = (0..ROWS).map(|row| (row % 50 > 0).then(|| rng.uniform())).collect();
    let count: Int64Array = (0..ROWS).map(|_| Some(rng.below(20) as i64)).collect();
    let text: StringArray = (0..ROWS).map(|_| Some(format!("category {}", rng.below(500)))).collect();
    let time: TimestampSecondArray = (0..ROWS).map(|_| Some(rng.below(1 << 31) as i64)).collect();
    let target: Float64Array = (0..ROWS).map(|_| Some(rng.uniform())).collect();
    let columns: [(&str, ArrayRef); 5] = [
        ("number", Arc::new(number)),
        ("count", Arc::new(count)),
        ("text", Arc::new(text)),
        ("time", Arc::new(time)),
        ("target", Arc::new(target)),
    ];
    let batch = RecordBatch::try_from_iter(columns).and_then(|batch| batch.project(&[0, 1, 2, 3, 4]));
    let table = batch.map_err(mlops_core::Error::from).map(Table::from_batch);
    let table = table.and_then(|table| table.rebatch(8_192)?.with_role("target", Role::Target));
    table.unwrap_or_else(|error| panic!("the rows of the benchmark are no table: {error:?}"))
}

fn recipes() -> Vec<(&'static str, Box<dyn Transformer>)> {
    let pipeline = Pipeline::new()
        .then(Derive::column("ratio", col("number").div(col("count"))))
        .then(DateParts::of("time"))
        .then(Impute::mean(["number", "ratio"]))
        .then(StandardScaler::on(["number", "count"]))
        .then(TargetEncoder::on(["text"]));
    vec![
        ("impute_mean", Box::new(Impute::mean(["number"]))),
        ("impute_median", Box::new(Impute::median(["number"]))),
        ("standard_scaler", Box::new(StandardScaler::on(["number", "count"]))),
        ("one_hot_20", Box::new(OneHot::on(["count"]))),
        ("ordinal_500", Box::new(Ordinal::on(["text"]))),
        ("target_500", Box::new(TargetEncoder::on(["text"]))),
        ("date_parts", Box::new(DateParts::of("time"))),
        ("derive", Box::new(Derive::column("ratio", col("number").div(col("count"))))),
        ("pipeline", Box::new(pipeline)),
    ]
}

fn transformers(c: &mut Criterion) {
    let table = table();
    for (name, recipe) in recipes() {
        let fitted = recipe.fit(&table, &Run::default()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let mut group = c.benchmark_group(name);
        group.sample_size(20).throughput(Throughput::Elements(ROWS as u64));
        group.bench_function("fit", |b| b.iter(|| recipe.fit(black_box(&table), &Run::default())));
        group.throughput(Throughput::Elements(8_192));
        group.bench_function("batch", |b| {
            b.iter_batched(|| table.batches()[0].clone(), |batch| fitted.apply(batch), BatchSize::SmallInput);
        });
        group.throughput(Throughput::Elements(1));
        let rows = fitted.rows(table.schema()).ok().flatten();
        if let (Some(rows), Ok(reader)) = (rows, CellReader::new(&table.batches()[0])) {
            let cells: Vec<Value<'_>> = reader.row(1).collect();
            let mut output = Vec::new();
            group.bench_function("row", |b| {
                b.iter(|| {
                    output.clear();
                    rows.apply_row(black_box(&cells), &mut output)
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, transformers);
criterion_main!(benches);
