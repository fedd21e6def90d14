use mlops_core::{InputColumn, ModelDescription, Signature, Task};
use serde::Serialize;

use super::datatype::Datatype;

/// What a server says of itself.
#[derive(Debug, Serialize)]
pub(crate) struct ServerMetadata<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) extensions: &'a [&'a str],
}

/// What a server says of a model.
#[derive(Debug, Serialize)]
pub(crate) struct ModelMetadata<'a> {
    name: &'a str,
    versions: &'a [String],
    platform: &'static str,
    inputs: Vec<TensorMetadata<'a>>,
    outputs: Vec<TensorMetadata<'a>>,
}

/// A tensor; a dimension of any length is -1.
#[derive(Debug, Serialize)]
struct TensorMetadata<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: Vec<i64>,
}

impl<'a> From<&'a ModelDescription> for ModelMetadata<'a> {
    fn from(description: &'a ModelDescription) -> Self {
        let input = |input: &'a InputColumn| TensorMetadata {
            name: &input.name,
            datatype: Datatype::of_column(&input.data_type).name(),
            shape: vec![-1],
        };
        let signature = description.signature.as_ref();
        Self {
            name: &description.name,
            versions: &description.versions,
            platform: "mlops_package",
            inputs: signature.inputs.iter().map(input).collect(),
            outputs: outputs(signature),
        }
    }
}

fn outputs(signature: &Signature) -> Vec<TensorMetadata<'static>> {
    let predict = |datatype: Datatype| TensorMetadata { name: "predict", datatype: datatype.name(), shape: vec![-1] };
    match &signature.task {
        Task::Classification { classes } => vec![
            predict(Datatype::of_classes(classes)),
            TensorMetadata {
                name: "predict_proba",
                datatype: Datatype::Fp64.name(),
                // A thousand classes at most.
                shape: vec![-1, classes.len() as i64],
            },
        ],
        _ => vec![predict(Datatype::Fp64)],
    }
}
