use std::borrow::Cow;
use std::fmt;

use mlops_core::Value;
use serde::de::Error;

use super::datatype::Datatype;

/// The elements of a tensor in a buffer of their type, row-major.
#[derive(Clone, Debug)]
pub(super) struct Typed<'a> {
    pub(super) datatype: Datatype,
    values: Values<'a>,
    /// The positions without a value, ascending.
    nulls: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Values<'a> {
    Bool(Vec<bool>),
    Float(Vec<f64>),
    Signed(Vec<i64>),
    Text(Vec<Cow<'a, str>>),
    Unsigned(Vec<u64>),
}

/// One element as JSON has it.
#[derive(Clone, Debug)]
pub(super) enum Scalar<'a> {
    Bool(bool),
    Float(f64),
    Null,
    Signed(i64),
    Text(Cow<'a, str>),
    Unsigned(u64),
}

impl<'a> Typed<'a> {
    pub(super) fn new(datatype: Datatype) -> Self {
        Self { datatype, values: Values::new(datatype), nulls: Vec::new() }
    }

    /// Adds an element.
    pub(super) fn push<E: Error>(&mut self, scalar: Scalar<'a>) -> Result<(), E> {
        if let Scalar::Null = scalar {
            self.nulls.push(self.values.len());
            self.values.push_default();
            return Ok(());
        }
        let position = self.values.len();
        self.values.push(self.datatype, scalar).map_err(|scalar| {
            let datatype = self.datatype.name();
            E::custom(format!("element {position} of the data is {scalar}, which {datatype} can't hold"))
        })
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The element at `index`, row-major.
    ///
    /// # Panics
    /// If there is no such element.
    pub(super) fn value(&self, index: usize) -> Value<'_> {
        if !self.nulls.is_empty() && self.nulls.binary_search(&index).is_ok() {
            return Value::Null;
        }
        match &self.values {
            Values::Bool(values) => Value::Bool(values[index]),
            Values::Float(values) => Value::Float(values[index]),
            Values::Signed(values) => Value::Int(values[index]),
            Values::Text(values) => Value::Text(&values[index]),
            Values::Unsigned(values) => {
                i64::try_from(values[index]).map_or(Value::Float(values[index] as f64), Value::Int)
            }
        }
    }
}

impl<'a> Values<'a> {
    fn new(datatype: Datatype) -> Self {
        match datatype {
            Datatype::Bool => Self::Bool(Vec::new()),
            Datatype::Bytes => Self::Text(Vec::new()),
            Datatype::Fp32 | Datatype::Fp64 => Self::Float(Vec::new()),
            signed if signed.signed().is_some() => Self::Signed(Vec::new()),
            _ => Self::Unsigned(Vec::new()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Signed(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Unsigned(values) => values.len(),
        }
    }

    fn push_default(&mut self) {
        match self {
            Self::Bool(values) => values.push(false),
            Self::Float(values) => values.push(f64::NAN),
            Self::Signed(values) => values.push(0),
            Self::Text(values) => values.push(Cow::Borrowed("")),
            Self::Unsigned(values) => values.push(0),
        }
    }

    /// Adds an element; gives it back if `datatype` can't hold it.
    fn push(&mut self, datatype: Datatype, scalar: Scalar<'a>) -> Result<(), Scalar<'a>> {
        match (self, scalar) {
            (Self::Bool(values), Scalar::Bool(value)) => values.push(value),
            (Self::Text(values), Scalar::Text(value)) => values.push(value),
            (Self::Float(values), Scalar::Float(value)) => values.push(float(datatype, value)?),
            (Self::Float(values), Scalar::Signed(value)) => values.push(float(datatype, value as f64)?),
            (Self::Float(values), Scalar::Unsigned(value)) => values.push(float(datatype, value as f64)?),
            (Self::Signed(values), Scalar::Signed(value)) if within(datatype, value) => values.push(value),
            (Self::Signed(values), Scalar::Unsigned(value)) => match i64::try_from(value) {
                Ok(value) if within(datatype, value) => values.push(value),
                _ => return Err(Scalar::Unsigned(value)),
            },
            (Self::Unsigned(values), Scalar::Unsigned(value)) if datatype.unsigned() >= Some(value) => {
                values.push(value);
            }
            (_, scalar) => return Err(scalar),
        }
        Ok(())
    }
}

fn within(datatype: Datatype, value: i64) -> bool {
    datatype.signed().is_some_and(|(first, last)| (first..=last).contains(&value))
}

/// The number as a float of the datatype's width, if it has room for it.
fn float(datatype: Datatype, value: f64) -> Result<f64, Scalar<'static>> {
    if datatype == Datatype::Fp64 {
        return Ok(value);
    }
    let narrow = value as f32;
    if narrow.is_finite() { Ok(narrow.into()) } else { Err(Scalar::Float(value)) }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Null => f.write_str("null"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "the text {:?}", text.chars().take(40).collect::<String>()),
            Self::Unsigned(value) => write!(f, "{value}"),
        }
    }
}
