//! The body of an inference request, answered by the real service: never a panic, never the server's
//! fault.

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, record_batch};
use arrow::datatypes::{DataType, TimeUnit};
use bytes::Bytes;
use mlops::core::conformance::LinearModel;
use mlops::core::{Error, ErrorKind, Package, Pipeline, Result, Role, Run, Table, Trainer};
use mlops::data::transform::{DateParts, OneHotEncoder, Select, SimpleImputer};
use mlops::serve::{InferenceService, infer_json};
use mlops::train::LogisticRegression;
use serde_json::Value as Json;

use super::block_on;

pub(super) fn run(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    for model in ["numbers", "trips"] {
        match block_on(infer_json(service(), model, None, &body)) {
            Ok(answer) => {
                let answer: Json = serde_json::from_slice(&answer).expect("an answer is JSON");
                assert_eq!(answer["model_name"], model);
            }
            Err(error) => blames_the_caller(&error),
        }
    }
}

/// What REST answers with a status from 400 to 499.
fn blames_the_caller(error: &Error) {
    let kinds = [ErrorKind::Data, ErrorKind::Schema, ErrorKind::NotFound];
    assert!(kinds.contains(&error.kind()), "{error:?}");
}

fn service() -> &'static InferenceService {
    static SERVICE: OnceLock<InferenceService> = OnceLock::new();
    SERVICE.get_or_init(|| deployed().expect("the models of the target"))
}

fn deployed() -> Result<InferenceService> {
    let numbers = LinearModel::regression([("a", 0.5), ("b", -2.0)], 3.0)?;
    let service = InferenceService::new();
    service.deploy("numbers:1".parse()?, numbers.package("numbers")?)?;
    service.deploy("trips:1".parse()?, trips()?)?;
    Ok(service)
}

/// A model of inputs of all kinds, each prepared as it needs.
pub fn trips() -> Result<Package> {
    let rows = record_batch!(
        ("zone", Utf8, [Some("north"), Some("south"), None, Some("north"), Some("south"), Some("north")]),
        ("km", Float64, [Some(1.5), Some(8.0), Some(2.5), None, Some(9.0), Some(1.0)]),
        ("stops", Int8, [1, 2, 3, 1, 2, 3]),
        ("seats", UInt64, [1, 2, 3, 4, 5, 6]),
        ("night", Boolean, [true, false, true, false, true, false]),
        ("at", Int64, [0, 86_400, 1_370_044_800, 3, 4, 5])
    )?;
    let at = arrow::compute::cast(rows.column(5), &DataType::Timestamp(TimeUnit::Second, None))?;
    let late: ArrayRef = Arc::new(BooleanArray::from(vec![false, true, false, false, true, true]));
    let columns = rows.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let arrays = rows.columns()[..5].iter().cloned().chain([at, late]);
    let names = columns.into_iter().chain(["late".to_owned()]);
    let rows = RecordBatch::try_from_iter_with_nullable(names.zip(arrays).map(|(name, array)| {
        let nullable = ["zone", "km"].contains(&name.as_str());
        (name, array, nullable)
    }))?;
    let table = Table::from_batch(rows.clone()).with_role("late", Role::Target)?;
    let recipe = Pipeline::new()
        .then(SimpleImputer::median(["km"]))
        .then(OneHotEncoder::on(["zone"]))
        .then(DateParts::of("at"))
        .then(Select::drop(["night"]))
        .train(LogisticRegression::new());
    Package::new("trips", recipe.fit(&table, &Run::default())?, &rows)
}
