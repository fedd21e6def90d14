//! Every fault of a caller gets a status from 400 to 499 that says what is wrong.
#![cfg(feature = "rest")]

mod common;

use std::time::Duration;

use common::running::{Running, start};
use common::{Mixed, Slow, times, version};
use mlops_core::ErrorKind;
use mlops_core::conformance::LinearModel;
use mlops_serve::{InferenceService, Rest};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request to the model of two numbers, `a` and `b`.
const GOOD: &str = r#"{"id":"1","inputs":[{"name":"a","shape":[2],"datatype":"FP64","data":[1,2.5]},{"name":"b","shape":[2,1],"datatype":"INT8","data":[[1],[2]]}],"outputs":[{"name":"predict"}]}"#;

fn service() -> InferenceService {
    let service = InferenceService::new();
    let two = LinearModel::regression([("a", 1.0), ("b", 1.0)], 0.0).unwrap();
    service.deploy("two:1".parse().unwrap(), two.package("two").unwrap()).unwrap();
    service.deploy("mixed:1".parse().unwrap(), Mixed::package("mixed")).unwrap();
    service.deploy(version(1), times(1.0)).unwrap();
    service
}

fn tensor(name: &str, shape: &str, datatype: &str, data: &str) -> String {
    format!(r#"{{"name":"{name}","shape":{shape},"datatype":"{datatype}","data":{data}}}"#)
}

fn x(shape: &str, datatype: &str, data: &str) -> String {
    format!(r#"{{"inputs":[{}]}}"#, tensor("x", shape, datatype, data))
}

#[tokio::test]
async fn refuses_bodies_that_do_not_fit() {
    let server = start(&service()).await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let a = tensor("a", "[1]", "FP64", "[1]");
    let b = tensor("b", "[1]", "FP64", "[1]");
    let mixed = |tensor: &str| {
        let replaced = tensor.split('"').nth(3).unwrap();
        let columns = [
            ("carrier", "BYTES", r#"["UA"]"#),
            ("distance", "FP64", "[1]"),
            ("month", "INT8", "[1]"),
            ("cancelled", "BOOL", "[true]"),
            ("time", "INT64", "[1]"),
            ("gate", "FP32", "[1]"),
            ("seats", "INT64", "[1]"),
        ];
        let others = columns.iter().filter(|(name, ..)| *name != replaced);
        let mut all: Vec<String> = others.map(|(name, kind, data)| self::tensor(name, "[1]", kind, data)).collect();
        all.push(tensor.to_owned());
        format!(r#"{{"inputs":[{}]}}"#, all.join(","))
    };
    let cases: Vec<(&str, String, &str)> = vec![
        ("m", String::new(), "not understood: EOF"),
        ("m", "{".into(), "not understood: EOF"),
        ("m", "[]".into(), "not understood"),
        ("m", "null".into(), "not understood"),
        ("m", r#"{"inputs":5}"#.into(), "not understood"),
        ("m", "{}".into(), "missing field `inputs`"),
        ("m", format!("{} x", x("[1]", "FP64", "[1]")), "trailing characters"),
        ("m", r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP64"}]}"#.into(), "missing field `data`"),
        ("m", r#"{"inputs":[{"name":"x","shape":[1],"data":[1]}]}"#.into(), "missing field `datatype`"),
        ("m", r#"{"inputs":[{"shape":[1],"datatype":"FP64","data":[1]}]}"#.into(), "missing field `name`"),
        ("m", r#"{"inputs":[{"name":"x","datatype":"FP64","data":[1]}]}"#.into(), "missing field `shape`"),
        ("m", r#"{"id":1,"inputs":[]}"#.into(), "invalid type"),
        ("m", r#"{"inputs":[],"inputs":[]}"#.into(), "duplicate field `inputs`"),
        ("m", r#"{"inputs":[{"name":"x","name":"x"}]}"#.into(), "duplicate field `name`"),
        ("m", r#"{"parameters":5,"inputs":[]}"#.into(), "invalid type"),
        ("m", r#"{"inputs":[]}"#.into(), "input 'x' is missing; the model takes x FP64"),
        ("m", x("[1]", "FP16", "[1]"), r#"datatype "FP16" is not taken here; it may be BOOL"#),
        ("m", x("[1]", "fp64", "[1]"), "is not taken here"),
        ("m", x("[1]", "BYTES", r#"["1"]"#), "input 'x' is FP64, given was BYTES"),
        ("m", x("[1]", "FP64", r#"["1"]"#), r#"element 0 of the data is the text "1", which FP64 can't hold"#),
        ("m", x("[2]", "FP64", "[1,true]"), "element 1 of the data is true, which FP64 can't hold"),
        ("m", x("[1]", "FP64", "[null]"), "input 'x' must have a value in every row"),
        ("m", x("[1]", "FP64", "[NaN]"), "not understood"),
        ("m", x("[1]", "FP64", "[1e999]"), "number out of range"),
        ("m", x("[1]", "INT64", "[9007199254740993]"), "input 'x' is Float64, which can't hold 9007199254740993"),
        ("m", x("[1]", "FP32", "[1e300]"), "which FP32 can't hold"),
        ("m", x("[1]", "INT8", "[128]"), "element 0 of the data is 128, which INT8 can't hold"),
        ("m", x("[1]", "INT64", "[9223372036854775808]"), "which INT64 can't hold"),
        ("m", x("[1]", "UINT64", "[18446744073709551616]"), "which UINT64 can't hold"),
        ("m", x("[1]", "UINT8", "[-1]"), "element 0 of the data is -1, which UINT8 can't hold"),
        ("m", x("[1]", "INT32", "[1.5]"), "element 0 of the data is 1.5, which INT32 can't hold"),
        ("m", x("[1]", "FP64", "1"), "the data of a tensor is a list"),
        ("m", x("[1]", "FP64", "{}"), "not understood"),
        ("m", x("[2]", "FP64", "[1]"), r#"tensor "x" has 1 elements, its shape [2] says 2"#),
        ("m", x("[1]", "FP64", "[1,2]"), r#"tensor "x" has 2 elements, its shape [1] says 1"#),
        ("m", x("[-1]", "FP64", "[1]"), "invalid value"),
        ("m", x("[1.0]", "FP64", "[1]"), "invalid type"),
        ("m", x("1", "FP64", "[1]"), "invalid type"),
        (
            "m",
            x("[4294967296,4294967296,4294967296]", "FP64", "[]"),
            "its shape [4294967296, 4294967296, 4294967296] says more than can be counted",
        ),
        ("m", x("[18446744073709551616]", "FP64", "[]"), "invalid type"),
        ("m", x("[1,1,1,1,1]", "FP64", "[1]"), "more than 4 dimensions"),
        ("m", x("[1,1,1]", "FP64", "[1]"), "input 'x' has the shape [1, 1, 1]: give [n] or [n, 1]"),
        ("m", x("[]", "FP64", "[1]"), "input 'x' has the shape []"),
        ("m", x("[2]", "FP64", "[[1],[2]]"), "is nested unlike its shape [2]"),
        ("m", x("[2,1]", "FP64", "[[1,2]]"), "is nested unlike its shape [2, 1]"),
        ("m", x("[3]", "FP64", "[1,[2],3]"), "nested deeper than others"),
        ("m", x("[2,2]", "FP64", "[[1],[2,3,4]]"), "rows of the data are not equally long"),
        ("m", x("[1]", "FP64", &deep), "nested in more than 4 lists"),
        ("m", format!(r#"{{"inputs":[],"more":{deep}}}"#), "input 'x' is missing"),
        ("m", format!(r#"{{"inputs":{deep}}}"#), "not understood"),
        (
            "m",
            format!(r#"{{"inputs":[{}]}}"#, tensor("y", "[1]", "FP64", "[1]")),
            "no input 'y'; the model takes x FP64",
        ),
        ("m", x("[1,2]", "FP64", "[1,2]"), "has the shape [1, 2]; the model takes 1 columns: x FP64"),
        ("m", format!(r#"{{"outputs":[{{"name":"proba"}}],{}"#, &x("[1]", "FP64", "[1]")[1..]), "no output 'proba'"),
        (
            "m",
            format!(r#"{{"outputs":[{{"name":"predict"}},{{"name":"predict"}}],{}"#, &x("[1]", "FP64", "[1]")[1..]),
            "asked for twice",
        ),
        ("two", format!(r#"{{"inputs":[{a}]}}"#), "input 'b' is missing"),
        ("two", format!(r#"{{"inputs":[{a},{a}]}}"#), "input 'a' is there twice"),
        ("two", format!(r#"{{"inputs":[{a},{b},{}]}}"#, tensor("c", "[1]", "FP64", "[1]")), "no input 'c'"),
        (
            "two",
            format!(r#"{{"inputs":[{a},{}]}}"#, tensor("b", "[2]", "FP64", "[1,2]")),
            "input 'b' has 2 rows, the inputs before it have 1",
        ),
        (
            "two",
            format!(r#"{{"inputs":[{}]}}"#, tensor("t", "[1,2]", "BYTES", r#"["1","2"]"#)),
            "input 'a' is FP64, given was BYTES",
        ),
        (
            "two",
            format!(r#"{{"inputs":[{}]}}"#, tensor("t", "[1,3]", "FP64", "[1,2,3]")),
            "takes 2 columns: a FP64, b FP64",
        ),
        ("mixed", mixed(&tensor("month", "[1]", "INT16", "[300]")), "input 'month' is Int8, which can't hold 300"),
        ("mixed", mixed(&tensor("month", "[1]", "FP64", "[3]")), "input 'month' is INT8, given was FP64"),
        ("mixed", mixed(&tensor("month", "[1]", "INT8", "[null]")), "input 'month' must have a value"),
        ("mixed", mixed(&tensor("cancelled", "[1]", "INT8", "[1]")), "input 'cancelled' is BOOL, given was INT8"),
        ("mixed", mixed(&tensor("carrier", "[1]", "FP64", "[1]")), "input 'carrier' is BYTES, given was FP64"),
        ("mixed", mixed(&tensor("carrier", "[1]", "BYTES", "[1]")), "which BYTES can't hold"),
        ("mixed", mixed(&tensor("time", "[1]", "BYTES", r#"["2013"]"#)), "input 'time' is INT64, given was BYTES"),
    ];
    for (model, body, expected) in cases {
        let (status, answer) = server.post(&format!("/v2/models/{model}/infer"), body.clone()).await;
        assert_eq!(status, 400, "{body}: {answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let message = answer["error"].as_str().unwrap();
        assert!(message.contains(expected), "{body}:\n{message}\ndoes not say\n{expected}");
        assert_eq!(answer.as_object().unwrap().len(), 1);
    }
    let not_utf8 = [GOOD.as_bytes(), b"\xff"].concat();
    assert_eq!(server.post("/v2/models/two/infer", not_utf8).await.0, 400);
    let text = GOOD.replace("\"1\"", "\"\u{0}\"").into_bytes();
    assert_eq!(server.post("/v2/models/two/infer", text).await.0, 400);
    assert_eq!(server.post("/v2/models/two/infer", GOOD).await.0, 200);
    server.end().await;
}

#[tokio::test]
async fn refuses_paths_methods_and_forms_that_are_not_served() {
    let server = start(&service()).await;
    for path in ["/v2/models/nobody", "/v2/models/two/versions/9", "/v2/models/nobody/ready", "/", "/v1/models/two"] {
        let (status, answer) = server.get(path).await;
        assert_eq!(status, 404, "{path}: {answer}");
        assert!(answer.starts_with(r#"{"error":""#), "{answer}");
    }
    for path in ["/v2/models/nobody/infer", "/v2/models/two/versions/9/infer", "/v2/models/two/versions/x/infer"] {
        assert_eq!(server.post(path, GOOD).await.0, 404, "{path}");
    }
    assert_eq!(server.get("/v2/models/%ff").await.0, 400);
    assert_eq!(server.get("/v2/models/two/infer").await.0, 405);
    let (status, answer) = server.post("/v2", "").await;
    assert_eq!((status, answer.starts_with(r#"{"error":"#)), (405, true));
    for (header, value) in [("content-encoding", "gzip"), ("inference-header-content-length", "10")] {
        let url = format!("{}/v2/models/two/infer", server.url);
        let answer = server.client.post(url).header(header, value).body(GOOD).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 415, "{header}");
    }
    server.end().await;
}

#[tokio::test]
async fn refuses_bodies_beyond_the_limit() {
    let server = Running::start(&service(), Rest::at("127.0.0.1:0").with_max_body(1000)).await;
    assert_eq!(server.post("/v2/models/two/infer", GOOD).await.0, 200);
    let (status, answer) = server.post("/v2/models/two/infer", "x".repeat(1001)).await;
    assert_eq!(status, 413);
    assert_eq!(answer, r#"{"error":"the body has more than 1000 bytes: send fewer rows at once"}"#);
    // Without a length, the limit is met while reading.
    let mut stream = TcpStream::connect(&server.url["http://".len()..]).await.unwrap();
    let head = "POST /v2/models/two/infer HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n800\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b' '; 0x800]).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
    server.end().await;
}

#[tokio::test]
async fn does_not_wait_for_callers_that_send_slowly() {
    let short = Duration::from_millis(100);
    let rest = Rest::at("127.0.0.1:0").with_head_timeout(short).with_body_timeout(short);
    let server = Running::start(&service(), rest).await;
    let address = &server.url["http://".len()..];

    let mut head = TcpStream::connect(address).await.unwrap();
    head.write_all(b"POST /v2/models/two/infer HTTP/1.1\r\nhost:").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), head.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the connection is still open");

    let mut body = TcpStream::connect(address).await.unwrap();
    body.write_all(b"POST /v2/models/two/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), body.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the connection is still open");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains(r#"{"error":"#), "{answer}");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_away_what_is_too_much() {
    let service = InferenceService::builder().with_max_in_flight(1).build().unwrap();
    service.deploy(version(1), Slow::package("m")).unwrap();
    let server = start(&service).await;
    let url = format!("{}/v2/models/m/infer", server.url);
    let long = tokio::spawn(server.client.post(&url).body(x("[1]", "FP64", "[2000]")).send());
    while !server
        .get("/metrics")
        .await
        .1
        .lines()
        .any(|l| l.starts_with("mlops_inference_in_flight_requests{") && l.ends_with(" 1"))
    {
        assert!(!long.is_finished(), "the long request was over before it was seen");
    }
    let refused = server.client.post(&url).body(x("[1]", "FP64", "[1]")).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.text().await.unwrap().contains("as many as this service takes"));
    assert_eq!(long.await.unwrap().unwrap().status().as_u16(), 200);
    assert!(server.get("/metrics").await.1.contains("status=\"shed\"} 1\n"));
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gives_up_what_takes_too_long() {
    let service = InferenceService::builder().with_timeout(Duration::from_millis(50)).build().unwrap();
    service.deploy(version(1), Slow::package("m")).unwrap();
    let server = start(&service).await;
    let (status, answer) = server.post("/v2/models/m/infer", x("[1]", "FP64", "[300]")).await;
    assert_eq!(status, 503);
    assert!(answer.contains("no answer within 50ms"), "{answer}");
    assert_eq!(server.post("/v2/models/m/infer", x("[1]", "FP64", "[1]")).await.0, 200);
    server.end().await;
}

#[tokio::test]
async fn names_the_port_that_is_in_use() {
    let first = Rest::bind("127.0.0.1:0").await.unwrap();
    let address = first.local_addr().to_string();
    let error = Rest::bind(&address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let message = error.to_string();
    assert!(message.contains(&address) && message.contains("choose another port"), "{message}");
    assert_eq!(Rest::bind("no port").await.unwrap_err().kind(), ErrorKind::Config);
}

/// Bodies that are nearly good, and bodies that are anything.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let mutate = |(edits, cut): (Vec<(usize, u8, u8)>, usize)| {
        let mut body = GOOD.as_bytes().to_vec();
        for (position, byte, what) in edits {
            let position = position % body.len();
            match what % 3 {
                0 => body[position] = byte,
                1 => body.insert(position, byte),
                _ => drop(body.remove(position)),
            }
        }
        body.truncate(cut.max(1));
        body
    };
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"inputs\"",
        "\"data\"",
        "\"shape\"",
        "\"name\"",
        "\"datatype\"",
        "\"a\"",
        "\"FP64\"",
        "\"INT8\"",
        "\"BYTES\"",
        "\"BOOL\"",
        "1",
        "-1",
        "1e400",
        "2.5",
        "null",
        "true",
        "\"\\ud800\"",
        "18446744073709551615",
        "\u{0}",
    ]);
    let json = || proptest::string::string_regex("[0-9\\[\\],nul.e-]{0,12}").unwrap();
    prop_oneof![
        3 => (prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..4), 0..GOOD.len() * 2).prop_map(mutate),
        1 => prop::collection::vec(any::<u8>(), 0..64),
        2 => prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat().into_bytes()),
        2 => (json(), json()).prop_map(|(shape, data)| {
            let datatypes = ["FP64", "FP32", "INT8", "UINT64", "BYTES", "BOOL"];
            let datatype = datatypes[(shape.len() + data.len()) % datatypes.len()];
            x(&format!("[{shape}]"), datatype, &format!("[{data}]")).into_bytes()
        }),
    ]
}

#[test]
fn no_body_makes_the_server_fail() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(start(&service()));
    proptest!(ProptestConfig::with_cases(1500), |(body in body(), model in 0..3)| {
        let path = format!("/v2/models/{}/infer", ["two", "mixed", "m"][model as usize]);
        let (status, answer) = runtime.block_on(server.post(&path, body));
        prop_assert!(status == 200 || (400..500).contains(&status), "{status}: {answer}");
        prop_assert!(serde_json::from_str::<serde_json::Value>(&answer).is_ok(), "{answer}");
    });
    assert_eq!(runtime.block_on(server.post("/v2/models/two/infer", GOOD)).0, 200);
    let metrics = runtime.block_on(server.get("/metrics")).1;
    assert!(metrics.lines().all(|line| !line.contains("panicked") || line.ends_with(" 0")), "{metrics}");
    runtime.block_on(server.end());
}
