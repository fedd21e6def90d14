//! FeatureHasher and LabelEncoder agree with scikit-learn; `tests/golden/sklearn/README.md` says how the
//! values were made and read.

use std::num::NonZeroU32;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use mlops_core::{ErrorKind, Role, Run, Table, Transformer};
use mlops_data::transform::{FeatureHasher, LabelDecoder, LabelEncoder, OrdinalEncoder};
use serde_json::Value as Json;

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

#[test]
fn feature_hasher() {
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
        for (name, expected) in expected {
            let actual = hashed.column(name).unwrap();
            let pairs = actual.as_primitive::<Float64Type>().values().iter().zip(expected.as_array().unwrap());
            for (row, (actual, expected)) in pairs.enumerate() {
                let expected = expected.as_f64().unwrap();
                assert!(
                    (actual - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                    "{}: {name}, row {row}",
                    case["name"]
                );
            }
        }
    }
}

#[test]
fn label_encoder() {
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
    }
}

#[test]
fn labels_are_of_the_target_and_of_known_classes() {
    let table = |cells: Vec<Option<i64>>| {
        let cells: ArrayRef = Arc::new(Int64Array::from(cells));
        Table::from_batch(RecordBatch::try_from_iter_with_nullable([("y", cells, true)]).unwrap())
    };
    let role = |table: Table| table.with_role("y", Role::Target).unwrap();
    let refused = |table: Table| LabelEncoder::new().fit(&table, &Run::default()).unwrap_err().kind();
    assert_eq!(refused(table(vec![Some(1)])), ErrorKind::Schema);
    assert_eq!(refused(role(table(vec![Some(1), None]))), ErrorKind::Data);
    assert_eq!(refused(role(table(Vec::new()))), ErrorKind::Data);

    let fitted = LabelEncoder::new().fit(&role(table(vec![Some(7), Some(-7)])), &Run::default()).unwrap();
    let error = fitted.apply(table(vec![Some(7), Some(8)]).to_batch().unwrap()).unwrap_err();
    assert!(error.kind() == ErrorKind::Data && error.to_string().contains('8'), "{error}");
    let encoded = fitted.apply(table(vec![Some(7), None]).to_batch().unwrap()).unwrap();
    let encoded = encoded.column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
    assert_eq!(encoded, [Some(1), None]);

    let ordinal = OrdinalEncoder::on(["y"]).fit(&table(vec![Some(1)]), &Run::default()).unwrap();
    assert_eq!(LabelDecoder::of(ordinal.as_ref()).unwrap_err().kind(), ErrorKind::Config);
}
