use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use mlops_core::DriftReport;
use mlops_core::report::{Chart, Grid, Report, Section, Tone, number};
use serde::{Deserialize, Serialize};

use crate::{AlertEvent, AlertState, QualityReport};

/// What the monitors said, window by window: a table for a terminal ([`Display`](fmt::Display)),
/// JSON (serde), or a page with charts ([`to_html`](Self::to_html)).
///
/// Keeps the latest `max_windows`; its size depends on windows and columns, never on rows.
///
/// # Example
/// ```
/// use mlops_core::{DriftReport, FeatureDrift};
/// use mlops_monitor::History;
///
/// let drifted = FeatureDrift::by_p_value("km", "ks", 0.4, 1e-6, 0.05);
/// let mut history = History::new("taxi rides");
/// history.push("week 27", Some(DriftReport::new(1000, vec![drifted])), None, Vec::new());
/// assert!(history.to_string().contains("week 27"));
/// assert!(history.to_html().contains("<svg"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct History {
    /// What is watched.
    pub title: String,
    /// How many windows are kept.
    pub max_windows: usize,
    /// The windows, oldest first.
    pub windows: VecDeque<Observed>,
}

/// What the monitors said of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Observed {
    /// What the window is called.
    pub label: String,
    /// How the data compared with the reference.
    pub drift: Option<DriftReport>,
    /// How good the answers were.
    pub quality: Option<QualityReport>,
    /// What the alarm told.
    pub events: Vec<AlertEvent>,
}

impl History {
    /// No windows yet; the latest 520 will be kept (ten years of weeks).
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), max_windows: 520, windows: VecDeque::new() }
    }

    /// With room for another number of windows.
    #[must_use]
    pub fn with_max_windows(mut self, windows: usize) -> Self {
        self.max_windows = windows;
        self
    }

    /// Adds the next window; the oldest goes if there are too many.
    pub fn push(
        &mut self,
        label: impl Into<String>,
        drift: Option<DriftReport>,
        quality: Option<QualityReport>,
        events: Vec<AlertEvent>,
    ) {
        self.windows.push_back(Observed { label: label.into(), drift, quality, events });
        while self.windows.len() > self.max_windows {
            self.windows.pop_front();
        }
    }

    /// A line a window: rows, what drifted, the metrics of the answers that callers saw, alerts.
    pub fn to_grid(&self) -> Grid {
        let metrics = self.metrics();
        let columns = ["window", "rows", "drifted"].into_iter().chain(metrics.iter().map(String::as_str));
        self.windows.iter().fold(Grid::new(columns.chain(["alerts"])), |grid, window| {
            let rows = window.rows().map(|rows| rows.to_string()).unwrap_or_default();
            let drifted = window.drift.as_ref().map(|drift| drift.drifted_features().join(", ")).unwrap_or_default();
            let scores = metrics.iter().map(|metric| window.metric(metric).map(number).unwrap_or_default());
            let alerts: Vec<String> = window.events.iter().map(|event| event.to_string()).collect();
            let fires = window.events.iter().any(|event| event.now == AlertState::Firing);
            let cells = [window.label.clone(), rows, drifted].into_iter().chain(scores).chain([alerts.join("; ")]);
            grid.with_toned_row(if fires { Tone::Bad } else { Tone::Plain }, cells)
        })
    }

    /// The page as a [`Report`], to which more sections can be added.
    pub fn to_report(&self) -> Report {
        let windows = match (self.windows.front(), self.windows.back()) {
            (Some(first), Some(last)) => format!("{} windows, {} to {}", self.windows.len(), first.label, last.label),
            _ => "no windows yet".to_owned(),
        };
        let mut report = Report::new(&self.title).with_subtitle(windows);
        if !self.metrics().is_empty() {
            report = report.with_section(self.quality_section());
        }
        if self.windows.iter().any(|window| window.drift.is_some()) {
            report = report.with_section(self.drift_section());
        }
        report.with_section(Section::new("Windows").with_grid(self.to_grid()))
    }

    /// The page: self-contained, with charts over the windows.
    pub fn to_html(&self) -> String {
        self.to_report().to_html()
    }

    fn quality_section(&self) -> Section {
        let section =
            Section::new("Quality").with_paragraph("Over the answers that callers saw and whose label has come.");
        self.metrics().iter().fold(section, |section, metric| {
            let values = self.windows.iter().map(|window| window.metric(metric));
            section.with_chart(self.marked(self.chart(metric).with_series(metric, values)))
        })
    }

    fn drift_section(&self) -> Section {
        let share = self.windows.iter().map(|window| window.drift.as_ref().map(DriftReport::drifted_share));
        let chart = self.chart("Share of features that drifted").with_series("drifted", share).with_y_range(0.0, 1.0);
        let section = Section::new("Drift").with_chart(self.marked(chart));
        let features = self.strongest();
        let effects = features.iter().fold(self.chart("Effect of the features that changed most"), |chart, feature| {
            chart.with_series(feature, self.windows.iter().map(|window| window.effect(feature)))
        });
        let section = if features.is_empty() { section } else { section.with_chart(effects) };
        match self.windows.iter().rev().find_map(|window| Some((&window.label, window.drift.as_ref()?))) {
            Some((label, drift)) => section.with_paragraph(format!("Window {label}:")).with_grid(drift.to_grid()),
            None => section,
        }
    }

    fn chart(&self, title: &str) -> Chart {
        Chart::lines(title, self.windows.iter().map(|window| window.label.as_str()))
    }

    /// With a mark where an alert fired.
    fn marked(&self, chart: Chart) -> Chart {
        let fired = self.windows.iter().enumerate().flat_map(|(i, window)| window.events.iter().map(move |e| (i, e)));
        let fired = fired.filter(|(_, event)| event.now == AlertState::Firing);
        fired.fold(chart, |chart, (i, event)| chart.with_mark(i, format!("{} fired", event.alert)))
    }

    fn metrics(&self) -> Vec<String> {
        let mut metrics: Vec<String> = Vec::new();
        let scores =
            self.windows.iter().filter_map(|window| window.quality.as_ref()?.primary()).flat_map(|q| &q.scores);
        for score in scores {
            if !metrics.contains(&score.metric) {
                metrics.push(score.metric.clone());
            }
        }
        metrics
    }

    /// The features with the greatest effect in any window.
    fn strongest(&self) -> Vec<String> {
        const SHOWN: usize = 6;
        let mut greatest: BTreeMap<&str, f64> = BTreeMap::new();
        for drift in self.windows.iter().filter_map(|window| window.drift.as_ref()).flat_map(|drift| &drift.features) {
            let effect = greatest.entry(&drift.feature).or_default();
            *effect = effect.max(drift.effect);
        }
        let mut greatest: Vec<(&str, f64)> = greatest.into_iter().collect();
        greatest.sort_by(|a, b| b.1.total_cmp(&a.1));
        greatest.truncate(SHOWN);
        greatest.into_iter().map(|(name, _)| name.to_owned()).collect()
    }
}

impl Observed {
    fn rows(&self) -> Option<u64> {
        let answered = || self.quality.as_ref().and_then(|quality| Some(quality.primary()?.rows as u64));
        self.drift.as_ref().map(|drift| drift.rows).or_else(answered)
    }

    /// A metric of the answers that callers saw.
    fn metric(&self, metric: &str) -> Option<f64> {
        self.quality.as_ref()?.primary()?.score(metric)?.value
    }

    /// The greatest effect that a test found in a feature.
    fn effect(&self, feature: &str) -> Option<f64> {
        let of_feature = self.drift.as_ref()?.features.iter().filter(|drift| drift.feature == feature);
        of_feature.map(|drift| drift.effect).reduce(f64::max)
    }
}

/// For a terminal: [`History::to_grid`].
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_grid())
    }
}
