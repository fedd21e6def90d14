use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, new_null_array,
};
use arrow::compute::kernels::{boolean, cmp, numeric, zip::zip};
use arrow::compute::{cast, is_not_null, is_null, prep_null_mask_filter};
use arrow::datatypes::{DataType, Schema};
use serde::{Deserialize, Serialize};

use crate::columns::{find_column, is_numeric, is_text};
use crate::{Error, Result};

/// A computation over the columns of a row, as plain data: it can be written in a file, kept in a
/// package and pushed down to a source, and it can do nothing but compute.
///
/// Null goes in, null comes out, except that `and`, `or` follow Kleene's logic, and
/// [`is_null`](Expr::is_null) and [`or_else`](Expr::or_else) look at nulls. Numbers of different
/// types are compared and computed as `Float64`; text is compared by bytes.
///
/// # Example
/// ```
/// use mlops_core::{Expr, col, lit};
/// # let batch = arrow::array::record_batch!(("delay", Int64, [10, 20, 15]))?;
/// let late = col("delay").gt_eq(lit(15));
/// assert_eq!(late.to_string(), "(delay >= 15)");
/// assert_eq!(late.evaluate_mask(&batch)?, [false, true, true].to_vec().into());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Expr {
    /// Two values make a third.
    Binary {
        /// What is done.
        op: Op,
        /// The left operand.
        left: Box<Self>,
        /// The right operand.
        right: Box<Self>,
    },
    /// The value of a column.
    Column(String),
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
    And,
    Divide,
    Eq,
    Gt,
    GtEq,
    Lt,
    LtEq,
    Multiply,
    NotEq,
    Or,
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
    Float(f64),
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
    operators! {
        /// The sum.
        add => Add,
        /// True if both are; false if one is, even if the other is null.
        and => And,
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
        /// True if one is, even if the other is null.
        or => Or,
        /// The remainder of the division, as `Float64`.
        rem => Remainder,
        /// The difference.
        sub => Subtract,
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

    /// This value, or `other` where it is null.
    #[must_use]
    pub fn or_else(self, other: Self) -> Self {
        Self::OrElse(Box::new(self), Box::new(other))
    }

    /// The columns that are read, each once, in order of their first use.
    pub fn columns(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.visit_columns(&mut |name| {
            if !names.contains(&name) {
                names.push(name);
            }
        });
        names
    }

    fn visit_columns<'a>(&'a self, f: &mut impl FnMut(&'a str)) {
        match self {
            Self::Binary { left, right, .. } | Self::OrElse(left, right) => {
                left.visit_columns(f);
                right.visit_columns(f);
            }
            Self::Column(name) => f(name),
            Self::IsNull(operand) | Self::Not(operand) => operand.visit_columns(f),
            Self::Literal(_) => {}
        }
    }

    /// The type of the result over rows of `schema`: what [`evaluate`](Self::evaluate) gives.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a missing column or types that do not fit.
    pub fn data_type(&self, schema: &Schema) -> Result<DataType> {
        let empty = RecordBatch::new_empty(Arc::new(schema.clone()));
        Ok(self.evaluate(&empty)?.data_type().clone())
    }

    /// The result for every row of `batch`. One kernel call a node, no pass over rows in between.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a missing column or types that do not
    /// fit, [`ErrorKind::Data`](crate::ErrorKind::Data) for an integer overflow.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = batch.num_rows();
        Ok(match self {
            Self::Column(name) => Arc::clone(batch.column(find_column(batch.schema_ref(), name)?)),
            Self::Literal(literal) => literal.repeat(rows),
            Self::IsNull(operand) => Arc::new(is_null(&operand.evaluate(batch)?)?),
            Self::Not(operand) => Arc::new(boolean::not(operand.evaluate_bool(batch)?.as_boolean())?),
            Self::OrElse(first, second) => {
                let (first, second) = self.align(first.evaluate(batch)?, second.evaluate(batch)?)?;
                zip(&is_not_null(&first)?, &first, &second)?
            }
            Self::Binary { op: op @ (Op::And | Op::Or), left, right } => {
                let (left, right) = (left.evaluate_bool(batch)?, right.evaluate_bool(batch)?);
                let kernel = if *op == Op::And { boolean::and_kleene } else { boolean::or_kleene };
                Arc::new(kernel(left.as_boolean(), right.as_boolean())?)
            }
            Self::Binary { op, left, right } => self.binary(*op, left.evaluate(batch)?, right.evaluate(batch)?)?,
        })
    }

    /// The rows of `batch` for which the expression is true; null counts as false.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate), and if the result is not boolean.
    pub fn evaluate_mask(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let mask = self.evaluate_bool(batch)?;
        let mask = mask.as_boolean();
        Ok(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() })
    }

    fn evaluate_bool(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let values = self.evaluate(batch)?;
        match values.data_type() {
            DataType::Boolean => Ok(values),
            DataType::Null => Ok(cast(&values, &DataType::Boolean)?),
            other => Err(Error::schema(format!("{self} is {other}, but a condition (Boolean) is needed here"))),
        }
    }

    fn binary(&self, op: Op, left: ArrayRef, right: ArrayRef) -> Result<ArrayRef> {
        let (mut left, mut right) = self.align(left, right)?;
        let arithmetic = matches!(op, Op::Add | Op::Divide | Op::Multiply | Op::Remainder | Op::Subtract);
        if arithmetic && is_text(left.data_type()) {
            return Err(Error::schema(format!("{self} computes with text: compare it or encode it instead")));
        }
        if matches!(op, Op::Divide | Op::Remainder) {
            left = cast(&left, &DataType::Float64)?;
            right = cast(&right, &DataType::Float64)?;
        }
        Ok(match op {
            Op::Add => numeric::add(&left, &right)?,
            Op::Divide => numeric::div(&left, &right)?,
            Op::Multiply => numeric::mul(&left, &right)?,
            Op::Remainder => numeric::rem(&left, &right)?,
            Op::Subtract => numeric::sub(&left, &right)?,
            Op::Eq => Arc::new(cmp::eq(&left, &right)?),
            Op::Gt => Arc::new(cmp::gt(&left, &right)?),
            Op::GtEq => Arc::new(cmp::gt_eq(&left, &right)?),
            Op::Lt => Arc::new(cmp::lt(&left, &right)?),
            Op::LtEq => Arc::new(cmp::lt_eq(&left, &right)?),
            Op::NotEq => Arc::new(cmp::neq(&left, &right)?),
            Op::And | Op::Or => return Err(Error::internal(format!("{op:?} is no kernel of two equal types"))),
        })
    }

    /// Gives both operands one type.
    fn align(&self, left: ArrayRef, right: ArrayRef) -> Result<(ArrayRef, ArrayRef)> {
        let (l, r) = (left.data_type(), right.data_type());
        let common = match (l, r) {
            _ if l == r && *l != DataType::Boolean => return Ok((left, right)),
            (DataType::Null, other) | (other, DataType::Null) => other.clone(),
            _ if l.is_integer() && r.is_integer() && ![l, r].contains(&&DataType::UInt64) => DataType::Int64,
            _ if l == r => return Ok((left, right)),
            _ if is_numeric(l) && is_numeric(r) => DataType::Float64,
            _ if is_text(l) && is_text(r) => DataType::Utf8,
            _ if l.is_temporal() && r.is_temporal() => l.clone(),
            _ if l.is_temporal() && is_text(r) => l.clone(),
            _ if is_text(l) && r.is_temporal() => r.clone(),
            _ => return Err(Error::schema(format!("{self} mixes {l} and {r}: convert one of them"))),
        };
        Ok((cast(&left, &common)?, cast(&right, &common)?))
    }
}

impl Literal {
    fn repeat(&self, rows: usize) -> ArrayRef {
        match self {
            Self::Bool(value) => Arc::new(BooleanArray::from(vec![*value; rows])),
            Self::Float(value) => Arc::new(Float64Array::from_value(*value, rows)),
            Self::Int(value) => Arc::new(Int64Array::from_value(*value, rows)),
            Self::Null => new_null_array(&DataType::Null, rows),
            Self::Text(value) => Arc::new(StringArray::new_repeated(value, rows)),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary { op, left, right } => write!(f, "({left} {op} {right})"),
            Self::Column(name) => f.write_str(name),
            Self::IsNull(operand) => write!(f, "{operand} is null"),
            Self::Literal(Literal::Bool(value)) => write!(f, "{value}"),
            Self::Literal(Literal::Float(value)) => write!(f, "{value}"),
            Self::Literal(Literal::Int(value)) => write!(f, "{value}"),
            Self::Literal(Literal::Null) => f.write_str("null"),
            Self::Literal(Literal::Text(value)) => write!(f, "{value:?}"),
            Self::Not(operand) => write!(f, "not {operand}"),
            Self::OrElse(first, second) => write!(f, "({first} or else {second})"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::And => "and",
            Self::Divide => "/",
            Self::Eq => "==",
            Self::Gt => ">",
            Self::GtEq => ">=",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Multiply => "*",
            Self::NotEq => "!=",
            Self::Or => "or",
            Self::Remainder => "%",
            Self::Subtract => "-",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::record_batch;

    fn batch() -> RecordBatch {
        record_batch!(
            ("n", Int32, [Some(1), None, Some(3)]),
            ("x", Float64, [0.5, 2.5, 0.0]),
            ("s", Utf8, ["a", "b", "c"])
        )
        .unwrap()
    }

    #[test]
    fn nulls_follow_kleene() {
        let batch = batch();
        let unknown_or_true = col("n").gt(lit(0)).or(col("x").gt(lit(1)));
        assert_eq!(unknown_or_true.evaluate_mask(&batch).unwrap(), vec![true, true, true].into());
        let mask = col("n").gt(lit(0)).evaluate_mask(&batch).unwrap();
        assert_eq!(mask, vec![true, false, true].into());
        let filled = col("n").or_else(lit(9)).evaluate(&batch).unwrap();
        assert_eq!(filled.as_primitive::<arrow::datatypes::Int64Type>().values(), &[1, 9, 3]);
    }

    #[test]
    fn types_that_do_not_fit_are_named() {
        let error = col("s").add(lit(1)).evaluate(&batch()).unwrap_err();
        assert_eq!(error.to_string(), "(s + 1) mixes Utf8 and Int64: convert one of them");
        let error = col("n").evaluate_mask(&batch()).unwrap_err();
        assert_eq!(error.to_string(), "n is Int32, but a condition (Boolean) is needed here");
        let error = col("ss").evaluate(&batch()).unwrap_err();
        assert!(error.to_string().starts_with("no column 'ss'; did you mean 's'?"), "{error}");
    }

    #[test]
    fn is_plain_data() {
        let expr = col("n").div(lit(2)).lt(col("x")).and(col("s").eq(lit("a")).not());
        let json = serde_json::to_string(&expr).unwrap();
        assert_eq!(serde_json::from_str::<Expr>(&json).unwrap(), expr);
        assert_eq!(expr.columns(), ["n", "x", "s"]);
    }
}
