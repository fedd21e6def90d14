use std::collections::HashSet;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::util::display::array_value_to_string;
use mlops_core::columns::find_column;
use mlops_core::{Error, Result, Table};
use serde::{Deserialize, Serialize};

use super::JoinKey;
use super::index::{Groups, KeyIndex};
use super::output::Output;
use super::types::{key_columns, key_types};

/// What a [`Join`] does if rows of the right table have the same key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Duplicates {
    /// Gives the left row once with each of them, in the order of the right table.
    Multiply,
    /// Refuses to join: a table of examples must not grow unnoticed.
    #[default]
    Refuse,
}

/// Adds to each row of a table the columns of the row of another that has the same key.
///
/// Keys are booleans, whole numbers, texts, dates or timestamps; two types are compared by value (an
/// `Int32` with an `Int64`, seconds with milliseconds). Floats are refused.
///
/// # Cost
/// One pass over the right table to index it, held in memory with its encoded keys; one hash lookup
/// for each left row. 336,776 flights find their plane among 3,322 in 35 ms on two cores.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::join::Join;
/// # use arrow::array::record_batch;
/// # let flights = Table::from_batch(record_batch!(("tail", Utf8, [Some("N1"), Some("N2"), None]), ("dist", Int32, [9, 8, 7]))?);
/// # let planes = Table::from_batch(record_batch!(("tailnum", Utf8, ["N2", "N9"]), ("seats", Int32, [150, 20]))?);
/// // flights: tail, dist; planes: tailnum, seats.
/// let joined = Join::left(&planes).on([("tail", "tailnum")]).apply(&flights)?;
/// assert_eq!(joined.num_rows(), 3);
/// assert_eq!(joined.to_rows::<(Option<String>, i32, Option<i32>)>()?[1], (Some("N2".into()), 8, Some(150)));
///
/// let matched = Join::inner(&planes).on([("tail", "tailnum")]).apply(&flights)?;
/// assert_eq!(matched.num_rows(), 1);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Join {
    right: Table,
    keys: Vec<JoinKey>,
    keep_unmatched: bool,
    duplicates: Duplicates,
    suffix: String,
}

impl Join {
    /// Keeps left rows without a match; the columns of `right` are null there.
    pub fn left(right: &Table) -> Self {
        Self {
            right: right.clone(),
            keys: Vec::new(),
            keep_unmatched: true,
            duplicates: Duplicates::default(),
            suffix: "_right".to_owned(),
        }
    }

    /// Leaves left rows without a match out.
    pub fn inner(right: &Table) -> Self {
        Self { keep_unmatched: false, ..Self::left(right) }
    }

    /// The columns that must be equal: one name, or a left and a right one.
    #[must_use]
    pub fn on<K: Into<JoinKey>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// What to do if rows of the right table have the same key; they are refused unless said here.
    #[must_use]
    pub fn with_duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// What is put behind the name of a right column that the left table has too: `_right` unless
    /// said here.
    #[must_use]
    pub fn with_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = suffix.into();
        self
    }

    /// The joined table: the rows of `left` in their order, in as many batches.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) without a key,
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if a key column is missing, the types
    /// can't be compared, or names clash even with the suffix,
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if right rows have the same key and
    /// [`Duplicates`] refuses them, [`ErrorKind::Leak`](mlops_core::ErrorKind::Leak) if a left key
    /// is an outcome or target.
    pub fn apply(&self, left: &Table) -> Result<Table> {
        if self.keys.is_empty() {
            return Err(Error::config("a join without keys: name the columns that must be equal with `.on([…])`"));
        }
        left.check_inputs(self.keys.iter().map(|key| &key.left))?;
        let types = key_types(&self.keys, left.schema(), self.right.schema())?;
        let keys = self.keys.iter().map(|key| self.right.column(&key.right)).collect::<Result<Vec<_>>>()?;
        let keys = key_columns(keys.iter(), &types)?;
        let (index, group_of) = KeyIndex::build(&keys, &types, self.right.num_rows())?;
        let groups = Groups::new(&group_of, index.num_groups());
        self.check_duplicates(&groups, index.num_groups(), &keys)?;
        let dropped: HashSet<&str> = self.keys.iter().map(|key| key.right.as_str()).collect();
        let places = places(&self.keys, left)?;
        let output = Output::new(left, &self.right, &dropped, &self.suffix, self.keep_unmatched)?;
        output.of(left, |batch| {
            let keys = key_columns(places.iter().map(|place| batch.column(*place)), &types)?;
            Ok(self.matches(&index.find(&keys, batch.num_rows())?, &groups))
        })
    }

    /// The left rows (`None` if each once) and the right row of each.
    fn matches(&self, group_of: &[Option<u32>], groups: &Groups) -> (Option<UInt32Array>, UInt32Array) {
        if self.keep_unmatched && self.duplicates == Duplicates::Refuse {
            return (None, group_of.iter().map(|group| groups.of((*group)?).first().copied()).collect());
        }
        let mut rows = Vec::with_capacity(group_of.len());
        let mut partners = Vec::with_capacity(group_of.len());
        for (row, group) in (0u32..).zip(group_of) {
            match group {
                Some(group) => {
                    let found = groups.of(*group);
                    rows.extend(std::iter::repeat_n(row, found.len()));
                    partners.extend(found.iter().copied().map(Some));
                }
                None if self.keep_unmatched => {
                    rows.push(row);
                    partners.push(None);
                }
                None => {}
            }
        }
        (Some(rows.into()), partners.into())
    }

    fn check_duplicates(&self, groups: &Groups, count: usize, keys: &[ArrayRef]) -> Result<()> {
        if self.duplicates == Duplicates::Multiply {
            return Ok(());
        }
        let mut repeated = (0..count as u32).map(|group| groups.of(group)).filter(|rows| rows.len() > 1);
        let Some([first, second, ..]) = repeated.next() else { return Ok(()) };
        let shown = (self.keys.iter().zip(keys))
            .map(|(key, column)| Ok(format!("{} = {}", key.right, array_value_to_string(column, *first as usize)?)))
            .collect::<Result<Vec<_>>>()?;
        Err(Error::data(format!(
            "rows {first} and {second} of the right table have the same key ({}), and {} more keys occur repeatedly: \
             remove the duplicates, join on more columns, or ask for `Duplicates::Multiply`",
            shown.join(", "),
            repeated.count()
        )))
    }
}

/// The places of the left key columns.
pub(super) fn places(keys: &[JoinKey], left: &Table) -> Result<Vec<usize>> {
    keys.iter().map(|key| find_column(left.schema(), &key.left)).collect()
}
