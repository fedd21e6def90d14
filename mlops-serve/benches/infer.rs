//! What a request of one row costs in process, and what the wire adds to it.
//!
//! The model is a linear one of four inputs, so that what is measured is the service.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mlops_core::conformance::LinearModel;
use mlops_core::{InferRequest, Inference, Inputs, Server, Shutdown, Value};
use mlops_serve::{InferenceService, Rest, infer_json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

const INPUTS: [&str; 4] = ["sepal_length", "sepal_width", "petal_length", "petal_width"];

fn service() -> InferenceService {
    let service = InferenceService::new();
    let model = LinearModel::classification(INPUTS.map(|name| (name, 0.5)), -1.0).unwrap();
    service.deploy("iris:1".parse().unwrap(), model.package("iris").unwrap()).unwrap();
    service
}

/// One tensor of `rows` rows, as most clients send it.
fn body(rows: usize) -> String {
    let data = vec!["5.1,3.5,1.4,0.2"; rows].join(",");
    format!(r#"{{"inputs":[{{"name":"x","shape":[{rows},4],"datatype":"FP64","data":[{data}]}}]}}"#)
}

fn in_process(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().unwrap();
    let service: Arc<dyn Inference> = Arc::new(service());
    let row = [5.1, 3.5, 1.4, 0.2].map(Value::Float);
    c.bench_function("in process/1 row", |b| {
        b.iter(|| {
            let request = InferRequest::new("iris", Inputs::Row(black_box(&row)));
            runtime.block_on(service.infer(request)).unwrap()
        });
    });
}

/// A request read, answered and written, without a network.
fn json(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().unwrap();
    let service = service();
    for rows in [1, 100] {
        let body = Bytes::from(body(rows));
        c.bench_function(&format!("json/{rows} rows"), |b| {
            b.iter(|| runtime.block_on(infer_json(&service, "iris", None, black_box(&body))).unwrap());
        });
    }
}

/// Requests one after the other over a connection that is kept: everything but a fast client.
fn over_loopback(c: &mut Criterion) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let rest = runtime.block_on(Rest::bind("127.0.0.1:0")).unwrap();
    let address = rest.local_addr();
    let (stop, told) = Shutdown::new();
    let serving = runtime.spawn(Box::new(rest).serve(Arc::new(service()), told));
    let mut group = c.benchmark_group("over loopback");
    for rows in [1, 100] {
        let body = body(rows);
        let length = body.len();
        let request =
            format!("POST /v2/models/iris/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
        let mut stream = runtime.block_on(TcpStream::connect(address)).unwrap();
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{rows} rows, {length} bytes"), |b| {
            b.iter(|| exchange(&runtime, &mut stream, request.as_bytes()));
        });
    }
    group.finish();
    stop.fire();
    runtime.block_on(serving).unwrap().unwrap();
}

fn exchange(runtime: &Runtime, stream: &mut TcpStream, request: &[u8]) {
    runtime.block_on(async {
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::with_capacity(16 << 10);
        while !answer.ends_with(b"]}]}") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "the server hung up");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    });
}

criterion_group!(benches, in_process, json, over_loopback);
criterion_main!(benches);
