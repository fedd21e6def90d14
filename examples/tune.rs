//! Searches the settings of a recipe on real flights, and goes on where it was if it is killed.
//!
//! ```text
//! cargo run --release --example tune -- [--trials N] [--threads N] [--rows N] [--runs FOLDER] [--json OUT] [--html OUT]
//! ```
//!
//! Learns from January to April, judges on May: is a flight 15 minutes late or more? Every trial is a run in FOLDER
//! (`target/tune` unless said otherwise). Killed at any moment and started again with the same arguments it reads what it
//! has found, and ends with the same trials and the same best one as if nothing had happened; once it has come to its end,
//! starting it again only shows the result.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::num::NonZeroUsize;
use std::path::PathBuf;

use mlops::core::progress::ProgressLayer;
use mlops::core::{Estimator, ResultExt};
use mlops::data::Parquet;
use mlops::data::transform::{Select, TargetEncoder};
use mlops::prelude::*;
use mlops::registry::JsonlTracker;
use mlops::train::search::{Halving, Search, Values};
use mlops::train::{HistGradientBoosting, LogLoss, RocAuc};
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/nycflights13/flights.parquet");
const USAGE: &str = "usage: tune [--trials N] [--threads N] [--rows N] [--runs FOLDER] [--json OUT] [--html OUT]";

struct Arguments {
    trials: usize,
    threads: NonZeroUsize,
    /// At most so many rows to learn from.
    rows: usize,
    runs: PathBuf,
    json: Option<PathBuf>,
    html: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ProgressLayer::new()))
        .map_err(|e| Error::internal("a subscriber is set already").with_source(e))?;
    let (train, may) = flights(arguments.rows).await?;
    let smoothings = [json!("auto"), json!({ "weight": 10.0 }), json!({ "weight": 100.0 })];
    let search = Search::over(&recipe(), mlops::codecs())?
        .vary("trainer.learning_rate", Values::log_uniform(0.02, 0.3))
        .vary("trainer.max_leaf_nodes", Values::log_int(7, 127))
        .vary("trainer.min_samples_leaf", Values::log_int(5, 200))
        .vary("trainer.l2_regularization", Values::log_uniform(1e-3, 30.0))
        .vary("trainer.max_features", Values::uniform(0.3, 1.0))
        .vary("steps.target_encoder.smooth", Values::choice(smoothings))
        .by(RocAuc)
        .by(LogLoss)
        .on_rows(may)
        .with_halving(Halving::setting("trainer.max_iter", 15, 200))
        .with_trials(arguments.trials)
        .with_concurrency(2);
    let tracker = JsonlTracker::open(&arguments.runs).await?;
    let run = Run::default().with_seed(7).with_threads(arguments.threads);
    let study = search.run_tracked(&train, &run, &tracker, "flights").await?;
    println!("{study}");
    let best = study.best()?;
    println!("best: trial {}; {} results were known before", best.number, study.resumed);
    println!("{}", serde_json::to_string(&best.recipe)?);
    write(arguments.json, || Ok(serde_json::to_string_pretty(&study)?))?;
    write(arguments.html, || Ok(study.report().to_html()))
}

/// January to April to learn from, May to judge on.
async fn flights(rows: usize) -> Result<(Table, Table)> {
    let columns = ["month", "time_hour", "carrier", "origin", "dest", "hour", "minute", "distance", "arr_delay"];
    let scan = Scan::all().with_columns(columns).with_filter(col("month").lt_eq(lit(5)));
    let flights = Parquet::at(DATA).read_scan(scan).await?;
    let roles =
        Roles::new().with("arr_delay", Role::Outcome).with("month", Role::Ignored).with("time_hour", Role::EventTime);
    let flights = flights.with_roles(&roles).filter_by(&col("arr_delay").is_null().not())?;
    let flights = flights.with_target("late", &col("arr_delay").gt_eq(lit(15)))?;
    let months = |condition: mlops::core::Expr| flights.filter_by(&condition);
    let (train, may) = (months(col("month").lt(lit(5)))?, months(col("month").eq(lit(5)))?);
    let step = train.num_rows().div_ceil(rows.max(1)).max(1);
    let some: Vec<usize> = (0..train.num_rows()).step_by(step).collect();
    Ok((if step > 1 { train.take(&some)? } else { train }, may))
}

/// Boosted trees; a category is the share of late flights in it.
fn recipe() -> Estimator {
    Pipeline::new()
        .then(TargetEncoder::on(["carrier", "origin", "dest"]))
        .then(Select::drop(["time_hour"]))
        .train(HistGradientBoosting::new().with_early_stopping(false))
}

fn write(path: Option<PathBuf>, text: impl FnOnce() -> Result<String>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(&path, text()?).map_err(Error::from).context("file", path.display())
}

impl Arguments {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let two = NonZeroUsize::MIN.saturating_add(1);
        let mut read =
            Self { trials: 60, threads: two, rows: usize::MAX, runs: "target/tune".into(), json: None, html: None };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| Error::config(format!("{name} lacks a value\n{USAGE}")))?;
            let number = || value.parse().map_err(|_| Error::config(format!("{name} {value} is no number\n{USAGE}")));
            match name.as_str() {
                "--trials" => read.trials = number()?,
                "--threads" => read.threads = NonZeroUsize::new(number()?).unwrap_or(NonZeroUsize::MIN),
                "--rows" => read.rows = number()?,
                "--runs" => read.runs = value.into(),
                "--json" => read.json = Some(value.into()),
                "--html" => read.html = Some(value.into()),
                _ => return Err(Error::config(format!("'{name}' is no option\n{USAGE}"))),
            }
        }
        Ok(read)
    }
}
