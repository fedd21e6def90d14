//! Every source passes the suite that `mlops-core` has for sources.
#![cfg(all(feature = "csv", feature = "parquet"))]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use futures::future::BoxFuture;
use mlops_core::conformance::{Trial, data_source, run_all};
use mlops_core::random::SplitMix64;
use mlops_core::{DataSource, Result, Table};
use mlops_data::{Column, Csv, ExpectingExt, MemorySource, Parquet};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

fn block_on(trial: BoxFuture<'static, ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(trial);
}

/// Rows with a column of each type, and a null in about every tenth cell.
fn rows(seed: u64, count: usize) -> RecordBatch {
    let mut rng = SplitMix64::new(seed);
    let mut numbers = || (0..count).map(|_| (rng.below(10) > 0).then(|| rng.below(1000) as i64)).collect::<Vec<_>>();
    let ints = numbers();
    let floats: Vec<Option<f64>> = numbers().into_iter().map(|n| n.map(|n| n as f64 / 8.0)).collect();
    let flags: Vec<Option<bool>> = numbers().into_iter().map(|n| n.map(|n| n % 2 == 0)).collect();
    let texts: Vec<Option<String>> = numbers().into_iter().map(|n| n.map(|n| format!("t{n}, \"ü\"\nx"))).collect();
    let days: Vec<Option<i32>> = numbers().into_iter().map(|n| n.map(|n| 15_000 + n as i32)).collect();
    let times: Vec<Option<i64>> = numbers().into_iter().map(|n| n.map(|n| n * 3_600_000_000)).collect();
    let columns: [(&str, ArrayRef); 7] = [
        ("row", Arc::new(Int64Array::from_iter_values(0..count as i64))),
        ("int", Arc::new(Int64Array::from(ints))),
        ("float", Arc::new(Float64Array::from(floats))),
        ("flag", Arc::new(BooleanArray::from(flags))),
        ("text", Arc::new(StringArray::from(texts))),
        ("day", Arc::new(Date32Array::from(days))),
        ("time", Arc::new(TimestampMicrosecondArray::from(times))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
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

#[test]
fn memory() {
    let empty = rows(0, 0);
    run_all(data_source("memory_empty", move || memory_of(std::slice::from_ref(&empty))), block_on);
    let (one, other) = (rows(1, 130), rows(2, 70));
    run_all(data_source("memory", move || memory_of(&[one.clone(), other.clone()])), block_on);
}

fn memory_of(batches: &[RecordBatch]) -> Arc<dyn DataSource> {
    Arc::new(MemorySource::new(Table::new(batches[0].schema(), batches.to_vec()).unwrap()))
}

#[test]
fn csv() {
    let source = |path| -> Arc<dyn DataSource> { Arc::new(Csv::at(path)) };
    run_all(files("csv", "a.csv", &[("a.csv", 200)], write_csv, source), block_on);
    run_all(files("csv_without_rows", "a.csv", &[("a.csv", 0)], write_csv, source), block_on);
    let three = [("a.csv", 90), ("b.csv", 0), ("c.csv", 60)];
    run_all(files("csv_glob", "*.csv", &three, write_csv, source), block_on);
    let declared = |path| -> Arc<dyn DataSource> { Arc::new(Csv::at(path).with_schema(rows(0, 0).schema())) };
    run_all(files("csv_declared", "a.csv", &[("a.csv", 120)], write_csv, declared), block_on);
}

#[test]
fn parquet() {
    let source = |path| -> Arc<dyn DataSource> { Arc::new(Parquet::at(path)) };
    run_all(files("parquet", "a.parquet", &[("a.parquet", 220)], write_parquet, source), block_on);
    run_all(files("parquet_without_rows", "a.parquet", &[("a.parquet", 0)], write_parquet, source), block_on);
    let three = [("a.parquet", 90), ("b.parquet", 0), ("c.parquet", 60)];
    run_all(files("parquet_glob", "*.parquet", &three, write_parquet, source), block_on);
}

#[test]
fn expecting() {
    let batch = rows(3, 150);
    let make = move || -> Arc<dyn DataSource> {
        let expected = [
            Column::number("int").within(100.0..=900.0).never_null(),
            Column::text("text").unique(),
            Column::number("float").within(..=50.0).or_warn(),
        ];
        Arc::new(memory_of(&[batch.slice(0, 40), batch.slice(40, 110)]).expecting(expected))
    };
    run_all(data_source("expecting", make), block_on);
    let source =
        |path| -> Arc<dyn DataSource> { Arc::new(Csv::at(path).expecting([Column::number("int").never_null()])) };
    run_all(files("csv_expecting", "*.csv", &[("a.csv", 60), ("b.csv", 60)], write_csv, source), block_on);
}

/// The suite is no empty promise: sources that break one rule each are caught.
mod caught {
    use super::*;
    use arrow::datatypes::SchemaRef;
    use async_trait::async_trait;
    use futures::StreamExt;
    use mlops_core::{BatchStream, Scan};

    #[derive(Debug)]
    struct Broken(RecordBatch, fn(Scan) -> Scan);

    #[async_trait]
    impl DataSource for Broken {
        fn name(&self) -> String {
            "broken".to_owned()
        }

        async fn schema(&self) -> Result<SchemaRef> {
            Ok(self.0.schema())
        }

        async fn scan(&self, scan: Scan) -> Result<BatchStream> {
            let batches = futures::stream::iter([Ok(self.0.clone())]);
            (self.1)(scan).apply(&self.0.schema(), batches.boxed())
        }
    }

    fn failing(spoil: fn(Scan) -> Scan) -> Vec<String> {
        let batch = rows(5, 100);
        let trials = data_source("", move || Arc::new(Broken(batch.clone(), spoil)));
        let failed = |trial: Trial| {
            let name = trial.name().trim_start_matches("::").to_owned();
            let run = std::panic::AssertUnwindSafe(|| run_all(vec![trial], block_on));
            std::panic::catch_unwind(run).is_err().then_some(name)
        };
        trials.into_iter().filter_map(failed).collect()
    }

    fn changed(change: impl FnOnce(&mut Scan), mut scan: Scan) -> Scan {
        change(&mut scan);
        scan
    }

    #[test]
    fn a_source_that_ignores_a_part_of_the_scan() {
        assert_eq!(failing(|scan| scan), Vec::<String>::new());
        let failed = failing(|scan| changed(|scan| scan.filter = None, scan));
        assert!(failed.contains(&"gives_the_rows_that_pass_the_filter".to_owned()), "{failed:?}");
        let failed = failing(|scan| changed(|scan| scan.limit = None, scan));
        assert!(failed.contains(&"gives_the_first_rows_up_to_the_limit".to_owned()), "{failed:?}");
        let failed = failing(|scan| changed(|scan| scan.columns = None, scan));
        assert!(failed.contains(&"gives_the_selected_columns_in_their_order".to_owned()), "{failed:?}");
        let failed = failing(|scan| changed(|scan| scan.batch_size = 8192, scan));
        assert!(failed.contains(&"keeps_to_the_batch_size".to_owned()), "{failed:?}");
    }
}
