//! Twenty kinds of fault, injected into a week of flights: what a suite finds that was drafted from
//! the weeks before, and that clean weeks pass.
#![cfg(feature = "parquet")]
#![expect(clippy::print_stdout, reason = "the table of what was found")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use mlops_core::random::SplitMix64;
use mlops_core::{DataSourceExt, Result, Table, col, lit};
use mlops_data::expect::{Expectations, Suggest, ValidationReport};
use mlops_data::{Parquet, Profile};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/nycflights13/flights.parquet");

/// The days from the `from`-th of 2013 on, the first of January being 0.
fn days(flights: &Table, from: i64, count: i64) -> Table {
    const BEFORE: [i64; 5] = [0, 31, 59, 90, 120];
    let parts = (0..count).map(|i| {
        let month = BEFORE.partition_point(|before| *before <= from + i) as i64;
        let day = from + i - BEFORE[month as usize - 1] + 1;
        let rows = flights.filter_by(&col("month").eq(lit(month)).and(col("day").eq(lit(day)))).unwrap();
        rows.to_batch().unwrap()
    });
    Table::new(Arc::clone(flights.schema()), parts).unwrap()
}

async fn flights() -> Table {
    Parquet::at(FLIGHTS).read().await.unwrap()
}

/// Drafted from the first eight weeks, of seven days each; the last flight left on the evening of
/// February 25.
fn suite(flights: &Table) -> Expectations {
    let weeks: Vec<Profile> = (0..8).map(|week| Profile::of(&days(flights, 7 * week, 7)).unwrap()).collect();
    let suggest = Suggest::from_deliveries(&weeks).unwrap().with_rows(&days(flights, 0, 56)).unwrap();
    suggest.with_now("2013-02-26T12:00:00Z").expectations().unwrap()
}

/// The week that begins on March 8, and noon of the day after it.
const WEEK: i64 = 66;
const NOON: &str = "2013-03-15T12:00:00Z";

type Fault = fn(RecordBatch) -> Result<RecordBatch>;

fn with(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let place = batch.schema().index_of(name).unwrap();
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields[place] = Field::new(name, column.data_type().clone(), true);
    let mut columns = batch.columns().to_vec();
    columns[place] = column;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Changes the values in a share of the rows.
fn numbers(batch: &RecordBatch, name: &str, share: f64, change: impl Fn(f64) -> Option<f64>) -> RecordBatch {
    let column = batch.column_by_name(name).unwrap();
    let mut rng = SplitMix64::new(7);
    let floats = cast(column, &DataType::Float64).unwrap();
    let changed: Float64Array = floats
        .as_primitive::<Float64Type>()
        .iter()
        .map(|x| if rng.uniform() < share { x.and_then(&change) } else { x })
        .collect();
    with(batch, name, cast(&changed, column.data_type()).unwrap())
}

fn texts(batch: &RecordBatch, name: &str, share: f64, change: impl Fn(&str) -> String) -> RecordBatch {
    let column = cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
    let mut rng = SplitMix64::new(7);
    let changed: StringArray = column
        .as_string::<i32>()
        .iter()
        .map(|text| text.map(|t| if rng.uniform() < share { change(t) } else { t.to_owned() }))
        .collect();
    with(batch, name, Arc::new(changed))
}

/// Moves the times by so many seconds.
fn times(batch: &RecordBatch, seconds: i64) -> RecordBatch {
    let column = batch.column_by_name("time_hour").unwrap();
    let ticks = cast(column, &DataType::Int64).unwrap();
    let moved: PrimitiveArray<Int64Type> =
        ticks.as_primitive::<Int64Type>().unary(|t| t + seconds * per_second(column.data_type()));
    with(batch, "time_hour", cast(&moved, column.data_type()).unwrap())
}

fn per_second(data_type: &DataType) -> i64 {
    use arrow::datatypes::TimeUnit as U;
    match data_type {
        DataType::Timestamp(U::Second, _) => 1,
        DataType::Timestamp(U::Millisecond, _) => 1_000,
        DataType::Timestamp(U::Microsecond, _) => 1_000_000,
        _ => 1_000_000_000,
    }
}

fn swapped(batch: &RecordBatch, a: &str, b: &str) -> RecordBatch {
    let (left, right) = (batch.column_by_name(a).unwrap(), batch.column_by_name(b).unwrap());
    with(&with(batch, a, Arc::clone(right)), b, Arc::clone(left))
}

const FAULTS: [(&str, &str, Fault); 20] = [
    ("unit change", "distance in kilometres", |b| Ok(numbers(&b, "distance", 1.0, |x| Some((x * 1.609).round())))),
    ("nulls burst", "a third of the carriers", |b| {
        let column = cast(b.column_by_name("carrier").unwrap(), &DataType::Utf8)?;
        let holes: StringArray =
            column.as_string::<i32>().iter().enumerate().map(|(i, t)| t.filter(|_| i % 3 > 0)).collect();
        Ok(with(&b, "carrier", Arc::new(holes)))
    }),
    ("swapped columns", "departure and arrival", |b| Ok(swapped(&b, "dep_time", "arr_time"))),
    ("duplicated rows", "fifty rows twice", |b| Ok(concat_batches(&b.schema(), [&b, &b.slice(100, 50)])?)),
    ("shifted timestamps", "five hours, as with a zone forgotten", |b| Ok(times(&b, 5 * 3_600))),
    ("category out of the domain", "an airport of elsewhere, 1 %", |b| Ok(texts(&b, "origin", 0.01, |_| "LAX".into()))),
    ("case change", "carriers in small letters, 5 %", |b| Ok(texts(&b, "carrier", 0.05, str::to_lowercase))),
    ("white space", "after the destination, 2 %", |b| Ok(texts(&b, "dest", 0.02, |t| format!("{t} ")))),
    ("truncated file", "the first 45 % of the rows", |b| Ok(b.slice(0, b.num_rows() * 45 / 100))),
    ("sign flip", "delays at departure", |b| Ok(numbers(&b, "dep_delay", 1.0, |x| Some(-x)))),
    ("outliers", "air time a hundredfold, 0.2 %", |b| Ok(numbers(&b, "air_time", 0.002, |x| Some(x * 100.0)))),
    ("missing column", "tailnum", |b| {
        let keep: Vec<usize> = (0..b.num_columns()).filter(|i| b.schema().field(*i).name() != "tailnum").collect();
        Ok(b.project(&keep)?)
    }),
    ("extra column", "gate", |b| {
        let mut fields = b.schema().fields().to_vec();
        fields.push(Arc::new(Field::new("gate", DataType::Utf8, true)));
        let mut columns = b.columns().to_vec();
        columns.push(new_null_array(&DataType::Utf8, b.num_rows()));
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }),
    ("type change", "distance as text", |b| {
        let column = cast(b.column_by_name("distance").unwrap(), &DataType::Utf8)?;
        Ok(with(&b, "distance", column))
    }),
    ("constant column", "every flight from EWR", |b| Ok(texts(&b, "origin", 1.0, |_| "EWR".into()))),
    ("stale data", "the week before once more", |b| Ok(times(&b, -7 * 86_400))),
    ("row count drop", "every third row", |b| {
        let keep = (0..b.num_rows()).map(|row| row % 3 == 0).collect::<Vec<_>>();
        Ok(arrow::compute::filter_record_batch(&b, &keep.into())?)
    }),
    ("broken dependency", "the hour in 0.5 % of rows", |b| Ok(numbers(&b, "hour", 0.005, |x| Some(24.0 - x)))),
    ("distribution shift", "air time 40 minutes longer", |b| Ok(numbers(&b, "air_time", 1.0, |x| Some(x + 40.0)))),
    ("encoding damage", "in 3 % of the tail numbers", |b| Ok(texts(&b, "tailnum", 0.03, |t| t.replacen('N', "Ã‘", 1)))),
];

fn check(suite: &Expectations, batch: RecordBatch, now: &str) -> ValidationReport {
    suite.clone().with_now(now).check(&Table::from_batch(batch)).unwrap().report
}

/// What found it: the first of the checks that failed, and how many did.
fn found(report: &ValidationReport) -> Option<(String, usize)> {
    let failures: Vec<String> = report
        .failures()
        .filter(|check| check.severity != mlops_data::Severity::Warn)
        .map(|check| check.to_string())
        .collect();
    Some((failures.first()?.clone(), failures.len()))
}

#[tokio::test]
async fn clean_weeks_pass_and_nineteen_of_twenty_faults_are_found() {
    let flights = flights().await;
    let suite = suite(&flights);
    let mut table = String::new();
    for week in 0..4 {
        let from = 59 + 7 * week;
        let now = format!("2013-03-{:02}T12:00:00Z", 8 + 7 * week);
        let report = check(&suite, days(&flights, from, 7).to_batch().unwrap(), &now);
        table += &format!("clean week {}: {:?}\n", week + 1, found(&report));
        for failure in report.failures() {
            table += &format!("    {failure}\n");
        }
    }
    let clean = days(&flights, WEEK, 7).to_batch().unwrap();
    let mut missed = 0;
    for (kind, what, fault) in FAULTS {
        let found = found(&check(&suite, fault(clean.clone()).unwrap(), NOON));
        missed += usize::from(found.is_none());
        let found =
            found.map_or_else(|| "MISSED".to_owned(), |(first, count)| format!("{count} checks, first {first}"));
        table += &format!("{kind:28} {what:38} {found:.150}\n");
    }
    println!("{table}");
    assert!(!table.contains("clean week 1: Some") && !table.contains("clean week 2: Some"), "{table}");
    assert!(!table.contains("clean week 3: Some") && !table.contains("clean week 4: Some"), "{table}");
    assert!(missed <= 1, "{table}");
}
