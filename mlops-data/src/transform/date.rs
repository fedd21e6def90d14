use std::f64::consts::TAU;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use mlops_core::columns::find_column;
use mlops_core::{Error, Learner, Named, Result, Roles, Transformer, Value};
use serde::{Deserialize, Serialize};

use super::calendar::{Clock, Moment};
use super::columns::{ColumnMap, Fitted, cell_of, number_field};
use super::learn::{check_columns, ready};

/// Takes a date or timestamp apart: year, month, hour, weekday and so on, each as a `Float64` column
/// `<column>_<part>` in the place of the column.
///
/// Times are local in the column's time zone, or in that of [`with_zone`](Self::with_zone), if it is
/// UTC or a fixed offset such as `+01:00`; a timestamp without a zone is taken as it stands. Null gives nulls. Nothing is learned from the
/// rows. A unit or zone may differ when the transform is applied: the column says what it is.
///
/// # Errors
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if the column is no date or timestamp,
/// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a time zone by name.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::{DateParts, Part};
/// # use std::sync::Arc;
/// # use arrow::array::{AsArray, RecordBatch, TimestampSecondArray};
/// # use arrow::datatypes::Float64Type;
/// let departures = TimestampSecondArray::from(vec![1_370_044_800]).with_timezone("UTC"); // 2013-06-01T00:00Z
/// let table = Table::from_batch(RecordBatch::try_from_iter([("dep", Arc::new(departures) as _)])?);
/// let recipe = DateParts::of("dep").with_parts([Part::Hour, Part::Weekday]).with_cyclical();
/// let (_, parts) = recipe.fit_transform(&table, &Run::default())?;
/// let names: Vec<_> = parts.schema().fields().iter().map(|field| field.name().as_str()).collect();
/// assert_eq!(
///     names,
///     ["dep_hour", "dep_weekday", "dep_hour_sin", "dep_hour_cos", "dep_weekday_sin", "dep_weekday_cos"],
/// );
/// assert_eq!(parts.column("dep_weekday")?.as_primitive::<Float64Type>().values(), &[5.0]); // a Saturday
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DateParts {
    /// The column to take apart.
    pub column: String,
    /// The parts; `None` is all that the type of the column has (a date has no hour and no minute).
    pub parts: Option<Vec<Part>>,
    /// Whether the parts that come round are also given as a point on a circle.
    pub cyclical: bool,
    /// Whether the column itself stays, in front of its parts.
    pub keep: bool,
    /// The zone whose clocks are read; that of the column if `None`.
    pub zone: Option<String>,
}

/// A part of a date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// The day of the month, from 1.
    Day,
    /// The day of the year, from 1.
    DayOfYear,
    /// The hour of the day, from 0.
    Hour,
    /// 1 on Saturdays and Sundays, else 0.
    IsWeekend,
    /// The minute of the hour, from 0.
    Minute,
    /// The month, from 1.
    Month,
    /// The day of the week; Monday is 0.
    Weekday,
    /// The year.
    Year,
}

impl DateParts {
    /// Takes this column apart.
    pub fn of(column: impl Into<String>) -> Self {
        Self { column: column.into(), ..Self::default() }
    }

    /// Into these parts, in this order.
    #[must_use]
    pub fn with_parts(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.parts = Some(parts.into_iter().collect());
        self
    }

    /// Adds `<column>_<part>_sin` and `_cos` of each part that comes round, so that December is next
    /// to January.
    #[must_use]
    pub fn with_cyclical(mut self) -> Self {
        self.cyclical = true;
        self
    }

    /// Keeps the column itself, in front of its parts.
    #[must_use]
    pub fn with_column_kept(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Reads the clocks of a fixed offset such as `-05:00`, whatever the zone of the column; for a
    /// timestamp that has one.
    #[must_use]
    pub fn with_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }
}

impl Named for DateParts {
    const KIND: &'static str = "date_parts";
}

impl Transformer for DateParts {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let columns = std::slice::from_ref(&self.column);
        check_columns(schema, roles, columns)?;
        let is_date = schema.field(find_column(schema, &self.column)?).data_type() == &DataType::Date32;
        let parts = match &self.parts {
            Some(parts) => parts.clone(),
            None => Part::ALL.into_iter().filter(|part| !(is_date && part.is_of_the_day())).collect(),
        };
        if let Some(part) = parts.iter().enumerate().find_map(|(i, part)| parts[..i].contains(part).then_some(part)) {
            return Err(Error::config(format!("the part {} is named twice: name it once", part.name())));
        }
        let map = SplitColumn { parts, cyclical: self.cyclical, keep: self.keep, zone: self.zone.clone() };
        ready(schema, columns, Fitted::new(columns, vec![map]))
    }
}

impl Part {
    const ALL: [Self; 8] =
        [Self::Year, Self::Month, Self::Day, Self::Hour, Self::Minute, Self::Weekday, Self::DayOfYear, Self::IsWeekend];

    fn is_of_the_day(self) -> bool {
        matches!(self, Self::Hour | Self::Minute)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::DayOfYear => "day_of_year",
            Self::Hour => "hour",
            Self::IsWeekend => "is_weekend",
            Self::Minute => "minute",
            Self::Month => "month",
            Self::Weekday => "weekday",
            Self::Year => "year",
        }
    }

    fn number(self, moment: Moment) -> f64 {
        let number = match self {
            Self::Day => moment.day,
            Self::DayOfYear => moment.day_of_year(),
            Self::Hour => moment.minute_of_day / 60,
            Self::IsWeekend => i64::from(moment.weekday() >= 5),
            Self::Minute => moment.minute_of_day % 60,
            Self::Month => moment.month,
            Self::Weekday => moment.weekday(),
            Self::Year => moment.year,
        };
        number as f64
    }

    /// The first number of a round and the length of a round.
    fn round(self) -> Option<(f64, f64)> {
        match self {
            Self::Day => Some((1.0, 31.0)),
            Self::DayOfYear => Some((1.0, 366.0)),
            Self::Hour => Some((0.0, 24.0)),
            Self::Minute => Some((0.0, 60.0)),
            Self::Month => Some((1.0, 12.0)),
            Self::Weekday => Some((0.0, 7.0)),
            Self::IsWeekend | Self::Year => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplitColumn {
    parts: Vec<Part>,
    cyclical: bool,
    keep: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
}

/// One output column.
#[derive(Clone, Copy)]
enum Output {
    Number(Part),
    Sine { part: Part, first: f64, length: f64 },
    Cosine { part: Part, first: f64, length: f64 },
}

impl Output {
    fn name(self) -> String {
        match self {
            Self::Number(part) => part.name().to_owned(),
            Self::Sine { part, .. } => format!("{}_sin", part.name()),
            Self::Cosine { part, .. } => format!("{}_cos", part.name()),
        }
    }

    #[inline]
    fn number(self, moment: Moment) -> f64 {
        let angle = |part: Part, first, length| TAU * (part.number(moment) - first) / length;
        match self {
            Self::Number(part) => part.number(moment),
            Self::Sine { part, first, length } => angle(part, first, length).sin(),
            Self::Cosine { part, first, length } => angle(part, first, length).cos(),
        }
    }
}

impl SplitColumn {
    fn outputs(&self) -> impl Iterator<Item = Output> {
        let rounds = self.parts.iter().filter(|_| self.cyclical).filter_map(|part| Some((*part, part.round()?)));
        let points = rounds.flat_map(|(part, (first, length))| {
            [Output::Sine { part, first, length }, Output::Cosine { part, first, length }]
        });
        self.parts.iter().map(|part| Output::Number(*part)).chain(points)
    }
}

impl ColumnMap for SplitColumn {
    const KIND: &'static str = DateParts::KIND;
    type Binding = Clock;

    fn bind(&self, input: &Field) -> Result<Clock> {
        match (input.data_type(), &self.zone) {
            (DataType::Timestamp(unit, Some(_)), Some(zone)) => {
                Clock::of(input.name(), &DataType::Timestamp(*unit, Some(zone.as_str().into())))
            }
            (other, Some(zone)) => Err(Error::schema(format!(
                "column '{}' is {other}: only a timestamp with a time zone can be read by the clocks of {zone}",
                input.name()
            ))),
            (own, None) => Clock::of(input.name(), own),
        }
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        let kept = self.keep.then(|| input.clone());
        let name = |output: Output| format!("{}_{}", input.name(), output.name());
        let parts = self.outputs().map(|output| number_field(name(output), input.is_nullable()));
        Ok(kept.into_iter().chain(parts).collect())
    }

    fn map(&self, clock: &Clock, _: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        let counts = cast(&column, &DataType::Int64)?;
        let counts = counts.as_primitive::<Int64Type>();
        let moments: Vec<Moment> = counts.values().iter().map(|count| clock.moment(*count)).collect();
        let part = |output: Output| -> ArrayRef {
            let numbers = moments.iter().map(|moment| output.number(*moment)).collect();
            Arc::new(Float64Array::new(numbers, counts.nulls().cloned()))
        };
        let parts: Vec<ArrayRef> = self.outputs().map(part).collect();
        Ok(self.keep.then_some(column).into_iter().chain(parts).collect())
    }

    fn map_cell<'a>(&'a self, clock: &Clock, cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        let moment = match cell {
            Value::Int(count) => Some(clock.moment(count)),
            Value::Null => None,
            other => return Err(Error::schema(format!("{other:?} stands where the integer of a date is needed"))),
        };
        if self.keep {
            output.push(cell);
        }
        output.extend(self.outputs().map(|part| cell_of(moment.map(|moment| part.number(moment)))));
        Ok(())
    }
}
