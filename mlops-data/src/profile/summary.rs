use mlops_core::Role;
use mlops_core::sketch::Hit;
use serde::{Deserialize, Serialize};

use super::temporal::show;
use super::{Bins, ColumnProfile, Profile, Values};

const BINS: usize = 24;
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
        /// The least.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
        /// Quantiles, interpolated.
        quantiles: Vec<QuantileSummary>,
        /// By how much the rank of a quantile may be off, as a share of the count.
        rank_error: f64,
        /// How they are distributed.
        histogram: Option<Bins>,
    },
    /// Dates, times, timestamps or durations.
    #[non_exhaustive]
    Temporal {
        /// The earliest.
        min: Option<String>,
        /// The latest.
        max: Option<String>,
        /// How they are distributed, in the unit of the column.
        histogram: Option<Bins>,
    },
    /// Texts.
    #[non_exhaustive]
    Text {
        /// The most frequent ones.
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
        Self { rows: profile.rows(), columns: profile.columns().iter().map(ColumnSummary::of).collect() }
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
    fn of(column: &ColumnProfile) -> Self {
        match column.values() {
            Values::Boolean(both) => Self::Boolean { trues: both.trues, falses: both.falses },
            Values::Counted => Self::Counted,
            Values::Number(numbers) => Self::Number {
                nan: numbers.nan(),
                infinities: numbers.infinities(),
                zeros: numbers.zeros(),
                negatives: numbers.negatives(),
                mean: numbers.mean(),
                // Of numbers around 1e300 the deviation may be no float, and JSON has no infinity.
                std: numbers.std(1).filter(|std| std.is_finite()),
                min: numbers.min(),
                max: numbers.max(),
                quantiles: QUANTILES
                    .iter()
                    .filter_map(|q| Some(QuantileSummary { q: *q, value: numbers.quantile(*q)? }))
                    .collect(),
                rank_error: numbers.rank_error(),
                histogram: numbers.histogram(BINS),
            },
            Values::Temporal(times) => Self::Temporal {
                min: times.min().map(|tick| show(tick, column.data_type())),
                max: times.max().map(|tick| show(tick, column.data_type())),
                histogram: times.histogram(BINS),
            },
            Values::Text(texts) => Self::Text {
                top: texts.top(TOP),
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
