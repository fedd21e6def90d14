//! The sources.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::conformance::{Trial, data_source};
use mlops_core::{DataSource, Table};
use mlops_data::{Column, Csv, ExpectingExt, MemorySource, Parquet};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::rows::rows;

pub(crate) fn trials() -> Vec<Trial> {
    [memory(), csv(), parquet(), expecting()].into_iter().flatten().collect()
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
