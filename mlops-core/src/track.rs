use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::Result;

/// Remembers experiments: runs with their parameters, metrics, tags and artifacts, in MLflow's
/// terms.
#[async_trait]
#[diagnostic::on_unimplemented(message = "`{Self}` is not a tracker of experiments")]
pub trait Tracker: Debug + Send + Sync + 'static {
    /// Starts a run of `experiment`, which is made if it is new.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a name as
    /// [`check_name`](crate::check_name) refuses it, or if the store does not take it.
    async fn start_run(&self, experiment: &str, name: &str) -> Result<RunId>;

    /// Adds to a run, all at once and in order. The same point again changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such run,
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if it has ended or a parameter is set to
    /// another value.
    async fn log(&self, run: &RunId, entries: &[RunEntry]) -> Result<()>;

    /// Keeps a file with a run.
    ///
    /// # Errors
    /// As [`Self::log`]; and [`ErrorKind::Config`](crate::ErrorKind::Config) for a path that leaves
    /// the run.
    async fn log_artifact(&self, run: &RunId, path: &str, bytes: Bytes) -> Result<()>;

    /// Ends a run.
    ///
    /// # Errors
    /// As [`Self::log`].
    async fn end_run(&self, run: &RunId, status: RunStatus) -> Result<()>;

    /// All that is known of a run.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such run.
    async fn run(&self, run: &RunId) -> Result<RunRecord>;

    /// A file that was kept with a run.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such run or file.
    async fn artifact(&self, run: &RunId, path: &str) -> Result<Bytes>;

    /// The runs of an experiment, oldest first; none if it does not exist.
    fn runs(&self, experiment: &str) -> BoxStream<'static, Result<RunRecord>>;
}

/// Names a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing logged to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "entry")]
#[non_exhaustive]
pub enum RunEntry {
    /// A number at a step.
    Metric(MetricPoint),
    /// A setting; set once.
    Param {
        /// Its name.
        key: String,
        /// Its value.
        value: String,
    },
    /// A note; the last one counts.
    Tag {
        /// Its name.
        key: String,
        /// Its value.
        value: String,
    },
}

impl RunEntry {
    /// A parameter.
    pub fn param(key: impl Into<String>, value: impl fmt::Display) -> Self {
        Self::Param { key: key.into(), value: value.to_string() }
    }

    /// A tag.
    pub fn tag(key: impl Into<String>, value: impl fmt::Display) -> Self {
        Self::Tag { key: key.into(), value: value.to_string() }
    }

    /// A metric at a step, now.
    pub fn metric(key: impl Into<String>, value: f64, step: i64) -> Self {
        Self::Metric(MetricPoint { key: key.into(), value, step, timestamp_ms: now_ms() })
    }
}

/// A number at a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// The name of the metric.
    pub key: String,
    /// The value; NaN and ±∞ are kept.
    #[serde(with = "crate::json_float")]
    pub value: f64,
    /// The step, such as an epoch.
    pub step: i64,
    /// Milliseconds since 1970, UTC.
    pub timestamp_ms: i64,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum RunStatus {
    /// It ended with an error.
    Failed,
    /// It ended well.
    Finished,
    /// It was stopped.
    Killed,
    /// It is under way, or its program died.
    Running,
}

/// All that is known of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// The experiment it belongs to.
    pub experiment: String,
    /// What it was called.
    pub name: String,
    /// How it stands.
    pub status: RunStatus,
    /// Its start, in milliseconds since 1970, UTC.
    pub start_ms: i64,
    /// Its end, if it has ended.
    pub end_ms: Option<i64>,
    /// Settings.
    pub params: BTreeMap<String, String>,
    /// Notes.
    pub tags: BTreeMap<String, String>,
    /// Every point of every metric, in order of logging.
    pub metrics: Vec<MetricPoint>,
    /// The files kept with it.
    pub artifacts: Vec<String>,
}

impl RunRecord {
    /// A run that has just started.
    pub fn started(id: RunId, experiment: impl Into<String>, name: impl Into<String>, start_ms: i64) -> Self {
        Self {
            id,
            experiment: experiment.into(),
            name: name.into(),
            status: RunStatus::Running,
            start_ms,
            end_ms: None,
            params: BTreeMap::new(),
            tags: BTreeMap::new(),
            metrics: Vec::new(),
            artifacts: Vec::new(),
        }
    }

    /// The latest value of a metric: the one with the greatest step, then time, then value, as in
    /// MLflow.
    pub fn metric(&self, key: &str) -> Option<f64> {
        let points = self.metrics.iter().filter(|point| point.key == key);
        let latest = points.max_by(|a, b| {
            let by_time = (a.step, a.timestamp_ms).cmp(&(b.step, b.timestamp_ms));
            by_time.then_with(|| a.value.total_cmp(&b.value))
        });
        latest.map(|point| point.value)
    }
}

/// Milliseconds since 1970, UTC; 0 if the clock is before that.
pub fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_millis() as i64)
}
