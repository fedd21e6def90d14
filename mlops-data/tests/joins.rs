//! Joins against an oracle that looks at every pair of rows.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
    TimestampSecondArray, record_batch,
};
use arrow::datatypes::{DataType, Int64Type};
use mlops_core::{ErrorKind, Role, Table};
use mlops_data::join::{AsOf, Duplicates, Join};
use proptest::prelude::*;

/// A row: a text key, a number key, a time in seconds.
type Row = (Option<u8>, Option<i8>, Option<i64>);

fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    let row = (
        prop::option::weighted(0.9, 0u8..3),
        prop::option::weighted(0.9, -1i8..2),
        prop::option::weighted(0.9, -20i64..20),
    );
    prop::collection::vec(row, 0..most)
}

/// A table of `rows` with their numbers, in batches; `fine` stores times in milliseconds and the
/// number key in 64 bits.
fn table(rows: &[Row], batch: usize, fine: bool, names: [&str; 4]) -> Table {
    let text: ArrayRef = Arc::new(rows.iter().map(|row| row.0.map(|key| format!("k{key}"))).collect::<StringArray>());
    let times = rows.iter().map(|row| row.2);
    let (number, time): (ArrayRef, ArrayRef) = if fine {
        (
            Arc::new(rows.iter().map(|row| row.1.map(i64::from)).collect::<Int64Array>()),
            Arc::new(times.map(|t| t.map(|t| t * 1000)).collect::<TimestampMillisecondArray>()),
        )
    } else {
        (
            Arc::new(rows.iter().map(|row| row.1).collect::<arrow::array::Int8Array>()),
            Arc::new(times.collect::<TimestampSecondArray>()),
        )
    };
    let place: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows.len() as i64));
    let batch_of_all = RecordBatch::try_from_iter_with_nullable(
        names.into_iter().zip([text, number, time, place]).map(|(name, column)| (name, column, true)),
    );
    Table::from_batch(batch_of_all.unwrap()).rebatch(batch).unwrap()
}

const LEFT: [&str; 4] = ["text", "number", "time", "left"];
const RIGHT: [&str; 4] = ["text", "number", "time", "right"];

fn pairs(joined: &Table) -> Vec<(i64, Option<i64>)> {
    let (left, right) = (joined.column("left").unwrap(), joined.column("right").unwrap());
    let (left, right) = (left.as_primitive::<Int64Type>(), right.as_primitive::<Int64Type>());
    left.values().iter().copied().zip(right.iter()).collect()
}

fn equal_keys(left: &Row, right: &Row) -> bool {
    left.0.is_some() && left.0 == right.0 && left.1.is_some() && left.1 == right.1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_hash_join_finds_the_equal_rows(left in rows(30), right in rows(12), batch in 1usize..9, keep: bool) {
        let mut expected = Vec::new();
        for (i, row) in left.iter().enumerate() {
            let found: Vec<_> = (0..right.len()).filter(|j| equal_keys(row, &right[*j])).collect();
            expected.extend(found.iter().map(|j| (i as i64, Some(*j as i64))));
            if found.is_empty() && keep {
                expected.push((i as i64, None));
            }
        }
        let (l, r) = (table(&left, batch, false, LEFT), table(&right, 5, true, RIGHT));
        let join = if keep { Join::left(&r) } else { Join::inner(&r) }.on(["text", "number"]);
        let joined = join.clone().with_duplicates(Duplicates::Multiply).apply(&l).unwrap();
        prop_assert_eq!(pairs(&joined), expected);

        let repeated = (0..right.len()).any(|i| (0..i).any(|j| equal_keys(&right[i], &right[j])));
        match join.apply(&l) {
            Ok(joined_once) => prop_assert!(!repeated && pairs(&joined_once) == pairs(&joined)),
            Err(error) => prop_assert!(repeated && error.kind() == ErrorKind::Data),
        }
    }

    #[test]
    fn an_as_of_join_finds_the_latest_known_row(
        left in rows(30), right in rows(20), batch in 1usize..9,
        gap in 0u64..6_000, tolerance in prop::option::of(0u64..12_000), fine_left: bool, fine_right: bool,
    ) {
        let (l, r) = (table(&left, batch, fine_left, LEFT), table(&right, 7, fine_right, RIGHT));
        let mut join = AsOf::latest(&r, "time").by(["text"]).with_gap(Duration::from_millis(gap));
        let tolerance = tolerance.map(|more| gap + more);
        if let Some(tolerance) = tolerance {
            join = join.with_tolerance(Duration::from_millis(tolerance));
        }
        let joined = join.apply(&l).unwrap();
        let age = |i: usize, j: usize| Some((left[i].2? - right[j].2?) * 1000);
        let expected = (0..left.len()).map(|i| {
            let known = (0..right.len()).filter(|j| {
                let old_enough = age(i, *j).is_some_and(|age| age >= gap as i64);
                let young_enough = age(i, *j).is_some_and(|age| tolerance.is_none_or(|most| age <= most as i64));
                left[i].0.is_some() && left[i].0 == right[*j].0 && old_enough && young_enough
            });
            (i as i64, known.max_by_key(|j| (right[*j].2, *j)).map(|j| j as i64))
        });
        prop_assert_eq!(pairs(&joined), expected.collect::<Vec<_>>());
        prop_assert_eq!(joined.batches().len(), l.batches().len());
    }
}

/// A key, a time, when it was recorded.
type Record = (u8, i64, Option<i64>);

/// A table of records with their numbers; `created` in milliseconds.
fn records(records: &[Record]) -> Table {
    let columns: [(&str, ArrayRef); 4] = [
        ("text", Arc::new(records.iter().map(|r| Some(format!("k{}", r.0))).collect::<StringArray>())),
        ("time", Arc::new(records.iter().map(|r| Some(r.1)).collect::<TimestampSecondArray>())),
        ("created", Arc::new(records.iter().map(|r| r.2).collect::<TimestampMillisecondArray>())),
        ("right", Arc::new(Int64Array::from_iter_values(0..records.len() as i64))),
    ];
    Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_record_is_seen_once_it_was_recorded(
        left in rows(30), batch in 1usize..9, gap in 0u64..6, tolerance in prop::option::of(0u64..12), by_role: bool,
        right in prop::collection::vec(
            (0u8..3, -20i64..20, prop::option::weighted(0.9, -25_000i64..25_000)), 0..40
        ),
    ) {
        let mut r = records(&right);
        let mut join = if by_role {
            r = r.with_role("created", Role::CreatedTime).unwrap();
            AsOf::latest(&r, "time")
        } else {
            AsOf::latest(&r, "time").with_created_time("created")
        };
        join = join.by(["text"]).with_gap(Duration::from_secs(gap));
        let tolerance = tolerance.map(|more| gap + more);
        if let Some(tolerance) = tolerance {
            join = join.with_tolerance(Duration::from_secs(tolerance));
        }
        let joined = join.apply(&table(&left, batch, false, LEFT)).unwrap();
        let expected = left.iter().enumerate().map(|(i, row)| {
            let known = right.iter().enumerate().filter(|(_, record)| {
                let age = |time: i64| row.2.map(|now| now - time);
                let happened = age(record.1).is_some_and(|age| age >= gap as i64);
                let young = age(record.1).is_some_and(|age| tolerance.is_none_or(|most| age <= most as i64));
                let recorded = row.2.zip(record.2).is_some_and(|(now, created)| created <= now * 1000);
                row.0 == Some(record.0) && happened && young && recorded
            });
            (i as i64, known.max_by_key(|(j, record)| (record.1, record.2, *j)).map(|(j, _)| j as i64))
        });
        prop_assert_eq!(pairs(&joined), expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_created_time_is_never_lost_silently() {
    let right = records(&[(0, 1, Some(5_000))]).with_role("created", Role::CreatedTime).unwrap();
    let left = table(&[(Some(0), None, Some(4)), (Some(0), None, Some(5))], 9, false, LEFT);
    let by = |right: &Table| AsOf::latest(right, "time").by(["text"]);
    let joined = by(&right).apply(&left).unwrap();
    assert_eq!(pairs(&joined), [(0, None), (1, Some(0))]);
    assert_eq!(joined.roles().of("created"), Role::Ignored);

    let without = by(&right.select(["text", "time", "right"]).unwrap()).apply(&left).unwrap_err();
    assert_eq!(without.kind(), ErrorKind::Schema);
    assert!(without.message().contains("keep that column"), "{without}");
    let twice = by(&right.clone().with_role("time", Role::CreatedTime).unwrap()).apply(&left).unwrap_err();
    assert!(twice.message().contains("`.with_created_time(…)`"), "{twice}");
    let untimed = by(&right).with_created_time("right").apply(&left).unwrap_err();
    assert!(untimed.message().contains("'right' (Int64)"), "{untimed}");
    let leak = AsOf::latest(&right, "time").apply(&left.with_role("time", Role::CreatedTime).unwrap()).unwrap_err();
    assert_eq!(leak.kind(), ErrorKind::Leak);
}

fn flights() -> Table {
    let batch = record_batch!(
        ("tail", Utf8, [Some("N1"), Some("N2"), None]),
        ("year", Int32, [2013, 2013, 2013]),
        ("late", Boolean, [true, false, false])
    );
    Table::from_batch(batch.unwrap()).with_role("late", Role::Target).unwrap().with_role("tail", Role::Id).unwrap()
}

fn planes() -> Table {
    let batch = record_batch!(
        ("tailnum", Utf8, ["N1", "N2"]),
        ("year", Int32, [1999, 2005]),
        ("scrapped", Boolean, [true, false])
    );
    Table::from_batch(batch.unwrap()).with_role("scrapped", Role::Outcome).unwrap()
}

#[test]
fn names_types_and_roles_come_along() {
    let joined = Join::left(&planes()).on([("tail", "tailnum")]).with_suffix("_plane").apply(&flights()).unwrap();
    let names: Vec<&String> = joined.schema().fields().iter().map(|field| field.name()).collect();
    assert_eq!(names, ["tail", "year", "late", "year_plane", "scrapped"]);
    assert!(joined.schema().field(3).is_nullable());
    assert_eq!(joined.roles().of("late"), Role::Target);
    assert_eq!(joined.roles().of("tail"), Role::Id);
    assert_eq!(joined.roles().of("scrapped"), Role::Outcome);
    assert_eq!(joined.roles().of("year_plane"), Role::Feature);
    assert_eq!(joined.column("year_plane").unwrap().null_count(), 1);
}

#[test]
fn a_second_clash_is_an_error_with_a_remedy() {
    let clash = Join::left(&planes()).on([("tail", "tailnum")]).with_suffix("").apply(&flights()).unwrap_err();
    assert_eq!(clash.kind(), ErrorKind::Schema);
    assert!(clash.message().contains("give another suffix"), "{clash}");
}

#[test]
fn an_outcome_is_no_key() {
    let right = Table::from_batch(record_batch!(("late", Boolean, [true]), ("refund", Int32, [50])).unwrap());
    let leak = Join::left(&right).on(["late"]).apply(&flights()).unwrap_err();
    assert_eq!(leak.kind(), ErrorKind::Leak);
}

#[test]
fn repeated_keys_are_named() {
    let twice = planes().concat(&planes()).unwrap();
    let error = Join::left(&twice).on([("tail", "tailnum")]).apply(&flights()).unwrap_err();
    assert!(
        error.message().starts_with("rows 0 and 2 of the right table have the same key (tailnum = N1), and 1 more"),
        "{error}"
    );
}

#[test]
fn keys_that_can_not_be_compared_are_refused() {
    let left = Table::from_batch(record_batch!(("x", Float64, [1.0]), ("n", Int32, [1]), ("s", Utf8, ["1"])).unwrap());
    for (key, word) in [("x", "floats are rarely equal"), ("s", "convert one of them")] {
        let right = left.select([key, "n"]).unwrap();
        let error = Join::left(&right).on([("n", key)]).apply(&left).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Schema);
        assert!(error.message().contains(word), "{error}");
    }
    let missing = Join::left(&left).on(["m"]).apply(&left).unwrap_err();
    assert!(missing.message().contains("no column 'm'"), "{missing}");
    assert_eq!(Join::left(&left).on::<&str>([]).apply(&left).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn a_key_that_the_other_side_can_not_hold_matches_nothing() {
    let left = Table::from_batch(record_batch!(("n", UInt64, [u64::MAX, 3])).unwrap());
    let right = Table::from_batch(record_batch!(("n", Int8, [-1, 3]), ("v", Int32, [1, 2])).unwrap());
    let joined = Join::left(&right).on(["n"]).apply(&left).unwrap();
    assert_eq!(joined.select(["v"]).unwrap().to_rows::<(Option<i32>,)>().unwrap(), [(None,), (Some(2),)]);
}

fn one(name: &str, column: ArrayRef) -> Table {
    Table::from_batch(RecordBatch::try_from_iter([(name, column)]).unwrap())
}

#[test]
fn times_are_compared_as_moments_or_not_at_all() {
    let utc = one("t", Arc::new(TimestampSecondArray::from(vec![7200]).with_timezone("UTC")));
    let offset =
        one("u", Arc::new(TimestampMillisecondArray::from(vec![7_200_000, 7_200_001]).with_timezone("+02:00")));
    let naive = one("u", Arc::new(TimestampSecondArray::from(vec![0])));
    let date = one("u", Arc::new(Date32Array::from(vec![0])));
    let joined = AsOf::latest(&offset, ("t", "u")).apply(&utc).unwrap();
    assert_eq!(
        joined.column("u").unwrap().as_primitive::<arrow::datatypes::TimestampMillisecondType>().value(0),
        7_200_000
    );
    for wrong in [&naive, &date] {
        let error = AsOf::latest(wrong, ("t", "u")).apply(&utc).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Schema);
        assert!(error.message().contains("can't be put in order"), "{error}");
    }
}

#[test]
fn a_gap_of_centuries_is_kept() {
    let far = i64::MAX / 2;
    let nanos = |values: Vec<i64>| -> ArrayRef { Arc::new(arrow::array::TimestampNanosecondArray::from(values)) };
    let (left, right) = (one("t", nanos(vec![far])), one("u", nanos(vec![-far])));
    let found = |gap: u64| {
        let join = AsOf::latest(&right, ("t", "u")).with_gap(Duration::from_secs(gap));
        join.apply(&left).unwrap().column("u").unwrap().null_count() == 0
    };
    assert!(found(290 * 365 * 86_400) && !found(300 * 366 * 86_400) && !found(u64::MAX));
}

#[test]
fn one_event_has_one_event_time() {
    let weather = record_batch!(("wind", Int32, [3])).unwrap();
    let hour: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0]));
    let right = RecordBatch::try_from_iter([("t", hour), ("wind", Arc::clone(weather.column(0)))]).unwrap();
    let right = Table::from_batch(right).with_role("t", Role::EventTime).unwrap();
    let left = right.select(["t"]).unwrap();
    let joined = AsOf::latest(&right, "t").apply(&left).unwrap();
    assert_eq!(joined.roles().named(Role::EventTime).collect::<Vec<_>>(), ["t"]);
    assert_eq!(joined.roles().of("t_right"), Role::Ignored);
    assert_eq!(*joined.schema().field(2).data_type(), DataType::Int32);
    let tolerance = AsOf::latest(&right, "t").with_gap(Duration::from_secs(2)).with_tolerance(Duration::from_secs(1));
    assert_eq!(tolerance.apply(&left).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn empty_tables_join() {
    let none = flights().filter(&vec![false; 3].into()).unwrap();
    assert_eq!(Join::left(&planes()).on([("tail", "tailnum")]).apply(&none).unwrap().num_rows(), 0);
    let no_planes = Table::new(Arc::clone(planes().schema()), []).unwrap();
    let joined = Join::left(&no_planes).on([("tail", "tailnum")]).apply(&flights()).unwrap();
    assert_eq!(joined.column("scrapped").unwrap().null_count(), 3);
}
