//! FeatureHasher and LabelEncoder, whose cases have a form of their own.

use std::num::NonZeroU32;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use mlops_core::{ErrorKind, Role, Run, Table, Transformer};
use mlops_data::transform::{FeatureHasher, LabelDecoder, LabelEncoder};
use serde_json::Value as Json;

use super::Agreement;

/// The estimators that must have a row.
pub(crate) const LISTED: [&str; 2] = ["FeatureHasher", "LabelEncoder"];

pub(crate) fn agreement(table: &mut Agreement) {
    feature_hasher(table);
    label_encoder(table);
}

fn cases(transformer: &str) -> Vec<Json> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sklearn/encoders.json");
    let cases: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases: Vec<Json> = cases.into_iter().filter(|case| case["transformer"] == transformer).collect();
    assert!(!cases.is_empty());
    cases
}

fn column(values: &Json) -> ArrayRef {
    let values = values.as_array().unwrap();
    if values.iter().any(Json::is_string) {
        return Arc::new(values.iter().map(Json::as_str).collect::<StringArray>());
    }
    if values.iter().any(Json::is_f64) {
        return Arc::new(values.iter().map(Json::as_f64).collect::<Float64Array>());
    }
    Arc::new(values.iter().map(Json::as_i64).collect::<Int64Array>())
}

fn feature_hasher(agreement: &mut Agreement) {
    for case in cases("FeatureHasher") {
        let columns = case["columns"].as_object().unwrap();
        let batch = columns.iter().map(|(name, values)| (name, column(values), true));
        let table = Table::from_batch(RecordBatch::try_from_iter_with_nullable(batch).unwrap());
        let features = case["params"]["n_features"].as_u64().and_then(|n| NonZeroU32::new(n as u32)).unwrap();
        let mut recipe = FeatureHasher::on(columns.keys()).with_features(features);
        if !case["params"]["alternate_sign"].as_bool().unwrap() {
            recipe = recipe.without_alternate_sign();
        }
        let (_, hashed) = recipe.fit_transform(&table, &Run::default()).unwrap();
        let expected = case["expected"].as_object().unwrap();
        assert_eq!(hashed.schema().fields().len(), expected.len());
        let mut worst: f64 = 0.0;
        for (name, expected) in expected {
            let actual = hashed.column(name).unwrap();
            let pairs = actual.as_primitive::<Float64Type>().values().iter().zip(expected.as_array().unwrap());
            for (row, (actual, expected)) in pairs.enumerate() {
                let expected = expected.as_f64().unwrap();
                let error = (actual - expected).abs() / expected.abs().max(1.0);
                assert!(error <= 1e-9, "{}: {name}, row {row}", case["name"]);
                worst = worst.max(error);
            }
        }
        agreement.row("FeatureHasher", case["name"].as_str().unwrap()).add(worst, 1e-9);
    }
}

fn label_encoder(agreement: &mut Agreement) {
    for case in cases("LabelEncoder") {
        let batch = RecordBatch::try_from_iter([("target", column(&case["target"]))]).unwrap();
        let table = Table::from_batch(batch).with_role("target", Role::Target).unwrap();
        let (fitted, encoded) = LabelEncoder::new().fit_transform(&table, &Run::default()).unwrap();
        let codes = encoded.column("target").unwrap();
        assert_eq!(codes.as_ref(), column(&case["expected"]).as_ref(), "{}", case["name"]);
        let decoder = LabelDecoder::of(fitted.as_ref()).unwrap();
        assert_eq!(decoder.classes().as_ref(), column(&case["classes"]).as_ref());
        assert_eq!(decoder.decode(&column(&case["codes"])).unwrap().as_ref(), column(&case["inverse"]).as_ref());
        let beyond: ArrayRef = Arc::new(Int64Array::from(vec![0, decoder.classes().len() as i64]));
        assert_eq!(decoder.decode(&beyond).unwrap_err().kind(), ErrorKind::Data);
        // Codes and classes are equal, not near.
        agreement.row("LabelEncoder", case["name"].as_str().unwrap()).add(0.0, 0.0);
    }
}
