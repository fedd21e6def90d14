//! Whatever is wrong with what comes in, the error names the place and the remedy: a file, a table, a
//! request over a real port, a package on the disk, a directory, a port.

mod common;

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use common::{Served, package, preparation, trips};
use mlops::data::transform::{HandleUnknown, OneHotEncoder, OrdinalEncoder};
use mlops::data::{Column, Csv, ExpectingExt, Parquet};
use mlops::monitor::{DriftSuite, ShapleyExplainer};
use mlops::prelude::*;
use mlops::registry::{JsonlTracker, ObjectRegistry, read_package, write_package};
use mlops::serve::{InferenceService, Rest, Serve};
use mlops::train::LogisticRegression;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// The error must be of `kind` and say each of `says`: the place, and what to do.
#[track_caller]
fn assert_says<T>(result: Result<T>, kind: ErrorKind, says: &[&dyn Display]) {
    let Err(error) = result else { panic!("bad input was taken") };
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for part in says {
        assert!(text.contains(&part.to_string()), "it does not say\n  {part}\nbut\n  {text}");
    }
}

fn file(dir: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

mod files {
    use super::*;

    fn airlines() -> Vec<u8> {
        fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/nycflights13/airlines.parquet")).unwrap()
    }

    #[tokio::test]
    async fn a_torn_parquet() {
        let dir = TempDir::new().unwrap();
        let whole = airlines();
        Parquet::at(file(&dir, "whole.parquet", &whole)).read().await.unwrap();
        for length in [whole.len() - 1, whole.len() / 2, 9, 4] {
            let path = file(&dir, "torn.parquet", &whole[..length]);
            let says: [&dyn Display; 3] = [&path.display(), &"not a whole Parquet file", &"restore it from a copy"];
            assert_says(Parquet::at(&path).read().await, ErrorKind::Corrupt, &says);
        }
    }

    #[tokio::test]
    async fn a_wrong_type_in_row_1_000_000() {
        let dir = TempDir::new().unwrap();
        let mut text = "id,km\n".to_owned();
        text.push_str(&"7,1\n".repeat(999_999));
        text.push_str("7,far\n7,1\n");
        let path = file(&dir, "trips.csv", text);
        let csv = Csv::at(&path).with_type("id", DataType::Int64).with_type("km", DataType::Int64);
        // Row 1,000,000 stands on the line after it, for the first one is the header.
        let says: [&dyn Display; 4] = [&path.display(), &"line 1000001", &"column 'km'", &"'far' is not Int64"];
        assert_says(csv.read().await, ErrorKind::Data, &says);
        let remedy: [&dyn Display; 1] = [&"correct it, or declare the column as text"];
        assert_says(csv.read().await, ErrorKind::Data, &remedy);
    }

    #[tokio::test]
    async fn a_missing_column() {
        let dir = TempDir::new().unwrap();
        let path = file(&dir, "trips.csv", "id,km\n1,2\n");
        let declared = Csv::at(&path).with_schema(trips_schema(&["id", "km", "zone"]));
        let says: [&dyn Display; 4] =
            [&path.display(), &"[id, km]", &"[id: Utf8, km: Utf8, zone: Utf8]", &"correct the header"];
        assert_says(declared.read().await, ErrorKind::Schema, &says);
        let scan = Scan::all().with_columns(["zone"]);
        let says: [&dyn Display; 3] = [&path.display(), &"no column 'zone'", &"the columns are [id: Int64, km: Int64]"];
        assert_says(Csv::at(&path).read_scan(scan).await, ErrorKind::Schema, &says);
        let expected = Csv::at(&path).expecting([Column::text("zone").never_null()]);
        let says: [&dyn Display; 3] = [&path.display(), &"'zone'", &"id"];
        assert_says(expected.read().await, ErrorKind::Schema, &says);
    }

    #[tokio::test]
    async fn an_extra_column() {
        let dir = TempDir::new().unwrap();
        let path = file(&dir, "trips.csv", "id,km,zone\n1,2,north\n");
        let declared = Csv::at(&path).with_schema(trips_schema(&["id", "km"]));
        let says: [&dyn Display; 4] =
            [&path.display(), &"[id, km, zone]", &"[id: Utf8, km: Utf8]", &"correct the header"];
        assert_says(declared.read().await, ErrorKind::Schema, &says);
        let path = file(&dir, "ragged.csv", "id,km\n1,2\n3,4,north\n");
        let says: [&dyn Display; 4] =
            [&path.display(), &"line 3", &"3 fields", &"quote fields that hold the delimiter"];
        assert_says(Csv::at(&path).read().await, ErrorKind::Data, &says);
    }

    fn trips_schema(columns: &[&str]) -> arrow::datatypes::Schema {
        let field = |name: &&str| arrow::datatypes::Field::new(*name, DataType::Utf8, true);
        arrow::datatypes::Schema::new(columns.iter().map(field).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn an_empty_file() {
        let dir = TempDir::new().unwrap();
        let path = file(&dir, "empty.csv", "");
        let says: [&dyn Display; 3] = [&path.display(), &"the file is empty", &"write it again"];
        assert_says(Csv::at(&path).read().await, ErrorKind::Data, &says);
        let path = file(&dir, "empty.parquet", "");
        let says: [&dyn Display; 3] = [&path.display(), &"not a whole Parquet file", &"write it again"];
        assert_says(Parquet::at(&path).read().await, ErrorKind::Corrupt, &says);
    }

    #[tokio::test]
    async fn a_file_without_rows_teaches_nothing() {
        let dir = TempDir::new().unwrap();
        let path = file(&dir, "header.csv", "distance,carrier,hour,late\n");
        let table = Csv::at(path).with_schema(trips().schema().as_ref().clone()).read().await.unwrap();
        let table = table.with_role("late", Role::Target).unwrap();
        let says: [&dyn Display; 4] =
            [&"no rows", &"distance", &"look at the source and its filter", &"step: 1: impute"];
        let recipe = preparation().train(LogisticRegression::new());
        assert_says(recipe.fit(&table, &Run::default()), ErrorKind::Data, &says);
    }
}

mod tables {
    use super::*;

    fn of_distances(distances: [f64; 4]) -> Table {
        let km: ArrayRef = Arc::new(Float64Array::from(distances.to_vec()));
        let late: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true, false]));
        let batch = RecordBatch::try_from_iter([("km", km), ("late", late)]).unwrap();
        Table::from_batch(batch).with_role("late", Role::Target).unwrap()
    }

    #[test]
    fn nan_and_infinity_where_they_are_refused() {
        let infinite = ("an infinite value", "clip it first");
        let cases = [(f64::NAN, ("NaN", "impute it first")), (f64::INFINITY, infinite), (f64::NEG_INFINITY, infinite)];
        for (bad, (what, remedy)) in cases {
            let table = of_distances([1.0, 2.0, bad, 4.0]);
            let says: [&dyn Display; 4] = [&"'km'", &what, &"row 3", &remedy];
            assert_says(LogisticRegression::new().fit(&table, &Run::default()), ErrorKind::Data, &says);
        }
    }

    #[tokio::test]
    async fn nan_and_infinity_in_a_file_that_expects_numbers() {
        let dir = TempDir::new().unwrap();
        for bad in ["NaN", "inf"] {
            let path = file(&dir, "trips.csv", format!("km\n1.5\n2.5\n{bad}\n"));
            let expected = Csv::at(&path).expecting([Column::number("km").finite().or_fail()]);
            let says: [&dyn Display; 4] = [&path.display(), &"km: finite", &"row", &bad];
            assert_says(expected.read().await, ErrorKind::Data, &says);
        }
    }

    #[test]
    fn a_missing_column() {
        let model = package("late").model;
        let batch = trips().select(["distance", "hour"]).unwrap().to_batch().unwrap();
        let says: [&dyn Display; 3] = [&"input 'carrier' (Utf8) is missing", &"the model takes", &"given were"];
        assert_says(model.predict(&batch), ErrorKind::Schema, &says);
        let says: [&dyn Display; 3] =
            [&"no column 'seats'", &"[distance: Float64, carrier: Utf8", &"step: 1: standard_scaler"];
        let recipe = Pipeline::new().then(mlops::data::transform::StandardScaler::on(["seats"]));
        assert_says(recipe.train(LogisticRegression::new()).fit(&trips(), &Run::default()), ErrorKind::Schema, &says);
    }

    #[test]
    fn an_extra_column_is_left_out() {
        let model = package("late").model;
        let rows = trips().to_batch().unwrap();
        let fewer = trips().select(["hour", "distance", "carrier"]).unwrap().to_batch().unwrap();
        assert_eq!(model.predict(&rows).unwrap(), model.predict(&fewer).unwrap());
    }

    #[test]
    fn a_category_never_seen() {
        let unseen: ArrayRef = Arc::new(StringArray::from(vec!["AA", "ZZ"]));
        let batch = RecordBatch::try_from_iter([("carrier", unseen)]).unwrap();
        let strict = OneHotEncoder::on(["carrier"]).with_handle_unknown(HandleUnknown::Error);
        let says: [&dyn Display; 4] = [&"column: carrier", &"\"ZZ\"", &"row: 2", &"let the encoder take unknown"];
        assert_says(strict.fit(&trips(), &Run::default()).unwrap().apply(batch.clone()), ErrorKind::Data, &says);
        let strict = OrdinalEncoder::on(["carrier"]).with_unknown_value(None);
        let says: [&dyn Display; 4] = [&"column: carrier", &"\"ZZ\"", &"row: 2", &"let the encoder take unknown"];
        assert_says(strict.fit(&trips(), &Run::default()).unwrap().apply(batch.clone()), ErrorKind::Data, &says);
        // Unless told otherwise, it is none of the known ones.
        let lenient = OneHotEncoder::on(["carrier"]).fit(&trips(), &Run::default()).unwrap().apply(batch).unwrap();
        assert!(lenient.columns().iter().all(|c| mlops::core::Value::Float(0.0) == cell(c, 1)));
    }

    fn cell(column: &ArrayRef, row: usize) -> mlops::core::Value<'static> {
        let batch = RecordBatch::try_from_iter([("x", Arc::clone(column))]).unwrap();
        let reader = mlops::core::CellReader::new(&batch).unwrap();
        let value = reader.row(row).next().unwrap().as_f64();
        mlops::core::Value::Float(value.unwrap())
    }
}

mod requests {
    use super::*;

    /// Name, shape, datatype and data of a tensor.
    type Tensor = [&'static str; 4];

    const DISTANCE: Tensor = ["distance", "[2]", "FP64", "[100.5,null]"];
    const CARRIER: Tensor = ["carrier", "[2]", "BYTES", r#"["AA","UA"]"#];
    const HOUR: Tensor = ["hour", "[2]", "INT64", "[8,21]"];

    /// What a forest behind a real preparation has to refuse with 400, saying each of `says`.
    async fn refused(tensors: &[Tensor], says: &[&str]) {
        let tensor = |[name, shape, datatype, data]: &Tensor| {
            format!(r#"{{"name":"{name}","shape":{shape},"datatype":"{datatype}","data":{data}}}"#)
        };
        let tensors: Vec<String> = tensors.iter().map(tensor).collect();
        refused_by(package("late"), &format!(r#"{{"inputs":[{}]}}"#, tensors.join(",")), says).await;
    }

    async fn refused_by(package: Package, body: &str, says: &[&str]) {
        let service = InferenceService::new();
        service.deploy("late:1".parse().unwrap(), package).unwrap();
        let served = Served::start(&service).await;
        let url = format!("{}/v2/models/late/infer", served.url);
        let answer = reqwest::Client::new().post(url).body(body.to_owned()).send().await.unwrap();
        let status = answer.status().as_u16();
        let answer: Json = answer.json().await.unwrap();
        assert_eq!(status, 400, "{body}: {answer}");
        let error = answer["error"].as_str().unwrap();
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
        for part in says {
            assert!(error.contains(part), "it does not say\n  {part}\nbut\n  {error}");
        }
        served.end().await;
    }

    #[tokio::test]
    async fn a_wrong_name() {
        let airline = ["airline", "[2]", "BYTES", r#"["AA","UA"]"#];
        let says = ["no input 'airline'", "the model takes distance FP64, carrier BYTES, hour INT64"];
        refused(&[DISTANCE, airline, HOUR], &says).await;
    }

    #[tokio::test]
    async fn a_missing_input() {
        let says = ["input 'hour' is missing", "the model takes distance FP64, carrier BYTES, hour INT64"];
        refused(&[DISTANCE, CARRIER], &says).await;
    }

    #[tokio::test]
    async fn an_extra_input() {
        let seats = ["seats", "[2]", "INT64", "[1,2]"];
        let says = ["no input 'seats'", "the model takes distance FP64, carrier BYTES, hour INT64"];
        refused(&[DISTANCE, CARRIER, HOUR, seats], &says).await;
    }

    #[tokio::test]
    async fn a_wrong_shape() {
        let three = ["hour", "[3]", "INT64", "[8,21]"];
        refused(&[DISTANCE, CARRIER, three], &["tensor \"hour\" has 2 elements, its shape [3] says 3"]).await;
        let lying = ["hour", "[1,2]", "INT64", "[8,21]"];
        refused(&[DISTANCE, CARRIER, lying], &["input 'hour' has the shape [1, 2]: give [n] or [n, 1]"]).await;
        let one = ["hour", "[1]", "INT64", "[8]"];
        refused(&[DISTANCE, CARRIER, one], &["input 'hour' has 1 rows, the inputs before it have 2"]).await;
    }

    #[tokio::test]
    async fn a_wrong_datatype() {
        let numbers = ["carrier", "[2]", "BYTES", "[1,2]"];
        let says = ["tensor \"carrier\": element 0", "is 1, which BYTES can't hold", "line 1 column"];
        refused(&[DISTANCE, numbers, HOUR], &says).await;
        let texts = ["distance", "[2]", "BYTES", r#"["100","200"]"#];
        refused(&[texts, CARRIER, HOUR], &["input 'distance' is FP64, given was BYTES"]).await;
        let half = ["hour", "[2]", "FP16", "[8,21]"];
        refused(&[DISTANCE, CARRIER, half], &["\"FP16\" is not taken here; it may be BOOL"]).await;
    }

    #[tokio::test]
    async fn a_null_where_a_value_is_needed() {
        let gap = ["hour", "[2]", "INT64", "[8,null]"];
        refused(&[DISTANCE, CARRIER, gap], &["input 'hour' must have a value", "fill it in", "element: 1"]).await;
    }

    #[tokio::test]
    async fn nan_and_infinity() {
        for data in ["[1,NaN]", "[1,Infinity]", "[1,-Infinity]", "[1,1e999]"] {
            let distance = ["distance", "[2]", "FP64", data];
            refused(&[distance, CARRIER, HOUR], &["not understood: tensor \"distance\": ", "line 1 column"]).await;
        }
    }

    #[tokio::test]
    async fn a_category_never_seen() {
        let strict = OneHotEncoder::on(["carrier"]).with_handle_unknown(HandleUnknown::Error);
        let recipe = Pipeline::new().then(mlops::data::transform::SimpleImputer::median(["distance"])).then(strict);
        let model = recipe.train(LogisticRegression::new()).fit(&trips(), &Run::default()).unwrap();
        let strict = Package::new("late", model, &trips().to_batch().unwrap()).unwrap();
        let request = json!({"inputs": [
            {"name": "distance", "shape": [2], "datatype": "FP64", "data": [100.0, null]},
            {"name": "carrier", "shape": [2], "datatype": "BYTES", "data": ["AA", "ZZ"]},
            {"name": "hour", "shape": [2], "datatype": "INT64", "data": [8, 21]},
        ]});
        let says = ["\"ZZ\"", "column: carrier", "row: 2", "let the encoder take unknown"];
        refused_by(strict, &request.to_string(), &says).await;
    }

    #[tokio::test]
    async fn no_json() {
        refused_by(package("late"), "distance=100", &["the request is not understood", "line 1 column 1"]).await;
    }
}

mod places {
    use super::*;

    async fn published(dir: &Path) -> ObjectRegistry {
        let registry = ObjectRegistry::open(dir.to_str().unwrap(), mlops::codecs()).await.unwrap();
        let package = with_everything();
        let version = registry.publish(&package).await.unwrap();
        registry.promote(&version, "champion").await.unwrap();
        registry
    }

    /// A package with all that a package may hold.
    fn with_everything() -> Package {
        let package = package("late").with_drift(DriftSuite::default().fit(&trips()).unwrap().as_ref()).unwrap();
        let explainer = ShapleyExplainer::default().fit(&trips()).unwrap();
        package.with_explainer(&explainer).unwrap()
    }

    fn files_below(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
        entries.flat_map(below).collect()
    }

    /// Changes the byte at a third of the file while `work` runs.
    async fn while_changed<T>(file: &Path, work: impl Future<Output = T>) -> T {
        let sound = fs::read(file).unwrap();
        let mut changed = sound.clone();
        changed[sound.len() / 3] ^= 0x10;
        fs::write(file, changed).unwrap();
        let done = work.await;
        fs::write(file, sound).unwrap();
        done
    }

    #[tokio::test]
    async fn a_published_package_with_one_byte_changed() {
        let dir = TempDir::new().unwrap();
        published(dir.path()).await;
        let load = || async {
            let registry = ObjectRegistry::open(dir.path().to_str().unwrap(), mlops::codecs()).await?;
            registry.load("late@champion").await
        };
        load().await.unwrap();
        let files = files_below(&dir.path().join("blobs"));
        assert!(files.len() >= 3, "model, samples, drift and explainer have blobs: {files:?}");
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let says: [&dyn Display; 3] = [&name, &"late:1", &"publish"];
            assert_says(while_changed(&file, load()).await, ErrorKind::Corrupt, &says);
        }
        load().await.unwrap();
    }

    #[tokio::test]
    async fn a_package_directory_with_one_byte_changed() {
        let dir = TempDir::new().unwrap();
        let place = dir.path().join("late");
        write_package(&with_everything(), &place).await.unwrap();
        let codecs = mlops::codecs();
        for file in files_below(&place) {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let says: [&dyn Display; 3] = [&name, &place.display(), &"publish the package again"];
            assert_says(while_changed(&file, read_package(&place, &codecs)).await, ErrorKind::Corrupt, &says);
        }
        read_package(&place, &codecs).await.unwrap();
    }

    #[tokio::test]
    async fn a_damaged_version_is_not_served() {
        let dir = TempDir::new().unwrap();
        let registry: Arc<dyn Registry> = Arc::new(published(dir.path()).await);
        let file = files_below(&dir.path().join("blobs")).remove(0);
        let service = InferenceService::new();
        while_changed(&file, async {
            service.follow(Arc::clone(&registry), "late@champion", std::time::Duration::from_secs(60)).unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        })
        .await;
        let served = Served::start(&service).await;
        let answer = reqwest::get(format!("{}/v2/models/late/ready", served.url)).await.unwrap();
        assert_eq!(answer.status().as_u16(), 503);
        served.end().await;
    }

    #[tokio::test]
    async fn a_registry_below_a_file() {
        let dir = TempDir::new().unwrap();
        let in_the_way = file(&dir, "models", "a file");
        for place in [in_the_way.clone(), in_the_way.join("registry")] {
            let opened = ObjectRegistry::open(place.to_str().unwrap(), mlops::codecs()).await;
            let says: [&dyn Display; 2] = [&in_the_way.display(), &"choose another"];
            assert_says(opened, ErrorKind::Config, &says);
            let says: [&dyn Display; 2] = [&in_the_way.display(), &"choose another"];
            assert_says(JsonlTracker::open(&place).await, ErrorKind::Config, &says);
        }
    }

    /// Nobody may make a directory there, not even root, whom permissions don't stop.
    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn a_registry_without_write_permission() {
        let place = "/sys/mlops-test/models";
        let says: [&dyn Display; 2] = [&"/sys/mlops-test", &"give this user the right to, or choose another directory"];
        assert_says(ObjectRegistry::open(place, mlops::codecs()).await, ErrorKind::Denied, &says);
        assert_says(JsonlTracker::open(Path::new(place)).await, ErrorKind::Denied, &says);
    }

    #[tokio::test]
    async fn a_port_in_use() {
        let first = Rest::bind("127.0.0.1:0").await.unwrap();
        let address = first.local_addr().to_string();
        let says: [&dyn Display; 3] = [&address, &"is in use", &"choose another port (0 is any free one)"];
        assert_says(Rest::bind(&address).await, ErrorKind::Conflict, &says);
        let dir = TempDir::new().unwrap();
        let registry: Arc<dyn Registry> = Arc::new(published(dir.path()).await);
        let serve = Serve::from(registry).model("late@champion").rest(&address);
        assert_says(serve.run(Shutdown::never()).await, ErrorKind::Conflict, &says);
    }
}
