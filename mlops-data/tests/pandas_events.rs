//! Lags and rolling windows agree with pandas; `tests/golden/pandas/README.md` says how the values were made and read.

use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampSecondArray,
};
use arrow::datatypes::Float64Type;
use mlops_core::{Pipeline, Run, Table, Transformer};
use mlops_data::transform::{Lag, Rolling, Statistic, Window};
use serde_json::Value as Json;

const STATISTICS: [Statistic; 6] =
    [Statistic::Count, Statistic::Max, Statistic::Mean, Statistic::Min, Statistic::Std, Statistic::Sum];

fn cases() -> Vec<Json> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/pandas/events.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn table(events: &Json, unit: &Json) -> Table {
    let list = |name: &str| events[name].as_array().unwrap();
    let ticks = list("ticks").iter().map(Json::as_i64);
    let time: ArrayRef = match unit.as_str() {
        Some("s") => Arc::new(ticks.collect::<TimestampSecondArray>()),
        Some("D") => Arc::new(ticks.map(|t| t.map(|t| t as i32)).collect::<Date32Array>()),
        _ => Arc::new(ticks.collect::<Int64Array>()),
    };
    let columns: [(&str, ArrayRef); 3] = [
        ("key", Arc::new(list("key").iter().map(Json::as_str).collect::<StringArray>())),
        ("x", Arc::new(list("x").iter().map(Json::as_f64).collect::<Float64Array>())),
        ("time", time),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
    Table::from_batch(batch).rebatch(16).unwrap()
}

fn recipe(case: &Json) -> Pipeline {
    let numbers = |name: &str| case[name].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect::<Vec<_>>();
    let at_least_one = |n: u64| NonZeroUsize::new(n as usize).unwrap();
    let windows = numbers("rows").into_iter().map(|rows| Window::Rows(at_least_one(rows)));
    let windows = windows.chain(numbers("seconds").into_iter().map(Window::Seconds));
    let lag = Lag::of("x", "key", "time").with_lags(numbers("lags").into_iter().map(at_least_one));
    windows.fold(Pipeline::new().then(lag), |recipe, window| {
        recipe.then(Rolling::of("x", "key", "time", window).with_statistics(STATISTICS))
    })
}

/// The greatest difference, and how many values there are.
fn compare(case: &str, ours: &Table, expected: &Json) -> Vec<(String, usize, f64)> {
    let features = expected.as_object().unwrap();
    assert_eq!(ours.schema().fields().len(), 3 + features.len(), "{case}: as many features");
    let mut rows = Vec::new();
    for (name, values) in features {
        let column = ours.column(name).unwrap();
        let values = values.as_array().unwrap();
        assert_eq!(column.len(), values.len(), "{case}: {name}");
        let (mut most, mut count) = (0.0_f64, 0);
        for (row, (ours, pandas)) in column.as_primitive::<Float64Type>().iter().zip(values).enumerate() {
            match (ours, pandas.as_f64()) {
                (None, None) => {}
                (Some(ours), Some(pandas)) => {
                    most = most.max((ours - pandas).abs() / pandas.abs().max(1.0));
                    count += 1;
                }
                other => panic!("{case}: {name} of row {row} is {other:?}"),
            }
        }
        rows.push((name.clone(), count, most));
    }
    rows
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is what the test is run for")]
fn lags_and_rolling_windows_are_those_of_pandas() {
    let mut shown = String::new();
    for case in cases() {
        let name = case["name"].as_str().unwrap();
        let events = table(&case["events"], &case["unit"]);
        let (fitted, features) = recipe(&case).fit_transform(&events, &Run::default()).unwrap();
        let later = fitted.apply(table(&case["later"], &case["unit"]).to_batch().unwrap()).unwrap();
        for (what, ours, expected) in
            [("trained", features, &case["expected"]), ("served", Table::from_batch(later), &case["expected_later"])]
        {
            for (feature, count, most) in compare(name, &ours, expected) {
                shown.push_str(&format!("{name:<8} {what:<8} {feature:<16} {count:>4} values, max error {most:.1e}\n"));
                assert!(most <= 1e-9, "{shown}");
            }
        }
    }
    println!("{shown}");
}
