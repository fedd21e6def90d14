//! Fitting steps in as few passes as their columns allow.

use std::any::Any;
use std::collections::BTreeSet;
use std::mem::take;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use super::Chain;
use crate::columns::is_text;
use crate::learner::{Fold, Learned, Learning, same, settle};
use crate::{Accumulator, Cancel, Error, Learner, Result, Roles, Run, Table, Transform, Transformer, transform_table};

pub(super) fn place(i: usize, steps: &[Arc<dyn Transformer>]) -> String {
    format!("{}: {}", i + 1, steps.get(i).map_or("", |step| step.kind()))
}

pub(super) fn whole_table() -> Error {
    Error::unsupported("this step learns from a whole table: read the source into a table and fit on that")
}

/// A pipeline on its way to being fitted, pass by pass.
#[derive(Clone)]
pub(super) struct Staged {
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
    /// None of the steps fitted yet.
    pub(super) fn new(steps: &[Arc<dyn Transformer>], raw: &Schema, roles: &Roles) -> Self {
        let (steps, raw) = (steps.to_vec().into(), Arc::new(raw.clone()));
        Self { steps, raw, roles: roles.clone(), chain: Chain::default(), looks: Vec::new() }
    }

    /// The learner of the next pass; `None` if the first step takes a whole table.
    pub(super) fn learner(mut self) -> Result<Option<Learner>> {
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
        let dictionaries = group.learners.iter().all(Learner::takes_dictionaries) && self.texts_pass(&needed);
        let learner = Learner::of_fold(needed, move || {
            let learning = Learning::of(&group.learners, &group.places, &Cancel::default());
            Box::new(Pass { staged: self.clone(), before: before.clone(), places: group.places.clone(), learning })
        });
        let learner = if any_columns { learner.with_any_columns() } else { learner };
        let learner = if dictionaries { learner.with_dictionaries() } else { learner };
        // A table is prepared step by step rather than once a pass.
        Ok(if cross_fits { learner.with_cross_fitting() } else { learner })
    }

    /// Whether the steps fitted so far leave alone those of the raw columns `needed` that are texts.
    fn texts_pass(&self, needed: &BTreeSet<String>) -> bool {
        let is_text = |name: &&String| self.raw.field_with_name(name).is_ok_and(|field| is_text(field.data_type()));
        let before = &self.looks[..self.chain.steps.len()];
        let looked_at = |name: &String| before.iter().any(|look| look.any_columns || look.inputs.contains(name));
        !needed.iter().filter(is_text).any(looked_at)
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
pub(super) struct Group {
    learners: Vec<Learner>,
    places: Vec<String>,
}

impl Group {
    /// Whether `learner` may learn from the same table as the others, though they come before it.
    pub(super) fn takes(&self, learner: &Learner) -> bool {
        !learner.cross_fits() && learner.is_apart_from(&self.learners)
    }

    pub(super) fn push(&mut self, learner: Learner, place: String) {
        self.learners.push(learner);
        self.places.push(place);
    }

    /// Fits all, adds them to the chain, and gives the rows as they prepare them.
    pub(super) fn fit(&mut self, table: Table, run: &Run, chain: &mut Chain) -> Result<Table> {
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
