use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use mlops_core::{
    Artifact, Classes, Codecs, Error, Load, Model, Operand, OperandKind, PipelineModel, Result, Signature, Task,
    Transform,
};

use super::graph::{Attribute, Graph};
use super::trees;
use crate::foreign::onnx::tensor::Kind;
use crate::trees::{Link, TREES, TreeModel};

/// Writes a model, with the preparation in front of it, as one ONNX file.
///
/// The graph takes each input of the signature as a tensor of one column and its name (`[N, 1]`; floats
/// and numbers that may be missing as double, NaN where missing) and gives `predict` and, of
/// classes, `predict_proba`. It computes in double, but runtimes add up trees in float: numbers agree
/// within 1e-6. Where the pipeline refuses a row, as for an unknown category, a graph can't: it
/// answers as if the category were none of the known ones.
///
/// Written are trees of every origin, linear and logistic regression, imputing, scaling, binarising,
/// one-hot and ordinal encoding. `codecs` are those that read the preparation.
///
/// # Errors
/// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) naming the step or the model that has
/// no form in ONNX, or a decision that is not the greatest probability.
pub fn to_onnx(model: &dyn Model, codecs: &Codecs) -> Result<Vec<u8>> {
    let signature = model.signature();
    if !signature.decision.is_plain() {
        return Err(Error::unsupported(
            "a decision by costs or a threshold has no form in ONNX: write the model without",
        ));
    }
    let mut graph = Graph::default();
    let mut columns = BTreeMap::new();
    for input in &signature.inputs {
        columns.insert(input.name.clone(), read(&mut graph, &input.name, &input.data_type, input.nullable)?);
    }
    let artifact = model.save()?;
    let (inner, artifact) = if artifact.kind == PipelineModel::KIND {
        let pipeline = PipelineModel::load(&artifact, codecs)?;
        pipeline.chain().operators(&signature.input_schema(), &mut columns, &mut graph)?;
        let inner = std::sync::Arc::clone(pipeline.model());
        let artifact = inner.save()?;
        (inner.signature().clone(), artifact)
    } else {
        (signature.clone(), artifact)
    };
    let rows = rows(&mut graph, &inner, &columns)?;
    let scores = scores(&mut graph, &artifact, &inner, rows)?;
    answer(&mut graph, &inner.task, scores)?;
    Ok(graph.into_bytes())
}

/// An input as an operand of numbers, whole numbers or texts.
fn read(graph: &mut Graph, name: &str, data_type: &DataType, nullable: bool) -> Result<Operand> {
    let (kind, operand) = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => (Kind::Text, OperandKind::Text),
        integer if integer.is_integer() && !nullable => (Kind::I64, OperandKind::Whole),
        DataType::Boolean if !nullable => (Kind::Bool, OperandKind::Whole),
        number if number.is_numeric() || *number == DataType::Boolean => (Kind::F64, OperandKind::Number),
        other => return Err(Error::unsupported(format!("input '{name}' of {other} has no form in ONNX"))),
    };
    let value = graph.input(name, kind)?;
    let index = if kind == Kind::Bool { graph.cast(value, Kind::I64) } else { value };
    Ok(Operand { index, kind: operand })
}

/// The inputs of the model itself, side by side.
fn rows(graph: &mut Graph, signature: &Signature, columns: &BTreeMap<String, Operand>) -> Result<usize> {
    let mut values = Vec::new();
    for input in &signature.inputs {
        let operand = columns.get(&input.name);
        let operand = operand.ok_or_else(|| Error::internal(format!("no operand for '{}'", input.name)))?;
        values.push(graph.number_of(*operand)?);
    }
    Ok(graph.node("Concat", &values, &[("axis", Attribute::Int(1))]))
}

/// The scores of the signature, as doubles.
fn scores(graph: &mut Graph, artifact: &Artifact, signature: &Signature, rows: usize) -> Result<usize> {
    let classes = matches!(signature.task, Task::Classification { .. });
    if artifact.blobs.contains_key(TREES) {
        let model = TreeModel::load_from(artifact, None)?;
        let outputs = trees::write(graph, &model, rows)?;
        let one_for_two = classes && model.trees().num_outputs() == 1;
        let link = Linked { link: model.link(), one_for_two, classes, width: model.trees().num_outputs() };
        return Ok(link.write(graph, outputs));
    }
    #[cfg(feature = "linear")]
    if let Some(Linear { coefficients, intercepts }) = linear(artifact)? {
        let (outputs, width) = (intercepts.len(), signature.inputs.len());
        // A row a feature, a column an output.
        let turned: Vec<f64> = (0..width).flat_map(|i| coefficients.iter().map(move |of| of[i])).collect();
        let weights = graph.doubles(&[width as i64, outputs as i64], &turned);
        let intercepts = graph.doubles(&[1, outputs as i64], &intercepts);
        let product = graph.node("MatMul", &[rows, weights], &[]);
        let sums = graph.node("Add", &[product, intercepts], &[]);
        let link = match (classes, outputs) {
            (false, _) => Link::Identity,
            (true, 1) => Link::Logistic,
            (true, _) => Link::Softmax,
        };
        let link = Linked { link, one_for_two: classes && outputs == 1, classes, width: outputs };
        return Ok(link.write(graph, sums));
    }
    Err(Error::unsupported(format!(
        "model '{}' can't be written as ONNX; written are trees, linear and logistic regression",
        artifact.kind
    )))
}

/// What a linear model has for each output.
#[cfg(feature = "linear")]
struct Linear {
    coefficients: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
}

#[cfg(feature = "linear")]
fn linear(artifact: &Artifact) -> Result<Option<Linear>> {
    let none = Codecs::empty();
    if artifact.kind == crate::LinearModel::KIND {
        let model = crate::LinearModel::load(artifact, &none)?;
        return Ok(Some(Linear { coefficients: vec![model.coef().to_vec()], intercepts: vec![model.intercept()] }));
    }
    if artifact.kind == crate::LogisticModel::KIND {
        let model = crate::LogisticModel::load(artifact, &none)?;
        return Ok(Some(Linear { coefficients: model.coef().to_vec(), intercepts: model.intercept().to_vec() }));
    }
    Ok(None)
}

/// What makes scores of outputs.
#[derive(Clone, Copy, Debug)]
struct Linked {
    link: Link,
    classes: bool,
    /// Whether one output is about the second of two classes.
    one_for_two: bool,
    width: usize,
}

impl Linked {
    fn write(self, graph: &mut Graph, outputs: usize) -> usize {
        let value = match self.link {
            Link::Exp => graph.node("Exp", &[outputs], &[]),
            Link::Logistic => graph.node("Sigmoid", &[outputs], &[]),
            Link::Softmax => graph.node("Softmax", &[outputs], &[("axis", Attribute::Int(-1))]),
            Link::Identity | Link::Normalise => outputs,
        };
        if self.one_for_two {
            let one = graph.doubles(&[1], &[1.0]);
            let other = graph.node("Sub", &[one, value], &[]);
            return graph.node("Concat", &[other, value], &[("axis", Attribute::Int(1))]);
        }
        if self.classes && matches!(self.link, Link::Normalise | Link::Logistic) {
            return self.shares(graph, value);
        }
        value
    }

    /// Of their sum; even ones if that is 0.
    fn shares(self, graph: &mut Graph, value: usize) -> usize {
        let keep = [("keepdims", Attribute::Int(1))];
        let (axes, zero) = (graph.whole_numbers(&[1]), graph.doubles(&[1], &[0.0]));
        let even = graph.doubles(&[1], &[1.0 / self.width as f64]);
        let sum = graph.node("ReduceSum", &[value, axes], &keep);
        let share = graph.node("Div", &[value, sum], &[]);
        let is_zero = graph.node("Equal", &[sum, zero], &[]);
        graph.node("Where", &[is_zero, even, share], &[])
    }
}

fn answer(graph: &mut Graph, task: &Task, scores: usize) -> Result<()> {
    match task {
        Task::Regression => {
            graph.output("predict", scores, Kind::F64, Some(1));
            Ok(())
        }
        Task::Classification { classes } => {
            let attributes = [("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))];
            let place = graph.node("ArgMax", &[scores], &attributes);
            let (value, kind) = match classes {
                Classes::Int(labels) => {
                    let labels = graph.whole_numbers(labels);
                    (graph.node("Gather", &[labels, place], &[]), Kind::I64)
                }
                Classes::Text(labels) => {
                    let labels = graph.texts(labels);
                    (graph.node("Gather", &[labels, place], &[]), Kind::Text)
                }
                _ => (graph.cast(place, Kind::Bool), Kind::Bool),
            };
            graph.output("predict", value, kind, None);
            graph.output("predict_proba", scores, Kind::F64, Some(classes.len()));
            Ok(())
        }
        other => Err(Error::unsupported(format!("a model of {other:?} can't be written as ONNX"))),
    }
}
