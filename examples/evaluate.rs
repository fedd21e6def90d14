//! Judges two models of late flights on the same held-back rows, in the whole and by segment, and lets the better one
//! pass. The page with the curves is written to `target/evaluate/flights.html`.
//!
//! ```text
//! cargo run --release --example evaluate
//! ```
#![expect(clippy::print_stdout, reason = "a program for a terminal")]
use mlops::core::{Decision, Predictions, Rule};
use mlops::data::transform::{OneHotEncoder, SimpleImputer, StandardScaler};
use mlops::data::{Parquet, split::SplitExt};
use mlops::prelude::*;
use mlops::train::evaluation::{Bound, Evaluation, FairnessGap, GateFailure, no_worse_than};
use mlops::train::{ExpectedCalibrationError, LogisticRegression, RocAuc};

#[tokio::main]
async fn main() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/nycflights13/flights.parquet");
    let scan = Scan::all().with_columns(["month", "carrier", "origin", "hour", "distance", "arr_delay"]);
    let flights = Parquet::at(path).read_scan(scan).await?.with_role("arr_delay", Role::Outcome)?;
    let flights = flights.filter_by(&col("arr_delay").is_null().not())?;
    let flights = flights.with_target("late", &col("arr_delay").gt_eq(lit(15)))?.with_role("month", Role::Ignored)?;
    let (train, test) = flights.split(0.8, 42)?;

    let judged = |name: &str, columns: &[&str]| {
        let recipe = Pipeline::new()
            .then(SimpleImputer::median(["distance"]))
            .then(StandardScaler::on(["distance"]))
            .then(OneHotEncoder::on(columns.iter().copied()))
            .train(LogisticRegression::new());
        let used: Vec<&str> = columns.iter().copied().chain(["distance", "late"]).collect();
        let model = recipe.fit(&train.select(&used)?, &Run::default())?;
        // A fifth of the flights are late: who says so from one half on never says it.
        let careful = Decision::by(Rule::Threshold(0.3));
        let predictions = Predictions::of(model.as_ref(), &test)?.with_decision(careful);
        Evaluation::of(predictions)?
            .with_name(name)
            .with_slices(&test, ["month", "carrier", "origin", "hour", "distance"])
    };
    let champion = judged("by airport", &["origin"])?;
    let challenger = judged("by airport, carrier and hour", &["origin", "carrier", "hour"])?;
    println!("{challenger}");

    challenger
        .require(RocAuc.at_least(0.64))?
        .require(ExpectedCalibrationError::default().at_most(0.05))?
        .require(FairnessGap::DemographicParity.at_most(1.0))?
        .require(no_worse_than(&champion))?;
    println!("passed: {} goes on", challenger.name);
    for refused in
        [champion.require(no_worse_than(&challenger)), challenger.require(RocAuc.at_least(0.64).in_every_slice(5_000))]
    {
        if let Some(failure) = refused.err().as_ref().and_then(GateFailure::of) {
            println!("refused: {failure}");
        }
    }
    std::fs::create_dir_all("target/evaluate")?;
    std::fs::write("target/evaluate/flights.html", challenger.to_html())?;
    println!("target/evaluate/flights.html has the pictures");
    Ok(())
}
