use std::fmt;

use arrow::datatypes::DataType;
use mlops_core::columns::is_text;
use serde::{Deserialize, Serialize};

/// The kind of type that a column must have. A column of Arrow's type `Null`, which holds nothing
/// but nulls, is of every kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Any type.
    #[default]
    Any,
    /// True or false.
    Boolean,
    /// One of few values: text, a whole number or a boolean.
    Category,
    /// Whole numbers of any width.
    Integer,
    /// Whole, decimal or floating-point numbers.
    Number,
    /// Text.
    Text,
    /// A date, or a date and time.
    Timestamp,
}

impl Kind {
    /// Whether a column of `data_type` is of this kind.
    pub fn takes(self, data_type: &DataType) -> bool {
        use DataType as D;
        *data_type == D::Null
            || match self {
                Self::Any => true,
                Self::Boolean => *data_type == D::Boolean,
                Self::Category => is_text(data_type) || data_type.is_integer() || *data_type == D::Boolean,
                Self::Integer => data_type.is_integer(),
                Self::Number => data_type.is_numeric(),
                Self::Text => is_text(data_type),
                Self::Timestamp => matches!(data_type, D::Date32 | D::Date64 | D::Timestamp(..)),
            }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any type",
            Self::Boolean => "a boolean",
            Self::Category => "a category (text, a whole number or a boolean)",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Timestamp => "a date or timestamp",
        })
    }
}
