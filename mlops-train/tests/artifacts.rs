//! Models that were written by earlier versions are read forever.
//!
//! `cargo test -p mlops-train --test artifacts -- --ignored` writes those that are not there yet;
//! never change one that is.
#![cfg(all(feature = "boosting", feature = "forest", feature = "linear"))]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Kind, rows};
use mlops_core::{Artifact, Codecs, ErrorKind, Predictions, Run, Trainer};
use mlops_train::{HistGradientBoosting, LinearRegression, LogisticRegression, Loss, RandomForest, Ridge};

fn recipes() -> Vec<(&'static str, Box<dyn Trainer>, Kind)> {
    let forest = || Box::new(RandomForest::new().with_n_trees(3).with_max_depth(3));
    vec![
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
    ]
}

fn boosting() -> HistGradientBoosting {
    HistGradientBoosting::new().with_max_iter(4).with_max_leaf_nodes(5).with_min_samples_leaf(10)
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
    let scores = Predictions::on_training_rows(model.as_ref(), &rows(60, kind)).unwrap().scores;
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
    let scores = serde_json::from_slice(&std::fs::read(folder.join("scores.json")).unwrap()).unwrap();
    (artifact, scores)
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
        let scores = Predictions::on_training_rows(model.as_ref(), &rows(60, kind)).unwrap().scores;
        for (score, expected) in scores.iter().zip(&expected) {
            // Exponentials may differ in the last bits from one system to another.
            assert!((score - expected).abs() < 1e-12, "{name}: {score}, not {expected}");
        }
        assert_eq!(scores.len(), expected.len());
        assert_eq!(model.importances().is_some(), !name.starts_with("forest_model") || version(name) > 1);
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
fn no_damaged_byte_of_trees_panics() {
    let codecs = mlops_train::codecs();
    let data = rows(20, Kind::Bool);
    let artifacts = ["forest_model", "forest_model.v3", "tree_model_of_three"].map(|name| read(name).0);
    let blobs = artifacts.iter().flat_map(|artifact| artifact.blobs.iter().map(move |blob| (artifact, blob)));
    for (artifact, (name, blob)) in blobs {
        for at in 0..blob.len() {
            let mut bytes = blob.to_vec();
            bytes[at] ^= 0x41;
            let mut damaged = artifact.clone();
            damaged.blobs.insert(name.clone(), bytes.into());
            // What is not noticed (another threshold) must still answer, if only that a leaf is NaN.
            if let Ok(model) = codecs.model(&damaged) {
                let answer = model.predict(&data.to_batch().unwrap());
                assert!(answer.map_or_else(|e| e.kind() == ErrorKind::Data, |answer| answer.num_rows() == 20));
            }
        }
    }
}
