//! Tables and queries of a real PostgreSQL: `tests/services run postgres -- cargo test …`.
#![cfg(feature = "postgres")]

#[path = "common/sql.rs"]
mod common;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Decimal128Array, Float32Array, Float64Array, Int16Array, Int32Array,
    ListArray, RecordBatch, StringArray, StringDictionaryBuilder, Time64MicrosecondArray, TimestampMicrosecondArray,
    TimestampSecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimeUnit};
use arrow::util::display::array_value_to_string;
use common::{block_on, check_sink, rows};
use futures::{FutureExt, StreamExt, TryStreamExt};
use mlops_core::conformance::{data_source, run_all, service};
use mlops_core::{DataSource, DataSourceExt, Error, ErrorKind, Scan, Table, col, lit};
use mlops_data::{SinkExt, SqlDatabase, SqlSink, SqlSource};

fn url() -> Option<String> {
    service("MLOPS_TEST_POSTGRES", "tests/services run postgres -- cargo test")
}

/// Runs statements with PostgreSQL's own client, in a schema of the test's own; what it prints.
fn psql(url: &str, schema: &str, sql: &str) -> String {
    let sql = format!(
        "SET client_min_messages = error; CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}; {sql}"
    );
    let psql =
        Command::new("psql").args(["-v", "ON_ERROR_STOP=1", "-X", "-q", "-t", "-A", "-d", url, "-c", &sql]).output();
    let psql = psql.expect("psql comes with Debian's postgresql");
    assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    String::from_utf8(psql.stdout).unwrap().trim().to_owned()
}

/// A schema that no other test uses, empty.
fn schema(url: &str, name: &str) -> String {
    let schema = format!("test_{}_{name}", std::process::id());
    psql(url, "public", &format!("DROP SCHEMA IF EXISTS {schema} CASCADE"));
    psql(url, &schema, "SELECT 1");
    schema
}

async fn values(database: &SqlDatabase, sql: &str) -> RecordBatch {
    SqlSource::query(database, sql).read().await.unwrap().to_batch().unwrap()
}

#[test]
fn passes_the_suite() {
    let Some(url) = url() else { return };
    let schema = schema(&url, "suite");
    for (table, count) in [("full", 200), ("empty", 0)] {
        let (url, schema) = (url.clone(), schema.clone());
        let batch = Table::from_batch(rows(1, count));
        block_on(
            async move {
                let database = SqlDatabase::connect(&url).await.unwrap();
                SqlSink::create(&database, table).in_schema(&schema).write_table(&batch).await.unwrap();
                let source = SqlSource::table(&database, table).in_schema(&schema).with_order(["row"]);
                let query = format!("SELECT * FROM {schema}.{table} WHERE \"row\" >= $1 ORDER BY \"row\"; -- as it is");
                let query = SqlSource::query(&database, query.replace("; --", " --")).with_parameter(3);
                let run = move || {
                    run_all(data_source("postgres", move || Arc::new(source.clone())), block_on);
                    run_all(data_source("query", move || Arc::new(query.clone())), block_on);
                };
                tokio::task::spawn_blocking(run).await.unwrap();
            }
            .boxed(),
        );
    }
}

#[tokio::test]
async fn writes_all_or_nothing() {
    let Some(url) = url() else { return };
    check_sink(&SqlDatabase::connect(&url).await.unwrap()).await;
    let table = format!("sink \"\"{}\"\"", std::process::id());
    psql(&url, "public", &format!("DROP TABLE public.\"{table}\""));
}

#[tokio::test]
async fn reads_every_type() {
    let Some(url) = url() else { return };
    let schema = schema(&url, "types");
    let ddl = "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN positive AS numeric(12, 3) CHECK (value > 0);
        CREATE TABLE t (b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric(10, 2),
          loose numeric, wide numeric(50, 10), pos positive, t text, v varchar(9), c char(4), j json, jb jsonb, u uuid,
          raw bytea, d date, ti time, ts timestamp, tz timestamptz, m mood, o oid, ai integer[], at text[], an numeric(6,1)[]);
        INSERT INTO t VALUES (true, -32768, 2147483647, -9223372036854775808, 0.1, 1e-300, -12345678.91, 0.1, 1e39, 5.125,
          E'Zoë \\t''', 'v', 'c', '{\"a\": 1}', '{\"a\":   1}', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '\\x00ff',
          '0001-01-01', '23:59:59.999999', '2013-01-31 05:17:00.25', '2013-01-31 05:17:00-05', 'glad', 4294967295,
          '{1,NULL,-3}', '{\"a b\",NULL,\"\"}', '{1.5,-2.0}'); INSERT INTO t DEFAULT VALUES;";
    psql(&url, &schema, ddl);
    let database = SqlDatabase::connect(&url).await.unwrap();
    let table = SqlSource::table(&database, "t").in_schema(&schema).read().await.unwrap();
    let types: Vec<String> = table.schema().fields().iter().map(|f| format!("{}", f.data_type())).collect();
    let expected = [
        "Boolean",
        "Int16",
        "Int32",
        "Int64",
        "Float32",
        "Float64",
        "Decimal128(10, 2)",
        "Float64",
        "Float64",
        "Decimal128(12, 3)",
        "Utf8",
        "Utf8",
        "Utf8",
        "Utf8",
        "Utf8",
        "Utf8",
        "Binary",
        "Date32",
        "Time64(µs)",
        "Timestamp(µs)",
        "Timestamp(µs, \"UTC\")",
        "Utf8",
        "UInt32",
        "List(Int32)",
        "List(Utf8)",
        "List(Decimal128(6, 1))",
    ];
    assert_eq!(types, expected);
    let batch = table.to_batch().unwrap();
    assert!(batch.columns().iter().all(|column| column.is_null(1)), "the row of nulls");
    let expected = [
        "true",
        "-32768",
        "2147483647",
        "-9223372036854775808",
        "0.1",
        "1e-300",
        "-12345678.91",
        "0.1",
        "1e39",
        "5.125",
        "Zoë \t'",
        "v",
        "c   ",
        "{\"a\": 1}",
        "{\"a\": 1}",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "00ff",
        "0001-01-01",
        "23:59:59.999999",
        "2013-01-31T05:17:00.250",
        "2013-01-31T10:17:00",
        "glad",
        "4294967295",
        "[1, , -3]",
        "[a b, , ]",
        "[1.5, -2.0]",
    ];
    for (i, expected) in expected.into_iter().enumerate() {
        // Without a database of time zones Arrow shows offsets only, and here UTC is the only zone.
        let column = match batch.column(i).data_type() {
            DataType::Timestamp(_, zone) if zone.is_some() => {
                cast(batch.column(i), &DataType::Timestamp(TimeUnit::Microsecond, None)).unwrap()
            }
            _ => Arc::clone(batch.column(i)),
        };
        let shown = array_value_to_string(&column, 0).unwrap();
        assert_eq!(shown, expected, "column '{}'", batch.schema_ref().field(i).name());
    }
}

#[tokio::test]
async fn numbers_keep_all_digits_or_say_so() {
    let Some(url) = url() else { return };
    let database = SqlDatabase::connect(&url).await.unwrap();
    let digits = "12345678901234567890.123456789012345678";
    let source = SqlSource::query(&database, format!("SELECT {digits} AS n"));
    let float = source.read().await.unwrap().to_batch().unwrap();
    assert_eq!(float.column(0).as_primitive::<Float64Type>().value(0), digits.parse::<f64>().unwrap());
    let exact = source.clone().with_type("n", DataType::Decimal128(38, 18)).read().await.unwrap().to_batch().unwrap();
    assert_eq!(exact.column(0).as_primitive::<Decimal128Type>().value_as_string(0), digits);
    let error = source.with_type("n", DataType::Decimal128(38, 2)).read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("column: n") && error.to_string().contains("row: 1"), "{error}");
    // Every float that the server rounds a decimal to is the float read here.
    let sql = "SELECT n, n::float8 AS theirs FROM (SELECT (random() * 1e9)::numeric / (1 + i) * 10::numeric ^ (i % 60 - 30) AS n
        FROM generate_series(1, 2000) AS i) AS s";
    let both = values(&database, sql).await;
    assert_eq!(both.column(0), both.column(1));
    let none = values(&database, "SELECT 'NaN'::numeric AS n, '-Infinity'::float8 AS f").await;
    assert!(none.column(0).as_primitive::<Float64Type>().value(0).is_nan());
}

#[tokio::test]
async fn a_type_or_value_without_counterpart_is_named_with_the_cast() {
    let Some(url) = url() else { return };
    let database = SqlDatabase::connect(&url).await.unwrap();
    let failing = async |sql: &str| SqlSource::query(&database, sql).read().await.unwrap_err();
    for (sql, cast) in [
        ("SELECT interval '1 day' AS \"Wait\"", "extract(epoch FROM \"Wait\")"),
        ("SELECT 1::money AS m", "\"m\"::numeric(19, 2)"),
        ("SELECT '10.0.0.1'::inet AS host", "\"host\"::text"),
        ("SELECT int4range(1, 2) AS r", "\"r\"::text"),
        ("SELECT ROW(1, 2) AS pair", "\"pair\"::text"),
    ] {
        let error = failing(sql).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(cast), "{error}");
    }
    for (sql, word) in [
        ("SELECT 'infinity'::timestamp AS t", "nullif"),
        ("SELECT '-infinity'::date AS t", "nullif"),
        ("SELECT '24:00'::time AS t", "cast it to text"),
        ("SELECT ARRAY[[1, 2], [3, 4]] AS t", "unnest"),
    ] {
        let error = failing(sql).await;
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        let shown = error.to_string();
        assert!(shown.contains(word) && shown.contains("column: t") && shown.contains("row: 1"), "{error}");
    }
    let error = failing("SELECT 1 AS id, 2 AS id").await;
    assert_eq!((error.kind(), error.message().contains("'id'")), (ErrorKind::Schema, true), "{error}");
}

#[tokio::test]
async fn parameters_are_bound() {
    let Some(url) = url() else { return };
    let database = SqlDatabase::connect(&url).await.unwrap();
    let hostile = "'; DROP TABLE t; --";
    let query = SqlSource::query(
        &database,
        "SELECT $1 AS t, $2 + 1 AS i, $3 * 2 AS f, NOT $4 AS b, $5::date AS d, $6 IS NULL AS n",
    );
    let query = query.with_parameter(hostile).with_parameter(41).with_parameter(0.5).with_parameter(true);
    let query = query.with_parameter("2013-01-31").with_parameter(mlops_core::Literal::Null);
    let batch = query.read().await.unwrap().to_batch().unwrap();
    assert_eq!(batch.column(0).as_string::<i32>().value(0), hostile);
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().value(0), 42);
    assert_eq!(batch.column(2).as_primitive::<Float64Type>().value(0), 1.0);
    assert!(!batch.column(3).as_boolean().value(0));
    assert_eq!(batch.column(4).as_primitive::<Date32Type>().value(0), 15_736);
    assert!(batch.column(5).as_boolean().value(0));
    let error = SqlSource::query(&database, "SELECT $1 AS a, $2 AS b").with_parameter(1).read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("2 parameters, and 1"), "{error}");
    let untyped =
        SqlSource::query(&database, "SELECT 1 AS a WHERE date '2013-01-01' > $1").with_parameter("2012-01-01");
    let error = untyped.read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("$1::date"), "{error}");
}

#[tokio::test]
async fn the_database_filters_projects_and_limits() {
    let Some(url) = url() else { return };
    let database = SqlDatabase::connect(&url).await.unwrap();
    let schema = schema(&url, "pushdown");
    // A column that can't be read, and rows that can't: neither is asked for.
    psql(&url, &schema, "CREATE TABLE t AS SELECT i, i::text AS name, i / 2.0::float8 AS half, i % 2 = 0 AS even,
        date '2013-01-01' + i AS day, CASE WHEN i = 7 THEN 'infinity' ELSE timestamp '2013-01-01' + i * interval '1 day' END AS at
        FROM generate_series(1, 10) AS i");
    let source = SqlSource::table(&database, "t").in_schema(&schema).with_order(["i"]);
    assert_eq!(source.read().await.unwrap_err().kind(), ErrorKind::Data);
    for (filter, count) in [
        (col("i").lt(lit(7)), 6),
        (lit(7).lt(col("i")), 3),
        (col("i").not_eq(lit(7)), 9),
        (col("i").lt_eq(lit(6.5)), 6),
        (col("i").one_of([1, 2, 3, 99]), 3),
        (col("half").gt(lit(3.5)), 3),
        (col("half").gt_eq(lit(4)), 3),
        (col("name").eq(lit("3")), 1),
        (col("name").lt(lit("7")), 7),
        (col("even").eq(lit(true)), 5),
        (col("day").gt(lit("2013-01-08")), 3),
        (col("at").lt(lit("2013-01-05 00:00:00")), 3),
        (col("at").is_null(), 0),
        (col("i").lt(lit(3)).or(col("name").eq(lit("9"))), 3),
        (col("i").lt(lit(7)).and(col("i").rem(lit(2)).eq(lit(0))), 3),
    ] {
        let scan = Scan::all().with_filter(filter.clone());
        let read = source.read_scan(scan).await.unwrap_or_else(|error| panic!("{filter}: {error}"));
        assert_eq!(read.num_rows(), count, "{filter}");
    }
    assert_eq!(source.read_scan(Scan::all().with_limit(6)).await.unwrap().num_rows(), 6);
    assert_eq!(source.read_scan(Scan::all().with_columns(["i", "day"])).await.unwrap().num_rows(), 10);
    let counted = source.read_scan(Scan::all().with_columns(Vec::<String>::new())).await.unwrap();
    assert_eq!(counted.num_rows(), 10);
}

fn without_secret(error: &Error) {
    let mut shown = format!("{error}\n{error:?}");
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        shown.push_str(&format!("{error}\n{error:?}"));
        cause = error.source();
    }
    for secret in ["hunter2", "mlops-test-secret"] {
        assert!(!shown.contains(secret), "a password is in {shown}");
    }
}

#[tokio::test]
async fn a_url_names_a_table() {
    let Some(url) = url() else { return };
    let schema = schema(&url, "named");
    let named = format!("{url}#{schema}.t");
    let sink = mlops_data::sink::open(&named, false).unwrap();
    assert_eq!(sink.write_table(&Table::from_batch(rows(1, 20))).await.unwrap().rows, 20);
    assert_eq!(mlops_data::source::open(&named).unwrap().read().await.unwrap().to_batch().unwrap(), rows(1, 20));
    let secret = url.split(['@', '/', ':']).nth(4).unwrap();
    let wrong = mlops_data::sink::open(named.replace(secret, "hunter2"), true).unwrap();
    let error = wrong.write_table(&Table::from_batch(rows(1, 20))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    without_secret(&error);
    assert!(!format!("{wrong:?}{}", wrong.name()).contains("hunter2"), "{wrong:?}");
}

#[tokio::test]
async fn errors_say_what_to_do_and_keep_secrets() {
    let Some(url) = url() else { return };
    let database = SqlDatabase::connect(&url).await.unwrap();
    assert!(!format!("{database:?} {}", database.name()).contains("secret"));
    let secret = url.split(['@', '/', ':']).nth(4).unwrap();
    let failing = async |url: String| {
        let error = SqlDatabase::connect(&url).await.unwrap_err();
        without_secret(&error);
        error
    };
    let wrong = failing(url.replace(secret, "hunter2")).await;
    assert_eq!(wrong.kind(), ErrorKind::Denied, "{wrong}");
    assert!(
        wrong.to_string().contains("check user, password") && wrong.to_string().contains("postgres://mlops@"),
        "{wrong}"
    );
    let nobody = failing(url.replace("mlops:", "nobody:")).await;
    assert_eq!(nobody.kind(), ErrorKind::Denied, "{nobody}");
    let nowhere = failing(url.replace("/postgres", "/nowhere").replacen("/nowhere:", "/postgres:", 1)).await;
    assert_eq!(nowhere.kind(), ErrorKind::NotFound, "{nowhere}");
    let malformed = failing("postgres://mlops:hunter2@127.0.0.1:many/postgres".to_owned()).await;
    assert_eq!(malformed.kind(), ErrorKind::Config, "{malformed}");

    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = dead.local_addr().unwrap().port();
    let silent = std::thread::spawn(move || {
        drop(dead.accept());
        // With what was asked read, it is an end and no break of the connection.
        let (mut asked, _) = dead.accept().unwrap();
        std::io::Read::read_exact(&mut asked, &mut [0; 8]).unwrap();
    });
    for _ in 0..2 {
        let gone = failing(format!("postgres://mlops:hunter2@127.0.0.1:{port}/postgres?sslmode=prefer")).await;
        assert_eq!(gone.kind(), ErrorKind::Unavailable, "{gone}");
    }
    silent.join().unwrap();
    let refused = failing(format!("postgres://mlops:hunter2@127.0.0.1:{port}/postgres")).await;
    assert_eq!((refused.kind(), refused.is_retryable()), (ErrorKind::Unavailable, true), "{refused}");
    assert!(refused.to_string().contains("check that the database runs"), "{refused}");

    let error = SqlSource::table(&database, "nowhere").read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("nowhere") && error.to_string().contains("capital letters"), "{error}");
    let failing = async |sql: &str| SqlSource::query(&database, sql).read().await.unwrap_err();
    assert_eq!(failing("SELECT nothing").await.kind(), ErrorKind::Schema);
    assert_eq!(failing("SELEKT 1").await.kind(), ErrorKind::Config);
    assert_eq!(failing("SELECT 1 / (i - 3) AS x FROM generate_series(1, 5) AS i").await.kind(), ErrorKind::Data);
    let writing = failing("SELECT setval('x', 1) AS x FROM (SELECT pg_advisory_lock(1)) AS s").await;
    assert_eq!(writing.kind(), ErrorKind::NotFound, "{writing}");
}

#[tokio::test]
async fn a_source_can_not_write() {
    let Some(url) = url() else { return };
    let database = SqlDatabase::connect(&url).await.unwrap();
    let schema = schema(&url, "readonly");
    psql(&url, &schema, "CREATE SEQUENCE s");
    let error = SqlSource::query(&database, format!("SELECT nextval('{schema}.s') AS n")).read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("a source only reads"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_cancels_the_query() {
    let Some(url) = url() else { return };
    let database = SqlDatabase::connect(&url).await.unwrap();
    let mark = format!("mark_{}", std::process::id());
    let running = || {
        let sql =
            format!("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%{mark}%' AND pid <> pg_backend_pid()");
        psql(&url, "public", &sql) != "0"
    };
    // One that computes without an end before its first row, one that sends rows without an end.
    for sql in ["SELECT count(*) AS n FROM generate_series(1, 1e15)", "SELECT generate_series(1, 1e15) AS n"] {
        let source = SqlSource::query(&database, format!("{sql} -- {mark}"));
        let mut stream = source.scan(Scan::all().with_batch_size(10)).await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
        assert!(running(), "the query does not run yet");
        drop(stream);
        let end = Instant::now() + Duration::from_secs(30);
        while running() {
            assert!(Instant::now() < end, "the query still runs: {sql}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn streams_in_bounded_memory() {
    let Some(url) = url() else { return };
    let database = SqlDatabase::connect(&url).await.unwrap();
    let source =
        SqlSource::query(&database, "SELECT repeat(i::text, 300) AS wide FROM generate_series(100000, 300000) AS i");
    let before = common::peak_mib();
    let stream = source.scan(Scan::all()).await.unwrap();
    let rows = stream.try_fold(0, |rows, batch| async move { Ok(rows + batch.num_rows()) }).await.unwrap();
    assert_eq!(rows, 200_001);
    let grown = common::peak_mib() - before;
    assert!(grown < 200, "360 MB of rows took {grown} MiB");
}

#[tokio::test]
async fn writes_every_type() {
    let Some(url) = url() else { return };
    let database = SqlDatabase::connect(&url).await.unwrap();
    let schema = schema(&url, "writes");
    let mut words = StringDictionaryBuilder::<Int32Type>::new();
    words.append_value("a\\b\tc");
    words.append_null();
    let columns: [(&str, ArrayRef); 12] = [
        ("small", Arc::new(Int16Array::from(vec![Some(-7), None]))),
        ("int", Arc::new(Int32Array::from(vec![Some(7), None]))),
        ("big", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
        ("real", Arc::new(Float32Array::from(vec![Some(0.1), None]))),
        ("float", Arc::new(Float64Array::from(vec![Some(f64::NEG_INFINITY), Some(f64::NAN)]))),
        ("money", Arc::new(Decimal128Array::from(vec![Some(-12_345), None]).with_precision_and_scale(9, 2).unwrap())),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(&b"\x00\\\xff"[..]), None]))),
        ("word", Arc::new(words.finish())),
        ("clock", Arc::new(Time64MicrosecondArray::from(vec![Some(86_399_999_999), None]))),
        ("instant", Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None]).with_timezone("+02:00"))),
        ("second", Arc::new(TimestampSecondArray::from(vec![Some(1_456_790_399), None]))),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
    let sink = SqlSink::create(&database, "t").in_schema(&schema);
    assert_eq!(sink.write_table(&Table::from_batch(batch)).await.unwrap().rows, 2);
    let seen = psql(&url, &schema, "SELECT *, pg_typeof(big), pg_typeof(instant), pg_typeof(list) FROM t");
    let expected = "-7|7|18446744073709551615|0.1|-Infinity|-123.45|\\x005cff|a\\b\tc|23:59:59.999999|\
        1969-12-31 23:59:59.999999+00|2016-02-29 23:59:59|{1,NULL}|numeric|timestamp with time zone|integer[]\n\
        ||||NaN||||||||numeric|timestamp with time zone|integer[]";
    assert_eq!(seen.replace("GMT", "+00"), expected);

    // A table that is there takes what its own types can read.
    psql(
        &url,
        &schema,
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE own (id uuid, mood mood, n numeric(4, 1), d jsonb)",
    );
    let own = |mood: &str| {
        let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let id = text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        Table::from_batch(
            RecordBatch::try_from_iter([
                ("d", text("{\"a\": [1]}")),
                ("mood", text(mood)),
                ("id", id),
                ("n", text("1.25")),
            ])
            .unwrap(),
        )
    };
    let sink = SqlSink::append(&database, "own").in_schema(&schema);
    sink.write_table(&own("glad")).await.unwrap();
    assert_eq!(psql(&url, &schema, "SELECT mood, n, d FROM own"), "glad|1.3|{\"a\": [1]}");
    let error = sink.write_table(&own("cross")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    let shown = error.to_string();
    assert!(shown.contains("\"cross\"") && shown.contains("line 1") && shown.contains("column mood"), "{shown}");
}
