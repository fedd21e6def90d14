//! Which columns a selector looks at.

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::datatypes::{Field, Schema};
use mlops_core::columns::{find_column, numbers};
use mlops_core::{Error, Result, Role, Roles};

use crate::transform::learn::{check_columns, check_numeric};

/// The named columns, or all features; numbers, and at least one.
pub(super) fn considered(schema: &Schema, roles: &Roles, named: Option<&[String]>) -> Result<Vec<String>> {
    let columns = match named {
        Some(named) => named.to_vec(),
        None => {
            let features = schema.fields().iter().filter(|field| roles.of(field.name()) == Role::Feature);
            features.map(|field| field.name().clone()).collect()
        }
    };
    if columns.is_empty() {
        return Err(Error::config("no features to select from: name at least one column"));
    }
    check_columns(schema, roles, &columns)?;
    for name in &columns {
        check_numeric(schema.field(find_column(schema, name)?))?;
    }
    Ok(columns)
}

/// The one column that has the role of the target.
pub(super) fn target<'a>(schema: &'a Schema, roles: &Roles) -> Result<&'a Field> {
    let mut targets = schema.fields().iter().filter(|field| roles.of(field.name()) == Role::Target);
    match (targets.next(), targets.next()) {
        (Some(target), None) => Ok(target),
        (None, _) => Err(Error::schema(
            "no target column, which features are scored by: declare one with `.with_role(name, Role::Target)`",
        )),
        (Some(a), Some(b)) => {
            Err(Error::schema(format!("two target columns, '{}' and '{}': keep one", a.name(), b.name())))
        }
    }
}

/// What is wrong with the values of a column, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flaws {
    rows: u64,
    missing: u64,
    infinite: u64,
    negative: u64,
}

impl Flaws {
    /// The values of a column, in which null is NaN; notes what is wrong with them.
    pub(super) fn note(&mut self, column: &ArrayRef, name: &str) -> Result<Float64Array> {
        let values = numbers(column, name)?;
        self.rows += values.len() as u64;
        self.missing += values.null_count() as u64;
        for x in values.iter().flatten() {
            self.missing += u64::from(x.is_nan());
            self.infinite += u64::from(x.is_infinite());
            self.negative += u64::from(x < 0.0);
        }
        Ok(values)
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.missing += other.missing;
        self.infinite += other.infinite;
        self.negative += other.negative;
    }

    pub(super) fn any(&self) -> bool {
        self.missing + self.infinite > 0
    }

    /// Refuses missing and infinite values.
    pub(super) fn refuse(&self, name: &str) -> Result<()> {
        let Self { rows, missing, infinite, .. } = self;
        match (missing, infinite) {
            (0, 0) => Ok(()),
            (0, _) => Err(Error::data(format!(
                "column '{name}' has an infinity in {infinite} of {rows} rows: clip it first, or filter those rows"
            ))),
            _ => Err(Error::data(format!(
                "column '{name}' has no value or NaN in {missing} of {rows} rows: impute it first, or filter those rows"
            ))),
        }
    }

    /// Refuses values below 0, which can't be counts.
    pub(super) fn refuse_negative(&self, name: &str) -> Result<()> {
        if self.negative == 0 {
            return Ok(());
        }
        Err(Error::data(format!(
            "column '{name}' is below 0 in {} of {} rows, but chi2 takes counts and other amounts: choose f_classif, or \
             bring it to a range from 0 first",
            self.negative, self.rows
        )))
    }
}
