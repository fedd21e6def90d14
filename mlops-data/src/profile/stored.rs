use std::mem::discriminant;

use arrow::datatypes::Field;
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{ColumnProfile, Profile, ProfileOptions, Values};

/// Version 1 had fewer statistics; version 2 had the sketches' numbers as decimals.
const VERSION: u32 = 3;

/// The stored form of a profile.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Profile", deny_unknown_fields)]
pub(super) struct Stored {
    version: u32,
    rows: u64,
    columns: Vec<ColumnProfile>,
}

#[derive(Deserialize)]
struct Header {
    version: u32,
}

impl Profile {
    /// The profile as JSON, to be stored, read back and continued. For reading there is
    /// [`summary`](Self::summary).
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](mlops_core::ErrorKind::Internal) if it can't be written.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal("a profile is not JSON").with_source(e))
    }

    /// Reads what [`to_json`](Self::to_json) wrote, in this version or one before.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a later version,
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) if it is no profile.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Accumulator, Table};
    /// use mlops_data::profile::Profile;
    /// # let batch = arrow::array::record_batch!(("n", Int32, [1, 2, 3]))?;
    /// let monday = Profile::of(&Table::from_batch(batch.clone()))?.to_json()?;
    ///
    /// let mut week = Profile::from_json(&monday)?;
    /// week.update(&batch)?;
    /// assert_eq!(week.rows(), 6);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|e| match serde_json::from_str(json) {
            Ok(Header { version }) if version > VERSION => Error::unsupported(format!(
                "the profile was written in format version {version}, this build reads up to {VERSION}: update mlops"
            )),
            _ => Error::corrupt(format!("this is no stored profile: {e}")).with_source(e),
        })
    }
}

impl From<Profile> for Stored {
    fn from(Profile { rows, columns }: Profile) -> Self {
        Self { version: VERSION, rows, columns }
    }
}

impl TryFrom<Stored> for Profile {
    type Error = String;

    fn try_from(Stored { version, rows, columns }: Stored) -> Result<Self, String> {
        if !(1..=VERSION).contains(&version) {
            return Err(format!("format version {version} is not from 1 to {VERSION}"));
        }
        columns.iter().try_for_each(|column| check(column, rows))?;
        Ok(Self { rows, columns })
    }
}

/// Whether the values are of the kind that the type has and their counts add up, so that no later
/// batch or sum can surprise.
fn check(column: &ColumnProfile, rows: u64) -> Result<(), String> {
    let field = Field::new(&column.name, column.data_type.clone(), true);
    let empty = ColumnProfile::empty(&field, &ProfileOptions::default()).map_err(|e| e.to_string())?;
    let only_counted =
        matches!((&empty.values, &column.values), (Values::Binary(_) | Values::List(_), Values::Counted));
    if discriminant(&empty.values) != discriminant(&column.values) && !only_counted {
        return Err(format!("column '{}' is {} but profiled as another kind", column.name, column.data_type));
    }
    let count = match &column.values {
        Values::Boolean(both) => both.trues.checked_add(both.falses),
        Values::Binary(binaries) => Some(binaries.lengths.count()),
        Values::Counted => Some(column.count),
        Values::List(lists) => Some(lists.lengths.count()),
        Values::Number(numbers) => Some(numbers.count()),
        Values::Temporal(times) => Some(times.count()),
        Values::Text(texts) => Some(texts.total()),
    };
    if count == Some(column.count) && column.count.checked_add(column.nulls) == Some(rows) {
        return Ok(());
    }
    Err(format!("the counts of column '{}' do not add up", column.name))
}
