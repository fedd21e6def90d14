//! What fitted components are made of, said in a few operators that other runtimes have too.

use crate::Result;

/// A column of a graph that is being written: a cell a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Its number in the graph.
    pub index: usize,
    /// What its cells are.
    pub kind: OperandKind,
}

/// What the cells of an [`Operand`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperandKind {
    /// Numbers in `f64`; NaN where a value is missing.
    Number,
    /// Texts, none missing.
    Text,
    /// Whole numbers in `i64`, none missing. Operators that take numbers take them too.
    Whole,
}

/// The keys of a [`Operator::Code`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeKeys {
    /// For texts.
    Text(Vec<String>),
    /// For whole numbers.
    Whole(Vec<i64>),
}

/// What an operator makes of columns, cell by cell; all but [`Code`](Self::Code) take and give numbers,
/// and a truth is 1 or 0.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Operator {
    /// `a + b`
    Add,
    /// `b` where `a` is not 0, else `c`
    Choose,
    /// The place of `a` among the keys; their number if it is none of them.
    Code(CodeKeys),
    /// `a / b`
    Div,
    /// Whether `a == b`
    Equal,
    /// Whether `a > b`
    Greater,
    /// Whether `a` is NaN
    IsMissing,
    /// `a * b`
    Mul,
    /// The number at place `a` of these.
    Pick(Vec<f64>),
    /// `a - b`
    Sub,
}

/// Where a fitted component writes itself down as operators: a graph of another format, such as ONNX.
///
/// [`Transform::operators`](crate::Transform::operators) is given one.
pub trait Operators {
    /// The same number in every row.
    fn number(&mut self, value: f64) -> Operand;

    /// What an operator makes of columns.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the format lacks the operator,
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal) for columns that it does not take.
    fn apply(&mut self, operator: &Operator, inputs: &[Operand]) -> Result<Operand>;
}
