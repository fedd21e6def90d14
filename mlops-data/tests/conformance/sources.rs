//! The sources.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::conformance::{Trial, data_source};
use mlops_core::{DataSource, Table};
use mlops_data::{
    ArrowIpc, ArrowIpcSink, Column, Csv, CsvSink, ExpectingExt, JsonLines, JsonLinesSink, MemorySource, Parquet,
    ParquetSink, Place, Sink, SinkExt,
};
use object_store::memory::InMemory;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::rows::rows;

pub(crate) fn trials() -> Vec<Trial> {
    [memory(), csv(), parquet(), arrow_ipc(), json_lines(), stores(), expecting()].into_iter().flatten().collect()
}

fn write_csv(path: &Path, batch: &RecordBatch) {
    arrow_csv::Writer::new(File::create(path).unwrap()).write(batch).unwrap();
}

fn write_parquet(path: &Path, batch: &RecordBatch) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(50)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// The trials of a source that reads `pattern` in a directory of files that `write` makes.
fn files(
    name: &str,
    pattern: &'static str,
    files: &[(&str, usize)],
    write: fn(&Path, &RecordBatch),
    source: fn(std::path::PathBuf) -> Arc<dyn DataSource>,
) -> Vec<Trial> {
    let directory = Arc::new(TempDir::new().unwrap());
    for (i, (file, count)) in files.iter().enumerate() {
        write(&directory.path().join(file), &rows(i as u64, *count));
    }
    data_source(name, move || source(directory.path().join(pattern)))
}

fn memory() -> Vec<Trial> {
    let empty = rows(0, 0);
    let (one, other) = (rows(1, 130), rows(2, 70));
    let of_none = data_source("memory_empty", move || memory_of(std::slice::from_ref(&empty)));
    let of_two = data_source("memory", move || memory_of(&[one.clone(), other.clone()]));
    [of_none, of_two].into_iter().flatten().collect()
}

fn memory_of(batches: &[RecordBatch]) -> Arc<dyn DataSource> {
    Arc::new(MemorySource::new(Table::new(batches[0].schema(), batches.to_vec()).unwrap()))
}

fn csv() -> Vec<Trial> {
    let source = |path| -> Arc<dyn DataSource> { Arc::new(Csv::at(path)) };
    let declared = |path| -> Arc<dyn DataSource> { Arc::new(Csv::at(path).with_schema(rows(0, 0).schema())) };
    let three = [("a.csv", 90), ("b.csv", 0), ("c.csv", 60)];
    let all = [
        files("csv", "a.csv", &[("a.csv", 200)], write_csv, source),
        files("csv_without_rows", "a.csv", &[("a.csv", 0)], write_csv, source),
        files("csv_glob", "*.csv", &three, write_csv, source),
        files("csv_declared", "a.csv", &[("a.csv", 120)], write_csv, declared),
    ];
    all.into_iter().flatten().collect()
}

fn parquet() -> Vec<Trial> {
    let source = |path| -> Arc<dyn DataSource> { Arc::new(Parquet::at(path)) };
    let three = [("a.parquet", 90), ("b.parquet", 0), ("c.parquet", 60)];
    let all = [
        files("parquet", "a.parquet", &[("a.parquet", 220)], write_parquet, source),
        files("parquet_without_rows", "a.parquet", &[("a.parquet", 0)], write_parquet, source),
        files("parquet_glob", "*.parquet", &three, write_parquet, source),
    ];
    all.into_iter().flatten().collect()
}

fn write_with(sink: &impl Sink, batch: &RecordBatch) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(sink.write_table(&Table::from_batch(batch.clone()))).unwrap();
}

fn arrow_ipc() -> Vec<Trial> {
    let source = |path| -> Arc<dyn DataSource> { Arc::new(ArrowIpc::at(path)) };
    let write: fn(&Path, &RecordBatch) = |path, batch| write_with(&ArrowIpcSink::at(path), batch);
    let three = [("a.arrow", 90), ("b.arrow", 0), ("c.arrow", 60)];
    let all = [
        files("ipc", "a.arrow", &[("a.arrow", 220)], write, source),
        files("ipc_without_rows", "a.arrow", &[("a.arrow", 0)], write, source),
        files("ipc_directory", "", &three, write, source),
    ];
    all.into_iter().flatten().collect()
}

fn json_lines() -> Vec<Trial> {
    let source = |path| -> Arc<dyn DataSource> { Arc::new(JsonLines::at(path)) };
    let declared = |path| -> Arc<dyn DataSource> { Arc::new(JsonLines::at(path).with_schema(rows(0, 0).schema())) };
    let write: fn(&Path, &RecordBatch) = |path, batch| write_with(&JsonLinesSink::at(path), batch);
    let three = [("a.jsonl", 90), ("b.jsonl", 0), ("c.jsonl", 60)];
    let all = [
        files("json", "a.jsonl", &[("a.jsonl", 220)], write, source),
        files("json_glob", "*.jsonl", &three, write, source),
        files("json_declared", "a.jsonl", &[("a.jsonl", 120)], write, declared),
    ];
    all.into_iter().flatten().collect()
}

/// A partitioned directory of an object store, in every format.
fn stores() -> Vec<Trial> {
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    for (year, count) in [(2013, 90), (2014, 0), (2015, 60)] {
        let place = |ending: &str| Place::in_store(Arc::clone(&store), format!("lake/year={year}/a.{ending}"));
        let batch = rows(year, count);
        write_with(&CsvSink::at(place("csv")), &batch);
        write_with(&ParquetSink::at(place("parquet")).with_row_group_rows(25), &batch);
        write_with(&ArrowIpcSink::at(place("arrow")), &batch);
        write_with(&JsonLinesSink::at(place("jsonl")), &batch);
    }
    let place = Place::in_store(store, "lake");
    let of = |make: fn(Place) -> Arc<dyn DataSource>| {
        let place = place.clone();
        move || make(place.clone())
    };
    let all = [
        data_source("stored_csv", of(|place| Arc::new(Csv::at(place)))),
        data_source("stored_parquet", of(|place| Arc::new(Parquet::at(place)))),
        data_source("stored_ipc", of(|place| Arc::new(ArrowIpc::at(place)))),
        data_source("stored_json", of(|place| Arc::new(JsonLines::at(place)))),
    ];
    all.into_iter().flatten().collect()
}

fn expecting() -> Vec<Trial> {
    let batch = rows(3, 150);
    let make = move || -> Arc<dyn DataSource> {
        let expected = [
            Column::number("int").within(100.0..=900.0).never_null(),
            Column::text("text").unique(),
            Column::number("float").within(..=50.0).or_warn(),
        ];
        Arc::new(memory_of(&[batch.slice(0, 40), batch.slice(40, 110)]).expecting(expected))
    };
    let source =
        |path| -> Arc<dyn DataSource> { Arc::new(Csv::at(path).expecting([Column::number("int").never_null()])) };
    let of_files = files("csv_expecting", "*.csv", &[("a.csv", 60), ("b.csv", 60)], write_csv, source);
    data_source("expecting", make).into_iter().chain(of_files).collect()
}
