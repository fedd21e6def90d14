use std::sync::Arc;

use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt, join_all};

use super::Trial;
use crate::{Error, ErrorKind, MetricPoint, Result, RunEntry, RunId, RunRecord, RunStatus, Tracker};

/// What a [`Tracker`] must do. `make` gives a new, empty one each time.
///
/// # Example
/// ```no_run
/// # use std::sync::Arc;
/// # use mlops_core::Tracker;
/// # fn check<F: Future<Output = Arc<dyn Tracker>> + Send + 'static>(new_tracker: impl Fn() -> F + Send + Sync + 'static) {
/// use mlops_core::conformance::{run_all, tracker};
///
/// run_all(tracker("my_tracker", new_tracker), |trial| futures::executor::block_on(trial));
/// # }
/// ```
pub fn tracker<F>(subject: &str, make: impl Fn() -> F + Send + Sync + 'static) -> Vec<Trial>
where
    F: Future<Output = Arc<dyn Tracker>> + Send + 'static,
{
    let suite = Suite { subject: subject.to_owned(), make: Arc::new(move || make().boxed()) };
    vec![
        suite.trial("reads_back_what_was_logged", reads_back),
        suite.trial("counts_the_same_point_once", counts_a_point_once),
        suite.trial("keeps_numbers_that_are_not_finite", keeps_odd_numbers),
        suite.trial("refuses_another_value_for_a_parameter_with_all_that_came_with_it", refuses_another_value),
        suite.trial("lets_the_last_tag_count", lets_the_last_tag_count),
        suite.trial("refuses_more_after_the_end", refuses_more_after_the_end),
        suite.trial("knows_no_run_that_was_not_started", knows_no_unknown_run),
        suite.trial("keeps_files_by_path", keeps_files),
        suite.trial("refuses_paths_that_leave_the_run", refuses_bad_paths),
        suite.trial("refuses_names_that_are_none", refuses_bad_names),
        suite.trial("lists_the_runs_of_an_experiment_oldest_first", lists_runs),
        suite.trial("keeps_all_that_many_log_at_once", keeps_concurrent_entries),
    ]
}

#[derive(Clone)]
struct Suite {
    subject: String,
    make: Arc<dyn Fn() -> BoxFuture<'static, Arc<dyn Tracker>> + Send + Sync>,
}

impl Suite {
    fn trial<F>(&self, name: &str, run: impl FnOnce(Arc<dyn Tracker>) -> F + Send + 'static) -> Trial
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let make = Arc::clone(&self.make);
        Trial::of_future(format!("{}::{name}", self.subject), move || async move { run(make().await).await })
    }
}

async fn reads_back(tracker: Arc<dyn Tracker>) {
    let run = tracker.start_run("flights", "ridge ✈").await.unwrap();
    let record = tracker.run(&run).await.unwrap();
    assert_eq!((&record.id, record.experiment.as_str(), record.name.as_str()), (&run, "flights", "ridge ✈"));
    assert_eq!((record.status, record.end_ms), (RunStatus::Running, None));
    let points = [point("auc", 0.5, 1), point("auc", 0.75, 2), point("loss", -1e-300, 2)];
    let mut entries = vec![RunEntry::param("alpha", 0.1), RunEntry::tag("author", "línea\n2")];
    entries.extend(points.iter().cloned().map(RunEntry::Metric));
    tracker.log(&run, &entries).await.unwrap();
    tracker.log(&run, &[]).await.unwrap();
    tracker.end_run(&run, RunStatus::Failed).await.unwrap();
    let record = tracker.run(&run).await.unwrap();
    assert_eq!(record.params["alpha"], "0.1");
    assert_eq!(record.tags["author"], "línea\n2");
    assert_eq!(record.metrics, points, "points must come back in the order of logging");
    assert_eq!(record.metric("auc"), Some(0.75));
    assert_eq!(record.status, RunStatus::Failed);
    assert!(record.end_ms.is_some_and(|end| end >= record.start_ms));
}

async fn counts_a_point_once(tracker: Arc<dyn Tracker>) {
    let run = tracker.start_run("flights", "a").await.unwrap();
    let entries = [RunEntry::Metric(point("auc", 0.5, 1)), RunEntry::param("alpha", 1)];
    for _ in 0..3 {
        tracker.log(&run, &entries).await.unwrap();
    }
    tracker.log(&run, &[RunEntry::Metric(point("auc", 0.5, 2))]).await.unwrap();
    assert_eq!(tracker.run(&run).await.unwrap().metrics, [point("auc", 0.5, 1), point("auc", 0.5, 2)]);
}

async fn keeps_odd_numbers(tracker: Arc<dyn Tracker>) {
    let run = tracker.start_run("flights", "a").await.unwrap();
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 5e-324, 0.1 + 0.2];
    let entries: Vec<_> = (0..).zip(values).map(|(i, value)| RunEntry::Metric(point("x", value, i))).collect();
    tracker.log(&run, &entries).await.unwrap();
    let kept: Vec<u64> = tracker.run(&run).await.unwrap().metrics.iter().map(|point| point.value.to_bits()).collect();
    assert_eq!(kept, values.map(f64::to_bits));
}

async fn refuses_another_value(tracker: Arc<dyn Tracker>) {
    let run = tracker.start_run("flights", "a").await.unwrap();
    tracker.log(&run, &[RunEntry::param("alpha", 1)]).await.unwrap();
    tracker.log(&run, &[RunEntry::param("alpha", 1)]).await.unwrap();
    let entries = [RunEntry::tag("note", "lost"), RunEntry::param("alpha", 2), RunEntry::Metric(point("auc", 0.5, 1))];
    refused(tracker.log(&run, &entries).await, ErrorKind::Conflict);
    let record = tracker.run(&run).await.unwrap();
    assert_eq!(record.params["alpha"], "1");
    assert!(record.tags.is_empty() && record.metrics.is_empty(), "a part of a refused call was kept");
}

async fn lets_the_last_tag_count(tracker: Arc<dyn Tracker>) {
    let run = tracker.start_run("flights", "a").await.unwrap();
    tracker.log(&run, &[RunEntry::tag("stage", "a"), RunEntry::tag("stage", "b")]).await.unwrap();
    tracker.log(&run, &[RunEntry::tag("stage", "c")]).await.unwrap();
    assert_eq!(tracker.run(&run).await.unwrap().tags["stage"], "c");
}

async fn refuses_more_after_the_end(tracker: Arc<dyn Tracker>) {
    let run = tracker.start_run("flights", "a").await.unwrap();
    refused(tracker.end_run(&run, RunStatus::Running).await, ErrorKind::Config);
    tracker.end_run(&run, RunStatus::Finished).await.unwrap();
    refused(tracker.log(&run, &[RunEntry::param("late", 1)]).await, ErrorKind::Conflict);
    refused(tracker.log_artifact(&run, "late.txt", "x".into()).await, ErrorKind::Conflict);
    refused(tracker.end_run(&run, RunStatus::Failed).await, ErrorKind::Conflict);
    let record = tracker.run(&run).await.unwrap();
    assert_eq!(record.status, RunStatus::Finished);
    assert!(record.params.is_empty() && record.artifacts.is_empty());
}

async fn knows_no_unknown_run(tracker: Arc<dyn Tracker>) {
    let known = tracker.start_run("flights", "a").await.unwrap();
    let mut similar: String = known.0.chars().rev().collect();
    similar.push('0');
    for unknown in [similar.as_str(), "", "..", "../flights", "a/b", "\0"] {
        let unknown = RunId(unknown.to_owned());
        refused(tracker.run(&unknown).await, ErrorKind::NotFound);
        refused(tracker.log(&unknown, &[RunEntry::tag("a", 1)]).await, ErrorKind::NotFound);
        refused(tracker.log_artifact(&unknown, "a", "x".into()).await, ErrorKind::NotFound);
        refused(tracker.artifact(&unknown, "a").await, ErrorKind::NotFound);
        refused(tracker.end_run(&unknown, RunStatus::Finished).await, ErrorKind::NotFound);
    }
}

async fn keeps_files(tracker: Arc<dyn Tracker>) {
    let run = tracker.start_run("flights", "a").await.unwrap();
    let names = ["model.bin", "plots/roc.svg", "b c%20+#1.txt", "a/b/ç/日本", "empty"];
    for name in names {
        let bytes = if name == "empty" { "" } else { name };
        tracker.log_artifact(&run, name, bytes.to_owned().into()).await.unwrap();
    }
    tracker.log_artifact(&run, "model.bin", vec![0, 255, 10].into()).await.unwrap();
    assert_eq!(*tracker.artifact(&run, "model.bin").await.unwrap(), [0, 255, 10], "the last file of a path counts");
    assert_eq!(*tracker.artifact(&run, "b c%20+#1.txt").await.unwrap(), *b"b c%20+#1.txt");
    assert!(tracker.artifact(&run, "empty").await.unwrap().is_empty());
    refused(tracker.artifact(&run, "plots").await, ErrorKind::NotFound);
    let mut sorted = names.map(str::to_owned);
    sorted.sort_unstable();
    assert_eq!(tracker.run(&run).await.unwrap().artifacts, sorted);
}

async fn refuses_bad_paths(tracker: Arc<dyn Tracker>) {
    let run = tracker.start_run("flights", "a").await.unwrap();
    for path in ["", "/etc/passwd", "..", "../x", "a/../../x", "./x", "a//b", "a/", "a\\..\\x", "a\0b"] {
        refused(tracker.log_artifact(&run, path, "x".into()).await, ErrorKind::Config);
        refused(tracker.artifact(&run, path).await, ErrorKind::Config);
    }
    assert!(tracker.run(&run).await.unwrap().artifacts.is_empty());
}

async fn refuses_bad_names(tracker: Arc<dyn Tracker>) {
    for experiment in ["", "..", "a/b", ".hidden", "a\0"] {
        refused(tracker.start_run(experiment, "a").await, ErrorKind::Config);
    }
}

async fn lists_runs(tracker: Arc<dyn Tracker>) {
    let mut started = Vec::new();
    for i in 0..12 {
        started.push(tracker.start_run("flights", &i.to_string()).await.unwrap());
        tracker.start_run("trips", "other").await.unwrap();
    }
    tracker.end_run(&started[3], RunStatus::Finished).await.unwrap();
    let runs = runs(&tracker, "flights").await;
    assert_eq!(runs.iter().map(|run| run.id.clone()).collect::<Vec<_>>(), started);
    assert_eq!(runs[3].status, RunStatus::Finished);
    assert!(self::runs(&tracker, "unknown").await.is_empty());
}

async fn keeps_concurrent_entries(tracker: Arc<dyn Tracker>) {
    const WRITERS: i64 = 8;
    const STEPS: i64 = 20;
    let run = tracker.start_run("flights", "a").await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let (tracker, run) = (Arc::clone(&tracker), run.clone());
        async move {
            for step in 0..STEPS {
                let entries = [
                    RunEntry::Metric(point(&format!("m{writer}"), 1.0, step)),
                    RunEntry::param(format!("p{writer}"), 1),
                ];
                tracker.log(&run, &entries).await.unwrap();
            }
        }
    });
    join_all(writers).await;
    let record = tracker.run(&run).await.unwrap();
    assert_eq!(record.params.len() as i64, WRITERS);
    for writer in 0..WRITERS {
        let key = format!("m{writer}");
        let steps: Vec<i64> = record.metrics.iter().filter(|p| p.key == key).map(|p| p.step).collect();
        assert_eq!(steps, (0..STEPS).collect::<Vec<_>>());
    }
}

async fn runs(tracker: &Arc<dyn Tracker>, experiment: &str) -> Vec<RunRecord> {
    tracker.runs(experiment).map(|run| run.unwrap()).collect().await
}

fn point(key: &str, value: f64, step: i64) -> MetricPoint {
    MetricPoint { key: key.to_owned(), value, step, timestamp_ms: 1_700_000_000_000 + step }
}

fn refused<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind) {
    let error: Error = result.expect_err("this must be refused");
    assert_eq!(error.kind(), kind, "{error}");
}
