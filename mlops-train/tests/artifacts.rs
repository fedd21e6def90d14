//! Models that were written by earlier versions are read forever.
//!
//! `cargo test -p mlops-train --test artifacts -- --ignored` writes those that are not there yet;
//! never change one that is.
#![cfg(all(feature = "boosting", feature = "forest", feature = "linear"))]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Kind, rows};
use mlops_core::{Artifact, Codecs, ErrorKind, Model, Predictions, Run, Trainer};
use mlops_train::{
    AdaBoost, Bagging, BernoulliNb, CalibratedClassifier, CalibrationMethod, Conformal, Dbscan, FixedThreshold,
    GaussianMixture, GaussianNb, HistGradientBoosting, IsotonicRegression, KMeans, KNeighbors, LinearRegression,
    LogisticRegression, Loss, NeighborWeights, OneVsRest, RandomForest, Ridge, Stacking, Svc, Svr, TargetMap,
    TransformedTarget, TweedieRegressor, Voting,
};

fn recipes() -> Vec<Recipe> {
    let forest = || Box::new(RandomForest::new().with_n_trees(3).with_max_depth(3));
    let first: Vec<Recipe> = vec![
        ("logistic_model", Box::new(LogisticRegression::new()), Kind::Bool),
        ("logistic_model_of_three", Box::new(LogisticRegression::new()), Kind::ThreeTexts),
        ("linear_model", Box::new(LinearRegression::new()), Kind::Number),
        ("linear_model_of_ridge", Box::new(Ridge::new(2.0)), Kind::Number),
        ("forest_model", forest(), Kind::Bool),
        ("forest_model_of_three", forest(), Kind::ThreeTexts),
        ("forest_model.v2", forest(), Kind::Bool),
        ("forest_model.v3", forest(), Kind::Bool),
        ("tree_model", Box::new(boosting()), Kind::Bool),
        ("tree_model_of_three", Box::new(boosting().with_categorical(["hour"])), Kind::ThreeTexts),
        ("tree_model_of_counts", Box::new(boosting().with_loss(Loss::Poisson)), Kind::Number),
    ];
    first.into_iter().chain(estimators()).chain(wrappers()).collect()
}

type Recipe = (&'static str, Box<dyn Trainer>, Kind);

fn boosting() -> HistGradientBoosting {
    HistGradientBoosting::new().with_max_iter(4).with_max_leaf_nodes(5).with_min_samples_leaf(10)
}

fn estimators() -> Vec<Recipe> {
    vec![
        ("isotonic_model", Box::new(IsotonicRegression::on("wind")), Kind::Number),
        ("tweedie_model", Box::new(TweedieRegressor::new(1.5).with_alpha(0.01)), Kind::Number),
        ("naive_bayes_model", Box::new(GaussianNb::new()), Kind::ThreeTexts),
        ("naive_bayes_model_of_counts", Box::new(BernoulliNb::new().with_binarize(0.5)), Kind::Bool),
        ("k_neighbors_model", Box::new(KNeighbors::new(3).with_weights(NeighborWeights::Distance)), Kind::Bool),
        ("svc_model", Box::new(Svc::new()), Kind::ThreeTexts),
        ("svr_model", Box::new(Svr::new()), Kind::Number),
        ("k_means_model", Box::new(KMeans::new(3)), Kind::Nothing),
        ("gaussian_mixture_model", Box::new(GaussianMixture::new(2).with_reg_covar(1e-3)), Kind::Nothing),
        ("dbscan_model", Box::new(Dbscan::new(1.3).with_min_samples(4)), Kind::Nothing),
    ]
}

fn wrappers() -> Vec<Recipe> {
    let logistic = LogisticRegression::new;
    let calibrated = |method| Box::new(CalibratedClassifier::new(logistic(), method).with_cv(2));
    let map = TargetMap::Quantile { normal: false, n_quantiles: 20 };
    vec![
        ("calibrated_model", calibrated(CalibrationMethod::Sigmoid), Kind::Bool),
        ("calibrated_model_isotonic", calibrated(CalibrationMethod::Isotonic), Kind::ThreeTexts),
        ("stacking_model", Box::new(Stacking::new(logistic()).with(logistic()).with(GaussianNb::new())), Kind::Bool),
        ("bagging_model", Box::new(Bagging::new(Ridge::new(1.0)).with_n_estimators(3)), Kind::Number),
        ("ada_boost_model", Box::new(AdaBoost::new(GaussianNb::new()).with_n_estimators(3)), Kind::Bool),
        ("one_vs_rest_model", Box::new(OneVsRest::new(logistic())), Kind::ThreeTexts),
        ("decided_model", Box::new(FixedThreshold::new(logistic(), 0.3)), Kind::Bool),
        ("decided_model_with_sets", Box::new(Conformal::new(logistic(), 0.8)), Kind::Bool),
        ("conformal_model", Box::new(Conformal::new(Ridge::new(1.0), 0.8)), Kind::Number),
        ("transformed_target_model", Box::new(TransformedTarget::new(Ridge::new(1.0), map)), Kind::Number),
        ("voting_model", Box::new(Voting::new().with(logistic()).with(GaussianNb::new())), Kind::Bool),
    ]
}

/// The scores of the rows that a model was fitted on.
fn scores(model: &dyn Model, kind: Kind) -> Vec<f64> {
    let answer = model.predict(&rows(60, kind).to_batch().unwrap()).unwrap();
    Predictions::scores_of(model.signature(), &answer).unwrap()
}

fn folder(name: &str) -> PathBuf {
    let name = if version(name) == 1 { format!("{name}.v1") } else { name.to_owned() };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn version(name: &str) -> u32 {
    name.rsplit_once(".v").map_or(1, |(_, version)| version.parse().unwrap())
}

/// `artifact.json`, blobs under their names, and the scores of the rows in `scores.json`.
fn write(name: &str, trainer: &dyn Trainer, kind: Kind) {
    let model = trainer.fit(&rows(60, kind), &Run::default()).unwrap();
    let artifact = model.save().unwrap();
    // JSON has no NaN.
    let scores: Vec<Option<f64>> =
        scores(model.as_ref(), kind).into_iter().map(|s| (!s.is_nan()).then_some(s)).collect();
    let folder = folder(name);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("artifact.json"), serde_json::to_vec_pretty(&artifact).unwrap()).unwrap();
    std::fs::write(folder.join("scores.json"), serde_json::to_vec(&scores).unwrap()).unwrap();
    for (name, blob) in &artifact.blobs {
        std::fs::write(folder.join(name), blob).unwrap();
    }
}

fn read(name: &str) -> (Artifact, Vec<f64>) {
    let folder = folder(name);
    let mut artifact: Artifact = serde_json::from_slice(&std::fs::read(folder.join("artifact.json")).unwrap()).unwrap();
    let mut blobs = BTreeMap::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            blobs.insert(name, std::fs::read(&path).unwrap().into());
        }
    }
    artifact.blobs = blobs;
    let scores: Vec<Option<f64>> = serde_json::from_slice(&std::fs::read(folder.join("scores.json")).unwrap()).unwrap();
    (artifact, scores.into_iter().map(|score| score.unwrap_or(f64::NAN)).collect())
}

#[test]
#[ignore = "writes files, for a model that is new"]
fn write_what_is_missing() {
    for (name, trainer, kind) in recipes().into_iter().filter(|(name, ..)| !folder(name).exists()) {
        write(name, trainer.as_ref(), kind);
    }
}

#[test]
fn every_format_is_read() {
    let codecs = Codecs::default().with(mlops_train::codecs());
    for (name, _, kind) in recipes() {
        let (artifact, expected) = read(name);
        assert_eq!(artifact.version, version(name));
        let model = codecs.model(&artifact).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let scores = scores(model.as_ref(), kind);
        for (score, expected) in scores.iter().zip(&expected) {
            // Exponentials may differ in the last bits from one system to another.
            assert!(
                (score - expected).abs() < 1e-12 || score.is_nan() && expected.is_nan(),
                "{name}: {score}, not {expected}"
            );
        }
        assert_eq!(scores.len(), expected.len());
        if name.starts_with("forest") || name.starts_with("tree") {
            assert_eq!(model.importances().is_some(), !name.starts_with("forest_model") || version(name) > 1);
        }
    }
}

#[test]
fn damage_is_noticed() {
    let codecs = mlops_train::codecs();
    for (name, ..) in recipes() {
        let (artifact, _) = read(name);
        let text = serde_json::to_string(&artifact.state).unwrap();
        let damages = [
            text.replacen("\"wind\"", "\"wind\",\"more\":1", 1),
            text.replacen("\"intercept\":[", "\"intercept\":[1.0,2.0,3.0,4.0,", 1),
            text.replacen("\"coef\":[", "\"coef\":[[1.0],", 1),
            text.replacen("\"importances\":[", "\"importances\":[0.5,", 1),
            text.replacen("\"margin\":", "\"margin\":null,\"other\":", 1),
            text.replacen("\"shares\":[", "\"shares\":[0.5,", 1),
            text.replacen("\"centres\":[", "\"centres\":[[0.5],", 1),
            text.replacen("\"weights\":[", "\"weights\":[0.5,", 1),
            text.replacen("\"means\":[", "\"means\":[[0.5],", 1),
            text.replacen("\"machines\":[", "\"machines\":[{\"constant\":0.0,\"sigmoid\":{\"a\":1.0,\"b\":0.0}},", 1),
            text.replacen("\"calibrators\":[", "\"calibrators\":[[],", 1),
            text.replacen("\"n_neighbors\":3", "\"n_neighbors\":300", 1),
            text.replacen("\"x\":[", "\"x\":[1e9,", 1),
            text.replacen("\"names\":[", "\"names\":[\"none\",", 1),
            text.replacen("\"mean\":[", "\"mean\":[0.5,", 1),
            text.replacen("\"quantiles\":[", "\"quantiles\":[1e9,", 1),
            text.replacen("\"inputs\":[", "\"inputs\":[],\"was\":[", 1),
        ];
        for damage in damages.into_iter().filter(|damage| *damage != text) {
            let Ok(state) = serde_json::from_str(&damage) else { continue };
            let mut damaged = artifact.clone();
            damaged.state = state;
            assert_eq!(codecs.model(&damaged).unwrap_err().kind(), ErrorKind::Corrupt, "{name}: {damage}");
        }
        for blob in artifact.blobs.keys() {
            let mut damaged = artifact.clone();
            damaged.blobs.remove(blob);
            assert_eq!(codecs.model(&damaged).unwrap_err().kind(), ErrorKind::Corrupt, "{name} without {blob}");
        }
    }
}

#[test]
fn no_damaged_byte_panics() {
    for (name, _, kind) in recipes() {
        no_damaged_byte_of(name, kind);
    }
}

fn no_damaged_byte_of(model_name: &str, kind: Kind) {
    let codecs = mlops_train::codecs();
    let data = rows(20, kind);
    let (artifact, _) = read(model_name);
    for (name, blob) in &artifact.blobs {
        for at in 0..blob.len() {
            let mut bytes = blob.to_vec();
            bytes[at] ^= 0x41;
            let mut damaged = artifact.clone();
            damaged.blobs.insert(name.clone(), bytes.into());
            // What is not noticed (another threshold) must still answer, if only that there is no answer.
            if let Ok(model) = codecs.model(&damaged) {
                let answer = model.predict(&data.to_batch().unwrap());
                let fits = answer.map_or_else(|e| e.kind() == ErrorKind::Data, |answer| answer.num_rows() == 20);
                assert!(fits, "{model_name}, byte {at}");
            }
        }
    }
}
