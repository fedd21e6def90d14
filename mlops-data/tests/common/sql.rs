//! What the tests of databases share.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::iter;
use mlops_core::random::SplitMix64;
use mlops_core::{BatchStream, DataSourceExt, Error, ErrorKind, Table};
use mlops_data::{Sink, SinkExt, SqlDatabase, SqlSink, SqlSource};

pub(crate) fn block_on(trial: BoxFuture<'static, ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(trial);
}

/// Rows with a column of each type that every database has, and a null in about every tenth cell.
pub(crate) fn rows(seed: u64, count: usize) -> RecordBatch {
    let mut rng = SplitMix64::new(seed);
    let mut numbers = || (0..count).map(|_| (rng.below(10) > 0).then(|| rng.below(1000) as i64)).collect::<Vec<_>>();
    let ints = numbers();
    let floats: Vec<Option<f64>> = numbers().into_iter().map(|n| n.map(|n| n as f64 / 8.0)).collect();
    let flags: Vec<Option<bool>> = numbers().into_iter().map(|n| n.map(|n| n % 2 == 0)).collect();
    let texts: Vec<Option<String>> =
        numbers().into_iter().map(|n| n.map(|n| format!("t{n}, \"ü\"\t'\\N\nx"))).collect();
    let days: Vec<Option<i32>> = numbers().into_iter().map(|n| n.map(|n| 15_000 + n as i32)).collect();
    let times: Vec<Option<i64>> = numbers().into_iter().map(|n| n.map(|n| n * 3_600_000_001)).collect();
    let columns: [(&str, ArrayRef); 7] = [
        ("row", Arc::new(Int64Array::from_iter_values(0..count as i64))),
        ("an \"int\"; --", Arc::new(Int64Array::from(ints))),
        ("float", Arc::new(Float64Array::from(floats))),
        ("flag", Arc::new(BooleanArray::from(flags))),
        ("text", Arc::new(StringArray::from(texts))),
        ("day", Arc::new(Date32Array::from(days))),
        ("time", Arc::new(TimestampMicrosecondArray::from(times))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// Rows, and then an error.
pub(crate) fn torn(batch: &RecordBatch) -> BatchStream {
    iter([Ok(batch.clone()), Ok(batch.clone()), Err(Error::data("the disk is gone"))]).boxed()
}

/// What every database's sink must do.
pub(crate) async fn check_sink(database: &SqlDatabase) {
    let (batch, table) = (rows(7, 1000), format!("sink \"{}\"", std::process::id()));
    let source = SqlSource::table(database, &table).with_order(["row"]);
    let error = SqlSink::append(database, &table).write_table(&Table::from_batch(batch.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");

    let error = SqlSink::create(database, &table).write(batch.schema(), torn(&batch)).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Data, "the disk is gone"));
    assert_eq!(source.read().await.unwrap_err().kind(), ErrorKind::NotFound, "a table was left");

    let written = SqlSink::create(database, &table).write_table(&Table::from_batch(batch.clone())).await.unwrap();
    assert_eq!((written.rows, written.bytes), (1000, None));
    assert_eq!(source.read().await.unwrap().to_batch().unwrap(), batch);
    let error = SqlSink::create(database, &table).write_table(&Table::from_batch(batch.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");

    for sink in [SqlSink::append(database, &table), SqlSink::replace(database, &table)] {
        sink.write(batch.schema(), torn(&batch)).await.unwrap_err();
        assert_eq!(source.read().await.unwrap().to_batch().unwrap(), batch, "something is half written");
    }
    SqlSink::append(database, &table).write_table(&Table::from_batch(batch.slice(0, 10))).await.unwrap();
    assert_eq!(source.read().await.unwrap().num_rows(), 1010);
    let (one, other) = (rows(8, 300), rows(9, 300));
    let sink = SqlSink::replace(database, &table);
    let (one, other) = (Table::from_batch(one), Table::from_batch(other));
    let (first, second) = futures::future::join(sink.write_table(&one), sink.write_table(&other)).await;
    assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
    let kept = source.read().await.unwrap().to_batch().unwrap();
    assert!([&one, &other].iter().any(|table| table.to_batch().unwrap() == kept), "rows of both were kept");

    let renamed = RecordBatch::try_from_iter([("no such column", Arc::clone(batch.column(0)))]).unwrap();
    let error = SqlSink::append(database, &table).write_table(&Table::from_batch(renamed)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema, "{error}");
    assert!(error.to_string().contains("no such column"), "{error}");
    SqlSink::replace(database, &table).write_table(&Table::from_batch(batch.slice(0, 0))).await.unwrap();
    assert_eq!(source.read().await.unwrap().num_rows(), 0);
}

/// The most memory that this process had so far, in MiB.
#[cfg(target_os = "linux")]
pub(crate) fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
