//! What the inputs and outputs of a graph are for.

use std::sync::Arc;

use mlops_core::{Classes, Error, Result};

use super::graph::open_inputs;
use super::proto::{Attribute, Model, Node, ValueInfo};
use super::tensor::{Data, Kind};
use crate::foreign::import::Import;

/// A tensor that the graph takes, and the columns that make it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// The graph's name of it.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The columns' names.
    pub(super) columns: Vec<String>,
    /// Whether it has a dimension for the columns.
    pub(super) is_matrix: bool,
}

/// What a graph answers with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outputs {
    pub(super) label: Option<String>,
    pub(super) scores: Option<String>,
    pub(super) answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Classes,
    /// The label is the nearest of some centres, the scores are distances.
    Clusters,
    Number,
}

impl Group {
    /// The inputs of a graph: a matrix is one column a feature, anything else one column.
    pub(super) fn all(model: &Model, import: &Import) -> Result<Vec<Self>> {
        let mut groups = Vec::new();
        let inputs: Vec<&ValueInfo> = open_inputs(model).collect();
        for input in &inputs {
            let named = import.features.as_ref().filter(|_| inputs.len() == 1).map(Vec::len);
            groups.push(Self::of(input, named)?);
        }
        let total: usize = groups.iter().map(|group| group.columns.len()).sum();
        if total == 0 {
            return Err(Error::corrupt("the graph takes nothing"));
        }
        if let Some(names) = &import.features {
            if names.len() != total {
                let given = names.len();
                return Err(Error::config(format!("{given} feature names were given for a graph of {total} columns")));
            }
            let columns = groups.iter_mut().flat_map(|group| &mut group.columns);
            columns.zip(names).for_each(|(column, name)| column.clone_from(name));
        }
        Ok(groups)
    }

    fn of(input: &ValueInfo, named: Option<usize>) -> Result<Self> {
        let name = &input.name;
        let unsupported = |what: &str| Error::unsupported(format!("input '{name}' of the graph {what}"));
        let kind = input.kind.ok_or_else(|| unsupported("is no tensor"))?;
        let shape = input.shape.as_deref().unwrap_or(&[None, None]);
        let (width, is_matrix) = match shape {
            [_] => (1, false),
            [_, width] => (width.or(named).ok_or_else(|| unknown_width(name))?, true),
            shape => return Err(unsupported(&format!("has {} dimensions: rows of columns are taken", shape.len()))),
        };
        if !(1..=MOST_COLUMNS).contains(&width) {
            return Err(unsupported(&format!("has {width} columns: 1 to {MOST_COLUMNS} are taken")));
        }
        let columns = match width {
            1 => vec![name.clone()],
            width => (0..width).map(|i| format!("{name}_{i}")).collect(),
        };
        Ok(Self { name: name.clone(), kind, columns, is_matrix })
    }
}

const MOST_COLUMNS: usize = 1 << 16;

fn unknown_width(name: &str) -> Error {
    Error::config(format!(
        "the file does not say how many columns input '{name}' has: name them with `Import::with_features`"
    ))
}

impl Outputs {
    /// A label of texts or whole numbers, scores of floats, or both.
    pub(super) fn of(model: &Model, import: &Import) -> Result<Self> {
        let outputs = &model.graph.outputs;
        let is_label =
            |output: &&ValueInfo| matches!(output.kind, Some(Kind::I64 | Kind::I32 | Kind::Text | Kind::Bool));
        let is_zipped = |name: &str| producer(model, name).is_some_and(|node| node.op == "ZipMap");
        let is_scores = |output: &&ValueInfo| match output.kind {
            Some(kind) => matches!(kind, Kind::F32 | Kind::F64),
            None => is_zipped(&output.name),
        };
        let label = outputs.iter().find(is_label).map(|output| output.name.clone());
        let mut floats: Vec<&ValueInfo> = outputs.iter().filter(is_scores).collect();
        floats.sort_by_key(|output| !output.name.contains("prob"));
        let scores = floats.first().map(|output| output.name.clone());
        let answer = match (&label, &scores) {
            (Some(label), Some(_)) if origin(model, label).is_some_and(|node| node.op == "ArgMin") => Answer::Clusters,
            (Some(_), _) => Answer::Classes,
            (None, Some(_)) if import.classes.is_some() => Answer::Classes,
            (None, Some(_)) => Answer::Number,
            (None, None) => {
                let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
                return Err(Error::unsupported(format!(
                    "the outputs of the graph are [{}]: a tensor of labels, of scores or of predictions is needed",
                    names.join(", ")
                )));
            }
        };
        Ok(Self { label, scores, answer })
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.label.iter().chain(&self.scores).map(String::as_str).collect()
    }
}

/// The node that gives a value.
fn producer<'a>(model: &'a Model, name: &str) -> Option<&'a Node> {
    model.graph.nodes.iter().find(|node| node.outputs.iter().any(|output| output == name))
}

/// The node that makes a value, before it is only cast, copied or put into another shape.
fn origin<'a>(model: &'a Model, name: &str) -> Option<&'a Node> {
    let mut node = producer(model, name)?;
    // A circle would go on for ever.
    for _ in 0..64 {
        if !["Cast", "Identity", "Reshape", "Squeeze", "Flatten", "ZipMap", "Normalizer"].contains(&node.op.as_str()) {
            return Some(node);
        }
        node = producer(model, node.inputs.first()?)?;
    }
    None
}

/// The classes that the file names, in the order of its scores.
pub(super) fn classes(model: &Model, outputs: &Outputs) -> Option<Data> {
    let listed = |node: &Node| {
        ["classlabels_strings", "classlabels_int64s", "classlabels_ints"].iter().find_map(|name| {
            match node.attributes.get(*name)? {
                Attribute::Ints(labels) if !labels.is_empty() => Some(Data::I64(labels.clone())),
                Attribute::Texts(labels) if !labels.is_empty() => Some(Data::Text(labels.clone())),
                _ => None,
            }
        })
    };
    let zipped = outputs.scores.as_ref().and_then(|scores| listed(producer(model, scores)?));
    let by_label = || {
        let label = outputs.label.as_ref()?;
        if model.graph.outputs.iter().any(|output| output.name == *label && output.kind == Some(Kind::Bool)) {
            return Some(Data::Bool(vec![false, true]));
        }
        let node = origin(model, label)?;
        if !["ArrayFeatureExtractor", "Gather"].contains(&node.op.as_str()) {
            return listed(node);
        }
        let initializers = model.graph.initializers.iter();
        initializers.clone().find(|(name, _)| Some(name) == node.inputs.first()).map(|(_, tensor)| tensor.data.clone())
    };
    zipped.or_else(by_label)
}

/// Classes in ascending order, and at which place of the file's order each stands.
pub(super) fn in_order(labels: &Data) -> Result<(Classes, Vec<usize>)> {
    fn sorted<T: Ord + Clone>(labels: &[T]) -> (Vec<T>, Vec<usize>) {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by(|a, b| labels[*a].cmp(&labels[*b]));
        (order.iter().map(|i| labels[*i].clone()).collect(), order)
    }
    let (classes, order) = match labels {
        Data::I64(labels) => {
            let (labels, order) = sorted(labels);
            (Classes::Int(labels), order)
        }
        Data::I32(labels) => {
            let (labels, order) = sorted(labels);
            (Classes::Int(labels.into_iter().map(i64::from).collect()), order)
        }
        Data::Bool(labels) if labels == &[false, true] => (Classes::Bool, vec![0, 1]),
        Data::Text(labels) => {
            let (labels, order) = sorted::<Arc<str>>(labels);
            (Classes::Text(labels.iter().map(|label| label.to_string()).collect()), order)
        }
        other => return Err(Error::unsupported(format!("classes of {:?}", other.kind()))),
    };
    Ok((classes, order))
}

impl Group {
    /// The tensor of so many rows.
    pub(super) fn tensor(&self, rows: usize, data: Data) -> Result<super::tensor::Tensor> {
        let shape = if self.is_matrix { vec![rows, self.columns.len()] } else { vec![rows] };
        super::tensor::Tensor::new(shape, data)
    }
}
