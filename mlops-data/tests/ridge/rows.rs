//! Rows to select features from.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use mlops_core::random::SplitMix64;
use mlops_core::{Role, Table};

use crate::ridge::Ridge;

pub(crate) const ROWS: usize = 60;

/// Numbers that tell of the target (a, c), or not (b, d, e), and columns that are no numbers.
pub(crate) fn rows() -> Table {
    let mut rng = SplitMix64::new(2_026);
    let mut column = || (0..ROWS).map(|_| rng.uniform() * 8.0 - 4.0).collect::<Vec<f64>>();
    let (a, b, c, noise) = (column(), column(), column(), column());
    let label: Vec<i64> = (0..ROWS).map(|i| i64::from(a[i] + c[i] * 0.6 > 0.0) + i64::from(a[i] > 2.0)).collect();
    let amount: Vec<f64> = (0..ROWS).map(|i| 3.0 * a[i] - 2.0 * c[i] + noise[i] / 9.0).collect();
    let number = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let columns: [(&str, ArrayRef); 9] = [
        ("id", Arc::new((0..ROWS as i64).collect::<Int64Array>())),
        ("a", number(a)),
        ("b", number(b)),
        ("c", number(c)),
        ("d", Arc::new((0..ROWS as i64).map(|i| i * 7 % 5).collect::<Int64Array>())),
        ("e", number(noise.iter().map(|x| x.abs()).collect())),
        ("city", Arc::new((0..ROWS).map(|i| Some(["oslo", "bern", "riga"][i % 3])).collect::<StringArray>())),
        ("label", Arc::new(Int64Array::from(label))),
        ("amount", number(amount)),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
    Table::from_batch(batch).rebatch(17).unwrap().with_role("id", Role::Id).unwrap()
}

pub(crate) fn by_label() -> Table {
    rows().with_role("label", Role::Target).unwrap().with_role("amount", Role::Outcome).unwrap()
}

pub(crate) fn by_amount() -> Table {
    rows().with_role("amount", Role::Target).unwrap().with_role("label", Role::Outcome).unwrap()
}

pub(crate) fn ridge() -> Ridge {
    Ridge { alpha: 1.0 }
}

pub(crate) const NUMBERS: [&str; 5] = ["a", "b", "c", "d", "e"];
