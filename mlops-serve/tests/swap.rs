//! Versions come, go and come back while requests run.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array};
use common::{MemoryRegistry, Recorder, times, version};
use mlops_core::{ErrorKind, InferRequest, Inference, Inputs, ModelStatus, Route, Tap, Value};
use mlops_serve::InferenceService;

const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(5);

async fn ask(service: &InferenceService, id: Option<&str>) -> mlops_core::Result<(u64, Vec<f64>)> {
    let row = [Value::Float(1.0)];
    let answer = service.infer(InferRequest::new("m", Inputs::Row(&row)).with_id(id)).await?;
    Ok((answer.version.number(), answer.scores))
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..2000 {
        if done().await {
            return;
        }
        tokio::time::sleep(SOON).await;
    }
    panic!("waited in vain: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_requests_see_one_version_each_and_none_fails() {
    let registry = MemoryRegistry::with((1..=10).map(|factor| times(f64::from(factor))));
    registry.point("champion", 1);
    let service = InferenceService::new();
    let follower = service.follow(registry.shared(), "m@champion", NEVER).unwrap();
    follower.check().await.unwrap();
    let (go_on, answered) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (service, go_on, answered) = (service.clone(), Arc::clone(&go_on), Arc::clone(&answered));
            tokio::spawn(async move {
                while go_on.load(Ordering::Relaxed) {
                    let (number, scores) = ask(&service, None).await.expect("no request is dropped");
                    assert_eq!(scores, [number as f64], "scores of another version");
                    answered.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for swap in 0..200 {
        let to = swap % 10 + 1;
        registry.point("champion", to);
        assert_eq!(*follower.check().await.unwrap(), version(to));
        assert_eq!(ask(&service, None).await.unwrap().0, to, "the next request sees the new version");
        assert_eq!(service.models(), [ModelStatus::new("m", to.to_string(), true)], "the old one is gone");
    }
    until("thousands of answers", async || answered.load(Ordering::Relaxed) > 5000).await;
    go_on.store(false, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(service.metrics().contains("mlops_model_swaps_total{model=\"m\"} 199\n"));
}

#[tokio::test]
async fn is_not_ready_until_the_registry_answers() {
    let registry = MemoryRegistry::with([times(1.0)]);
    registry.down.store(true, Ordering::SeqCst);
    registry.point("champion", 1);
    let service = InferenceService::new();
    let follower = service.follow(registry.shared(), "m@champion", SOON).unwrap();
    assert_eq!(follower.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(service.models(), [ModelStatus::new("m", "", false)]);
    assert_eq!(ask(&service, None).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(service.describe("m", None).unwrap_err().kind(), ErrorKind::Unavailable);
    registry.down.store(false, Ordering::SeqCst);
    until("the model is ready", async || ask(&service, None).await.is_ok()).await;
}

#[tokio::test]
async fn refuses_a_bad_version_once_and_rolls_back_without_the_registry() {
    let mut lying = times(3.0);
    lying.samples.expected = times(4.0).samples.expected;
    let registry = MemoryRegistry::with([times(1.0), times(2.0), lying]);
    registry.point("champion", 1);
    let service = InferenceService::new();
    let follower = service.follow(registry.shared(), "m@champion", SOON).unwrap();
    follower.check().await.unwrap();

    registry.point("champion", 2);
    until("the second version answers", async || ask(&service, None).await.unwrap().0 == 2).await;

    registry.point("champion", 3);
    let refusals = |n: usize| format!("mlops_model_refusals_total{{model=\"m\"}} {n}\n");
    until("the third version is refused", async || service.metrics().contains(&refusals(1))).await;
    let fetches = registry.fetches.load(Ordering::SeqCst);
    tokio::time::sleep(SOON * 20).await;
    assert_eq!(registry.fetches.load(Ordering::SeqCst), fetches, "it is not fetched again and again");
    assert_eq!(ask(&service, None).await.unwrap(), (2, vec![2.0]), "the old version goes on");
    assert_eq!(follower.check().await.unwrap_err().kind(), ErrorKind::Corrupt, "unless somebody asks");
    assert!(service.metrics().contains(&refusals(2)));

    let fetches = registry.fetches.load(Ordering::SeqCst);
    registry.point("champion", 1);
    assert_eq!(*follower.check().await.unwrap(), version(1));
    assert_eq!(ask(&service, None).await.unwrap(), (1, vec![1.0]));
    assert_eq!(registry.fetches.load(Ordering::SeqCst), fetches, "the version before was still in memory");
    registry.down.store(true, Ordering::SeqCst);
    assert!(follower.check().await.is_err());
    assert_eq!(ask(&service, None).await.unwrap().0, 1, "a registry that is down changes nothing");
}

#[tokio::test]
async fn a_model_is_followed_by_one_and_free_again_when_that_stops() {
    let registry = MemoryRegistry::with([times(1.0), times(2.0)]);
    registry.point("champion", 1);
    let service = InferenceService::new();
    let follower = service.follow(registry.shared(), "m@champion", NEVER).unwrap();
    follower.check().await.unwrap();
    let again = service.follow(registry.shared(), "m:2", NEVER).unwrap_err();
    let deployed = service.deploy(version(9), times(9.0)).unwrap_err();
    assert_eq!((again.kind(), deployed.kind()), (ErrorKind::Conflict, ErrorKind::Conflict));
    follower.stop();
    service.deploy(version(9), times(9.0)).unwrap();
    assert_eq!(ask(&service, None).await.unwrap(), (9, vec![9.0]));
    assert_eq!(service.remove(&version(9)).unwrap_err().kind(), ErrorKind::Conflict);
    service.remove(&version(1)).unwrap();
    assert_eq!(service.models(), [ModelStatus::new("m", "9", true)]);
    assert_eq!(service.follow(registry, "../m", NEVER).unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taps_see_the_answers_of_the_champion_and_of_its_shadow() {
    let registry = MemoryRegistry::with([times(1.0), times(2.0)]);
    registry.point("champion", 1);
    let tap = Arc::new(Recorder::default());
    let service = InferenceService::builder().with_tap(Arc::clone(&tap) as Arc<dyn Tap>).build().unwrap();
    service.follow(registry.shared(), "m@champion", NEVER).unwrap().check().await.unwrap();
    let shadow = service.shadow(registry.shared(), "m@challenger", NEVER).unwrap();
    assert_eq!(shadow.check().await.unwrap_err().kind(), ErrorKind::NotFound, "there is no challenger yet");

    ask(&service, Some("a")).await.unwrap();
    registry.point("challenger", 2);
    shadow.check().await.unwrap();
    assert_eq!(ask(&service, Some("b")).await.unwrap(), (1, vec![1.0]), "the caller gets the champion's answer");
    registry.point("challenger", 1);
    shadow.check().await.unwrap();
    ask(&service, Some("c")).await.unwrap();
    service.flush().await;

    let mut seen: Vec<_> = std::mem::take(&mut *tap.0.lock().unwrap());
    seen.sort_by_key(|record| (record.id.clone(), record.version.number()));
    let told: Vec<_> = seen
        .iter()
        .map(|record| (record.id.as_deref().unwrap(), record.version.number(), record.route, record.scores[0]))
        .collect();
    assert_eq!(
        told,
        [
            ("a", 1, Route::Primary, 1.0),
            ("b", 1, Route::Primary, 1.0),
            ("b", 2, Route::Shadow, 2.0),
            ("c", 1, Route::Primary, 1.0),
        ]
    );
    let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    assert!(seen.iter().all(|record| record.inputs.column(0).as_ref() == x.as_ref() && record.timestamp_ms > 0));
    let metrics = service.metrics();
    assert!(metrics.contains("mlops_shadow_requests_total{model=\"m\",version=\"2\",status=\"ok\"} 1\n"), "{metrics}");
    assert!(metrics.contains("mlops_tap_records_total{tap=\"0\"} 4\n"), "{metrics}");
}

/// Holds up whoever hands it a record, until it is let go.
#[derive(Debug)]
struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl Tap for Stuck {
    fn record(&self, _: mlops_core::InferenceRecord) {
        let _ = self.0.lock().unwrap().recv();
    }
}

#[tokio::test]
async fn a_tap_that_is_stuck_holds_up_nobody() {
    let (release, gate) = std::sync::mpsc::channel();
    let stuck: Arc<dyn Tap> = Arc::new(Stuck(std::sync::Mutex::new(gate)));
    let other = Arc::new(Recorder::default());
    let builder = InferenceService::builder().with_tap(stuck).with_tap(Arc::clone(&other) as Arc<dyn Tap>);
    let service = builder.with_queue(200).build().unwrap();
    service.deploy(version(1), times(1.0)).unwrap();
    for _ in 0..1000 {
        ask(&service, None).await.unwrap();
        tokio::task::yield_now().await;
    }
    let metrics = service.metrics();
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("mlops_tap_dropped_records_total{tap=\"0\"} "));
    assert!(dropped.unwrap().parse::<u64>().unwrap() >= 799, "{dropped:?}");
    drop(release);
    service.flush().await;
    assert!(other.0.lock().unwrap().len() >= 200);
}
