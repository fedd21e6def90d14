//! Which row groups a filter can't rule out.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use mlops_core::{Expr, Op};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use crate::source::pushdown::{conditions, mirrored};

/// The row groups that may hold a row for which `filter` is true. Statistics that are missing or
/// that can't be read rule nothing out.
pub(super) fn row_groups(filter: Option<&Expr>, file: &ArrowReaderMetadata) -> Vec<usize> {
    let mut keep = vec![true; file.metadata().num_row_groups()];
    if let Some(filter) = filter {
        for condition in conditions(filter) {
            rule_out(condition, file, &mut keep);
        }
    }
    (0..keep.len()).filter(|group| keep[*group]).collect()
}

fn rule_out(condition: &Expr, file: &ArrowReaderMetadata, keep: &mut [bool]) {
    let Expr::Binary { op, left, right } = condition else { return };
    let (column, op) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(name), Expr::Literal(_)) => (name, *op),
        (Expr::Literal(_), Expr::Column(name)) => (name, mirrored(*op)),
        _ => return,
    };
    // A value that is greater is there only if the greatest is, and so on.
    let bounds: &[(Op, Bound)] = match op {
        Op::Gt | Op::GtEq => &[(op, Bound::Max)],
        Op::Lt | Op::LtEq => &[(op, Bound::Min)],
        Op::Eq => &[(Op::LtEq, Bound::Min), (Op::GtEq, Bound::Max)],
        _ => return,
    };
    let literal = if matches!(left.as_ref(), Expr::Literal(_)) { left } else { right };
    for (op, bound) in bounds {
        let possible = Expr::Binary { op: *op, left: Box::new(Expr::Column(column.clone())), right: literal.clone() };
        if let Some(verdict) = bounds_of(column, *bound, file).and_then(|bounds| evaluate(&possible, column, bounds)) {
            let verdict = verdict.as_boolean();
            for (group, keep) in keep.iter_mut().enumerate() {
                *keep &= verdict.is_null(group) || verdict.value(group);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Bound {
    Max,
    Min,
}

/// The greatest or smallest value of a column by row group, null where it is not known; `None` for
/// types whose statistics are not exact (text), or whose order writers disagreed on (unsigned). That
/// statistics leave NaN out does no harm: no comparison with NaN is true.
fn bounds_of(column: &str, bound: Bound, file: &ArrowReaderMetadata) -> Option<ArrayRef> {
    let data_type = file.schema().field_with_name(column).ok()?.data_type();
    let is_time = matches!(data_type, DataType::Date32 | DataType::Timestamp(..));
    let is_float = matches!(data_type, DataType::Float32 | DataType::Float64);
    if !data_type.is_signed_integer() && !is_time && !is_float {
        return None;
    }
    let converter = StatisticsConverter::try_new(column, file.schema(), file.parquet_schema()).ok()?;
    let groups = file.metadata().row_groups();
    let bounds = match bound {
        Bound::Max => converter.row_group_maxes(groups).ok()?,
        Bound::Min => converter.row_group_mins(groups).ok()?,
    };
    if is_float { known_floats(&bounds) } else { Some(bounds) }
}

/// Some old writers left NaN as a bound, which says nothing.
fn known_floats(bounds: &ArrayRef) -> Option<ArrayRef> {
    let bounds = cast(bounds, &DataType::Float64).ok()?;
    let known = bounds.as_primitive::<Float64Type>().iter().map(|bound| bound.filter(|bound| !bound.is_nan()));
    Some(Arc::new(known.collect::<Float64Array>()))
}

fn evaluate(possible: &Expr, column: &str, bounds: ArrayRef) -> Option<ArrayRef> {
    let batch = RecordBatch::try_from_iter_with_nullable([(column, bounds, true)]).ok()?;
    possible.evaluate(&batch).ok().filter(|verdict| *verdict.data_type() == DataType::Boolean)
}
