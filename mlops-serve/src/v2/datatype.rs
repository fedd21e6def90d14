use arrow::datatypes::DataType;

use crate::cells::Kind;

/// The datatypes of the protocol that JSON has a form for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Datatype {
    Bool,
    Bytes,
    Fp32,
    Fp64,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
}

impl Datatype {
    const ALL: [(Self, &'static str); 12] = [
        (Self::Bool, "BOOL"),
        (Self::Bytes, "BYTES"),
        (Self::Fp32, "FP32"),
        (Self::Fp64, "FP64"),
        (Self::Int8, "INT8"),
        (Self::Int16, "INT16"),
        (Self::Int32, "INT32"),
        (Self::Int64, "INT64"),
        (Self::Uint8, "UINT8"),
        (Self::Uint16, "UINT16"),
        (Self::Uint32, "UINT32"),
        (Self::Uint64, "UINT64"),
    ];

    /// The datatype of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(datatype, _)| *datatype)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// All names, for messages.
    pub(crate) fn names() -> String {
        Self::ALL.map(|(_, name)| name).join(", ")
    }

    /// The datatype that a column is told to callers as; times are whole numbers of the column's
    /// unit.
    pub(crate) fn of_column(data_type: &DataType) -> Self {
        use DataType as D;
        match data_type {
            D::Boolean => Self::Bool,
            D::Int8 => Self::Int8,
            D::Int16 => Self::Int16,
            D::Int32 | D::Date32 | D::Time32(_) => Self::Int32,
            D::UInt8 => Self::Uint8,
            D::UInt16 => Self::Uint16,
            D::UInt32 => Self::Uint32,
            D::UInt64 => Self::Uint64,
            D::Float16 | D::Float32 => Self::Fp32,
            D::Float64 => Self::Fp64,
            D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => Self::Fp64,
            D::Int64 | D::Date64 | D::Time64(_) | D::Timestamp(..) | D::Duration(_) => Self::Int64,
            _ => Self::Bytes,
        }
    }

    /// Whether a tensor of this datatype may be given for a column of `kind`: an integer for an
    /// integer of another width or for a float, never a float for an integer.
    pub(crate) fn fits(self, kind: Kind) -> bool {
        match kind {
            Kind::Bool => self == Self::Bool,
            Kind::Text => self == Self::Bytes,
            Kind::Int(..) | Kind::UInt64 => self.is_integer(),
            Kind::Decimal | Kind::Float16 | Kind::Float32 | Kind::Float64 => self != Self::Bytes,
        }
    }

    /// The least and the greatest number, of a signed integer.
    pub(crate) fn signed(self) -> Option<(i64, i64)> {
        Some(match self {
            Self::Int8 => (i8::MIN.into(), i8::MAX.into()),
            Self::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Self::Int32 => (i32::MIN.into(), i32::MAX.into()),
            Self::Int64 => (i64::MIN, i64::MAX),
            _ => return None,
        })
    }

    /// The greatest number, of an unsigned integer.
    pub(crate) fn unsigned(self) -> Option<u64> {
        Some(match self {
            Self::Uint8 => u8::MAX.into(),
            Self::Uint16 => u16::MAX.into(),
            Self::Uint32 => u32::MAX.into(),
            Self::Uint64 => u64::MAX,
            _ => return None,
        })
    }

    fn is_integer(self) -> bool {
        self.signed().is_some() || self.unsigned().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for (datatype, name) in Datatype::ALL {
            assert_eq!((Datatype::parse(name), datatype.name()), (Some(datatype), name));
        }
        assert_eq!(Datatype::parse("fp32"), None);
        assert_eq!(Datatype::parse("FP16"), None);
    }
}
