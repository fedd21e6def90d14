use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::{Artifact, Error, Learner, Operand, Operators, Provenance, Recipe, Result, Roles, Run, Table, Value};

/// The recipe of a preparation step: plain data, without state. [`fit`](Self::fit) learns from a
/// table and gives a [`Transform`].
///
/// There is no "not fitted" error: the unfitted thing has no `apply`.
///
/// Implement [`learner`](Self::learner) if one pass over pieces of the data is enough, else
/// [`learn`](Self::learn); callers use [`fit`](Self::fit) and [`fit_transform`](Self::fit_transform).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a recipe that can be fitted",
    note = "implement `Named` and derive `Serialize` for its settings, then implement `Transformer`"
)]
pub trait Transformer: Recipe {
    /// The fold it learns by, if it can learn in pieces: steps of a pipeline then share a pass, and
    /// data need not fit into memory. None unless overridden.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a missing column or another type,
    /// [`ErrorKind::Leak`](crate::ErrorKind::Leak) for an outcome as input (see
    /// [`Roles::check_inputs`]), [`ErrorKind::Config`](crate::ErrorKind::Config) for settings that
    /// make no sense.
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let _ = (schema, roles);
        Ok(None)
    }

    /// Learns from the columns it names; the rest of the table is not looked at. By its
    /// [`learner`](Self::learner) unless overridden.
    ///
    /// # Errors
    /// As [`learner`](Self::learner), [`ErrorKind::Data`](crate::ErrorKind::Data) if nothing can be
    /// learned, [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) if told to stop.
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        match self.learner(data.schema(), data.roles())? {
            Some(learner) => learner.fit(data, run),
            None => Err(Error::internal(format!("'{}' implements neither `learner` nor `learn`", self.kind()))),
        }
    }

    /// Learns, and gives the training rows as the next step should see them.
    ///
    /// The default applies the fitted transform. A step that uses the target overrides it, so that
    /// no row is prepared with its own answer (cross fitting); one that changes which rows there are
    /// to learn from does so here alone.
    ///
    /// # Errors
    /// As [`learn`](Self::learn).
    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let fitted = self.learn(data, run)?;
        let table = run.install(|| transform_table(fitted.as_ref(), data))??;
        Ok((fitted, table))
    }

    /// [`learn`](Self::learn), remembering on which rows.
    ///
    /// # Errors
    /// As [`learn`](Self::learn).
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        Ok(FittedOn::wrap(self.learn(data, run)?, data.fitting_provenance()))
    }

    /// [`learn_transform`](Self::learn_transform), remembering on which rows.
    ///
    /// # Errors
    /// As [`learn`](Self::learn).
    fn fit_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let (fitted, table) = self.learn_transform(data, run)?;
        let provenance = data.fitting_provenance();
        let table = table.with_rows_of(data).with_fitted_on(&provenance);
        Ok((FittedOn::wrap(fitted, provenance), table))
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

    /// The rows it was fitted on, as far as that is known; [`Transformer::fit`] sees to it.
    fn fitted_on(&self) -> Option<&Provenance> {
        None
    }

    /// Writes it as operators of a graph: takes columns out of `columns`, which are those of `input`,
    /// and puts those of [`output_schema`](Self::output_schema) in. Refuses unless overridden.
    ///
    /// What the transform answers with an error the graph answers with some number: an unknown
    /// category is none of the known ones.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) naming the transform, if it can't be
    /// said in operators.
    fn operators(
        &self,
        input: &Schema,
        columns: &mut BTreeMap<String, Operand>,
        graph: &mut dyn Operators,
    ) -> Result<()> {
        let _ = (input, columns, graph);
        Err(Error::unsupported(format!("'{}' can't be written as operators of a graph", self.save()?.kind)))
    }
}

/// A [`Transform`] bound to the columns of its input, for one row at a time: equal to the batch
/// path, without Arrow and, after warm-up, without allocations.
pub trait RowTransform: Debug + Send + Sync + 'static {
    /// Prepares the row `input`, pushing the cells of the output schema to `output`, behind what is
    /// there.
    ///
    /// # Errors
    /// As [`Transform::apply`].
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()>;

    /// Prepares `row` where it stands; `spare` is a buffer of no particular content, before and after.
    /// After an error `row` has no particular content either.
    ///
    /// The default prepares into `spare` and swaps. A transform that leaves most cells alone should
    /// override it and touch only the others: a chain of twenty then moves no cells around.
    ///
    /// # Errors
    /// As [`apply_row`](Self::apply_row).
    fn apply_in_place<'a>(&'a self, row: &mut Vec<Value<'a>>, spare: &mut Vec<Value<'a>>) -> Result<()> {
        spare.clear();
        self.apply_row(row, spare)?;
        std::mem::swap(row, spare);
        Ok(())
    }
}

/// Applies a fitted transform to every batch of a table, on all cores; roles stay.
///
/// # Errors
/// As [`Transform::apply`].
pub fn transform_table(transform: &dyn Transform, data: &Table) -> Result<Table> {
    let schema = transform.output_schema(data.schema())?;
    let table = data.map_batches(schema, |batch| transform.apply(batch))?.with_rows_of(data);
    Ok(match transform.fitted_on() {
        Some(provenance) => table.with_fitted_on(provenance),
        None => table,
    })
}

/// A fitted transform that remembers on which rows; otherwise the one within.
#[derive(Debug)]
pub(crate) struct FittedOn {
    inner: Arc<dyn Transform>,
    provenance: Provenance,
}

impl FittedOn {
    pub(crate) fn wrap(inner: Arc<dyn Transform>, provenance: Provenance) -> Arc<dyn Transform> {
        if provenance.is_empty() { inner } else { Arc::new(Self { inner, provenance }) }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transform for FittedOn {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        self.inner.output_schema(input)
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        self.inner.apply(batch)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        self.inner.rows(input)
    }

    fn save(&self) -> Result<Artifact> {
        Ok(Artifact { fitted_on: self.provenance.clone(), ..self.inner.save()? })
    }

    fn fitted_on(&self) -> Option<&Provenance> {
        Some(&self.provenance)
    }

    fn operators(
        &self,
        input: &Schema,
        columns: &mut BTreeMap<String, Operand>,
        graph: &mut dyn Operators,
    ) -> Result<()> {
        self.inner.operators(input, columns, graph)
    }
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
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        self.as_ref().learner(schema, roles)
    }

    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        self.as_ref().learn(data, run)
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        self.as_ref().learn_transform(data, run)
    }

    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        self.as_ref().fit(data, run)
    }

    fn fit_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        self.as_ref().fit_transform(data, run)
    }
}
