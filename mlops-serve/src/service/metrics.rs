use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mlops_core::{ModelStatus, Version};

use crate::metrics::{Duration64, Exposition, Histogram, Kind, Striped};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The caller went away.
    Cancelled,
    /// The model did not do its work.
    Failed,
    /// The inputs did not fit.
    Invalid,
    Ok,
    Panicked,
    /// There was too much to do.
    Shed,
}

impl Outcome {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Cancelled, "cancelled"),
        (Self::Failed, "failed"),
        (Self::Invalid, "invalid"),
        (Self::Ok, "ok"),
        (Self::Panicked, "panicked"),
        (Self::Shed, "shed"),
    ];
}

/// What is counted of one version of a model.
#[derive(Debug)]
pub(crate) struct VersionMetrics {
    model: String,
    version: String,
    primary: Striped<Calls>,
    shadow: Striped<Calls>,
}

/// What one thread has seen.
#[derive(Debug, Default)]
struct Calls {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    took: Histogram,
    rows: AtomicU64,
    /// Goes up on one thread and down on another: only the wrapping sum has a meaning.
    running: AtomicU64,
}

impl VersionMetrics {
    fn labels(&self) -> [(&str, &str); 2] {
        [("model", &self.model), ("version", &self.version)]
    }

    fn was_shadow(&self) -> bool {
        self.shadow.sum(|calls| &calls.rows) + outcomes(&self.shadow).iter().sum::<u64>() > 0
    }

    /// Counts a request that was refused before it began.
    pub(crate) fn shed(&self) {
        self.primary.here().outcomes[Outcome::Shed as usize].fetch_add(1, Ordering::Relaxed);
    }
}

fn outcomes(calls: &Striped<Calls>) -> [u64; Outcome::ALL.len()] {
    Outcome::ALL.map(|(outcome, _)| calls.sum(|calls| &calls.outcomes[outcome as usize]))
}

/// A call under way; counted as cancelled if it is dropped before its end.
#[derive(Debug)]
pub(crate) struct Call {
    metrics: Arc<VersionMetrics>,
    shadow: bool,
    started: Instant,
    outcome: Outcome,
}

impl Call {
    pub(crate) fn begin(metrics: &Arc<VersionMetrics>, shadow: bool) -> Self {
        let call = Self { metrics: Arc::clone(metrics), shadow, started: Instant::now(), outcome: Outcome::Cancelled };
        call.here().running.fetch_add(1, Ordering::Relaxed);
        call
    }

    pub(crate) fn end(mut self, outcome: Outcome, rows: usize) {
        self.outcome = outcome;
        if outcome == Outcome::Ok {
            self.here().rows.fetch_add(rows as u64, Ordering::Relaxed);
        }
    }

    fn here(&self) -> &Calls {
        let calls = if self.shadow { &self.metrics.shadow } else { &self.metrics.primary };
        calls.here()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let here = self.here();
        here.running.fetch_sub(1, Ordering::Relaxed);
        here.outcomes[self.outcome as usize].fetch_add(1, Ordering::Relaxed);
        here.took.observe(self.started.elapsed());
    }
}

/// What is counted of a model, whatever its version.
#[derive(Debug, Default)]
pub(crate) struct ModelMetrics {
    pub(crate) swaps: AtomicU64,
    pub(crate) refusals: AtomicU64,
    pub(crate) shadow_drops: AtomicU64,
}

/// What is counted of a service.
#[derive(Debug, Default)]
pub(crate) struct ServiceMetrics {
    versions: Mutex<Vec<Arc<VersionMetrics>>>,
    models: Mutex<BTreeMap<String, Arc<ModelMetrics>>>,
    pub(crate) unmatched: AtomicU64,
}

/// The counters of a tap, read when they are written down.
pub(crate) struct TapCounts {
    pub(crate) tap: usize,
    pub(crate) handed_over: u64,
    pub(crate) dropped: u64,
}

impl ServiceMetrics {
    /// So many versions of a model keep their metrics after they are no longer served.
    const KEPT: usize = 16;

    /// The counters of a version: those it had, if it was served before.
    pub(crate) fn version(&self, version: &Version) -> Arc<VersionMetrics> {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let number = version.number().to_string();
        let known = versions.iter().position(|known| known.model == version.model() && known.version == number);
        let metrics = match known {
            Some(i) => versions.remove(i),
            None => Arc::new(VersionMetrics {
                model: version.model().to_owned(),
                version: number,
                primary: Striped::default(),
                shadow: Striped::default(),
            }),
        };
        versions.push(Arc::clone(&metrics));
        // Whoever serves a version holds its counters, so one that nobody else holds is history.
        let of_model = versions.iter().filter(|known| known.model == version.model()).count();
        let oldest = versions
            .iter()
            .position(|known| known.model == version.model() && Arc::strong_count(known) == 1)
            .filter(|_| of_model > Self::KEPT);
        if let Some(oldest) = oldest {
            versions.remove(oldest);
        }
        metrics
    }

    /// The counters of a model that is served or is to be.
    pub(crate) fn model(&self, name: &str) -> Arc<ModelMetrics> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(models.entry(name.to_owned()).or_default())
    }

    /// All of it in Prometheus' text format.
    pub(crate) fn write(&self, statuses: &[ModelStatus], taps: &[TapCounts]) -> String {
        let mut text = Exposition::default();
        text.family("mlops_build_info", Kind::Gauge, "The build that serves; always 1.");
        text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        text.family("mlops_model_ready", Kind::Gauge, "Whether a version of a model answers.");
        for status in statuses {
            let labels = [("model", status.name.as_str()), ("version", status.version.as_str())];
            text.sample(&labels, u8::from(status.ready));
        }
        self.write_calls(&mut text);
        self.write_models(&mut text);
        let help = "Requests to a model or version that is not served.";
        text.family("mlops_inference_unmatched_requests_total", Kind::Counter, help);
        text.sample(&[], self.unmatched.load(Ordering::Relaxed));
        write_taps(&mut text, taps);
        text.finish()
    }

    fn write_calls(&self, text: &mut Exposition) {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let shadows: Vec<_> = versions.iter().filter(|version| version.was_shadow()).collect();
        let family = |text: &mut Exposition, name, help| {
            text.family(name, Kind::Counter, help);
        };
        family(text, "mlops_inference_requests_total", "Requests to a model, by how they ended.");
        versions.iter().for_each(|v| write_outcomes(text, v, &v.primary));
        family(text, "mlops_inference_rows_total", "Rows that were answered.");
        versions.iter().for_each(|v| text.sample(&v.labels(), v.primary.sum(|calls| &calls.rows)));
        let help = "From the arrival of a request at the service to its answer.";
        text.family("mlops_inference_request_duration_seconds", Kind::Histogram, help);
        for v in &versions {
            text.histogram(&v.labels(), &Duration64::of(&v.primary, |calls| &calls.took));
        }
        text.family("mlops_inference_in_flight_requests", Kind::Gauge, "Requests under way.");
        versions.iter().for_each(|v| text.sample(&v.labels(), v.primary.sum(|calls| &calls.running)));
        family(text, "mlops_shadow_requests_total", "Copies of requests to a shadow, by how they ended.");
        shadows.iter().for_each(|v| write_outcomes(text, v, &v.shadow));
        let help = "Time that a shadow takes to answer.";
        text.family("mlops_shadow_request_duration_seconds", Kind::Histogram, help);
        for v in &shadows {
            text.histogram(&v.labels(), &Duration64::of(&v.shadow, |calls| &calls.took));
        }
    }

    fn write_models(&self, text: &mut Exposition) {
        type Field = fn(&ModelMetrics) -> &AtomicU64;
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let families: [(_, _, Field); 3] = [
            ("mlops_model_swaps_total", "Times that another version took over.", |m| &m.swaps),
            ("mlops_model_refusals_total", "Versions that were not put into service.", |m| &m.refusals),
            ("mlops_shadow_dropped_requests_total", "Requests that a shadow had no time for.", |m| &m.shadow_drops),
        ];
        for (name, help, field) in families {
            text.family(name, Kind::Counter, help);
            for (model, metrics) in &models {
                text.sample(&[("model", model)], field(metrics).load(Ordering::Relaxed));
            }
        }
    }
}

fn write_outcomes(text: &mut Exposition, version: &VersionMetrics, calls: &Striped<Calls>) {
    let [model, version] = version.labels();
    for ((_, status), count) in Outcome::ALL.iter().zip(outcomes(calls)) {
        text.sample(&[model, version, ("status", status)], count);
    }
}

fn write_taps(text: &mut Exposition, taps: &[TapCounts]) {
    type Field = fn(&TapCounts) -> u64;
    let families: [(_, _, Field); 2] = [
        ("mlops_tap_records_total", "Records that were handed to a tap.", |tap| tap.handed_over),
        ("mlops_tap_dropped_records_total", "Records that a tap was too slow for.", |tap| tap.dropped),
    ];
    for (name, help, field) in families {
        text.family(name, Kind::Counter, help);
        for tap in taps {
            text.sample(&[("tap", &tap.tap.to_string())], field(tap));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_a_call_that_nobody_waited_for() {
        let metrics = ServiceMetrics::default();
        let version = metrics.version(&"flights:1".parse().unwrap());
        Call::begin(&version, false).end(Outcome::Ok, 7);
        drop(Call::begin(&version, false));
        let text = metrics.write(&[], &[]);
        for line in [
            "mlops_inference_requests_total{model=\"flights\",version=\"1\",status=\"ok\"} 1\n",
            "mlops_inference_requests_total{model=\"flights\",version=\"1\",status=\"cancelled\"} 1\n",
            "mlops_inference_rows_total{model=\"flights\",version=\"1\"} 7\n",
            "mlops_inference_in_flight_requests{model=\"flights\",version=\"1\"} 0\n",
            "mlops_inference_request_duration_seconds_count{model=\"flights\",version=\"1\"} 2\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_thousand_versions_do_not_pile_up() {
        let metrics = ServiceMetrics::default();
        let served = metrics.version(&"flights:1".parse().unwrap());
        for number in 2..1000 {
            metrics.version(&Version::new("flights", number).unwrap());
        }
        let versions = metrics.versions.lock().unwrap();
        assert_eq!(versions.len(), ServiceMetrics::KEPT);
        assert!(versions.iter().any(|version| version.version == served.version), "it is served");
    }
}
