use std::sync::Arc;

use arrow::datatypes::{Fields, Schema};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Chain, Pipeline, PipelineModel};
use crate::{
    Codecs, Error, InputColumn, Model, Recipe, Result, ResultExt, Role, Run, Signature, Spec, Table, Trainer, Transform,
};

/// The recipe of the whole way from raw rows to answers: preparation and model.
///
/// Fitting gives a [`PipelineModel`], so what was fitted is what is served.
#[derive(Debug)]
pub struct Estimator {
    pipeline: Pipeline,
    trainer: Box<dyn Trainer>,
}

impl Estimator {
    pub(crate) const KIND: &'static str = "estimator";

    pub(super) fn new(pipeline: Pipeline, trainer: impl Trainer) -> Self {
        Self { pipeline, trainer: Box::new(trainer) }
    }

    pub(crate) fn from_settings(settings: &Json, codecs: &Codecs) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Settings {
            steps: Json,
            trainer: Spec,
        }
        let settings = Settings::deserialize(settings)
            .map_err(|e| Error::config(format!("an estimator has steps and a trainer: {e}")).with_source(e))?;
        Ok(Self {
            pipeline: Pipeline::from_settings(&settings.steps, codecs)?,
            trainer: codecs.trainer(&settings.trainer)?,
        })
    }
}

impl Recipe for Estimator {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        Ok(json!({ "steps": self.pipeline.settings()?, "trainer": self.trainer.to_spec()? }))
    }
}

impl Trainer for Estimator {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        let (chain, prepared) = self.pipeline.fit_chain(data, run)?;
        run.check()?;
        let span = tracing::debug_span!("train", kind = self.trainer.kind());
        let model = span.in_scope(|| self.trainer.fit(&prepared, run)).context("trainer", self.trainer.kind())?;
        let inputs = needed_inputs(data, &chain, model.signature())?;
        let Signature { task, decision, .. } = model.signature().clone();
        let signature = Signature::new(inputs, task).with_decision(decision)?.with_fitted_on(data.fitting_provenance());
        Ok(Arc::new(PipelineModel::new(chain, model, signature)?))
    }
}

/// The columns of `data` that the chain and the model can't do without, in their order.
fn needed_inputs(data: &Table, chain: &Chain, model: &Signature) -> Result<Vec<InputColumn>> {
    let gives_inputs = |fields: &Fields| {
        chain
            .output_schema(&Schema::new(fields.clone()))
            .is_ok_and(|output| model.inputs.iter().all(|input| output.field_with_name(&input.name).is_ok()))
    };
    let known = data.schema().fields().iter().filter(|f| data.roles().of(f.name()).is_known_before_the_event());
    let mut needed: Vec<_> = known.cloned().collect();
    // Columns that are no features go first: an input that could be either should be a feature.
    let mut order: Vec<String> = needed.iter().map(|f| f.name().clone()).collect();
    order.sort_by_key(|name| data.roles().of(name) == Role::Feature);
    for name in order {
        let without: Vec<_> = needed.iter().filter(|f| *f.name() != name).cloned().collect();
        if gives_inputs(&Fields::from(without.clone())) {
            needed = without;
        }
    }
    needed.iter().map(|field| InputColumn::of(data, field)).collect()
}
