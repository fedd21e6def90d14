use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use mlops_core::columns::find_column;
use mlops_core::{
    Artifact, Codecs, Learner, Load, Named, Operand, Operators, Result, Role, Roles, RowTransform, Transform,
    Transformer, Value,
};
use serde::{Deserialize, Serialize};

use super::columns::{check_width, owned};
use super::learn::check_columns;

/// Chooses the features that go on to the next step.
///
/// Columns whose declared role is not [`Role::Feature`] (target, weight, id, …) are no features:
/// [`columns`](Self::columns) carries them along behind the chosen ones, where they are there.
/// [`drop`](Self::drop) drops what it names, of any role, and does not ask for it when it is applied.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column that does not
/// exist, [`ErrorKind::Leak`](mlops_core::ErrorKind::Leak) for a target or outcome chosen as a
/// feature.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Transformer};
/// use mlops_data::transform::Select;
/// # use arrow::array::record_batch;
/// let batch = record_batch!(("a", Int64, [1]), ("b", Int64, [2]), ("c", Int64, [3]), ("late", Boolean, [true]))?;
/// let table = Table::from_batch(batch).with_role("late", Role::Target)?;
/// let (_, chosen) = Select::columns(["c", "a"]).fit_transform(&table, &Run::default())?;
/// let names: Vec<_> = chosen.schema().fields().iter().map(|field| field.name().as_str()).collect();
/// assert_eq!(names, ["c", "a", "late"]);
/// let (_, left) = Select::drop(["b"]).fit_transform(&table, &Run::default())?;
/// assert_eq!(left.num_rows(), 1);
/// assert!(left.column("b").is_err());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Select {
    /// The columns.
    pub columns: Vec<String>,
    /// What is done with them.
    pub mode: SelectMode,
}

/// What [`Select`] does with the columns that it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SelectMode {
    /// They are left out.
    Drop,
    /// They are kept, in this order, and other features left out.
    #[default]
    Keep,
}

impl Select {
    /// Keeps these features, in this order, and leaves out all others.
    pub fn columns<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), mode: SelectMode::Keep }
    }

    /// Leaves out these columns.
    pub fn drop<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), mode: SelectMode::Drop }
    }
}

impl Named for Select {
    const KIND: &'static str = "select";
}

impl Transformer for Select {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let fitted = match self.mode {
            SelectMode::Drop => {
                self.columns.iter().try_for_each(|name| find_column(schema, name).map(|_| ()))?;
                Selected::Drop(self.columns.iter().cloned().collect())
            }
            SelectMode::Keep => {
                check_columns(schema, roles, &self.columns)?;
                let names = schema.fields().iter().map(|field| field.name());
                let carried = names.filter(|name| roles.of(name) != Role::Feature);
                let carried = carried.filter(|name| !self.columns.contains(name)).cloned().collect();
                Selected::Keep { columns: self.columns.clone(), carried }
            }
        };
        Ok(Some(Learner::ready(&self.columns, Arc::new(fitted)).with_any_columns()))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Selected {
    Drop(BTreeSet<String>),
    Keep { columns: Vec<String>, carried: Vec<String> },
}

impl Selected {
    fn indices(&self, input: &Schema) -> Result<Vec<usize>> {
        match self {
            Self::Drop(dropped) => {
                let kept = input.fields().iter().enumerate().filter(|(_, field)| !dropped.contains(field.name()));
                Ok(kept.map(|(i, _)| i).collect())
            }
            Self::Keep { columns, carried } => {
                let chosen = columns.iter().map(|name| find_column(input, name));
                let carried = carried.iter().filter_map(|name| input.index_of(name).ok());
                chosen.chain(carried.map(Ok)).collect()
            }
        }
    }
}

impl Transform for Selected {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        Ok(Arc::new(input.project(&self.indices(input)?)?))
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        Ok(batch.project(&self.indices(batch.schema_ref())?)?)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        Ok(Some(Arc::new(Row { width: input.fields().len(), indices: self.indices(input)? })))
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(self)
    }
    fn operators(
        &self,
        input: &Schema,
        columns: &mut BTreeMap<String, Operand>,
        graph: &mut dyn Operators,
    ) -> Result<()> {
        let _ = graph;
        let kept = self.output_schema(input)?;
        columns.retain(|name, _| kept.index_of(name).is_ok());
        Ok(())
    }
}

impl Load for Selected {
    const KIND: &'static str = Select::KIND;
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        artifact.state()
    }
}

#[derive(Debug)]
struct Row {
    width: usize,
    indices: Vec<usize>,
}

impl RowTransform for Row {
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        check_width(input, self.width)?;
        output.extend(self.indices.iter().map(|i| input[*i]));
        Ok(())
    }
}
