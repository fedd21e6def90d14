use mlops_core::Role;
use mlops_core::sketch::Hit;
use serde::{Deserialize, Serialize};

use super::temporal::show;
use super::{Alert, Bins, ColumnProfile, Lengths, Profile, Semantic, Values};

const BINS: usize = 24;
const QUANTILE_BINS: usize = 10;
const TOP: usize = 10;
const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// What is worth reading of a [`Profile`], as plain data: for JSON, and shown by `{}` as a table and
/// by [`to_html`](Self::to_html) as a page. Its size does not grow with the rows.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::profile::Profile;
/// # let table = Table::from_batch(arrow::array::record_batch!(("n", Int32, [1, 2, 3]))?);
/// let summary = Profile::of(&table)?.summary();
/// assert!(summary.to_string().starts_with("3 rows, 1 column"));
/// assert_eq!(serde_json::to_value(&summary)?["columns"][0]["stats"]["number"]["mean"], 2.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ProfileSummary {
    /// How many rows there were.
    pub rows: u64,
    /// The columns, in order of the schema.
    pub columns: Vec<ColumnSummary>,
    /// What to know before learning from them.
    pub alerts: Vec<Alert>,
}

/// What is worth reading of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// Its Arrow type, as Arrow writes it.
    pub data_type: String,
    /// What it is for.
    pub role: Role,
    /// What its values are about.
    pub semantic: Semantic,
    /// How many values are not null.
    pub count: u64,
    /// How many values are null.
    pub nulls: u64,
    /// How many different values there are, without null and NaN; none if they are not looked at.
    pub distinct: Option<f64>,
    /// Whether that is exact.
    pub distinct_is_exact: bool,
    /// What is in the values.
    pub stats: Stats,
}

/// What is worth reading of the values of one column, by kind of column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Stats {
    /// Binary values.
    #[non_exhaustive]
    Binary {
        /// How long they are, in bytes.
        lengths: LengthSummary,
        /// How many are not text in UTF-8.
        invalid_utf8: u64,
    },
    /// True or false.
    #[non_exhaustive]
    Boolean {
        /// How many values are true.
        trues: u64,
        /// How many values are false.
        falses: u64,
    },
    /// Nothing but the count.
    Counted,
    /// Lists or maps.
    #[non_exhaustive]
    List {
        /// How many elements they have.
        lengths: LengthSummary,
        /// How many elements are null.
        null_elements: u64,
    },
    /// Numbers; all but the first counts are of the finite ones.
    #[non_exhaustive]
    Number {
        /// How many are NaN.
        nan: u64,
        /// How many are infinite.
        infinities: u64,
        /// How many are 0.
        zeros: u64,
        /// How many are below 0.
        negatives: u64,
        /// The mean.
        mean: Option<f64>,
        /// The standard deviation of a sample (n - 1).
        std: Option<f64>,
        /// The skewness of a sample.
        skew: Option<f64>,
        /// The excess kurtosis of a sample.
        kurtosis: Option<f64>,
        /// The least.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
        /// Quantiles, interpolated.
        quantiles: Vec<QuantileSummary>,
        /// By how much the rank of a quantile may be off, as a share of the count.
        rank_error: f64,
        /// The most frequent ones; beyond the exact range those that surely repeat.
        top: Vec<Hit>,
        /// How they are distributed, in bins of equal width.
        histogram: Option<Bins>,
        /// How they are distributed, in bins of about equal count.
        quantile_histogram: Option<Bins>,
    },
    /// Dates, times, timestamps or durations.
    #[non_exhaustive]
    Temporal {
        /// The earliest.
        min: Option<String>,
        /// The latest.
        max: Option<String>,
        /// The mean.
        mean: Option<String>,
        /// Quantiles.
        quantiles: Vec<(f64, String)>,
        /// How they are distributed, in the unit of the column.
        histogram: Option<Bins>,
    },
    /// Texts.
    #[non_exhaustive]
    Text {
        /// The most frequent ones of which at least half of the count is certain.
        top: Vec<Hit>,
        /// Whether no text was ever left out of the count.
        top_is_exact: bool,
        /// How many are empty.
        empties: u64,
        /// How many begin or end with white space.
        padded: u64,
        /// The least number of characters.
        min_length: Option<u64>,
        /// The mean number of characters.
        mean_length: Option<f64>,
        /// The greatest number of characters.
        max_length: Option<u64>,
        /// How the numbers of characters are distributed.
        lengths: Option<Bins>,
    },
}

/// How long values are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LengthSummary {
    /// The least length.
    pub min: Option<u64>,
    /// The mean length.
    pub mean: Option<f64>,
    /// The greatest length.
    pub max: Option<u64>,
    /// How many values are of length 0.
    pub empties: u64,
    /// How the lengths are distributed.
    pub histogram: Option<Bins>,
}

impl LengthSummary {
    fn of(lengths: &Lengths) -> Self {
        Self {
            min: lengths.min(),
            mean: lengths.mean(),
            max: lengths.max(),
            empties: lengths.empties(),
            histogram: lengths.histogram(BINS),
        }
    }
}

/// A quantile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct QuantileSummary {
    /// What share of the values is at most `value`.
    pub q: f64,
    /// The value.
    pub value: f64,
}

impl ProfileSummary {
    pub(super) fn of(profile: &Profile) -> Self {
        Self {
            rows: profile.rows(),
            columns: profile.columns().iter().map(ColumnSummary::of).collect(),
            alerts: profile.alerts(),
        }
    }

    /// With these alerts instead: with those of [`Relations`](super::Relations), for example.
    #[must_use]
    pub fn with_alerts(mut self, alerts: Vec<Alert>) -> Self {
        self.alerts = alerts;
        self
    }

    /// What share of all values is null; 0 if there are none.
    pub fn null_fraction(&self) -> f64 {
        let nulls: u64 = self.columns.iter().map(|column| column.nulls).sum();
        let values: u64 = self.columns.iter().map(|column| column.nulls + column.count).sum();
        nulls as f64 / values.max(1) as f64
    }
}

impl ColumnSummary {
    fn of(column: &ColumnProfile) -> Self {
        let distinct = column.distinct();
        Self {
            name: column.name().to_owned(),
            data_type: column.data_type().to_string(),
            role: column.role(),
            semantic: column.semantic(),
            count: column.count(),
            nulls: column.nulls(),
            distinct: distinct.map(|(count, _)| count),
            distinct_is_exact: distinct.is_some_and(|(_, exact)| exact),
            stats: Stats::of(column),
        }
    }

    /// What share of the values is null; 0 if there are no rows.
    pub fn null_fraction(&self) -> f64 {
        self.nulls as f64 / (self.count + self.nulls).max(1) as f64
    }
}

impl Stats {
    pub(super) fn of(column: &ColumnProfile) -> Self {
        match column.values() {
            Values::Binary(binaries) => {
                Self::Binary { lengths: LengthSummary::of(binaries.lengths()), invalid_utf8: binaries.invalid_utf8() }
            }
            Values::Boolean(both) => Self::Boolean { trues: both.trues, falses: both.falses },
            Values::Counted => Self::Counted,
            Values::List(lists) => {
                Self::List { lengths: LengthSummary::of(lists.lengths()), null_elements: lists.null_elements() }
            }
            Values::Number(numbers) => Self::Number {
                nan: numbers.nan(),
                infinities: numbers.infinities(),
                zeros: numbers.zeros(),
                negatives: numbers.negatives(),
                mean: numbers.mean(),
                // Of numbers around 1e300 the deviation may be no float, and JSON has no infinity.
                std: numbers.std(1).filter(|std| std.is_finite()),
                skew: numbers.skew(),
                kurtosis: numbers.kurtosis(),
                min: numbers.min(),
                max: numbers.max(),
                quantiles: QUANTILES
                    .iter()
                    .filter_map(|q| Some(QuantileSummary { q: *q, value: numbers.quantile(*q)? }))
                    .collect(),
                rank_error: numbers.rank_error(),
                top: numbers.top(TOP),
                histogram: numbers.histogram(BINS),
                quantile_histogram: numbers.quantile_histogram(QUANTILE_BINS),
            },
            Values::Temporal(times) => Self::Temporal {
                min: times.min().map(|tick| show(tick, column.data_type())),
                max: times.max().map(|tick| show(tick, column.data_type())),
                mean: times.mean().map(|tick| show(tick, column.data_type())),
                quantiles: QUANTILES
                    .iter()
                    .filter_map(|q| Some((*q, show(times.quantile(*q)?, column.data_type()))))
                    .collect(),
                histogram: times.histogram(BINS),
            },
            Values::Text(texts) => Self::Text {
                top: texts.top(TOP).into_iter().filter(|hit| hit.error <= hit.count / 2).collect(),
                top_is_exact: texts.top_is_exact(),
                empties: texts.empties(),
                padded: texts.padded(),
                min_length: texts.min_length(),
                mean_length: texts.mean_length(),
                max_length: texts.max_length(),
                lengths: texts.length_histogram(BINS),
            },
        }
    }
}
