use mlops_core::{InputColumn, ModelDescription, Output, Signature};
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
    let tensor = |output: Output| TensorMetadata {
        name: output.name,
        datatype: Datatype::of_column(&output.data_type).name(),
        // A row has a hundred thousand scores at most.
        shape: [-1].into_iter().chain(output.width.map(|width| width as i64)).collect(),
    };
    signature.outputs().into_iter().map(tensor).collect()
}
