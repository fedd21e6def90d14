use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use mlops_core::random::SplitMix64;

/// Rows with a column of each type, and a null in about every tenth cell.
pub(crate) fn rows(seed: u64, count: usize) -> RecordBatch {
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
