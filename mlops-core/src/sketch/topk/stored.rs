//! The stored form of a [`TopK`] and the checks on reading it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::{SketchError, ensure};
use super::TopK;
use super::table::{Entry, Table};

#[derive(Serialize, Deserialize)]
#[serde(rename = "TopK", deny_unknown_fields)]
pub(super) struct Stored {
    pub(super) capacity: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) budget: Option<usize>,
    pub(super) total: u64,
    pub(super) floor: u64,
    /// The strings as they were written before.
    #[serde(default, skip_serializing)]
    pub(super) entries: Option<BTreeMap<String, (u64, u64)>>,
    #[serde(default)]
    pub(super) listed: Option<Listed>,
}

/// Strings in ascending order, one after the other.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    pub(super) texts: String,
    pub(super) lengths: Vec<usize>,
    pub(super) counts: Vec<u64>,
    pub(super) errors: Vec<u64>,
}

impl Listed {
    fn push(&mut self, value: &str, count: u64, error: u64) {
        self.texts.push_str(value);
        self.lengths.push(value.len());
        self.counts.push(count);
        self.errors.push(error);
    }

    fn into_table(self) -> Result<Table, SketchError> {
        let check = |holds, problem| ensure(holds, "TopK", problem);
        let Self { texts, lengths, counts, errors } = self;
        check(lengths.len() == counts.len() && lengths.len() == errors.len(), "its lists are uneven")?;
        let entries = counts.into_iter().zip(errors).map(|(count, error)| Entry { count, error });
        let table = Table::of(texts, lengths.into_iter().zip(entries));
        let table = table.ok_or_else(|| SketchError::corrupt("TopK", "the lengths are not those of its strings"))?;
        let ascend = table.iter().map(|(value, ..)| value).is_sorted_by(|a, b| a < b);
        check(ascend, "its strings are not ascending")?;
        Ok(table)
    }
}

impl From<TopK> for Stored {
    fn from(sketch: TopK) -> Self {
        let TopK { capacity, budget, total, floor, entries } = sketch;
        let mut ascending: Vec<_> = entries.iter().map(|(value, _, entry)| (value, entry)).collect();
        ascending.sort_unstable_by_key(|(value, _)| *value);
        let mut listed = Listed::default();
        ascending.into_iter().for_each(|(value, entry)| listed.push(value, entry.count, entry.error));
        Self { capacity, budget, total, floor, entries: None, listed: Some(listed) }
    }
}

impl TryFrom<Stored> for TopK {
    type Error = SketchError;

    fn try_from(stored: Stored) -> Result<Self, SketchError> {
        let check = |holds, problem| ensure(holds, "TopK", problem);
        let Stored { capacity, budget, total, floor, entries, listed } = stored;
        let empty = Self::new(capacity)?;
        let listed = match (entries, listed) {
            (None, Some(listed)) => listed,
            (Some(entries), None) => {
                let mut listed = Listed::default();
                entries.iter().for_each(|(value, (count, error))| listed.push(value, *count, *error));
                listed
            }
            _ => return Err(SketchError::corrupt("TopK", "it has no list of strings, or two")),
        };
        let table = listed.into_table()?;
        check(table.len() <= capacity, "it lists more strings than its capacity")?;
        let possible = |Entry { count, error }: Entry| error <= floor && count > floor && count <= total;
        check(table.iter().all(|(.., entry)| possible(entry)), "a count or an error is impossible")?;
        let certain = table.iter().try_fold(0u64, |sum, (.., entry)| sum.checked_add(entry.count - entry.error));
        check(
            certain.is_some_and(|sum| sum <= total && (floor > 0 || sum == total)),
            "its counts don't add up to its total",
        )?;
        check(floor <= total, "its floor is above its total")?;
        check(budget.is_none_or(|budget| table.bytes() <= budget), "its strings need more than its budget")?;
        Ok(Self { budget, total, floor, entries: table, ..empty })
    }
}
