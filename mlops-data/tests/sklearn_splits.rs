//! Folds are scikit-learn's, row for row; see `tests/golden/sklearn/README.md`.

use mlops_core::Result;
use mlops_core::folds::{Fold, k_fold, stratified_k_fold};
use serde::Deserialize;
use serde_json::Value;

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
        let tests: Vec<&Vec<usize>> = folds.iter().map(|fold| &fold.test).collect();
        assert_eq!(tests, expected.iter().collect::<Vec<_>>(), "{}", case.name);
        for Fold { train, test } in &folds {
            let others: Vec<usize> = (0..case.rows).filter(|row| !test.contains(row)).collect();
            assert_eq!(*train, others, "{}", case.name);
        }
    }
}
