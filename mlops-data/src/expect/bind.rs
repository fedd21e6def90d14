//! From expectations and a schema to checks that are ready to be made.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::datatypes::{DataType, Field, Schema};
use mlops_core::columns::{find_column, is_text};
use mlops_core::{Error, Literal, Result, ResultExt};

use super::cells::CellTest;
use super::check::check_severity;
use super::judge::{Bound, Test};
use super::pattern::Pattern;
use super::sequence::Sequence;
use super::time::{nanos, nanos_per_tick};
use super::whole::Whole;
use super::{Check, Column, ColumnCheck, Dependency, Distribution, Drift, Expectations, Extra, Key, Kind, Severity};

/// Every check, in the order in which it is reported.
///
/// Checks that no data can make sense of are an error; those that do not fit this schema are bound
/// to fail and say why. `whole` is what the data have, `schema` what is read of it.
pub(super) fn all(expectations: &Expectations, schema: &Schema, whole: &Schema) -> Result<Vec<Bound>> {
    expectations.check_version()?;
    let now = match &expectations.now {
        Some(now) => nanos(now)?,
        None => clock(),
    };
    let mut checks = Vec::new();
    for (i, column) in expectations.columns.iter().enumerate() {
        if expectations.columns[..i].iter().any(|before| before.name == column.name) {
            return Err(Error::config(format!(
                "column '{}' is expected twice: put all its checks in one `Column`",
                column.name
            )));
        }
        bind_column(column, schema, now, &mut checks)?;
    }
    for rule in &expectations.rows {
        check_severity(&rule.name, true, severity(rule.severity, rule.tolerance), rule.tolerance)?;
        let reads = places(rule.condition.columns(), schema);
        let test = match reads.and_then(|reads| Ok((rule.condition.data_type(schema)?, reads))) {
            Ok((DataType::Boolean | DataType::Null, reads)) => (Test::Row(rule.condition.clone()), reads),
            Ok((data_type, _)) => impossible(format!(
                "{} is {data_type}, but a rule is a condition (Boolean): compare it with something",
                rule.condition
            )),
            Err(error) if error.kind() == mlops_core::ErrorKind::Config => return Err(error),
            Err(error) => impossible(error.to_string()),
        };
        checks.push(of_table(rule.name.clone(), rule.severity, rule.tolerance, test));
    }
    for key in &expectations.keys {
        checks.push(bind_key(key, schema)?);
    }
    for dependency in &expectations.dependencies {
        checks.push(bind_dependency(dependency, schema)?);
    }
    if let Some(count) = &expectations.row_count {
        count.range.check().context("expected", "row count")?;
        let severity = count.severity.unwrap_or(Severity::Fail);
        check_severity(&"row count", false, severity, None)?;
        let test = (Test::RowCount(count.range), Vec::new());
        checks.push(of_table(format!("row count {}", count.range), Some(severity), None, test));
    }
    checks.extend(bind_extra(expectations, whole));
    Ok(checks)
}

fn clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn severity(declared: Option<Severity>, tolerance: Option<f64>) -> Severity {
    let usual = if tolerance.is_some() { Severity::Fail } else { Severity::Quarantine };
    declared.unwrap_or(usual)
}

fn of_table(
    name: String,
    declared: Option<Severity>,
    tolerance: Option<f64>,
    (test, reads): (Test, Vec<usize>),
) -> Bound {
    let name = match tolerance {
        Some(tolerance) => format!("{name}, but for {} % of rows", tolerance * 100.0),
        None => name,
    };
    Bound { column: None, name, severity: severity(declared, tolerance), tolerance, reads, test }
}

fn impossible(reason: String) -> (Test, Vec<usize>) {
    (Test::Impossible(reason), Vec::new())
}

fn places<'a>(names: impl IntoIterator<Item = &'a str>, schema: &Schema) -> Result<Vec<usize>> {
    names.into_iter().map(|name| find_column(schema, name)).collect()
}

fn bind_key(key: &Key, schema: &Schema) -> Result<Bound> {
    let name = match key.columns.as_slice() {
        [] => "no row comes twice".to_owned(),
        columns => format!("{} come together once", columns.join(", ")),
    };
    check_severity(&name, true, severity(key.severity, key.tolerance), key.tolerance)?;
    let all: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let named: Vec<&str> = key.columns.iter().map(String::as_str).collect();
    let test = match places(if named.is_empty() { all } else { named }, schema) {
        Ok(reads) => (Test::Sequence(Sequence::Key), reads),
        Err(error) => impossible(error.to_string()),
    };
    Ok(of_table(name, key.severity, key.tolerance, test))
}

fn bind_dependency(dependency: &Dependency, schema: &Schema) -> Result<Bound> {
    let Dependency { from, to, severity: declared, tolerance } = dependency;
    let name = format!("{to} follows from {}", from.join(", "));
    if from.is_empty() || from.contains(to) {
        return Err(Error::config(format!("'{name}' makes no sense: give at least one column that is another one")));
    }
    check_severity(&name, true, severity(*declared, *tolerance), *tolerance)?;
    let test = match places(from.iter().chain([to]).map(String::as_str), schema) {
        Ok(reads) => (Test::Sequence(Sequence::Dependency), reads),
        Err(error) => impossible(error.to_string()),
    };
    Ok(of_table(name, *declared, *tolerance, test))
}

fn bind_extra(expectations: &Expectations, schema: &Schema) -> Option<Bound> {
    let severity = match expectations.extra_columns {
        Extra::Allow => return None,
        Extra::Refuse => Severity::Fail,
        Extra::Warn => Severity::Warn,
    };
    let known = expectations.named();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let extra: Vec<&str> = names.filter(|name| !known.contains(name)).collect();
    let test = match extra.as_slice() {
        [] => Test::Given(None),
        extra => Test::Failed(format!(
            "unexpected columns '{}': take them out of the data, expect them with `Column::any`, or allow extra columns",
            extra.join("', '")
        )),
    };
    Some(of_table("no other columns".to_owned(), Some(severity), None, (test, Vec::new())))
}

fn bind_column(column: &Column, schema: &Schema, now: i64, checks: &mut Vec<Bound>) -> Result<()> {
    for check in &column.checks {
        check_severity(check, check.check.is_of_rows(), check.severity(), check.tolerance)
            .and_then(|()| sensible(&check.check))
            .context("column", &column.name)?;
    }
    let found = find_column(schema, &column.name);
    let name = if column.kind == Kind::Any { "is there".to_owned() } else { column.kind.to_string() };
    let presence = |test: Test| Bound {
        column: Some(column.name.clone()),
        name,
        severity: Severity::Fail,
        tolerance: None,
        reads: Vec::new(),
        test,
    };
    let index = match found {
        Ok(index) => index,
        Err(_) if column.optional => {
            checks.push(presence(Test::Given(Some("is not there, which is allowed".to_owned()))));
            return Ok(());
        }
        Err(error) => {
            checks.push(presence(Test::Failed(error.to_string())));
            let missing = || Test::Impossible(format!("there is no column '{}' to check", column.name));
            checks.extend(column.checks.iter().map(|check| of_column(column, check, Vec::new(), missing())));
            return Ok(());
        }
    };
    let field = schema.field(index);
    checks.push(presence(if column.kind.takes(field.data_type()) {
        Test::Given(None)
    } else {
        Test::Failed(format!(
            "column '{}' is {}, but {} is expected: declare its type in the source, or expect another kind",
            column.name,
            field.data_type(),
            column.kind
        ))
    }));
    for check in &column.checks {
        let test = bind_check(&check.check, field, now)?;
        checks.push(of_column(column, check, vec![index], test));
    }
    Ok(())
}

fn of_column(column: &Column, check: &ColumnCheck, reads: Vec<usize>, test: Test) -> Bound {
    Bound {
        column: Some(column.name.clone()),
        name: check.to_string(),
        severity: check.severity(),
        tolerance: check.tolerance,
        reads,
        test,
    }
}

/// Refuses a check that makes no sense for any column.
fn sensible(check: &Check) -> Result<()> {
    match check {
        Check::Distinct(interval) | Check::Length(interval) | Check::Mean(interval) => interval.check(),
        Check::Nulls(interval) | Check::Std(interval) | Check::Within(interval) => interval.check(),
        Check::Quantile { q, range } if (0.0..=1.0).contains(q) => range.check(),
        Check::Quantile { q, .. } => Err(Error::config(format!("there is no quantile {q}: give a share from 0 to 1"))),
        Check::Drift(drift) => drift.check(),
        Check::During(period) => period.ticks(&DataType::Date64).map(drop),
        Check::Matches(pattern) => Pattern::new(pattern).map(drop),
        _ => Ok(()),
    }
    .context("check", check)
}

fn bind_check(check: &Check, field: &Field, now: i64) -> Result<Test> {
    let data_type = field.data_type();
    let null = *data_type == DataType::Null;
    let time = Kind::Timestamp.takes(data_type);
    let (kind, fits) = match check {
        Check::Length(_) | Check::Matches(_) => (Kind::Text, is_text(data_type)),
        Check::Finite | Check::Mean(_) | Check::Quantile { .. } | Check::Std(_) | Check::Within(_) => {
            (Kind::Number, data_type.is_numeric())
        }
        Check::During(_) | Check::Fresh(_) => (Kind::Timestamp, time),
        Check::Ascending | Check::Descending | Check::StrictlyAscending => (Kind::Any, !data_type.is_nested()),
        _ => (Kind::Any, true),
    };
    if !fits && !null {
        return Ok(Test::Impossible(format!(
            "'{check}' is for {kind}, but column '{}' is {data_type}: take the check off, or declare another type",
            field.name()
        )));
    }
    Ok(match check {
        Check::Ascending => Test::Sequence(Sequence::Order { descending: false, strict: false }),
        Check::Descending => Test::Sequence(Sequence::Order { descending: true, strict: false }),
        Check::StrictlyAscending => Test::Sequence(Sequence::Order { descending: false, strict: true }),
        Check::Unique => Test::Sequence(Sequence::Unique),
        Check::During(period) => {
            let (first, last) = period.ticks(data_type)?;
            Test::Cell(CellTest::Between(first, last))
        }
        Check::Finite => Test::Cell(CellTest::Finite),
        Check::Length(interval) => Test::Cell(CellTest::Length(*interval)),
        Check::Matches(pattern) => Test::Cell(CellTest::Matches(Pattern::new(pattern)?)),
        Check::NeverNull => Test::Cell(CellTest::NeverNull),
        Check::OneOf(values) => bind_values(values, field),
        Check::Within(interval) => Test::Cell(CellTest::Within(interval.closed())),
        Check::Distinct(interval) => Test::Whole(Whole::Distinct(*interval)),
        Check::Drift(drift) => bind_drift(drift, field),
        Check::Fresh(span) => Test::Whole(Whole::Fresh {
            now,
            span: i64::try_from(span.seconds()).unwrap_or(i64::MAX).saturating_mul(1_000_000_000),
            per_tick: nanos_per_tick(data_type),
        }),
        Check::Mean(interval) => Test::Whole(Whole::Mean(*interval)),
        Check::Nulls(interval) => Test::Whole(Whole::Nulls(*interval)),
        Check::Quantile { q, range } => Test::Whole(Whole::Quantile { q: *q, range: *range }),
        Check::Std(interval) => Test::Whole(Whole::Std(*interval)),
    })
}

fn bind_drift(drift: &Drift, field: &Field) -> Test {
    let data_type = field.data_type();
    let Some(reference) = &drift.reference else {
        return Test::Impossible(format!(
            "the check of column '{}' has no reference to compare with: give it a profile with `with_reference`",
            field.name()
        ));
    };
    let positions = match reference {
        Distribution::Numbers { .. } if data_type.is_numeric() => HashMap::new(),
        Distribution::Hours { .. } if matches!(data_type, DataType::Timestamp(..) | DataType::Date64) => HashMap::new(),
        Distribution::Categories { values, .. } if is_text(data_type) || *data_type == DataType::Boolean => {
            values.iter().cloned().enumerate().map(|(i, value)| (value, i)).collect()
        }
        _ => {
            return Test::Impossible(format!(
                "column '{}' is {data_type}, its reference is of another kind: take the reference from a profile of this column",
                field.name()
            ));
        }
    };
    Test::Whole(Whole::Drift { drift: drift.clone(), reference: reference.clone(), positions })
}

fn bind_values(values: &[Literal], field: &Field) -> Test {
    let data_type = field.data_type();
    let text = is_text(data_type) || *data_type == DataType::Null;
    let number = |value: &Literal| match value {
        Literal::Int(value) if data_type.is_numeric() => Some(*value as f64),
        Literal::Float(value) if data_type.is_numeric() => Some(*value),
        Literal::Bool(value) if *data_type == DataType::Boolean => Some(f64::from(u8::from(*value))),
        _ => None,
    };
    let fits = |value: &&Literal| if text { matches!(value, Literal::Text(_)) } else { number(value).is_some() };
    if let Some(misfit) = values.iter().find(|value| !fits(value)) {
        return Test::Impossible(format!(
            "column '{}' is {data_type}: it can't be one of {misfit}, which is of another type",
            field.name()
        ));
    }
    if text {
        let texts =
            values.iter().filter_map(|value| if let Literal::Text(text) = value { Some(text.as_str()) } else { None });
        return Test::Cell(CellTest::TextOneOf(texts.collect()));
    }
    Test::Cell(CellTest::NumberOneOf(values.iter().filter_map(number).collect()))
}
