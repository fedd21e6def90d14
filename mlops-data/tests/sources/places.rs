//! Object stores, partitions, and formats told by name.

use std::fs::{self, File};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use mlops_core::{DataSource, DataSourceExt, ErrorKind, Scan, Table, col, lit};
use mlops_data::{
    ArrowIpc, ArrowIpcSink, Csv, CsvSink, JsonLines, JsonLinesSink, Parquet, ParquetSink, Place, SinkExt,
};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::{Dir, assert_error, types};

fn trips(start: i64) -> Table {
    let minutes = arrow::array::Int64Array::from_iter_values(start..start + 5);
    Table::from_batch(RecordBatch::try_from_iter([("minutes", Arc::new(minutes) as _)]).unwrap())
}

/// A directory by year and zone, local and in a store, in every format.
async fn lake(place: impl Fn(&str) -> Place) {
    for (i, directory) in
        ["year=2013/zone=north", "year=2013/zone=s%C3%BCd", "year=2014/zone=__HIVE_DEFAULT_PARTITION__"]
            .into_iter()
            .enumerate()
    {
        let (at, table) = (|ending: &str| place(&format!("{directory}/a.{ending}")), trips(10 * i as i64));
        CsvSink::at(at("csv")).write_table(&table).await.unwrap();
        ParquetSink::at(at("parquet")).write_table(&table).await.unwrap();
        JsonLinesSink::at(at("jsonl")).write_table(&table).await.unwrap();
        ArrowIpcSink::at(at("arrow")).write_table(&table).await.unwrap();
    }
    CsvSink::at(place("_logs/a.csv")).write_table(&trips(0)).await.unwrap();
}

async fn read_lake(place: impl Fn(&str) -> Place) {
    let sources: [Box<dyn DataSource>; 4] = [
        Box::new(Csv::at(place(""))),
        Box::new(Parquet::at(place(""))),
        Box::new(JsonLines::at(place("*/*/*.jsonl"))),
        Box::new(ArrowIpc::at(place("**/*.arrow"))),
    ];
    for source in sources {
        let table = source.read().await.unwrap();
        let names: Vec<_> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["minutes", "year", "zone"], "{}", source.name());
        assert_eq!(types(&table), [DataType::Int64, DataType::Int64, DataType::Utf8]);
        assert_eq!((table.num_rows(), table.column("zone").unwrap().null_count()), (15, 5));
        assert_eq!(table.column("zone").unwrap().as_string::<i32>().value(5), "süd");
        let scan =
            Scan::all().with_columns(["zone"]).with_filter(col("year").gt(lit(2013)).and(col("minutes").lt(lit(22))));
        assert_eq!(source.read_scan(scan).await.unwrap().num_rows(), 2, "{}", source.name());
        let none = Scan::all().with_filter(col("year").eq(lit(1999)));
        assert_eq!(source.read_scan(none).await.unwrap().num_rows(), 0);
    }
    let fixed = Csv::at(place("year=2013/*/*.csv")).read().await.unwrap();
    assert_eq!(fixed.schema().fields().len(), 2, "what is fixed of a path is no column");
    assert_eq!(fixed.num_rows(), 10);
}

#[tokio::test]
async fn directories_are_columns_in_every_format_and_place() {
    let dir = Dir::new();
    let local = |path: &str| Place::from(&dir.path("lake").join(path));
    lake(local).await;
    read_lake(local).await;
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let stored = |path: &str| Place::in_store(Arc::clone(&store), format!("lake/{path}"));
    lake(stored).await;
    read_lake(stored).await;
    let url = format!("file://{}", dir.path("lake/year=2014").display());
    assert_eq!(Parquet::at(url).read().await.unwrap().num_rows(), 5);
}

#[tokio::test]
async fn files_that_a_filter_rules_out_are_not_opened() {
    let dir = Dir::new();
    for year in [2013, 2014] {
        fs::create_dir_all(dir.path(&format!("year={year}"))).unwrap();
        dir.write(&format!("year={year}/a.jsonl"), "{\"a\": 1}\n");
    }
    let json = JsonLines::at(dir.0.path());
    json.schema().await.unwrap();
    // Of the same length and time, so that its types are still known.
    let path = dir.path("year=2013/a.jsonl");
    let modified = path.metadata().unwrap().modified().unwrap();
    dir.write("year=2013/a.jsonl", "{\"a\": x}\n");
    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    let late = Scan::all().with_filter(lit(2013).lt(col("year")));
    assert_eq!(json.read_scan(late).await.unwrap().num_rows(), 1);
    assert_error(json.read().await, ErrorKind::Data, &["year=2013", "line 1"]);
}

#[tokio::test]
async fn partitions_that_do_not_agree_are_errors() {
    let dir = Dir::new();
    for directory in ["year=2013", "month=1"] {
        fs::create_dir_all(dir.path(directory)).unwrap();
        dir.write(&format!("{directory}/a.csv"), "year\n1\n");
    }
    assert_error(Csv::at(dir.0.path()).read().await, ErrorKind::Schema, &["[year]", "[month]"]);
    fs::remove_dir_all(dir.path("month=1")).unwrap();
    assert_error(Csv::at(dir.0.path()).read().await, ErrorKind::Schema, &["'year'", "of the directories"]);
}

#[tokio::test]
async fn an_object_that_is_not_there_or_changes_is_an_error() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let place = Place::in_store(Arc::clone(&store), "a.parquet");
    assert_error(Parquet::at(place.clone()).read().await, ErrorKind::NotFound, &["a.parquet"]);
    let pattern = Place::in_store(Arc::clone(&store), "b/*.csv");
    assert_error(Csv::at(pattern).read().await, ErrorKind::NotFound, &["b/*.csv", "no file matches"]);
    ParquetSink::at(place.clone()).write_table(&trips(0)).await.unwrap();
    let whole = store.get(&"a.parquet".into()).await.unwrap().bytes().await.unwrap();
    store.put(&"a.parquet".into(), whole.slice(..whole.len() - 9).into()).await.unwrap();
    assert_error(Parquet::at(place).read().await, ErrorKind::Corrupt, &["a.parquet", "restore it"]);
}

#[tokio::test]
async fn stores_that_this_build_does_not_know_are_named() {
    assert_error(Csv::at("ftp://host/a.csv").read().await, ErrorKind::Unsupported, &["'ftp://'", "s3"]);
    #[cfg(not(feature = "gcs"))]
    assert_error(Csv::at("gs://bucket/a.csv").read().await, ErrorKind::Unsupported, &["feature 'gcs'"]);
}
