//! Watches models in production: has the data changed, are the answers still good, who has to know,
//! and why was this the answer.
//!
//! | question | recipe or input | what watches |
//! | --- | --- | --- |
//! | Has the data changed? | [`KsTest`], [`ChiSquare`], [`Psi`], [`DriftSuite`] | [`ColumnMonitor`] |
//! | Are the answers still good? | records of a [`Recorder`], labels that come later | [`QualityMonitor`] |
//! | Is the challenger better? | answers to the same rows | [`compare`](fn@compare) |
//! | Who has to know? | [`AlertRule`] | [`Alarm`] |
//! | Why was this the answer? | [`ShapleyExplainer`] | [`Shapley`] |
//!
//! Everything is bounded in memory, whatever the traffic, and says what it dropped. The fitted
//! reference of a monitor and an explainer are small artifacts that travel in the model's package.
//! [`History`] shows what was seen as a table, as JSON or as a page with charts.
//!
//! ```
//! use mlops_core::{DriftDetector, DriftMonitor, Table};
//! use mlops_monitor::{Alarm, AlertRule, AlertState, Condition, DriftSuite, Window};
//!
//! let rides = |km: f64, zone: &str| {
//!     let km = arrow::array::Float64Array::from_iter_values((0..500).map(|i| km + f64::from(i % 10)));
//!     let zone = arrow::array::StringArray::from(vec![zone; 500]);
//!     arrow::array::RecordBatch::try_from_iter([("km", std::sync::Arc::new(km) as _), ("zone", std::sync::Arc::new(zone) as _)])
//! };
//! let mut monitor = DriftSuite::default().fit(&Table::from_batch(rides(1.0, "north")?))?;
//! let mut alarm = Alarm::new([AlertRule::new("drift", Condition::DriftedShare { above: 0.4 })])?;
//!
//! monitor.observe(&rides(8.0, "north")?)?;
//! let report = monitor.report()?;
//! assert_eq!(report.drifted_features(), ["km"]);
//! let events = alarm.observe(&Window::new("monday").with_drift(&report));
//! assert_eq!(events[0].now, AlertState::Firing);
//! # Ok::<(), mlops_core::Error>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod alert;
pub mod drift;
pub mod explain;
mod history;
pub mod quality;
pub mod stats;

pub use alert::{Alarm, AlertAction, AlertEvent, AlertRule, AlertState, Condition, Handled, Window};
pub use drift::{ChiSquare, ColumnMonitor, DriftSuite, KsTest, NumericTest, Psi};
pub use explain::{Shapley, ShapleyExplainer};
pub use history::{History, Observed};
pub use mlops_core::compare::{
    self, Bootstrap, Comparison, Interval, IntervalMethod, Verdict, compare, score_interval,
};
pub use quality::{
    LabelColumns, MetricScore, Quality, QualityCounts, QualityMonitor, QualityReport, Recorder, Records,
};
pub use stats::Correction;

use mlops_core::Codecs;

/// All recipes and components of this crate, for reading them back.
///
/// ```
/// assert!(mlops_monitor::codecs().kinds().any(|kind| kind == "column_monitor"));
/// ```
pub fn codecs() -> Codecs {
    Codecs::empty()
        .with_detector::<ChiSquare>()
        .with_detector::<DriftSuite>()
        .with_detector::<KsTest>()
        .with_detector::<Psi>()
        .with_explainer::<Shapley>()
        .with_monitor::<ColumnMonitor>()
}
