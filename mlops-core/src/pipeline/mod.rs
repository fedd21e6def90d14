mod chain;
mod estimator;
mod model;
mod staged;

use std::sync::Arc;

use arrow::datatypes::Schema;
use serde::Deserialize;
use serde_json::Value as Json;

pub use self::chain::Chain;
pub use self::estimator::Estimator;
pub use self::model::PipelineModel;
use self::staged::{Group, Staged, place, whole_table};
use crate::{
    Codecs, DataSource, Error, Learner, Recipe, Result, ResultExt, Roles, Run, Spec, Table, Trainer, Transform,
    Transformer,
};

/// Preparation steps in a row, as one recipe.
///
/// Each step is fitted on what the steps before it made of the training rows. Steps whose columns do
/// not touch share one pass over the data ([`Learner`]). Fitting gives a [`Chain`];
/// [`train`](Self::train) adds a model.
///
/// # Example
/// ```
/// use mlops_core::{Pipeline, Recipe};
///
/// let recipe = Pipeline::new(); // .then(SimpleImputer::median(["distance"])).then(…)
/// assert_eq!(recipe.to_spec()?.settings, serde_json::json!([]));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Pipeline {
    steps: Vec<Arc<dyn Transformer>>,
}

impl Pipeline {
    pub(crate) const KIND: &'static str = "pipeline";

    /// Without steps: gives its input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, step: impl Transformer) -> Self {
        self.steps.push(Arc::new(step));
        self
    }

    /// Ends in a model: the recipe of the whole way from raw rows to answers.
    pub fn train(self, trainer: impl Trainer) -> Estimator {
        Estimator::new(self, trainer)
    }

    pub(crate) fn from_settings(settings: &Json, codecs: &Codecs) -> Result<Self> {
        let specs = Vec::<Spec>::deserialize(settings)
            .map_err(|e| Error::config(format!("a pipeline is a list of steps: {e}")).with_source(e))?;
        let steps = specs.iter().map(|spec| Ok(Arc::from(codecs.transformer(spec)?))).collect::<Result<_>>()?;
        Ok(Self { steps })
    }

    /// Fits the steps on a table; those whose columns do not touch share one pass.
    fn fit_chain(&self, data: &Table, run: &Run) -> Result<(Chain, Table)> {
        let mut table = data.clone();
        let mut chain = Chain::default();
        let mut group = Group::default();
        for (i, step) in self.steps.iter().enumerate() {
            let place = place(i, &self.steps);
            // A column may only be missing because a step before this one is still to make it.
            let early = step.learner(table.schema(), table.roles());
            if let Ok(Some(learner)) = early
                && group.takes(&learner)
            {
                group.push(learner, place);
                continue;
            }
            table = group.fit(table, run, &mut chain)?;
            let learner = step.learner(table.schema(), table.roles()).context("step", &place)?;
            match learner.filter(|learner| group.takes(learner)) {
                Some(learner) => group.push(learner, place),
                None => {
                    run.check()?;
                    let _guard = tracing::debug_span!("fit", step = place).entered();
                    let (fitted, next) = step.learn_transform(&table, run).context("step", &place)?;
                    chain.steps.push(fitted);
                    table = next;
                }
            }
        }
        table = group.fit(table, run, &mut chain)?;
        Ok((chain, table))
    }

    /// Fits the steps on a source, whose data need not fit into memory: as many passes as there are
    /// groups of steps whose columns do not touch, each over the columns that are needed.
    ///
    /// Equal to fitting on the same rows in a table: exactly, where the folds of the steps are exact.
    ///
    /// # Errors
    /// As [`Transformer::fit`] and [`DataSource::scan`];
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a step that takes a whole table.
    ///
    /// # Example
    /// ```
    /// # use mlops_core::{Pipeline, Roles, Run, DataSource, Result, Transform};
    /// # use std::sync::Arc;
    /// async fn prepare(recipe: &Pipeline, files: &dyn DataSource) -> Result<Arc<dyn Transform>> {
    ///     recipe.fit_source(files, &Roles::new(), &Run::default()).await
    /// }
    /// ```
    pub async fn fit_source(&self, source: &dyn DataSource, roles: &Roles, run: &Run) -> Result<Arc<dyn Transform>> {
        let raw = source.schema().await?;
        match self.learner(&raw, roles)? {
            Some(learner) => learner.fit_source(source, run).await,
            None => Err(whole_table().with_context("step", place(0, &self.steps))),
        }
    }
}

impl Recipe for Pipeline {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let specs = self.steps.iter().map(|step| step.to_spec()).collect::<Result<Vec<_>>>()?;
        Ok(serde_json::to_value(specs)?)
    }
}

impl Transformer for Pipeline {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        Staged::new(&self.steps, schema, roles).learner()
    }

    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        Ok(Arc::new(self.fit_chain(data, run)?.0))
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let (chain, table) = self.fit_chain(data, run)?;
        Ok((Arc::new(chain), table))
    }
}
