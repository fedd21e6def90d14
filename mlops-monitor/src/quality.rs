//! Are the answers still good? Labels come late, out of order and never for some; this is the join.
//!
//! A [`Recorder`] taps the service without slowing it: what does not fit into its channel is
//! dropped and counted. A [`QualityMonitor`] takes the records, joins labels by the id of the
//! request, and scores any [`Metric`](mlops_core::Metric) by version and route.

mod answers;
mod labels;
mod monitor;
mod recorder;
mod report;

pub use labels::LabelColumns;
pub use monitor::QualityMonitor;
pub use recorder::{Recorder, Records};
pub use report::{MetricScore, Quality, QualityCounts, QualityReport};
