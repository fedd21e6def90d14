//! Fitting a pipeline: shared passes, sources that need not fit into memory, and rows that must not
//! be judged on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use mlops_core::random::SplitMix64;
use mlops_core::{
    BatchStream, DataSource, ErrorKind, Expr, Pipeline, Result, Role, Run, Scan, Table, Transformer, col, lit,
    map_stream, transform_table,
};
use mlops_data::source::MemorySource;
use mlops_data::split::SplitExt;
use mlops_data::transform::{
    Derive, OneHotEncoder, OrdinalEncoder, Select, SimpleImputer, StandardScaler, TargetEncoder,
};
use serde::Serialize;

#[derive(Serialize)]
struct Ride {
    distance: Option<f64>,
    fare: f64,
    city: &'static str,
    late: bool,
}

fn rides(rows: usize) -> Table {
    let mut rng = SplitMix64::new(5);
    let ride = |_| Ride {
        distance: (rng.below(7) != 0).then(|| 1.0 + rng.below(900) as f64 / 10.0),
        fare: rng.below(5_000) as f64 / 100.0,
        city: ["oslo", "bergen", "tromsø"][rng.below(3) as usize],
        late: rng.below(3) == 0,
    };
    let rides: Vec<Ride> = (0..rows).map(ride).collect();
    Table::from_rows(&rides).unwrap().with_role("late", Role::Target).unwrap()
}

fn preparation() -> Pipeline {
    Pipeline::new()
        .then(SimpleImputer::median(["distance"]))
        .then(OneHotEncoder::on(["city"]))
        .then(StandardScaler::on(["fare"]))
        .then(StandardScaler::on(["distance"]))
        .then(Derive::column("ratio", fare_by_distance()))
        .then(Select::drop(["fare"]))
}

fn fare_by_distance() -> Expr {
    col("fare").div(col("distance").add(lit(10.0)))
}

/// Counts how often it is scanned, and which columns it was asked for.
#[derive(Debug)]
struct Counting {
    inner: MemorySource,
    scans: AtomicUsize,
    columns: std::sync::Mutex<Vec<Option<Vec<String>>>>,
}

#[async_trait]
impl DataSource for Counting {
    fn name(&self) -> String {
        self.inner.name()
    }

    async fn schema(&self) -> Result<SchemaRef> {
        self.inner.schema().await
    }

    async fn scan(&self, scan: Scan) -> Result<BatchStream> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.columns.lock().unwrap().push(scan.columns.clone());
        self.inner.scan(scan).await
    }
}

fn counting(table: &Table) -> Counting {
    Counting { inner: MemorySource::new(table.clone()), scans: AtomicUsize::new(0), columns: Vec::new().into() }
}

#[tokio::test]
async fn a_source_is_fitted_as_a_table_in_as_few_passes_as_can_be() {
    let table = rides(3_000);
    let source = counting(&table);
    let fitted = preparation().fit_source(&source, table.roles(), &Run::default()).await.unwrap();
    let whole = preparation().fit(&table, &Run::default()).unwrap();
    let (fitted, whole) = (transform_table(fitted.as_ref(), &table), transform_table(whole.as_ref(), &table));
    assert_eq!(fitted.unwrap().to_batch().unwrap(), whole.unwrap().to_batch().unwrap());
    // One for the first three steps, one for the scale of what was imputed, none for the rest.
    assert_eq!(source.scans.load(Ordering::Relaxed), 2);
    let columns = source.columns.lock().unwrap();
    assert_eq!(columns[0].as_deref().unwrap(), ["distance", "fare", "city"]);
}

#[tokio::test]
async fn threads_and_batches_of_a_source_make_no_difference() {
    let table = rides(2_000);
    let mut saved = Vec::new();
    for (threads, batch) in [(1, 7), (2, 7), (1, 1_000), (2, 333)] {
        let source = MemorySource::new(table.rebatch(batch).unwrap());
        let run = Run::default().with_threads(threads.try_into().unwrap());
        let fitted = preparation().fit_source(&source, table.roles(), &run).await.unwrap();
        saved.push(fitted.save().unwrap());
    }
    assert!(saved.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn what_needs_the_whole_table_is_refused_by_name() {
    let table = rides(100);
    // Reading a column twice in a row is two passes; a step without a fold is no pass at all.
    let recipe = Pipeline::new().then(OrdinalEncoder::on(["city"])).then(WholeTable);
    let error = recipe.fit_source(&counting(&table), table.roles(), &Run::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("whole table") && error.to_string().contains("2: whole_table"), "{error}");
    let missing = Pipeline::new().then(StandardScaler::on(["height"]));
    let error = missing.fit_source(&counting(&table), table.roles(), &Run::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert!(error.to_string().contains("height"), "{error}");
}

#[derive(Clone, Debug, Serialize)]
struct WholeTable;

impl mlops_core::Named for WholeTable {
    const KIND: &'static str = "whole_table";
}

impl Transformer for WholeTable {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn mlops_core::Transform>> {
        Select::drop(["fare"]).learn(data, run)
    }
}

#[tokio::test]
async fn a_stream_is_prepared_in_order_and_stops_when_told_to() {
    let table = rides(5_000).rebatch(100).unwrap();
    let fitted = preparation().fit(&table, &Run::default()).unwrap();
    let expected = transform_table(fitted.as_ref(), &table).unwrap();
    let run = Run::default();
    let stream = MemorySource::new(table).scan(Scan::all()).await.unwrap();
    let apply = Arc::clone(&fitted);
    let mut prepared = map_stream(stream, &run, move |batch| apply.apply(batch)).unwrap();
    let first = prepared.next().await.unwrap().unwrap();
    assert_eq!(first, expected.batches()[0]);
    run.cancel.cancel();
    let mut later = Vec::new();
    while let Some(batch) = prepared.next().await {
        later.push(batch);
    }
    assert_eq!(later.pop().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(later.len() < 20 && later.iter().all(Result::is_ok));
}

#[test]
fn rows_remember_where_they_come_from() {
    let all = rides(200);
    let (train, test) = all.split(0.7, 1).unwrap();
    let (train, test) = (train.provenance(), test.provenance());
    assert_eq!(train.overlap(&test), None);
    assert!(all.provenance().overlap(&test).is_some());
    // The same rows read again are the same rows, in whatever batches.
    assert_eq!(rides(200).rebatch(9).unwrap().provenance(), all.provenance());
    assert_ne!(rides(199).provenance(), all.provenance());
}

#[test]
fn a_preparation_fitted_on_all_rows_taints_what_it_prepares() {
    let all = rides(200);
    let (_, prepared) = TargetEncoder::on(["city"]).fit_transform(&all, &Run::default()).unwrap();
    let (train, test) = prepared.split(0.7, 1).unwrap();
    assert!(train.fitting_provenance().overlap(&test.provenance()).is_some());

    let (train, test) = all.split(0.7, 1).unwrap();
    let (fitted, train) = TargetEncoder::on(["city"]).fit_transform(&train, &Run::default()).unwrap();
    let test = transform_table(fitted.as_ref(), &test).unwrap();
    assert_eq!(train.fitting_provenance().overlap(&test.provenance()), None);
}
