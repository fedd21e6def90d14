//! Will this flight arrive 15 minutes late or more? Asked at its scheduled departure.
//!
//! The whole loop on every flight that left New York City in 2013: read, join, check, train on January to April, choose
//! on May, report on June, publish, serve, then replay July to December through HTTP as live traffic whose labels come a
//! day late, watch it, retrain when an alarm fires, and promote a challenger only when it is better on what it has shadowed.
//!
//! `cargo run --release --example flights`; with `-- --serve ADDR` the server stays up at the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mlops::core::progress::ProgressLayer;
use mlops::monitor::DriftSuite;
use mlops::prelude::*;
use mlops::registry::ObjectRegistry;
use mlops::train::{CrossValidation, RocAuc, Selection, compare, score};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[path = "flights/prepare.rs"]
mod prepare;
#[path = "flights/recipes.rs"]
mod recipes;
#[path = "flights/replay.rs"]
mod replay;
#[path = "flights/show.rs"]
mod show;
#[path = "flights/traffic.rs"]
mod traffic;

use replay::{Live, Replay};
use show::Summary;

const SEED: u64 = 2013;

#[tokio::main]
async fn main() -> Result<()> {
    let serve_at = serve_argument()?;
    tracing_subscriber::registry().with(ProgressLayer::new()).init();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/flights");
    let mut summary = Summary::default();

    let start = Instant::now();
    let flights = prepare::flights().await?;
    summary.took("prepare", start);

    // Train on January to April, choose on May, report on June.
    let start = Instant::now();
    let (train, may, june) = (flights.months(1, 4)?, flights.months(5, 5)?, flights.months(6, 6)?);
    let selection = Selection::by(RocAuc).with_validation(may).with_cross_validation(CrossValidation::new(2));
    let run = Run::default().with_seed(SEED);
    let board = {
        let train = train.clone();
        blocking(move || compare(recipes::candidates(), &train, &selection, &run)).await?
    };
    summary.candidates = show::candidates(&board);
    let best = board.best();
    summary.recipe = best.name.clone();
    summary.june_auc = score(best.model.as_ref(), &june, &[&RocAuc])?.get("roc_auc")?;
    summary.took("train and choose", start);

    // Package the first model with its evidence and its guard, and publish it.
    let start = Instant::now();
    let package = Package::new("flights", Arc::clone(&best.model), &june.to_batch()?)?
        .with_description("Will this flight arrive 15 minutes late or more?")
        .with_recipe(recipes::candidate(&best.name)?.to_spec()?)
        .with_drift(DriftSuite::default().with_min_effect(0.1).fit(&train)?.as_ref())?
        .with_score("june_roc_auc", summary.june_auc);
    let directory = target.join("registry");
    let registry = ObjectRegistry::open(&directory.to_string_lossy(), mlops::codecs()).await?;
    let first = registry.publish(&package).await?;
    registry.promote(&first, "champion").await?;
    summary.took("package and publish", start);

    // Serve it, send it half a year of flights, and let alarms train its successors.
    let start = Instant::now();
    let live = Live::start(Arc::new(registry), serve_at.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let replay = Replay::new(&flights, best.name.clone(), Arc::clone(&best.model), first, summary.june_auc)?;
    summary.weeks = replay.run(&live).await?;
    summary.took("replay", start);

    show::write(&summary, &flights, &target)?;
    if serve_at.is_some() {
        show::line(&format!("serving on http://{} until Ctrl-C", live.address()));
        live.until_interrupted().await?;
    }
    live.stop().await
}

/// Runs computation off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("a computation panicked").with_source(e))?
}

/// The address after `--serve`, if it is there.
fn serve_argument() -> Result<Option<String>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => Ok(None),
        [flag, address] if flag == "--serve" => Ok(Some(address.clone())),
        other => Err(Error::config(format!("arguments {other:?} not understood; use: [--serve ADDRESS:PORT]"))),
    }
}
