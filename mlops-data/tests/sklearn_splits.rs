//! Folds are scikit-learn's, row for row; see `tests/golden/sklearn/README.md`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use mlops_core::folds::{Fold, Splitter, k_fold, stratified_k_fold};
use mlops_core::{Result, Role, Table};
use mlops_data::split::{
    Folds, GroupKFold, KFold, PredefinedSplit, StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit,
};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Case {
    name: String,
    n_splits: usize,
    rows: usize,
    y: Option<Vec<Value>>,
    test_rows: Option<Vec<Vec<usize>>>,
}

fn folds(case: &Case) -> Result<Vec<Fold>> {
    let Some(labels) = &case.y else { return k_fold(case.rows, case.n_splits, None) };
    let mut seen: Vec<&Value> = Vec::new();
    // Numbered from the last to the first, to show that the numbers do not matter.
    let classes: Vec<usize> = labels
        .iter()
        .map(|label| {
            let class = seen.iter().position(|known| *known == label).unwrap_or_else(|| {
                seen.push(label);
                seen.len() - 1
            });
            1000 - class
        })
        .collect();
    stratified_k_fold(&classes, case.n_splits, None)
}

/// The same through a table and a recipe.
fn by_recipe(case: &Case) -> Result<Vec<Fold>> {
    let table = table(case.rows, [("y", case.y.as_deref()), ("", None)]);
    match &case.y {
        Some(_) => StratifiedKFold::new(case.n_splits).folds(&table),
        None => KFold::new(case.n_splits).folds(&table),
    }
}

fn column(values: &[Value]) -> ArrayRef {
    match values[0] {
        Value::String(_) => Arc::new(values.iter().map(Value::as_str).collect::<StringArray>()),
        _ => Arc::new(values.iter().map(Value::as_i64).collect::<Int64Array>()),
    }
}

fn table(rows: usize, columns: [(&str, Option<&[Value]>); 2]) -> Table {
    let number: ArrayRef = Arc::new((0..rows as i64).collect::<Int64Array>());
    let given = columns.into_iter().filter_map(|(name, values)| Some((name, column(values?))));
    let batch = RecordBatch::try_from_iter([("row", number)].into_iter().chain(given)).unwrap();
    let table = Table::from_batch(batch).rebatch(7).unwrap();
    if table.column("y").is_ok() { table.with_role("y", Role::Target).unwrap() } else { table }
}

#[derive(Deserialize)]
struct SecondCase {
    name: String,
    splitter: String,
    rows: usize,
    params: Map<String, Value>,
    y: Option<Vec<Value>>,
    groups: Option<Vec<Value>>,
    folds: Option<Vec<Fold>>,
}

impl SecondCase {
    fn recipe(&self) -> Folds {
        let param = |name: &str| self.params.get(name).and_then(Value::as_u64).map(|x| x as usize);
        let n_splits = param("n_splits").unwrap_or(2);
        match self.splitter.as_str() {
            "GroupKFold" => GroupKFold::new(n_splits, "groups").into(),
            "StratifiedGroupKFold" => StratifiedGroupKFold::new(n_splits, "groups").into(),
            "PredefinedSplit" => PredefinedSplit::new("test_fold").into(),
            _ => {
                let mut recipe = TimeSeriesSplit::new(n_splits).with_gap(param("gap").unwrap_or(0));
                recipe.max_train_size = param("max_train_size");
                recipe.test_size = param("test_size");
                recipe.into()
            }
        }
    }

    fn table(&self) -> Table {
        match self.params.get("test_fold").and_then(Value::as_array) {
            Some(folds) => table(self.rows, [("test_fold", Some(folds)), ("", None)]),
            None => table(self.rows, [("y", self.y.as_deref()), ("groups", self.groups.as_deref())]),
        }
    }
}

#[test]
fn groups_series_and_predefined_folds_are_those_of_scikit_learn() {
    let cases: Vec<SecondCase> = serde_json::from_str(include_str!("../../tests/golden/sklearn/folds.json")).unwrap();
    assert!(cases.len() > 100);
    let mut compared = std::collections::BTreeMap::new();
    for case in cases {
        let (recipe, table) = (case.recipe(), case.table());
        let read: Folds = serde_json::from_value(serde_json::to_value(&recipe).unwrap()).unwrap();
        assert_eq!(read, recipe);
        match (recipe.folds(&table), case.folds) {
            (Ok(folds), Some(expected)) => assert_eq!(folds, expected, "{}", case.name),
            (Err(_), None) => {}
            (ours, theirs) => panic!("{}: {ours:?} instead of {theirs:?}", case.name),
        }
        *compared.entry(case.splitter).or_insert(0) += 1;
    }
    let compared: Vec<(&str, i32)> = compared.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let expected = [("GroupKFold", 24), ("PredefinedSplit", 3), ("StratifiedGroupKFold", 48), ("TimeSeriesSplit", 32)];
    assert_eq!(compared, expected);
}

#[test]
fn folds_are_those_of_scikit_learn() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/golden/sklearn/splits.json")).unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let folds = folds(&case);
        let Some(expected) = &case.test_rows else {
            assert!(folds.is_err(), "{}: scikit-learn refuses", case.name);
            continue;
        };
        let folds = folds.unwrap();
        assert_eq!(by_recipe(&case).unwrap(), folds, "{}: recipe", case.name);
        let tests: Vec<&Vec<usize>> = folds.iter().map(|fold| &fold.test).collect();
        assert_eq!(tests, expected.iter().collect::<Vec<_>>(), "{}", case.name);
        for Fold { train, test } in &folds {
            let others: Vec<usize> = (0..case.rows).filter(|row| !test.contains(row)).collect();
            assert_eq!(*train, others, "{}", case.name);
        }
    }
}
