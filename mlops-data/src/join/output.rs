use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema, SchemaRef};
use mlops_core::{Error, Result, Role, Roles, Table};
use rayon::prelude::*;

/// What a join gives: the columns of the left table and, under their new names, those of the right.
#[derive(Debug)]
pub(super) struct Output {
    schema: SchemaRef,
    roles: Roles,
    right: RecordBatch,
}

impl Output {
    /// `keys` are the right columns to leave out; `optional` says whether a row may have no match.
    pub(super) fn new(left: &Table, right: &Table, keys: &HashSet<&str>, suffix: &str, optional: bool) -> Result<Self> {
        let kept: Vec<&str> = right
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .filter(|name| !keys.contains(name))
            .collect();
        let right = right.select(&kept)?;
        let mut taken: HashSet<String> = left.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut fields: Vec<_> = left.schema().fields().iter().cloned().collect();
        let mut roles = left.roles().clone();
        let has_event_time = left.schema().fields().iter().any(|f| roles.of(f.name()) == Role::EventTime);
        for field in right.schema().fields() {
            let name = new_name(field.name(), &mut taken, suffix)?;
            match right.roles().of(field.name()) {
                Role::EventTime if has_event_time => roles.set(&name, Role::Ignored),
                // It was of the right row, and says nothing of when the joined one was recorded.
                Role::CreatedTime => roles.set(&name, Role::Ignored),
                role => roles.set(&name, role),
            }
            let nullable = optional || field.is_nullable();
            fields.push(Arc::new(Field::clone(field).with_name(name).with_nullable(nullable)));
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, left.schema().metadata().clone()));
        Ok(Self { schema, roles, right: right.to_batch()? })
    }

    /// Joins every batch of `left` by what `matches` says of it, on all cores: the left rows (all of
    /// them, in order, if `None`) and the right row of each.
    pub(super) fn of(
        self,
        left: &Table,
        matches: impl Fn(&RecordBatch) -> Result<(Option<UInt32Array>, UInt32Array)> + Send + Sync,
    ) -> Result<Table> {
        let join = |batch: &RecordBatch| {
            let (rows, partners) = matches(batch)?;
            let mut columns = match rows {
                None => batch.columns().to_vec(),
                Some(rows) => batch.columns().iter().map(|c| take(c, &rows, None)).collect::<Result<_, _>>()?,
            };
            for column in self.right.columns() {
                columns.push(take(column, &partners, None)?);
            }
            let options = RecordBatchOptions::new().with_row_count(Some(partners.len()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
        };
        let batches = left.batches().par_iter().map(join).collect::<Result<Vec<_>>>()?;
        Ok(Table::new(Arc::clone(&self.schema), batches)?.with_roles(&self.roles))
    }
}

fn new_name(name: &str, taken: &mut HashSet<String>, suffix: &str) -> Result<String> {
    if taken.insert(name.to_owned()) {
        return Ok(name.to_owned());
    }
    let suffixed = format!("{name}{suffix}");
    if taken.insert(suffixed.clone()) {
        return Ok(suffixed);
    }
    Err(Error::schema(format!(
        "both tables have a column '{name}', and '{suffixed}' is taken too: \
         give another suffix, or select fewer columns of the right table"
    )))
}
