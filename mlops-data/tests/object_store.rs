//! File sources and sinks on a real S3 server: `tests/services run s3 -- cargo test …`.
#![cfg(all(feature = "csv", feature = "ipc", feature = "json", feature = "parquet", feature = "s3"))]

#[path = "common/formats.rs"]
mod common;
#[path = "common/way.rs"]
mod way;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, Schema};
use common::{formats, rows};
use futures::future::join_all;
use futures::stream::iter;
use futures::{StreamExt, TryStreamExt};
use mlops_core::conformance::{data_source, run_all, service};
use mlops_core::{DataSource, DataSourceExt, Error, ErrorKind, Scan, Table, col, lit};
use mlops_data::sink::IpcFormat;
use mlops_data::{
    ArrowIpc, ArrowIpcSink, Csv, CsvSink, JsonLines, JsonLinesSink, Parquet, ParquetSink, Place, Sink, SinkExt,
};
use object_store::aws::AmazonS3Builder;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use way::{Cut, Way};

/// The bucket for tests; the rest is in the usual `AWS_…` variables.
fn bucket() -> Option<String> {
    service("MLOPS_TEST_S3", "tests/services run s3 -- cargo test")
}

/// Whether what answers is a stand-in, which takes any credentials and knows fewer conditions.
fn is_moto() -> bool {
    std::env::var("MLOPS_TEST_S3_SERVER").is_ok_and(|server| server == "moto")
}

/// A directory of the bucket that nobody else uses.
fn folder(bucket: &str, name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{bucket}/data-{}/{name} {}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The names of all objects in a directory, hidden ones too.
async fn objects(bucket: &str, folder: &str) -> Vec<String> {
    let store = AmazonS3Builder::from_env().with_url(bucket).build().unwrap();
    let prefix = object_store::path::Path::from(folder.strip_prefix(bucket).unwrap().trim_start_matches('/'));
    let objects: Vec<_> = store.list(Some(&prefix)).try_collect().await.unwrap();
    let name = |path: &object_store::path::Path| {
        path.prefix_match(&prefix).map(|rest| rest.map(|p| p.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
    };
    let mut names: Vec<String> = objects.iter().filter_map(|object| name(&object.location)).collect();
    names.sort();
    names
}

fn table(seed: u64, count: usize) -> Table {
    Table::from_batch(rows(seed, count))
}

/// Numbers that go on, half a MiB in each batch.
fn numbers(batches: i64) -> Table {
    const BATCH: i64 = 65_536;
    let batch = |i: i64| {
        let column = Int64Array::from_iter_values(i * BATCH..(i + 1) * BATCH);
        RecordBatch::try_from_iter([("n", Arc::new(column) as _)]).unwrap()
    };
    Table::new(batch(0).schema(), (0..batches).map(batch).collect::<Vec<_>>()).unwrap()
}

fn without_secret(error: &Error) {
    let shown = format!("{error}\n{error:?}");
    for secret in ["mlops-test-secret", "hunter2"] {
        assert!(!shown.contains(secret), "a secret is in {shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_comes_back() {
    let Some(bucket) = bucket() else { return };
    let folder = folder(&bucket, "round trip");
    for (name, sink, source) in formats() {
        let (place, table) = (Place::from(format!("{folder}/deep/a.{name}")), table(1, 377));
        let written = sink(place.clone()).write_table(&table).await.unwrap();
        assert_eq!(written.rows, 377, "{name}");
        let back = source(place.clone(), Arc::clone(table.schema())).read().await.unwrap();
        assert_eq!(back.to_batch().unwrap(), table.to_batch().unwrap(), "{name}");

        let taken = sink(place).write_table(&table).await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::Conflict, "{name}: {taken}");
        assert!(taken.to_string().contains("with_overwrite(true)"), "{taken}");
    }
    assert_eq!(objects(&bucket, &folder).await.len(), formats().len());
    let (shorter, place) = (table(2, 5), format!("{folder}/deep/a.parquet"));
    ParquetSink::at(&place).with_overwrite(true).write_table(&shorter).await.unwrap();
    assert_eq!(Parquet::at(&place).read().await.unwrap().to_batch().unwrap(), shorter.to_batch().unwrap());
}

#[test]
fn passes_the_suite() {
    let Some(bucket) = bucket() else { return };
    let folder = folder(&bucket, "suite");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        for (part, seed) in [("a", 1), ("b", 2)] {
            let table = table(seed, 90);
            ParquetSink::at(format!("{folder}/{part}.parquet"))
                .with_row_group_rows(40)
                .write_table(&table)
                .await
                .unwrap();
            JsonLinesSink::at(format!("{folder}/{part}.jsonl")).write_table(&table).await.unwrap();
        }
    });
    let (parquet, json) = (format!("{folder}/*.parquet"), folder);
    let suites = [
        data_source("s3_parquet", move || Arc::new(Parquet::at(&parquet)) as Arc<dyn DataSource>),
        data_source("s3_json", move || Arc::new(JsonLines::at(&json)) as Arc<dyn DataSource>),
    ];
    run_all(suites.into_iter().flatten().collect(), |trial| runtime.block_on(trial));
}

#[tokio::test]
async fn patterns_and_partitions_are_looked_for() {
    let Some(bucket) = bucket() else { return };
    let folder = folder(&bucket, "lake");
    let flights = |year: i32| format!("{folder}/flights/year={year}");
    for (place, count) in [
        (format!("{}/a.csv", flights(2013)), 10),
        (format!("{}/b.csv", flights(2013)), 20),
        (format!("{}/a.csv", flights(2014)), 30),
        (format!("{folder}/flights-old/year=2012/a.csv"), 1),
        (format!("{folder}/flights/_log/a.csv"), 2),
    ] {
        CsvSink::at(place).write_table(&table(1, count)).await.unwrap();
    }
    let all = Csv::at(format!("{folder}/flights"));
    let of_2014 = Scan::all().with_filter(col("year").eq(lit(2014)));
    assert_eq!(all.read().await.unwrap().num_rows(), 60);
    let kept = all.read_scan(of_2014).await.unwrap();
    assert_eq!((kept.num_rows(), kept.schema().field(7).name().as_str()), (30, "year"));
    assert_eq!(Csv::at(format!("{folder}/flights/y*/a.csv")).read().await.unwrap().num_rows(), 40);
    assert_eq!(Csv::at(format!("{folder}/flights*/year=*/a.csv")).read().await.unwrap().num_rows(), 41);
    for nothing in ["flights/*.csv", "flight", "flights/year=2015"] {
        let error = Csv::at(format!("{folder}/{nothing}")).read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(nothing) && error.to_string().contains("check the path"), "{error}");
    }
}

/// A small object is put if absent; a large one, of parts, is copied if absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_one_wins() {
    let Some(bucket) = bucket() else { return };
    for (size, tables) in [("small", [table(1, 100), table(2, 200)]), ("large", [numbers(40), numbers(30)])] {
        if size == "large" && is_moto() {
            continue;
        }
        for round in 0..4 {
            let folder = folder(&bucket, size);
            let place = format!("{folder}/{round}.arrow");
            let results = join_all(tables.iter().map(|table| {
                let sink = ArrowIpcSink::at(&place);
                async move { sink.write_table(table).await }
            }))
            .await;
            let won: Vec<u64> = results.iter().flatten().map(|written| written.rows).collect();
            assert_eq!(won.len(), 1, "{size}: {results:?}");
            let lost = results.iter().find_map(|result| result.as_ref().err()).unwrap();
            assert_eq!((lost.kind(), lost.is_retryable()), (ErrorKind::Conflict, false), "{lost}");
            assert_eq!(ArrowIpc::at(&place).read().await.unwrap().num_rows() as u64, won[0]);
            assert_eq!(objects(&bucket, &folder).await, [format!("{round}.arrow")], "the loser left something");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_or_a_drop_leaves_nothing() {
    let Some(bucket) = bucket() else { return };
    let folder = folder(&bucket, "torn");
    for (name, table) in [("small", table(1, 500)), ("large", numbers(30))] {
        let sink = ArrowIpcSink::at(format!("{folder}/{name}.arrow"));
        let given = || iter(table.batches().to_vec()).map(Ok);
        let torn = given().chain(iter([Err(Error::data("row 501 is wrong"))])).boxed();
        let error = sink.write(Arc::clone(table.schema()), torn).await.unwrap_err();
        assert!(error.to_string().contains("row 501 is wrong"), "{error}");
        let endless = given().chain(futures::stream::pending()).boxed();
        let write = sink.write(Arc::clone(table.schema()), endless);
        assert!(tokio::time::timeout(Duration::from_millis(500), write).await.is_err());
    }
    // A dropped writer notices on its own thread.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(objects(&bucket, &folder).await, Vec::<String>::new());
}

#[tokio::test]
async fn wrong_credentials_are_denied_and_kept_secret() {
    let Some(bucket) = bucket() else { return };
    if is_moto() {
        return drop(std::io::Write::write_all(&mut std::io::stderr(), b"skipped: moto takes any credentials\n"));
    }
    let folder = folder(&bucket, "denied");
    let place = format!("{folder}/a.parquet");
    ParquetSink::at(&place).write_table(&table(1, 10)).await.unwrap();
    for (key, value) in [("aws_secret_access_key", "hunter2"), ("aws_access_key_id", "nobody")] {
        let wrong = |path: &str| Place::from(path).with_option(key, value);
        let errors = [
            Parquet::at(wrong(&place)).read().await.unwrap_err(),
            Parquet::at(wrong(&format!("{folder}/*.parquet"))).schema().await.unwrap_err(),
            Parquet::at(wrong(&format!("{folder}/"))).read().await.unwrap_err(),
            ParquetSink::at(wrong(&format!("{folder}/b.parquet"))).write_table(&table(1, 10)).await.unwrap_err(),
            ParquetSink::at(wrong(&place)).with_overwrite(true).write_table(&table(1, 10)).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Denied, false), "{error}");
            assert!(error.to_string().contains("check the credentials"), "{error}");
            without_secret(&error);
        }
    }
    assert_eq!(Parquet::at(&place).read().await.unwrap().num_rows(), 10);
    assert_eq!(objects(&bucket, &folder).await, ["a.parquet"]);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let Some(_) = bucket() else { return };
    let errors = [
        Parquet::at("s3://no-such-bucket-here/a.parquet").read().await.unwrap_err(),
        Parquet::at("s3://no-such-bucket-here/lake/*.parquet").read().await.unwrap_err(),
        ParquetSink::at("s3://no-such-bucket-here/a.parquet").write_table(&table(1, 10)).await.unwrap_err(),
        ArrowIpcSink::at("s3://no-such-bucket-here/a.arrow").write_table(&numbers(100)).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::NotFound, false), "{error}");
        assert!(error.to_string().contains("no-such-bucket-here"), "{error}");
        without_secret(&error);
    }
}

/// The bucket by a way that can be cut, tried again twice at the most.
fn store_by(way: &Way, bucket: &str) -> Arc<dyn ObjectStore> {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(10),
        max_backoff: Duration::from_millis(50),
        ..BackoffConfig::default()
    };
    let retry = RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(10) };
    let store = AmazonS3Builder::from_env().with_url(bucket).with_endpoint(way.url()).with_retry(retry);
    Arc::new(store.build().unwrap())
}

/// A large object in the bucket; its key.
async fn large_object(bucket: &str, name: &str, format: IpcFormat) -> String {
    let place = format!("{}/a.arrow", folder(bucket, name));
    ArrowIpcSink::at(&place).with_format(format).write_table(&numbers(100)).await.unwrap();
    place.strip_prefix(bucket).unwrap().to_owned()
}

fn sum(batch: &RecordBatch) -> i64 {
    batch.column(0).as_primitive::<Int64Type>().values().iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_stream_reads_no_further() {
    let Some(bucket) = bucket() else { return };
    for format in [IpcFormat::Stream, IpcFormat::File] {
        let key = large_object(&bucket, "dropped", format).await;
        let way = Way::to_s3(Cut::Never);
        let source = ArrowIpc::at(Place::in_store(store_by(&way, &bucket), key));
        let mut batches = source.scan(Scan::all()).await.unwrap();
        assert!(batches.next().await.unwrap().unwrap().num_rows() > 0);
        drop(batches);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let came = way.came_back();
        tokio::time::sleep(Duration::from_millis(300)).await;
        // What the buffers of two connections hold is on its way.
        assert!(came < 30 << 20, "{format:?}: {came} bytes of 52 MB");
        assert_eq!(way.came_back(), came, "{format:?}: the object is still read");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_is_made_again() {
    let Some(bucket) = bucket() else { return };
    for format in [IpcFormat::Stream, IpcFormat::File] {
        let key = large_object(&bucket, "broken", format).await;
        let way = Way::to_s3(Cut::Once { after: 20 << 20 });
        let read = ArrowIpc::at(Place::in_store(store_by(&way, &bucket), key)).read().await.unwrap();
        assert_eq!(read.to_batch().unwrap(), numbers(100).to_batch().unwrap(), "{format:?}");
        assert_eq!(way.cuts(), 1, "{format:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_is_an_error_after_the_rows_before_it() {
    let Some(bucket) = bucket() else { return };
    for format in [IpcFormat::Stream, IpcFormat::File] {
        let key = large_object(&bucket, "gone", format).await;
        let way = Way::to_s3(Cut::ForGood { after: 20 << 20 });
        let source = ArrowIpc::at(Place::in_store(store_by(&way, &bucket), key));
        let mut batches = source.scan(Scan::all().with_batch_size(65_536)).await.unwrap();
        let mut whole = numbers(100).batches().to_vec().into_iter().map(|batch| sum(&batch));
        let error = loop {
            match batches.next().await {
                Some(Ok(batch)) => assert_eq!(Some(sum(&batch)), whole.next(), "{format:?}"),
                Some(Err(error)) => break error,
                None => panic!("{format:?}: the rows that are missing were not missed"),
            }
        };
        assert!(whole.len() > 0 && whole.len() < 100, "{format:?}: {} batches were not read", whole.len());
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error}");
        assert!(error.to_string().contains("a.arrow") && error.to_string().contains("try again"), "{error}");
        assert!(batches.next().await.is_none(), "{format:?}: nothing comes after an error");
        without_secret(&error);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_replaced_while_it_is_read_is_an_error() {
    let Some(bucket) = bucket() else { return };
    let place = format!("{}/a.parquet", folder(&bucket, "replaced"));
    let sink = ParquetSink::at(&place).with_row_group_rows(65_536).with_overwrite(true);
    sink.write_table(&numbers(100)).await.unwrap();
    let mut batches = Parquet::at(&place).scan(Scan::all().with_batch_size(65_536)).await.unwrap();
    assert_eq!(batches.next().await.unwrap().unwrap().num_rows(), 65_536);
    sink.write_table(&numbers(90)).await.unwrap();
    let error = batches.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.to_string().contains("it changed in between: start anew"), "{error}");
}

#[tokio::test]
async fn an_object_without_rows_has_columns() {
    let Some(bucket) = bucket() else { return };
    let folder = folder(&bucket, "empty");
    let empty = Table::new(rows(0, 0).schema(), []).unwrap();
    for name in ["a.parquet", "a.arrow"] {
        let place = Place::from(format!("{folder}/{name}"));
        mlops_data::sink::open(place.clone(), false).unwrap().write_table(&empty).await.unwrap();
        let back = mlops_data::source::open(place).unwrap().read().await.unwrap();
        assert_eq!((back.num_rows(), back.schema().fields()), (0, empty.schema().fields()));
    }
    let none: Arc<Schema> = Arc::new(Schema::empty());
    assert!(ParquetSink::at(format!("{folder}/b.parquet")).write(none, iter([]).boxed()).await.is_ok());
}
