//! Pipelines as ONNX files: read again here, and run by onnxruntime where there is one (a Python named
//! by `MLOPS_PYTHON`).
#![cfg(all(feature = "foreign", feature = "forest", feature = "linear"))]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use mlops::core::random::SplitMix64;
use mlops::core::{CellReader, ErrorKind, Value};
use mlops::data::transform::{
    Binarizer, ColumnTransformer, Derive, MaxAbsScaler, MinMaxScaler, OneHotEncoder, OrdinalEncoder, Remainder,
    RobustScaler, SimpleImputer, StandardScaler,
};
use mlops::prelude::*;
use mlops::train::{Import, LinearRegression, LogisticRegression, RandomForest, foreign};
use serde_json::{Value as Json, json};

/// What the target is.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Number,
    Texts,
}

fn table(kind: Kind) -> Table {
    let mut rng = SplitMix64::new(4);
    let rows = 600;
    let wind: Vec<Option<f64>> =
        (0..rows).map(|_| rng.uniform() * 10.0).map(|x| Some(x).filter(|x| *x < 9.0)).collect();
    let heat: Vec<f64> = (0..rows).map(|_| rng.uniform() * 40.0 - 10.0).collect();
    let hour: Vec<i64> = (0..rows).map(|_| rng.below(24) as i64).collect();
    let port: Vec<&str> = (0..rows).map(|_| ["EWR", "JFK", "LGA"][rng.below(3) as usize]).collect();
    let truth = |i: usize| wind[i].unwrap_or(4.0) + heat[i] / 8.0 + hour[i] as f64 / 6.0 + port[i].len() as f64;
    let y: ArrayRef = match kind {
        Kind::Bool => Arc::new((0..rows).map(|i| Some(truth(i) > 11.0)).collect::<BooleanArray>()),
        Kind::Number => Arc::new((0..rows).map(truth).collect::<Float64Array>()),
        Kind::Texts => {
            let name = |i| ["early", "late", "on time"][((truth(i) / 5.0) as usize).min(2)];
            Arc::new(StringArray::from_iter_values((0..rows).map(name)))
        }
    };
    let columns: [(&str, ArrayRef); 5] = [
        ("wind", Arc::new(Float64Array::from(wind.clone()))),
        ("heat", Arc::new(Float64Array::from(heat.clone()))),
        ("hour", Arc::new(Int64Array::from(hour.clone()))),
        ("port", Arc::new(StringArray::from(port.clone()))),
        ("y", y),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, column)| (name, Arc::clone(&column), name == "wind")),
    );
    Table::from_batch(batch.unwrap()).with_role("y", Role::Target).unwrap()
}

fn preparation() -> Pipeline {
    Pipeline::new()
        .then(SimpleImputer::median(["wind"]).with_indicator())
        .then(StandardScaler::on(["wind"]))
        .then(MinMaxScaler::on(["heat"]))
        .then(OneHotEncoder::on(["port", "hour"]))
}

fn models() -> Vec<(&'static str, Arc<dyn Model>)> {
    let forest = || RandomForest::new().with_n_trees(9);
    let fit = |recipe: &dyn Trainer, kind| recipe.fit(&table(kind), &Run::default()).unwrap();
    let other = || {
        Pipeline::new()
            .then(SimpleImputer::mean(["wind"]))
            .then(RobustScaler::on(["wind"]))
            .then(MaxAbsScaler::on(["heat"]))
            .then(OrdinalEncoder::on(["port"]))
            .then(Binarizer::on(["hour"], 12.0))
    };
    let parts = || {
        let wind = Pipeline::new().then(SimpleImputer::median(["wind"])).then(StandardScaler::on(["wind"]));
        let own = ColumnTransformer::new().with("wind", ["wind"], wind);
        let own = own
            .with("port", ["port"], OneHotEncoder::on(["port"]))
            .with_remainder(Remainder::PassThrough)
            .with_prefix();
        Pipeline::new().then(own)
    };
    vec![
        ("parts", fit(&parts().train(LogisticRegression::new()), Kind::Bool)),
        ("logistic", fit(&preparation().train(LogisticRegression::new()), Kind::Bool)),
        ("logistic_texts", fit(&preparation().train(LogisticRegression::new()), Kind::Texts)),
        ("linear", fit(&preparation().train(LinearRegression::new()), Kind::Number)),
        ("forest", fit(&other().train(forest()), Kind::Bool)),
        ("forest_texts", fit(&other().train(forest()), Kind::Texts)),
        ("forest_number", fit(&other().train(forest()), Kind::Number)),
    ]
}

fn features() -> RecordBatch {
    table(Kind::Number).to_batch().unwrap().project(&[0, 1, 2, 3]).unwrap()
}

fn numbers(answer: &RecordBatch) -> Vec<f64> {
    match answer.column_by_name("predict_proba") {
        Some(lists) => lists.as_fixed_size_list().values().as_primitive::<Float64Type>().values().to_vec(),
        None => answer.column(0).as_primitive::<Float64Type>().values().to_vec(),
    }
}

#[test]
fn what_was_written_is_read_and_answers_the_same() {
    let rows = features();
    for (name, model) in models() {
        let file = foreign::to_onnx(model.as_ref(), &mlops::codecs()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let read = Import::new().onnx(&file).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read.signature().task, model.signature().task, "{name}");
        assert_eq!(read.signature().input_names(), model.signature().input_names(), "{name}");
        let (ours, theirs) = (model.predict(&rows).unwrap(), read.predict(&rows).unwrap());
        let worst = numbers(&ours).iter().zip(numbers(&theirs)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-9, "{name}: {worst:e}");
        if ours.num_columns() > 1 {
            assert_eq!(ours.column(0), theirs.column(0), "{name}");
        }
    }
}

fn cells(batch: &RecordBatch) -> Json {
    let reader = CellReader::new(batch).unwrap();
    let cell = |value| match value {
        Value::Bool(x) => json!(x),
        Value::Float(x) if x.is_nan() => Json::Null,
        Value::Float(x) => json!(x),
        Value::Int(x) => json!(x),
        Value::Text(x) => json!(x),
        _ => Json::Null,
    };
    let rows: Vec<Vec<Json>> = (0..batch.num_rows()).map(|i| reader.row(i).map(cell).collect()).collect();
    let schema = batch.schema();
    let columns = schema.fields().iter().enumerate();
    columns.map(|(i, field)| (field.name().clone(), rows.iter().map(|row| row[i].clone()).collect::<Json>())).collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "why a test was skipped")]
fn onnxruntime_answers_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = root.join("target/services/python/bin/python");
    let python = std::env::var_os("MLOPS_PYTHON").map_or(made, Into::into);
    let has_it = Command::new(&python).args(["-c", "import onnxruntime"]).output();
    if !has_it.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("MLOPS_REQUIRE_SERVICES").is_none(), "no Python with onnxruntime");
        eprintln!("skipped: no Python with onnxruntime; name one by MLOPS_PYTHON");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let rows = features();
    for (name, model) in models() {
        let write = |suffix: &str, content: &[u8]| {
            std::fs::write(folder.path().join(format!("{name}.{suffix}")), content).unwrap();
        };
        let answer = model.predict(&rows).unwrap();
        let labels = cells(&answer.project(&[0]).unwrap())["predict"].clone();
        write("onnx", &foreign::to_onnx(model.as_ref(), &mlops::codecs()).unwrap());
        write("rows.json", cells(&rows).to_string().as_bytes());
        write("answer.json", json!({ "labels": labels, "values": numbers(&answer) }).to_string().as_bytes());
    }
    let script = root.join("mlops-train/tests/golden/foreign/check.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}

#[test]
fn what_has_no_form_is_named() {
    let derived = Derive::column("both", col("heat").gt_eq(lit(3.0)));
    let recipe = Pipeline::new().then(derived).then(OrdinalEncoder::on(["port"])).then(SimpleImputer::mean(["wind"]));
    let model = recipe.train(LinearRegression::new()).fit(&table(Kind::Number), &Run::default()).unwrap();
    let error = foreign::to_onnx(model.as_ref(), &mlops::codecs()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "'derive' can't be written as operators of a graph (step: 1)");
}
