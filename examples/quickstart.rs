//! The whole library on one page: know the data, learn, publish the evidence, serve and watch.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]
use mlops::data::transform::{OneHotEncoder, SimpleImputer, StandardScaler};
use mlops::data::{Column, ExpectingExt, Parquet, split::SplitExt};
use mlops::prelude::*;
use mlops::train::{LogisticRegression, RocAuc, score};
use mlops::{monitor::DriftSuite, registry::ObjectRegistry, serve::Serve};
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<()> {
    // Find the data, say what it must look like, and what is known only afterwards.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/nycflights13/flights.parquet");
    let flights = Parquet::at(path).expecting([Column::number("distance").within(50.0..=5_500.0)]);
    let scan = Scan::all().with_columns(["carrier", "origin", "hour", "distance", "arr_delay"]);
    let flights = flights.read_scan(scan).await?.with_role("arr_delay", Role::Outcome)?;
    let flights = flights.filter_by(&col("arr_delay").is_null().not())?;
    let flights = flights.with_target("late", &col("arr_delay").gt_eq(lit(15)))?;
    let (train, test) = flights.split(0.8, 42)?;

    // One recipe: preparation and model.
    let recipe = Pipeline::new()
        .then(SimpleImputer::median(["distance"]))
        .then(StandardScaler::on(["distance"]))
        .then(OneHotEncoder::on(["carrier", "origin", "hour"]))
        .train(LogisticRegression::new());
    let model = recipe.fit(&train, &Run::default())?;

    // Package it with its evidence and its guard, then publish.
    let auc = score(model.as_ref(), &test, &[&RocAuc])?.get("roc_auc")?;
    let package = Package::new("late-flights", model, &test.to_batch()?)?
        .with_score("roc_auc", auc)
        .with_drift(DriftSuite::default().fit(&train)?.as_ref())?;
    let registry = ObjectRegistry::open("target/quickstart/models", mlops::codecs()).await?;
    let version = registry.publish(&package).await?;
    registry.promote(&version, "production").await?;
    println!("{version}: ROC-AUC {auc:.3}, serving on http://127.0.0.1:8080 for a second");

    // Serve it over the Open Inference Protocol; move the alias, and the version follows.
    let stop = Shutdown::on(tokio::time::sleep(std::time::Duration::from_secs(1)));
    let registry: Arc<dyn Registry> = Arc::new(registry);
    Serve::from(registry).model("late-flights@production").rest("127.0.0.1:8080").run(stop).await
}
