//! Metrics for Prometheus: numbers that many threads add to without meeting, and their text format.

mod number;
mod text;

pub(crate) use number::{BOUNDS, Duration64, Histogram, Striped};
pub(crate) use text::{Exposition, Kind};
