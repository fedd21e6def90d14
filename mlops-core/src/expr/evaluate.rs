use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Datum, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, new_null_array,
};
use arrow::compute::kernels::{boolean, cmp, numeric, zip::zip};
use arrow::compute::{
    CastOptions, can_cast_types, cast, cast_with_options, is_not_null, is_null, prep_null_mask_filter,
};
use arrow::datatypes::{DataType, Float64Type, Schema};
use arrow::error::ArrowError;

use super::{Expr, Literal, Op};
use crate::columns::{cast_exactly, common_time, find_column, is_numeric, is_text};
use crate::{Error, Result};

type Kernel<T> = fn(&dyn Datum, &dyn Datum) -> Result<T, ArrowError>;
type Logic = fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, ArrowError>;

/// Refuses what it can't convert, where the default makes it null.
const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

impl Expr {
    /// The type of the result over rows of `schema`: what [`evaluate`](Self::evaluate) gives.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a missing column or types that do not
    /// fit, [`ErrorKind::Config`](crate::ErrorKind::Config) for an expression that is too deep,
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) if it can't be computed whatever the columns hold.
    pub fn data_type(&self, schema: &Schema) -> Result<DataType> {
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for name in self.columns() {
            let field = schema.field(find_column(schema, name)?);
            fields.push(field.clone().with_nullable(true));
            columns.push(new_null_array(field.data_type(), 1));
        }
        // One row, so that what is written in the expression is looked at as well.
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
        Ok(self.evaluate(&row)?.data_type().clone())
    }

    /// The result for every row of `batch`. One kernel call a node, no pass over rows in between.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a missing column or types that do not
    /// fit, [`ErrorKind::Data`](crate::ErrorKind::Data) for an integer overflow, a value that a cast
    /// can't convert or a text that is no date, [`ErrorKind::Config`](crate::ErrorKind::Config) for
    /// more than [`Self::MAX_DEPTH`] levels.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        self.check()?;
        self.compute(batch)
    }

    /// The rows of `batch` for which the expression is true; null counts as false.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate), and if the result is not boolean.
    pub fn evaluate_mask(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        self.check()?;
        let mask = self.condition(batch)?;
        Ok(if mask.null_count() > 0 { prep_null_mask_filter(&mask) } else { mask })
    }

    fn compute(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = batch.num_rows();
        Ok(match self {
            Self::All(parts) => Arc::new(fold(parts, batch, true, boolean::and_kleene)?),
            Self::Any(parts) => Arc::new(fold(parts, batch, false, boolean::or_kleene)?),
            Self::Binary { op, left, right } => self.binary(*op, left.compute(batch)?, right.compute(batch)?)?,
            Self::Cast { value, to } => self.converted(&value.compute(batch)?, to)?,
            Self::Column(name) => Arc::clone(batch.column(find_column(batch.schema_ref(), name)?)),
            Self::In { value, list } => {
                let value = value.compute(batch)?;
                let mut found = BooleanArray::from(vec![false; rows]);
                for literal in list {
                    let equal = self.compare(&value, &literal.repeat(rows), cmp::eq, f64::eq)?;
                    found = boolean::or_kleene(&found, &equal)?;
                }
                Arc::new(found)
            }
            Self::IsNull(operand) => Arc::new(is_null(&operand.compute(batch)?)?),
            Self::Literal(literal) => literal.repeat(rows),
            Self::Not(operand) => Arc::new(boolean::not(&operand.condition(batch)?)?),
            Self::OrElse(first, second) => {
                let (first, second) = self.align(&first.compute(batch)?, &second.compute(batch)?)?;
                zip(&is_not_null(&first)?, &first, &second)?
            }
        })
    }

    fn condition(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let values = self.compute(batch)?;
        match values.data_type() {
            DataType::Boolean => Ok(values.as_boolean().clone()),
            DataType::Null => Ok(BooleanArray::new_null(values.len())),
            other => Err(Error::schema(format!("{self} is {other}, but a condition (Boolean) is needed here"))),
        }
    }

    fn binary(&self, op: Op, left: ArrayRef, right: ArrayRef) -> Result<ArrayRef> {
        let (l, r) = (&left, &right);
        Ok(match op {
            Op::Add => self.arithmetic(op, left, right, numeric::add)?,
            Op::Divide => self.arithmetic(op, left, right, numeric::div)?,
            Op::Eq => Arc::new(self.compare(l, r, cmp::eq, f64::eq)?),
            Op::Gt => Arc::new(self.compare(l, r, cmp::gt, f64::gt)?),
            Op::GtEq => Arc::new(self.compare(l, r, cmp::gt_eq, f64::ge)?),
            Op::Lt => Arc::new(self.compare(l, r, cmp::lt, f64::lt)?),
            Op::LtEq => Arc::new(self.compare(l, r, cmp::lt_eq, f64::le)?),
            Op::Multiply => self.arithmetic(op, left, right, numeric::mul)?,
            Op::NotEq => Arc::new(self.compare(l, r, cmp::neq, f64::ne)?),
            Op::Remainder => self.arithmetic(op, left, right, numeric::rem)?,
            Op::Subtract => self.arithmetic(op, left, right, numeric::sub)?,
        })
    }

    /// Arrow's kernels put floats in a total order, in which NaN is greater than every number.
    fn compare(
        &self,
        left: &ArrayRef,
        right: &ArrayRef,
        kernel: Kernel<BooleanArray>,
        floats: fn(&f64, &f64) -> bool,
    ) -> Result<BooleanArray> {
        let (left, right) = self.align(left, right)?;
        if !left.data_type().is_floating() {
            return Ok(kernel(&left, &right)?);
        }
        let (left, right) = (cast(&left, &DataType::Float64)?, cast(&right, &DataType::Float64)?);
        let (left, right) = (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>());
        Ok(BooleanArray::from_binary(left, right, |a, b| floats(&a, &b)))
    }

    fn arithmetic(&self, op: Op, left: ArrayRef, right: ArrayRef, kernel: Kernel<ArrayRef>) -> Result<ArrayRef> {
        let (left, right) = (widened(left)?, widened(right)?);
        let (l, r) = (left.data_type(), right.data_type());
        let (left, right) = match (l, r) {
            // A time and a span: the kernel knows which of them go together.
            _ if l.is_temporal() && r.is_temporal() && common_time(l, r).is_none() => (left, right),
            (DataType::Int64, DataType::UInt64) | (DataType::UInt64, DataType::Int64) => floats(&left, &right)?,
            _ => self.align(&left, &right)?,
        };
        if is_text(left.data_type()) {
            return Err(Error::schema(format!("{self} computes with text: compare it or encode it instead")));
        }
        if left.data_type().is_temporal() && !matches!(op, Op::Add | Op::Subtract) {
            return Err(Error::schema(format!("{self} computes with times: `cast` a difference to Int64 first")));
        }
        let (left, right) =
            if matches!(op, Op::Divide | Op::Remainder) { floats(&left, &right)? } else { (left, right) };
        Ok(kernel(&left, &right)?)
    }

    /// Gives both operands the type that holds the values of both.
    fn align(&self, left: &ArrayRef, right: &ArrayRef) -> Result<(ArrayRef, ArrayRef)> {
        let (l, r) = (left.data_type(), right.data_type());
        let common = common_type(l, r).ok_or_else(|| {
            Error::schema(format!("{self} mixes {l} and {r}: convert one of them, for example with `cast`"))
        })?;
        Ok((self.converted(left, &common)?, self.converted(right, &common)?))
    }

    /// The values as `to`; none may get lost.
    fn converted(&self, values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let from = values.data_type();
        if from == to {
            return Ok(Arc::clone(values));
        }
        if !can_cast_types(from, to) {
            return Err(Error::schema(format!("{self}: {from} can't be converted to {to}")));
        }
        if !matches!(self, Self::Cast { .. }) && common_time(from, to).is_some() {
            let converted = cast_exactly(values, to)?;
            return converted.ok_or_else(|| Error::data(format!("{self}: {to} can't hold every {from} here")));
        }
        let convert = |values: &ArrayRef, to: &DataType| {
            cast_with_options(values, to, &STRICT).map_err(|e| Error::data(format!("{self}: {e}")).with_source(e))
        };
        match to {
            // The kernel reads texts by offsets only, and "UTC" is a name to it.
            DataType::Timestamp(unit, Some(zone)) if &**zone == "UTC" && is_text(values.data_type()) => {
                convert(&convert(values, &DataType::Timestamp(*unit, Some("+00:00".into())))?, to)
            }
            to => convert(values, to),
        }
    }
}

fn fold(parts: &[Expr], batch: &RecordBatch, start: bool, logic: Logic) -> Result<BooleanArray> {
    let start = BooleanArray::from(vec![start; batch.num_rows()]);
    parts.iter().try_fold(start, |so_far, part| Ok(logic(&so_far, &part.condition(batch)?)?))
}

fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    let reads_text = |time: &DataType, text: &DataType| {
        (time.is_temporal() && is_text(text) && can_cast_types(text, time)).then(|| time.clone())
    };
    match (left, right) {
        _ if left == right => Some(left.clone()),
        (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
        _ if left.is_integer() && right.is_integer() => {
            // Twenty digits hold both.
            let wide = [left, right].contains(&&DataType::UInt64);
            Some(if wide { DataType::Decimal128(20, 0) } else { DataType::Int64 })
        }
        _ if is_numeric(left) && is_numeric(right) => Some(DataType::Float64),
        _ if is_text(left) && is_text(right) => Some(DataType::Utf8),
        _ => common_time(left, right).or_else(|| reads_text(left, right)).or_else(|| reads_text(right, left)),
    }
}

/// Whole numbers as `Int64`, so that a sum of narrow ones has room.
fn widened(values: ArrayRef) -> Result<ArrayRef> {
    let narrow = values.data_type().is_integer() && *values.data_type() != DataType::UInt64;
    Ok(if narrow { cast(&values, &DataType::Int64)? } else { values })
}

fn floats(left: &ArrayRef, right: &ArrayRef) -> Result<(ArrayRef, ArrayRef)> {
    Ok((cast(left, &DataType::Float64)?, cast(right, &DataType::Float64)?))
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
