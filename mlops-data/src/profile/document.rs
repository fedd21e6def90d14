use std::collections::BTreeMap;

use mlops_core::sketch::Hit;
use mlops_core::{Error, Result, Role};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{Alert, Bins, ColumnProfile, Profile, Relations, Semantic, Stats, Values};

/// A profile as other programs read it: one flat record for each column, with the alerts.
///
/// | key | what |
/// | --- | --- |
/// | `rows` | number of rows |
/// | `columns[].name`, `type`, `role` | as in the schema, the type as Arrow writes it |
/// | `columns[].semantic` | what the values are about ([`Semantic`]) |
/// | `columns[].count`, `nulls` | values that are not null, and that are |
/// | `columns[].zeros`, `min`, `max`, `mean`, `std`, `quantiles` | of the finite numbers; moments are texts; `null` where there is no such thing. Quantiles are keyed by their share: `"0.25"` |
/// | `columns[].distinct`, `distinct_is_exact` | different values, without null and NaN |
/// | `columns[].top` | the most frequent values with `count`, and by how much that may be too high: `error` |
/// | `columns[].histogram` | `edges` and `counts`, and by what share of the rows these may be off: `error` |
/// | `columns[].more` | what else is known of this kind of column, as in [`Stats`] |
/// | `alerts[]` | `column`, `kind`, `message`, `remedy` |
/// | `relations[]` | pairs of columns, if they were looked at |
///
/// Keys may be added.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::profile::Profile;
/// # let table = Table::from_batch(arrow::array::record_batch!(("n", Int32, [1, 2, 3]))?);
/// let document = Profile::of(&table)?.document();
/// let json: serde_json::Value = serde_json::from_str(&document.to_json()?)?;
/// assert_eq!((&json["rows"], &json["columns"][0]["quantiles"]["0.5"]), (&3.into(), &2.0.into()));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProfileDocument {
    /// How many rows there were.
    pub rows: u64,
    /// The columns, in order of the schema.
    pub columns: Vec<ColumnDocument>,
    /// What to know before learning from them.
    pub alerts: Vec<Alert>,
    /// Pairs of columns, if they were looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<super::Relation>,
}

/// One column of a [`ProfileDocument`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ColumnDocument {
    /// Its name.
    pub name: String,
    /// Its Arrow type, as Arrow writes it.
    #[serde(rename = "type")]
    pub data_type: String,
    /// What it is for.
    pub role: Role,
    /// What the values are about.
    pub semantic: Semantic,
    /// How many values are not null.
    pub count: u64,
    /// How many values are null.
    pub nulls: u64,
    /// How many numbers are 0.
    pub zeros: Option<u64>,
    /// The least value.
    pub min: Json,
    /// The greatest value.
    pub max: Json,
    /// The mean.
    pub mean: Json,
    /// The standard deviation of a sample.
    pub std: Option<f64>,
    /// Quantiles by their share.
    pub quantiles: BTreeMap<String, Json>,
    /// How many different values there are.
    pub distinct: Option<u64>,
    /// Whether that is exact.
    pub distinct_is_exact: bool,
    /// The most frequent values.
    pub top: Vec<Json>,
    /// How the values are distributed; of texts, their lengths.
    pub histogram: Option<Bins>,
    /// What else is known.
    pub more: Stats,
}

impl Profile {
    /// The profile as other programs read it.
    pub fn document(&self) -> ProfileDocument {
        ProfileDocument {
            rows: self.rows(),
            columns: self.columns().iter().map(ColumnDocument::of).collect(),
            alerts: self.alerts(),
            relations: Vec::new(),
        }
    }
}

impl ProfileDocument {
    /// With the relations between columns, and the alerts that follow from them.
    #[must_use]
    pub fn with_relations(mut self, relations: &Relations) -> Self {
        self.alerts.extend(relations.alerts());
        self.relations = relations.all();
        self
    }

    /// As JSON, indented.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](mlops_core::ErrorKind::Internal) if it can't be written.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| Error::internal("a profile is not JSON").with_source(e))
    }
}

impl ColumnDocument {
    fn of(column: &ColumnProfile) -> Self {
        let more = Stats::of(column);
        let (distinct, exact) = column.distinct().map_or((None, false), |(n, exact)| (Some(n.round() as u64), exact));
        let document = Self {
            name: column.name().to_owned(),
            data_type: column.data_type().to_string(),
            role: column.role(),
            semantic: column.semantic(),
            count: column.count(),
            nulls: column.nulls(),
            zeros: None,
            min: Json::Null,
            max: Json::Null,
            mean: Json::Null,
            std: None,
            quantiles: BTreeMap::new(),
            distinct,
            distinct_is_exact: exact,
            top: Vec::new(),
            histogram: None,
            more,
        };
        document.with_values(column)
    }

    fn with_values(mut self, column: &ColumnProfile) -> Self {
        let whole = column.data_type().is_integer();
        match &self.more {
            Stats::Boolean { trues, falses } => {
                let both = [(true, *trues), (false, *falses)];
                self.mean = json!(*trues as f64 / column.count().max(1) as f64);
                self.top =
                    both.iter().map(|(value, count)| json!({"value": value, "count": count, "error": 0})).collect();
                self.top.sort_by_key(|hit| std::cmp::Reverse(hit["count"].as_u64()));
            }
            Stats::Number { zeros, mean, std, min, max, quantiles, histogram, top, .. } => {
                self.zeros = Some(*zeros);
                (self.min, self.max) = (of_number(*min, whole), of_number(*max, whole));
                (self.mean, self.std) = (json!(mean), *std);
                self.quantiles = quantiles.iter().map(|q| (q.q.to_string(), json!(q.value))).collect();
                let value = |hit: &Hit| of_number(hit.value.parse().ok(), whole);
                self.top = top.iter().map(|hit| hit_json(&value(hit), hit)).collect();
                self.histogram = histogram.clone();
            }
            Stats::Temporal { min, max, mean, quantiles, histogram } => {
                (self.min, self.max, self.mean) = (json!(min), json!(max), json!(mean));
                self.quantiles = quantiles.iter().map(|(q, moment)| (q.to_string(), json!(moment))).collect();
                self.histogram = histogram.clone();
            }
            Stats::Text { top, lengths, .. } => {
                self.top = top.iter().map(|hit| hit_json(&json!(hit.value), hit)).collect();
                self.histogram = lengths.clone();
            }
            Stats::Binary { lengths, .. } | Stats::List { lengths, .. } => self.histogram = lengths.histogram.clone(),
            Stats::Counted => {}
        }
        if let Values::Text(texts) = column.values()
            && texts.top_is_exact()
        {
            let mut listed: Vec<String> = texts.top(usize::MAX).into_iter().map(|hit| hit.value).collect();
            listed.sort_unstable();
            (self.min, self.max) = (json!(listed.first()), json!(listed.last()));
        }
        self
    }
}

fn hit_json(value: &Json, hit: &Hit) -> Json {
    json!({"value": value, "count": hit.count, "error": hit.error})
}

/// Whole numbers without a fraction, as far as floats tell them apart.
fn of_number(x: Option<f64>, whole: bool) -> Json {
    match x {
        Some(x) if whole && x.abs() < 9e15 => json!(x as i64),
        x => json!(x),
    }
}
