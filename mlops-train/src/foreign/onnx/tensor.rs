//! Values of a graph: a shape, and as many elements as it says.

use std::sync::Arc;

use mlops_core::{Error, Result};

/// The most elements of a tensor that is computed; a larger one is a mistake of the file.
const MOST: usize = 1 << 24;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
}

/// Elements row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Bool(Vec<bool>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    Text(Vec<Arc<str>>),
}

/// The type of elements, in the numbers of ONNX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    F32,
    F64,
    I32,
    I64,
    Text,
}

impl Kind {
    pub(super) fn read(number: i64) -> Result<Self> {
        Ok(match number {
            1 => Self::F32,
            6 => Self::I32,
            7 => Self::I64,
            8 => Self::Text,
            9 => Self::Bool,
            11 => Self::F64,
            other => {
                return Err(Error::unsupported(format!(
                    "ONNX element type {other}; known are float, double, int32, int64, bool and string"
                )));
            }
        })
    }

    pub(super) fn number(self) -> i64 {
        match self {
            Self::F32 => 1,
            Self::I32 => 6,
            Self::I64 => 7,
            Self::Text => 8,
            Self::Bool => 9,
            Self::F64 => 11,
        }
    }
}

/// How many elements a shape has, if a tensor of it can be.
pub(super) fn count(shape: &[usize]) -> Result<usize> {
    // Also of an empty tensor no part may be too large.
    let room = shape.iter().try_fold(1usize, |count, dim| count.checked_mul((*dim).max(1)));
    match room {
        Some(0..=MOST) => Ok(shape.iter().product()),
        _ => Err(Error::corrupt(format!("a tensor of shape {shape:?} has more than {MOST} elements"))),
    }
}

/// Gives the elements of any kind to an expression, and wraps what it gives in the same kind.
macro_rules! same_kind {
    ($data:expr, $values:ident => $result:expr) => {
        match $data {
            Data::Bool($values) => Data::Bool($result),
            Data::F32($values) => Data::F32($result),
            Data::F64($values) => Data::F64($result),
            Data::I32($values) => Data::I32($result),
            Data::I64($values) => Data::I64($result),
            Data::Text($values) => Data::Text($result),
        }
    };
}
impl Data {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Bool(_) => Kind::Bool,
            Self::F32(_) => Kind::F32,
            Self::F64(_) => Kind::F64,
            Self::I32(_) => Kind::I32,
            Self::I64(_) => Kind::I64,
            Self::Text(_) => Kind::Text,
        }
    }

    /// The elements at some places, which must be there.
    pub(super) fn pick(&self, places: impl Iterator<Item = usize>) -> Self {
        fn all<T: Clone>(values: &[T], places: impl Iterator<Item = usize>) -> Vec<T> {
            places.map(|place| values[place].clone()).collect()
        }
        same_kind!(self, values => all(values, places))
    }

    /// The elements of another kind; texts that are no numbers are refused.
    pub(super) fn cast(&self, to: Kind) -> Result<Self> {
        if self.kind() == to {
            return Ok(self.clone());
        }
        if to == Kind::Text {
            return Ok(Self::Text(self.texts()));
        }
        Ok(match (self, to) {
            // By way of no `f64`, which has fewer digits.
            (Self::I64(values), Kind::I32) => Self::I32(values.iter().map(|x| *x as i32).collect()),
            (Self::I32(values), Kind::I64) => Self::I64(values.iter().map(|x| i64::from(*x)).collect()),
            _ => {
                let values = self.numbers()?;
                let values = values.into_iter();
                match to {
                    Kind::Bool => Self::Bool(values.map(|x| x != 0.0).collect()),
                    Kind::F32 => Self::F32(values.map(|x| x as f32).collect()),
                    Kind::I32 => Self::I32(values.map(|x| x as i32).collect()),
                    Kind::I64 => Self::I64(values.map(|x| x as i64).collect()),
                    _ => Self::F64(values.collect()),
                }
            }
        })
    }

    /// The elements as numbers.
    pub(super) fn numbers(&self) -> Result<Vec<f64>> {
        Ok(match self {
            Self::Bool(values) => values.iter().map(|x| f64::from(u8::from(*x))).collect(),
            Self::F32(values) => values.iter().map(|x| f64::from(*x)).collect(),
            Self::F64(values) => values.clone(),
            Self::I32(values) => values.iter().map(|x| f64::from(*x)).collect(),
            Self::I64(values) => values.iter().map(|x| *x as f64).collect(),
            Self::Text(values) => values
                .iter()
                .map(|text| text.trim().parse().map_err(|_| Error::data(format!("'{text}' is no number"))))
                .collect::<Result<_>>()?,
        })
    }

    /// The elements as texts.
    pub(super) fn texts(&self) -> Vec<Arc<str>> {
        fn all<T: ToString>(values: &[T]) -> Vec<Arc<str>> {
            values.iter().map(|value| value.to_string().into()).collect()
        }
        match self {
            Self::Bool(values) => all(values),
            Self::F32(values) => all(values),
            Self::F64(values) => all(values),
            Self::I32(values) => all(values),
            Self::I64(values) => all(values),
            Self::Text(values) => values.clone(),
        }
    }
}

impl Tensor {
    /// Elements of a shape, which must fit.
    pub(super) fn new(shape: Vec<usize>, data: Data) -> Result<Self> {
        if count(&shape)? == data.len() {
            return Ok(Self { shape, data });
        }
        Err(Error::corrupt(format!("{} elements are no tensor of shape {shape:?}", data.len())))
    }

    pub(super) fn f32(shape: Vec<usize>, values: Vec<f32>) -> Result<Self> {
        Self::new(shape, Data::F32(values))
    }

    pub(super) fn i64(shape: Vec<usize>, values: Vec<i64>) -> Result<Self> {
        Self::new(shape, Data::I64(values))
    }

    /// A list.
    pub(super) fn list(data: Data) -> Self {
        Self { shape: vec![data.len()], data }
    }

    pub(super) fn cast(&self, to: Kind) -> Result<Self> {
        Ok(Self { shape: self.shape.clone(), data: self.data.cast(to)? })
    }

    /// Whole numbers, such as axes and shapes.
    pub(super) fn ints(&self) -> Result<Vec<i64>> {
        match &self.data {
            Data::I64(values) => Ok(values.clone()),
            Data::I32(values) => Ok(values.iter().map(|value| i64::from(*value)).collect()),
            other => Err(Error::corrupt(format!("{:?} elements where whole numbers are needed", other.kind()))),
        }
    }

    /// Elements rounded to `f32`, as the operators of `ai.onnx.ml` take them.
    pub(super) fn floats(&self) -> Result<Vec<f32>> {
        match self.data.cast(Kind::F32)? {
            Data::F32(values) => Ok(values),
            _ => Err(Error::internal("a cast gave another kind")),
        }
    }

    /// Rows and columns: a list is one row.
    pub(super) fn rows(&self) -> Result<(usize, usize)> {
        match *self.shape.as_slice() {
            [] => Ok((1, 1)),
            [width] => Ok((1, width)),
            [rows, ref dims @ ..] => Ok((rows, count(dims)?)),
        }
    }

    /// The place of an axis that may be counted from the end.
    pub(super) fn axis(&self, axis: i64) -> Result<usize> {
        resolve(axis, self.shape.len())
    }
}

/// The place of an axis of so many that may be counted from the end.
pub(super) fn resolve(axis: i64, rank: usize) -> Result<usize> {
    let place = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    let place = place.and_then(|place| usize::try_from(place).ok()).filter(|place| *place < rank);
    place.ok_or_else(|| Error::corrupt(format!("axis {axis} of a tensor of {rank} dimensions")))
}
