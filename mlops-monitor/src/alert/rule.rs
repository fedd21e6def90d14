use mlops_core::report::number;
use mlops_core::{DriftReport, Error, Result, check_name};
use serde::{Deserialize, Serialize};

use crate::QualityReport;

/// When somebody has to know.
///
/// # Example
/// ```
/// use mlops_monitor::{AlertRule, Condition};
///
/// let rule = AlertRule::new("auc_fell", Condition::MetricWorse { metric: "roc_auc".into(), reference: 0.74, by: 0.03 })
///     .with_for_windows(2)
///     .with_cool_down(4);
/// let text = serde_json::to_string(&rule).unwrap();
/// assert_eq!(serde_json::from_str::<AlertRule>(&text).unwrap(), rule);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AlertRule {
    /// What it is called in events and logs; unique within an alarm.
    pub name: String,
    /// What must be the case.
    pub condition: Condition,
    /// In how many windows in a row, before it fires.
    #[serde(default = "one")]
    pub for_windows: u32,
    /// For how many windows after it fired it does not fire again.
    #[serde(default)]
    pub cool_down: u32,
    /// Whether it fires again after the cool-down while the condition holds on; else only once
    /// until it was resolved.
    #[serde(default)]
    pub repeats: bool,
}

fn one() -> u32 {
    1
}

/// What an [`AlertRule`] looks for in a [`Window`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Condition {
    /// More than this share of the features drifted; 0 for any.
    DriftedShare {
        /// The share, from 0 to 1.
        above: f64,
    },
    /// This feature drifted.
    FeatureDrifted {
        /// Its name.
        feature: String,
    },
    /// Labels have come for less than this share of the answers.
    LabelledShare {
        /// The share, from 0 to 1.
        below: f64,
    },
    /// A metric of the answers that callers saw is worse than a reference, in the direction that is
    /// worse for the metric.
    MetricWorse {
        /// The name of the metric.
        metric: String,
        /// What is normal, such as its value when the model was published.
        reference: f64,
        /// How much worse is too much.
        by: f64,
    },
}

/// What is known of a span of time.
///
/// # Example
/// ```
/// use mlops_core::DriftReport;
/// use mlops_monitor::Window;
///
/// let drift = DriftReport::default();
/// let window = Window::new("2013-07-01").with_drift(&drift);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Window<'a> {
    /// What the span is called.
    pub label: &'a str,
    /// How the data compares with the reference.
    pub drift: Option<&'a DriftReport>,
    /// How good the answers were.
    pub quality: Option<&'a QualityReport>,
}

impl<'a> Window<'a> {
    /// A window of which nothing is known yet.
    pub fn new(label: &'a str) -> Self {
        Self { label, drift: None, quality: None }
    }

    /// With a drift report.
    #[must_use]
    pub fn with_drift(mut self, drift: &'a DriftReport) -> Self {
        self.drift = Some(drift);
        self
    }

    /// With a quality report.
    #[must_use]
    pub fn with_quality(mut self, quality: &'a QualityReport) -> Self {
        self.quality = Some(quality);
        self
    }
}

impl AlertRule {
    /// A rule that fires in the first window where the condition holds, once until it is resolved.
    pub fn new(name: impl Into<String>, condition: Condition) -> Self {
        Self { name: name.into(), condition, for_windows: 1, cool_down: 0, repeats: false }
    }

    /// Fires after so many windows in a row.
    #[must_use]
    pub fn with_for_windows(mut self, windows: u32) -> Self {
        self.for_windows = windows;
        self
    }

    /// Stays silent for so many windows after it fired.
    #[must_use]
    pub fn with_cool_down(mut self, windows: u32) -> Self {
        self.cool_down = windows;
        self
    }

    /// Fires again after every cool-down while the condition holds on.
    #[must_use]
    pub fn with_repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// Refuses a rule that makes no sense.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) saying why.
    pub fn check(&self) -> Result<()> {
        check_name("alert", &self.name)?;
        let is_share = |x: f64| (0.0..=1.0).contains(&x);
        let problem = match &self.condition {
            _ if self.for_windows == 0 => "for_windows is 0: at least 1 is needed",
            Condition::DriftedShare { above: share } | Condition::LabelledShare { below: share }
                if !is_share(*share) =>
            {
                "a share from 0 to 1 is needed"
            }
            Condition::MetricWorse { reference, by, .. } if !(reference.is_finite() && *by >= 0.0) => {
                "a finite reference, and by how much worse (at least 0), are needed"
            }
            _ => return Ok(()),
        };
        Err(Error::config(format!("alert '{}': {problem}", self.name)))
    }
}

/// What a condition comes to in a window.
pub(super) struct Reading {
    pub(super) holds: bool,
    pub(super) message: String,
}

impl Condition {
    /// `None` if the window does not say: nothing was observed, or no label has come.
    pub(super) fn read(&self, window: &Window<'_>) -> Option<Reading> {
        match self {
            Self::DriftedShare { above } => {
                let drift = window.drift.filter(|drift| drift.rows > 0)?;
                let (share, names) = (drift.drifted_share(), drift.drifted_features());
                let which = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
                let message = format!("{} of the features drifted{which}", percent(share));
                Some(Reading { holds: share > *above, message })
            }
            Self::FeatureDrifted { feature } => {
                let drift = window.drift.filter(|drift| drift.rows > 0)?;
                let mut of_feature = drift.features.iter().filter(|verdict| verdict.feature == *feature).peekable();
                of_feature.peek()?;
                let holds = of_feature.any(|verdict| verdict.drifted);
                let message = format!("{feature} {}", if holds { "drifted" } else { "did not drift" });
                Some(Reading { holds, message })
            }
            Self::LabelledShare { below } => {
                let primary = window.quality?.primary().filter(|quality| quality.rows > 0)?;
                let share = primary.labelled as f64 / primary.rows as f64;
                Some(Reading {
                    holds: share < *below,
                    message: format!("{} of the answers are labelled", percent(share)),
                })
            }
            Self::MetricWorse { metric, reference, by } => {
                let score = window.quality?.primary()?.score(metric)?;
                let value = score.value?;
                let worse = if score.greater_is_better { reference - value } else { value - reference };
                let message = format!("{metric} is {}, normal is {}", number(value), number(*reference));
                Some(Reading { holds: worse > *by, message })
            }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{} %", number((share * 1000.0).round() / 10.0))
}
