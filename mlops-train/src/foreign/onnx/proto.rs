//! The messages of ONNX, as much of them as a graph needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlops_core::{Error, Result, ResultExt as _};

use super::tensor::{Data, Kind, Tensor};
use super::wire::Fields;

/// A model file.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) producer: String,
    /// The version of each set of operators, by its domain.
    pub(super) opsets: BTreeMap<String, i64>,
    pub(super) graph: Graph,
}

#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) initializers: Vec<(String, Tensor)>,
    pub(super) inputs: Vec<ValueInfo>,
    pub(super) outputs: Vec<ValueInfo>,
}

#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) op: String,
    pub(super) domain: String,
    /// A name that is empty is an input left out.
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) attributes: BTreeMap<String, Attribute>,
}

/// What a graph takes or gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ValueInfo {
    pub(super) name: String,
    /// Of a tensor.
    pub(super) kind: Option<Kind>,
    /// `None` for a dimension that has a name, or nothing.
    pub(super) shape: Option<Vec<Option<usize>>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attribute {
    Float(f32),
    Floats(Vec<f32>),
    Int(i64),
    Ints(Vec<i64>),
    Tensor(Tensor),
    Text(Arc<str>),
    Texts(Vec<Arc<str>>),
    /// A graph or something else that no operator here takes.
    Unknown(i64),
}

impl Model {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut model = Self::default();
        let mut graph = None;
        for field in Fields::new(bytes) {
            match field? {
                (2, producer) => model.producer = producer.text()?.to_owned(),
                (7, bytes) => graph = Some(Graph::read(bytes.bytes()?)?),
                (8, opset) => {
                    let (mut domain, mut version) = (String::new(), 0);
                    for field in Fields::new(opset.bytes()?) {
                        match field? {
                            (1, name) => domain = name.text()?.to_owned(),
                            (2, number) => version = number.int()?,
                            _ => {}
                        }
                    }
                    model.opsets.insert(domain, version);
                }
                (25, _) => return Err(Error::unsupported("an ONNX file with functions of its own: inline them first")),
                _ => {}
            }
        }
        model.graph = graph.ok_or_else(|| Error::corrupt("not an ONNX file: it has no graph"))?;
        Ok(model)
    }
}

impl Graph {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut graph = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, node) => graph.nodes.push(Node::read(node.bytes()?)?),
                (5, tensor) => graph.initializers.push(read_tensor(tensor.bytes()?)?),
                (11, value) => graph.inputs.push(ValueInfo::read(value.bytes()?)?),
                (12, value) => graph.outputs.push(ValueInfo::read(value.bytes()?)?),
                (15, _) => return Err(Error::unsupported("an ONNX file with sparse initializers")),
                _ => {}
            }
        }
        Ok(graph)
    }
}

impl Node {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut node = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, name) => node.inputs.push(name.text()?.to_owned()),
                (2, name) => node.outputs.push(name.text()?.to_owned()),
                (3, name) => node.name = name.text()?.to_owned(),
                (4, op) => node.op = op.text()?.to_owned(),
                (5, attribute) => {
                    let (name, attribute) = Attribute::read(attribute.bytes()?).context("operator", &node.op)?;
                    node.attributes.insert(name, attribute);
                }
                (7, domain) => node.domain = domain.text()?.to_owned(),
                _ => {}
            }
        }
        Ok(node)
    }
}

impl ValueInfo {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut info = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, name) => info.name = name.text()?.to_owned(),
                (2, kind) => info.read_type(kind.bytes()?)?,
                _ => {}
            }
        }
        Ok(info)
    }

    fn read_type(&mut self, bytes: &[u8]) -> Result<()> {
        for field in Fields::new(bytes) {
            let (1, tensor) = field? else { continue };
            for field in Fields::new(tensor.bytes()?) {
                match field? {
                    (1, kind) => self.kind = Some(Kind::read(kind.int()?).context("value", &self.name)?),
                    (2, shape) => self.shape = Some(read_dims(shape.bytes()?)?),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn read_dims(bytes: &[u8]) -> Result<Vec<Option<usize>>> {
    let mut dims = Vec::new();
    for field in Fields::new(bytes) {
        let (1, dim) = field? else { continue };
        let mut size = None;
        for field in Fields::new(dim.bytes()?) {
            if let (1, value) = field? {
                size = usize::try_from(value.int()?).ok();
            }
        }
        dims.push(size);
    }
    Ok(dims)
}

impl Attribute {
    fn read(bytes: &[u8]) -> Result<(String, Self)> {
        let (mut name, mut kind) = (String::new(), 0);
        let (mut one, mut tensor) = (None, None);
        let (mut floats, mut ints, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for field in Fields::new(bytes) {
            match field? {
                (1, text) => name = text.text()?.to_owned(),
                (2, float) => one = Some(Self::Float(float.float()?)),
                (3, int) => one = Some(Self::Int(int.int()?)),
                (4, text) => one = Some(Self::Text(text.text()?.into())),
                (5, bytes) => tensor = Some(read_tensor(bytes.bytes()?)?.1),
                (7, values) => values.push_floats(&mut floats)?,
                (8, values) => values.push_ints(&mut ints)?,
                (9, text) => texts.push(text.text()?.into()),
                (20, number) => kind = number.int()?,
                _ => {}
            }
        }
        let attribute = match kind {
            1 => one.unwrap_or(Self::Float(0.0)),
            2 => one.unwrap_or(Self::Int(0)),
            3 => one.unwrap_or_else(|| Self::Text("".into())),
            4 => tensor.map_or(Self::Unknown(kind), Self::Tensor),
            6 => Self::Floats(floats),
            7 => Self::Ints(ints),
            8 => Self::Texts(texts),
            // Files from before types were written.
            0 if !floats.is_empty() => Self::Floats(floats),
            0 if !ints.is_empty() => Self::Ints(ints),
            0 if !texts.is_empty() => Self::Texts(texts),
            0 => one.or_else(|| tensor.map(Self::Tensor)).unwrap_or(Self::Unknown(kind)),
            other => Self::Unknown(other),
        };
        Ok((name, attribute))
    }
}

/// A tensor and its name.
pub(super) fn read_tensor(bytes: &[u8]) -> Result<(String, Tensor)> {
    let (mut name, mut kind, mut dims, mut raw) = (String::new(), 0, Vec::new(), None);
    let (mut floats, mut doubles, mut ints, mut texts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for field in Fields::new(bytes) {
        match field? {
            (1, values) => values.push_ints(&mut dims)?,
            (2, number) => kind = number.int()?,
            (4, values) => values.push_floats(&mut floats)?,
            (5 | 7, values) => values.push_ints(&mut ints)?,
            (6, text) => texts.push(text.text()?.into()),
            (8, text) => name = text.text()?.to_owned(),
            (9, bytes) => raw = Some(bytes.bytes()?),
            (10, values) => values.push_doubles(&mut doubles)?,
            (14, location) if location.int()? != 0 => {
                return Err(Error::unsupported(format!(
                    "tensor '{name}' is in another file: save the model as one file"
                )));
            }
            _ => {}
        }
    }
    let shape: Option<Vec<usize>> = dims.iter().map(|dim| usize::try_from(*dim).ok()).collect();
    let shape = shape.ok_or_else(|| Error::corrupt(format!("tensor '{name}' has a negative dimension")))?;
    let kind = Kind::read(kind).context("tensor", &name)?;
    let data = match raw {
        Some(raw) => read_raw(kind, raw).context("tensor", &name)?,
        None => match kind {
            Kind::Bool => Data::Bool(ints.iter().map(|int| *int != 0).collect()),
            Kind::F32 => Data::F32(floats),
            Kind::F64 => Data::F64(doubles),
            Kind::I32 => Data::I32(ints.iter().map(|int| *int as i32).collect()),
            Kind::I64 => Data::I64(ints),
            Kind::Text => Data::Text(texts),
        },
    };
    let tensor = Tensor::new(shape, data).context("tensor", &name)?;
    Ok((name, tensor))
}

fn read_raw(kind: Kind, raw: &[u8]) -> Result<Data> {
    fn all<const N: usize, T>(raw: &[u8], read: fn([u8; N]) -> T) -> Result<Vec<T>> {
        let (numbers, rest) = raw.as_chunks();
        if rest.is_empty() {
            return Ok(numbers.iter().map(|bytes| read(*bytes)).collect());
        }
        Err(Error::corrupt("the bytes of a tensor end within an element"))
    }
    Ok(match kind {
        Kind::Bool => Data::Bool(raw.iter().map(|byte| *byte != 0).collect()),
        Kind::F32 => Data::F32(all(raw, f32::from_le_bytes)?),
        Kind::F64 => Data::F64(all(raw, f64::from_le_bytes)?),
        Kind::I32 => Data::I32(all(raw, i32::from_le_bytes)?),
        Kind::I64 => Data::I64(all(raw, i64::from_le_bytes)?),
        Kind::Text => return Err(Error::corrupt("texts as raw bytes")),
    })
}
