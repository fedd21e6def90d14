use std::mem::take;
use std::sync::Arc;

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::Chain;
use crate::columns::find_column;
use crate::model::score_row;
use crate::{
    Artifact, Codecs, Dense, Error, Load, Model, Result, RowModel, RowTransform, Scratch, Signature, Transform, Value,
};

/// A model with the preparation in front of it: raw rows in, answers out.
#[derive(Debug)]
pub struct PipelineModel {
    chain: Chain,
    model: Arc<dyn Model>,
    signature: Signature,
    /// Bound when the model is made, if every step and the model can work row by row.
    rows: Option<BoundRows>,
}

#[derive(Debug)]
struct BoundRows {
    steps: Vec<Arc<dyn RowTransform>>,
    /// Where the inputs of the model stand in the output of the last step.
    inputs: Vec<usize>,
}

impl PipelineModel {
    pub(super) fn new(chain: Chain, model: Arc<dyn Model>, signature: Signature) -> Result<Self> {
        let input = signature.input_schema();
        let output = chain.output_schema(&input)?;
        let inputs = model.signature().inputs.iter().map(|input| find_column(&output, &input.name));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let takes_rows = model.dense().is_some() || model.row().is_some();
        let steps = if takes_rows { chain.bind(&input)? } else { None };
        let rows = steps.map(|steps| BoundRows { steps, inputs });
        Ok(Self { chain, model, signature, rows })
    }

    /// The preparation.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The model behind the preparation.
    pub fn model(&self) -> &Arc<dyn Model> {
        &self.model
    }
}

impl Model for PipelineModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.model.predict(&self.chain.apply(self.signature.check(batch)?)?)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        let rows = self.rows.as_ref().filter(|rows| rows.steps.is_empty())?;
        let same_row = rows.inputs.iter().copied().eq(0..self.signature.inputs.len());
        if same_row { self.model.dense() } else { None }
    }

    fn importances(&self) -> Option<Vec<Vec<f64>>> {
        let same_names = self.model.signature().input_names() == self.signature.input_names();
        if same_names { self.model.importances() } else { None }
    }

    fn row(&self) -> Option<&dyn RowModel> {
        self.rows.is_some().then_some(self as _)
    }

    fn save(&self) -> Result<Artifact> {
        let parts = [self.chain.save()?, self.model.save()?];
        let artifact = Artifact::of::<Self>(&State { signature: self.signature.clone() })?;
        Ok(parts.into_iter().fold(artifact, Artifact::with_part))
    }
}

impl RowModel for PipelineModel {
    fn score_row(&self, row: &[Value<'_>], scratch: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        let rows = self.rows.as_ref().ok_or_else(batches_only)?;
        self.signature.check_row(row, scores)?;
        let mut from = Scratch::relabel(take(&mut scratch.from));
        let mut to = Scratch::relabel(take(&mut scratch.to));
        from.extend_from_slice(row);
        let prepared = rows.prepare(&mut from, &mut to);
        let scored = prepared.and_then(|()| score_row(self.model.as_ref(), &to, scratch.inner(), scores));
        scratch.from = Scratch::relabel(from);
        scratch.to = Scratch::relabel(to);
        scored?.ok_or_else(batches_only)
    }
}

impl BoundRows {
    /// Applies the steps to the row in `from`, and puts the inputs of the model into `to`.
    fn prepare<'a>(&'a self, from: &mut Vec<Value<'a>>, to: &mut Vec<Value<'a>>) -> Result<()> {
        for step in &self.steps {
            step.apply_in_place(from, to)?;
        }
        to.clear();
        for input in &self.inputs {
            let cell = from.get(*input);
            to.push(*cell.ok_or_else(|| Error::internal("the steps gave fewer cells than they said they would"))?);
        }
        Ok(())
    }
}

fn batches_only() -> Error {
    Error::unsupported("this model takes batches only")
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
}

impl Load for PipelineModel {
    const KIND: &'static str = "pipeline_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let [chain, model] = artifact.parts.as_slice() else {
            return Err(Error::corrupt(format!("a pipeline model has 2 parts, not {}", artifact.parts.len())));
        };
        let model = codecs.model(model)?;
        let State { signature } = artifact.state()?;
        let inner = model.signature();
        if signature.task != inner.task || signature.decision != inner.decision {
            return Err(Error::corrupt("the model answers another task than the pipeline around it"));
        }
        Self::new(Chain::load(chain, codecs)?, model, signature)
    }
}
