//! The recipes that compete. Each is plain data: the same value is fitted, published and fitted again.

use mlops::core::{Estimator, Expr};
use mlops::data::transform::{
    DateParts, Derive, OneHotEncoder, Part, Select, SimpleImputer, StandardScaler, TargetEncoder,
};
use mlops::prelude::*;
use mlops::train::{LogisticRegression, RandomForest, Voting};

use crate::prepare::WEATHER;

/// The candidates, by name.
pub(crate) fn candidates() -> Vec<(&'static str, Box<dyn Trainer>)> {
    vec![("logistic", Box::new(logistic())), ("forest", Box::new(forest())), ("vote", Box::new(vote()))]
}

/// The candidate called `name`.
pub(crate) fn candidate(name: &str) -> Result<Box<dyn Trainer>> {
    let found = candidates().into_iter().find(|(candidate, _)| *candidate == name);
    found.map(|(_, recipe)| recipe).ok_or_else(|| Error::not_found(format!("no recipe is called '{name}'")))
}

/// A linear model on scaled numbers and one-hot categories.
fn logistic() -> Estimator {
    let categories = ["carrier", "origin", "dest", "hour"];
    let numbers = WEATHER.into_iter().chain(["distance", "block_minutes", "year_plane", "seats"]);
    features()
        .then(Select::drop(["minute", "departs", "arrives", "time_hour_weekday"]))
        .then(OneHotEncoder::on(categories))
        .then(StandardScaler::on(numbers))
        .train(LogisticRegression::new())
}

/// A hundred trees on numbers; a category is the share of late flights in it.
fn forest() -> Estimator {
    let trees = RandomForest::new().with_n_trees(100).with_max_depth(15).with_min_samples_leaf(20);
    features().then(TargetEncoder::on(["carrier", "origin", "dest"])).train(trees)
}

/// Both, asked together: they err in different ways.
fn vote() -> Voting {
    Voting::new().with(logistic()).with(forest())
}

/// What all candidates see of a flight.
///
/// The month is not among it: of a month that has never been, a model can't have learned anything.
pub(crate) fn features() -> Pipeline {
    raw_features().then(SimpleImputer::median(WEATHER.into_iter().chain(["year_plane", "seats"])))
}

/// The same with what is missing still missing.
pub(crate) fn raw_features() -> Pipeline {
    Pipeline::new()
        .then(DateParts::of("time_hour").with_parts([Part::Weekday]).with_cyclical().with_zone("-05:00"))
        .then(Derive::column("departs", minute_of_day("sched_dep_time")))
        .then(Derive::column("arrives", minute_of_day("sched_arr_time")))
        .then(Derive::column("block_minutes", col("arrives").sub(col("departs")).add(lit(1_440)).rem(lit(1_440))))
        .then(Derive::column("wind_gust", col("wind_gust").or_else(col("wind_speed"))))
        .then(Select::drop(["sched_dep_time", "sched_arr_time"]))
}

/// 1730 is half past five: minute 1,050 of the day.
fn minute_of_day(clock: &str) -> Expr {
    let minute = col(clock).rem(lit(100));
    col(clock).sub(minute.clone()).div(lit(100)).mul(lit(60)).add(minute)
}
