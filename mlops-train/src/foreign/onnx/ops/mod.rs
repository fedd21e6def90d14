//! The operators, each compiled once to a function of its inputs.

mod arithmetic;
mod broadcast;
mod encode;
mod linear;
mod matrix;
mod post;
mod reduce;
mod scale;
mod select;
mod shape;
mod svm;
mod trees;

use std::sync::Arc;

use mlops_core::{Error, Result};

use super::proto::{Attribute, Node};
use super::tensor::Tensor;

/// What an operator does at each evaluation.
pub(super) type Run = Box<dyn Fn(&Inputs<'_>) -> Result<Vec<Tensor>> + Send + Sync>;

/// The inputs of a node; one may be left out.
#[derive(Debug)]
pub(super) struct Inputs<'a>(pub(super) Vec<Option<&'a Tensor>>);

impl<'a> Inputs<'a> {
    fn get(&self, i: usize) -> Result<&'a Tensor> {
        self.find(i).ok_or_else(|| Error::corrupt(format!("input {i} is missing")))
    }

    fn find(&self, i: usize) -> Option<&'a Tensor> {
        self.0.get(i).copied().flatten()
    }

    fn all(&self) -> Result<Vec<&'a Tensor>> {
        (0..self.0.len()).map(|i| self.get(i)).collect()
    }
}

/// A node and the version of its set of operators.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) opset: i64,
}

impl Call<'_> {
    fn find(&self, name: &str) -> Option<&Attribute> {
        self.node.attributes.get(name)
    }

    fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn wrong(name: &str) -> Error {
        Error::corrupt(format!("attribute '{name}' is of another type than it must be"))
    }

    fn int(&self, name: &str, otherwise: i64) -> Result<i64> {
        match self.find(name) {
            None => Ok(otherwise),
            Some(Attribute::Int(value)) => Ok(*value),
            Some(_) => Err(Self::wrong(name)),
        }
    }

    fn float(&self, name: &str, otherwise: f32) -> Result<f32> {
        match self.find(name) {
            None => Ok(otherwise),
            Some(Attribute::Float(value)) => Ok(*value),
            Some(_) => Err(Self::wrong(name)),
        }
    }

    fn text(&self, name: &str, otherwise: &str) -> Result<Arc<str>> {
        match self.find(name) {
            None => Ok(otherwise.into()),
            Some(Attribute::Text(value)) => Ok(Arc::clone(value)),
            Some(_) => Err(Self::wrong(name)),
        }
    }

    /// Empty if there are none.
    fn ints(&self, name: &str) -> Result<Vec<i64>> {
        match self.find(name) {
            None => Ok(Vec::new()),
            Some(Attribute::Ints(values)) => Ok(values.clone()),
            Some(_) => Err(Self::wrong(name)),
        }
    }

    /// Whole numbers that count something.
    fn counts(&self, name: &str) -> Result<Vec<usize>> {
        let count = |value: i64| {
            usize::try_from(value).map_err(|_| Error::corrupt(format!("attribute '{name}' has the negative {value}")))
        };
        self.ints(name)?.into_iter().map(count).collect()
    }

    /// Empty if there are none.
    fn floats(&self, name: &str) -> Result<Vec<f32>> {
        match self.find(name) {
            None => Ok(Vec::new()),
            Some(Attribute::Floats(values)) => Ok(values.clone()),
            Some(_) => Err(Self::wrong(name)),
        }
    }

    /// Numbers as floats or, in files of doubles, as a tensor beside them.
    fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        match self.find(&format!("{name}_as_tensor")).or_else(|| self.find(name)) {
            None => Ok(Vec::new()),
            Some(Attribute::Floats(values)) => Ok(values.iter().map(|value| f64::from(*value)).collect()),
            Some(Attribute::Tensor(tensor)) => tensor.data.numbers(),
            Some(_) => Err(Self::wrong(name)),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<Arc<str>>> {
        match self.find(name) {
            None => Ok(Vec::new()),
            Some(Attribute::Texts(values)) => Ok(values.clone()),
            Some(_) => Err(Self::wrong(name)),
        }
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        match self.find(name) {
            None => Ok(None),
            Some(Attribute::Tensor(tensor)) => Ok(Some(tensor.clone())),
            Some(_) => Err(Self::wrong(name)),
        }
    }
}

/// A function of one result.
fn one(run: impl Fn(&Inputs<'_>) -> Result<Tensor> + Send + Sync + 'static) -> Result<Run> {
    Ok(Box::new(move |inputs| Ok(vec![run(inputs)?])))
}

/// A function of one tensor.
fn of_first(run: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Result<Run> {
    one(move |inputs| run(inputs.get(0)?))
}

/// The function of a node.
///
/// # Errors
/// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for an operator that is not known
/// here, [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) for attributes that make no sense.
pub(super) fn compile(call: Call<'_>) -> Result<Run> {
    let op = call.node.op.as_str();
    let compiled = match call.node.domain.as_str() {
        "" | "ai.onnx" => [arithmetic::compile, matrix::compile, reduce::compile, select::compile, shape::compile]
            .into_iter()
            .find_map(|compile| compile(op, call).transpose()),
        "ai.onnx.ml" => [encode::compile, linear::compile, scale::compile, svm::compile, trees::compile]
            .into_iter()
            .find_map(|compile| compile(op, call).transpose()),
        _ => None,
    };
    compiled.unwrap_or_else(|| {
        Err(Error::unsupported(
            "the operator is not known here; known are those of ai.onnx.ml and the tensor operators that \
             converters of tabular models write",
        ))
    })
}
