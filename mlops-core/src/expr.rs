use std::fmt;

use arrow::datatypes::DataType;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::columns::check_type;
use crate::{Error, Result};

mod evaluate;

/// A computation over the columns of a row, as plain data: it can be written in a file, kept in a
/// package and pushed down to a source, and it can do nothing but compute.
///
/// - **Null** goes in, null comes out, except that `and`, `or` and `one_of` follow Kleene's logic, and
///   [`is_null`](Expr::is_null) and [`or_else`](Expr::or_else) look at nulls.
/// - **Whole numbers** are computed as `Int64`, whatever their width, and compared without loss;
///   `UInt64` stays itself beside itself, and is computed as `Float64` beside another type.
/// - **Other numbers** of different types are compared and computed as `Float64`. Comparisons of
///   floats follow IEEE 754: NaN differs from every number and from itself, and is neither less nor
///   greater; -0 equals 0.
/// - **Text** is compared by bytes. Beside a date, a time or a timestamp it is read as one, and a
///   text that is none is an error.
/// - **Dates and times** of one kind are compared in the finer unit; a date is its midnight. A
///   timestamp that has a time zone does not compare with a date or a timestamp that has none.
///
/// An expression may be [`Expr::MAX_DEPTH`] levels deep. Chains of `and` and of `or` are one level.
///
/// # Example
/// ```
/// use mlops_core::{Expr, col, lit};
/// # let batch = arrow::array::record_batch!(("delay", Int64, [10, 20, 15]), ("carrier", Utf8, ["UA", "B6", "AA"]))?;
/// let late = col("delay").gt_eq(lit(15)).and(col("carrier").one_of(["UA", "B6"]));
/// assert_eq!(late.to_string(), r#"((delay >= 15) and (carrier in ["UA", "B6"]))"#);
/// assert_eq!(late.evaluate_mask(&batch)?, [false, true, false].to_vec().into());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Expr {
    /// Whether all operands are true; true if there are none.
    All(Vec<Self>),
    /// Whether any operand is true; false if there are none.
    Any(Vec<Self>),
    /// Two values make a third.
    Binary {
        /// What is done.
        op: Op,
        /// The left operand.
        left: Box<Self>,
        /// The right operand.
        right: Box<Self>,
    },
    /// The value in another type.
    Cast {
        /// What is converted.
        value: Box<Self>,
        /// The type that it gets.
        to: DataType,
    },
    /// The value of a column.
    Column(String),
    /// Whether the value is one of a list.
    In {
        /// What is looked for.
        value: Box<Self>,
        /// Where it is looked for.
        list: Vec<Literal>,
    },
    /// Whether the operand is null.
    IsNull(Box<Self>),
    /// A value written in the expression.
    Literal(Literal),
    /// True for false and false for true.
    Not(Box<Self>),
    /// The first operand where it is not null, else the second.
    OrElse(Box<Self>, Box<Self>),
}

/// What [`Expr::Binary`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say it")]
pub enum Op {
    Add,
    Divide,
    Eq,
    Gt,
    GtEq,
    Lt,
    LtEq,
    Multiply,
    NotEq,
    Remainder,
    Subtract,
}

/// A value written in an [`Expr`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Literal {
    /// True or false.
    Bool(bool),
    /// A floating-point number.
    Float(#[serde(with = "crate::json_float")] f64),
    /// A whole number.
    Int(i64),
    /// No value.
    Null,
    /// Text.
    Text(String),
}

/// The value of column `name`.
pub fn col(name: impl Into<String>) -> Expr {
    Expr::Column(name.into())
}

/// A value written in the expression: a number, a bool or text.
pub fn lit(value: impl Into<Literal>) -> Expr {
    Expr::Literal(value.into())
}

macro_rules! literal_from {
    ($($from:ty => $variant:ident),*) => {$(
        impl From<$from> for Literal {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
literal_from!(bool => Bool, f32 => Float, f64 => Float, i32 => Int, i64 => Int, u32 => Int, &str => Text, String => Text);

macro_rules! operators {
    ($($(#[$doc:meta])* $name:ident => $op:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(self, right: Self) -> Self {
            Self::Binary { op: Op::$op, left: Box::new(self), right: Box::new(right) }
        }
    )*};
}

#[expect(clippy::should_implement_trait, reason = "building an expression is not computing it")]
impl Expr {
    /// The most levels of an expression: a level takes two of JSON, whose readers stop at 128.
    pub const MAX_DEPTH: usize = 50;

    operators! {
        /// The sum.
        add => Add,
        /// The quotient, as `Float64`; a division by 0 gives an infinity or NaN.
        div => Divide,
        /// Whether both are equal.
        eq => Eq,
        /// Whether the left is greater.
        gt => Gt,
        /// Whether the left is greater or equal.
        gt_eq => GtEq,
        /// Whether the left is less.
        lt => Lt,
        /// Whether the left is less or equal.
        lt_eq => LtEq,
        /// The product.
        mul => Multiply,
        /// Whether both differ.
        not_eq => NotEq,
        /// The remainder of the division, as `Float64`.
        rem => Remainder,
        /// The difference.
        sub => Subtract,
    }

    /// True if both are; false if one is, even if the other is null.
    #[must_use]
    pub fn and(self, right: Self) -> Self {
        let parts = |expr| if let Self::All(parts) = expr { parts } else { vec![expr] };
        Self::All([parts(self), parts(right)].concat())
    }

    /// The value as a `to`, as Arrow converts it: a float becomes a whole number by leaving out its
    /// fraction, a text is read. A value that has no counterpart is an error.
    #[must_use]
    pub fn cast(self, to: DataType) -> Self {
        Self::Cast { value: Box::new(self), to }
    }

    /// Whether the value is null.
    #[must_use]
    pub fn is_null(self) -> Self {
        Self::IsNull(Box::new(self))
    }

    /// True for false and false for true.
    #[must_use]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Whether the value equals one of `list`.
    #[must_use]
    pub fn one_of<V: Into<Literal>>(self, list: impl IntoIterator<Item = V>) -> Self {
        Self::In { value: Box::new(self), list: list.into_iter().map(Into::into).collect() }
    }

    /// True if one is, even if the other is null.
    #[must_use]
    pub fn or(self, right: Self) -> Self {
        let parts = |expr| if let Self::Any(parts) = expr { parts } else { vec![expr] };
        Self::Any([parts(self), parts(right)].concat())
    }

    /// This value, or `other` where it is null.
    #[must_use]
    pub fn or_else(self, other: Self) -> Self {
        Self::OrElse(Box::new(self), Box::new(other))
    }

    /// The columns that are read, each once, in order of their first use.
    pub fn columns(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect_columns(&mut names);
        names
    }

    fn collect_columns<'a>(&'a self, names: &mut Vec<&'a str>) {
        if let Self::Column(name) = self
            && !names.contains(&name.as_str())
        {
            names.push(name);
        }
        for operand in self.operands() {
            operand.collect_columns(names);
        }
    }

    fn operands(&self) -> Vec<&Self> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().collect(),
            Self::Binary { left, right, .. } | Self::OrElse(left, right) => vec![left, right],
            Self::Cast { value, .. } | Self::In { value, .. } => vec![value],
            Self::IsNull(operand) | Self::Not(operand) => vec![operand],
            Self::Column(_) | Self::Literal(_) => Vec::new(),
        }
    }

    /// Refuses what could not be evaluated whatever the rows: too many levels, and casts to types that
    /// there are no columns of.
    fn check(&self) -> Result<()> {
        if self.is_deeper_than(Self::MAX_DEPTH) {
            return Err(Error::config(format!(
                "an expression of more than {} levels: compute a part of it into a column first",
                Self::MAX_DEPTH
            )));
        }
        self.check_types()
    }

    fn check_types(&self) -> Result<()> {
        if let Self::Cast { to, .. } = self {
            check_type(to)?;
        }
        self.operands().into_iter().try_for_each(Self::check_types)
    }

    fn is_deeper_than(&self, levels: usize) -> bool {
        levels == 0 || self.operands().into_iter().any(|operand| operand.is_deeper_than(levels - 1))
    }
}

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// Refuses what could not be evaluated: what is nested too deeply, or casts to no type of a column.
impl<'de> Deserialize<'de> for Expr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expr = Self::deserialize(deserializer)?;
        expr.check().map_err(serde::de::Error::custom)?;
        Ok(expr)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => joined(f, parts, " and ", "true"),
            Self::Any(parts) => joined(f, parts, " or ", "false"),
            Self::Binary { op, left, right } => write!(f, "({left} {op} {right})"),
            Self::Cast { value, to } => write!(f, "cast({value} as {to})"),
            Self::Column(name) => f.write_str(name),
            Self::In { value, list } => {
                let list: Vec<String> = list.iter().map(ToString::to_string).collect();
                write!(f, "({value} in [{}])", list.join(", "))
            }
            Self::IsNull(operand) => write!(f, "{operand} is null"),
            Self::Literal(literal) => literal.fmt(f),
            Self::Not(operand) => write!(f, "not {operand}"),
            Self::OrElse(first, second) => write!(f, "({first} or else {second})"),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], word: &str, none: &str) -> fmt::Result {
    let texts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    if texts.is_empty() { f.write_str(none) } else { write!(f, "({})", texts.join(word)) }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Null => f.write_str("null"),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Divide => "/",
            Self::Eq => "==",
            Self::Gt => ">",
            Self::GtEq => ">=",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Multiply => "*",
            Self::NotEq => "!=",
            Self::Remainder => "%",
            Self::Subtract => "-",
        })
    }
}
