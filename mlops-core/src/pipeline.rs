use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::mem::take;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Fields, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::columns::find_column;
use crate::learner::{Fold, Learned, Learning, same, settle};
use crate::model::score_row;
use crate::{
    Accumulator, Artifact, Cancel, Codecs, DataSource, Dense, Error, InputColumn, Learner, Load, Model, Recipe, Result,
    ResultExt, Role, Roles, RowModel, RowTransform, Run, Scratch, Signature, Spec, Table, Trainer, Transform,
    Transformer, Value, transform_table,
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
        Estimator { pipeline: self, trainer: Box::new(trainer) }
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

fn place(i: usize, steps: &[Arc<dyn Transformer>]) -> String {
    format!("{}: {}", i + 1, steps.get(i).map_or("", |step| step.kind()))
}

fn whole_table() -> Error {
    Error::unsupported("this step learns from a whole table: read the source into a table and fit on that")
}

/// A pipeline on its way to being fitted, pass by pass.
#[derive(Clone)]
struct Staged {
    steps: Arc<[Arc<dyn Transformer>]>,
    raw: SchemaRef,
    roles: Roles,
    /// The steps fitted so far.
    chain: Chain,
    /// What each of them looks at.
    looks: Vec<Look>,
}

/// The columns that a step looks at, or that it may look at any.
#[derive(Clone)]
struct Look {
    inputs: BTreeSet<String>,
    any_columns: bool,
}

impl Look {
    fn of(learner: &Learner) -> Self {
        Self { inputs: learner.inputs().map(str::to_owned).collect(), any_columns: learner.takes_any_columns() }
    }
}

impl Staged {
    /// The learner of the next pass; `None` if the first step takes a whole table.
    fn learner(mut self) -> Result<Option<Learner>> {
        loop {
            let start = self.chain.steps.len();
            if start == self.steps.len() {
                let inputs: BTreeSet<String> = self.looks.into_iter().flat_map(|look| look.inputs).collect();
                let raw = inputs.into_iter().filter(|name| self.raw.index_of(name).is_ok());
                return Ok(Some(Learner::ready(raw, Arc::new(self.chain))));
            }
            let Some(group) = self.next_group(start)? else {
                return if start == 0 {
                    Ok(None)
                } else {
                    Err(whole_table().with_context("step", place(start, &self.steps)))
                };
            };
            self.looks.extend(group.learners.iter().map(Look::of));
            match group.known() {
                Some(fitted) => self.chain.steps.extend(fitted),
                None => return self.pass(group).map(Some),
            }
        }
    }

    /// The learners of the next steps that can share a pass.
    fn next_group(&self, start: usize) -> Result<Option<Group>> {
        let schema = self.chain.output_schema(&self.raw)?;
        let mut group = Group::default();
        for (i, step) in self.steps.iter().enumerate().skip(start) {
            match step.learner(&schema, &self.roles) {
                Ok(Some(learner)) if learner.is_apart_from(&group.learners) => {
                    group.push(learner, place(i, &self.steps))
                }
                _ if !group.learners.is_empty() => break,
                Err(error) => return Err(error.with_context("step", place(i, &self.steps))),
                Ok(_) => return Ok(None),
            }
        }
        Ok(Some(group))
    }

    /// The learner of one pass over the columns that the group needs.
    fn pass(self, group: Group) -> Result<Learner> {
        let whole = self.chain.steps.len() + group.learners.len() == self.steps.len() && self.chain.steps.is_empty();
        let cross_fits = !whole || group.learners.iter().any(Learner::cross_fits);
        // Later passes look at columns that are not known yet.
        let any_columns = !whole || group.learners.iter().any(Learner::takes_any_columns);
        let (before, needed) = self.steps_before(&group)?;
        let learner = Learner::of_fold(needed, move || {
            let learning = Learning::of(&group.learners, &group.places, &Cancel::default());
            Box::new(Pass { staged: self.clone(), before: before.clone(), places: group.places.clone(), learning })
        });
        let learner = if any_columns { learner.with_any_columns() } else { learner };
        // A table is prepared step by step rather than once a pass.
        Ok(if cross_fits { learner.with_cross_fitting() } else { learner })
    }

    /// The fitted steps that make the columns which the group looks at, and the raw columns for them.
    fn steps_before(&self, group: &Group) -> Result<(Chain, BTreeSet<String>)> {
        let mut schemas = vec![Arc::clone(&self.raw)];
        for step in &self.chain.steps {
            schemas.push(step.output_schema(&schemas[schemas.len() - 1])?);
        }
        let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<BTreeSet<_>>();
        let mut wanted: BTreeSet<String> = group.learners.iter().flat_map(Learner::inputs).map(str::to_owned).collect();
        let mut kept = Vec::new();
        let steps = self.chain.steps.iter().zip(&self.looks).zip(schemas.windows(2));
        for ((step, look), around) in steps.rev() {
            let before = names(&around[0]);
            let made = |name: &String| look.inputs.contains(name) || !before.contains(name);
            if look.any_columns {
                wanted = before;
            } else if wanted.iter().any(made) {
                wanted.retain(|name| !made(name));
                wanted.extend(look.inputs.iter().cloned());
            } else {
                continue;
            }
            kept.push(Arc::clone(step));
        }
        kept.reverse();
        wanted.retain(|name| self.raw.index_of(name).is_ok());
        Ok((Chain::new(kept), wanted))
    }
}

/// One pass of a pipeline: the steps fitted so far prepare the rows for those that learn.
struct Pass {
    staged: Staged,
    /// Those of the fitted steps that matter to the learning ones.
    before: Chain,
    places: Vec<String>,
    learning: Learning,
}

impl Fold for Pass {
    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.before.steps.is_empty() {
            return self.learning.update(batch);
        }
        self.learning.update(&self.before.apply(batch.clone())?)
    }

    fn merge(&mut self, other: Box<dyn Fold>) -> Result<()> {
        self.learning.merge(same::<Self>(other)?.learning)
    }

    fn finish(self: Box<Self>) -> Result<Learned> {
        let Self { mut staged, places, learning, .. } = *self;
        Ok(Learned::Again(match settle(learning.finish()?) {
            Err(learners) => staged.pass(Group { learners, places })?,
            Ok(fitted) => {
                staged.chain.steps.extend(fitted);
                let next = staged.learner()?.ok_or_else(whole_table)?;
                match next.known() {
                    Some(done) => return Ok(Learned::Done(Arc::clone(done))),
                    None => next,
                }
            }
        }))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Steps that are fitted in one pass.
#[derive(Default)]
struct Group {
    learners: Vec<Learner>,
    places: Vec<String>,
}

impl Group {
    /// Whether `learner` may learn from the same table as the others, though they come before it.
    fn takes(&self, learner: &Learner) -> bool {
        !learner.cross_fits() && learner.is_apart_from(&self.learners)
    }

    fn push(&mut self, learner: Learner, place: String) {
        self.learners.push(learner);
        self.places.push(place);
    }

    /// Fits all, adds them to the chain, and gives the rows as they prepare them.
    fn fit(&mut self, table: Table, run: &Run, chain: &mut Chain) -> Result<Table> {
        if self.learners.is_empty() {
            return Ok(table);
        }
        run.check()?;
        let mut group = take(self);
        let _guard = tracing::debug_span!("fit", steps = group.places.join(", ")).entered();
        let fitted = loop {
            if let Some(fitted) = group.known() {
                break fitted;
            }
            let learning = || Learning::of(&group.learners, &group.places, &run.cancel);
            match settle(run.install(|| table.fold(learning))??.finish()?) {
                Ok(fitted) => break fitted,
                Err(learners) => group.learners = learners,
            }
        };
        let start = chain.steps.len();
        chain.steps.extend(fitted);
        let added = Chain { steps: chain.steps[start..].to_vec() };
        let place = |error: Error| error.with_context("steps", group.places.join(", "));
        run.install(|| transform_table(&added, &table))?.map_err(place)
    }

    /// What the steps come to, if none of them takes data.
    fn known(&self) -> Option<Vec<Arc<dyn Transform>>> {
        self.learners.iter().map(|learner| learner.known().cloned()).collect()
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
        let (steps, roles) = (self.steps.clone().into(), roles.clone());
        let (raw, chain) = (Arc::new(schema.clone()), Chain::default());
        Staged { steps, raw, roles, chain, looks: Vec::new() }.learner()
    }

    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        Ok(Arc::new(self.fit_chain(data, run)?.0))
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let (chain, table) = self.fit_chain(data, run)?;
        Ok((Arc::new(chain), table))
    }
}

/// Fitted preparation steps in a row.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    steps: Vec<Arc<dyn Transform>>,
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
    fn bind(&self, input: &Schema) -> Result<Option<Vec<Arc<dyn RowTransform>>>> {
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
        let signature =
            Signature::new(inputs, model.signature().task.clone()).with_fitted_on(data.fitting_provenance());
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
    fn new(chain: Chain, model: Arc<dyn Model>, signature: Signature) -> Result<Self> {
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
        if signature.task != model.signature().task {
            return Err(Error::corrupt("the model answers another task than the pipeline around it"));
        }
        Self::new(Chain::load(chain, codecs)?, model, signature)
    }
}
