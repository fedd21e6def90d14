//! What every recipe for folds and holdouts promises, for any rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampSecondArray, record_batch};
use mlops_core::folds::{Fold, Splitter};
use mlops_core::{ErrorKind, Role, Table};
use mlops_data::split::{
    Folds, GroupKFold, HashKFold, KFold, Parts, PredefinedSplit, PurgedKFold, ShuffleSplit, Span, Split, SplitBy,
    StratifiedGroupKFold, StratifiedKFold, Stratify, TimeSeriesSplit,
};
use proptest::prelude::*;

/// Rows of a class, a group and a time.
#[derive(Clone, Debug)]
struct Rows(Vec<(u8, u16, i64)>);

impl Rows {
    fn table(&self, batch: usize) -> Table {
        let class: ArrayRef = Arc::new(self.0.iter().map(|row| Some(format!("c{}", row.0))).collect::<StringArray>());
        let group: ArrayRef = Arc::new(self.0.iter().map(|row| Some(i64::from(row.1))).collect::<Int64Array>());
        let time: ArrayRef = Arc::new(self.0.iter().map(|row| Some(row.2)).collect::<Int64Array>());
        let columns = [("class", class), ("group", group), ("time", time)];
        let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).rebatch(batch).unwrap();
        table.with_role("class", Role::Target).unwrap()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

prop_compose! {
    fn rows()(
        some in prop::collection::vec((0u8..3, 0u16..15, -40i64..40), 20..90),
        seed in 0u16..15,
    ) -> Rows {
        // At least five groups, and five rows of each class.
        let more = (0..15u16).map(|i| ((i % 3) as u8, (seed + i) % 15, i64::from(i) * 7 - 50));
        Rows(some.into_iter().chain(more).collect())
    }
}

fn check_sides(fold: &Fold, rows: usize) {
    assert!(!fold.train.is_empty() && !fold.test.is_empty());
    assert!(fold.train.is_sorted_by(|a, b| a < b) && fold.test.is_sorted_by(|a, b| a < b));
    let train: BTreeSet<_> = fold.train.iter().collect();
    assert!(fold.test.iter().all(|row| !train.contains(row)), "a row is on both sides");
    assert!(fold.train.iter().chain(&fold.test).all(|row| *row < rows));
}

fn check_partition(folds: &[Fold], rows: usize) {
    let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
    tested.sort_unstable();
    assert_eq!(tested, (0..rows).collect::<Vec<_>>(), "every row is tested once");
    for fold in folds {
        check_sides(fold, rows);
        assert_eq!(fold.train.len() + fold.test.len(), rows);
    }
}

fn folds(recipe: impl Into<Folds>, rows: &Rows, batch: usize) -> Vec<Fold> {
    let recipe = recipe.into();
    let folds = recipe.folds(&rows.table(batch)).unwrap();
    assert_eq!(folds, recipe.folds(&rows.table(1000)).unwrap(), "batches make a difference");
    let read: Folds = serde_json::from_str(&serde_json::to_string(&recipe).unwrap()).unwrap();
    assert_eq!(read, recipe);
    folds
}

fn straddles(left: &[usize], right: &[usize], of: impl Fn(usize) -> u16) -> bool {
    let left: BTreeSet<u16> = left.iter().map(|row| of(*row)).collect();
    right.iter().any(|row| left.contains(&of(*row)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_row_is_tested_once(rows in rows(), batch in 1usize..40, k in 2usize..6, shuffle: Option<u64>) {
        let mut plain = KFold::new(k);
        plain.shuffle = shuffle;
        check_partition(&folds(plain, &rows, batch), rows.len());

        let mut stratified = StratifiedKFold::new(k);
        stratified.shuffle = shuffle;
        let stratified = folds(stratified, &rows, batch);
        check_partition(&stratified, rows.len());
        for class in 0..3 {
            let of = |rows_of: &[usize]| rows_of.iter().filter(|row| rows.0[**row].0 == class).count();
            let size = rows.0.iter().filter(|row| row.0 == class).count();
            prop_assert!(stratified.iter().all(|f| of(&f.test) == size / k || of(&f.test) == size.div_ceil(k)));
        }
    }

    #[test]
    fn repeats_are_other_folds(rows in rows(), k in 2usize..5, seed: u64) {
        for recipe in [
            Folds::from(KFold::new(k).with_shuffle(seed).with_repeats(3)),
            StratifiedKFold::new(k).with_shuffle(seed).with_repeats(3).into(),
        ] {
            let folds = folds(recipe, &rows, 11);
            prop_assert_eq!(folds.len(), 3 * k);
            folds.chunks(k).for_each(|repeat| check_partition(repeat, rows.len()));
            prop_assert!(folds[..k] != folds[k..2 * k]);
        }
    }

    #[test]
    fn no_group_straddles(rows in rows(), batch in 1usize..40, k in 2usize..6, shuffle: Option<u64>) {
        let mut grouped = GroupKFold::new(k, "group");
        grouped.shuffle = shuffle;
        let mut stratified = StratifiedGroupKFold::new(k, "group");
        stratified.shuffle = shuffle;
        for recipe in [Folds::from(grouped), stratified.into()] {
            let folds = folds(recipe, &rows, batch);
            let tested: usize = folds.iter().map(|fold| fold.test.len()).sum();
            prop_assert_eq!(tested, rows.len());
            for fold in &folds {
                prop_assert!(!straddles(&fold.train, &fold.test, |row| rows.0[row].1));
            }
        }
    }

    #[test]
    fn nothing_is_learned_within_purge_and_embargo(
        rows in rows(), batch in 1usize..40, k in 2usize..5, purge in 0i64..6, embargo in 0i64..6,
    ) {
        let time = |row: &usize| rows.0[*row].2;
        let recipe = PurgedKFold::new(k, "time").with_purge(purge as u64).with_embargo(embargo as u64);
        let purged = folds(recipe, &rows, batch);
        let mut tested: Vec<usize> = purged.iter().flat_map(|fold| fold.test.clone()).collect();
        tested.sort_unstable();
        prop_assert_eq!(tested, (0..rows.len()).collect::<Vec<_>>());
        for fold in &purged {
            check_sides(fold, rows.len());
            let (first, last) = (fold.test.iter().map(time).min().unwrap(), fold.test.iter().map(time).max().unwrap());
            let near = |row: &usize| time(row) >= first - purge && time(row) <= last + purge + embargo;
            prop_assert!(!fold.train.iter().any(near));
            // And nothing else is lost.
            let far = (0..rows.len()).filter(|row| !near(row)).count();
            prop_assert_eq!(fold.train.len(), far);
        }

        let recipe = TimeSeriesSplit::new(k).on("time").with_purge(purge as u64);
        for fold in folds(recipe, &rows, batch) {
            check_sides(&fold, rows.len());
            let first = fold.test.iter().map(time).min().unwrap();
            prop_assert!(fold.train.iter().all(|row| time(row) + purge < first));
        }
    }

    #[test]
    fn the_side_of_a_key_never_changes(rows in rows(), more in rows(), test in 0.1..0.4f64, validation in 0.0..0.4f64, seed: u64) {
        let split = Split::test(test).with_validation(validation).with_seed(seed).by_hash(["group"]);
        let side = |rows: &Rows, split: &Split| -> BTreeMap<u16, u8> {
            let Parts { train, validation, test } = split.rows(&rows.table(9)).unwrap();
            assert_eq!(train.len() + validation.len() + test.len(), rows.len());
            let of = |part: Vec<usize>, side: u8| part.into_iter().map(move |row| (row, side)).collect::<Vec<_>>();
            let all = [of(train, 0), of(validation, 1), of(test, 2)].concat();
            all.into_iter().map(|(row, side)| (rows.0[row].1, side)).collect()
        };
        let before = side(&rows, &split);
        let grown = Rows([more.0, rows.0.clone()].concat());
        let after = side(&grown, &split);
        prop_assert!(before.iter().all(|(key, side)| after[key] == *side));
        // A greater test keeps the keys of the smaller one.
        let mut greater = split;
        greater.test += 0.1;
        let greater = side(&rows, &greater);
        prop_assert!(before.iter().all(|(key, side)| *side != 2 || greater[key] == 2));
    }

    #[test]
    fn parts_hold_every_row_once(rows in rows(), batch in 1usize..40, seed: u64, validation in 0.1..0.3f64) {
        let split = Split::test(0.2).with_validation(validation).with_seed(seed);
        for split in [split.clone(), split.clone().stratified(), split.clone().by_group("group"), split.by_time("time")] {
            let Parts { train, validation, test } = split.rows(&rows.table(batch)).unwrap();
            prop_assert!([&train, &validation, &test].iter().all(|part| !part.is_empty() && part.is_sorted()));
            let mut all = [train.as_slice(), &validation, &test].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..rows.len()).collect::<Vec<_>>());
            let time = |row: &usize| rows.0[*row].2;
            match &split.by {
                SplitBy::Group(_) => {
                    let group = |row: usize| rows.0[row].1;
                    prop_assert!(!straddles(&train, &test, group) && !straddles(&train, &validation, group));
                    prop_assert!(!straddles(&validation, &test, group));
                }
                SplitBy::Time { .. } => {
                    prop_assert!(train.iter().map(time).max() < validation.iter().map(time).min());
                    prop_assert!(validation.iter().map(time).max() < test.iter().map(time).min());
                }
                _ => prop_assert_eq!(test.len(), (rows.len() as f64 * 0.2).ceil() as usize),
            }
        }
    }

    #[test]
    fn nothing_is_within_the_purge_before_the_next_part(rows in rows(), purge in 0i64..5) {
        let split = Split::test(0.2).with_validation(0.3).by_time("time").with_purge(purge as u64);
        let Parts { train, validation, test } = split.rows(&rows.table(10)).unwrap();
        let time = |row: &usize| rows.0[*row].2;
        prop_assert!(train.iter().map(time).max().unwrap() + purge < validation.iter().map(time).min().unwrap());
        prop_assert!(validation.iter().map(time).max().unwrap() + purge < test.iter().map(time).min().unwrap());
    }

    #[test]
    fn draws_have_their_size_and_differ(rows in rows(), seed: u64) {
        for by in [SplitBy::Random, SplitBy::Stratified(Stratify::Target), SplitBy::Group("group".into())] {
            let exact = !matches!(by, SplitBy::Group(_));
            let folds = folds(ShuffleSplit::new(6, 0.3).with_seed(seed).with_by(by), &rows, 8);
            prop_assert_eq!(folds.len(), 6);
            for fold in &folds {
                check_sides(fold, rows.len());
                prop_assert_eq!(fold.test.len() + fold.train.len(), rows.len());
                prop_assert!(!exact || fold.test.len() == (rows.len() as f64 * 0.3).ceil() as usize);
            }
            prop_assert!(folds.windows(2).any(|pair| pair[0] != pair[1]));
        }
    }
}

const TEST: [usize; 4] = [0, 3, 8, 10];
const VALIDATION: [usize; 3] = [1, 4, 9];
const FOLDS: [usize; 12] = [2, 2, 3, 2, 0, 1, 0, 3, 1, 1, 3, 0];
const TEST_OF_TWO: [usize; 2] = [1, 5];

/// The sides were computed with the `xxhash` package of Python from the documented bytes: they are
/// part of the API.
#[test]
fn the_hash_of_a_key_is_part_of_the_api() {
    let keys = 1..=12_i64;
    let numbers: ArrayRef = Arc::new(keys.clone().collect::<Int64Array>());
    let texts: ArrayRef = Arc::new(keys.map(|key| Some(key.to_string())).collect::<StringArray>());
    let second: ArrayRef = Arc::new(StringArray::from(vec!["é"; 12]));
    let columns = [("number", numbers), ("text", texts), ("second", second)];
    let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
    for key in ["number", "text"] {
        let parts = Split::test(0.3).with_validation(0.2).with_seed(42).by_hash([key]).rows(&table).unwrap();
        assert_eq!((parts.test, parts.validation), (TEST.to_vec(), VALIDATION.to_vec()));
        let folds = HashKFold::new(4, [key]).folds(&table).unwrap();
        for (row, fold) in FOLDS.into_iter().enumerate() {
            assert!(folds[fold].test.contains(&row));
        }
    }
    let parts = Split::test(0.3).with_seed(7).by_hash(["number", "second"]).rows(&table).unwrap();
    assert_eq!(parts.test, TEST_OF_TWO);
}

#[test]
fn hashed_folds_are_about_equal() {
    let keys: ArrayRef = Arc::new((0..20_000).collect::<Int64Array>());
    let table = Table::from_batch(RecordBatch::try_from_iter([("key", keys)]).unwrap());
    let folds = HashKFold::new(5, ["key"]).with_seed(3).folds(&table).unwrap();
    check_partition(&folds, 20_000);
    assert!(folds.iter().all(|fold| fold.test.len().abs_diff(4_000) < 300));
}

#[test]
fn spans_fit_the_column() {
    let day = 86_400;
    let dates: ArrayRef = Arc::new(Date32Array::from_iter_values(0..10));
    let moments: ArrayRef =
        Arc::new(TimestampSecondArray::from_iter_values((0..10).map(|i| i * day)).with_timezone("UTC"));
    let table = Table::from_batch(RecordBatch::try_from_iter([("date", dates), ("moment", moments)]).unwrap());
    let train = |column: &str, purge: Span| {
        let split = Split::test(0.2).by_time(column).with_purge(purge);
        split.rows(&table).map(|parts| parts.train.len())
    };
    for column in ["date", "moment"] {
        assert_eq!(train(column, Span::default()).unwrap(), 8);
        assert_eq!(train(column, Span::days(2)).unwrap(), 6);
        assert_eq!(train(column, Span::Units(2)).unwrap_err().kind(), ErrorKind::Config);
    }
    // An hour is rounded up to a day where days are all there is.
    let hour = Span::from(Duration::from_secs(3_600));
    assert_eq!((train("date", hour).unwrap(), train("moment", hour).unwrap()), (7, 8));
}

#[test]
fn a_column_may_say_the_part() {
    let batch = record_batch!(("part", Utf8, ["train", "test", "train", "validation"])).unwrap();
    let parts = Split::predefined("part").rows(&Table::from_batch(batch)).unwrap();
    assert_eq!(parts, Parts { train: vec![0, 2], validation: vec![3], test: vec![1] });
}

#[test]
fn recipes_are_read_from_configurations() {
    let json = r#"{"test": 0.2, "validation": 0.1, "by": {"time": {"column": "day", "purge": {"units": 3}}}}"#;
    let split: Split = serde_json::from_str(json).unwrap();
    assert_eq!(split, Split::test(0.2).with_validation(0.1).by_time("day").with_purge(3));
    let split: Split = serde_json::from_str(r#"{"test": 0.2, "by": {"hash": ["customer"]}}"#).unwrap();
    assert_eq!(split, Split::test(0.2).by_hash(["customer"]));
    assert!(serde_json::from_str::<Split>(r#"{"tset": 0.2}"#).is_err());
    assert!(serde_json::from_str::<Folds>(r#"{"k_fold": {"splits": 3}}"#).is_err());
}

#[test]
fn what_can_not_be_cut_is_refused_with_a_remedy() {
    let batch = record_batch!(
        ("group", Utf8, [Some("a"), Some("a"), Some("b"), None]),
        ("pair", Utf8, ["a", "a", "b", "b"]),
        ("class", Int32, [0, 0, 1, 1]),
        ("own", Int32, [0, 1, 2, 3]),
        ("x", Float64, [0.0, 1.0, 2.0, 3.0]),
        ("same", Int32, [5, 5, 5, 5]),
        ("fold", Int32, [0, -2, 1, 1]),
        ("part", Utf8, ["train", "tset", "test", "test"])
    );
    let table = Table::from_batch(batch.unwrap()).with_role("class", Role::Target).unwrap();
    let folds: Vec<(Folds, ErrorKind, &str)> = vec![
        (KFold::new(5).into(), ErrorKind::Data, "ask for at most 4"),
        (KFold::new(1).into(), ErrorKind::Config, "at least 2"),
        (KFold::new(2).with_repeats(2).into(), ErrorKind::Config, "with_shuffle"),
        (KFold::new(2).with_shuffle(1).with_repeats(0).into(), ErrorKind::Config, "at least 1"),
        (StratifiedKFold::new(3).into(), ErrorKind::Data, "fewer folds"),
        (StratifiedKFold::new(2).with_class("x").into(), ErrorKind::Schema, "whole numbers"),
        (StratifiedKFold::new(2).with_class("group").into(), ErrorKind::Data, "row 4"),
        (GroupKFold::new(3, "pair").into(), ErrorKind::Data, "ask for at most 2"),
        (GroupKFold::new(2, "group").into(), ErrorKind::Data, "filter those rows"),
        (GroupKFold::new(2, "grup").into(), ErrorKind::Schema, "did you mean 'group'"),
        (GroupKFold::new(1, "pair").into(), ErrorKind::Config, "at least 2"),
        (StratifiedGroupKFold::new(3, "own").into(), ErrorKind::Data, "fewer folds"),
        (StratifiedGroupKFold::new(3, "pair").into(), ErrorKind::Data, "ask for at most 2"),
        (TimeSeriesSplit::new(4).into(), ErrorKind::Data, "fewer folds"),
        (TimeSeriesSplit::new(0).into(), ErrorKind::Config, "n_splits"),
        (TimeSeriesSplit::new(2).with_purge(1).into(), ErrorKind::Config, "on(column)"),
        (TimeSeriesSplit::new(2).on("same").into(), ErrorKind::Data, "no row to learn from"),
        (TimeSeriesSplit::new(2).on("x").into(), ErrorKind::Schema, "dates, timestamps or whole numbers"),
        (TimeSeriesSplit::new(2).on("own").with_purge(Span::days(1)).into(), ErrorKind::Config, "Span::Units"),
        (TimeSeriesSplit::new(usize::MAX - 1).into(), ErrorKind::Data, "fewer folds"),
        (PurgedKFold::new(2, "own").with_purge(5).into(), ErrorKind::Data, "shorten"),
        (PredefinedSplit::new("fold").into(), ErrorKind::Data, "row 2"),
        (PredefinedSplit::new("same").into(), ErrorKind::Data, "every row into one test"),
        (PredefinedSplit::new("x").into(), ErrorKind::Schema, "whole numbers"),
        (HashKFold::new(2, ["group"]).into(), ErrorKind::Data, "row 4"),
        (HashKFold::new(2, ["x"]).into(), ErrorKind::Schema, "texts, whole numbers"),
        (HashKFold::new(2, ["same"]).into(), ErrorKind::Data, "too few keys"),
        (HashKFold::new(2, Vec::<String>::new()).into(), ErrorKind::Config, "name the columns"),
        (ShuffleSplit::new(0, 0.5).into(), ErrorKind::Config, "at least 1"),
        (
            ShuffleSplit::new(1, 0.5).with_by(SplitBy::Column("part".into())).into(),
            ErrorKind::Config,
            "PredefinedSplit",
        ),
    ];
    for (recipe, kind, remedy) in folds {
        let error = recipe.folds(&table).unwrap_err();
        assert!(error.kind() == kind && error.message().contains(remedy), "{recipe:?}: {error:?}");
    }
    let splits = [
        (Split::test(0.0), ErrorKind::Config, "above 0"),
        (Split::test(0.5).with_validation(0.5), ErrorKind::Config, "below 1"),
        (Split::test(f64::NAN), ErrorKind::Config, "such as"),
        (Split::test(0.4).with_validation(0.4), ErrorKind::Data, "hold back less"),
        (Split::test(0.5).by_group("same"), ErrorKind::Data, "groups"),
        (Split::test(0.5).by_group("group"), ErrorKind::Data, "row 4"),
        (Split::test(0.5).by_time("same"), ErrorKind::Data, "to learn from"),
        (Split::test(0.25).by_hash(["missing"]), ErrorKind::Schema, "no column 'missing'"),
        (Split::predefined("part"), ErrorKind::Data, "\"tset\" in row 2"),
    ];
    for (recipe, kind, remedy) in splits {
        let error = recipe.rows(&table).unwrap_err();
        assert!(error.kind() == kind && error.message().contains(remedy), "{recipe:?}: {error:?}");
    }
    let stale = vec![Fold { train: vec![0], test: vec![4] }];
    assert_eq!(stale.folds(&table).unwrap_err().kind(), ErrorKind::Data);
}
