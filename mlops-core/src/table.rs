use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_arrow::schema::{SchemaLike, TracingOptions};
use xxhash_rust::xxh3::Xxh3Default;

use crate::columns::{describe_columns, find_column};
use crate::{Accumulator, Error, Expr, Provenance, Result, Role, Roles};

/// Rows held in memory: Arrow batches of one schema, and the [`Roles`] of their columns.
///
/// Batches are shared, so a clone, a selection of columns or a slice copies no values.
///
/// # Example
/// A `#[derive(Serialize, Deserialize)]` struct is a row:
/// ```
/// use mlops_core::{Role, Table};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Flight { carrier: String, distance: f64, late: bool }
///
/// let flights = [
///     Flight { carrier: "UA".into(), distance: 1400.0, late: false },
///     Flight { carrier: "B6".into(), distance: 187.0, late: true },
/// ];
/// let table = Table::from_rows(&flights)?.with_role("late", Role::Target)?;
/// assert_eq!(table.num_rows(), 2);
/// assert_eq!(table.target()?.name(), "late");
/// assert_eq!(table.to_rows::<Flight>()?, flights);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    schema: SchemaRef,
    roles: Roles,
    batches: Vec<RecordBatch>,
    marks: Marks,
}

/// Where the rows come from, and what their columns were fitted on.
#[derive(Clone, Debug, Default)]
struct Marks {
    /// Nothing if the rows are to be named after their content.
    rows: Provenance,
    fitted_on: Provenance,
}

impl Table {
    /// A table of `batches` that all have `schema`.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if two columns have the same name, or a batch has other columns or types
    /// (nullability and metadata may differ).
    pub fn new(schema: SchemaRef, batches: impl IntoIterator<Item = RecordBatch>) -> Result<Self> {
        let mut names = BTreeSet::new();
        if let Some(twice) = schema.fields().iter().find(|field| !names.insert(field.name())) {
            return Err(Error::schema(format!("two columns are called '{}': rename one of them", twice.name())));
        }
        let batches = batches
            .into_iter()
            .enumerate()
            .map(|(i, batch)| conform(&schema, batch).map_err(|e| e.with_context("batch", i)))
            .collect::<Result<_>>()?;
        Ok(Self { schema, roles: Roles::new(), batches, marks: Marks::default() })
    }

    /// A table of one batch.
    pub fn from_batch(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), roles: Roles::new(), batches: vec![batch], marks: Marks::default() }
    }

    /// A table of one row for each of `rows`, with a column for each of their fields.
    ///
    /// Types are found by looking at the rows: `Option` makes a column nullable, an empty slice has
    /// no types and is refused.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if `T` is not a struct of plain values, or the slice is empty.
    pub fn from_rows<T: Serialize>(rows: &[T]) -> Result<Self> {
        let options = TracingOptions::default()
            .allow_null_fields(true)
            .coerce_numbers(true)
            .strings_as_large_utf8(false)
            .sequence_as_large_list(false);
        let fields = Vec::<FieldRef>::from_samples(rows, options).map_err(row_error)?;
        if fields.is_empty() {
            return Err(Error::schema("no rows, so no columns: a table of rows needs at least one row"));
        }
        let batch = serde_arrow::to_record_batch(&fields, &rows).map_err(row_error)?;
        Ok(Self::from_batch(batch))
    }

    /// The rows as values of `T`, whose fields are found by name.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if `T` has a field without a column, or of another type.
    pub fn to_rows<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let mut rows = Vec::with_capacity(self.num_rows());
        for batch in &self.batches {
            rows.extend(serde_arrow::from_record_batch::<Vec<T>>(batch).map_err(row_error)?);
        }
        Ok(rows)
    }

    /// Columns and types.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What the columns are for.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// The batches, in order.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Declares the role of a column.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if there is no such column.
    pub fn with_role(mut self, column: &str, role: Role) -> Result<Self> {
        find_column(&self.schema, column)?;
        self.roles.set(column, role);
        Ok(self)
    }

    /// Declares the roles of several columns; names that are not columns here are kept and ignored.
    #[must_use]
    pub fn with_roles(mut self, roles: &Roles) -> Self {
        for (column, role) in roles.iter() {
            self.roles.set(column, role);
        }
        self
    }

    /// Adds the target, computed from other columns. This is what outcomes are for: a target may be
    /// made of what is known only after the event, a feature may not.
    ///
    /// # Errors
    /// As [`Expr::evaluate`]; [`ErrorKind::Schema`](crate::ErrorKind::Schema) if there is a column of that name.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Role, Table, col, lit};
    /// # let batch = arrow::array::record_batch!(("arr_delay", Int64, [20, -3]))?;
    /// let flights = Table::from_batch(batch).with_role("arr_delay", Role::Outcome)?;
    /// let flights = flights.with_target("late", &col("arr_delay").gt_eq(lit(15)))?;
    /// assert_eq!(flights.target()?.name(), "late");
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    pub fn with_target(&self, name: &str, target: &Expr) -> Result<Self> {
        if self.schema.index_of(name).is_ok() {
            return Err(Error::schema(format!("there is a column '{name}' already: choose another name")));
        }
        let field = Field::new(name, target.data_type(&self.schema)?, true);
        let mut fields: Vec<FieldRef> = self.schema.fields().to_vec();
        fields.push(Arc::new(field));
        let schema = Arc::new(Schema::new(fields));
        let add = |batch: RecordBatch| {
            let mut columns = batch.columns().to_vec();
            columns.push(target.evaluate(&batch)?);
            Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
        };
        self.map_batches(Arc::clone(&schema), add)?.with_role(name, Role::Target)
    }

    /// The columns that a model may learn from, in order.
    pub fn features(&self) -> Vec<FieldRef> {
        let is_feature = |field: &&FieldRef| self.roles.of(field.name()) == Role::Feature;
        self.schema.fields().iter().filter(is_feature).cloned().collect()
    }

    /// The one column that a model is to predict.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if no column, or more than one, has [`Role::Target`].
    pub fn target(&self) -> Result<&FieldRef> {
        let mut targets = self.schema.fields().iter().filter(|f| self.roles.of(f.name()) == Role::Target);
        match (targets.next(), targets.next()) {
            (Some(target), None) => Ok(target),
            (None, _) => Err(Error::schema(format!(
                "no target column: declare one with `.with_role(name, Role::Target)`; the columns are {}",
                describe_columns(&self.schema)
            ))),
            (Some(a), Some(b)) => {
                Err(Error::schema(format!("two target columns, '{}' and '{}': keep one", a.name(), b.name())))
            }
        }
    }

    /// Refuses a recipe that would read columns that are missing, or known only after the event.
    ///
    /// Every [`Transformer`](crate::Transformer) and [`Trainer`](crate::Trainer) calls this for the
    /// columns that it is about to read.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a missing column, [`ErrorKind::Leak`](crate::ErrorKind::Leak) for an outcome or target.
    pub fn check_inputs<S: AsRef<str>>(&self, columns: impl IntoIterator<Item = S>) -> Result<()> {
        self.roles.check_inputs(&self.schema, columns)
    }

    /// One column over all rows. Copies the values if there is more than one batch.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if there is no such column.
    pub fn column(&self, name: &str) -> Result<ArrayRef> {
        let index = find_column(&self.schema, name)?;
        match self.batches.as_slice() {
            [] => Ok(arrow::array::new_empty_array(self.schema.field(index).data_type())),
            [one] => Ok(Arc::clone(one.column(index))),
            many => {
                let parts: Vec<&dyn Array> = many.iter().map(|b| b.column(index).as_ref()).collect();
                Ok(compute::concat(&parts)?)
            }
        }
    }

    /// All rows as one batch. Copies the values if there is more than one batch.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) if a string column grows over 2 GiB.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        match self.batches.as_slice() {
            [one] => Ok(one.clone()),
            many => Ok(compute::concat_batches(&self.schema, many)?),
        }
    }

    /// The named columns, in the given order; roles stay.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if there is no such column.
    pub fn select<S: AsRef<str>>(&self, columns: impl IntoIterator<Item = S>) -> Result<Self> {
        let indices =
            columns.into_iter().map(|name| find_column(&self.schema, name.as_ref())).collect::<Result<Vec<_>>>()?;
        let batches = self.batches.iter().map(|b| b.project(&indices)).collect::<Result<Vec<_>, _>>()?;
        let schema = Arc::new(self.schema.project(&indices)?);
        Ok(Self { schema, batches, ..self.empty() }.with_rows_of(self))
    }

    /// The rows at `indices`, in that order. Copies the values.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) if an index is not a row, or there are more than 2³² rows.
    pub fn take(&self, indices: &[usize]) -> Result<Self> {
        let rows = self.num_rows();
        if let Some(index) = indices.iter().find(|i| **i >= rows) {
            return Err(Error::data(format!("row {index} asked for, but the table has {rows} rows")));
        }
        let indices = indices
            .iter()
            .map(|i| u32::try_from(*i))
            .collect::<Result<UInt32Array, _>>()
            .map_err(|_| Error::unsupported("a table of more than 4,294,967,295 rows can't be indexed"))?;
        let batch = compute::take_record_batch(&self.to_batch()?, &indices)?;
        Ok(Self { batches: vec![batch], ..self.empty() })
    }

    /// The rows where `mask` is true; `mask` has one value for each row of the table.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) if the mask has another length.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Self> {
        if mask.len() != self.num_rows() {
            return Err(Error::data(format!("a mask of {} values can't filter {} rows", mask.len(), self.num_rows())));
        }
        let mut start = 0;
        let mut batches = Vec::with_capacity(self.batches.len());
        for batch in &self.batches {
            let part = mask.slice(start, batch.num_rows());
            batches.push(compute::filter_record_batch(batch, &part)?);
            start += batch.num_rows();
        }
        Ok(Self { batches, ..self.empty() })
    }

    /// The rows for which `condition` is true; null is not.
    ///
    /// # Errors
    /// As [`Expr::evaluate_mask`].
    pub fn filter_by(&self, condition: &Expr) -> Result<Self> {
        let keep = |batch: RecordBatch| Ok(compute::filter_record_batch(&batch, &condition.evaluate_mask(&batch)?)?);
        self.map_batches(Arc::clone(&self.schema), keep)
    }

    /// The same rows in batches of `batch_size` rows (the last may be shorter). Copies nothing
    /// where a batch is cut, the values where batches are joined.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `batch_size` is 0.
    pub fn rebatch(&self, batch_size: usize) -> Result<Self> {
        if batch_size == 0 {
            return Err(Error::config("a batch of 0 rows: ask for at least 1"));
        }
        let all = self.to_batch()?;
        let batches = (0..all.num_rows())
            .step_by(batch_size)
            .map(|start| all.slice(start, batch_size.min(all.num_rows() - start)))
            .collect();
        Ok(Self { batches, marks: self.marks.clone(), ..self.empty() })
    }

    /// The table with another one's rows after its own.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if the columns or types differ.
    pub fn concat(&self, other: &Self) -> Result<Self> {
        let mut batches = self.batches.clone();
        for batch in &other.batches {
            batches.push(conform(&self.schema, batch.clone())?);
        }
        let mut marks = Marks { rows: self.provenance(), fitted_on: self.marks.fitted_on.clone() };
        marks.rows.extend(&other.provenance());
        marks.fitted_on.extend(&other.marks.fitted_on);
        Ok(Self { batches, marks, ..self.empty() })
    }

    /// Applies `f` to every batch, on all cores. Roles stay; columns that `f` adds are features.
    ///
    /// # Errors
    /// The first error of `f`, by batch.
    pub fn map_batches(
        &self,
        schema: SchemaRef,
        f: impl Fn(RecordBatch) -> Result<RecordBatch> + Send + Sync,
    ) -> Result<Self> {
        let batches = self.batches.par_iter().map(|batch| f(batch.clone())).collect::<Result<Vec<_>>>()?;
        let table = Self { roles: self.roles.clone(), ..Self::new(schema, batches)? };
        Ok(table.with_fitted_on(&self.marks.fitted_on))
    }

    /// Folds every batch into an accumulator, on all cores: one pass over the data.
    ///
    /// The batches are cut into at most 64 parts, large ones within, and the partial results merged
    /// in order, so the outcome does not depend on the number of threads.
    ///
    /// # Errors
    /// The first error of an update or merge, by batch.
    pub fn fold<A: Accumulator>(&self, new: impl Fn() -> A + Send + Sync) -> Result<A> {
        let slices = self.slices();
        let fold = |slices: &[RecordBatch]| {
            let mut part = new();
            slices.iter().try_for_each(|slice| part.update(slice))?;
            Ok(part)
        };
        let parts: Vec<Result<A>> = slices.par_chunks(slices.len().div_ceil(Self::PARTS).max(1)).map(fold).collect();
        let mut parts = parts.into_iter();
        let mut whole = parts.next().unwrap_or_else(|| Ok(new()))?;
        for part in parts {
            whole.merge(part?)?;
        }
        Ok(whole)
    }

    /// At most so many partial results of a fold are alive.
    const PARTS: usize = 64;

    /// The batches, cut where there are too few of them to keep all cores at work.
    fn slices(&self) -> Vec<RecordBatch> {
        const ROWS: usize = 1 << 16;
        if self.batches.len() >= Self::PARTS {
            return self.batches.clone();
        }
        let cut = |batch: &RecordBatch| {
            let (batch, rows) = (batch.clone(), batch.num_rows());
            (0..rows.max(1)).step_by(ROWS).map(move |start| batch.slice(start, ROWS.min(rows - start)))
        };
        self.batches.iter().flat_map(cut).collect()
    }
}

/// Where rows come from, and what was fitted on them.
impl Table {
    /// Which rows these are: the parts they were cut as, or a name made of their content.
    ///
    /// The name of the content is a hash of the columns, the number of rows and 64 of the rows,
    /// evenly spread; it takes well below a millisecond.
    pub fn provenance(&self) -> Provenance {
        if self.marks.rows.is_empty() { Provenance::of(self.fingerprint()) } else { self.marks.rows.clone() }
    }

    /// What the columns were fitted on by the transforms that made them.
    pub fn fitted_on(&self) -> &Provenance {
        &self.marks.fitted_on
    }

    /// What a thing fitted on this table was fitted on: these rows, and whatever their columns were.
    pub fn fitting_provenance(&self) -> Provenance {
        let mut provenance = self.provenance();
        provenance.extend(&self.marks.fitted_on);
        provenance
    }

    /// Says that these rows are `parts` of the rows of `whole`, cut by `split`; a split says so, so
    /// that an evaluation can refuse the rows that a model was fitted on.
    #[must_use]
    pub fn with_part_of(mut self, whole: &Self, split: &str, parts: impl IntoIterator<Item = impl Display>) -> Self {
        self.marks.rows = whole.provenance().cut(split, parts);
        self
    }

    /// Says that these are the rows of `other`, prepared.
    #[must_use]
    pub fn with_rows_of(mut self, other: &Self) -> Self {
        self.marks.rows = other.provenance();
        self
    }

    /// Says that columns were fitted on `provenance`.
    #[must_use]
    pub fn with_fitted_on(mut self, provenance: &Provenance) -> Self {
        self.marks.fitted_on.extend(provenance);
        self
    }

    /// No rows, of unknown origin; columns, roles and what they were fitted on stay.
    fn empty(&self) -> Self {
        let marks = Marks { rows: Provenance::default(), fitted_on: self.marks.fitted_on.clone() };
        Self { schema: Arc::clone(&self.schema), roles: self.roles.clone(), batches: Vec::new(), marks }
    }

    fn fingerprint(&self) -> String {
        const SAMPLED: usize = 64;
        let mut hash = Xxh3Default::new();
        hash.update(describe_columns(&self.schema).as_bytes());
        let rows = self.num_rows();
        hash.update(&rows.to_le_bytes());
        let mut start = 0;
        let mut wanted = (0..SAMPLED.min(rows)).map(|i| i * rows / SAMPLED.min(rows)).peekable();
        for batch in &self.batches {
            let end = start + batch.num_rows();
            let options = FormatOptions::default();
            let cells: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).ok()).collect();
            while let Some(row) = wanted.next_if(|row| *row < end) {
                for cells in cells.iter().flatten() {
                    // A cell that has no text form, such as a date out of range, is left out.
                    let cell = cells.value(row - start).try_to_string().unwrap_or_default();
                    hash.update(cell.as_bytes());
                    hash.update(&[0]);
                }
            }
            start = end;
        }
        format!("{:016x}", hash.digest())
    }
}

/// Gives `batch` the schema object `schema`, if the names and types are the same.
fn conform(schema: &SchemaRef, batch: RecordBatch) -> Result<RecordBatch> {
    if Arc::ptr_eq(schema, batch.schema_ref()) || schema == batch.schema_ref() {
        return Ok(batch);
    }
    same_columns(schema, batch.schema_ref())?;
    let columns = batch.columns().to_vec();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn same_columns(expected: &Schema, given: &Schema) -> Result<()> {
    let mut pairs = expected.fields().iter().zip(given.fields());
    let same = expected.fields().len() == given.fields().len()
        && pairs.all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
    if same {
        return Ok(());
    }
    Err(Error::schema(format!("expected the columns {}, got {}", describe_columns(expected), describe_columns(given))))
}

fn row_error(error: serde_arrow::Error) -> Error {
    Error::schema(format!("rows and columns do not fit: {}", error.message())).with_source(error)
}
