//! Cross-validation and the comparison of recipes.
#![cfg(all(feature = "forest", feature = "linear"))]

mod common;

use common::{Kind, rows};
use mlops_core::{Cancel, ErrorKind, Run, Trainer};
use mlops_train::{
    Accuracy, CrossValidation, F1, LinearRegression, LogLoss, LogisticRegression, RandomForest, Ridge, Rmse, RocAuc,
    Selection, compare,
};

fn candidates() -> Vec<(&'static str, Box<dyn Trainer>)> {
    vec![
        ("stump", Box::new(RandomForest::new().with_n_trees(1).with_max_depth(1))),
        ("logistic", Box::new(LogisticRegression::new())),
        ("forest", Box::new(RandomForest::new().with_n_trees(10))),
    ]
}

#[test]
fn folds_are_judged_one_by_one() {
    let data = rows(200, Kind::Bool).rebatch(33).unwrap();
    let folds = CrossValidation::new(4).with_seed(3);
    let run = Run::default();
    let result = folds.score(&LogisticRegression::new(), &data, &[&RocAuc, &LogLoss], &run).unwrap();
    let values = result.values("roc_auc").unwrap();
    assert_eq!(values.len(), 4);
    let mean = values.iter().sum::<f64>() / 4.0;
    assert_eq!(result.mean("roc_auc").unwrap(), mean);
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4.0;
    assert_eq!(result.std("roc_auc").unwrap(), variance.sqrt());
    assert!(mean > 0.85, "{result}");
    assert_eq!(result.mean("brier").unwrap_err().kind(), ErrorKind::NotFound);
    let again = folds.score(&LogisticRegression::new(), &data, &[&RocAuc, &LogLoss], &run).unwrap();
    assert_eq!(again.means(), result.means());
}

#[test]
fn a_quantity_is_cut_plainly() {
    let data = rows(50, Kind::Number);
    let result = CrossValidation::new(5).score(&LinearRegression::new(), &data, &[&Rmse], &Run::default()).unwrap();
    assert!(result.mean("rmse").unwrap() < 0.5, "{result}");
}

#[test]
fn several_classes_are_in_every_fold() {
    let data = rows(90, Kind::ThreeTexts);
    let folds = CrossValidation::new(3).with_seed(1);
    let result = folds.score(&LogisticRegression::new(), &data, &[&F1::macro_average()], &Run::default()).unwrap();
    assert!(result.mean("f1_macro").unwrap() > 0.5, "{result}");
}

#[test]
fn an_error_names_its_fold() {
    let data = rows(60, Kind::Bool);
    let error =
        CrossValidation::new(3).score(&LogisticRegression::new(), &data, &[&Rmse], &Run::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("metric: rmse, fold: 1"), "{error}");
}

#[test]
fn the_best_is_first_by_either_way() {
    let data = rows(300, Kind::Bool);
    let (train, may) =
        (data.take(&(0..200).collect::<Vec<_>>()).unwrap(), data.take(&(200..300).collect::<Vec<_>>()).unwrap());
    let both =
        Selection::by(RocAuc).with_metric(Accuracy).with_validation(may).with_cross_validation(CrossValidation::new(3));
    let board = compare(candidates(), &train, &both, &Run::default().with_seed(1)).unwrap();
    assert!(board.entries.is_sorted_by(|a, b| a.chosen_by >= b.chosen_by));
    assert_eq!(board.entries[2].name, "stump");
    for entry in &board.entries {
        let scores = entry.validation.as_ref().unwrap();
        assert_eq!(scores.get("roc_auc").unwrap(), entry.chosen_by);
        assert_eq!(entry.cross_validation.as_ref().unwrap().folds.len(), 3);
        assert_eq!(entry.model.predict(&data.to_batch().unwrap()).unwrap().num_rows(), 300);
    }
    let table = board.to_string();
    assert!(
        table.lines().count() == 4 && table.contains("logistic") && table.contains("validation: roc_auc"),
        "{table}"
    );
    let json = serde_json::to_value(&board).unwrap();
    assert_eq!(json["metric"], "roc_auc");
    assert_eq!(json["entries"][0]["name"], board.best().name);
    assert!(json["entries"][0]["validation"]["accuracy"].is_f64(), "{json}");

    let folds = Selection::by(LogLoss).with_cross_validation(CrossValidation::new(3));
    let board = compare(candidates(), &train, &folds, &Run::default().with_seed(1)).unwrap();
    assert!(board.entries.is_sorted_by(|a, b| a.chosen_by <= b.chosen_by), "a smaller loss is better");
}

#[test]
fn what_can_not_be_compared_is_refused() {
    let (numbers, classes) = (rows(30, Kind::Number), rows(30, Kind::Bool));
    let folds = Selection::by(Rmse).with_cross_validation(CrossValidation::new(2));
    let none: Vec<(&str, Box<dyn Trainer>)> = vec![];
    assert_eq!(compare(none, &numbers, &folds, &Run::default()).unwrap_err().kind(), ErrorKind::Config);
    let twice = || -> Vec<(&str, Box<dyn Trainer>)> {
        vec![("a", Box::new(Ridge::new(1.0))), ("a", Box::new(LinearRegression::new()))]
    };
    assert_eq!(compare(twice(), &numbers, &folds, &Run::default()).unwrap_err().kind(), ErrorKind::Config);
    let blind = compare(candidates(), &classes, &Selection::by(RocAuc), &Run::default()).unwrap_err();
    assert_eq!(blind.kind(), ErrorKind::Config);
    let wrong = compare(candidates(), &numbers, &folds, &Run::default()).unwrap_err();
    assert!(wrong.to_string().contains("candidate: logistic"), "{wrong}");
}

#[test]
fn cancelled_work_stops() {
    let cancel = Cancel::default();
    cancel.cancel();
    let run = Run::default().with_cancel(cancel);
    let folds = Selection::by(RocAuc).with_cross_validation(CrossValidation::new(3));
    let error = compare(candidates(), &rows(60, Kind::Bool), &folds, &run).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
