//! An [`Expr`] over one row of cells: what [`Expr::evaluate`] does to a batch, without Arrow.

use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, RangeInclusive, Rem, Sub};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use mlops_core::columns::{find_column, is_text};
use mlops_core::{CellReader, Error, Expr, Literal, Op, Result, Value};

/// An expression bound to the columns of a schema.
#[derive(Debug)]
pub(super) struct Program {
    root: Node,
}

#[derive(Debug)]
enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Arithmetic { op: Op, kind: Kind, left: Box<Self>, right: Box<Self> },
    Cast { value: Box<Self>, to: DataType },
    Cell(usize),
    Compare { op: Op, kind: Kind, left: Box<Self>, right: Box<Self> },
    Constant(Literal),
    IsNull(Box<Self>),
    Not(Box<Self>),
    OrElse { kind: Kind, first: Box<Self>, second: Box<Self> },
}

/// How Arrow would compute with a value, as far as it matters for the result.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Bool,
    Float32,
    Float64,
    /// Of at most 64 bits with a sign.
    Int,
    Null,
    /// Exact in Arrow, rounded in a cell: may only be asked whether it is null.
    Rounded,
    Temporal(DataType),
    Text,
}

impl Program {
    /// Binds an expression that [`Expr::data_type`] accepts; `None` if cells can't tell what Arrow
    /// would compute (decimals, 64-bit unsigned integers, arithmetic of dates, reading of texts).
    pub(super) fn bind(expr: &Expr, schema: &Schema) -> Result<Option<Self>> {
        let bound = bind(expr, schema)?.filter(|(_, kind)| *kind != Kind::Rounded);
        Ok(bound.map(|(root, _)| Self { root }))
    }

    /// The value for a row of the schema's columns.
    pub(super) fn evaluate<'a>(&'a self, row: &[Value<'a>]) -> Result<Value<'a>> {
        self.root.evaluate(row)
    }
}

impl Kind {
    fn of(data_type: &DataType) -> Option<Self> {
        use DataType as D;
        Some(match data_type {
            D::Boolean => Self::Bool,
            D::Float32 => Self::Float32,
            D::Float64 => Self::Float64,
            D::Null => Self::Null,
            D::UInt64 | D::Float16 => Self::Rounded,
            D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => Self::Rounded,
            D::Date32 | D::Date64 | D::Time32(_) | D::Time64(_) | D::Timestamp(..) => Self::Temporal(data_type.clone()),
            integer if integer.is_integer() => Self::Int,
            text if is_text(text) => Self::Text,
            _ => return None,
        })
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Bool | Self::Float32 | Self::Float64 | Self::Int)
    }

    /// The kind that Arrow gives two operands.
    fn common(left: &Self, right: &Self) -> Option<Self> {
        Some(match (left, right) {
            (Self::Rounded, _) | (_, Self::Rounded) => return None,
            (left, right) if left == right => left.clone(),
            (Self::Null, other) | (other, Self::Null) => other.clone(),
            (left, right) if left.is_number() && right.is_number() => Self::Float64,
            _ => return None,
        })
    }

    fn convert<'a>(&self, value: Value<'a>) -> Value<'a> {
        match self {
            Self::Float64 => value.as_f64().map_or(Value::Null, Value::Float),
            _ => value,
        }
    }
}

fn bind(expr: &Expr, schema: &Schema) -> Result<Option<(Node, Kind)>> {
    Ok(match expr {
        Expr::All(parts) => bind_all(parts, schema)?.map(|parts| (Node::All(parts), Kind::Bool)),
        Expr::Any(parts) => bind_all(parts, schema)?.map(|parts| (Node::Any(parts), Kind::Bool)),
        Expr::Binary { op, left, right } => bind_binary(*op, bind(left, schema)?, bind(right, schema)?)?,
        Expr::Cast { value, to } => bind(value, schema)?.and_then(|(value, kind)| bind_cast(value, &kind, to)),
        Expr::Column(name) => {
            let index = find_column(schema, name)?;
            Kind::of(schema.field(index).data_type()).map(|kind| (Node::Cell(index), kind))
        }
        Expr::In { value, list } => {
            let mut equal = Vec::with_capacity(list.len());
            for literal in list {
                let Some((node, _)) = bind_binary(Op::Eq, bind(value, schema)?, constant(literal))? else {
                    return Ok(None);
                };
                equal.push(node);
            }
            Some((Node::Any(equal), Kind::Bool))
        }
        Expr::IsNull(operand) => bind(operand, schema)?.map(|(node, _)| (Node::IsNull(Box::new(node)), Kind::Bool)),
        Expr::Literal(literal) => constant(literal),
        Expr::Not(operand) => bind(operand, schema)?.map(|(node, _)| (Node::Not(Box::new(node)), Kind::Bool)),
        Expr::OrElse(first, second) => {
            let operands = align(bind(first, schema)?, bind(second, schema)?)?;
            operands.map(|Aligned { left, right, kind }| {
                (Node::OrElse { kind: kind.clone(), first: left, second: right }, kind)
            })
        }
        _ => None,
    })
}

fn bind_all(parts: &[Expr], schema: &Schema) -> Result<Option<Vec<Node>>> {
    parts.iter().map(|part| Ok(bind(part, schema)?.map(|(node, _)| node))).collect()
}

fn constant(literal: &Literal) -> Option<(Node, Kind)> {
    let kind = match literal {
        Literal::Bool(_) => Kind::Bool,
        Literal::Float(_) => Kind::Float64,
        Literal::Int(_) => Kind::Int,
        Literal::Null => Kind::Null,
        Literal::Text(_) => Kind::Text,
        _ => return None,
    };
    Some((Node::Constant(literal.clone()), kind))
}

fn bind_cast(value: Node, from: &Kind, to: &DataType) -> Option<(Node, Kind)> {
    let kind = match (from, Kind::of(to)?) {
        (from, kind @ (Kind::Float32 | Kind::Float64 | Kind::Int)) if from.is_number() => kind,
        (Kind::Temporal(DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)), kind @ Kind::Int)
            if *to == DataType::Int64 =>
        {
            kind
        }
        _ => return None,
    };
    Some((Node::Cast { value: Box::new(value), to: to.clone() }, kind))
}

/// Two operands and the kind that they are computed in.
struct Aligned {
    left: Box<Node>,
    right: Box<Node>,
    kind: Kind,
}

/// Gives two operands one kind. A text beside a date is read as one.
fn align(left: Option<(Node, Kind)>, right: Option<(Node, Kind)>) -> Result<Option<Aligned>> {
    let (Some((left, l)), Some((right, r))) = (left, right) else { return Ok(None) };
    let (left, right, kind) = match (l, left, r, right) {
        (Kind::Temporal(date), left, Kind::Text, Node::Constant(Literal::Text(text))) => {
            (left, Node::Constant(read_date(&text, &date)?), Kind::Temporal(date))
        }
        (Kind::Text, Node::Constant(Literal::Text(text)), Kind::Temporal(date), right) => {
            (Node::Constant(read_date(&text, &date)?), right, Kind::Temporal(date))
        }
        (l, left, r, right) => match Kind::common(&l, &r) {
            Some(kind) => (left, right, kind),
            None => return Ok(None),
        },
    };
    Ok(Some(Aligned { left: Box::new(left), right: Box::new(right), kind }))
}

fn read_date(text: &str, date: &DataType) -> Result<Literal> {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let cells = CellReader::new(&RecordBatch::try_from_iter([("date", cast(&texts, date)?)])?)?;
    match cells.row(0).next() {
        Some(Value::Int(count)) => Ok(Literal::Int(count)),
        _ => Err(Error::data(format!("the text {text:?} is no {date}: write it as in 2013-06-01T12:00:00"))),
    }
}

fn bind_binary(op: Op, left: Option<(Node, Kind)>, right: Option<(Node, Kind)>) -> Result<Option<(Node, Kind)>> {
    let Some(Aligned { left, right, kind }) = align(left, right)? else { return Ok(None) };
    Ok(match (op, kind) {
        (_, Kind::Null | Kind::Rounded) => None,
        (Op::Divide | Op::Remainder, kind) if kind.is_number() => {
            Some((Node::Arithmetic { op, kind: Kind::Float64, left, right }, Kind::Float64))
        }
        (Op::Add | Op::Multiply | Op::Subtract, kind @ (Kind::Float32 | Kind::Float64 | Kind::Int)) => {
            Some((Node::Arithmetic { op, kind: kind.clone(), left, right }, kind))
        }
        (Op::Eq | Op::Gt | Op::GtEq | Op::Lt | Op::LtEq | Op::NotEq, kind) => {
            Some((Node::Compare { op, kind, left, right }, Kind::Bool))
        }
        _ => None,
    })
}

impl Node {
    fn evaluate<'a>(&'a self, row: &[Value<'a>]) -> Result<Value<'a>> {
        Ok(match self {
            Self::All(parts) => logic(parts, row, true)?,
            Self::Any(parts) => logic(parts, row, false)?,
            Self::Arithmetic { op, kind, left, right } => {
                arithmetic(*op, kind, left.evaluate(row)?, right.evaluate(row)?)?
            }
            Self::Cast { value, to } => convert(value.evaluate(row)?, to)?,
            Self::Cell(index) => row[*index],
            Self::Compare { op, kind, left, right } => {
                compare(*op, kind.convert(left.evaluate(row)?), kind.convert(right.evaluate(row)?))?
            }
            Self::Constant(literal) => match literal {
                Literal::Bool(value) => Value::Bool(*value),
                Literal::Float(value) => Value::Float(*value),
                Literal::Int(value) => Value::Int(*value),
                Literal::Text(value) => Value::Text(value),
                _ => Value::Null,
            },
            Self::IsNull(operand) => Value::Bool(operand.evaluate(row)?.is_null()),
            Self::Not(operand) => match operand.evaluate(row)? {
                Value::Bool(value) => Value::Bool(!value),
                _ => Value::Null,
            },
            Self::OrElse { kind, first, second } => {
                // A batch computes both, and fails if either fails.
                let (first, second) = (first.evaluate(row)?, second.evaluate(row)?);
                kind.convert(if first.is_null() { second } else { first })
            }
        })
    }
}

/// Kleene's logic: one value of `!neutral` decides, else null if there is a null.
fn logic<'a>(parts: &'a [Node], row: &[Value<'a>], neutral: bool) -> Result<Value<'a>> {
    let mut result = Value::Bool(neutral);
    for part in parts {
        match part.evaluate(row)? {
            Value::Bool(value) if value == neutral => {}
            Value::Bool(value) => result = Value::Bool(value),
            _ if result == Value::Bool(neutral) => result = Value::Null,
            _ => {}
        }
    }
    Ok(result)
}

fn arithmetic<'a>(op: Op, kind: &Kind, left: Value<'_>, right: Value<'_>) -> Result<Value<'a>> {
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    if let (Kind::Int, Value::Int(l), Value::Int(r)) = (kind, left, right) {
        let result = match op {
            Op::Add => l.checked_add(r),
            Op::Subtract => l.checked_sub(r),
            _ => l.checked_mul(r),
        };
        return result
            .map(Value::Int)
            .ok_or_else(|| Error::data(format!("{l} {op} {r} overflows 64 bits: make one of them a float")));
    }
    let (Some(l), Some(r)) = (left.as_f64(), right.as_f64()) else { return Err(misfit(left, right)) };
    Ok(Value::Float(match kind {
        Kind::Float32 => f64::from(float_arithmetic(op, l as f32, r as f32)),
        _ => float_arithmetic(op, l, r),
    }))
}

fn float_arithmetic<T>(op: Op, left: T, right: T) -> T
where
    T: Add<Output = T> + Div<Output = T> + Mul<Output = T> + Rem<Output = T> + Sub<Output = T>,
{
    match op {
        Op::Add => left + right,
        Op::Divide => left / right,
        Op::Remainder => left % right,
        Op::Subtract => left - right,
        _ => left * right,
    }
}

/// A number as a `to`; a float becomes a whole number by leaving out its fraction.
fn convert<'a>(value: Value<'_>, to: &DataType) -> Result<Value<'a>> {
    let whole = match (value, to) {
        (Value::Null, _) => return Ok(Value::Null),
        (number, DataType::Float64) => return Ok(Value::Float(number.to_f64())),
        (number, DataType::Float32) => return Ok(Value::Float(f64::from(to_f32(number)))),
        (Value::Bool(value), _) => Some(i128::from(value)),
        (Value::Int(value), _) => Some(i128::from(value)),
        // A float that is not finite is turned into 0 or an end of the range, so it is left out before.
        (Value::Float(value), _) => value.is_finite().then_some(value as i128),
        (Value::Text(_), _) => None,
    };
    whole
        .filter(|whole| limits(to).contains(whole))
        .and_then(|whole| i64::try_from(whole).ok())
        .map(Value::Int)
        .ok_or_else(|| Error::data(format!("{value:?} has no counterpart in {to}")))
}

fn to_f32(number: Value<'_>) -> f32 {
    match number {
        // By way of an f64 it would be rounded twice.
        Value::Int(value) => value as f32,
        number => number.to_f64() as f32,
    }
}

fn limits(data_type: &DataType) -> RangeInclusive<i128> {
    match data_type {
        DataType::Int8 => i8::MIN.into()..=i8::MAX.into(),
        DataType::Int16 => i16::MIN.into()..=i16::MAX.into(),
        DataType::Int32 => i32::MIN.into()..=i32::MAX.into(),
        DataType::UInt8 => 0..=u8::MAX.into(),
        DataType::UInt16 => 0..=u16::MAX.into(),
        DataType::UInt32 => 0..=u32::MAX.into(),
        _ => i64::MIN.into()..=i64::MAX.into(),
    }
}

/// Null if one is null. Floats compare as IEEE 754 has it: NaN differs from everything.
fn compare<'a>(op: Op, left: Value<'_>, right: Value<'_>) -> Result<Value<'a>> {
    let order = match (left, right) {
        (Value::Null, _) | (_, Value::Null) => return Ok(Value::Null),
        (Value::Bool(l), Value::Bool(r)) => Some(l.cmp(&r)),
        (Value::Float(l), Value::Float(r)) => l.partial_cmp(&r),
        (Value::Int(l), Value::Int(r)) => Some(l.cmp(&r)),
        (Value::Text(l), Value::Text(r)) => Some(l.cmp(r)),
        _ => return Err(misfit(left, right)),
    };
    Ok(Value::Bool(match op {
        Op::Eq => order.is_some_and(Ordering::is_eq),
        Op::Gt => order.is_some_and(Ordering::is_gt),
        Op::GtEq => order.is_some_and(Ordering::is_ge),
        Op::Lt => order.is_some_and(Ordering::is_lt),
        Op::LtEq => order.is_some_and(Ordering::is_le),
        _ => order.is_none_or(Ordering::is_ne),
    }))
}

fn misfit(left: Value<'_>, right: Value<'_>) -> Error {
    Error::schema(format!("{left:?} and {right:?} are not of the types that the columns were declared to have"))
}
