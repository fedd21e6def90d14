//! Training rows with a column changed.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::{Field, Schema};
use mlops_core::{Result, Role, Table};

/// The rows of a table of one batch with a column replaced, or added; roles stay.
pub(super) fn replace_column(table: &Table, name: &str, column: ArrayRef) -> Result<Table> {
    let batch = table.to_batch()?;
    let field = Arc::new(Field::new(name, column.data_type().clone(), column.null_count() > 0));
    let mut fields = batch.schema().fields().to_vec();
    let mut columns = batch.columns().to_vec();
    match batch.schema().index_of(name) {
        Ok(i) => (fields[i], columns[i]) = (field, column),
        Err(_) => {
            fields.push(field);
            columns.push(column);
        }
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    Ok(Table::from_batch(batch).with_roles(table.roles()).with_rows_of(table).with_fitted_on(table.fitted_on()))
}

/// The rows of a table of one batch, weighed anew.
pub(super) fn reweigh(table: &Table, weights: Vec<f64>) -> Result<Table> {
    let mut table = table.clone();
    let fields = Arc::clone(table.schema());
    let mut name = "weight".to_owned();
    for field in fields.fields() {
        if table.roles().of(field.name()) == Role::Weight {
            table = table.with_role(field.name(), Role::Ignored)?;
        }
    }
    while fields.index_of(&name).is_ok() {
        name.push('_');
    }
    replace_column(&table, &name, Arc::new(Float64Array::from(weights)))?.with_role(&name, Role::Weight)
}
