//! Relations between columns: numbers of scipy, alerts on leaks, and the algebra of folds.

use std::sync::Arc;

use arrow::array::*;
use mlops_core::random::SplitMix64;
use mlops_core::{Accumulator, ErrorKind, Role, Table};
use mlops_data::profile::{AlertKind, Profile, RelationOptions, Relations};
use proptest::prelude::*;

/// Columns of which some hang together: `y` on `x`, `zone` on `x`, `late` on `zone`.
fn table(rows: usize, seed: u64) -> Table {
    let mut rng = SplitMix64::new(seed);
    let x: Vec<f64> = (0..rows).map(|_| rng.uniform()).collect();
    let noise: Vec<f64> = (0..rows).map(|_| rng.uniform()).collect();
    let zone = |row: usize| ["a", "b", "c", "d"][(x[row] * 4.0) as usize];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("x", Arc::new(Float64Array::from_iter((0..rows).map(|row| (noise[row] > 0.1).then_some(x[row]))))),
        ("y", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| x[row] * x[row] + 0.01 * noise[row])))),
        ("noise", Arc::new(Float64Array::from_iter_values(noise.iter().copied()))),
        ("zone", Arc::new(StringArray::from_iter_values((0..rows).map(zone)))),
        ("late", Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(x[row] >= 0.5))))),
        ("day", Arc::new(Date32Array::from_iter_values((0..rows).map(|row| (x[row] * 1000.0) as i32)))),
    ];
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
}

fn of(table: &Table) -> Relations {
    Relations::of(table, &RelationOptions::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn batches_and_threads_leave_no_trace(rows in 1usize..3000, batch in 1usize..400, seed: u64) {
        let table = table(rows, seed);
        let options = RelationOptions::default().with_sample(256);
        let whole = Relations::of(&table, &options).unwrap();
        let cut = table.rebatch(batch).unwrap();
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            prop_assert_eq!(&pool.install(|| Relations::of(&cut, &options)).unwrap(), &whole);
        }
        prop_assert_eq!(&Relations::from_json(&whole.to_json().unwrap()).unwrap(), &whole);
    }

    #[test]
    fn parts_merge_in_any_order(rows in 30usize..2000, parts in 2usize..6, seed: u64) {
        let table = table(rows, seed);
        let pieces: Vec<Relations> = table.rebatch(rows.div_ceil(parts)).unwrap().batches().iter()
            .map(|batch| of(&Table::from_batch(batch.clone()))).collect();
        let fold = |pieces: &mut dyn Iterator<Item = &Relations>| {
            pieces.cloned().reduce(|mut all, piece| { all.merge(piece).unwrap(); all }).unwrap()
        };
        let (there, back) = (fold(&mut pieces.iter()), fold(&mut pieces.iter().rev()));
        prop_assert_eq!(&there, &back);
        for (merged, whole) in there.all().iter().zip(of(&table).all()) {
            prop_assert_eq!(merged.pearson, whole.pearson);
        }
    }
}

#[test]
fn measures_are_those_of_scipy() {
    let (x, y) = ([1.0, 2.5, 2.5, 4.0, 7.0, 9.5, 3.0, 0.5], [2.0, 1.0, 4.0, 4.0, 9.0, 7.5, 3.0, 2.0]);
    let columns: Vec<(&str, ArrayRef)> =
        vec![("x", Arc::new(Float64Array::from(x.to_vec()))), ("y", Arc::new(Float64Array::from(y.to_vec())))];
    let relations = of(&Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()));
    let pair = relations.between("y", "x").unwrap();
    // scipy.stats.pearsonr(x, y), spearmanr(x, y)
    assert!((pair.pearson.unwrap() - 0.8791975005949597).abs() < 1e-14);
    assert!((pair.spearman.unwrap() - 0.8060754101526587).abs() < 1e-14);
    assert!(relations.between("x", "z").is_none());
}

#[test]
fn what_hangs_together_is_found_and_what_does_not_is_not() {
    let relations = of(&table(4000, 3));
    let strength = |one: &str, other: &str| relations.between(one, other).unwrap().strength();
    assert!(strength("x", "y") > 0.99 && strength("x", "zone") > 0.95 && strength("y", "day") > 0.95);
    assert!(strength("noise", "y") < 0.1 && strength("noise", "zone") < 0.1);
    let nats = |one: &str, other: &str| relations.between(one, other).unwrap().mutual_information.unwrap();
    assert!((nats("zone", "late") - 2f64.ln()).abs() < 0.02 && nats("zone", "noise") < 0.02);
}

#[test]
fn a_column_that_gives_the_target_away_is_named() {
    let table = table(3000, 4).with_role("late", Role::Target).unwrap();
    let relations = of(&table);
    assert_eq!(relations.to_target()[0].strength(), relations.between("zone", "late").unwrap().strength());
    let alerts = relations.alerts();
    let leaks: Vec<&str> =
        alerts.iter().filter(|alert| alert.kind == AlertKind::Leak).map(|alert| alert.column.as_str()).collect();
    assert_eq!(leaks, ["zone"]);
    let document = Profile::of(&table).unwrap().document().with_relations(&relations);
    assert_eq!(document.relations.len(), 15);
    assert!(document.alerts.iter().any(|alert| alert.kind == AlertKind::Leak));
}

#[test]
fn the_number_of_columns_is_bounded_but_the_target_is_there() {
    let table = table(50, 5);
    let options = RelationOptions::default().with_max_columns(2).with_target("late");
    let relations = Relations::of(&table, &options).unwrap();
    assert_eq!((relations.all().len(), relations.left_out().len()), (1, 4));
    assert_eq!(relations.all()[0].left, "late");
}

#[test]
fn other_columns_and_damaged_relations_are_refused() {
    let relations = of(&table(20, 1));
    let options = RelationOptions::default().with_columns(["x", "y"]);
    let fewer = Relations::of(&table(20, 1), &options).unwrap();
    assert_eq!(relations.clone().merge(fewer).unwrap_err().kind(), ErrorKind::Schema);
    let options = RelationOptions::default().with_columns(["z"]);
    assert_eq!(Relations::of(&table(5, 1), &options).unwrap_err().kind(), ErrorKind::Schema);
    let stored = relations.to_json().unwrap();
    let newer = stored.replacen("\"version\":1", "\"version\":9", 1);
    assert_eq!(Relations::from_json(&newer).unwrap_err().kind(), ErrorKind::Unsupported);
    let other = stored.replacen("\"kept\":4096", "\"kept\":3", 1);
    assert_eq!(Relations::from_json(&other).unwrap_err().kind(), ErrorKind::Corrupt);
}
