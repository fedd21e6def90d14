use std::fmt;

use mlops_core::report::{Grid, number};
use mlops_core::{Route, Version};
use serde::{Deserialize, Serialize};

use crate::Interval;

/// How good the answers of a span of time were, as far as labels have come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QualityReport {
    /// When the span begins, in milliseconds since 1970, UTC.
    pub from_ms: i64,
    /// When it ends; an answer of this very millisecond is not in it.
    pub until_ms: i64,
    /// By route, over all versions: `Primary` is what callers saw.
    pub routes: Vec<Quality>,
    /// By route and version.
    pub versions: Vec<Quality>,
    /// What the monitor has seen since it was made.
    pub counts: QualityCounts,
}

/// How good the answers of a route, or of one version there, were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quality {
    /// Where the answers went.
    pub route: Route,
    /// The version that gave them; all if `None`.
    pub version: Option<Version>,
    /// The rows that were answered.
    pub rows: usize,
    /// Those among them whose label has come; metrics are over these.
    pub labelled: usize,
    /// The metrics.
    pub scores: Vec<MetricScore>,
}

impl Quality {
    /// The rows whose label has not come.
    pub fn unlabelled(&self) -> usize {
        self.rows - self.labelled
    }

    /// A metric by its name.
    pub fn score(&self, metric: &str) -> Option<&MetricScore> {
        self.scores.iter().find(|score| score.metric == metric)
    }
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricScore {
    /// The name of the metric.
    pub metric: String,
    /// Whether a greater value is better.
    pub greater_is_better: bool,
    /// Its value, if it is defined for the labelled rows.
    pub value: Option<f64>,
    /// Where the true value lies, if that was asked for.
    pub interval: Option<Interval>,
    /// Why there is no value, or no interval that was asked for.
    pub problem: Option<String>,
}

impl MetricScore {
    pub(super) fn none(metric: &str, greater_is_better: bool) -> Self {
        Self { metric: metric.to_owned(), greater_is_better, value: None, interval: None, problem: None }
    }
}

/// What a [`QualityMonitor`](super::QualityMonitor) has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct QualityCounts {
    /// Rows taken in.
    pub rows: u64,
    /// Rows without an id, which no label can name; not kept.
    pub without_id: u64,
    /// Answers that replaced an earlier one of the same request, version and route.
    pub replaced: u64,
    /// Rows that left the horizon without a label.
    pub expired: u64,
    /// Rows that left before, without a label, because there were too many.
    pub evicted: u64,
    /// Labels taken in; null is none.
    pub labels: u64,
    /// Labels that replaced one of the same row.
    pub relabelled: u64,
    /// Labels that wait for their request.
    pub early: u64,
    /// Labels whose request did not come within the horizon.
    pub orphaned: u64,
}

impl QualityReport {
    /// What callers saw.
    pub fn primary(&self) -> Option<&Quality> {
        self.routes.iter().find(|quality| quality.route == Route::Primary)
    }

    /// A version on a route.
    pub fn version(&self, version: &Version, route: Route) -> Option<&Quality> {
        self.versions.iter().find(|quality| quality.route == route && quality.version.as_ref() == Some(version))
    }

    /// The qualities as a table: a row for each route and each of its versions.
    pub fn to_grid(&self) -> Grid {
        let metrics: Vec<&str> = match self.routes.first() {
            Some(quality) => quality.scores.iter().map(|score| score.metric.as_str()).collect(),
            None => Vec::new(),
        };
        let grid = Grid::new(["route", "version", "rows", "labelled"].into_iter().chain(metrics.iter().copied()));
        let of_route = |route: Route| self.versions.iter().filter(move |quality| quality.route == route);
        let rows = self.routes.iter().flat_map(|quality| std::iter::once(quality).chain(of_route(quality.route)));
        rows.fold(grid, |grid, quality| {
            let route = match quality.route {
                Route::Primary => "primary",
                Route::Shadow => "shadow",
                _ => "other",
            };
            let version = quality.version.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
            let cells = [route.to_owned(), version, quality.rows.to_string(), quality.labelled.to_string()];
            let scores = quality.scores.iter().map(|score| score.value.map_or_else(|| "–".to_owned(), number));
            grid.with_row(cells.into_iter().chain(scores))
        })
    }
}

/// For a terminal: [`QualityReport::to_grid`].
impl fmt::Display for QualityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_grid())
    }
}
