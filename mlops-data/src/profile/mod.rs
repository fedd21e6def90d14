//! What is in a table, found in one pass: counts, moments, quantiles, distinct and frequent values,
//! histograms, and what they are about.
//!
//! A [`Profile`] is its own fold: it takes in batches, merges with the profiles of other parts, is
//! stored, read back and continued. It holds a bounded number of bytes a column, however many rows
//! there were, and answers by methods.
//!
//! | what | how | order of rows, batches and merges |
//! | --- | --- | --- |
//! | counts, extremes | exact | leaves no trace |
//! | mean, deviation | exact sums, rounded once ([`Moments`](mlops_core::sketch::Moments)) | leaves no trace |
//! | skewness, kurtosis | exact sums of powers to 106 bits ([`Shape`](mlops_core::sketch::Shape)) | leaves no trace |
//! | distinct values | [`HyperLogLog`](mlops_core::sketch::HyperLogLog): exact up to 2,048, then 0.81 % standard error | leaves no trace |
//! | quantiles, histograms | [`Kll`](mlops_core::sketch::Kll): exact up to 550 distinct values, then the stated rank error | within that error |
//! | frequent texts | [`TopK`](mlops_core::sketch::TopK): exact up to 1,024 distinct texts of 32 KiB, then each hit states its error | within that error |
//! | patterns of texts | up to 48 texts drawn by their hashes | leaves no trace |
//! | lengths of texts, binary values and lists | exact up to 32 different lengths | within an error of 8 % of the rank |
//!
//! [`Profile::of`] gives each column to one thread, in order of the rows: there not even the
//! sketched answers depend on batches or threads. A stored column takes at most 64 KiB.
//!
//! | for | there is |
//! | --- | --- |
//! | reading | the terminal (`println!("{profile}")`), a web page ([`ProfileSummary::to_html`]), JSON ([`Profile::document`]) |
//! | learning what is wrong | [`Profile::alerts`], and of pairs of columns [`Relations`] |
//! | going on | [`Profile::infer`] and [`ColumnProfile::semantic`], what each column seems to be; [`Profile::expectations`], what the next delivery must look like; [`Profile::suggest_transformers`], a draft of the preparation |
//! | keeping | [`Profile::to_json`]; [`ProfileStore`], by period |

mod alert;
mod association;
mod bins;
mod column;
mod document;
mod draft;
mod few;
mod infer;
mod nested;
mod number;
mod options;
mod relations;
mod report;
mod sample;
mod semantic;
mod sparkline;
mod store;
mod stored;
mod suggest;
mod summary;
mod temporal;
mod text;
mod words;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use futures::TryStreamExt;
use futures::channel::oneshot;
use mlops_core::columns::{describe_columns, find_column};
use mlops_core::{Accumulator, DataSource, Error, Result, ResultExt, Role, Scan, Table};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use alert::{Alert, AlertKind};
pub use association::Relation;
pub use bins::Bins;
pub use column::{BooleanProfile, ColumnProfile, Values};
pub use document::{ColumnDocument, ProfileDocument};
pub use infer::{InferredColumn, Meaning};
pub use nested::{BinaryProfile, Lengths, ListProfile};
pub use number::NumberProfile;
pub use options::ProfileOptions;
pub use relations::{RelationOptions, Relations};
pub use semantic::Semantic;
pub use store::ProfileStore;
pub use summary::{ColumnSummary, LengthSummary, ProfileSummary, QuantileSummary, Stats};
pub use temporal::TemporalProfile;
pub use text::TextProfile;

pub(crate) use column::plain_type as type_of_values;
pub(crate) use infer::categories;
pub(crate) use temporal::show as show_moment;

/// What is in a table, column by column.
///
/// # Cost
/// One pass: about 35 ns a value, over numbers, dates and texts of all kinds of frequency. At most
/// about 110 KiB a column in memory and 64 KiB stored.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::profile::{Profile, Values};
/// # let batch = arrow::array::record_batch!(
/// #     ("origin", Utf8, ["EWR", "JFK", "EWR"]), ("delay", Float64, [Some(2.0), None, Some(-4.0)]))?;
/// let profile = Profile::of(&Table::from_batch(batch))?;
///
/// let delay = profile.column("delay").expect("a column of the table");
/// assert_eq!((delay.count(), delay.nulls()), (2, 1));
/// let Values::Number(numbers) = delay.values() else { unreachable!("delay is a number") };
/// assert_eq!((numbers.mean(), numbers.min()), (Some(-1.0), Some(-4.0)));
///
/// let Values::Text(origins) = profile.columns()[0].values() else { unreachable!("origin is text") };
/// assert_eq!(origins.top(1)[0].value, "EWR");
/// println!("{}", profile.summary());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "stored::Stored", into = "stored::Stored")]
pub struct Profile {
    rows: u64,
    columns: Vec<ColumnProfile>,
}

impl Profile {
    /// The profile of all rows of `table`, on all cores.
    ///
    /// # Errors
    /// If a column can't be read as its type says.
    pub fn of(table: &Table) -> Result<Self> {
        Self::of_with(table, &ProfileOptions::default())
    }

    /// The profile of all rows of `table` with other accuracies.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for options outside their range.
    pub fn of_with(table: &Table, options: &ProfileOptions) -> Result<Self> {
        let mut profile = Self::empty(table.schema(), options)?;
        profile.rows = table.num_rows() as u64;
        profile.columns.par_iter_mut().enumerate().try_for_each(|(i, column)| {
            column.role = table.roles().of(&column.name);
            table.batches().iter().try_for_each(|batch| column.update(batch.column(i)))
        })?;
        Ok(profile)
    }

    /// The profile of the rows that `scan` gives of `source`, in bounded memory: for data larger
    /// than that. The computation runs on rayon's threads, not on those of the caller's runtime.
    ///
    /// # Errors
    /// As [`DataSource::scan`].
    pub async fn of_source<S: DataSource + ?Sized>(source: &S, scan: Scan) -> Result<Self> {
        let schema = scan.schema(&*source.schema().await?).context("source", source.name())?;
        let mut profile = Self::empty(&schema, &ProfileOptions::default())?;
        let mut batches = source.scan(scan.with_dictionaries()).await?;
        while let Some(batch) = batches.try_next().await? {
            profile = profile.updated(batch).await.context("source", source.name())?;
        }
        Ok(profile)
    }

    async fn updated(mut self, batch: RecordBatch) -> Result<Self> {
        let (done, result) = oneshot::channel();
        rayon::spawn(move || {
            // Who waits no longer has dropped the work.
            let _ = done.send(self.update(&batch).map(|()| self));
        });
        result.await.map_err(|e| Error::internal("the computation of a profile was lost").with_source(e))?
    }

    /// The profile of no rows yet of a schema.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for options outside their range.
    pub fn empty(schema: &Schema, options: &ProfileOptions) -> Result<Self> {
        let columns =
            schema.fields().iter().map(|field| ColumnProfile::empty(field, options)).collect::<Result<_>>()?;
        Ok(Self { rows: 0, columns })
    }

    /// The same profile with a role for a column, for one that was not made of a [`Table`].
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if there is no such column.
    pub fn with_role(mut self, column: &str, role: Role) -> Result<Self> {
        let at = find_column(&self.schema(), column)?;
        self.columns[at].role = role;
        Ok(self)
    }

    /// How many rows there were.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The columns, in order of the schema.
    pub fn columns(&self) -> &[ColumnProfile] {
        &self.columns
    }

    /// The column called `name`, if there is one.
    pub fn column(&self, name: &str) -> Option<&ColumnProfile> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns and types that were profiled; a column is nullable if it had a null.
    pub fn schema(&self) -> Arc<Schema> {
        let field = |c: &ColumnProfile| arrow::datatypes::Field::new(&c.name, c.data_type.clone(), c.nulls > 0);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// Everything worth reading, as plain data.
    pub fn summary(&self) -> ProfileSummary {
        ProfileSummary::of(self)
    }
}

impl Accumulator for Profile {
    type Output = Self;

    /// Takes in a batch of the same columns, on all cores if it is large. Texts may come as dictionaries.
    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        const WORTH_THREADS: usize = 16_384;
        self.check(batch.schema_ref())?;
        self.rows = self.rows.saturating_add(batch.num_rows() as u64);
        let mut pairs: Vec<_> = self.columns.iter_mut().zip(batch.columns()).collect();
        if batch.num_rows().saturating_mul(pairs.len()) < WORTH_THREADS {
            return pairs.into_iter().try_for_each(|(column, values)| column.update(values));
        }
        pairs.par_iter_mut().try_for_each(|(column, values)| column.update(values))
    }

    /// Takes in the profile of other rows of the same columns.
    fn merge(&mut self, other: Self) -> Result<()> {
        self.check(&other.schema())?;
        self.rows = self.rows.saturating_add(other.rows);
        self.columns.iter_mut().zip(&other.columns).try_for_each(|(mine, theirs)| mine.merge(theirs))
    }

    fn finish(self) -> Result<Self> {
        Ok(self)
    }
}

impl Profile {
    fn check(&self, schema: &Schema) -> Result<()> {
        let takes = |(column, field): (&ColumnProfile, &FieldRef)| {
            column.name == *field.name() && column::takes(&column.data_type, field.data_type())
        };
        if self.columns.len() == schema.fields().len() && self.columns.iter().zip(schema.fields()).all(takes) {
            return Ok(());
        }
        Err(Error::schema(format!(
            "a profile of the columns {} can't take in {}: profile each table by itself",
            describe_columns(&self.schema()),
            describe_columns(schema)
        )))
    }
}
