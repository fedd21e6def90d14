//! Models that other libraries wrote: what is read must work on rows, and be the same after it was saved
//! and loaded; trees must be the same after they were written in the form of another library.

use mlops::core::Model;
use mlops::train::{Import, TreeModel, foreign};

use super::answered;
use super::component::model;

pub(super) fn lightgbm(data: &[u8]) {
    if let Some(read) = answered(Import::new().lightgbm(data)) {
        trees(&read);
    }
}

pub(super) fn onnx(data: &[u8]) {
    if let Some(read) = answered(Import::new().onnx(data)) {
        model(&read);
    }
}

/// UBJSON is what JSON is not.
pub(super) fn ubj(data: &[u8]) {
    if let Some(read) = answered(Import::new().xgboost(data)) {
        trees(&read);
    }
}

pub(super) fn xgboost_json(data: &[u8]) {
    ubj(data);
}

fn trees(read: &TreeModel) {
    model(read);
    if let Some(text) = answered(foreign::to_lightgbm(read)) {
        let again = Import::new().lightgbm(text.as_bytes());
        assert_eq!(again.expect("what was written can be read").signature().task, read.signature().task);
    }
    if let Some(json) = answered(foreign::to_xgboost(read)) {
        answered(Import::new().xgboost(json.as_bytes()));
    }
}
