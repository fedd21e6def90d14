use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use mlops_core::columns::describe_columns;
use mlops_core::{Error, Expr, Result};

use super::cells::{CellTest, Cells, some_rows};
use super::sequence::Sequence;
use super::show::show;
use super::whole::Whole;
use super::{Expectations, Interval, REASONS, Severity, bind};

/// Expectations bound to a schema.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) checks: Vec<Bound>,
    /// What the rows have.
    pub(super) schema: SchemaRef,
    /// What quarantined rows have.
    pub(super) quarantine: SchemaRef,
}

/// One check, ready to be made, or the reason why it can't be.
#[derive(Debug)]
pub(super) struct Bound {
    /// The column that it is of; `None` for what is expected of the whole table.
    pub(super) column: Option<String>,
    /// What it is called in reports.
    pub(super) name: String,
    pub(super) severity: Severity,
    pub(super) tolerance: Option<f64>,
    /// The columns that it reads.
    pub(super) reads: Vec<usize>,
    pub(super) test: Test,
}

#[derive(Debug)]
pub(super) enum Test {
    /// Looks at each value of its column alone.
    Cell(CellTest),
    /// The schema shows that it fails, and how.
    Failed(String),
    /// The schema shows that it passes, maybe with a remark.
    Given(Option<String>),
    /// It can't be made, and why.
    Impossible(String),
    /// Looks at each row alone.
    Row(Expr),
    /// Looks at how many rows there are.
    RowCount(Interval),
    /// Looks at the rows in their order.
    Sequence(Sequence),
    /// Looks at all values of its column together.
    Whole(Whole),
}

/// Marks the rows that fail; `None` if none does.
pub(super) type Failed = Option<BooleanBuffer>;

/// What a check of rows finds in a batch, or why it can't be made.
pub(super) type Verdict = Result<Failed, String>;

impl Judge {
    pub(super) fn bind(expectations: &Expectations, schema: &Schema) -> Result<Self> {
        Self::bind_part(expectations, schema, schema)
    }

    /// Bound to `schema`, which is what is read of `whole`.
    pub(super) fn bind_part(expectations: &Expectations, schema: &Schema, whole: &Schema) -> Result<Self> {
        let checks = bind::all(expectations, schema, whole)?;
        Ok(Self { checks, schema: Arc::new(schema.clone()), quarantine: with_reasons(schema)? })
    }

    /// The first of what the schema shows to be wrong.
    pub(super) fn refuse_impossible(&self) -> Result<()> {
        let wrong = self.checks.iter().find_map(|bound| match &bound.test {
            Test::Failed(reason) | Test::Impossible(reason) if bound.severity != Severity::Warn => {
                Some((bound, reason))
            }
            _ => None,
        });
        let Some((bound, reason)) = wrong else { return Ok(()) };
        Err(Error::schema(reason.clone()).with_context("expected", bound.title()))
    }

    /// What every check finds in `batch`, looking at each row alone; nothing for the others.
    pub(super) fn verdicts(&self, batch: &RecordBatch) -> Result<Vec<Verdict>> {
        self.same_columns(batch)?;
        let columns = self.schema.fields().iter().zip(batch.columns());
        let cells: Vec<Cells<'_>> = columns.map(|(field, column)| Cells::of(column, field.name())).collect();
        let verdict = |bound: &Bound| match (&bound.test, bound.reads.first()) {
            (Test::Cell(test), Some(column)) => cells[*column].failed(test).map_err(|e| e.to_string()),
            (Test::Row(condition), _) => match condition.evaluate(batch) {
                Ok(verdict) => Ok(verdict.as_boolean_opt().and_then(false_rows)),
                Err(error) => Err(error.to_string()),
            },
            _ => Ok(None),
        };
        Ok(self.checks.iter().map(verdict).collect())
    }

    /// What the check at index `check` looked at in `row`.
    pub(super) fn show(&self, check: usize, batch: &RecordBatch, row: usize) -> Result<String> {
        let value = |column: &usize| show(batch.column(*column), row);
        let bound = &self.checks[check];
        if let (Some(_), [column]) = (&bound.column, bound.reads.as_slice()) {
            return value(column);
        }
        const SHOWN: usize = 6;
        let named = |column: &usize| Ok(format!("{} = {}", self.schema.field(*column).name(), value(column)?));
        let mut values = bound.reads.iter().take(SHOWN).map(named).collect::<Result<Vec<_>>>()?;
        if bound.reads.len() > SHOWN {
            values.push("…".to_owned());
        }
        Ok(values.join(", "))
    }

    fn same_columns(&self, batch: &RecordBatch) -> Result<()> {
        let (mine, theirs) = (self.schema.fields(), batch.schema_ref().fields());
        let mut pairs = mine.iter().zip(theirs);
        if Arc::ptr_eq(&self.schema, batch.schema_ref())
            || mine.len() == theirs.len() && pairs.all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
        {
            return Ok(());
        }
        Err(Error::schema(format!(
            "expectations of the columns {} can't be checked on a batch of {}",
            describe_columns(&self.schema),
            describe_columns(batch.schema_ref())
        )))
    }
}

impl Bound {
    /// The column and the check, or the name of the rule.
    pub(super) fn title(&self) -> String {
        match &self.column {
            Some(column) => format!("{column}: {}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether a row that fails is set aside.
    pub(super) fn sets_aside(&self) -> bool {
        self.severity != Severity::Warn && self.tolerance.is_none()
    }
}

/// The schema of quarantined rows.
fn with_reasons(schema: &Schema) -> Result<SchemaRef> {
    if schema.column_with_name(REASONS).is_some() {
        return Err(Error::schema(format!(
            "the data have a column '{REASONS}' already, as rows have that were quarantined before: leave it out"
        )));
    }
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(Field::new(REASONS, DataType::Utf8, false)));
    Ok(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())))
}

fn false_rows(verdict: &BooleanArray) -> Failed {
    let passes = verdict.values();
    some_rows(match verdict.nulls() {
        Some(nulls) => &!passes & nulls.inner(),
        None => !passes,
    })
}
