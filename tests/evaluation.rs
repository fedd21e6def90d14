//! A model is trained, judged, held to its champion, and what came of it is logged to a run.

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use mlops::core::{Estimator, Run, RunStatus, Tracker, Trainer};
use mlops::registry::JsonlTracker;
use mlops::train::evaluation::{Bound, Evaluation, GateFailure, no_worse_than};
use mlops::train::{LogisticRegression, RandomForest, RocAuc};
use serde_json::Value;

#[tokio::test]
async fn an_evaluation_is_logged_with_its_page() {
    let place = tempfile::tempdir().unwrap();
    let tracker = JsonlTracker::open(place.path()).await.unwrap();
    let trips = common::trips();
    let rows: Vec<usize> = (0..trips.num_rows()).collect();
    let (train, test) = rows.split_at(rows.len() / 2);
    let part = |rows: &[usize], part: u8| trips.take(rows).unwrap().with_part_of(&trips, "halves", [part]);
    let (train, test) = (part(train, 0), part(test, 1));
    let of = |recipe: Estimator| {
        let model = recipe.fit(&train, &Run::default()).unwrap();
        let evaluation = Evaluation::of_model(model.as_ref(), &test).unwrap();
        evaluation.with_slices(&test, ["carrier", "distance"]).unwrap()
    };
    let champion = of(common::preparation().train(LogisticRegression::new()));
    let challenger = of(common::preparation().train(RandomForest::new().with_n_trees(5)));

    let id = tracker.start_run("trips", "forest").await.unwrap();
    challenger.log(&tracker, &id, 0).await.unwrap();
    tracker.end_run(&id, RunStatus::Finished).await.unwrap();
    let record = tracker.run(&id).await.unwrap();
    assert_eq!(record.metric("roc_auc"), challenger.get("roc_auc").ok());
    assert_eq!(record.metric("accuracy_score"), challenger.get("accuracy").ok());
    let json: Value = serde_json::from_slice(&tracker.artifact(&id, "evaluation.json").await.unwrap()).unwrap();
    assert_eq!(json["rows"], test.num_rows());
    let page = tracker.artifact(&id, "evaluation.html").await.unwrap();
    assert!(page.starts_with(b"<!doctype html>"));

    challenger.require(RocAuc.at_least(0.0)).unwrap();
    let stopped = champion.require(RocAuc.at_least(1.1)).unwrap_err();
    assert_eq!(GateFailure::of(&stopped).unwrap().metric, "roc_auc");
    champion.require(no_worse_than(&champion)).unwrap();
}
