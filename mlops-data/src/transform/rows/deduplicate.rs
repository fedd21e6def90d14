use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::row::{RowConverter, SortField};
use mlops_core::columns::find_column;
use mlops_core::{Named, Result, Run, Table, Transform, Transformer};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::nothing;
use crate::transform::columns::owned;
use crate::transform::learn::check_columns;

/// Learns from one row of each key: of rows whose key columns are equal, the first or the last stays, in
/// its place.
///
/// Rows are left out when training only, that is in
/// [`fit_transform`](Transformer::fit_transform), which a [`Pipeline`](mlops_core::Pipeline) calls;
/// served rows pass through. So evaluate on rows that were deduplicated before they were split, or one
/// entity may be on both sides. Null equals null, and NaN equals NaN. Takes the whole table, and memory
/// for the keys.
///
/// # Errors
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a missing key column.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::{Deduplicate, Keep};
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Int64Type;
/// let table = Table::from_batch(record_batch!(("user", Utf8, ["a", "b", "a"]), ("visits", Int64, [1, 2, 3]))?);
/// let recipe = Deduplicate::by(["user"]).with_keep(Keep::Last);
/// let (fitted, unique) = recipe.fit_transform(&table, &Run::default())?;
/// assert_eq!(unique.column("visits")?.as_primitive::<Int64Type>().values(), &[2, 3]);
/// assert_eq!(fitted.apply(table.to_batch()?)?.num_rows(), 3);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Deduplicate {
    /// The columns that make up the key; all columns if there is none.
    pub columns: Vec<String>,
    /// Which of the rows of a key stays.
    pub keep: Keep,
}

/// Which of several rows with one key stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Keep {
    /// The first.
    #[default]
    First,
    /// The last.
    Last,
}

impl Deduplicate {
    /// By these columns; by all of the table if none is given.
    pub fn by<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), keep: Keep::First }
    }

    /// Which of the rows of a key stays; the first, unless said otherwise.
    #[must_use]
    pub fn with_keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// The rows that stay, ascending.
    fn kept(&self, data: &Table) -> Result<Vec<usize>> {
        let schema = data.schema();
        let keys: Vec<usize> = match self.columns.as_slice() {
            [] => (0..schema.fields().len()).collect(),
            names => names.iter().map(|name| find_column(schema, name)).collect::<Result<_>>()?,
        };
        let types = keys.iter().map(|i| SortField::new(schema.field(*i).data_type().clone()));
        let converter = RowConverter::new(types.collect())?;
        let mut seen: HashMap<Box<[u8]>, usize, Xxh3DefaultBuilder> = HashMap::default();
        let mut row = 0;
        for batch in data.batches() {
            let columns: Vec<ArrayRef> = keys.iter().map(|i| Arc::clone(batch.column(*i))).collect();
            for key in &converter.convert_columns(&columns)? {
                match seen.get_mut(key.data()) {
                    Some(kept) if self.keep == Keep::Last => *kept = row,
                    Some(_) => {}
                    None => drop(seen.insert(Box::from(key.data()), row)),
                }
                row += 1;
            }
        }
        let mut kept: Vec<usize> = seen.into_values().collect();
        kept.sort_unstable();
        Ok(kept)
    }
}

impl Named for Deduplicate {
    const KIND: &'static str = "deduplicate";
}

impl Transformer for Deduplicate {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        run.check()?;
        check_columns(data.schema(), data.roles(), &self.columns)?;
        Ok(nothing())
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let fitted = self.learn(data, run)?;
        Ok((fitted, data.take(&self.kept(data)?)?))
    }
}
