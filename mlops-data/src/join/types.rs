use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use mlops_core::columns::{find_column, is_text};
use mlops_core::{Error, Result, ResultExt};

use super::JoinKey;

/// The types that the keys of both sides are compared as.
///
/// A conversion to them loses nothing, but for values that the other side can't hold and so can't
/// equal; those become null, which matches nothing.
pub(super) fn key_types(keys: &[JoinKey], left: &Schema, right: &Schema) -> Result<Vec<DataType>> {
    keys.iter().map(|key| key_type(key, left, right)).collect()
}

fn key_type(key: &JoinKey, left: &Schema, right: &Schema) -> Result<DataType> {
    let l = left.field(find_column(left, &key.left).context("table", "left")?).data_type();
    let r = right.field(find_column(right, &key.right).context("table", "right")?).data_type();
    common(plain(l), plain(r)).ok_or_else(|| {
        let remedy = match (l, r) {
            _ if l.is_floating() || r.is_floating() => {
                "floats are rarely equal; round them and convert them to a whole number first"
            }
            (DataType::Timestamp(..), DataType::Timestamp(..)) => {
                "one names a moment and the other a reading of some clock; give both a time zone, or neither"
            }
            _ => "convert one of them first",
        };
        Error::schema(format!(
            "keys '{}' ({l}) on the left and '{}' ({r}) on the right can't be equal: {remedy}",
            key.left, key.right
        ))
    })
}

fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => value,
        other => other,
    }
}

fn common(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType as D;
    match (left, right) {
        _ if is_text(left) && is_text(right) => {
            Some(if [left, right].contains(&&D::LargeUtf8) { D::LargeUtf8 } else { D::Utf8 })
        }
        (D::UInt64, D::UInt64) => Some(D::UInt64),
        _ if left.is_integer() && right.is_integer() => Some(D::Int64),
        (D::Timestamp(..), D::Timestamp(..)) => common_timestamp(left, right),
        (D::Date32, D::Date64) | (D::Date64, D::Date32) => Some(D::Date64),
        _ if left.is_floating() || left.is_nested() || *left == D::Null => None,
        _ if left == right => Some(left.clone()),
        _ => None,
    }
}

/// The finer of two timestamp types; none if one has a time zone and the other has not.
pub(super) fn common_timestamp(left: &DataType, right: &DataType) -> Option<DataType> {
    match (left, right) {
        (DataType::Timestamp(a, zone), DataType::Timestamp(b, other)) if zone.is_some() == other.is_some() => {
            let finer = if rank(*a) >= rank(*b) { a } else { b };
            Some(DataType::Timestamp(*finer, zone.clone()))
        }
        _ => None,
    }
}

fn rank(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

/// The key columns converted to their common types.
pub(super) fn key_columns<'a>(
    columns: impl Iterator<Item = &'a ArrayRef>,
    types: &[DataType],
) -> Result<Vec<ArrayRef>> {
    columns
        .zip(types)
        .map(|(column, to)| if column.data_type() == to { Ok(Arc::clone(column)) } else { Ok(cast(column, to)?) })
        .collect()
}
