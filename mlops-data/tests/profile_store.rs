//! The store of profiles: a period is written once, history stays as it is, damage is named.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use mlops_core::random::SplitMix64;
use mlops_core::{Accumulator, ErrorKind, Table};
use mlops_data::profile::{Profile, ProfileStore};

fn day(seed: u64, rows: usize) -> Table {
    let mut rng = SplitMix64::new(seed);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("x", Arc::new(Float64Array::from_iter_values((0..rows).map(|_| rng.uniform())))),
        ("zone", Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("z{}", row % 40))))),
    ];
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
}

fn files(store: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(store)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_period_is_appended_without_touching_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = ProfileStore::at(dir.path().join("profiles"));
    assert_eq!((store.periods().unwrap().len(), store.merged(..).unwrap()), (0, None));
    let days: Vec<Profile> = (0..40).map(|seed| Profile::of(&day(seed, 300)).unwrap()).collect();
    for (i, profile) in days.iter().enumerate() {
        let before = if i > 0 { files(&dir.path().join("profiles")) } else { Vec::new() };
        store.append(&format!("day-{i:02}"), profile).unwrap();
        let after = files(&dir.path().join("profiles"));
        assert!(after.len() == i + 1 && before.iter().all(|file| after.contains(file)));
    }
    assert_eq!(store.read("day-07").unwrap(), days[7]);

    let all = store.merged(..).unwrap().unwrap();
    assert_eq!(all.rows(), 40 * 300);
    let week = store.merged("day-00"..="day-06").unwrap().unwrap();
    let mut one_by_one = days[0].clone();
    days[1..7].iter().for_each(|day| one_by_one.merge(day.clone()).unwrap());
    assert_eq!(week, one_by_one);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| store.merged(..)).unwrap().unwrap(), all, "threads leave no trace");
}

#[test]
fn what_is_kept_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = ProfileStore::at(dir.path());
    let (first, second) = (Profile::of(&day(1, 10)).unwrap(), Profile::of(&day(2, 10)).unwrap());
    store.append("monday", &first).unwrap();
    let refused = store.append("monday", &second).unwrap_err();
    assert_eq!((refused.kind(), store.read("monday").unwrap()), (ErrorKind::Conflict, first));
    assert_eq!(files(dir.path()).len(), 1, "nothing is left behind");
    for name in ["", "a/b", "../x", ".hidden"] {
        assert_eq!(store.append(name, &second).unwrap_err().kind(), ErrorKind::Config, "{name:?}");
    }
    assert_eq!(store.read("tuesday").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn damage_and_other_columns_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = ProfileStore::at(dir.path());
    store.append("a", &Profile::of(&day(1, 10)).unwrap()).unwrap();
    let other = Table::from_batch(arrow::array::record_batch!(("n", Int32, [1])).unwrap());
    store.append("b", &Profile::of(&other).unwrap()).unwrap();
    let error = store.merged(..).unwrap_err();
    assert!(error.kind() == ErrorKind::Schema && error.to_string().contains('b'), "{error}");
    fs::write(dir.path().join("b.profile.json"), b"{\"version\":2").unwrap();
    let error = store.merged(..).unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("b.profile.json"), "{error}");
    fs::write(dir.path().join("b.profile.json"), [0xff]).unwrap();
    assert_eq!(store.read("b").unwrap_err().kind(), ErrorKind::Corrupt);
}
