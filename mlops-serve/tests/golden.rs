//! Exchanges by the Open Inference Protocol, byte for byte.
#![cfg(feature = "rest")]

mod common;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::DataType;
use common::running::start;
use common::{Mixed, times, version};
use mlops_core::conformance::LinearModel;
use mlops_core::{
    Artifact, Classes, Decision, Dense, InputColumn, Model, Package, Result, RowModel, Rule, Signature, Task, Version,
};
use mlops_serve::InferenceService;

fn tensor(name: &str, shape: &str, datatype: &str, data: &str) -> String {
    format!(r#"{{"name":"{name}","shape":{shape},"datatype":"{datatype}","data":{data}}}"#)
}

fn request(inputs: &[String]) -> String {
    format!(r#"{{"inputs":[{}]}}"#, inputs.join(","))
}

#[tokio::test]
async fn says_what_it_is_and_what_it_serves() {
    let service = InferenceService::new();
    let server = start(&service).await;
    assert_eq!(server.get("/v2/health/live").await, (200, r#"{"live":true}"#.into()));
    assert_eq!(server.get("/v2/health/ready").await, (503, r#"{"live":true,"ready":false}"#.into()));

    service.deploy("mixed:2".parse().unwrap(), Mixed::package("mixed")).unwrap();
    let late = LinearModel::classification([("delay", 0.5), ("wind", 0.25)], 0.0).unwrap();
    service.deploy("late:1".parse().unwrap(), late.package("late").unwrap()).unwrap();

    let metadata = format!(r#"{{"name":"mlops","version":"{}","extensions":[]}}"#, env!("CARGO_PKG_VERSION"));
    assert_eq!(server.get("/v2").await, (200, metadata));
    assert_eq!(server.get("/v2/health/ready").await, (200, r#"{"live":true,"ready":true}"#.into()));
    for path in ["/v2/models/late/ready", "/v2/models/late/versions/1/ready"] {
        assert_eq!(server.get(path).await, (200, r#"{"name":"late","ready":true}"#.into()));
    }
    let late = concat!(
        r#"{"name":"late","versions":["1"],"platform":"mlops_package","#,
        r#""inputs":[{"name":"delay","datatype":"FP64","shape":[-1]},{"name":"wind","datatype":"FP64","shape":[-1]}],"#,
        r#""outputs":[{"name":"predict","datatype":"BOOL","shape":[-1]},"#,
        r#"{"name":"predict_proba","datatype":"FP64","shape":[-1,2]}]}"#
    );
    for path in ["/v2/models/late", "/v2/models/late/versions/1"] {
        assert_eq!(server.get(path).await, (200, late.into()));
    }
    let mixed = concat!(
        r#"{"name":"mixed","versions":["2"],"platform":"mlops_package","inputs":["#,
        r#"{"name":"carrier","datatype":"BYTES","shape":[-1]},{"name":"distance","datatype":"FP64","shape":[-1]},"#,
        r#"{"name":"month","datatype":"INT8","shape":[-1]},{"name":"cancelled","datatype":"BOOL","shape":[-1]},"#,
        r#"{"name":"time","datatype":"INT64","shape":[-1]},{"name":"gate","datatype":"FP32","shape":[-1]},"#,
        r#"{"name":"seats","datatype":"INT64","shape":[-1]}],"#,
        r#""outputs":[{"name":"predict","datatype":"FP64","shape":[-1]}]}"#
    );
    assert_eq!(server.get("/v2/models/mixed").await, (200, mixed.into()));
    server.end().await;
}

#[tokio::test]
async fn answers_a_classification() {
    let service = InferenceService::new();
    let late = LinearModel::classification([("delay", 0.0), ("wind", 1000.0)], 0.0).unwrap();
    service.deploy("late:3".parse().unwrap(), late.package("late").unwrap()).unwrap();
    let server = start(&service).await;
    let one = r#"{"name":"predict","shape":[1],"datatype":"BOOL","data":[true]}"#;
    let proba = r#"{"name":"predict_proba","shape":[1,2],"datatype":"FP64","data":[0.0,1.0]}"#;
    let head = r#"{"model_name":"late","model_version":"3","outputs":["#;

    let columns = [tensor("wind", "[1]", "FP64", "[9]"), tensor("delay", "[1,1]", "INT32", "[[-2]]")];
    let both = format!("{head}{one},{proba}]}}");
    assert_eq!(server.post("/v2/models/late/infer", request(&columns)).await, (200, both.clone()));
    assert_eq!(server.post("/v2/models/late/versions/3/infer", request(&columns)).await, (200, both.clone()));
    for matrix in [
        tensor("anything", "[1,2]", "FP64", "[-2,9]"),
        tensor("delay", "[1,2]", "FP32", "[[-2,9]]"),
        r#"{"data":[[-2,9.0]],"parameters":{"a":1,"b":"c","d":true},"shape":[1,2],"datatype":"FP64","name":"x"}"#
            .into(),
        r#"{"shape":[1,2],"extra":{"deep":[1,[2]]},"data":[-2,9],"name":"x","datatype":"INT16"}"#.into(),
    ] {
        assert_eq!(server.post("/v2/models/late/infer", request(&[matrix])).await, (200, both.clone()));
    }

    let matrix = tensor("x", "[2,2]", "FP64", "[[0,9],[0,-9]]");
    let asked = format!(r#"{{"id":"a\"b","outputs":[{{"name":"predict"}}],"inputs":[{matrix}]}}"#);
    let answer = concat!(
        r#"{"model_name":"late","model_version":"3","id":"a\"b","#,
        r#""outputs":[{"name":"predict","shape":[2],"datatype":"BOOL","data":[true,false]}]}"#
    );
    assert_eq!(server.post("/v2/models/late/infer", asked).await, (200, answer.into()));
    let swapped = r#"{"outputs":[{"name":"predict_proba","parameters":{}},{"name":"predict"}],"inputs":[INPUTS]}"#;
    let swapped = swapped.replace("INPUTS", &columns.join(","));
    assert_eq!(server.post("/v2/models/late/infer", swapped).await, (200, format!("{head}{proba},{one}]}}")));
    let none = request(&[tensor("x", "[0,2]", "FP64", "[]")]);
    let (status, answer) = server.post("/v2/models/late/infer", none).await;
    assert_eq!(status, 200);
    assert!(answer.contains(r#"{"name":"predict_proba","shape":[0,2],"datatype":"FP64","data":[]}"#), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn answers_every_sort_of_input_alike_by_row_and_batch() {
    let service = InferenceService::new();
    service.deploy("mixed:1".parse().unwrap(), Mixed::package("mixed")).unwrap();
    let server = start(&service).await;
    let columns = |n: usize| {
        let take = |cells: [&str; 3]| format!("[{}]", cells[..n].join(","));
        let shape = format!("[{n}]");
        request(&[
            tensor("carrier", &shape, "BYTES", &take([r#""日\u672c\"""#, "null", r#""""#])),
            tensor("distance", &shape, "FP64", &take(["null", "1.5", "2e2"])),
            tensor("month", &shape, "UINT64", &take(["12", "1", "0"])),
            tensor("cancelled", &shape, "BOOL", &take(["true", "false", "true"])),
            tensor("time", &shape, "INT64", &take(["1385251200000", "-1000", "0"])),
            tensor("gate", &shape, "FP64", &take(["0.1", "0.25", "3"])),
            tensor("seats", &shape, "INT32", &take(["null", "2", "null"])),
        ])
    };
    let gate = f64::from(0.1_f32);
    let scores = [
        3.0 + 120.0 + 1000.0 + 1_385_251_200_000.0 * 0.001 + gate,
        -1.0 + 150.0 + 10.0 - 1.0 + 0.25 + 2e6,
        2e4 + 1000.0 + 3.0,
    ];
    let answer = |scores: &[f64]| {
        let (n, data) = (scores.len(), serde_json::to_string(scores).unwrap());
        format!(
            r#"{{"model_name":"mixed","model_version":"1","outputs":[{{"name":"predict","shape":[{n}],"datatype":"FP64","data":{data}}}]}}"#
        )
    };
    assert_eq!(server.post("/v2/models/mixed/infer", columns(1)).await, (200, answer(&scores[..1])));
    assert_eq!(server.post("/v2/models/mixed/infer", columns(3)).await, (200, answer(&scores)));
    server.end().await;
}

#[tokio::test]
async fn reads_and_writes_what_is_large() {
    let service = InferenceService::new();
    service.deploy(version(1), times(2.0)).unwrap();
    let server = start(&service).await;
    let numbers: Vec<f64> = (0..100_000).map(|i| f64::from(i) + 0.1).collect();
    let data = serde_json::to_string(&numbers).unwrap();
    let body = request(&[tensor("x", "[100000]", "FP64", &data)]);
    let (status, answer) = server.post("/v2/models/m/infer", body).await;
    assert_eq!(status, 200);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let doubled: Vec<f64> = numbers.iter().map(|x| x * 2.0).collect();
    assert_eq!(answer["outputs"][0]["data"], serde_json::json!(doubled));
    server.end().await;
}

/// Three scores, turned as often as the input says.
#[derive(Debug)]
struct Three(Signature);

impl Three {
    fn package(name: &str, task: Task, decision: Decision) -> Package {
        let inputs = vec![InputColumn::new("x", DataType::Float64, false)];
        let model = Self(Signature::new(inputs, task).with_decision(decision).unwrap());
        let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        Package::new(name, Arc::new(model), &RecordBatch::try_from_iter([("x", x)]).unwrap()).unwrap()
    }
}

impl Dense for Three {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        scores.copy_from_slice(&[0.25, 0.75, 0.0]);
        scores.rotate_left(row[0] as usize % 3);
    }
}

impl Model for Three {
    fn signature(&self) -> &Signature {
        &self.0
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        mlops_core::predict_dense(&self.0, self, batch)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        unreachable!("not saved here")
    }
}

#[tokio::test]
async fn writes_classes_of_every_sort() {
    let service = InferenceService::new();
    let texts = Classes::Text(vec!["a\"b".into(), "c".into(), "é".into()]);
    for (name, classes) in [("texts:1", texts), ("ints:1", Classes::Int(vec![-1, 0, 7]))] {
        let version: Version = name.parse().unwrap();
        let package = Three::package(version.model(), Task::Classification { classes }, Decision::default());
        service.deploy(version, package).unwrap();
    }
    let server = start(&service).await;
    for (model, datatype, labels) in [("texts", "BYTES", r#"["c","a\"b"]"#), ("ints", "INT64", "[0,-1]")] {
        let body = request(&[tensor("x", "[2]", "FP64", "[0,1]")]);
        let answer = format!(
            r#"{{"model_name":"{model}","model_version":"1","outputs":[{{"name":"predict","shape":[2],"datatype":"{datatype}","data":{labels}}},{{"name":"predict_proba","shape":[2,3],"datatype":"FP64","data":[0.25,0.75,0.0,0.75,0.0,0.25]}}]}}"#
        );
        assert_eq!(server.post(&format!("/v2/models/{model}/infer"), body).await, (200, answer));
    }
    server.end().await;
}

#[tokio::test]
async fn writes_the_outputs_of_every_task() {
    let service = InferenceService::new();
    let classes = Classes::Int(vec![-1, 0, 7]);
    let dear = Rule::Costs(vec![vec![0.0, 1.0, 1.0], vec![1.0, 0.0, 1.0], vec![9.0, 9.0, 0.0]]);
    let decision = Decision::by(dear).with_set_from(0.25);
    let tasks = [
        ("set:1", Task::Classification { classes }, decision),
        ("groups:1", Task::Clustering { clusters: 3 }, Decision::default()),
        ("bounds:1", Task::Interval { coverage: 0.9 }, Decision::default()),
    ];
    for (name, task, decision) in tasks {
        let version: Version = name.parse().unwrap();
        service.deploy(version.clone(), Three::package(version.model(), task, decision)).unwrap();
    }
    let server = start(&service).await;
    let output = |name: &str, shape: &str, datatype: &str, data: &str| tensor(name, shape, datatype, data);
    let expected = [
        (
            "set",
            vec![
                output("predict", "[2]", "INT64", "[0,7]"),
                output("predict_proba", "[2,3]", "FP64", "[0.25,0.75,0.0,0.75,0.0,0.25]"),
                output("predict_set", "[2,3]", "BOOL", "[true,true,false,true,false,true]"),
            ],
        ),
        (
            "groups",
            vec![
                output("predict", "[2]", "INT64", "[1,0]"),
                output("score", "[2,3]", "FP64", "[0.25,0.75,0.0,0.75,0.0,0.25]"),
            ],
        ),
        (
            "bounds",
            vec![
                output("predict", "[2]", "FP64", "[0.25,0.75]"),
                output("predict_interval", "[2,2]", "FP64", "[0.75,0.0,0.0,0.25]"),
            ],
        ),
    ];
    for (model, outputs) in expected {
        let body = request(&[tensor("x", "[2]", "FP64", "[0,1]")]);
        let outputs = outputs.join(",");
        let answer = format!(r#"{{"model_name":"{model}","model_version":"1","outputs":[{outputs}]}}"#);
        assert_eq!(server.post(&format!("/v2/models/{model}/infer"), body).await, (200, answer));
    }
    let (status, metadata) = server.get("/v2/models/bounds").await;
    let bounds = r#"{"name":"predict_interval","datatype":"FP64","shape":[-1,2]}"#;
    assert_eq!((status, metadata.contains(bounds)), (200, true), "{metadata}");
    server.end().await;
}

#[tokio::test]
async fn writes_null_for_a_score_that_json_has_no_number_for() {
    let service = InferenceService::new();
    service.deploy(version(1), times(1e300)).unwrap();
    let server = start(&service).await;
    let (status, answer) = server.post("/v2/models/m/infer", request(&[tensor("x", "[2]", "FP64", "[1e300,1]")])).await;
    assert_eq!(
        (status, answer.contains(r#""data":[null,1e300]"#) || answer.contains(r#""data":[null,1e+300]"#)),
        (200, true),
        "{answer}"
    );
    server.end().await;
}
