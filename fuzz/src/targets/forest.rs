//! The trees of a forest as safetensors: the header's JSON is the first part, whose tag says how its
//! length is told, and the numbers are the second.

use arrow::datatypes::DataType;
use mlops::core::{Artifact, Classes, InputColumn, Signature, Task};
use serde_json::json;

use super::component::try_all;
use super::parts;

pub(super) fn run(data: &[u8]) {
    let parts = parts::split(data);
    let [header, numbers @ ..] = parts.as_slice() else { return };
    let length = (header.bytes.len() as u64).wrapping_add_signed(match header.tag {
        tag @ 0..=15 => i64::from(tag >> 1),
        tag => i64::from(tag as i8) << 56,
    });
    let mut bytes = [length.to_le_bytes().as_slice(), &header.bytes].concat();
    bytes.extend(numbers.iter().flat_map(|part| part.bytes.iter()));
    for task in tasks() {
        let inputs = ["wind", "hour", "hub", "noise"].map(|name| InputColumn::new(name, DataType::Float64, true));
        let signature = Signature::new(inputs.into(), task);
        let artifact = Artifact::new("forest_model", 1, json!({ "signature": signature }));
        try_all(&artifact.with_blob("trees.safetensors", bytes.clone()));
    }
}

fn tasks() -> [Task; 3] {
    let three = ["a", "b", "c"].map(str::to_owned);
    [
        Task::Regression,
        Task::Classification { classes: Classes::Bool },
        Task::Classification { classes: Classes::Text(three.into()) },
    ]
}
