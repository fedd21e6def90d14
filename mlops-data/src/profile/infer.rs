use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use mlops_core::Domain;
use serde::{Deserialize, Serialize};

use super::{ColumnProfile, NumberProfile, Profile, TextProfile, Values};

/// From so many values on, all of them being different tells something.
const ENOUGH: u64 = 20;

/// What a column seems to be, judged by its values: a suggestion to look at, not a fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct InferredColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// A type that holds every value too and says more: numbers or dates that are stored as text,
    /// whole numbers that are stored as floats.
    pub better_type: Option<DataType>,
    /// Whether a value was null.
    pub nullable: bool,
    /// What the values seem to mean.
    pub meaning: Meaning,
    /// The values that were seen, where that can be told.
    pub domain: Domain,
}

/// What the values of a column seem to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Meaning {
    /// Yes or no.
    Boolean,
    /// One of few texts.
    Category,
    /// The same in every row: nothing can be learned from it.
    Constant,
    /// Nothing: every value is null.
    Empty,
    /// A name of the row: all values differ, as far as can be told.
    Identifier,
    /// A date or a time.
    Moment,
    /// A number to compute with.
    Quantity,
    /// Free text.
    Text,
    /// The type is not looked into.
    Unknown,
}

impl Profile {
    /// What each column seems to be.
    ///
    /// # Example
    /// ```
    /// use mlops_core::Table;
    /// use mlops_data::profile::{Meaning, Profile};
    /// # let batch = arrow::array::record_batch!(("seats", Utf8, ["150", "20", "150"]), ("engines", Int32, [2, 2, 2]))?;
    /// let columns = Profile::of(&Table::from_batch(batch))?.infer();
    /// assert_eq!(columns[0].better_type, Some(arrow::datatypes::DataType::Int64));
    /// assert_eq!(columns[1].meaning, Meaning::Constant);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    pub fn infer(&self) -> Vec<InferredColumn> {
        self.columns().iter().map(infer).collect()
    }
}

fn infer(column: &ColumnProfile) -> InferredColumn {
    let better_type = match column.values() {
        Values::Number(numbers) if column.data_type().is_floating() && is_whole(numbers) => Some(DataType::Int64),
        Values::Text(texts) => type_of_texts(texts),
        _ => None,
    };
    InferredColumn {
        name: column.name().to_owned(),
        data_type: column.data_type().clone(),
        better_type,
        nullable: column.nulls() > 0,
        meaning: meaning(column),
        domain: domain(column),
    }
}

pub(super) fn meaning(column: &ColumnProfile) -> Meaning {
    let (distinct, exact) = column.distinct().unwrap_or((f64::INFINITY, false));
    let all_differ = column.count() >= ENOUGH && distinct >= column.count() as f64 * if exact { 1.0 } else { 0.97 };
    match column.values() {
        _ if column.count() == 0 => Meaning::Empty,
        Values::Binary(_) | Values::Counted | Values::List(_) => Meaning::Unknown,
        _ if exact && distinct == 1.0 => Meaning::Constant,
        Values::Boolean(_) => Meaning::Boolean,
        Values::Temporal(_) => Meaning::Moment,
        Values::Number(_) if all_differ && column.data_type().is_integer() => Meaning::Identifier,
        Values::Number(_) => Meaning::Quantity,
        Values::Text(_) if all_differ => Meaning::Identifier,
        Values::Text(_) if exact && distinct <= Domain::MAX_CATEGORIES as f64 => Meaning::Category,
        Values::Text(_) => Meaning::Text,
    }
}

fn domain(column: &ColumnProfile) -> Domain {
    match column.values() {
        Values::Number(numbers) => match (numbers.min(), numbers.max()) {
            (Some(min), Some(max)) => Domain::Range { min, max },
            _ => Domain::Any,
        },
        Values::Text(texts) => categories(texts).map_or(Domain::Any, Domain::Categories),
        _ => Domain::Any,
    }
}

/// All texts, ascending, if they are few and none was cut.
pub(crate) fn categories(texts: &TextProfile) -> Option<Vec<String>> {
    let listed = texts.frequent.len();
    let complete = texts.top_is_exact() && texts.distinct.is_exact() && texts.distinct.estimate() == listed as f64;
    if listed == 0 || listed > Domain::MAX_CATEGORIES || !complete || texts.has_cut() {
        return None;
    }
    let mut values: Vec<String> = texts.top(listed).into_iter().map(|hit| hit.value).collect();
    values.sort_unstable();
    Some(values)
}

fn is_whole(numbers: &NumberProfile) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let inside = |x: Option<f64>| x.is_some_and(|x| x.abs() <= EXACT);
    let finite = numbers.nan() == 0 && numbers.infinities() == 0;
    finite && numbers.fractions() == 0 && inside(numbers.min()) && inside(numbers.max())
}

/// The type that all texts are written values of; only if every one of them is known.
fn type_of_texts(texts: &TextProfile) -> Option<DataType> {
    let listed = texts.top_is_exact().then(|| texts.top(usize::MAX))?;
    if listed.is_empty() {
        return None;
    }
    let all = |is: fn(&str) -> bool| listed.iter().all(|hit| is(&hit.value));
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(listed.iter().map(|hit| &hit.value)));
    let casts = |to: &DataType| cast(&words, to).is_ok_and(|values| values.null_count() == 0);
    let date_time = DataType::Timestamp(TimeUnit::Microsecond, None);
    if all(|text| ["true", "false"].contains(&text.to_lowercase().as_str())) {
        Some(DataType::Boolean)
    } else if all(is_number) {
        Some(if casts(&DataType::Int64) { DataType::Int64 } else { DataType::Float64 })
    } else if all(begins_with_date) && casts(&DataType::Date32) && listed.iter().all(|hit| hit.value.len() == 10) {
        Some(DataType::Date32)
    } else if all(begins_with_date) && casts(&date_time) {
        Some(date_time)
    } else {
        None
    }
}

/// A written number, but no code: `007` is not 7.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let mut first = digits.bytes();
    let code = first.next() == Some(b'0') && first.next().is_some_and(|byte| byte.is_ascii_digit());
    digits.starts_with(|c: char| c.is_ascii_digit()) && !code && text.parse::<f64>().is_ok()
}

pub(super) fn begins_with_date(text: &str) -> bool {
    let shape = |(i, byte): (usize, u8)| if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() >= 10 && text.bytes().take(10).enumerate().all(shape)
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Boolean => "boolean",
            Self::Category => "category",
            Self::Constant => "constant",
            Self::Empty => "empty",
            Self::Identifier => "identifier",
            Self::Moment => "moment",
            Self::Quantity => "quantity",
            Self::Text => "text",
            Self::Unknown => "unknown",
        })
    }
}
