//! What the tests of file sinks share: rows and formats.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::SchemaRef;
use mlops_core::DataSource;
use mlops_core::random::SplitMix64;
use mlops_data::sink::{Compression, IpcFormat};
use mlops_data::{ArrowIpc, ArrowIpcSink, Csv, CsvSink, JsonLines, JsonLinesSink, Parquet, ParquetSink, Place, Sink};

/// Rows with a column of each type, nulls, empty texts and texts that need quotes.
pub(crate) fn rows(seed: u64, count: usize) -> RecordBatch {
    let mut rng = SplitMix64::new(seed);
    let mut numbers = || (0..count).map(|_| (rng.below(10) > 0).then(|| rng.below(1000) as i64)).collect::<Vec<_>>();
    let texts = ["", "plain", "a,b;c", "say \"hi\"", "two\nlines\r", "ü", " spaced ", "NULL"];
    let columns: [(&str, ArrayRef); 7] = [
        ("row", Arc::new(Int64Array::from_iter_values(0..count as i64))),
        ("int", Arc::new(Int64Array::from(numbers()))),
        ("float", Arc::new(numbers().into_iter().map(|n| n.map(|n| n as f64 / 7.0 - 50.0)).collect::<Float64Array>())),
        ("flag", Arc::new(numbers().into_iter().map(|n| n.map(|n| n % 2 == 0)).collect::<BooleanArray>())),
        ("te\"xt", Arc::new(numbers().into_iter().map(|n| n.map(|n| texts[n as usize % 8])).collect::<StringArray>())),
        ("day", Arc::new(numbers().into_iter().map(|n| n.map(|n| n as i32 * 30)).collect::<Date32Array>())),
        (
            "time",
            Arc::new(
                numbers().into_iter().map(|n| n.map(|n| n * 3_599_999_999)).collect::<TimestampMicrosecondArray>(),
            ),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

pub(crate) type MakeSink = fn(Place) -> Box<dyn Sink>;
pub(crate) type MakeSource = fn(Place, SchemaRef) -> Box<dyn DataSource>;

/// Each format: the ending of its files, its sink and its source.
pub(crate) fn formats() -> [(&'static str, MakeSink, MakeSource); 7] {
    [
        ("parquet", |p| Box::new(ParquetSink::at(p)), |p, _| Box::new(Parquet::at(p))),
        (
            "zstd.parquet",
            |p| Box::new(ParquetSink::at(p).with_compression(Compression::Zstd).with_row_group_rows(100)),
            |p, _| Box::new(Parquet::at(p)),
        ),
        ("csv", |p| Box::new(CsvSink::at(p)), |p, schema| Box::new(Csv::at(p).with_schema(schema))),
        (
            "tsv",
            |p| Box::new(CsvSink::at(p).with_delimiter('\t').with_header(false)),
            |p, schema| Box::new(Csv::at(p).with_schema(schema).with_header(false).with_delimiter('\t')),
        ),
        ("jsonl", |p| Box::new(JsonLinesSink::at(p)), |p, schema| Box::new(JsonLines::at(p).with_schema(schema))),
        ("arrow", |p| Box::new(ArrowIpcSink::at(p)), |p, _| Box::new(ArrowIpc::at(p))),
        ("arrows", |p| Box::new(ArrowIpcSink::at(p).with_format(IpcFormat::Stream)), |p, _| Box::new(ArrowIpc::at(p))),
    ]
}
