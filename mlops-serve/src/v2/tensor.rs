use std::borrow::Cow;
use std::fmt;

use mlops_core::Value;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::datatype::Datatype;
use super::elements::{Data, Elements};
use super::nest::{MAX_RANK, Nest, Shape};
use super::values::Typed;

/// An input tensor whose data was read into one typed buffer, row-major.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) shape: Shape,
    elements: Typed<'a>,
}

impl Tensor<'_> {
    /// What its elements are.
    pub(crate) fn datatype(&self) -> Datatype {
        self.elements.datatype
    }

    /// The element at `index`, row-major.
    ///
    /// # Panics
    /// If there is no such element.
    pub(crate) fn value(&self, index: usize) -> Value<'_> {
        self.elements.value(index)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Tensor<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TensorVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Data,
    Datatype,
    Name,
    Parameters,
    Shape,
    #[serde(other)]
    Other,
}

struct TensorVisitor;

impl<'de> Visitor<'de> for TensorVisitor {
    type Value = Tensor<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tensor: an object with name, shape, datatype and data")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensor<'de>, A::Error> {
        let (mut name, mut shape, mut datatype, mut data) = (None, None, None, None);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Name => once("name", &mut name, map.next_value::<Text<'de>>()?.0)?,
                Key::Shape => once("shape", &mut shape, map.next_value::<Shape>()?)?,
                Key::Datatype => once("datatype", &mut datatype, read_datatype(&map.next_value::<Text<'de>>()?.0)?)?,
                Key::Data => {
                    let mut read = Data::new(datatype);
                    let elements = Elements { data: &mut read, depth: 0 };
                    map.next_value_seed(elements).map_err(|error| in_tensor(name.as_deref(), error))?;
                    once("data", &mut data, read)?;
                }
                Key::Parameters => _ = map.next_value::<Option<Parameters>>()?,
                Key::Other => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        let missing = A::Error::missing_field;
        let name = name.ok_or_else(|| missing("name"))?;
        let shape: Shape = shape.ok_or_else(|| missing("shape"))?;
        let datatype = datatype.ok_or_else(|| missing("datatype"))?;
        let (elements, nest) = data.ok_or_else(|| missing("data"))?.typed(datatype)?;
        check_shape(&name, &shape, elements.len(), nest)?;
        Ok(Tensor { name, shape, elements })
    }
}

/// Names the tensor, if its name came before its data; the error keeps its line and column.
fn in_tensor<E: Error>(name: Option<&str>, error: E) -> E {
    match name {
        Some(name) => E::custom(format_args!("tensor {:?}: {error}", short(name))),
        None => error,
    }
}

fn once<T, E: Error>(field: &'static str, slot: &mut Option<T>, value: T) -> Result<(), E> {
    match slot.replace(value) {
        Some(_) => Err(E::duplicate_field(field)),
        None => Ok(()),
    }
}

fn read_datatype<E: Error>(name: &str) -> Result<Datatype, E> {
    Datatype::parse(name).ok_or_else(|| {
        let name: String = name.chars().take(40).collect();
        E::custom(format!("datatype {name:?} is not taken here; it may be {}", Datatype::names()))
    })
}

fn check_shape<E: Error>(name: &str, shape: &Shape, given: usize, nest: Nest) -> Result<(), E> {
    if shape.elements() != Some(given as u64) {
        let wanted = shape.elements().map_or_else(|| "more than can be counted".to_owned(), |n| n.to_string());
        return Err(E::custom(format!(
            "tensor {:?} has {given} elements, its shape {:?} says {wanted}",
            short(name),
            shape.dims()
        )));
    }
    if !nest.agrees(shape) {
        let message = format!("the data of tensor {:?} is nested unlike its shape {:?}", short(name), shape.dims());
        return Err(E::custom(message));
    }
    Ok(())
}

/// A text that is borrowed if it can be.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A map of whatever; what it says is of no use here.
pub(super) struct Parameters;

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Skipped;

        impl<'de> Visitor<'de> for Skipped {
            type Value = Parameters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Parameters)
            }
        }

        deserializer.deserialize_map(Skipped)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Dims;

        impl<'de> Visitor<'de> for Dims {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of dimensions, such as [1] or [10, 1]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
                let mut shape = Shape::default();
                while let Some(dim) = list.next_element()? {
                    if !shape.push(dim) {
                        return Err(A::Error::custom(format!("the shape has more than {MAX_RANK} dimensions")));
                    }
                }
                Ok(shape)
            }
        }

        deserializer.deserialize_seq(Dims)
    }
}

/// A name from a caller, short enough for a message.
pub(super) fn short(name: &str) -> String {
    name.chars().take(80).collect()
}
