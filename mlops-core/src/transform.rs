use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::{Artifact, Recipe, Result, Table, Value};

/// The recipe of a preparation step: plain data, without state. [`fit`](Self::fit) learns from a
/// table and gives a [`Transform`].
///
/// There is no "not fitted" error: the unfitted thing has no `apply`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a recipe that can be fitted",
    note = "implement `Named` and derive `Serialize` for its settings, then implement `Transformer`"
)]
pub trait Transformer: Recipe {
    /// Learns from the columns it names; the rest of the table is not looked at.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a missing column or another type,
    /// [`ErrorKind::Leak`](crate::ErrorKind::Leak) for an outcome as input (see
    /// [`Table::check_inputs`]), [`ErrorKind::Data`](crate::ErrorKind::Data) if nothing can be learned.
    fn fit(&self, data: &Table) -> Result<Arc<dyn Transform>>;

    /// Learns, and gives the training rows as the next step should see them.
    ///
    /// The default applies the fitted transform. A step that uses the target overrides it, so that
    /// no row is prepared with its own answer (cross fitting).
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    fn fit_transform(&self, data: &Table) -> Result<(Arc<dyn Transform>, Table)> {
        let fitted = self.fit(data)?;
        let table = transform_table(fitted.as_ref(), data)?;
        Ok((fitted, table))
    }
}

/// A fitted preparation step: rows in, prepared rows out. Columns that it does not name pass
/// through.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a fitted transform")]
pub trait Transform: Debug + Send + Sync + 'static {
    /// The columns that [`apply`](Self::apply) gives for rows of `input`: a whole pipeline is
    /// checked before any row flows.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) naming the column that is missing or of
    /// another type.
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef>;

    /// Prepares rows. By value, so that a buffer nobody else holds can be reused.
    ///
    /// # Errors
    /// As [`output_schema`](Self::output_schema), or if a value can't be prepared.
    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch>;

    /// The same for one row at a time, bound to the columns of `input`, if the transform can.
    ///
    /// # Errors
    /// As [`output_schema`](Self::output_schema).
    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>>;

    /// Writes it down.
    ///
    /// # Errors
    /// If the state can't be written.
    fn save(&self) -> Result<Artifact>;
}

/// A [`Transform`] bound to the columns of its input, for one row at a time: equal to the batch
/// path, without Arrow and, after warm-up, without allocations.
pub trait RowTransform: Debug + Send + Sync + 'static {
    /// Prepares the row `input`, pushing the cells of the output schema to `output`, which is empty.
    ///
    /// # Errors
    /// As [`Transform::apply`].
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()>;
}

/// Applies a fitted transform to every batch of a table, on all cores; roles stay.
///
/// # Errors
/// As [`Transform::apply`].
pub fn transform_table(transform: &dyn Transform, data: &Table) -> Result<Table> {
    let schema = transform.output_schema(data.schema())?;
    data.map_batches(schema, |batch| transform.apply(batch))
}

#[deny(clippy::missing_trait_methods)]
impl Recipe for Box<dyn Transformer> {
    fn kind(&self) -> &'static str {
        self.as_ref().kind()
    }

    fn settings(&self) -> Result<serde_json::Value> {
        self.as_ref().settings()
    }

    fn to_spec(&self) -> Result<crate::Spec> {
        self.as_ref().to_spec()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transformer for Box<dyn Transformer> {
    fn fit(&self, data: &Table) -> Result<Arc<dyn Transform>> {
        self.as_ref().fit(data)
    }

    fn fit_transform(&self, data: &Table) -> Result<(Arc<dyn Transform>, Table)> {
        self.as_ref().fit_transform(data)
    }
}
