//! Small tables with something to learn.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use mlops_core::random::SplitMix64;
use mlops_core::{Role, Table};

/// What the target of [`rows`] is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Bool,
    Number,
    /// No target: groups are to be found.
    Nothing,
    ThreeTexts,
}

/// `rows` rows of four features of different kinds, and the target `y`.
pub(crate) fn rows(rows: usize, kind: Kind) -> Table {
    let mut rng = SplitMix64::new(11);
    let mut column = || (0..rows).map(|_| rng.uniform()).collect::<Vec<f64>>();
    let (wind, noise, hour, hub) = (column(), column(), column(), column());
    let hour: Vec<i64> = hour.iter().map(|u| (u * 24.0) as i64).collect();
    let hub: Vec<bool> = hub.iter().map(|u| *u < 0.15).collect();
    let truth = |i: usize| 3.0 * wind[i] + hour[i] as f64 / 12.0 + f64::from(u8::from(hub[i])) + noise[i];
    let target: ArrayRef = match kind {
        Kind::Bool => Arc::new((0..rows).map(|i| Some(truth(i) > 3.2)).collect::<BooleanArray>()),
        Kind::Number => Arc::new((0..rows).map(truth).collect::<Float64Array>()),
        Kind::ThreeTexts => {
            let class = |i| ["early", "late", "on time"][(truth(i) as usize).min(5) / 2];
            Arc::new(StringArray::from_iter_values((0..rows).map(class)))
        }
        Kind::Nothing => Arc::new(Float64Array::from(vec![0.0; rows])),
    };
    let columns: [(&str, ArrayRef); 5] = [
        ("wind", Arc::new(Float64Array::from(wind))),
        ("hour", Arc::new(Int64Array::from(hour))),
        ("hub", Arc::new(BooleanArray::from(hub))),
        ("noise", Arc::new(noise.iter().map(|u| u - 0.5).collect::<Float64Array>())),
        ("y", target),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    if let Kind::Nothing = kind {
        return Table::from_batch(batch.project(&[0, 1, 2, 3]).unwrap());
    }
    Table::from_batch(batch).with_role("y", Role::Target).unwrap()
}
