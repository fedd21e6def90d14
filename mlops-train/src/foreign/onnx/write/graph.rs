//! A graph being written: nodes over values that have numbers.

use mlops_core::{CodeKeys, Error, Operand, OperandKind, Operator, Operators, Result};

use crate::foreign::onnx::tensor::Kind;
use crate::foreign::onnx::wire::Message;

/// Version 17 has all operators used here for doubles, in runtimes from 2022 on.
const OPSET: i64 = 17;
const OPSET_ML: i64 = 3;
const IR_VERSION: i64 = 8;
/// What the values between inputs and outputs are called, before their number.
const INNER: &str = "inner ";
/// The domain of operators for tables.
pub(super) const ML: &str = "ai.onnx.ml";

/// An attribute of a node.
#[derive(Clone, Debug)]
pub(super) enum Attribute {
    Doubles(Vec<f64>),
    Int(i64),
    Ints(Vec<i64>),
    Text(&'static str),
    Texts(Vec<String>),
}

/// Nodes and constants.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    names: Vec<String>,
}

impl Graph {
    fn value(&mut self) -> usize {
        self.names.push(format!("{INNER}{}", self.names.len()));
        self.names.len() - 1
    }

    /// A column that the graph takes; it is called as the column.
    pub(super) fn input(&mut self, name: &str, kind: Kind) -> Result<usize> {
        if name.starts_with(INNER) || ["predict", "predict_proba"].contains(&name) {
            return Err(Error::unsupported(format!("an input called '{name}', as a value of the graph: rename it")));
        }
        let value = self.value();
        name.clone_into(&mut self.names[value]);
        self.inputs.push(value_info(name, kind, Some(1)));
        Ok(value)
    }

    /// A value that the graph gives, of `width` columns or a list.
    pub(super) fn output(&mut self, name: &str, value: usize, kind: Kind, width: Option<usize>) {
        let mut node = Message::default();
        node.text(1, &self.names[value]);
        node.text(2, name);
        node.text(4, "Identity");
        self.nodes.push(node);
        self.outputs.push(value_info(name, kind, width));
    }

    pub(super) fn node(&mut self, op: &str, inputs: &[usize], attributes: &[(&str, Attribute)]) -> usize {
        self.node_of("", op, inputs, attributes)
    }

    pub(super) fn node_of(
        &mut self,
        domain: &str,
        op: &str,
        inputs: &[usize],
        attributes: &[(&str, Attribute)],
    ) -> usize {
        let value = self.value();
        let mut node = Message::default();
        inputs.iter().for_each(|input| node.text(1, &self.names[*input]));
        node.text(2, &self.names[value]);
        node.text(3, &format!("{op}_{value}"));
        node.text(4, op);
        attributes.iter().for_each(|(name, attribute)| node.message(5, &attribute.message(name)));
        if !domain.is_empty() {
            node.text(7, domain);
        }
        self.nodes.push(node);
        value
    }

    pub(super) fn doubles(&mut self, dims: &[i64], values: &[f64]) -> usize {
        let value = self.value();
        let mut tensor = Message::default();
        tensor.ints(1, dims);
        tensor.int(2, Kind::F64.number());
        tensor.text(8, &self.names[value]);
        tensor.doubles(10, values);
        self.constants.push(tensor);
        value
    }

    pub(super) fn whole_numbers(&mut self, values: &[i64]) -> usize {
        let value = self.value();
        let mut tensor = Message::default();
        tensor.ints(1, &[values.len() as i64]);
        tensor.int(2, Kind::I64.number());
        tensor.ints(7, values);
        tensor.text(8, &self.names[value]);
        self.constants.push(tensor);
        value
    }

    pub(super) fn texts(&mut self, values: &[String]) -> usize {
        let value = self.value();
        let mut tensor = Message::default();
        tensor.ints(1, &[values.len() as i64]);
        tensor.int(2, Kind::Text.number());
        values.iter().for_each(|text| tensor.text(6, text));
        tensor.text(8, &self.names[value]);
        self.constants.push(tensor);
        value
    }

    pub(super) fn cast(&mut self, value: usize, to: Kind) -> usize {
        self.node("Cast", &[value], &[("to", Attribute::Int(to.number()))])
    }

    /// An operand as doubles.
    pub(super) fn number_of(&mut self, operand: Operand) -> Result<usize> {
        match operand.kind {
            OperandKind::Number => Ok(operand.index),
            OperandKind::Whole => Ok(self.cast(operand.index, Kind::F64)),
            kind => Err(Error::unsupported(format!("a column of {kind:?} where numbers are needed"))),
        }
    }

    /// The file.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut graph = Message::default();
        self.nodes.iter().for_each(|node| graph.message(1, node));
        graph.text(2, "pipeline");
        self.constants.iter().for_each(|tensor| graph.message(5, tensor));
        self.inputs.iter().for_each(|input| graph.message(11, input));
        self.outputs.iter().for_each(|output| graph.message(12, output));
        let mut model = Message::default();
        model.int(1, IR_VERSION);
        model.text(2, "mlops");
        model.text(3, env!("CARGO_PKG_VERSION"));
        model.message(7, &graph);
        for (domain, version) in [("", OPSET), (ML, OPSET_ML)] {
            let mut opset = Message::default();
            opset.text(1, domain);
            opset.int(2, version);
            model.message(8, &opset);
        }
        model.into_bytes()
    }
}

/// A list of rows, or of rows of so many columns.
fn value_info(name: &str, kind: Kind, width: Option<usize>) -> Message {
    let mut rows = Message::default();
    rows.text(2, "N");
    let mut shape = Message::default();
    shape.message(1, &rows);
    if let Some(width) = width {
        let mut columns = Message::default();
        columns.int(1, width as i64);
        shape.message(1, &columns);
    }
    let mut tensor = Message::default();
    tensor.int(1, kind.number());
    tensor.message(2, &shape);
    let mut of_type = Message::default();
    of_type.message(1, &tensor);
    let mut info = Message::default();
    info.text(1, name);
    info.message(2, &of_type);
    info
}

impl Attribute {
    fn message(&self, name: &str) -> Message {
        let mut message = Message::default();
        message.text(1, name);
        let kind = match self {
            Self::Int(value) => {
                message.int(3, *value);
                2
            }
            Self::Text(text) => {
                message.text(4, text);
                3
            }
            Self::Doubles(values) => {
                let mut tensor = Message::default();
                tensor.ints(1, &[values.len() as i64]);
                tensor.int(2, Kind::F64.number());
                tensor.text(8, name);
                tensor.doubles(10, values);
                message.message(5, &tensor);
                4
            }
            // Not packed: runtimes read the first version of the format so.
            Self::Ints(values) => {
                values.iter().for_each(|value| message.int(8, *value));
                7
            }
            Self::Texts(texts) => {
                texts.iter().for_each(|text| message.text(9, text));
                8
            }
        };
        message.int(20, kind);
        message
    }
}

impl Operators for Graph {
    fn number(&mut self, value: f64) -> Operand {
        Operand { index: self.doubles(&[1], &[value]), kind: OperandKind::Number }
    }

    fn apply(&mut self, operator: &Operator, inputs: &[Operand]) -> Result<Operand> {
        let number = |index| Ok(Operand { index, kind: OperandKind::Number });
        if let (Operator::Code(keys), [column]) = (operator, inputs) {
            let index = self.code(keys, *column)?;
            return Ok(Operand { index, kind: OperandKind::Whole });
        }
        if let (Operator::Pick(values), [place]) = (operator, inputs) {
            let place = match place.kind {
                OperandKind::Whole => place.index,
                _ => return Err(Error::internal("a place that is no whole number")),
            };
            let values = self.doubles(&[values.len() as i64], values);
            return number(self.node("Gather", &[values, place], &[]));
        }
        let values = inputs.iter().map(|input| self.number_of(*input)).collect::<Result<Vec<_>>>()?;
        let (op, is_truth) = match (operator, values.len()) {
            (Operator::Add, 2) => ("Add", false),
            (Operator::Div, 2) => ("Div", false),
            (Operator::Mul, 2) => ("Mul", false),
            (Operator::Sub, 2) => ("Sub", false),
            (Operator::Equal, 2) => ("Equal", true),
            (Operator::Greater, 2) => ("Greater", true),
            (Operator::IsMissing, 1) => ("IsNaN", true),
            (Operator::Choose, 3) => {
                let condition = self.cast(values[0], Kind::Bool);
                return number(self.node("Where", &[condition, values[1], values[2]], &[]));
            }
            (operator, count) => {
                return Err(Error::internal(format!("{operator:?} of {count} columns")));
            }
        };
        let value = self.node(op, &values, &[]);
        number(if is_truth { self.cast(value, Kind::F64) } else { value })
    }
}

impl Graph {
    fn code(&mut self, keys: &CodeKeys, column: Operand) -> Result<usize> {
        let (keys, count) = match (keys, column.kind) {
            (CodeKeys::Text(keys), OperandKind::Text) => (("keys_strings", Attribute::Texts(keys.clone())), keys.len()),
            (CodeKeys::Whole(keys), OperandKind::Whole) => (("keys_int64s", Attribute::Ints(keys.clone())), keys.len()),
            (_, kind) => {
                return Err(Error::unsupported(format!(
                    "categories of another type than a column of {kind:?}: whole numbers that may be missing are \
                     floats in a graph"
                )));
            }
        };
        let codes = Attribute::Ints((0..count as i64).collect());
        let otherwise = Attribute::Int(count as i64);
        let attributes = [keys, ("values_int64s", codes), ("default_int64", otherwise)];
        Ok(self.node_of(ML, "LabelEncoder", &[column.index], &attributes))
    }
}
