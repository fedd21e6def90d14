//! Types of JSON values: of all values, not a sample.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// What was seen at a place. Widens as more is seen, in any order, but for the order of fields, which
/// is that of their first appearance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    boolean: bool,
    integer: bool,
    float: bool,
    text: bool,
    list: Option<Box<Self>>,
    object: Option<Object>,
}

/// The fields of objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object {
    names: Vec<String>,
    places: HashMap<String, usize>,
    fields: Vec<Seen>,
}

impl Seen {
    /// Takes in what was seen after it.
    pub(super) fn merge(&mut self, other: Self) {
        self.boolean |= other.boolean;
        self.integer |= other.integer;
        self.float |= other.float;
        self.text |= other.text;
        if let Some(list) = other.list {
            self.list.get_or_insert_default().merge(*list);
        }
        if let Some(object) = other.object {
            self.object.get_or_insert_default().merge(object);
        }
    }

    /// The type that holds everything seen; text if nothing was. `Err` with a path if an object or a
    /// list is beside something else.
    pub(super) fn data_type(&self) -> Result<DataType, String> {
        let scalar = self.boolean || self.integer || self.float || self.text;
        match (scalar, &self.list, &self.object) {
            (_, None, None) => Ok(self.scalar()),
            (false, Some(list), None) => {
                let item = list.data_type().map_err(|path| format!("[]{path}"))?;
                Ok(DataType::List(Arc::new(Field::new_list_field(item, true))))
            }
            (false, None, Some(object)) => Ok(DataType::Struct(object.fields()?)),
            _ => Err(String::new()),
        }
    }

    fn scalar(&self) -> DataType {
        match (self.boolean, self.integer, self.float, self.text) {
            (true, false, false, false) => DataType::Boolean,
            (false, true, false, false) => DataType::Int64,
            (false, _, true, false) => DataType::Float64,
            _ => DataType::Utf8,
        }
    }
}

impl Object {
    pub(super) fn field(&mut self, name: &str) -> &mut Seen {
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                self.places.insert(name.to_owned(), self.names.len());
                self.names.push(name.to_owned());
                self.fields.push(Seen::default());
                self.names.len() - 1
            }
        };
        &mut self.fields[place]
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (name, seen) in other.names.iter().zip(other.fields) {
            self.field(name).merge(seen);
        }
    }

    /// A field for each name; `Err` with the path of one that has no type.
    pub(super) fn fields(&self) -> Result<Fields, String> {
        let field = |(name, seen): (&String, &Seen)| {
            let data_type = seen.data_type().map_err(|path| format!(".{name}{path}"))?;
            Ok(Field::new(name, data_type, true))
        };
        self.names.iter().zip(&self.fields).map(field).collect()
    }
}

/// Takes in a value.
impl<'de> DeserializeSeed<'de> for &mut Seen {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Seen {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.boolean = true;
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.integer = true;
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        // A whole number beyond `Int64` is text: as `Float64` it would be another one.
        if i64::try_from(value).is_ok() {
            self.integer = true
        } else {
            self.text = true
        }
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.float = true;
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.text = true;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let seen = self.list.get_or_insert_default();
        while items.next_element_seed(&mut **seen)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        self.object.get_or_insert_default().visit_map(fields)
    }
}

/// Takes in a row, which is an object.
impl<'de> DeserializeSeed<'de> for &mut Object {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Object {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            fields.next_value_seed(self.field(&name))?;
        }
        Ok(())
    }
}

/// Takes in a line.
pub(super) fn see_row(line: &[u8], row: &mut Object) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    row.deserialize(&mut deserializer)?;
    deserializer.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_hold_everything() {
        let of = |values: &[&str]| {
            let mut seen = Seen::default();
            for value in values {
                seen.deserialize(&mut serde_json::Deserializer::from_str(value)).unwrap();
            }
            seen.data_type()
        };
        assert_eq!(of(&["1", "null", "-3"]), Ok(DataType::Int64));
        assert_eq!(of(&["1", "2.5"]), Ok(DataType::Float64));
        assert_eq!(of(&["true", "1"]), Ok(DataType::Utf8));
        assert_eq!(of(&["18446744073709551615", "1"]), Ok(DataType::Utf8));
        assert_eq!(of(&["null"]), Ok(DataType::Utf8));
        assert_eq!(of(&["[1]", "[]", "[2.5, null]"]), Ok(DataType::new_list(DataType::Float64, true)));
        let fields = Fields::from(vec![Field::new("b", DataType::Int64, true), Field::new("a", DataType::Utf8, true)]);
        assert_eq!(of(&[r#"{"b": 1}"#, r#"{"a": "x"}"#]), Ok(DataType::Struct(fields)));
        assert_eq!(of(&[r#"{"b": [{"c": 1}, {"c": []}]}"#]), Err(".b[].c".to_owned()));
    }
}
