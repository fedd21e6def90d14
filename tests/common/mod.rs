//! Trips, a real pipeline fitted on them, and a server that answers over a real port.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use mlops::core::random::SplitMix64;
use mlops::core::{Recipe, Trigger};
use mlops::data::transform::{OneHotEncoder, SimpleImputer, StandardScaler};
use mlops::prelude::*;
use mlops::serve::{BoundRest, InferenceService, Rest};
use mlops::train::RandomForest;
use tokio::task::JoinHandle;

/// Trips by distance (some unknown), carrier and hour, which are late more often when they are long
/// and leave in the evening.
pub(crate) fn trips() -> Table {
    let mut rng = SplitMix64::new(20_130_704);
    let rows = 300;
    let distance: Vec<f64> = (0..rows).map(|_| 50.0 + rng.below(2_000) as f64).collect();
    let hour: Vec<i64> = (0..rows).map(|_| 5 + rng.below(18) as i64).collect();
    let carrier: Vec<&str> = (0..rows).map(|_| ["AA", "B6", "UA"][rng.below(3) as usize]).collect();
    let late = |row: usize| distance[row] / 200.0 + hour[row] as f64 > 14.0 + (row % 9) as f64;
    let known = |row: usize| (row % 11 != 5).then_some(distance[row]);
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("distance", Arc::new((0..rows).map(known).collect::<Float64Array>()), true),
        ("carrier", Arc::new(StringArray::from(carrier.clone())), false),
        ("hour", Arc::new(Int64Array::from(hour.clone())), false),
        ("late", Arc::new((0..rows).map(|row| Some(late(row))).collect::<BooleanArray>()), false),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    Table::from_batch(batch).with_role("late", Role::Target).unwrap()
}

/// The usual preparation of [`trips`]: every column becomes numbers without gaps.
pub(crate) fn preparation() -> Pipeline {
    Pipeline::new()
        .then(SimpleImputer::median(["distance"]))
        .then(StandardScaler::on(["distance", "hour"]))
        .then(OneHotEncoder::on(["carrier"]))
}

/// A forest behind the preparation: its scores are shares of leaves, the same on every machine.
pub(crate) fn package(name: &str) -> Package {
    let recipe = preparation().train(RandomForest::new().with_n_trees(8).with_max_depth(4));
    let model = recipe.fit(&trips(), &Run::default().with_seed(1)).unwrap();
    let package = Package::new(name, model, &trips().to_batch().unwrap()).unwrap();
    package.with_description("Will it be late?").with_recipe(recipe.to_spec().unwrap())
}

/// A REST server on a free port.
pub(crate) struct Served {
    pub(crate) url: String,
    stop: Trigger,
    serving: JoinHandle<Result<()>>,
}

impl Served {
    pub(crate) async fn start(service: &InferenceService) -> Self {
        let bound: BoundRest = Rest::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", bound.local_addr());
        let (stop, told) = Shutdown::new();
        let serving = tokio::spawn(Box::new(bound).serve(Arc::new(service.clone()), told));
        Self { url, stop, serving }
    }

    pub(crate) async fn end(self) {
        self.stop.fire();
        self.serving.await.unwrap().unwrap();
    }
}
