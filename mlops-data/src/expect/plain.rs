//! Literals and conditions as people write them: `"EWR"` and `"arr >= dep"` instead of
//! `{ "text": "EWR" }` and a tree. What earlier versions wrote is read too.

use std::fmt;

use mlops_core::{Expr, Literal};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

/// A list of plain values.
pub(super) mod list {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(values: &[Literal], serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(values.len()))?;
        for value in values {
            list.serialize_element(&Plain(value.clone()))?;
        }
        list.end()
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Literal>, D::Error> {
        Ok(Vec::<Plain>::deserialize(deserializer)?.into_iter().map(|plain| plain.0).collect())
    }
}

struct Plain(Literal);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Literal::Bool(value) => serializer.serialize_bool(*value),
            Literal::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Literal::Int(value) => serializer.serialize_i64(*value),
            Literal::Text(value) => serializer.serialize_str(value),
            tagged => tagged.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Literal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true or false")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Literal, E> {
        Ok(Literal::Bool(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Literal, E> {
        Ok(Literal::Float(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Literal, E> {
        Ok(Literal::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Literal, E> {
        let small = i64::try_from(value);
        small.map(Literal::Int).map_err(|_| E::custom(format!("{value} is beyond the greatest whole number, 2⁶³ - 1")))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Literal, E> {
        Ok(Literal::Text(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Literal, A::Error> {
        Literal::deserialize(MapAccessDeserializer::new(map))
    }
}

/// A condition as text.
pub(super) mod condition {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(condition: &Expr, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::super::grammar::write(condition))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Expr, D::Error> {
        deserializer.deserialize_any(Condition)
    }
}

struct Condition;

impl<'de> Visitor<'de> for Condition {
    type Value = Expr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a condition such as \"arr_time >= dep_time\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Expr, E> {
        super::grammar::parse(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expr, A::Error> {
        Expr::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Expr, A::Error> {
        Expr::deserialize(SeqAccessDeserializer::new(seq))
    }
}
