use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{DataType, Field};
use serde::{Deserialize, Serialize};

use crate::columns::{cast_exactly, common_time, is_numeric, is_text, numbers, texts};
use crate::{Error, Result, Role, Table, Value};

/// What to do about a null where none may be.
const FILL_IN: &str = "fill it in, or fit the model on rows without it too";

/// One input of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct InputColumn {
    /// The name of the column.
    pub name: String,
    /// Its Arrow type.
    pub data_type: DataType,
    /// Whether a value may be missing.
    pub nullable: bool,
    /// What the column is for.
    pub role: Role,
    /// The values that training saw.
    pub domain: Domain,
}

/// The values of an input that training saw: documentation for users and a reference for monitors,
/// not a condition for an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Domain {
    /// Not recorded.
    #[default]
    Any,
    /// These texts, at most [`Domain::MAX_CATEGORIES`] of them.
    Categories(Vec<String>),
    /// Numbers from `min` to `max`.
    Range {
        /// The smallest finite value.
        min: f64,
        /// The greatest finite value.
        max: f64,
    },
}

impl Domain {
    /// A text column with more different values than this is recorded as [`Domain::Any`].
    pub const MAX_CATEGORIES: usize = 200;
}

impl InputColumn {
    /// An input of any domain.
    pub fn new(name: impl Into<String>, data_type: DataType, nullable: bool) -> Self {
        Self { name: name.into(), data_type, nullable, role: Role::Feature, domain: Domain::Any }
    }

    /// The input that column `field` of `table` makes, with the values seen there.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if the table has no such column.
    pub fn of(table: &Table, field: &Field) -> Result<Self> {
        Ok(Self {
            domain: Domain::of(&table.column(field.name())?, field)?,
            role: table.roles().of(field.name()),
            ..Self::new(field.name(), field.data_type().clone(), field.is_nullable())
        })
    }

    /// The column as this input takes it.
    pub(super) fn convert(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let given = column.data_type();
        let converted = if *given == self.data_type {
            Arc::clone(column)
        } else if *given == DataType::Null || (is_text(given) && self.takes(given)) {
            cast(column, &self.data_type)?
        } else if self.takes(given) {
            self.convert_values(column)?
        } else {
            return Err(Error::schema(format!("input '{}' must be {}, given was {given}", self.name, self.data_type)));
        };
        let nulls = converted.logical_nulls().filter(|nulls| nulls.null_count() > 0 && !self.nullable);
        if let Some(nulls) = nulls {
            let first = nulls.iter().take_while(|valid| *valid).count() + 1;
            return Err(Error::data(format!(
                "input '{}' must have a value in every row; {} are null, the first in row {first}: {FILL_IN}",
                self.name,
                nulls.null_count()
            )));
        }
        Ok(converted)
    }

    /// Whole numbers and times must come back as they were; floats may be rounded.
    fn convert_values(&self, column: &ArrayRef) -> Result<ArrayRef> {
        if column.data_type().is_integer() || column.data_type().is_temporal() {
            return cast_exactly(column, &self.data_type)?.ok_or_else(|| self.loses_digits());
        }
        let converted = cast(column, &self.data_type)?;
        let (before, after) = (numbers(column, &self.name)?, numbers(&converted, &self.name)?);
        if before.iter().zip(&after).any(|(a, b)| b.is_some_and(f64::is_infinite) && a.is_some_and(f64::is_finite)) {
            return Err(self.loses_digits());
        }
        Ok(converted)
    }

    fn loses_digits(&self) -> Error {
        Error::data(format!(
            "input '{}' has values that {} can't hold: they would lose digits",
            self.name, self.data_type
        ))
    }

    fn takes(&self, given: &DataType) -> bool {
        let wanted = &self.data_type;
        let same_kind = (wanted.is_integer() && given.is_integer())
            || (wanted.is_floating() && is_numeric(given))
            || (is_text(wanted) && is_text(given))
            || (wanted.is_temporal() && given.is_integer())
            || common_time(wanted, given).is_some();
        same_kind && can_cast_types(given, wanted)
    }

    /// What [`Self::convert`] refuses in a column, for one cell.
    pub(super) fn check_cell(&self, cell: Value<'_>) -> Result<()> {
        use DataType as D;
        let fits = match (&self.data_type, cell) {
            (_, Value::Null) if self.nullable => true,
            (_, Value::Null) => {
                return Err(Error::data(format!("input '{}' must have a value; it is null: {FILL_IN}", self.name)));
            }
            (D::Boolean, Value::Bool(_)) => true,
            (D::UInt64, Value::Float(_) | Value::Int(0..)) => true,
            (D::Float64, Value::Int(n)) if n as f64 as i128 != i128::from(n) => return Err(self.loses_digits()),
            (D::Float32, Value::Int(n)) if n as f32 as i128 != i128::from(n) => return Err(self.loses_digits()),
            (D::Float32, Value::Float(x)) if x.is_finite() && (x as f32).is_infinite() => {
                return Err(self.loses_digits());
            }
            (number, Value::Bool(_)) => number.is_floating(),
            (number, Value::Float(_)) => number.is_floating() || is_decimal(number),
            (number, Value::Int(n)) => match whole_limits(number) {
                Some(limits) if !limits.contains(&n) => return Err(self.loses_digits()),
                Some(_) => true,
                None => number.is_floating() || is_decimal(number),
            },
            (text, Value::Text(_)) => is_text(text),
        };
        if fits {
            return Ok(());
        }
        let kind = match cell {
            Value::Bool(_) => "a bool",
            Value::Float(_) => "a float",
            Value::Int(_) => "a whole number",
            Value::Null => "null",
            Value::Text(_) => "a text",
        };
        Err(Error::schema(format!("input '{}' must be {}, given was {kind}", self.name, self.data_type)))
    }
}

fn is_decimal(data_type: &DataType) -> bool {
    use DataType as D;
    matches!(data_type, D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..))
}

/// The whole numbers that a cell of the type may be; `None` for a type of other cells.
fn whole_limits(data_type: &DataType) -> Option<std::ops::RangeInclusive<i64>> {
    use DataType as D;
    Some(match data_type {
        D::Int8 => i8::MIN.into()..=i8::MAX.into(),
        D::Int16 => i16::MIN.into()..=i16::MAX.into(),
        D::Int32 | D::Date32 | D::Time32(_) => i32::MIN.into()..=i32::MAX.into(),
        D::Int64 | D::Date64 | D::Time64(_) | D::Timestamp(..) | D::Duration(_) => i64::MIN..=i64::MAX,
        D::UInt8 => 0..=u8::MAX.into(),
        D::UInt16 => 0..=u16::MAX.into(),
        D::UInt32 => 0..=u32::MAX.into(),
        _ => return None,
    })
}

impl Domain {
    fn of(column: &ArrayRef, field: &Field) -> Result<Self> {
        if is_text(field.data_type()) {
            let mut seen = BTreeSet::new();
            let texts = texts(column, field.name())?;
            for text in texts.iter().flatten() {
                seen.insert(text);
                if seen.len() > Self::MAX_CATEGORIES {
                    return Ok(Self::Any);
                }
            }
            return Ok(Self::Categories(seen.into_iter().map(str::to_owned).collect()));
        }
        if !is_numeric(field.data_type()) {
            return Ok(Self::Any);
        }
        let numbers = numbers(column, field.name())?;
        let finite = numbers.iter().flatten().filter(|x| x.is_finite());
        let range = finite.fold(None, |range: Option<(f64, f64)>, x| {
            Some(range.map_or((x, x), |(min, max)| (min.min(x), max.max(x))))
        });
        Ok(range.map_or(Self::Any, |(min, max)| Self::Range { min, max }))
    }
}
