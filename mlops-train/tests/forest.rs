//! What random forests promise.
#![cfg(feature = "forest")]

mod common;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use common::{Kind, rows};
use mlops_core::{Dense, ErrorKind, Role, Run, Spec, Table, Trainer};
use mlops_train::{ExtraTrees, ForestModel, MaxFeatures, R2, RandomForest, RocAuc, score};
use serde_json::json;

fn halves(data: &Table) -> (Table, Table) {
    let rows = data.num_rows();
    (data.take(&(0..rows / 2).collect::<Vec<_>>()).unwrap(), data.take(&(rows / 2..rows).collect::<Vec<_>>()).unwrap())
}

#[test]
fn unseen_rows_are_told_apart() {
    let run = Run::default().with_seed(4);
    let (train, test) = halves(&rows(800, Kind::Bool));
    let model = RandomForest::new().with_n_trees(50).with_min_samples_leaf(3).learn(&train, &run).unwrap();
    assert_eq!(model.num_trees(), 50);
    assert!(score(&model, &test, &[&RocAuc]).unwrap().get("roc_auc").unwrap() > 0.93);

    let (train, test) = halves(&rows(800, Kind::Number));
    let model = RandomForest::new().with_n_trees(50).learn(&train, &run).unwrap();
    assert!(score(&model, &test, &[&R2]).unwrap().get("r2").unwrap() > 0.9);
}

#[test]
fn more_than_two_classes_have_trees_each() {
    let data = rows(300, Kind::ThreeTexts);
    let model = RandomForest::new().with_n_trees(7).learn(&data, &Run::default()).unwrap();
    assert_eq!(model.num_trees(), 21);
}

#[test]
fn what_tells_the_target_is_important() {
    // Sixteen levels of x, on which y hangs, beside one that says nothing and one that never changes.
    let column = |f: fn(i32) -> f64| Arc::new((0..320).map(f).collect::<Float64Array>()) as ArrayRef;
    let columns = [
        ("tells", column(|i| f64::from(i % 16))),
        ("nothing", column(|i| f64::from(i * 7919 % 31))),
        ("same", column(|_| 1.0)),
        ("y", column(|i| f64::from(i % 16 * (i % 16)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let data = Table::from_batch(batch).with_role("y", Role::Target).unwrap();
    let recipe = RandomForest::new().with_n_trees(20);
    for (data, least) in [(data.clone(), 0.99), (rows(400, Kind::ThreeTexts), 0.0), (rows(400, Kind::Bool), 0.0)] {
        let model = recipe.fit(&data, &Run::default()).unwrap();
        let importances = model.importances().unwrap();
        assert_eq!(importances.len(), 1);
        assert!(importances[0][0] >= least && importances[0].iter().all(|share| (0.0..=1.0).contains(share)));
        assert!((importances[0].iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    assert_eq!(recipe.fit(&data, &Run::default()).unwrap().importances().unwrap()[0][2], 0.0);
}

#[test]
fn the_seed_is_the_forest() {
    let data = rows(200, Kind::Bool);
    let bytes = |seed| {
        let model = RandomForest::new().with_n_trees(3).fit(&data, &Run::default().with_seed(seed)).unwrap();
        model.save().unwrap().blobs
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn rows_of_weight_zero_do_not_matter() {
    let data = rows(200, Kind::Bool);
    let batch = data.to_batch().unwrap();
    let weights: ArrayRef = Arc::new((0..200).map(|i| f64::from(u8::from(i < 120))).collect::<Float64Array>());
    let names: Vec<String> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    let columns = names.into_iter().zip(batch.columns().iter().cloned()).chain([("weight".to_owned(), weights)]);
    let weighted = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
        .with_roles(data.roles())
        .with_role("weight", Role::Weight)
        .unwrap();
    let first = weighted.take(&(0..120).collect::<Vec<_>>()).unwrap();
    let fit = |data: &Table| RandomForest::new().with_n_trees(5).fit(data, &Run::default()).unwrap().save().unwrap();
    assert_eq!(fit(&weighted).blobs, fit(&first).blobs);
}

#[test]
fn shallow_trees_are_small() {
    let data = rows(200, Kind::Number);
    let model = RandomForest::new().with_n_trees(4).with_max_depth(2).learn(&data, &Run::default()).unwrap();
    assert!(model.num_nodes() <= 4 * 7, "{} nodes", model.num_nodes());
    let model = RandomForest::new().with_n_trees(4).with_max_depth(0).learn(&data, &Run::default()).unwrap();
    assert_eq!(model.num_nodes(), 4, "no split, a leaf each");
}

#[test]
fn missing_values_have_a_side_of_their_own() {
    let x: Vec<f64> = (0..400).map(|i| f64::from(i * 7919 % 100)).collect();
    let missing: Float64Array = x.iter().map(|x| (*x < 60.0).then_some(*x)).collect();
    let y: Float64Array = x.iter().map(|x| f64::from(u8::from(!(20.0..60.0).contains(x)))).collect();
    let columns = [("x", Arc::new(missing) as ArrayRef), ("y", Arc::new(y) as ArrayRef)];
    let data = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role("y", Role::Target).unwrap();
    let forest = RandomForest::new().with_n_trees(10).learn(&data, &Run::default()).unwrap();
    let extra = ExtraTrees::new().with_n_trees(10).learn(&data, &Run::default()).unwrap();
    let score = |model: &ForestModel, x: f64| {
        let mut scores = [0.0];
        model.score_row(&[x], &mut scores);
        scores[0]
    };
    for model in [&forest, &extra] {
        assert!(score(model, f64::NAN) > 0.9 && score(model, 5.0) > 0.9 && score(model, 40.0) < 0.1);
    }
}

#[test]
fn a_value_that_training_never_missed_goes_with_the_many() {
    let data = rows(200, Kind::Number);
    let model = RandomForest::new().with_n_trees(10).learn(&data, &Run::default()).unwrap();
    let score = |wind: f64| {
        let mut scores = [0.0];
        model.score_row(&[wind, 12.0, 0.0, 0.0], &mut scores);
        scores[0]
    };
    let (least, greatest) = (score(f64::NEG_INFINITY), score(f64::INFINITY));
    assert!(least < greatest && (least..=greatest).contains(&score(f64::NAN)));
}

#[test]
fn settings_are_written_as_words() {
    let codecs = mlops_train::codecs();
    let read = |settings| codecs.trainer(&Spec { kind: "random_forest".into(), settings });
    let recipe = read(json!({ "n_trees": 10, "max_features": { "fraction": 0.5 } })).unwrap();
    assert_eq!(recipe.settings().unwrap()["max_features"], json!({ "fraction": 0.5 }));
    assert_eq!(read(json!({ "max_features": "sqrt" })).unwrap().settings().unwrap()["n_trees"], 100);
    for wrong in [json!({ "n_tress": 10 }), json!({ "n_trees": 0 }), json!({ "max_features": "some" })] {
        assert_eq!(read(wrong.clone()).unwrap_err().kind(), ErrorKind::Config, "{wrong}");
    }
    let greedy = RandomForest::new().with_max_features(MaxFeatures::Fraction(1.5));
    let error = greedy.fit(&rows(30, Kind::Bool), &Run::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
