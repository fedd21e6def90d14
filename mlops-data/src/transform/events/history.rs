//! The last events of every key, and what they say about a row.

use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef, TimeUnit};
use mlops_core::columns::{find_column, numbers};
use mlops_core::sketch::Moments;
use mlops_core::{Artifact, Codecs, Error, Load, Result, ResultExt, RowTransform, Run, Table, Transform, Value};
use serde::{Deserialize, Serialize};

use super::recipes::{Statistic, Window};
use crate::transform::columns::{cell_of, check_width, distinct, number_field};
use crate::transform::groups::{Groups, Keys, Vocabulary};
use crate::transform::learn::{check_columns, check_numeric};

/// What is looked for, and in which columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) column: String,
    pub(super) key: String,
    pub(super) time: String,
    pub(super) features: Vec<Feature>,
}

/// One output.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Feature {
    Lag(NonZeroUsize),
    Rolling { window: Window, statistic: Statistic },
}

/// The units of the time column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Clock {
    Days,
    Microseconds,
    Milliseconds,
    Nanoseconds,
    Seconds,
    Units,
}

impl Clock {
    fn of(field: &Field) -> Result<Self> {
        Ok(match field.data_type() {
            DataType::Date32 => Self::Days,
            DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => Self::Milliseconds,
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Microseconds,
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Self::Nanoseconds,
            DataType::Timestamp(TimeUnit::Second, _) => Self::Seconds,
            DataType::UInt64 => return Err(Self::refused(field)),
            integer if integer.is_integer() => Self::Units,
            _ => return Err(Self::refused(field)),
        })
    }

    fn refused(field: &Field) -> Error {
        Error::schema(format!(
            "column '{}' is {}, but the time of an event is a date, a timestamp or a signed whole number: convert it",
            field.name(),
            field.data_type()
        ))
    }

    fn ticks(self, seconds: u64) -> i64 {
        let ticks = match self {
            Self::Days => seconds / 86_400,
            Self::Microseconds => seconds.saturating_mul(1_000_000),
            Self::Milliseconds => seconds.saturating_mul(1_000),
            Self::Nanoseconds => seconds.saturating_mul(1_000_000_000),
            Self::Seconds | Self::Units => seconds,
        };
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }
}

/// Events of one key by time, as far as they are remembered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Events {
    times: Vec<i64>,
    values: Vec<Option<f64>>,
    /// Whether there were others before these.
    forgotten: bool,
}

impl Events {
    fn sort(&mut self) {
        let mut events: Vec<(i64, Option<f64>)> = self.times.iter().copied().zip(self.values.drain(..)).collect();
        let order = |x: Option<f64>| x.map_or((false, 0), |x| (true, ordered(x)));
        events.sort_unstable_by_key(|(time, value)| (*time, order(*value)));
        (self.times, self.values) = events.into_iter().unzip();
    }

    /// Forgets all but the last that `features` look at.
    fn forget(&mut self, features: &[Feature], clock: Clock) {
        let Some(last) = self.times.last().copied() else { return };
        let start = |feature: &Feature| match feature {
            Feature::Lag(rows) | Feature::Rolling { window: Window::Rows(rows), .. } => {
                self.times.len().saturating_sub(rows.get())
            }
            Feature::Rolling { window: Window::Seconds(seconds), .. } => {
                let earliest = last.saturating_sub(clock.ticks(*seconds));
                self.times.partition_point(|time| *time < earliest)
            }
        };
        let start = features.iter().map(start).min().unwrap_or(self.times.len());
        self.times.drain(..start);
        self.values.drain(..start);
        self.forgotten |= start > 0;
    }

    /// What the events before `time` say; `None` if that is forgotten, or nothing.
    fn look(&self, feature: Feature, time: i64, clock: Clock) -> Option<f64> {
        let end = self.times.partition_point(|event| *event < time);
        match feature {
            Feature::Lag(rows) => self.values[end.checked_sub(rows.get())?],
            Feature::Rolling { window: Window::Rows(rows), statistic } => {
                if end < rows.get() && self.forgotten {
                    return None;
                }
                compute(statistic, &self.values[end.saturating_sub(rows.get())..end])
            }
            Feature::Rolling { window: Window::Seconds(seconds), statistic } => {
                let earliest = time.saturating_sub(clock.ticks(seconds));
                let start = self.times.partition_point(|event| *event < earliest);
                // The whole span before the last event is remembered, and so that of all later times.
                if start == 0 && self.forgotten && self.times.last().is_none_or(|last| time < *last) {
                    return None;
                }
                compute(statistic, &self.values[start..end.max(start)])
            }
        }
    }
}

/// The bits of a number in the order of `f64::total_cmp`.
fn ordered(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

fn compute(statistic: Statistic, values: &[Option<f64>]) -> Option<f64> {
    let mut moments = Moments::default();
    values.iter().flatten().for_each(|x| moments.update(*x));
    match statistic {
        Statistic::Count => Some(moments.count() as f64),
        Statistic::Max => moments.max(),
        Statistic::Mean => moments.mean(),
        Statistic::Min => moments.min(),
        Statistic::Std => moments.std(1),
        Statistic::Sum => (moments.count() > 0).then(|| moments.sum()),
    }
}

/// What was learned: the last events of every key that training saw.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(in crate::transform) struct History(Arc<Stored>);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    plan: Plan,
    clock: Clock,
    keys: Vocabulary,
    events: Vec<Events>,
}

impl From<History> for Stored {
    fn from(History(stored): History) -> Self {
        Arc::unwrap_or_clone(stored)
    }
}

impl TryFrom<Stored> for History {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let sound = |events: &Events| events.times.len() == events.values.len() && events.times.is_sorted();
        if stored.events.len() != stored.keys.len() || !stored.events.iter().all(sound) {
            return Err(Error::corrupt("the events are not one list in order of time for each key"));
        }
        Ok(Self(Arc::new(stored)))
    }
}

impl Plan {
    fn check(&self, input: &Schema) -> Result<Clock> {
        check_numeric(input.field(find_column(input, &self.column)?))?;
        Clock::of(input.field(find_column(input, &self.time)?))
    }

    fn name(&self, feature: &Feature) -> String {
        match feature {
            Feature::Lag(rows) => format!("{}_lag_{rows}", self.column),
            Feature::Rolling { window, statistic } => format!("{}_{statistic}_{window}", self.column),
        }
    }

    /// The times of a batch.
    fn times(&self, batch: &RecordBatch) -> Result<Int64Array> {
        let column = batch.column(find_column(batch.schema_ref(), &self.time)?);
        // Dates of days are 32 bits wide, and only go to 64 by way of their own kind.
        let column =
            if *column.data_type() == DataType::Date32 { cast(column, &DataType::Int32)? } else { Arc::clone(column) };
        Ok(cast(&column, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    fn keys(&self, batch: &RecordBatch) -> Result<Keys> {
        Keys::read(batch.column(find_column(batch.schema_ref(), &self.key)?), &self.key)
    }
}

impl crate::transform::groups::Gather for Events {
    fn gather(&mut self, mut other: Self) {
        self.times.append(&mut other.times);
        self.values.append(&mut other.values);
        self.forgotten |= other.forgotten;
    }
}

impl History {
    pub(super) fn learn(plan: Plan, data: &Table, run: &Run) -> Result<Self> {
        let mut whole = Self::gather(plan, data, run)?;
        let Stored { plan, clock, events, .. } = Arc::make_mut(&mut whole.0);
        events.iter_mut().for_each(|events| events.forget(&plan.features, *clock));
        whole.output_schema(data.schema())?;
        Ok(whole)
    }

    /// The training rows know all that was before them.
    pub(super) fn learn_transform(plan: Plan, data: &Table, run: &Run) -> Result<(Self, Table)> {
        let mut whole = Self::gather(plan, data, run)?;
        let schema = whole.output_schema(data.schema())?;
        let table = run.install(|| data.map_batches(schema, |batch| whole.apply(batch)))??;
        let Stored { plan, clock, events, .. } = Arc::make_mut(&mut whole.0);
        events.iter_mut().for_each(|events| events.forget(&plan.features, *clock));
        Ok((whole, table))
    }

    /// All events.
    fn gather(plan: Plan, data: &Table, run: &Run) -> Result<Self> {
        run.check()?;
        let schema = data.schema();
        check_columns(schema, data.roles(), &[plan.column.clone(), plan.key.clone(), plan.time.clone()])?;
        let clock = plan.check(schema)?;
        let mut groups = Groups::<Events>::of(schema.field(find_column(schema, &plan.key)?))?;
        for batch in data.batches() {
            let (times, keys) = (plan.times(batch)?, plan.keys(batch)?);
            let values = numbers(batch.column(find_column(batch.schema_ref(), &plan.column)?), &plan.column)?;
            groups.change(&keys, Events::default, |events, row| {
                // An event without a time comes before nothing.
                if times.is_valid(row) {
                    let value = values.is_valid(row).then(|| values.value(row));
                    events.times.push(times.value(row));
                    events.values.push(value.filter(|x| !x.is_nan()));
                }
            })?;
        }
        let (keys, mut events) = groups.finish()?;
        events.iter_mut().for_each(Events::sort);
        if events.iter().flat_map(|events| &events.values).flatten().any(|x| x.is_infinite()) {
            return Err(Error::data(format!(
                "column '{}' has an infinity, which can't be remembered: clip it, or filter those rows",
                plan.column
            )));
        }
        Ok(Self(Arc::new(Stored { plan, clock, keys, events })))
    }

    fn look(&self, key: Option<usize>, time: Option<i64>, feature: Feature) -> Option<f64> {
        self.0.events.get(key?)?.look(feature, time?, self.0.clock)
    }
}

impl Transform for History {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        let Stored { plan, clock, keys, .. } = self.0.as_ref();
        keys.check(input.field(find_column(input, &plan.key)?))?;
        let time = input.field(find_column(input, &plan.time)?);
        let given = Clock::of(time)?;
        if given != *clock {
            return Err(Error::schema(format!(
                "column '{}' is {}, in {given:?}, but its times were in {clock:?} when they were learned: convert it, or fit again",
                plan.time,
                time.data_type()
            )));
        }
        let outputs = plan.features.iter().map(|feature| Arc::new(number_field(plan.name(feature), true)));
        let fields: Vec<FieldRef> = input.fields().iter().cloned().chain(outputs).collect();
        distinct(fields.iter().map(|field| field.name().as_str()))?;
        Ok(Arc::new(Schema::new_with_metadata(fields, input.metadata().clone())))
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let schema = self.output_schema(batch.schema_ref())?;
        let Stored { plan, keys, .. } = self.0.as_ref();
        let (times, codes) = (plan.times(&batch)?, keys.codes(&plan.keys(&batch)?)?);
        let mut columns = batch.columns().to_vec();
        for feature in &plan.features {
            let look = |(row, code): (usize, &usize)| {
                let time = times.is_valid(row).then(|| times.value(row));
                self.look(Some(*code), time, *feature)
            };
            let output: Float64Array = codes.iter().enumerate().map(look).collect();
            columns.push(Arc::new(output) as ArrayRef);
        }
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        self.output_schema(input)?;
        let (key, time) = (find_column(input, &self.0.plan.key)?, find_column(input, &self.0.plan.time)?);
        Ok(Some(Arc::new(Row { history: self.clone(), width: input.fields().len(), key, time })))
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(self)
    }
}

impl Load for History {
    const KIND: &'static str = "event_history";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        artifact.state()
    }
}

#[derive(Debug)]
struct Row {
    history: History,
    width: usize,
    key: usize,
    time: usize,
}

impl RowTransform for Row {
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        check_width(input, self.width)?;
        let Stored { plan, keys, .. } = self.history.0.as_ref();
        let key = keys.code(input[self.key]).context("column", &plan.key)?;
        let time = match input[self.time] {
            Value::Int(time) => Some(time),
            Value::Null => None,
            other => return Err(Error::schema(format!("{other:?} stands where a time is needed"))),
        };
        output.extend_from_slice(input);
        output.extend(plan.features.iter().map(|feature| cell_of(self.history.look(key, time, *feature))));
        Ok(())
    }
}
