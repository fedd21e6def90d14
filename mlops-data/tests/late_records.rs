//! The as-of join on a year of flights and the weather at their airports, whose records come late, are corrected
//! and are lost: nothing from after an event ever reaches its row.
#![cfg(feature = "parquet")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use mlops_core::random::SplitMix64;
use mlops_core::{DataSourceExt, Role, Scan, Table};
use mlops_data::{AsOf, Parquet};

const MINUTE: i64 = 60_000_000;
const GAP: i64 = 30 * MINUTE;

async fn read(file: &str, columns: &[&str]) -> RecordBatch {
    let path = format!("{}/../examples/data/nycflights13/{file}.parquet", env!("CARGO_MANIFEST_DIR"));
    Parquet::at(path).read_scan(Scan::all().with_columns(columns.iter().copied())).await.unwrap().to_batch().unwrap()
}

fn integers(batch: &RecordBatch, name: &str) -> Int64Array {
    let column = cast(batch.column_by_name(name).unwrap(), &DataType::Int64).unwrap();
    column.as_primitive::<Int64Type>().clone()
}

fn microseconds(batch: &RecordBatch, name: &str) -> TimestampMicrosecondArray {
    let column = batch.column_by_name(name).unwrap();
    let DataType::Timestamp(_, zone) = column.data_type() else { panic!("{name} is no timestamp") };
    let column = cast(column, &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, zone.clone())).unwrap();
    column.as_primitive::<TimestampMicrosecondType>().clone()
}

/// Flights with the minute they are scheduled to leave, in the order they are in the file.
async fn flights() -> Table {
    let batch = read("flights", &["origin", "time_hour", "minute"]).await;
    let (hours, minutes) = (microseconds(&batch, "time_hour"), integers(&batch, "minute"));
    let departs = hours.iter().zip(&minutes).map(|(hour, minute)| Some(hour? + minute? * MINUTE));
    let departs = departs.collect::<TimestampMicrosecondArray>().with_data_type(hours.data_type().clone());
    let columns = [("origin", Arc::clone(batch.column(0))), ("departs", Arc::new(departs) as ArrayRef)];
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).rebatch(8192).unwrap()
}

/// A record of the weather.
#[derive(Clone, Debug)]
struct Report {
    origin: String,
    hour: i64,
    created: Option<i64>,
    temperature: Option<f64>,
}

/// The weather as it was recorded, in no order: most of it within the hour, some after hours or days, some corrected
/// a second time, some never given a time.
async fn reports() -> (Vec<Report>, DataType) {
    let batch = read("weather", &["origin", "time_hour", "temp"]).await;
    let (hours, origins) = (microseconds(&batch, "time_hour"), cast(batch.column(0), &DataType::Utf8).unwrap());
    let temperatures = batch.column(2).as_primitive::<Float64Type>();
    let mut rng = SplitMix64::new(4);
    let mut reports = Vec::new();
    for row in 0..batch.num_rows() {
        let hour = hours.value(row);
        let late = match rng.below(20) {
            0 => rng.below(3 * 24 * 60),
            1..4 => rng.below(6 * 60),
            _ => rng.below(55),
        };
        let report = Report {
            origin: origins.as_string::<i32>().value(row).to_owned(),
            hour,
            created: (rng.below(50) > 0).then_some(hour + late as i64 * MINUTE),
            temperature: temperatures.is_valid(row).then(|| temperatures.value(row)),
        };
        if rng.below(10) == 0 {
            let created = Some(hour + rng.below(48 * 60) as i64 * MINUTE);
            reports.push(Report { created, temperature: report.temperature.map(|t| t + 0.5), ..report.clone() });
        }
        reports.push(report);
    }
    for last in (1..reports.len()).rev() {
        reports.swap(last, rng.below(last as u64 + 1) as usize);
    }
    (reports, hours.data_type().clone())
}

fn weather(reports: &[Report], time: &DataType) -> Table {
    let times = |of: fn(&Report) -> Option<i64>| -> ArrayRef {
        let times = reports.iter().map(of).collect::<TimestampMicrosecondArray>();
        Arc::new(times.with_data_type(time.clone()))
    };
    let columns: [(&str, ArrayRef); 5] = [
        ("origin", Arc::new(reports.iter().map(|r| Some(r.origin.as_str())).collect::<arrow::array::StringArray>())),
        ("hour", times(|r| Some(r.hour))),
        ("created", times(|r| r.created)),
        ("temperature", Arc::new(reports.iter().map(|r| r.temperature).collect::<Float64Array>())),
        ("report", Arc::new(Int64Array::from_iter_values(0..reports.len() as i64))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)));
    Table::from_batch(batch.unwrap())
}

fn join(flights: &Table, weather: &Table) -> RecordBatch {
    let join = AsOf::latest(weather, ("departs", "hour")).by(["origin"]);
    join.with_gap(Duration::from_micros(GAP as u64)).apply(flights).unwrap().to_batch().unwrap()
}

/// The number of the report that each flight sees.
fn seen(joined: &RecordBatch) -> Vec<Option<usize>> {
    let report = joined.column_by_name("report").unwrap().as_primitive::<Int64Type>();
    report.iter().map(|report| report.map(|report| report as usize)).collect()
}

#[tokio::test]
async fn nothing_from_after_an_event_reaches_its_row() {
    let (flights, (reports, time)) = (flights().await, reports().await);
    let departs = microseconds(&flights.to_batch().unwrap(), "departs");
    let origins = flights.column("origin").unwrap();
    let origins = cast(&origins, &DataType::Utf8).unwrap();
    let origins = origins.as_string::<i32>();
    let undeclared = weather(&reports, &time);
    let declared = undeclared.clone().with_role("created", Role::CreatedTime).unwrap();

    let later = |of: &Report, moment: i64| of.created.is_none_or(|created| created > moment);
    let leaked = seen(&join(&flights, &undeclared))
        .iter()
        .zip(departs.values())
        .filter(|(seen, departs)| seen.is_some_and(|seen| later(&reports[seen], **departs)))
        .count();
    assert!(
        leaked > 20_000,
        "the test would show nothing: only {leaked} flights see the future without the created time"
    );

    let joined = join(&flights, &declared);
    let seen = seen(&joined);
    assert_eq!(seen.len(), 336_776);
    for (row, (seen, departs)) in seen.iter().zip(departs.values()).enumerate() {
        let Some(report) = seen.map(|seen| &reports[seen]) else { continue };
        assert!(report.hour + GAP <= *departs, "flight {row} at {departs} sees what is of later: {report:?}");
        assert!(!later(report, *departs), "flight {row} at {departs} sees what was recorded later: {report:?}");
        assert_eq!(report.origin, origins.value(row), "flight {row}");
    }

    // What was known and is the latest, by looking at every report.
    let mut at: HashMap<&str, Vec<usize>> = HashMap::new();
    reports.iter().enumerate().for_each(|(number, report)| at.entry(&report.origin).or_default().push(number));
    for row in (0..seen.len()).step_by(97) {
        let departs = departs.value(row);
        let known = at[origins.value(row)]
            .iter()
            .copied()
            .filter(|number| reports[*number].hour + GAP <= departs && !later(&reports[*number], departs));
        let latest = known.max_by_key(|number| (reports[*number].hour, reports[*number].created, *number));
        assert_eq!(seen[row], latest, "flight {row}");
    }
}

/// A join that is made in July, when the second half of the year has not been recorded, gives the same rows for the
/// first half as one that is made later.
#[tokio::test]
async fn what_is_recorded_later_changes_no_earlier_row() {
    let (flights, (reports, time)) = (flights().await, reports().await);
    let july = 1_372_636_800_000_000;
    let happened = |report: &&Report| report.hour <= july && report.created.is_some_and(|created| created <= july);
    let until_july: Vec<Report> = reports.iter().filter(happened).cloned().collect();
    assert!(until_july.len() > 10_000 && until_july.len() < 20_000);
    let of = |reports: &[Report]| {
        let weather = weather(reports, &time).with_role("created", Role::CreatedTime).unwrap();
        join(&flights, &weather.select(["origin", "hour", "created", "temperature"]).unwrap())
    };
    let (then, now) = (of(&until_july), of(&reports));
    let departs = microseconds(&then, "departs");
    let early = (0..departs.len()).filter(|row| departs.value(*row) <= july).map(|row| row as u64);
    let early = arrow::array::UInt64Array::from_iter_values(early);
    assert!(early.len() > 150_000);
    let rows = |batch| arrow::compute::take_record_batch(batch, &early).unwrap();
    assert_eq!(rows(&then), rows(&now));
    assert_ne!(then, now);
}
