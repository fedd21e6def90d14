//! Checks of all values of a column together, as folds: exact, and the same in any order.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, max};
use arrow::datatypes::{DataType, Int64Type};
use mlops_core::Result;
use mlops_core::columns::{numbers, texts};
use mlops_core::report::number;
use mlops_core::sketch::{HyperLogLog, Moments};

use super::drift::count_hours;
use super::hash::Keys;
use super::{Distribution, Drift, Interval};

/// A check of a whole column.
#[derive(Debug)]
pub(super) enum Whole {
    Distinct(Interval),
    Drift { drift: Drift, reference: Distribution, positions: HashMap<String, usize> },
    Fresh { now: i64, span: i64, per_tick: i64 },
    Mean(Interval),
    Nulls(Interval),
    Quantile { q: f64, range: Interval },
    Std(Interval),
}

/// What is known of the values so far.
#[derive(Debug)]
pub(super) enum Fold {
    /// How many values are in each bin.
    Bins(Vec<u64>),
    Different(Box<HyperLogLog>),
    Latest(Option<i64>),
    Moments(Box<Moments>),
    /// Nulls, and rows.
    Nulls(u64, u64),
    /// How many numbers are below the range, not above it, and there at all.
    Sides {
        below: u64,
        up_to: u64,
        count: u64,
    },
}

/// What a check of the whole comes to.
pub(super) struct Finding {
    pub(super) passed: bool,
    /// What was found, in words.
    pub(super) found: String,
}

impl Fold {
    pub(super) fn of(whole: &Whole) -> Self {
        match whole {
            Whole::Distinct(_) => Self::Different(Box::default()),
            Whole::Drift { reference, .. } => Self::Bins(vec![0; reference.shares().len()]),
            Whole::Fresh { .. } => Self::Latest(None),
            Whole::Mean(_) | Whole::Std(_) => Self::Moments(Box::default()),
            Whole::Nulls(_) => Self::Nulls(0, 0),
            Whole::Quantile { .. } => Self::Sides { below: 0, up_to: 0, count: 0 },
        }
    }

    pub(super) fn update(&mut self, whole: &Whole, batch: &RecordBatch, column: usize) -> Result<()> {
        let column = batch.column(column);
        if let Self::Nulls(nulls, rows) = self {
            *nulls += column.logical_null_count() as u64;
            *rows += column.len() as u64;
            return Ok(());
        }
        if column.logical_null_count() == column.len() {
            return Ok(());
        }
        match (self, whole) {
            (Self::Bins(bins), Whole::Drift { reference, positions, .. }) => count(bins, reference, positions, column)?,
            (Self::Different(sketch), _) => different(sketch, column)?,
            (Self::Latest(latest), _) => {
                let ticks = cast(column, &DataType::Int64)?;
                *latest = (*latest).max(max(ticks.as_primitive::<Int64Type>()));
            }
            (Self::Moments(moments), _) => {
                let finite: Vec<f64> = numbers(column, "")?.iter().flatten().filter(|x| x.is_finite()).collect();
                moments.update_slice(&finite);
            }
            (Self::Sides { below, up_to, count }, Whole::Quantile { range, .. }) => {
                let (min, max) = range.closed();
                for x in numbers(column, "")?.iter().flatten().filter(|x| !x.is_nan()) {
                    *below += u64::from(x < min);
                    *up_to += u64::from(x <= max);
                    *count += 1;
                }
            }
            // A fold is made for its check.
            _ => {}
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Bins(mine), Self::Bins(theirs)) => mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b),
            (Self::Different(mine), Self::Different(theirs)) => mine.merge(theirs),
            (Self::Latest(mine), Self::Latest(theirs)) => *mine = (*mine).max(*theirs),
            (Self::Moments(mine), Self::Moments(theirs)) => mine.merge(theirs),
            (Self::Nulls(nulls, rows), Self::Nulls(more_nulls, more_rows)) => {
                (*nulls, *rows) = (*nulls + more_nulls, *rows + more_rows);
            }
            (Self::Sides { below, up_to, count }, Self::Sides { below: b, up_to: u, count: c }) => {
                (*below, *up_to, *count) = (*below + b, *up_to + u, *count + c);
            }
            // Both were made for the same check.
            _ => {}
        }
    }

    pub(super) fn finding(&self, whole: &Whole) -> Finding {
        let in_range = |what: &str, value: Option<f64>, range: &Interval| match value {
            Some(value) => Finding { passed: range.contains(value), found: format!("{what} {}", number(value)) },
            None => nothing(),
        };
        match (self, whole) {
            (Self::Different(sketch), Whole::Distinct(range)) => {
                let values = sketch.estimate().round();
                let about = if sketch.is_exact() { "" } else { "about " };
                Finding { passed: range.contains(values), found: format!("{about}{values} different values") }
            }
            (Self::Moments(moments), Whole::Mean(range)) => in_range("mean", moments.mean(), range),
            (Self::Moments(moments), Whole::Std(range)) => in_range("standard deviation", moments.std(0), range),
            (Self::Nulls(_, 0), _) => Finding { passed: true, found: "no rows".to_owned() },
            (Self::Nulls(nulls, rows), Whole::Nulls(range)) => {
                in_range("share of nulls", Some(*nulls as f64 / *rows as f64), range)
            }
            (Self::Sides { below, up_to, count }, Whole::Quantile { q, range }) => {
                quantile(*q, range, *below, *up_to, *count)
            }
            (Self::Bins(bins), Whole::Drift { drift, reference, .. }) => distance(bins, drift, reference),
            (Self::Latest(Some(latest)), Whole::Fresh { now, span, per_tick }) => {
                let age = now.saturating_sub(latest.saturating_mul(*per_tick));
                let side = if age < 0 { "in the future" } else { "ago" };
                let hours = number(age.unsigned_abs() as f64 / 3.6e12);
                Finding {
                    passed: age.unsigned_abs() <= span.unsigned_abs(),
                    found: format!("latest {hours} hours {side}"),
                }
            }
            _ => nothing(),
        }
    }
}

fn nothing() -> Finding {
    Finding { passed: false, found: "there is no value to judge by".to_owned() }
}

fn different(sketch: &mut HyperLogLog, column: &ArrayRef) -> Result<()> {
    let nulls = column.logical_nulls();
    let is_there = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    match Keys::of(column)? {
        Keys::Small(keys) => keys
            .iter()
            .enumerate()
            .filter(|(row, _)| is_there(*row))
            .for_each(|(_, key)| sketch.insert_i64(*key as i64)),
        Keys::Wide(keys) => keys
            .iter()
            .enumerate()
            .filter(|(row, _)| is_there(*row))
            .for_each(|(_, key)| sketch.insert_hash(*key as u64)),
    }
    Ok(())
}

fn count(
    bins: &mut [u64],
    reference: &Distribution,
    positions: &HashMap<String, usize>,
    column: &ArrayRef,
) -> Result<()> {
    match reference {
        Distribution::Numbers { edges, .. } => {
            for x in numbers(column, "")?.iter().flatten().filter(|x| !x.is_nan()) {
                bins[edges.partition_point(|edge| *edge < x)] += 1;
            }
        }
        Distribution::Hours { .. } => count_hours(bins, column)?,
        Distribution::Categories { values, .. } => {
            let column =
                if *column.data_type() == DataType::Boolean { &cast(column, &DataType::Utf8)? } else { column };
            for text in texts(column, "")?.iter().flatten() {
                bins[positions.get(text).copied().unwrap_or(values.len())] += 1;
            }
        }
    }
    Ok(())
}

fn distance(bins: &[u64], drift: &Drift, reference: &Distribution) -> Finding {
    let total: u64 = bins.iter().sum();
    if total == 0 {
        return nothing();
    }
    let observed: Vec<f64> = bins.iter().map(|count| *count as f64 / total as f64).collect();
    let distance = drift.measure.distance(reference.shares(), &observed);
    Finding { passed: distance <= drift.limit, found: format!("distance {}", number(distance)) }
}

/// The quantile is the number of rank ⌈q · count⌉: it is in the range if fewer numbers are below the
/// range, and at least as many are not above it.
fn quantile(q: f64, range: &Interval, below: u64, up_to: u64, count: u64) -> Finding {
    if count == 0 {
        return nothing();
    }
    let share = |n: u64| number(n as f64 / count as f64 * 100.0);
    let rank = ((q * count as f64).ceil() as u64).clamp(1, count);
    let found = match (below < rank, up_to >= rank) {
        (true, true) => format!("{} % are below the range, {} % above", share(below), share(count - up_to)),
        (false, _) => format!("quantile {q} is below {range}, as {} % of the numbers are", share(below)),
        (_, false) => format!("quantile {q} is above {range}, as {} % of the numbers are", share(count - up_to)),
    };
    Finding { passed: below < rank && up_to >= rank, found }
}
