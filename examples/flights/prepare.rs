//! Reading and joining: a row for each flight, with what is known when it is scheduled to leave.

use std::time::Duration;

use mlops::data::Parquet;
use mlops::data::expect::{Column, Expectations, ValidationReport};
use mlops::data::join::{AsOf, Join};
use mlops::data::profile::Profile;
use mlops::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/nycflights13");

/// What is known only after the scheduled departure. The library refuses a recipe that reads one of these.
const OUTCOMES: [&str; 5] = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"];

/// Names of rows and parts of the date: to join, to follow and to cut by, not to learn from.
const IGNORED: [&str; 6] = ["year", "month", "day", "flight", "tailnum", "time_hour_weather"];

pub(crate) const WEATHER: [&str; 9] =
    ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"];

/// What the example works on: the flights with an answer, and what was found on the way.
#[derive(Clone, Debug)]
pub(crate) struct Flights {
    pub table: Table,
    pub profile: Profile,
    pub validation: ValidationReport,
    pub quarantined: usize,
}

impl Flights {
    /// The flights of the months `from..=to`.
    pub(crate) fn months(&self, from: i64, to: i64) -> Result<Table> {
        self.table.filter_by(&col("month").gt_eq(lit(from)).and(col("month").lt_eq(lit(to))))
    }
}

/// Reads the three tables side by side, joins them, and puts rows aside that are not as expected.
pub(crate) async fn flights() -> Result<Flights> {
    let mut flow = Workflow::new("prepare");
    let [flights, planes, weather] = ["flights", "planes", "weather"]
        .map(|file| flow.step_async(format!("read {file}"), (), move |()| read(file)).retries(2).out());
    let joined = flow.step("join", (flights, planes, weather), |(f, p, w)| join(&f, &p, &w)).out();
    let profile = flow.step("profile", joined, |joined| Profile::of(&joined)).out();
    let checked = flow.step("check", joined, |joined| expectations().check(&joined)?.into_result()).out();
    let ready = flow.step("question", (checked, profile), |(checked, profile)| {
        Ok(Flights {
            table: with_target(&checked.passed)?,
            profile: Profile::clone(&profile),
            validation: checked.report.clone(),
            quarantined: checked.quarantined.num_rows(),
        })
    });
    let ready = ready.out();
    Ok(Flights::clone(&*flow.run(ready).await?))
}

/// One of the files, all of it.
async fn read(file: &str) -> Result<Table> {
    Parquet::at(format!("{DATA}/{file}.parquet")).read().await
}

/// Every flight with its aircraft and the weather of the hour before, as it was known then.
fn join(flights: &Table, planes: &Table, weather: &Table) -> Result<Table> {
    let planes = planes.select(["tailnum", "year", "seats"])?;
    let weather = weather.select(["origin", "time_hour"].into_iter().chain(WEATHER))?;
    let flights = Join::left(&planes).on(["tailnum"]).with_suffix("_plane").apply(flights)?;
    let flights = AsOf::latest(&weather, "time_hour")
        .by(["origin"])
        .with_gap(Duration::from_secs(3_600))
        .with_tolerance(Duration::from_secs(6 * 3_600))
        .with_suffix("_weather")
        .apply(&flights)?;
    let roles = Roles::new()
        .with("time_hour", Role::EventTime)
        .with_all(OUTCOMES, Role::Outcome)
        .with_all(IGNORED, Role::Ignored);
    Ok(flights.with_roles(&roles))
}

/// What a row must look like; a row that does not is put aside with the reasons.
fn expectations() -> Expectations {
    Expectations::new([
        Column::category("origin").one_of(["EWR", "JFK", "LGA"]).never_null(),
        Column::text("carrier").matches("^[A-Z0-9]{2}$").never_null(),
        Column::text("dest").matches("^[A-Z]{3}$").never_null(),
        Column::timestamp("time_hour").never_null(),
        Column::number("distance").within(50.0..=5_500.0).never_null(),
        Column::number("hour").within(5.0..=23.0),
        Column::number("minute").within(0.0..=59.0),
        Column::number("temp").within(-20.0..=115.0),
        Column::number("humid").within(0.0..=100.0),
        Column::number("wind_speed").within(0.0..=100.0),
        Column::number("pressure").within(950.0..=1_060.0),
        Column::number("visib").within(0.0..=10.0),
    ])
}

/// The flights that arrived, with the answer to the question: 15 minutes late or more?
///
/// A cancelled or diverted flight has no delay at its destination, so the question has no answer.
fn with_target(flights: &Table) -> Result<Table> {
    flights.filter_by(&col("arr_delay").is_null().not())?.with_target("late", &col("arr_delay").gt_eq(lit(15)))
}
