//! Types of PostgreSQL and what they are read as.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, TimeUnit};
use sqlx::TypeInfo;
use sqlx::postgres::{PgTypeInfo, PgTypeKind};

use crate::source::sql::predicate::Comparable;

/// How the bytes of a value are read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Array(Box<Self>),
    Bool,
    Bytea,
    Date,
    /// Text whose comparisons are not those of its bytes.
    Enum,
    Float4,
    Float8,
    Int2,
    Int4,
    Int8,
    Jsonb,
    Numeric,
    Oid,
    Text,
    Time,
    Timestamp,
    Timestamptz,
    Uuid,
}

impl Kind {
    pub(super) fn of(info: &PgTypeInfo) -> Option<Self> {
        match info.kind() {
            PgTypeKind::Simple => Self::simple(info.name()),
            PgTypeKind::Enum(_) => Some(Self::Enum),
            PgTypeKind::Domain(base) => Self::of(base),
            PgTypeKind::Array(element) => match Self::of(element)? {
                Self::Array(_) => None,
                element => Some(Self::Array(Box::new(element))),
            },
            _ => None,
        }
    }

    fn simple(name: &str) -> Option<Self> {
        Some(match name {
            "BOOL" => Self::Bool,
            "BYTEA" => Self::Bytea,
            "DATE" => Self::Date,
            "FLOAT4" => Self::Float4,
            "FLOAT8" => Self::Float8,
            "INT2" => Self::Int2,
            "INT4" => Self::Int4,
            "INT8" => Self::Int8,
            "JSONB" => Self::Jsonb,
            "NUMERIC" => Self::Numeric,
            "OID" => Self::Oid,
            "TEXT" | "VARCHAR" => Self::Text,
            // Blanks at the end, case, or format make a difference to the bytes and none to them.
            "CHAR" | "\"CHAR\"" | "NAME" | "JSON" | "citext" => Self::Enum,
            "TIME" => Self::Time,
            "TIMESTAMP" => Self::Timestamp,
            "TIMESTAMPTZ" => Self::Timestamptz,
            "UUID" => Self::Uuid,
            _ => return None,
        })
    }

    pub(super) fn is_numeric(&self) -> bool {
        match self {
            Self::Array(element) => element.is_numeric(),
            kind => *kind == Self::Numeric,
        }
    }

    /// The decimal that a `numeric` is asked to be read as.
    pub(super) fn decimal(&self, asked: Option<&DataType>) -> Option<DataType> {
        let asked = asked.filter(|asked| matches!(asked, DataType::Decimal128(_, scale) if *scale >= 0));
        asked.filter(|_| *self == Self::Numeric).cloned()
    }

    /// What it is read as; `modifier` is what a `numeric` was declared with.
    pub(super) fn data_type(&self, modifier: Option<i32>) -> DataType {
        match self {
            Self::Array(element) => DataType::List(Arc::new(Field::new("item", element.data_type(modifier), true))),
            Self::Bool => DataType::Boolean,
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Enum | Self::Jsonb | Self::Text | Self::Uuid => DataType::Utf8,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Numeric => modifier.and_then(decimal).unwrap_or(DataType::Float64),
            Self::Oid => DataType::UInt32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
        }
    }

    pub(super) fn comparable(&self) -> Option<Comparable> {
        Some(match self {
            Self::Bool => Comparable::Bool,
            Self::Date => Comparable::Date,
            Self::Float4 | Self::Float8 => Comparable::Float,
            Self::Int2 | Self::Int4 | Self::Int8 => Comparable::Int,
            Self::Text => Comparable::Text,
            Self::Timestamp => Comparable::Timestamp,
            _ => return None,
        })
    }
}

/// The decimal of `numeric(p, s)`, whose `p` and `s` the catalogue keeps as `((p << 16) | s) + 4`, the
/// scale in eleven bits with a sign.
fn decimal(modifier: i32) -> Option<DataType> {
    let packed = modifier.checked_sub(4)?;
    let precision = u8::try_from(packed >> 16).ok().filter(|p| (1..=DECIMAL128_MAX_PRECISION).contains(p))?;
    let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
    let scale = i8::try_from(scale).ok().filter(|scale| (0..=precision as i8).contains(scale))?;
    Some(DataType::Decimal128(precision, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modifier_is_precision_and_scale() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(decimal(modifier(10, 2)), Some(DataType::Decimal128(10, 2)));
        assert_eq!(decimal(modifier(38, 38)), Some(DataType::Decimal128(38, 38)));
        assert_eq!(decimal(modifier(39, 2)), None, "too many digits");
        assert_eq!(decimal(modifier(5, -2)), None);
        assert_eq!(decimal(modifier(2, 5)), None);
        assert_eq!(decimal(-1), None);
    }
}
