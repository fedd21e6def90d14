use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::{Duration64, Exposition, Histogram, Kind, Striped};

/// What a request was for: the label of the metrics, so that no caller can make up a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Health,
    Infer,
    Metadata,
    Metrics,
    Other,
}

impl Route {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Health, "health"),
        (Self::Infer, "infer"),
        (Self::Metadata, "metadata"),
        (Self::Metrics, "metrics"),
        (Self::Other, "other"),
    ];
}

/// The statuses that this server answers with.
const STATUSES: [(u16, &str); 11] = [
    (200, "200"),
    (400, "400"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (413, "413"),
    (415, "415"),
    (500, "500"),
    (501, "501"),
    (503, "503"),
];

/// What is counted of the transport.
#[derive(Debug, Default)]
pub(super) struct RestMetrics(Striped<[Seen; Route::ALL.len()]>);

#[derive(Debug, Default)]
struct Seen {
    /// By status; the last counts any other.
    answers: [AtomicU64; STATUSES.len() + 1],
    took: Histogram,
}

impl RestMetrics {
    pub(super) fn count(&self, route: Route, status: u16, took: Duration) {
        let seen = &self.0.here()[route as usize];
        let status = STATUSES.iter().position(|(known, _)| *known == status).unwrap_or(STATUSES.len());
        seen.answers[status].fetch_add(1, Ordering::Relaxed);
        seen.took.observe(took);
    }

    pub(super) fn write(&self) -> String {
        let mut text = Exposition::default();
        text.family("mlops_http_requests_total", Kind::Counter, "Requests over HTTP, by what they were for.");
        for (route, name) in Route::ALL {
            for (i, status) in STATUSES.iter().map(|(_, text)| *text).chain(["other"]).enumerate() {
                let count = self.0.sum(|seen| &seen[route as usize].answers[i]);
                if count > 0 || (route, i) == (Route::Infer, 0) {
                    text.sample(&[("route", name), ("code", status)], count);
                }
            }
        }
        let help = "From the head of a request to the head of its answer.";
        text.family("mlops_http_request_duration_seconds", Kind::Histogram, help);
        for (route, name) in Route::ALL {
            text.histogram(&[("route", name)], &Duration64::of(&self.0, |seen| &seen[route as usize].took));
        }
        text.finish()
    }
}
