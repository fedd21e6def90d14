//! Labels that come late, early, twice, out of order or never.

mod common;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
use common::{Accuracy, SquaredError, TwoClasses};
use mlops_core::{Classes, ErrorKind, InferenceRecord, Route, Task, Value, Version};
use mlops_monitor::{Bootstrap, LabelColumns, QualityMonitor, Verdict};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;

fn monitor() -> QualityMonitor {
    let task = Task::Classification { classes: Classes::Bool };
    QualityMonitor::new(task, Duration::from_secs(24 * 3600)).with_metric(Accuracy)
}

fn version(number: u64) -> Version {
    Version::new("flights", number).unwrap()
}

/// An answer to a request with a row for each of `scores`, the probability of true.
fn answer(id: &str, number: u64, route: Route, hour: i64, scores: &[f64]) -> InferenceRecord {
    let rows: ArrayRef = Arc::new(Float64Array::from(vec![0.0; scores.len()]));
    let inputs = RecordBatch::try_from_iter([("km", rows)]).unwrap();
    let scores = scores.iter().flat_map(|p| [1.0 - p, *p]).collect();
    let mut record = InferenceRecord::new(Some(id.into()), Arc::new(version(number)), route, inputs, scores);
    record.timestamp_ms = hour * HOUR;
    record
}

fn primary(monitor: &QualityMonitor) -> (usize, usize, Option<f64>) {
    let report = monitor.report();
    report.primary().map_or((0, 0, None), |q| (q.rows, q.labelled, q.score("accuracy").and_then(|s| s.value)))
}

#[test]
fn labels_come_in_any_order_and_the_last_wins() {
    let mut monitor = monitor();
    monitor.label("early", Value::Bool(true)).unwrap();
    assert_eq!(monitor.counts().early, 1);
    monitor.record(answer("early", 1, Route::Primary, 1, &[0.9])).unwrap();
    monitor.record(answer("late", 1, Route::Primary, 2, &[0.9])).unwrap();
    assert_eq!(primary(&monitor), (2, 1, Some(1.0)));
    monitor.label("late", Value::Null).unwrap();
    assert_eq!(primary(&monitor), (2, 1, Some(1.0)));
    monitor.label("late", Value::Int(0)).unwrap();
    assert_eq!(primary(&monitor), (2, 2, Some(0.5)));
    monitor.label("late", Value::Bool(true)).unwrap();
    assert_eq!(primary(&monitor), (2, 2, Some(1.0)));
    assert_eq!((monitor.counts().labels, monitor.counts().relabelled, monitor.counts().early), (3, 1, 0));
}

#[test]
fn what_is_older_than_the_horizon_is_forgotten_and_counted() {
    let mut monitor = monitor();
    monitor.record(answer("a", 1, Route::Primary, 0, &[0.9, 0.1])).unwrap();
    monitor.label_row("a", 0, Value::Bool(true)).unwrap();
    monitor.label("never answered", Value::Bool(true)).unwrap();
    monitor.record(answer("b", 1, Route::Primary, 25, &[0.9])).unwrap();
    // One row of "a" had its label.
    assert_eq!((monitor.counts().expired, monitor.counts().orphaned), (1, 1));
    assert_eq!(primary(&monitor), (1, 0, None));
    monitor.advance(1000 * HOUR);
    monitor.advance(0);
    assert_eq!(monitor.counts().expired, 2);
    assert!(monitor.report().routes.is_empty());
    // Too late even to be kept.
    monitor.record(answer("c", 1, Route::Primary, 3, &[0.9])).unwrap();
    assert_eq!(monitor.counts().expired, 3);
}

#[test]
fn labels_before_the_first_record_wait_from_then_on() {
    let mut monitor = monitor();
    monitor.label("b", Value::Bool(true)).unwrap();
    monitor.record(answer("a", 1, Route::Primary, 500_000, &[0.9])).unwrap();
    monitor.record(answer("b", 1, Route::Primary, 500_001, &[0.9])).unwrap();
    assert_eq!(primary(&monitor), (2, 1, Some(1.0)));
}

#[test]
fn memory_is_bounded_by_rows() {
    let mut monitor = monitor().with_max_rows(3);
    for i in 0..5 {
        monitor.record(answer(&format!("r{i}"), 1, Route::Primary, 1, &[0.9])).unwrap();
        monitor.label(&format!("l{i}"), Value::Bool(true)).unwrap();
    }
    assert_eq!((primary(&monitor).0, monitor.counts().evicted), (3, 2));
    assert_eq!((monitor.counts().early, monitor.counts().orphaned), (3, 2));
    monitor.label("r0", Value::Bool(true)).unwrap();
    assert_eq!(primary(&monitor).1, 0);
}

#[test]
fn a_shadow_shares_the_labels_and_a_retry_replaces() {
    let mut monitor = monitor();
    monitor.record(answer("a", 1, Route::Primary, 1, &[0.1])).unwrap();
    monitor.label("a", Value::Bool(true)).unwrap();
    monitor.record(answer("a", 2, Route::Shadow, 1, &[0.9])).unwrap();
    let report = monitor.report();
    let accuracy = |number, route| report.version(&version(number), route).unwrap().score("accuracy").unwrap().value;
    assert_eq!((accuracy(1, Route::Primary), accuracy(2, Route::Shadow)), (Some(0.0), Some(1.0)));
    monitor.record(answer("a", 1, Route::Primary, 2, &[0.9])).unwrap();
    assert_eq!((primary(&monitor), monitor.counts().replaced), ((1, 1, Some(1.0)), 1));
}

#[test]
fn spans_and_versions_are_told_apart() {
    let mut monitor = monitor().with_intervals(Bootstrap::default().with_resamples(100));
    for hour in 0..20 {
        let (number, p) = if hour < 10 { (1, 0.1) } else { (2, 0.9) };
        monitor.record(answer(&format!("r{hour}"), number, Route::Primary, hour, &[p])).unwrap();
        monitor.label(&format!("r{hour}"), Value::Bool(true)).unwrap();
    }
    let report = monitor.report_over(5 * HOUR..12 * HOUR);
    assert_eq!(report.primary().unwrap().rows, 7);
    assert_eq!(
        report.versions.iter().map(|q| (q.rows, q.scores[0].value)).collect::<Vec<_>>(),
        [(5, Some(0.0)), (2, Some(1.0))]
    );
    let score = &report.primary().unwrap().scores[0];
    assert!(score.interval.unwrap().contains(score.value.unwrap()));
    let (late, early) = (12 * HOUR, 5 * HOUR);
    assert!(monitor.report_over(late..early).routes.is_empty());
    let text = report.to_string();
    assert!(text.contains("flights:1") && text.contains("accuracy"), "{text}");
    assert_eq!(
        serde_json::from_str::<mlops_monitor::QualityReport>(&serde_json::to_string(&report).unwrap()).unwrap(),
        report
    );
}

#[test]
fn batches_of_labels_join_by_id_and_row() {
    let mut monitor = monitor();
    monitor.record(answer("a", 1, Route::Primary, 1, &[0.9, 0.9, 0.9])).unwrap();
    let batch = arrow::array::record_batch!(
        ("request", Utf8, ["a", "a", "b"]),
        ("row", Int64, [2, 0, 0]),
        ("late", Boolean, [Some(false), Some(true), None])
    );
    let columns = LabelColumns::new("request", "late").with_row("row");
    monitor.labels(&batch.unwrap(), &columns).unwrap();
    assert_eq!(primary(&monitor), (3, 2, Some(0.5)));
    let truth: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(true), None]));
    monitor.label_rows("a", &truth).unwrap();
    assert_eq!(primary(&monitor), (3, 3, Some(2.0 / 3.0)));
}

#[test]
fn what_does_not_fit_is_refused_whole() {
    let mut monitor = monitor();
    monitor.record(answer("a", 1, Route::Primary, 1, &[0.9])).unwrap();
    let kind = |result: mlops_core::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(monitor.label("a", Value::Text("yes"))), ErrorKind::Data);
    assert_eq!(kind(monitor.label("a", Value::Int(2))), ErrorKind::Data);
    assert_eq!(kind(monitor.label_row("a", 1, Value::Bool(true))), ErrorKind::Data);
    let batch = |id, late| arrow::array::record_batch!(("id", Utf8, ["a", id]), ("late", Int64, [1, late])).unwrap();
    assert_eq!(kind(monitor.labels(&batch("b", 7), &LabelColumns::new("id", "late"))), ErrorKind::Data);
    assert_eq!(kind(monitor.labels(&batch("b", 1), &LabelColumns::new("id", "delay"))), ErrorKind::Schema);
    let mut odd = answer("c", 1, Route::Primary, 1, &[0.9]);
    odd.scores.push(0.5);
    assert_eq!(kind(monitor.record(odd)), ErrorKind::Data);
    assert_eq!((primary(&monitor), monitor.counts().labels), ((1, 0, None), 0));
}

#[test]
fn a_metric_without_a_value_says_why() {
    let mut monitor = monitor().with_metric(TwoClasses);
    monitor.record(answer("a", 1, Route::Primary, 1, &[0.9])).unwrap();
    let problem = |monitor: &QualityMonitor| {
        monitor.report().primary().unwrap().score("two_classes").unwrap().problem.clone().unwrap()
    };
    assert_eq!(problem(&monitor), "no labels yet");
    monitor.label("a", Value::Bool(true)).unwrap();
    assert_eq!(problem(&monitor), "one class only");
}

#[test]
fn a_shadowed_challenger_is_compared_on_the_rows_both_answered() {
    let mut monitor = monitor();
    for i in 0..200 {
        let id = format!("r{i}");
        monitor.record(answer(&id, 1, Route::Primary, 1, &[if i % 3 == 0 { 0.1 } else { 0.9 }])).unwrap();
        if i % 2 == 0 {
            monitor.record(answer(&id, 2, Route::Shadow, 1, &[0.9])).unwrap();
        }
        if i < 150 {
            monitor.label(&id, Value::Bool(true)).unwrap();
        }
    }
    let everything = 0..i64::MAX;
    let bootstrap = Bootstrap::default();
    let comparison = monitor.compare(&version(1), &version(2), everything.clone(), &Accuracy, &bootstrap).unwrap();
    assert_eq!((comparison.rows, comparison.verdict), (75, Verdict::Better));
    let none = monitor.compare(&version(1), &version(9), everything, &Accuracy, &bootstrap);
    assert_eq!(none.unwrap_err().kind(), ErrorKind::Data);
}

#[test]
fn numbers_are_labels_of_a_regression() {
    let mut monitor = QualityMonitor::new(Task::Regression, Duration::from_secs(60)).with_metric(SquaredError);
    let mut record = answer("a", 1, Route::Primary, 1, &[0.0]);
    record.scores = vec![3.0];
    monitor.record(record).unwrap();
    monitor.label("a", Value::Float(5.0)).unwrap();
    assert_eq!(monitor.report().primary().unwrap().scores[0].value, Some(4.0));
    assert_eq!(monitor.label("a", Value::Float(f64::NAN)).unwrap_err().kind(), ErrorKind::Data);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Records and labels of distinct rows commute, as long as nothing expires.
    #[test]
    fn any_order_of_records_and_labels_gives_the_same_report(order in Just((0..40usize).collect::<Vec<_>>()).prop_shuffle()) {
        let report = |order: &[usize]| {
            let mut monitor = monitor();
            for i in order {
                let id = format!("r{}", i / 2);
                if i % 2 == 0 {
                    monitor.record(answer(&id, 1 + *i as u64 % 3, Route::Primary, 1, &[*i as f64 / 40.0])).unwrap();
                } else {
                    monitor.label(&id, Value::Bool(i % 3 == 0)).unwrap();
                }
            }
            monitor.report()
        };
        let sorted: Vec<usize> = (0..40).collect();
        prop_assert_eq!(report(&order), report(&sorted));
    }
}
