//! Where the seeds come from: the stored artifacts of the crates, and small inputs of each kind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::record_batch;
use bytes::Bytes;
use mlops::core::{Artifact, DriftDetector, Explainer, Expr, Model, Pipeline, Role, Run, Table, Trainer, col, lit};
use mlops::data::Profile;
use mlops::data::transform::{OneHotEncoder, SimpleImputer};
use mlops::monitor::{DriftSuite, ShapleyExplainer};
use mlops::registry::{Limits, PackageFiles};
use mlops::train::{LogisticRegression, RandomForest, Voting};
use serde_json::{Value as Json, json};

use super::targets::parts::{self, Part};
use super::targets::{component, infer, package};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let folder = root().join("fuzz/seeds").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(root().join(path)).unwrap()
}

fn read_json(path: impl AsRef<Path>) -> Json {
    serde_json::from_slice(&read(path)).unwrap()
}

fn files(folder: impl AsRef<Path>) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect();
    files.sort();
    files
}

#[test]
#[ignore = "writes files"]
fn write_the_seeds() {
    foreign();
    components();
    forests();
    csv();
    json_texts();
    requests();
    packages();
    parquet();
    records();
}

fn components() {
    for (name, path) in files("mlops-data/tests/data") {
        let json = read_json(path);
        if let Some(artifact) = json.get("artifact") {
            write("component", name.trim_end_matches(".v1.json"), component::input(&artifact_of(artifact)));
        }
    }
    for (name, path) in files("mlops-train/tests/data") {
        write("component", name.trim_end_matches(".v1"), component::input(&model_in(&path)));
    }
    let monitors = "mlops-monitor/tests/data";
    for name in ["column_monitor", "column_monitor_bins"] {
        let artifact = artifact_of(&read_json(format!("{monitors}/{name}.v1.json")));
        write("component", name, component::input(&artifact));
    }
    let stored = artifact_of(&read_json(format!("{monitors}/shapley.v1.json")));
    let background = read(format!("{monitors}/shapley.v1.background.arrow"));
    write("component", "shapley", component::input(&stored.with_blob("background.arrow", background)));
    let known = record_batch!(("distance", Float64, [1.0, 2.0]), ("seats", Int64, [3, 4])).unwrap();
    let explainer = ShapleyExplainer::default().fit(&Table::from_batch(known)).unwrap();
    write("component", "shapley_of_two", component::input(&explainer.save().unwrap()));
    write("component", "pipeline_model", component::input(&infer::trips().unwrap().model.save().unwrap()));
    write("component", "voting_model", component::input(&voting().save().unwrap()));
}

fn artifact_of(json: &Json) -> Artifact {
    serde_json::from_value(json.clone()).unwrap()
}

fn model_in(folder: &Path) -> Artifact {
    let artifact = artifact_of(&read_json(folder.join("artifact.json")));
    let blobs = files(folder).into_iter().filter(|(name, _)| !name.ends_with(".json"));
    blobs.fold(artifact, |artifact, (name, path)| artifact.with_blob(name, read(path)))
}

fn voting() -> Arc<dyn Model> {
    let rows = record_batch!(
        ("km", Float64, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ("late", Boolean, [false, true, false, true, true, true])
    );
    let table = Table::from_batch(rows.unwrap()).with_role("late", Role::Target).unwrap();
    let voting = Voting::new().with(LogisticRegression::new());
    let voting = voting.with(RandomForest::new().with_n_trees(2).with_max_depth(2));
    Pipeline::new().train(voting).fit(&table, &Run::default()).unwrap()
}

fn forests() {
    for name in ["forest_model", "forest_model_of_three"] {
        let bytes = read(format!("mlops-train/tests/data/{name}.v1/trees.safetensors"));
        let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        write("forest", name, parts::join(&[Part::new(0, &bytes[8..end]), Part::new(0, &bytes[end..])]));
    }
}

fn csv() {
    let seeds: [(&str, [u8; 4], &str); 10] = [
        ("plain", [0, 0, 0, 0], "zone,minutes,at\nnorth,12,2013-01-01T05:00:00Z\nsouth,,2013-01-02T00:00:00Z\n"),
        ("quoted", [0, 0, 1, 0], "a,b\r\n\"x, \"\"y\"\"\",1\r\n\"two\nlines\",2\r\n"),
        ("semicolons", [2, 1, 2, 0], "a;b;c\nNA;1.5;true\n-inf;NaN;false\n"),
        ("tabs", [4, 0, 3, 0], "a\tb\n\"\"\t 7 \n\n\t8"),
        ("no header", [1, 0, 9, 0], "1,2\r3,4\r\"5\",6"),
        ("byte order mark", [0, 0, 5, 0], "\u{feff}a,b\n1,é\n"),
        ("spaces", [8, 4, 2, 0], "a b\n1 \" \"\n"),
        ("declared", [0, 0, 4, 1], "a,b,c,d\n1,2,3.5,true\n4,5,6.5,false\n"),
        ("times", [0, 0, 4, 4], "d,t,z\n2013-02-28,2013-01-01 05:00:00.123456789,2013-01-01T05:00:00+01:00\n"),
        ("wide numbers", [0, 0, 8, 9], "a,b\n9223372036854775808,1e400\n-9223372036854775808,0x1F\n+1,.5\n"),
    ];
    for (name, settings, text) in seeds {
        write("csv", name, [&settings, text.as_bytes()].concat());
    }
}

fn json_texts() {
    write("expectations", "stored", read_json("mlops-data/tests/data/expectations.v1.json").to_string());
    write("profile", "stored", read_json("mlops-data/tests/data/profile.v1.json").to_string());
    let rows = record_batch!(
        ("distance", Float64, [Some(1.0), None, Some(3.5)]),
        ("origin", Utf8, ["EWR", "JFK", "EWR"]),
        ("late", Boolean, [true, false, true]),
        ("month", Int64, [1, 2, 3])
    );
    let profile = Profile::of(&Table::from_batch(rows.unwrap())).unwrap();
    write("profile", "small", profile.to_json().unwrap());
    write("expectations", "drafted", serde_json::to_vec(&profile.expectations()).unwrap());
    for (i, expr) in expressions().iter().enumerate() {
        write("expr", &format!("{i}"), serde_json::to_vec(expr).unwrap());
    }
    let names = [
        "flights@champion",
        "flights:12",
        "flights",
        "a:00",
        "a@",
        "4b75a8842dc16ded120ee1f96d229ac409028f4d5d429499a4ad548aae854310",
    ];
    for (i, name) in names.iter().enumerate() {
        write("names", &format!("{i}"), name);
    }
    for kind in mlops::codecs().kinds() {
        write("recipe", kind, json!({"kind": kind, "settings": {}}).to_string());
        write(
            "recipe",
            &format!("{kind} of columns"),
            json!({"kind": kind, "settings": {"columns": ["distance", "origin"]}}).to_string(),
        );
    }
    let recipe = Pipeline::new()
        .then(SimpleImputer::median(["distance"]))
        .then(OneHotEncoder::on(["origin"]))
        .train(voting_recipe());
    write("recipe", "estimator", serde_json::to_vec(&mlops::core::Recipe::to_spec(&recipe).unwrap()).unwrap());
}

fn voting_recipe() -> Voting {
    Voting::new().with(LogisticRegression::new()).with(RandomForest::new().with_n_trees(2))
}

fn expressions() -> Vec<Expr> {
    use arrow::datatypes::{DataType, TimeUnit};
    let time = DataType::Timestamp(TimeUnit::Second, None);
    vec![
        col("arr").gt_eq(col("dep")).and(col("origin").one_of(["EWR", "JFK"])).or(col("late").not()),
        col("distance").mul(lit(2.5)).add(col("month")).div(col("seats")).rem(lit(7)),
        col("distance").or_else(lit(0.0)).is_null(),
        col("time_hour").gt(lit("2013-01-01T05:00:00Z")),
        col("day").cast(time.clone()).sub(lit("2013-01-01").cast(time)).cast(DataType::Int64),
        col("month").cast(DataType::Utf8).eq(col("tailnum")),
        col("small").sub(col("seats")).lt(lit(i64::MAX)),
        col("note").or_else(col("origin")).not_eq(lit("x")),
    ]
}

fn requests() {
    let row = json!([
        {"name": "zone", "shape": [1], "datatype": "BYTES", "data": ["north"]},
        {"name": "km", "shape": [1], "datatype": "FP64", "data": [null]},
        {"name": "stops", "shape": [1, 1], "datatype": "INT8", "data": [[3]]},
        {"name": "seats", "shape": [1], "datatype": "UINT64", "data": [18446744073709551615u64]},
        {"name": "at", "shape": [1], "datatype": "INT64", "data": [1370044800]}
    ]);
    let seeds = [
        (
            "numbers",
            json!({"id": "1", "inputs": [
                {"name": "a", "shape": [2], "datatype": "FP64", "data": [1.5, -2]},
                {"name": "b", "shape": [2], "datatype": "INT64", "data": [3, 4]}
            ]}),
        ),
        ("matrix", json!({"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]}]})),
        (
            "outputs",
            json!({"inputs": [{"name": "x", "data": [1, 2], "shape": [1, 2], "datatype": "FP32"}],
            "outputs": [{"name": "predict", "parameters": {"binary_data": false}}], "parameters": {"a": [1, {}]}}),
        ),
        ("row", json!({"inputs": row})),
        ("chosen", json!({"inputs": row, "outputs": [{"name": "predict_proba"}]})),
    ];
    for (name, body) in seeds {
        write("infer", name, body.to_string());
    }
}

fn packages() {
    let stored = "mlops-registry/tests/data/package.v1";
    let mut stored_files = BTreeMap::new();
    for folder in ["", "samples/", "blobs/"] {
        for (name, path) in files(format!("{stored}/{folder}")).into_iter().filter(|(_, path)| path.is_file()) {
            stored_files.insert(format!("{folder}{name}"), Bytes::from(read(path)));
        }
    }
    let manifest = stored_files.remove("manifest.json").unwrap();
    let stored = PackageFiles::new(manifest, stored_files, &Limits::default()).unwrap();
    write("package", "stored", package::input(&stored));

    let rows = record_batch!(("distance", Float64, [1.0, 2.0]), ("seats", Int64, [3, 4])).unwrap();
    let monitor = DriftSuite::default().fit(&Table::from_batch(rows.clone())).unwrap();
    let explainer = ShapleyExplainer::default().fit(&Table::from_batch(rows)).unwrap();
    let trips = infer::trips().unwrap().with_drift(monitor.as_ref()).unwrap().with_explainer(&explainer).unwrap();
    write("package", "trips", package::input(&PackageFiles::of(&trips).unwrap()));
}

fn parquet() {
    use ::parquet::arrow::ArrowWriter;
    use ::parquet::basic::Compression;
    use ::parquet::file::properties::WriterProperties;
    let rows = record_batch!(
        ("km", Float64, [Some(1.5), None, Some(2.5), Some(-0.0)]),
        ("stops", Int64, [1, 2, 3, 300]),
        ("zone", Utf8, [Some("a"), Some("b"), None, Some("a")]),
        ("late", Boolean, [true, false, true, true])
    );
    let rows = rows.unwrap();
    let ways = [("plain", Compression::UNCOMPRESSED), ("snappy", Compression::SNAPPY)];
    for (name, compression) in ways {
        let properties = WriterProperties::builder().set_compression(compression).set_max_row_group_row_count(Some(3));
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties.build())).unwrap();
        writer.write(&rows).unwrap();
        let file = writer.into_inner().unwrap();
        write("parquet", name, [&[2, 1, 1], file.as_slice()].concat());
    }
}

fn records() {
    let unsealed = |line: &[u8]| {
        let json: Json = serde_json::from_slice(line).unwrap();
        json["record"].to_string().into_bytes()
    };
    let run = "mlops-registry/tests/data/tracker.v1/experiments/flights/01a204a5b2da0000ceea0fc088b17498/run.jsonl";
    let lines = read(run);
    let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let parts: Vec<Part> = lines.iter().map(|line| Part::new(0, unsealed(line))).collect();
    write("tracker", "stored", parts::join(&parts));
    let torn = Part::new(1, &lines[1][..20]);
    write("tracker", "torn", parts::join(&[parts[0].clone(), torn]));

    let places = [
        "registry.json",
        "models/flights/versions/00000000000000000001.json",
        "models/flights/versions/00000000000000000002.json",
        "models/flights/aliases/champion/00000000000000000001.json",
        "models/flights/aliases/champion/00000000000000000002.json",
    ];
    let record = |(i, place): (usize, &&str)| {
        Part::new(i as u8, unsealed(&read(format!("mlops-registry/tests/data/registry.v1/{place}"))))
    };
    write("registry", "stored", parts::join(&places.iter().enumerate().map(record).collect::<Vec<_>>()));
}

/// Small models of other libraries, from the files that `mlops-train` is tested with.
fn foreign() {
    let folder = "mlops-train/tests/golden/foreign";
    for name in ["lgb_codes", "lgb_ova", "lgb_sigmoid"] {
        let text = String::from_utf8(read(format!("{folder}/{name}.txt"))).unwrap();
        let trees = if name == "lgb_ova" { "Tree=3\n" } else { "Tree=1\n" };
        let (first, _) = text.split_once(trees).unwrap();
        write("lightgbm", name, format!("{first}end of trees\n"));
    }
    write("ubj", "xgb_small", read(format!("{folder}/xgb_small.ubj")));
    write("xgboost_json", "xgb_small", read(format!("{folder}/xgb_small.json")));
    for name in ["bernoulli_nb", "boosting", "k_means", "logistic_text", "mixed", "mlp_three", "sgd", "svc_small"] {
        write("onnx", name, read(format!("{folder}/onnx_skl_{name}.onnx")));
    }
}
