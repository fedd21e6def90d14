//! Which parts of a scan a source can do itself.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use mlops_core::{Result, Scan};

/// Refuses a scan that can't be made of rows of `schema`, before anything is read.
pub(crate) fn check_scan(scan: &Scan, schema: &SchemaRef) -> Result<()> {
    scan.schema(schema)?;
    if let Some(filter) = &scan.filter {
        filter.evaluate_mask(&RecordBatch::new_empty(Arc::clone(schema)))?;
    }
    Ok(())
}

/// The places of the columns that a scan selects or filters by, ascending.
#[cfg(any(
    feature = "csv",
    feature = "ipc",
    feature = "json",
    feature = "parquet",
    feature = "postgres",
    feature = "sqlite"
))]
pub(crate) fn needed_columns(scan: &Scan, schema: &arrow::datatypes::Schema) -> Result<Vec<usize>> {
    use mlops_core::columns::find_column;

    let Some(columns) = &scan.columns else { return Ok((0..schema.fields().len()).collect()) };
    let filtered = scan.filter.iter().flat_map(|filter| filter.columns());
    let names = columns.iter().map(String::as_str).chain(filtered);
    let mut indices = names.map(|name| find_column(schema, name)).collect::<Result<Vec<_>>>()?;
    indices.sort_unstable();
    indices.dedup();
    Ok(indices)
}

/// The operator that says the same with its operands exchanged.
#[cfg(any(feature = "parquet", feature = "postgres", feature = "sqlite"))]
pub(crate) fn mirrored(op: mlops_core::Op) -> mlops_core::Op {
    use mlops_core::Op;

    match op {
        Op::Gt => Op::Lt,
        Op::GtEq => Op::LtEq,
        Op::Lt => Op::Gt,
        Op::LtEq => Op::GtEq,
        other => other,
    }
}

/// The parts of a filter that must all be true.
#[cfg(any(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]
pub(crate) fn conditions(filter: &mlops_core::Expr) -> Vec<&mlops_core::Expr> {
    match filter {
        mlops_core::Expr::All(parts) => parts.iter().flat_map(conditions).collect(),
        other => vec![other],
    }
}
