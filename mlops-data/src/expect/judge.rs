use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use mlops_core::columns::{describe_columns, find_column, is_text, numbers, texts};
use mlops_core::{Error, Expr, Literal, Result, ResultExt};
use regex::Regex;

use super::cell::show;
use super::{Check, Column, Expectations, Extra, Interval, Kind, REASONS, RowCheck, Severity};

/// Expectations bound to a schema: every check is known to be possible.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) checks: Vec<Bound>,
    /// What the rows have.
    pub(super) schema: SchemaRef,
    /// What quarantined rows have.
    pub(super) quarantine: SchemaRef,
}

/// One check, ready to be made.
#[derive(Debug)]
pub(super) struct Bound {
    /// The column that it reads; `None` for a rule over the row.
    pub(super) column: Option<(usize, String)>,
    /// What it is called in reports.
    pub(super) name: String,
    pub(super) severity: Severity,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Finite,
    Length(Interval),
    Matches(Regex),
    NeverNull,
    NumberOneOf(Vec<f64>),
    Row(Expr),
    TextOneOf(HashSet<String>),
    /// Judged in the order of the rows, by [`Validation`](super::Validation).
    Unique,
    Within(Interval),
}

/// Marks the rows that fail; `None` if none does.
pub(super) type Failed = Option<BooleanBuffer>;

impl Judge {
    pub(super) fn bind(expectations: &Expectations, schema: &Schema) -> Result<Self> {
        let mut checks = Vec::new();
        for (i, column) in expectations.columns.iter().enumerate() {
            if expectations.columns[..i].iter().any(|before| before.name == column.name) {
                return Err(Error::config(format!(
                    "column '{}' is expected twice: put all its checks in one `Column`",
                    column.name
                )));
            }
            bind_column(column, schema, &mut checks)?;
        }
        for rule in &expectations.rows {
            checks.push(bind_rule(rule, schema)?);
        }
        if expectations.extra_columns == Extra::Refuse {
            refuse_extra(expectations, schema)?;
        }
        Ok(Self { checks, schema: Arc::new(schema.clone()), quarantine: with_reasons(schema)? })
    }

    /// The checks of uniqueness, each with its place among all checks and its column.
    pub(super) fn unique(&self) -> impl Iterator<Item = (usize, usize)> {
        self.checks.iter().enumerate().filter_map(|(check, bound)| match (&bound.test, &bound.column) {
            (Test::Unique, Some((column, _))) => Some((check, *column)),
            _ => None,
        })
    }

    /// What every check finds in `batch`, looking at each row alone.
    pub(super) fn verdict(&self, batch: &RecordBatch) -> Result<Vec<Failed>> {
        self.same_columns(batch)?;
        let columns = self.schema.fields().iter().zip(batch.columns());
        let cells: Vec<Cells<'_>> = columns.map(|(field, column)| Cells::of(column, field.name())).collect();
        self.checks
            .iter()
            .map(|bound| match (&bound.test, &bound.column) {
                (Test::Row(condition), _) => {
                    let verdict = condition.evaluate(batch).context("rule", &bound.name)?;
                    Ok(verdict.as_boolean_opt().and_then(false_rows))
                }
                (test, Some((column, _))) => cells[*column].failed(test),
                (_, None) => Err(Error::internal(format!("check '{}' has no column", bound.name))),
            })
            .collect()
    }

    /// What the check at index `check` looked at in `row`.
    pub(super) fn show(&self, check: usize, batch: &RecordBatch, row: usize) -> Result<String> {
        match &self.checks[check] {
            Bound { column: Some((column, _)), .. } => show(batch.column(*column), row),
            Bound { test: Test::Row(condition), .. } => {
                let values = condition.columns().into_iter().map(|name| {
                    let column = batch.column(find_column(&self.schema, name)?);
                    Ok(format!("{name} = {}", show(column, row)?))
                });
                Ok(values.collect::<Result<Vec<_>>>()?.join(", "))
            }
            bound => Err(Error::internal(format!("check '{}' has no column", bound.name))),
        }
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

/// A column of a batch, converted at most once for all checks of it.
struct Cells<'a> {
    column: &'a ArrayRef,
    name: &'a str,
    /// Whether no value is left to look at.
    all_null: bool,
    numbers: OnceCell<Float64Array>,
    texts: OnceCell<StringArray>,
}

impl<'a> Cells<'a> {
    fn of(column: &'a ArrayRef, name: &'a str) -> Self {
        let all_null = column.logical_null_count() == column.len();
        Self { column, name, all_null, numbers: OnceCell::new(), texts: OnceCell::new() }
    }

    fn failed(&self, test: &Test) -> Result<Failed> {
        Ok(match test {
            Test::NeverNull => {
                let nulls = self.column.logical_nulls().filter(|nulls| nulls.null_count() > 0);
                nulls.map(|nulls| !nulls.inner())
            }
            _ if self.all_null => None,
            Test::Finite => failed_numbers(self.numbers()?, f64::is_finite),
            Test::Length(interval) => {
                failed_texts(self.texts()?, |text| interval.contains(text.chars().count() as f64))
            }
            Test::Matches(pattern) => failed_texts(self.texts()?, |text| pattern.is_match(text)),
            Test::NumberOneOf(values) => failed_numbers(self.numbers()?, |value| values.contains(&value)),
            Test::TextOneOf(values) => failed_texts(self.texts()?, |text| values.contains(text)),
            Test::Within(interval) => failed_numbers(self.numbers()?, |value| interval.contains(value)),
            Test::Row(_) | Test::Unique => None,
        })
    }

    fn numbers(&self) -> Result<&Float64Array> {
        if let Some(numbers) = self.numbers.get() {
            return Ok(numbers);
        }
        let numbers = numbers(self.column, self.name)?;
        Ok(self.numbers.get_or_init(|| numbers))
    }

    fn texts(&self) -> Result<&StringArray> {
        if let Some(texts) = self.texts.get() {
            return Ok(texts);
        }
        let texts = texts(self.column, self.name)?;
        Ok(self.texts.get_or_init(|| texts))
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

fn bind_column(column: &Column, schema: &Schema, checks: &mut Vec<Bound>) -> Result<()> {
    let index = find_column(schema, &column.name).context("expected", column.kind)?;
    let field = schema.field(index);
    if !column.kind.takes(field.data_type()) {
        return Err(Error::schema(format!(
            "column '{}' is {}, but {} is expected: declare its type in the source, or expect another kind",
            column.name,
            field.data_type(),
            column.kind
        )));
    }
    for check in &column.checks {
        checks.push(Bound {
            column: Some((index, column.name.clone())),
            name: check.to_string(),
            severity: check.severity(),
            test: bind_check(&check.check, field)?,
        });
    }
    Ok(())
}

fn bind_check(check: &Check, field: &Field) -> Result<Test> {
    let data_type = field.data_type();
    let needs = |kind: Kind, fits: bool| {
        if fits || *data_type == DataType::Null {
            return Ok(());
        }
        Err(Error::schema(format!(
            "'{check}' is for {kind}, but column '{}' is {data_type}: take the check off, or declare another type",
            field.name()
        )))
    };
    Ok(match check {
        Check::Finite => {
            needs(Kind::Number, data_type.is_numeric())?;
            Test::Finite
        }
        Check::Length(interval) => {
            needs(Kind::Text, is_text(data_type))?;
            Test::Length(sensible(interval, check, field)?)
        }
        Check::Matches(pattern) => {
            needs(Kind::Text, is_text(data_type))?;
            let pattern = Regex::new(pattern).map_err(|e| {
                Error::config(format!("'{pattern}' for column '{}' is no regular expression: {e}", field.name()))
                    .with_source(e)
            })?;
            Test::Matches(pattern)
        }
        Check::NeverNull => Test::NeverNull,
        Check::OneOf(values) => bind_values(values, field)?,
        Check::Unique => Test::Unique,
        Check::Within(interval) => {
            needs(Kind::Number, data_type.is_numeric())?;
            Test::Within(sensible(interval, check, field)?)
        }
    })
}

/// An interval that holds something.
fn sensible(interval: &Interval, check: &Check, field: &Field) -> Result<Interval> {
    let finite = |bound: Option<f64>| bound.is_none_or(f64::is_finite);
    let empty = match (interval.min, interval.max) {
        (Some(min), Some(max)) => min > max || (min == max && (interval.exclusive_min || interval.exclusive_max)),
        _ => false,
    };
    if !finite(interval.min) || !finite(interval.max) || empty {
        return Err(Error::config(format!(
            "'{check}' for column '{}' holds no value: give finite bounds, the smaller one first",
            field.name()
        )));
    }
    Ok(*interval)
}

fn bind_values(values: &[Literal], field: &Field) -> Result<Test> {
    let data_type = field.data_type();
    if is_text(data_type) || *data_type == DataType::Null {
        let texts = values.iter().map(|value| match value {
            Literal::Text(text) => Ok(text.clone()),
            other => Err(misfit(other, field)),
        });
        return Ok(Test::TextOneOf(texts.collect::<Result<_>>()?));
    }
    let number = |value: &Literal| match value {
        Literal::Int(value) if data_type.is_numeric() => Ok(*value as f64),
        Literal::Float(value) if data_type.is_numeric() => Ok(*value),
        Literal::Bool(value) if *data_type == DataType::Boolean => Ok(f64::from(u8::from(*value))),
        other => Err(misfit(other, field)),
    };
    Ok(Test::NumberOneOf(values.iter().map(number).collect::<Result<_>>()?))
}

fn misfit(value: &Literal, field: &Field) -> Error {
    Error::schema(format!(
        "column '{}' is {}: it can't be one of {}, which is of another type",
        field.name(),
        field.data_type(),
        mlops_core::lit(value.clone())
    ))
}

fn bind_rule(rule: &RowCheck, schema: &Schema) -> Result<Bound> {
    let data_type = rule.condition.data_type(schema).context("rule", &rule.name)?;
    if data_type != DataType::Boolean && data_type != DataType::Null {
        return Err(Error::schema(format!(
            "{} is {data_type}, but a rule is a condition (Boolean): compare it with something",
            rule.condition
        ))
        .with_context("rule", &rule.name));
    }
    Ok(Bound {
        column: None,
        name: rule.name.clone(),
        severity: rule.severity(),
        test: Test::Row(rule.condition.clone()),
    })
}

fn refuse_extra(expectations: &Expectations, schema: &Schema) -> Result<()> {
    let known = expectations.reads();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let extra: Vec<&str> = names.filter(|name| !known.contains(name)).collect();
    if extra.is_empty() {
        return Ok(());
    }
    Err(Error::schema(format!(
        "unexpected columns '{}': take them out of the data, expect them with `Column::any`, or allow extra columns",
        extra.join("', '")
    )))
}

fn false_rows(verdict: &BooleanArray) -> Failed {
    let passes = verdict.values();
    let failed = match verdict.nulls() {
        Some(nulls) => &!passes & nulls.inner(),
        None => !passes,
    };
    some_rows(failed)
}

fn failed_numbers(values: &Float64Array, passes: impl Fn(f64) -> bool) -> Failed {
    let raw = values.values();
    let failed = BooleanBuffer::collect_bool(raw.len(), |row| !passes(raw[row]));
    some_rows(match values.nulls() {
        Some(nulls) => &failed & nulls.inner(),
        None => failed,
    })
}

fn failed_texts(values: &StringArray, passes: impl Fn(&str) -> bool) -> Failed {
    let failed = BooleanBuffer::collect_bool(values.len(), |row| values.is_valid(row) && !passes(values.value(row)));
    some_rows(failed)
}

fn some_rows(failed: BooleanBuffer) -> Failed {
    (failed.count_set_bits() > 0).then_some(failed)
}
