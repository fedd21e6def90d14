use std::cell::Cell;
use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use serde_json::json;

use crate::{
    Artifact, Codecs, Error, Load, Operand, Operators, Result, ResultExt, RowTransform, Scratch, Transform, Value,
};

/// Fitted preparation steps in a row.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    pub(super) steps: Vec<Arc<dyn Transform>>,
}

impl Chain {
    /// Fitted steps, to be applied in this order.
    pub fn new(steps: Vec<Arc<dyn Transform>>) -> Self {
        Self { steps }
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Arc<dyn Transform>] {
        &self.steps
    }

    /// Each step bound to its input, if every one can work row by row.
    pub(super) fn bind(&self, input: &Schema) -> Result<Option<Vec<Arc<dyn RowTransform>>>> {
        let mut schema = Arc::new(input.clone());
        let mut bound = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let Some(row) = step.rows(&schema)? else { return Ok(None) };
            bound.push(row);
            schema = step.output_schema(&schema)?;
        }
        Ok(Some(bound))
    }
}

impl Transform for Chain {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        let mut schema = Arc::new(input.clone());
        for (i, step) in self.steps.iter().enumerate() {
            schema = step.output_schema(&schema).context("step", i + 1)?;
        }
        Ok(schema)
    }

    fn apply(&self, mut batch: RecordBatch) -> Result<RecordBatch> {
        for (i, step) in self.steps.iter().enumerate() {
            batch = step.apply(batch).context("step", i + 1)?;
        }
        Ok(batch)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        let width = input.fields().len();
        Ok(self.bind(input)?.map(|steps| Arc::new(RowChain { width, steps }) as Arc<dyn RowTransform>))
    }

    fn save(&self) -> Result<Artifact> {
        let mut artifact = Artifact::of::<Self>(&json!({}))?;
        for step in &self.steps {
            artifact.parts.push(step.save()?);
        }
        Ok(artifact)
    }

    fn operators(
        &self,
        input: &Schema,
        columns: &mut BTreeMap<String, Operand>,
        graph: &mut dyn Operators,
    ) -> Result<()> {
        let mut schema = Arc::new(input.clone());
        for (i, step) in self.steps.iter().enumerate() {
            step.operators(&schema, columns, graph).context("step", i + 1)?;
            schema = step.output_schema(&schema)?;
        }
        Ok(())
    }
}

impl Load for Chain {
    const KIND: &'static str = "pipeline";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let steps = artifact.parts.iter().map(|part| codecs.transform(part)).collect::<Result<_>>()?;
        Ok(Self { steps })
    }
}

/// A chain for one row at a time; without allocations once the thread's spare row has grown.
#[derive(Debug)]
struct RowChain {
    width: usize,
    steps: Vec<Arc<dyn RowTransform>>,
}

thread_local! {
    /// The second row that steps need which make more or fewer cells than they take.
    static SPARE: Cell<Vec<Value<'static>>> = const { Cell::new(Vec::new()) };
}

impl RowTransform for RowChain {
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        let mut spare = Scratch::relabel(SPARE.take());
        let mut row = take(output);
        let before = row.len();
        let applied = if before == 0 {
            row.extend_from_slice(input);
            self.apply_in_place(&mut row, &mut spare)
        } else {
            // Behind what is there: the row of another part.
            let mut own = input.to_vec();
            self.apply_in_place(&mut own, &mut spare).map(|()| row.append(&mut own))
        };
        *output = row;
        SPARE.set(Scratch::relabel(spare));
        applied
    }

    fn apply_in_place<'a>(&'a self, row: &mut Vec<Value<'a>>, spare: &mut Vec<Value<'a>>) -> Result<()> {
        if row.len() != self.width {
            return Err(Error::schema(format!("a row of {} cells, {} columns are needed", row.len(), self.width)));
        }
        self.steps.iter().try_for_each(|step| step.apply_in_place(row, spare))
    }
}
