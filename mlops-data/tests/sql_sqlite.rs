//! Tables and queries of SQLite, in files and in memory.
#![cfg(feature = "sqlite")]

#[path = "common/sql.rs"]
mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, Decimal128Array, Float64Array, RecordBatch, TimestampNanosecondArray};
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use common::{block_on, check_sink, rows};
use futures::{FutureExt, StreamExt, TryStreamExt};
use mlops_core::conformance::{data_source, run_all};
use mlops_core::{DataSource, DataSourceExt, ErrorKind, Scan, Table, col, lit};
use mlops_data::{MemorySource, SinkExt, SqlDatabase, SqlSink, SqlSource, sink, source};
use tempfile::TempDir;

fn types_db() -> String {
    format!("sqlite:{}", PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/sqlite/types.db").display())
}

async fn memory() -> SqlDatabase {
    SqlDatabase::connect("sqlite::memory:").await.unwrap()
}

fn conformance(name: &'static str, url: String, rows_of: RecordBatch) {
    block_on(
        async move {
            let database = SqlDatabase::connect(&url).await.unwrap();
            SqlSink::create(&database, "t").write_table(&Table::from_batch(rows_of)).await.unwrap();
            let source = SqlSource::table(&database, "t").with_order(["row"]);
            let query = "SELECT * FROM t WHERE \"row\" >= $1 ORDER BY \"row\"";
            let query = SqlSource::query(&database, query).with_parameter(3);
            let trials = move || {
                let (source, query) = (source.clone(), query.clone());
                let mut trials = data_source(name, move || Arc::new(source.clone()));
                trials.extend(data_source("query", move || Arc::new(query.clone())));
                trials
            };
            tokio::task::spawn_blocking(move || run_all(trials(), block_on)).await.unwrap();
        }
        .boxed(),
    );
}

#[test]
fn passes_the_suite() {
    conformance("sqlite_memory", "sqlite::memory:".into(), rows(1, 200));
    conformance("sqlite_memory_empty", "sqlite::memory:".into(), rows(1, 0));
    let directory = TempDir::new().unwrap();
    let url = format!("sqlite:{}?mode=rwc", directory.path().join("a b.db").display());
    conformance("sqlite_file", url, rows(2, 150));
}

#[tokio::test]
async fn writes_all_or_nothing() {
    check_sink(&memory().await).await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sink.db");
    check_sink(&SqlDatabase::connect(&format!("sqlite:{}?mode=rwc", path.display())).await.unwrap()).await;
}

#[tokio::test]
async fn reads_what_python_wrote() {
    let database = SqlDatabase::connect(&types_db()).await.unwrap();
    let table = SqlSource::table(&database, "Mixed \"case\"").with_order(["small"]).read().await.unwrap();
    let types: Vec<_> = table.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let clock = DataType::Time64(TimeUnit::Microsecond);
    use DataType as D;
    let expected = [
        D::Int64,
        D::Int64,
        D::Float64,
        D::Float64,
        D::Utf8,
        D::Binary,
        D::Boolean,
        D::Date32,
        time,
        clock,
        D::Float64,
    ];
    assert_eq!(types, expected);
    let batch = table.to_batch().unwrap();
    // Nulls come first, then -5, then 7.
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[2, i64::MIN, 1]);
    assert!(batch.columns()[1..].iter().all(|column| column.is_null(0) && column.null_count() == 1));
    let floats = |column: usize| batch.column(column).as_primitive::<Float64Type>().clone();
    assert_eq!(floats(2), Float64Array::from(vec![None, Some(2_f64.powi(60)), Some(0.1)]));
    assert_eq!(floats(3), Float64Array::from(vec![None, Some(3.0), Some(12.5)]));
    assert_eq!(floats(10), Float64Array::from(vec![None, Some(2.5), Some(1.0)]));
    assert_eq!(batch.column(4).as_string::<i32>().value(2), "Zoë 'Z'\n");
    assert_eq!(batch.column(4).as_string::<i32>().value(1), "");
    assert_eq!(batch.column(5).as_binary::<i32>().value(2), b"\x00\xff");
    assert_eq!(batch.column(5).as_binary::<i32>().value(1), b"");
    assert!(!batch.column(6).as_boolean().value(1) && batch.column(6).as_boolean().value(2));
    assert_eq!(batch.column(7).as_primitive::<Date32Type>().values()[1..], [-1, 15_736]);
    let times = batch.column(8).as_primitive::<TimestampMicrosecondType>();
    assert_eq!(times.values()[1..], [1_456_790_399_000_000, 1_359_609_420_250_000]);
    let clocks = batch.column(9).as_primitive::<Time64MicrosecondType>();
    assert_eq!(clocks.values()[1..], [86_399_500_000, 19_020_000_000]);
}

#[tokio::test]
async fn a_cell_that_does_not_fit_is_named() {
    let database = SqlDatabase::connect(&types_db()).await.unwrap();
    let bad = |column: &'static str| SqlSource::query(&database, format!("SELECT id, {column} FROM bad ORDER BY id"));
    let error = bad("n").read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let shown = error.to_string();
    for part in ["the text 'many'", "an integer", "CAST", "column: n", "row: 2"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let shown = bad("day").read().await.unwrap_err().to_string();
    assert!(shown.contains("31.1.2013") && shown.contains("row: 2"), "{shown}");
    let error = bad("mixed").read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert!(error.to_string().contains("integers and texts") && error.to_string().contains("column: mixed"), "{error}");
    let cast = bad("CAST(mixed AS TEXT) AS mixed").read().await.unwrap();
    assert_eq!(cast.to_batch().unwrap().column(1).as_string::<i32>().value(2), "2");

    // The database leaves out what the filter rules out: the bad cell is never seen.
    let good = Scan::all().with_filter(col("id").not_eq(lit(2)).and(col("n").add(lit(0)).gt(lit(2))));
    assert_eq!(bad("n").read_scan(good).await.unwrap().num_rows(), 1);
    let first = Scan::all().with_limit(1);
    assert_eq!(bad("n").read_scan(first).await.unwrap().num_rows(), 1);
}

#[tokio::test]
async fn what_is_computed_has_the_type_of_its_cells() {
    let database = memory().await;
    let of = |sql: &str| SqlSource::query(&database, sql.to_owned());
    let every = of("SELECT 1 AS i, 1.5 AS f, 'a' AS t, x'00' AS b, NULL AS n, $1 AS p").with_parameter("x");
    let schema = every.schema().await.unwrap();
    let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
    use DataType as D;
    assert_eq!(types, [D::Int64, D::Float64, D::Utf8, D::Binary, D::Utf8, D::Utf8]);
    let day = of("SELECT '2013-01-31' AS day").with_type("day", DataType::Date32).read().await.unwrap();
    assert_eq!(day.to_batch().unwrap().column(0).as_primitive::<Date32Type>().value(0), 15_736);
    let error = of("SELECT 'today' AS day").with_type("day", DataType::Date32).read().await.unwrap_err();
    assert!(error.to_string().contains("column: day"), "{error}");
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let kind = |error: mlops_core::Error, words: &str| {
        assert!(error.to_string().contains(words), "{error}");
        error.kind()
    };
    let directory = TempDir::new().unwrap();
    let missing = format!("sqlite:{}", directory.path().join("missing.db").display());
    assert_eq!(kind(SqlDatabase::connect(&missing).await.unwrap_err(), "mode=rwc"), ErrorKind::NotFound);
    std::fs::write(directory.path().join("text.db"), "not a database, but long enough to be taken for a header of one")
        .unwrap();
    let text = format!("sqlite:{}", directory.path().join("text.db").display());
    assert_eq!(kind(SqlDatabase::connect(&text).await.unwrap_err(), "restore"), ErrorKind::Corrupt);
    let folder = format!("sqlite:{}", directory.path().display());
    assert_eq!(kind(SqlDatabase::connect(&folder).await.unwrap_err(), "directory"), ErrorKind::Config);
    assert_eq!(kind(SqlDatabase::connect("flights.db").await.unwrap_err(), "sqlite:"), ErrorKind::Config);

    let database = memory().await;
    let of = |sql: &str| SqlSource::query(&database, sql.to_owned());
    let error = SqlSource::table(&database, "nowhere").read().await.unwrap_err();
    assert_eq!(kind(error, "nowhere"), ErrorKind::NotFound);
    let error = of("SELECT missing").read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema, "{error:?}");
    assert_eq!(kind(of("SELEKT 1").read().await.unwrap_err(), "syntax error"), ErrorKind::Config);
    assert_eq!(kind(of("SELECT $1 AS a").read().await.unwrap_err(), "1 parameters, and 0"), ErrorKind::Config);
    let writing = of("DELETE FROM t RETURNING *").read().await.unwrap_err();
    assert_eq!(writing.kind(), ErrorKind::Config, "{writing}");
    assert_eq!(kind(of("SELECT 1 AS a").in_schema("s").read().await.unwrap_err(), "schemas"), ErrorKind::Config);
    let table = SqlSource::table(&database, "t").with_parameter(1);
    assert_eq!(kind(table.read().await.unwrap_err(), "filter the scan"), ErrorKind::Config);
    let unknown = of("SELECT 1 AS a").with_order(["b"]).read().await.unwrap_err();
    assert_eq!(kind(unknown, "'b'"), ErrorKind::Schema);
}

#[tokio::test]
async fn a_loss_is_refused() {
    let database = memory().await;
    let nan = Table::from_batch(arrow::array::record_batch!(("x", Float64, [1.0, f64::NAN])).unwrap());
    let error = SqlSink::create(&database, "nan").write_table(&nan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    let time: Arc<dyn Array> = Arc::new(TimestampNanosecondArray::from(vec![1_000, 1_001]));
    let times = Table::from_batch(RecordBatch::try_from_iter([("t", time)]).unwrap());
    let error = SqlSink::create(&database, "times").write_table(&times).await.unwrap_err();
    assert!(error.to_string().contains("nanoseconds") && error.to_string().contains("row of the batch: 2"), "{error}");
    let decimal: Arc<dyn Array> = Arc::new(Decimal128Array::from(vec![1]));
    let decimals = Table::from_batch(RecordBatch::try_from_iter([("d", decimal)]).unwrap());
    let error = SqlSink::create(&database, "decimals").write_table(&decimals).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn a_url_names_a_table() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("trips.db");
    let (url, made) = (format!("sqlite:{}#trips", file.display()), format!("sqlite:{}?mode=rwc#trips", file.display()));
    let all = MemorySource::new(Table::from_batch(rows(1, 50)));
    let missing = source::open(&url).unwrap().read().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");

    let written = sink::open(&made, false).unwrap().write_scan(&all, Scan::all().with_limit(30)).await.unwrap();
    assert_eq!(written.rows, 30);
    assert_eq!(source::open(&url).unwrap().read().await.unwrap().to_batch().unwrap(), rows(1, 50).slice(0, 30));
    let taken = sink::open(&url, false).unwrap().write_scan(&all, Scan::all()).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Conflict, "{taken}");
    let replacing = sink::open(&url, true).unwrap();
    replacing.write_scan(&all, Scan::all()).await.unwrap();
    assert_eq!(
        source::open(format!("sqlite:{}#main.trips", file.display())).unwrap().read().await.unwrap().num_rows(),
        50
    );
    assert!(replacing.name().starts_with("trips of sqlite:"), "{}", replacing.name());

    for (url, remedy) in [
        ("sqlite:trips.db", "behind a '#'"),
        ("postgres://me:hunter2@host/database", "behind a '#'"),
        ("sqlite::memory:#trips", "SqlDatabase::connect"),
    ] {
        for error in [sink::open(url, false).unwrap_err(), source::open(url).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains(remedy) && !format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
    let no_file = mlops_data::Csv::at("postgres://me:hunter2@host/a.csv").read().await.unwrap_err();
    assert!(!format!("{no_file:?}").contains("hunter2"), "{no_file:?}");
}

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) ";

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_stops_the_work() {
    let directory = TempDir::new().unwrap();
    let url = format!("sqlite:{}?mode=rwc", directory.path().join("slow.db").display());
    let database = SqlDatabase::connect(&url).await.unwrap();
    let slow = SqlSource::query(&database, format!("{ENDLESS} SELECT i FROM n WHERE i = $1")).with_parameter(i64::MAX);
    // Types are declared, so that nothing is computed before rows are asked for.
    SqlSink::create(&database, "t").write_table(&Table::from_batch(rows(1, 10))).await.unwrap();
    let endless = format!("SELECT \"row\" FROM t WHERE \"row\" = ({ENDLESS} SELECT count(*) FROM n)");
    let endless = SqlSource::query(&database, endless).with_parameter(i64::MAX);
    drop(slow);
    let mut stream = endless.scan(Scan::all()).await.unwrap();
    assert!(stream.next().now_or_never().is_none(), "there is no first row");
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    let burnt = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields.get(11).and_then(|ticks| ticks.parse::<u64>().ok())
    };
    // The thread that computes comes to rest: two looks with the same ticks between them.
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let before = burnt();
        tokio::time::sleep(Duration::from_millis(300)).await;
        if burnt() <= before.map(|ticks| ticks + 5) {
            break;
        }
        assert!(Instant::now() < end, "the query still runs");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn streams_in_bounded_memory() {
    let database = memory().await;
    let query = format!("{ENDLESS} SELECT CAST(i AS TEXT) || printf('%2000s', 'x') AS wide FROM n");
    let source = SqlSource::query(&database, query).with_parameter(200_000);
    let before = common::peak_mib();
    let stream = source.scan(Scan::all()).await.unwrap();
    let rows = stream.try_fold(0, |rows, batch| async move { Ok(rows + batch.num_rows()) }).await.unwrap();
    assert_eq!(rows, 200_000);
    let grown = common::peak_mib() - before;
    assert!(grown < 200, "400 MB of rows took {grown} MiB");
}
