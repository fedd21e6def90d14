//! An alarm over real reports, and what it does.

mod common;

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use mlops_core::{DriftReport, Error, ErrorKind, FeatureDrift};
use mlops_monitor::{Alarm, AlertEvent, AlertRule, AlertState, Condition, History, QualityReport, Window};

fn drift(verdicts: &[(&str, bool)]) -> DriftReport {
    let verdict = |(name, drifted): &(&str, bool)| {
        FeatureDrift::by_p_value(name, "ks", 0.2, if *drifted { 0.001 } else { 0.6 }, 0.05)
    };
    DriftReport::new(100, verdicts.iter().map(verdict).collect())
}

fn quality(metric: &str, greater_is_better: bool, value: Option<f64>, labelled: usize) -> QualityReport {
    let score = serde_json::json!({
        "metric": metric, "greater_is_better": greater_is_better, "value": value, "interval": null, "problem": null,
    });
    let primary = serde_json::json!({
        "route": "primary", "version": null, "rows": 100, "labelled": labelled, "scores": [score],
    });
    let report = serde_json::json!({ "from_ms": 0, "until_ms": 1, "routes": [primary], "versions": [], "counts": {} });
    serde_json::from_value(report).unwrap()
}

fn states(condition: Condition, windows: &[Window<'_>]) -> Vec<AlertState> {
    let mut alarm = Alarm::new([AlertRule::new("alert", condition)]).unwrap();
    windows
        .iter()
        .map(|window| {
            alarm.observe(window);
            alarm.state("alert")
        })
        .collect()
}

#[test]
fn drift_is_a_share_of_features_however_many_tests_a_feature_has() {
    use AlertState::{Firing, Inactive};
    let reports =
        [drift(&[("a", true), ("a", true), ("b", false)]), drift(&[("a", true), ("b", true)]), drift(&[("a", false)])];
    let windows: Vec<Window<'_>> = reports.iter().map(|report| Window::new("w").with_drift(report)).collect();
    assert_eq!(states(Condition::DriftedShare { above: 0.5 }, &windows), [Inactive, Firing, Inactive]);
    assert_eq!(states(Condition::FeatureDrifted { feature: "b".into() }, &windows), [Inactive, Firing, Firing]);
}

#[test]
fn worse_is_what_the_metric_says() {
    use AlertState::{Firing, Inactive};
    let run = |greater_is_better: bool, values: [Option<f64>; 4]| {
        let reports = values.map(|value| quality("m", greater_is_better, value, 50));
        let windows: Vec<Window<'_>> = reports.iter().map(|report| Window::new("w").with_quality(report)).collect();
        states(Condition::MetricWorse { metric: "m".into(), reference: 0.7, by: 0.05 }, &windows)
    };
    assert_eq!(run(true, [Some(0.9), Some(0.66), Some(0.6), None]), [Inactive, Inactive, Firing, Firing]);
    assert_eq!(run(false, [Some(0.5), Some(0.8), None, Some(0.72)]), [Inactive, Firing, Firing, Inactive]);
}

#[test]
fn few_labels_are_worth_an_alert() {
    let (few, many) = (quality("m", true, None, 10), quality("m", true, None, 90));
    let windows = [Window::new("1").with_quality(&few), Window::new("2").with_quality(&many), Window::new("3")];
    let states = states(Condition::LabelledShare { below: 0.5 }, &windows);
    assert_eq!(states, [AlertState::Firing, AlertState::Inactive, AlertState::Inactive]);
}

#[test]
fn every_action_is_done_and_failures_are_told() {
    let done = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&done);
    let mut alarm = Alarm::new([AlertRule::new("drift", Condition::DriftedShare { above: 0.0 })])
        .unwrap()
        .with_action(|_: AlertEvent| async { Err(Error::new(ErrorKind::Unavailable, "no machine is free")) })
        .with_action(move |event: AlertEvent| {
            let seen = Arc::clone(&seen);
            async move {
                seen.lock().unwrap().push(event.to_string());
                Ok(())
            }
        });
    let report = drift(&[("a", true), ("b", false)]);
    let handled = block_on(alarm.handle(&Window::new("week 28").with_drift(&report)));
    assert_eq!(handled.events.len(), 1);
    assert_eq!(handled.failures[0].to_string(), "no machine is free (alert: drift)");
    assert_eq!(*done.lock().unwrap(), ["drift is firing in week 28: 50 % of the features drifted (a)"]);
    assert_eq!(alarm.firing().collect::<Vec<_>>(), ["drift"]);
}

#[test]
fn progress_survives_a_restart() {
    let rules = || [AlertRule::new("drift", Condition::DriftedShare { above: 0.0 }).with_for_windows(2)];
    let report = drift(&[("a", true)]);
    let mut first = Alarm::new(rules()).unwrap();
    assert_eq!(first.observe(&Window::new("1").with_drift(&report))[0].now, AlertState::Pending);
    let mut second = Alarm::new(rules()).unwrap().with_progress(&first.progress().unwrap()).unwrap();
    assert_eq!(second.observe(&Window::new("2").with_drift(&report))[0].now, AlertState::Firing);
    assert_eq!(
        Alarm::new(rules()).unwrap().with_progress(&serde_json::json!([1])).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let rule = |condition| AlertRule::new("alert", condition);
    let any = || rule(Condition::DriftedShare { above: 0.0 });
    let wrong = [
        vec![rule(Condition::DriftedShare { above: 1.5 })],
        vec![rule(Condition::LabelledShare { below: f64::NAN })],
        vec![rule(Condition::MetricWorse { metric: "m".into(), reference: 0.7, by: -0.1 })],
        vec![any().with_for_windows(0)],
        vec![any(), any()],
        vec![AlertRule::new("with space", Condition::DriftedShare { above: 0.0 })],
    ];
    for rules in wrong {
        assert_eq!(Alarm::new(rules.clone()).unwrap_err().kind(), ErrorKind::Config, "{rules:?}");
    }
    let text = r#"{"name": "a", "condition": {"drifted_share": {"above": 0.3}}, "for_windows": 2}"#;
    assert_eq!(serde_json::from_str::<AlertRule>(text).unwrap().for_windows, 2);
    assert!(serde_json::from_str::<AlertRule>(&text.replace("for_windows", "windows")).is_err());
}

#[test]
fn a_history_is_a_table_json_and_a_page() {
    let mut history = History::new("flights <late>").with_max_windows(30);
    let mut alarm = Alarm::new([AlertRule::new("drift", Condition::DriftedShare { above: 0.4 })]).unwrap();
    for week in 0..40 {
        let label = format!("week {week}");
        let drift = drift(&[("km", week % 9 == 8), ("zone", week % 9 > 5)]);
        let quality = quality("roc_auc", true, Some(0.7 - f64::from(week) / 400.0), 100);
        let events = alarm.observe(&Window::new(&label).with_drift(&drift).with_quality(&quality));
        history.push(label, Some(drift), Some(quality), events);
    }
    assert_eq!(history.windows.len(), 30);
    let text = history.to_string();
    assert!(text.contains("drift is firing in week 15: 50 % of the features drifted (zone)"), "{text}");
    let html = history.to_html();
    assert!(html.contains("flights &lt;late&gt;") && html.matches("role=\"img\"").count() == 3);
    assert!(html.len() < 60_000, "{}", html.len());
    let back: History = serde_json::from_str(&serde_json::to_string(&history).unwrap()).unwrap();
    assert_eq!(back, history);
    if let Ok(path) = std::env::var("MLOPS_HISTORY_SAMPLE") {
        std::fs::write(path, html).unwrap();
    }
}
