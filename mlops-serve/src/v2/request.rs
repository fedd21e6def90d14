use mlops_core::{Error, Output, Result, Signature};
use serde::Deserialize;

use super::tensor::{Parameters, Tensor, Text, short};

/// A request to a model, its texts borrowed from the body where they can be.
#[derive(Deserialize)]
pub(crate) struct Request<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) inputs: Vec<Tensor<'a>>,
    #[serde(borrow, default)]
    outputs: Option<Vec<RequestedOutput<'a>>>,
    #[serde(default)]
    #[expect(dead_code, reason = "read for its form only")]
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct RequestedOutput<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(default)]
    #[expect(dead_code, reason = "read for its form only")]
    parameters: Option<Parameters>,
}

/// The outputs that an answer has, in the order they were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outputs(pub(crate) Vec<Output>);

impl<'a> Request<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) saying what does not fit, and where.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self> {
        serde_json::from_slice(body).map_err(|e| Error::data(format!("the request is not understood: {e}")))
    }

    /// What the caller calls the request.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_ref().map(|id| id.0.as_ref())
    }

    /// The outputs that are asked for: all, if none is named.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for one that the model does not have, or
    /// that is named twice.
    pub(crate) fn outputs(&self, signature: &Signature) -> Result<Outputs> {
        let known = signature.outputs();
        let Some(requested) = self.outputs.as_ref().filter(|requested| !requested.is_empty()) else {
            return Ok(Outputs(known));
        };
        let mut outputs = Vec::with_capacity(known.len());
        for RequestedOutput { name: Text(name), .. } in requested {
            let output = find(&known, name)?;
            if outputs.contains(&output) {
                return Err(Error::schema(format!("output '{}' is asked for twice", output.name)));
            }
            outputs.push(output);
        }
        Ok(Outputs(outputs))
    }
}

fn find(known: &[Output], name: &str) -> Result<Output> {
    known.iter().find(|known| known.name == name).cloned().ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|output| output.name).collect();
        Error::schema(format!("no output '{}'; the outputs of this model are {}", short(name), names.join(", ")))
    })
}
