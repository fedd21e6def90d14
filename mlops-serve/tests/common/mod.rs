//! What the tests of this crate share: models with something to see, a registry in memory, a server
//! on a free port.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

#[cfg(feature = "rest")]
pub mod running;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, TimeUnit};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{BoxStream, iter};
use mlops_core::conformance::LinearModel;
use mlops_core::{
    Artifact, CellReader, Dense, Error, ErrorKind, InferenceRecord, InputColumn, Model, ModelRef, Package, Pick,
    Registry, Result, RowModel, Scratch, Signature, Tap, Task, Value, Version,
};

/// A model with an input of every sort, whose score shows every one of them.
#[derive(Debug)]
pub struct Mixed(pub Signature);

impl Mixed {
    pub fn package(name: &str) -> Package {
        let inputs = vec![
            InputColumn::new("carrier", DataType::Utf8, true),
            InputColumn::new("distance", DataType::Float64, true),
            InputColumn::new("month", DataType::Int8, false),
            InputColumn::new("cancelled", DataType::Boolean, false),
            InputColumn::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
            InputColumn::new("gate", DataType::Float32, false),
            InputColumn::new("seats", DataType::Int64, true),
        ];
        let model = Self(Signature::new(inputs, Task::Regression));
        let row = |carrier, distance| {
            [carrier, distance, Value::Int(3), Value::Bool(true), Value::Int(5000), Value::Float(0.5), Value::Null]
        };
        let rows = [row(Value::Text("UA"), Value::Null), row(Value::Null, Value::Float(1.0))];
        let samples = mixed_batch(&model.0, &rows);
        Package::new(name, Arc::new(model), &samples).unwrap()
    }

    fn score(row: &[Value<'_>]) -> f64 {
        let length = row[0].as_str().map_or(-1.0, |text| text.chars().count() as f64);
        let weights = [100.0, 10.0, 1000.0, 0.001, 1.0, 1e6];
        row[1..].iter().zip(weights).fold(length, |sum, (cell, weight)| sum + cell.as_f64().unwrap_or(0.0) * weight)
    }
}

fn mixed_batch(signature: &Signature, rows: &[[Value<'_>; 7]]) -> RecordBatch {
    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
    let ints = |i: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row[i].as_f64().map(|x| x as i64)).collect::<Int64Array>())
    };
    let floats = |i: usize| -> ArrayRef { Arc::new(rows.iter().map(|row| row[i].as_f64()).collect::<Float64Array>()) };
    let texts: ArrayRef = Arc::new(rows.iter().map(|row| row[0].as_str()).collect::<StringArray>());
    let flags = arrow::array::BooleanArray::from_iter(rows.iter().map(|row| Some(row[3] == Value::Bool(true))));
    let columns = [texts, floats(1), ints(2), Arc::new(flags), ints(4), floats(5), ints(6)];
    let batch = RecordBatch::try_from_iter_with_nullable(
        signature.input_names().into_iter().zip(columns).map(|(name, column)| (name, column, true)),
    );
    signature.check(&batch.unwrap()).unwrap()
}

impl RowModel for Mixed {
    fn score_row(&self, row: &[Value<'_>], _: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        scores[0] = Self::score(row);
        Ok(())
    }
}

impl Model for Mixed {
    fn signature(&self) -> &Signature {
        &self.0
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let cells = CellReader::new(&self.0.check(batch)?)?;
        self.0.answer((0..cells.num_rows()).map(|row| Self::score(&cells.row(row).collect::<Vec<_>>())).collect())
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        Some(self)
    }

    fn save(&self) -> Result<Artifact> {
        Err(Error::new(ErrorKind::Unsupported, "a model of a test"))
    }
}

/// A model that waits as many milliseconds as its input says, at least one.
#[derive(Debug)]
pub struct Slow(LinearModel);

impl Slow {
    pub fn package(name: &str) -> Package {
        let model = LinearModel::regression([("x", 1.0)], 0.0).unwrap();
        let samples = model.clone().package(name).unwrap().samples.inputs;
        Package::new(name, Arc::new(Self(model)), &samples).unwrap()
    }
}

impl Dense for Slow {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        std::thread::sleep(Duration::from_millis(row[0].max(1.0) as u64));
        self.0.score_row(row, scores);
    }
}

impl Model for Slow {
    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        mlops_core::predict_dense(self.signature(), self, batch)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        self.0.save()
    }
}

/// A package that multiplies `x`.
pub fn times(factor: f64) -> Package {
    LinearModel::regression([("x", factor)], 0.0).unwrap().package("m").unwrap()
}

pub fn version(number: u64) -> Version {
    Version::new("m", number).unwrap()
}

/// Packages and aliases in memory; a switch makes it fail.
#[derive(Debug, Default)]
pub struct MemoryRegistry {
    pub packages: Mutex<BTreeMap<Version, Package>>,
    pub aliases: Mutex<BTreeMap<(String, String), Version>>,
    pub down: std::sync::atomic::AtomicBool,
    pub fetches: std::sync::atomic::AtomicUsize,
}

impl MemoryRegistry {
    pub fn with(packages: impl IntoIterator<Item = Package>) -> Arc<Self> {
        let registry = Self::default();
        for package in packages {
            registry.add(package);
        }
        Arc::new(registry)
    }

    pub fn add(&self, package: Package) -> Version {
        let mut packages = self.packages.lock().unwrap();
        let newest = packages.keys().filter(|version| version.model() == package.name).map(Version::number).max();
        let version = Version::new(&package.name, newest.unwrap_or(0) + 1).unwrap();
        packages.insert(version.clone(), package);
        version
    }

    pub fn point(&self, alias: &str, to: u64) {
        self.aliases.lock().unwrap().insert(("m".into(), alias.into()), version(to));
    }

    pub fn shared(self: &Arc<Self>) -> Arc<dyn Registry> {
        Arc::<Self>::clone(self)
    }

    fn check_up(&self) -> Result<()> {
        if self.down.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "the registry is down"));
        }
        Ok(())
    }
}

#[async_trait]
impl Registry for MemoryRegistry {
    async fn publish(&self, package: &Package) -> Result<Version> {
        self.check_up()?;
        Ok(self.add(package.clone()))
    }

    async fn fetch(&self, version: &Version) -> Result<Package> {
        self.check_up()?;
        self.fetches.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let packages = self.packages.lock().unwrap();
        packages.get(version).cloned().ok_or_else(|| Error::not_found(format!("no version {version}")))
    }

    async fn resolve(&self, model: &ModelRef) -> Result<Version> {
        self.check_up()?;
        let found = match &model.pick {
            Pick::Alias(alias) => self.aliases.lock().unwrap().get(&(model.model.clone(), alias.clone())).cloned(),
            Pick::Newest => self.packages.lock().unwrap().keys().rfind(|v| v.model() == model.model).cloned(),
            Pick::Version(number) => Some(Version::new(&model.model, *number)?),
        };
        found.ok_or_else(|| Error::not_found(format!("nothing is {model}")))
    }

    async fn set_alias(&self, alias: &str, to: &Version, _: Option<&Version>) -> Result<()> {
        self.aliases.lock().unwrap().insert((to.model().to_owned(), alias.to_owned()), to.clone());
        Ok(())
    }

    async fn aliases(&self, _: &str) -> Result<BTreeMap<String, Version>> {
        Ok(self.aliases.lock().unwrap().iter().map(|((_, alias), version)| (alias.clone(), version.clone())).collect())
    }

    fn list(&self, _: Option<&str>) -> BoxStream<'static, Result<Version>> {
        let versions: Vec<_> = self.packages.lock().unwrap().keys().cloned().map(Ok).collect();
        iter(versions).boxed()
    }
}

/// Keeps every record.
#[derive(Debug, Default)]
pub struct Recorder(pub Mutex<Vec<InferenceRecord>>);

impl Tap for Recorder {
    fn record(&self, record: InferenceRecord) {
        self.0.lock().unwrap().push(record);
    }
}
