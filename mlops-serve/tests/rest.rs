//! The server as a whole: swaps, stops and metrics.
#![cfg(feature = "rest")]

mod common;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::running::{Running, start};
use common::{MemoryRegistry, Mixed, Recorder, Slow, times, version};
use mlops_core::{Registry, Shutdown, Tap};
use mlops_serve::{InferenceService, Rest, Serve};

fn x(value: u32) -> String {
    format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"FP64","data":[{value}]}}]}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_without_a_failed_or_mixed_answer() {
    let registry = MemoryRegistry::with((1..=5).map(|factor| times(f64::from(factor))));
    registry.point("champion", 1);
    let service = InferenceService::new();
    let follower = service.follow(registry.shared(), "m@champion", Duration::from_secs(3600)).unwrap();
    follower.check().await.unwrap();
    let server = Arc::new(start(&service).await);
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                for _ in 0..700 {
                    let (status, answer) = server.post("/v2/models/m/infer", x(1)).await;
                    assert_eq!(status, 200, "{answer}");
                    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
                    let version: f64 = answer["model_version"].as_str().unwrap().parse().unwrap();
                    assert_eq!(answer["outputs"][0]["data"][0].as_f64(), Some(version), "{answer}");
                }
            })
        })
        .collect();
    let mut swap = 0;
    while !callers.iter().all(tokio::task::JoinHandle::is_finished) {
        registry.point("champion", swap % 5 + 1);
        follower.check().await.unwrap();
        swap += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(swap > 10, "only {swap} swaps");
    Arc::into_inner(server).unwrap().end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finishes_what_has_begun_and_then_stops() {
    let service = InferenceService::new();
    service.deploy(version(1), Slow::package("m")).unwrap();
    let server = start(&service).await;
    let url = format!("{}/v2/models/m/infer", server.url);
    let slow = tokio::spawn(server.client.post(&url).body(x(400)).send());
    tokio::time::sleep(Duration::from_millis(150)).await;
    server.stop.fire();
    assert_eq!(slow.await.unwrap().unwrap().status().as_u16(), 200, "it had begun");
    server.serving.await.unwrap().unwrap();
    assert!(reqwest::Client::new().post(&url).body(x(1)).send().await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn breaks_off_what_takes_longer_than_the_grace() {
    let service = InferenceService::new();
    service.deploy(version(1), Slow::package("m")).unwrap();
    let rest = Rest::at("127.0.0.1:0").with_grace(Duration::from_millis(50));
    let server = Running::start(&service, rest).await;
    let slow = tokio::spawn(server.client.post(format!("{}/v2/models/m/infer", server.url)).body(x(1500)).send());
    tokio::time::sleep(Duration::from_millis(150)).await;
    let told = Instant::now();
    server.stop.fire();
    server.serving.await.unwrap().unwrap();
    assert!(told.elapsed() < Duration::from_secs(1), "it waited {:?}", told.elapsed());
    assert!(slow.await.unwrap().is_err(), "the connection was cut");
}

#[tokio::test]
async fn gives_notice_before_it_stops() {
    let service = InferenceService::new();
    service.deploy(version(1), times(2.0)).unwrap();
    let rest = Rest::at("127.0.0.1:0").with_notice(Duration::from_millis(500));
    let Running { url, client, stop, serving } = Running::start(&service, rest).await;
    stop.fire();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let ready = client.get(format!("{url}/v2/health/ready")).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    let answer = client.post(format!("{url}/v2/models/m/infer")).body(x(1)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn serves_a_registry_in_one_sentence() {
    let registry = MemoryRegistry::with([times(1.0), times(2.0)]);
    registry.point("champion", 1);
    registry.point("challenger", 2);
    let tap = Arc::new(Recorder::default());
    let bound = Rest::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v2/models/m/infer", bound.local_addr());
    let (trigger, stop) = Shutdown::new();
    let serving = Serve::from(registry as Arc<dyn Registry>)
        .model("m@champion")
        .shadow("m@challenger")
        .tap(Arc::clone(&tap) as Arc<dyn Tap>)
        .every(Duration::from_millis(5))
        .over(bound)
        .run(stop);
    let serving = tokio::spawn(serving);
    let client = reqwest::Client::new();
    for _ in 0..1000 {
        let answer = client.post(&url).body(x(1)).send().await.unwrap();
        assert!(matches!(answer.status().as_u16(), 200 | 503));
        if tap.0.lock().unwrap().iter().any(|record| record.route == mlops_core::Route::Shadow) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    trigger.fire();
    serving.await.unwrap().unwrap();
    let seen = tap.0.lock().unwrap();
    assert!(seen.iter().any(|record| record.scores == [1.0]) && seen.iter().any(|record| record.scores == [2.0]));
}

#[tokio::test]
async fn metrics_please_promtool() {
    let service = InferenceService::builder().with_tap(Arc::new(Recorder::default())).build().unwrap();
    service.deploy(version(1), times(1.0)).unwrap();
    service.deploy("mixed:4".parse().unwrap(), Mixed::package("mixed")).unwrap();
    let server = start(&service).await;
    for body in [x(1), x(2), "no".into()] {
        server.post("/v2/models/m/infer", body).await;
    }
    server.post("/v2/models/made-up-by-a-caller/infer", x(1)).await;
    server.get("/nowhere/made-up-by-a-caller").await;
    let (status, text) = server.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(!text.contains("made-up-by-a-caller"), "a caller made up a label:\n{text}");
    for line in [
        "mlops_inference_requests_total{model=\"m\",version=\"1\",status=\"ok\"} 2\n",
        "mlops_inference_rows_total{model=\"m\",version=\"1\"} 2\n",
        "mlops_inference_request_duration_seconds_count{model=\"m\",version=\"1\"} 2\n",
        "mlops_inference_in_flight_requests{model=\"m\",version=\"1\"} 0\n",
        "mlops_inference_unmatched_requests_total 1\n",
        "mlops_model_ready{model=\"mixed\",version=\"4\"} 1\n",
        "mlops_http_requests_total{route=\"infer\",code=\"200\"} 2\n",
        "mlops_http_requests_total{route=\"infer\",code=\"400\"} 1\n",
        "mlops_http_requests_total{route=\"infer\",code=\"404\"} 1\n",
        "mlops_http_requests_total{route=\"other\",code=\"404\"} 1\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    server.end().await;

    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = match promtool.spawn() {
        Ok(promtool) => promtool,
        Err(reason) => return drop(writeln!(std::io::stderr(), "skipped the check by promtool: {reason}")),
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && words.is_empty(), "{}", String::from_utf8_lossy(&words));
}
