use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::datatype::Datatype;
use super::nest::{MAX_RANK, Nest};
use super::values::{Scalar, Typed};

/// The elements of a tensor as they come.
#[derive(Debug)]
pub(super) enum Data<'a> {
    /// Of a datatype that stands after the data: kept as JSON has them.
    Loose(Vec<Scalar<'a>>, Nest),
    Typed(Typed<'a>, Nest),
}

impl<'a> Data<'a> {
    /// Waits for elements, of a datatype that is known already or not.
    pub(super) fn new(datatype: Option<Datatype>) -> Self {
        match datatype {
            Some(datatype) => Self::Typed(Typed::new(datatype), Nest::default()),
            None => Self::Loose(Vec::new(), Nest::default()),
        }
    }

    fn push<E: Error>(&mut self, depth: usize, scalar: Scalar<'a>) -> Result<(), E> {
        if !self.nest().element(depth) {
            return Err(E::custom("some elements of the data are nested deeper than others"));
        }
        match self {
            Self::Loose(scalars, _) => scalars.push(scalar),
            Self::Typed(typed, _) => typed.push(scalar)?,
        }
        Ok(())
    }

    fn nest(&mut self) -> &mut Nest {
        let (Self::Loose(_, nest) | Self::Typed(_, nest)) = self;
        nest
    }

    /// All of them in a buffer of their type, and how they were nested.
    pub(super) fn typed<E: Error>(self, datatype: Datatype) -> Result<(Typed<'a>, Nest), E> {
        match self {
            Self::Typed(typed, nest) => Ok((typed, nest)),
            Self::Loose(scalars, nest) => {
                let mut typed = Typed::new(datatype);
                scalars.into_iter().try_for_each(|scalar| typed.push(scalar))?;
                Ok((typed, nest))
            }
        }
    }
}

/// Reads an element, or a list of them, that is in `depth` lists.
pub(super) struct Elements<'s, 'a> {
    pub(super) data: &'s mut Data<'a>,
    pub(super) depth: usize,
}

impl<'a> Elements<'_, 'a> {
    fn take<E: Error>(self, scalar: Scalar<'a>) -> Result<(), E> {
        if self.depth == 0 {
            return Err(E::custom("the data of a tensor is a list"));
        }
        self.data.push(self.depth, scalar)
    }
}

impl<'de> DeserializeSeed<'de> for Elements<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers, texts, booleans or null, flat or nested as the shape of the tensor")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.take(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.take(Scalar::Signed(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.take(Scalar::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.take(Scalar::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<(), E> {
        self.take(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.take(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.take(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { data, depth } = self;
        if depth == MAX_RANK {
            return Err(A::Error::custom(format!("the data is nested in more than {MAX_RANK} lists")));
        }
        let mut length = 0;
        while list.next_element_seed(Elements { data, depth: depth + 1 })?.is_some() {
            length += 1;
        }
        if !data.nest().list(depth, length) {
            return Err(A::Error::custom("the rows of the data are not equally long"));
        }
        Ok(())
    }
}
