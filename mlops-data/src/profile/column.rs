use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use mlops_core::columns::is_text;
use mlops_core::sketch::HyperLogLog;
use mlops_core::{Error, Result, Role};
use serde::{Deserialize, Serialize};

use super::{BinaryProfile, ListProfile, NumberProfile, ProfileOptions, TemporalProfile, TextProfile};

/// What is in one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnProfile {
    pub(super) name: String,
    pub(super) data_type: DataType,
    pub(super) role: Role,
    pub(super) count: u64,
    pub(super) nulls: u64,
    pub(super) values: Values,
}

/// What is in the values of a column that are not null, by kind of column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Values {
    /// Binary values.
    Binary(BinaryProfile),
    /// True or false.
    Boolean(BooleanProfile),
    /// Nothing but the count: the column holds structures, intervals or nothing but null.
    Counted,
    /// Lists and maps.
    List(ListProfile),
    /// Whole numbers, floats and decimals.
    Number(NumberProfile),
    /// Dates, times, timestamps and durations.
    Temporal(TemporalProfile),
    /// Texts.
    Text(TextProfile),
}

/// What is in a column of booleans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BooleanProfile {
    /// How many values are true.
    pub trues: u64,
    /// How many values are false.
    pub falses: u64,
}

impl ColumnProfile {
    pub(super) fn empty(field: &Field, options: &ProfileOptions) -> Result<Self> {
        use DataType as D;
        let values = match plain(field.data_type()) {
            D::Boolean => Values::Boolean(BooleanProfile::default()),
            text if is_text(text) => Values::Text(TextProfile::empty(options)?),
            number if number.is_numeric() => Values::Number(NumberProfile::empty(options)?),
            D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => {
                Values::Binary(BinaryProfile::empty(options)?)
            }
            D::List(_) | D::LargeList(_) | D::FixedSizeList(..) | D::Map(..) => {
                Values::List(ListProfile::empty(options)?)
            }
            D::Date32 | D::Date64 | D::Time32(_) | D::Time64(_) | D::Timestamp(..) | D::Duration(_) => {
                Values::Temporal(TemporalProfile::empty(options)?)
            }
            _ => Values::Counted,
        };
        let (name, data_type) = (field.name().clone(), field.data_type().clone());
        Ok(Self { name, data_type, role: Role::default(), count: 0, nulls: 0, values })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its Arrow type.
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// What it is for, if the profile was made of a [`Table`](mlops_core::Table); else a feature.
    pub fn role(&self) -> Role {
        self.role
    }

    /// How many values are not null.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many values are null.
    pub fn nulls(&self) -> u64 {
        self.nulls
    }

    /// What share of the values is null; 0 if there are no rows.
    pub fn null_fraction(&self) -> f64 {
        self.nulls as f64 / (self.count + self.nulls).max(1) as f64
    }

    /// What is in the values that are not null.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// How many different values there are, without null and NaN, and whether that is exact; none
    /// if they are not looked at.
    pub fn distinct(&self) -> Option<(f64, bool)> {
        let of = |sketch: &HyperLogLog| Some((sketch.estimate(), sketch.is_exact()));
        match &self.values {
            Values::Boolean(both) => Some((f64::from(u8::from(both.trues > 0) + u8::from(both.falses > 0)), true)),
            Values::Binary(binaries) => of(&binaries.distinct),
            Values::Counted | Values::List(_) => None,
            Values::Number(numbers) => of(&numbers.distinct),
            Values::Temporal(times) => of(&times.distinct),
            Values::Text(texts) => of(&texts.distinct),
        }
    }

    pub(super) fn update(&mut self, column: &ArrayRef) -> Result<()> {
        let unpacked = match (&self.data_type, &self.values) {
            (_, Values::Counted | Values::Text(_)) => column,
            (DataType::Dictionary(_, value), _) => &cast(column, value)?,
            _ => column,
        };
        let nulls = unpacked.logical_null_count() as u64;
        self.nulls = self.nulls.saturating_add(nulls);
        self.count = self.count.saturating_add(unpacked.len() as u64 - nulls);
        match &mut self.values {
            Values::Boolean(both) => {
                let values = unpacked.as_boolean();
                both.trues = both.trues.saturating_add(values.true_count() as u64);
                both.falses = both.falses.saturating_add(values.false_count() as u64);
            }
            Values::Binary(binaries) => binaries.update(unpacked)?,
            Values::Counted => {}
            Values::List(lists) => lists.update(unpacked)?,
            Values::Number(numbers) => numbers.update(unpacked, &self.name)?,
            Values::Temporal(times) => times.update(unpacked)?,
            Values::Text(texts) => texts.update(unpacked, &self.name)?,
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Self) -> Result<()> {
        self.count = self.count.saturating_add(other.count);
        self.nulls = self.nulls.saturating_add(other.nulls);
        match (&mut self.values, &other.values) {
            (Values::Boolean(mine), Values::Boolean(theirs)) => {
                mine.trues = mine.trues.saturating_add(theirs.trues);
                mine.falses = mine.falses.saturating_add(theirs.falses);
            }
            (Values::Binary(mine), Values::Binary(theirs)) => mine.merge(theirs),
            (Values::List(mine), Values::List(theirs)) => mine.merge(theirs),
            // Version 1 counted binary values and lists only, and what it didn't see nobody knows.
            (mine, Values::Counted) => *mine = Values::Counted,
            (Values::Counted, _) => {}
            (Values::Number(mine), Values::Number(theirs)) => mine.merge(theirs),
            (Values::Temporal(mine), Values::Temporal(theirs)) => mine.merge(theirs),
            (Values::Text(mine), Values::Text(theirs)) => mine.merge(theirs),
            _ => return Err(Error::internal(format!("column '{}' has one type but two kinds", self.name))),
        }
        Ok(())
    }
}

/// The type of the values of a column, where they are packed in a dictionary.
pub(crate) fn plain_type(column: &ColumnProfile) -> &DataType {
    plain(&column.data_type)
}

/// The type of the values, where they are packed in a dictionary.
pub(super) fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => value,
        other => other,
    }
}

/// Whether a column that is profiled as one type may come as another: texts as a dictionary of them.
pub(super) fn takes(profiled: &DataType, given: &DataType) -> bool {
    profiled == given || *profiled == DataType::Utf8 && plain(given) == profiled
}
