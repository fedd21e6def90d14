use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use mlops_core::{Named, Result, Run, Table, Transform, Transformer};
use serde::{Deserialize, Serialize};

use super::history::{Feature, History, Plan};

/// Earlier values of a column: that of the last event of the same key, of the one before it, and so on,
/// as `<column>_lag_<n>`, behind the others.
///
/// Only events whose time is **before** that of a row count, never one of the same time, so a row does
/// not see itself or what happened along with it. Of events of one time the greater value counts as the
/// later one, and null as the earliest. Null where there is no such event, where its value was null or
/// NaN, and for a key that training did not see.
///
/// **Training and serving differ**, as with cross-fitting:
/// [`fit_transform`](Transformer::fit_transform), which a [`Pipeline`](mlops_core::Pipeline) calls, looks
/// up the history of each row in the table. What is fitted carries along the last values of every key in
/// its artifact, as many as are needed, and [`Transform::apply`] looks there: so it knows the past up to
/// the training data, and rows of one batch do not see each other. Where it has forgotten what came
/// before an old row, it says null. Refit to move on, or take such features from a feature store.
///
/// The key is text, a whole number or boolean; the time a date, timestamp or whole number. Takes the
/// whole table: one sort, and memory for the values.
///
/// # Errors
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a missing column or one of another type,
/// [`ErrorKind::Leak`](mlops_core::ErrorKind::Leak) for a target or outcome, though an earlier one: when
/// it became known, the table does not say.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::Lag;
/// # use arrow::array::{Array, AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let batch = record_batch!(
///     ("user", Utf8, ["a", "b", "a", "a"]),
///     ("day", Int64, [1, 1, 3, 2]),
///     ("amount", Float64, [10.0, 99.0, 30.0, 20.0])
/// )?;
/// let table = Table::from_batch(batch);
/// let (fitted, features) = Lag::of("amount", "user", "day").fit_transform(&table, &Run::default())?;
/// let before = features.column("amount_lag_1")?;
/// assert_eq!(before.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [None, None, Some(20.0), Some(10.0)]);
///
/// let served = fitted.apply(record_batch!(("user", Utf8, ["a"]), ("day", Int64, [4]), ("amount", Float64, [0.0]))?)?;
/// assert_eq!(served.column(3).as_primitive::<Float64Type>().value(0), 30.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Lag {
    /// The column whose earlier values are wanted.
    pub column: String,
    /// The column that says whose event it is.
    pub key: String,
    /// The column that says when it happened.
    pub time: String,
    /// How many events ago, from 1.
    pub lags: Vec<NonZeroUsize>,
}

impl Lag {
    /// The value of `column` at the last event before, of the same `key`, by `time`.
    pub fn of(column: impl Into<String>, key: impl Into<String>, time: impl Into<String>) -> Self {
        Self { column: column.into(), key: key.into(), time: time.into(), lags: vec![NonZeroUsize::MIN] }
    }

    /// So many events ago.
    #[must_use]
    pub fn with_lags(mut self, lags: impl IntoIterator<Item = NonZeroUsize>) -> Self {
        self.lags = lags.into_iter().collect();
        self
    }

    fn plan(&self) -> Plan {
        let features = self.lags.iter().map(|lag| Feature::Lag(*lag)).collect();
        Plan { column: self.column.clone(), key: self.key.clone(), time: self.time.clone(), features }
    }
}

impl Named for Lag {
    const KIND: &'static str = "lag";
}

impl Transformer for Lag {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        Ok(Arc::new(History::learn(self.plan(), data, run)?))
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let (history, table) = History::learn_transform(self.plan(), data, run)?;
        Ok((Arc::new(history), table))
    }
}

/// Statistics of the earlier values of a column, over the last events of the same key or over a span of
/// time before the event, as `<column>_<statistic>_<window>`, behind the others.
///
/// Nulls and NaN are left out, but take up a place among the last events. Without a value in the window
/// the count is 0, and all else null; the standard deviation, which divides by n - 1, of less than two is
/// null; for a key that training did not see all is null, the count too. Which events count, how training
/// and serving differ, and what can go wrong is said at [`Lag`]. A span `s` before a row at time `t` is
/// `[t - s, t)`, and its events are carried along in the artifact, so keep it short where there are many.
/// Statistics are exact sums over each window: time grows with rows times events in a window.
///
/// # Errors
/// As [`Lag`].
///
/// # Example
/// ```
/// use std::num::NonZeroUsize;
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::{Rolling, Statistic, Window};
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let batch = record_batch!(
///     ("user", Utf8, ["a", "a", "a", "a"]),
///     ("day", Int64, [1, 2, 3, 4]),
///     ("amount", Float64, [10.0, 20.0, 40.0, 0.0])
/// )?;
/// let recipe = Rolling::of("amount", "user", "day", Window::Rows(NonZeroUsize::new(2).unwrap()));
/// let (_, features) = recipe.fit_transform(&Table::from_batch(batch), &Run::default())?;
/// let means = features.column("amount_mean_2")?;
/// assert_eq!(means.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [None, Some(10.0), Some(15.0), Some(30.0)]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rolling {
    /// The column whose earlier values are summed up: numbers or booleans.
    pub column: String,
    /// The column that says whose event it is.
    pub key: String,
    /// The column that says when it happened.
    pub time: String,
    /// How far back is looked.
    pub window: Window,
    /// What is computed.
    pub statistics: Vec<Statistic>,
}

/// How far [`Rolling`] looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Window {
    /// So many events.
    Rows(NonZeroUsize),
    /// So many seconds; of a whole number as time, so many of its units. Whole days of a date.
    Seconds(u64),
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "{rows}"),
            Self::Seconds(seconds) => write!(f, "{seconds}s"),
        }
    }
}

/// What [`Rolling`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Statistic {
    /// How many values there are.
    Count,
    /// The greatest.
    Max,
    /// The mean.
    Mean,
    /// The least.
    Min,
    /// The standard deviation, dividing by n - 1.
    Std,
    /// The sum.
    Sum,
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Std => "std",
            Self::Sum => "sum",
        })
    }
}

impl Rolling {
    /// The mean of `column` over the `window` before, of the same `key`, by `time`.
    pub fn of(column: impl Into<String>, key: impl Into<String>, time: impl Into<String>, window: Window) -> Self {
        let (column, key, time) = (column.into(), key.into(), time.into());
        Self { column, key, time, window, statistics: vec![Statistic::Mean] }
    }

    /// Computes these instead of the mean.
    #[must_use]
    pub fn with_statistics(mut self, statistics: impl IntoIterator<Item = Statistic>) -> Self {
        self.statistics = statistics.into_iter().collect();
        self
    }

    fn plan(&self) -> Plan {
        let window = self.window;
        let features = self.statistics.iter().map(|statistic| Feature::Rolling { window, statistic: *statistic });
        let (column, key, time) = (self.column.clone(), self.key.clone(), self.time.clone());
        Plan { column, key, time, features: features.collect() }
    }
}

impl Named for Rolling {
    const KIND: &'static str = "rolling";
}

impl Transformer for Rolling {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        Ok(Arc::new(History::learn(self.plan(), data, run)?))
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let (history, table) = History::learn_transform(self.plan(), data, run)?;
        Ok((Arc::new(history), table))
    }
}
