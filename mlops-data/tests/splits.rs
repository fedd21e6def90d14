//! What a cut of a table promises, for any rows.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, DictionaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    record_batch,
};
use arrow::datatypes::{Int32Type, Int64Type};
use mlops_core::{ErrorKind, Literal, Role, Table};
use mlops_data::split::{SplitExt, Stratify};
use proptest::prelude::*;

/// Rows with their number, a class and a time.
fn table(classes: &[u8], batch: usize) -> Table {
    let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(0..classes.len() as i64));
    let class: ArrayRef = Arc::new(StringArray::from_iter_values(classes.iter().map(|c| format!("c{c}"))));
    let time: ArrayRef = Arc::new(Int64Array::from_iter_values(
        classes.iter().enumerate().map(|(i, c)| (i as i64 * 7919 + i64::from(*c)) % 50),
    ));
    let all = RecordBatch::try_from_iter([("row", rows), ("class", class), ("time", time)]).unwrap();
    Table::from_batch(all).rebatch(batch).unwrap().with_role("class", Role::Target).unwrap()
}

fn column(table: &Table, name: &str) -> Vec<i64> {
    table.column(name).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn check_parts(train: &Table, test: &Table, rows: usize) {
    let (train, test) = (column(train, "row"), column(test, "row"));
    assert!(train.is_sorted() && test.is_sorted(), "rows keep their order");
    let mut all = [train, test].concat();
    all.sort_unstable();
    assert_eq!(all, (0..rows as i64).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_random_cut_depends_on_rows_and_seed_alone(rows in 4usize..200, batch in 1usize..40, fraction in 0.3..0.7f64, seed: u64) {
        let classes = vec![0; rows];
        let (train, test) = table(&classes, batch).split(fraction, seed).unwrap();
        check_parts(&train, &test, rows);
        prop_assert_eq!(train.num_rows(), (rows as f64 * fraction) as usize);
        let (again, _) = table(&classes, rows).split(fraction, seed).unwrap();
        prop_assert_eq!(column(&train, "row"), column(&again, "row"));
        prop_assert_eq!(train.roles().of("class"), Role::Target);
    }

    #[test]
    fn a_stratified_cut_gives_every_class_its_share(
        mut classes in prop::collection::vec(0u8..4, 10..120), batch in 1usize..40, fraction in 0.3..0.7f64, seed: u64,
    ) {
        classes.extend([0, 0, 1, 1, 2, 2, 3, 3]);
        let (train, test) = table(&classes, batch).train_test_split(fraction, seed, &Stratify::Target).unwrap();
        check_parts(&train, &test, classes.len());
        prop_assert_eq!(train.num_rows(), (classes.len() as f64 * fraction) as usize);
        for class in 0..4 {
            let size = classes.iter().filter(|c| **c == class).count();
            let here = column(&train, "row").iter().filter(|row| classes[**row as usize] == class).count();
            prop_assert!(here >= 1 && here < size);
            // A share is off by less than a row, by one more where a class must be on both sides.
            prop_assert!((here as f64 - size as f64 * fraction).abs() < 2.0, "{} of {}", here, size);
        }
    }

    #[test]
    fn a_cut_in_time_never_lets_the_future_in(classes in prop::collection::vec(0u8..4, 20..120), boundary in 5i64..45, fraction in 0.2..0.8f64) {
        let table = table(&classes, 16);
        let (train, test) = table.split_by_time("time", boundary).unwrap();
        check_parts(&train, &test, classes.len());
        prop_assert!(column(&train, "time").iter().all(|time| *time < boundary));
        prop_assert!(column(&test, "time").iter().all(|time| *time >= boundary));

        if let Ok((train, test)) = table.split_by_time_fraction("time", fraction) {
            check_parts(&train, &test, classes.len());
            prop_assert!(column(&train, "time").iter().max() < column(&test, "time").iter().min());
            let asked = (classes.len() as f64 * fraction) as usize;
            prop_assert!(train.num_rows() <= asked);
        }
    }

    #[test]
    fn folds_of_a_table_are_folds_of_its_rows(mut classes in prop::collection::vec(0u8..3, 12..60), k in 2usize..5, seed: Option<u64>) {
        classes.extend([0, 1, 2].repeat(5));
        let table = table(&classes, 7);
        for folds in [table.k_fold(k, seed).unwrap(), table.stratified_k_fold(k, seed).unwrap()] {
            prop_assert_eq!(folds.len(), k);
            for fold in folds {
                let (train, test) = table.take_fold(&fold).unwrap();
                check_parts(&train, &test, classes.len());
            }
        }
    }
}

#[test]
fn another_seed_is_another_cut() {
    let table = table(&[0; 100], 10);
    let of = |seed| column(&table.split(0.5, seed).unwrap().0, "row");
    assert_ne!(of(1), of(2));
}

#[test]
fn the_cut_of_a_seed_is_part_of_the_api() {
    let (train, _) = table(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1], 10).split(0.5, 42).unwrap();
    assert_eq!(column(&train, "row"), [3, 4, 5, 6, 8]);
}

#[test]
fn boundaries_are_written_as_the_column_needs_them() {
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![15_825, 15_826, 15_827]));
    let hour = 3_600_000_000;
    let start = 1_367_366_400_000_000; // 2013-05-01T00:00:00Z
    let moments = TimestampMicrosecondArray::from(vec![start - hour, start, start + hour]);
    let naive: ArrayRef = Arc::new(moments.clone());
    let utc: ArrayRef = Arc::new(moments.clone().with_timezone("UTC"));
    let offset: ArrayRef = Arc::new(moments.clone().with_timezone("-04:00"));
    let named: ArrayRef = Arc::new(moments.with_timezone("America/New_York"));
    let columns = [("date", dates), ("naive", naive), ("utc", utc), ("offset", offset), ("named", named)];
    let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
    let sizes = |column: &str, boundary: &str| {
        table.split_by_time(column, boundary).map(|(train, test)| (train.num_rows(), test.num_rows()))
    };
    assert_eq!(sizes("date", "2013-05-01").unwrap(), (1, 2));
    assert_eq!(sizes("naive", "2013-05-01").unwrap(), (1, 2));
    assert_eq!(sizes("naive", "2013-05-01T00:30:00").unwrap(), (2, 1));
    assert_eq!(sizes("utc", "2013-05-01").unwrap(), (1, 2));
    assert_eq!(sizes("utc", "2013-04-30T20:00:00-04:00").unwrap(), (1, 2));
    assert_eq!(sizes("offset", "2013-04-30T20:00:00").unwrap(), (1, 2));
    assert_eq!(sizes("offset", "2013-05-01T01:00:00Z").unwrap(), (2, 1));
    assert_eq!(sizes("named", "2013-05-01T00:00:00Z").unwrap(), (1, 2));
    assert_eq!(sizes("named", "2013-05-01").unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(sizes("utc", "may day").unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(sizes("utc", "2014-01-01").unwrap_err().kind(), ErrorKind::Data);
    let by_int = table.split_by_time("utc", 1_367_366_400_000_000_i64).unwrap_err();
    assert!(by_int.message().contains("give text such as"), "{by_int}");
}

#[test]
fn what_can_not_be_cut_is_refused() {
    let kind = |result: mlops_core::Result<(Table, Table)>| result.unwrap_err().kind();
    let small = table(&[0, 1, 1], 3);
    for fraction in [0.0, 1.0, -0.5, f64::NAN, 80.0] {
        assert_eq!(kind(small.split(fraction, 1)), ErrorKind::Config);
    }
    assert_eq!(kind(small.split(0.1, 1)), ErrorKind::Data);
    assert_eq!(kind(small.train_test_split(0.5, 1, &Stratify::Target)), ErrorKind::Data);
    let all_different = table(&[0, 0, 1, 1, 2, 2], 6);
    assert_eq!(kind(all_different.train_test_split(0.2, 1, &Stratify::Target)), ErrorKind::Data);
    let column = Stratify::Column("nothing".into());
    assert_eq!(kind(small.train_test_split(0.5, 1, &column)), ErrorKind::Schema);

    let batch = record_batch!(("x", Float64, [1.0, 2.0, 3.0]), ("t", Int32, [Some(1), None, Some(3)])).unwrap();
    let odd = Table::from_batch(batch);
    assert_eq!(kind(odd.train_test_split(0.5, 1, &Stratify::Column("x".into()))), ErrorKind::Schema);
    assert_eq!(kind(odd.train_test_split(0.5, 1, &Stratify::Column("t".into()))), ErrorKind::Data);
    assert_eq!(kind(odd.train_test_split(0.5, 1, &Stratify::Target)), ErrorKind::Schema);
    assert_eq!(kind(odd.split_by_time("x", 2)), ErrorKind::Schema);
    assert_eq!(kind(odd.split_by_time("t", 2)), ErrorKind::Data);
    assert_eq!(kind(odd.split_by_time("t", Literal::Null)), ErrorKind::Config);
}

#[test]
fn classes_may_be_packed_in_a_dictionary() {
    let packed: DictionaryArray<Int32Type> = ["a", "b", "a", "b"].into_iter().collect();
    let column: ArrayRef = Arc::new(packed);
    let table = Table::from_batch(RecordBatch::try_from_iter([("class", column)]).unwrap());
    let (train, _) = table.train_test_split(0.5, 3, &Stratify::Column("class".into())).unwrap();
    assert_eq!(train.num_rows(), 2);
}
