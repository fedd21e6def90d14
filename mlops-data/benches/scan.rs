//! How fast files become batches, and what checks cost on top.
//!
//! 200,000 rows of 8 columns, made once from a fixed seed, outside of the timer; the file is in the
//! page cache. Throughput is in bytes of the file, or rows of the table.

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mlops_core::random::SplitMix64;
use mlops_core::{DataSource, DataSourceExt, Scan, Table, col, lit};
use mlops_data::{Column, Csv, Expectations, Parquet};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const ROWS: usize = 200_000;

fn rows() -> RecordBatch {
    let mut rng = SplitMix64::new(42);
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for i in 0..3 {
        let ints = Int64Array::from_iter_values((0..ROWS).map(|_| rng.below(5000) as i64));
        columns.push((format!("int_{i}"), Arc::new(ints)));
        let floats = Float64Array::from_iter_values((0..ROWS).map(|_| (rng.uniform() * 1e6).round() / 1e3));
        columns.push((format!("float_{i}"), Arc::new(floats)));
    }
    for i in 0..2 {
        let texts = StringArray::from_iter_values((0..ROWS).map(|_| format!("N{:05}", rng.below(4000))));
        columns.push((format!("text_{i}"), Arc::new(texts)));
    }
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn read(runtime: &Runtime, source: &impl DataSource, scan: Scan) -> usize {
    runtime.block_on(source.read_scan(scan)).expect("a good file").num_rows()
}

fn csv(c: &mut Criterion, directory: &Path, batch: &RecordBatch, runtime: &Runtime) {
    let path = directory.join("rows.csv");
    arrow_csv::Writer::new(File::create(&path).expect("a new file")).write(batch).expect("rows that fit");
    let mut group = c.benchmark_group("csv");
    group.throughput(Throughput::Bytes(path.metadata().expect("it was written").len()));
    let declared = Csv::at(&path).with_schema(batch.schema());
    group.bench_function("read", |b| b.iter(|| read(runtime, &declared, Scan::all())));
    let one = Scan::all().with_columns(["int_0"]);
    group.bench_function("read_one_column", |b| b.iter(|| read(runtime, &declared, one.clone())));
    group.bench_function("infer", |b| b.iter(|| runtime.block_on(Csv::at(&path).schema()).expect("a good file")));
    group.finish();
}

fn parquet(c: &mut Criterion, directory: &Path, batch: &RecordBatch, runtime: &Runtime) {
    let path = directory.join("rows.parquet");
    let file = File::create(&path).expect("a new file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a schema that Parquet has");
    writer.write(batch).expect("rows that fit");
    writer.close().expect("a footer");
    let mut group = c.benchmark_group("parquet");
    group.throughput(Throughput::Elements(ROWS as u64));
    let source = Parquet::at(&path);
    group.bench_function("read", |b| b.iter(|| read(runtime, &source, Scan::all())));
    let filtered = Scan::all().with_columns(["float_0"]).with_filter(col("int_0").lt(lit(50)));
    group.bench_function("read_filtered", |b| b.iter(|| read(runtime, &source, filtered.clone())));
    group.finish();
}

fn expectations(c: &mut Criterion, batch: &RecordBatch) {
    let table = Table::from_batch(batch.clone()).rebatch(8192).expect("a batch size above 0");
    let number = |name: &str| Column::number(name).never_null().finite().within(0.0..=4990.0);
    let mut columns: Vec<Column> = ["int_0", "int_1", "int_2", "float_0", "float_1", "float_2"].map(number).into();
    let cheap = Expectations::new(columns.clone());
    columns.push(Column::text("text_0").never_null().matches("^N[0-9]{5}$").unique().or_warn());
    let all = Expectations::new(columns).row("ordered", col("int_0").lt_eq(col("int_1").add(lit(5000))));
    let mut group = c.benchmark_group("expectations");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("18_numeric_checks", |b| b.iter(|| black_box(cheap.check(&table).expect("it fits"))));
    group.bench_function("with_pattern_and_unique", |b| b.iter(|| black_box(all.check(&table).expect("it fits"))));
    group.finish();
}

fn scan(c: &mut Criterion) {
    let runtime = Builder::new_multi_thread().build().expect("threads");
    let directory = TempDir::new().expect("a directory for files");
    let batch = rows();
    csv(c, directory.path(), &batch, &runtime);
    parquet(c, directory.path(), &batch, &runtime);
    expectations(c, &batch);
}

criterion_group!(benches, scan);
criterion_main!(benches);
