//! The fitted models that a composite answers through, and how they are fitted fold by fold.

use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::columns::{is_numeric, numbers};
use mlops_core::folds::{Fold, k_fold, stratified_k_fold};
use mlops_core::{
    Artifact, Classes, Codecs, Domain, Error, InputColumn, Model, Predictions, Result, ResultExt, Run, Scratch,
    Signature, Table, Task, Trainer, Value, score_row,
};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::training::{Labels, Target};

/// Models that share one row.
#[derive(Debug)]
pub(crate) struct Members {
    models: Vec<Arc<dyn Model>>,
    /// For each member, where its inputs stand in the row.
    inputs: Vec<Vec<usize>>,
}

impl Members {
    /// With the columns of the row: the inputs of all members, each once.
    pub(crate) fn new(models: Vec<Arc<dyn Model>>) -> Result<(Self, Vec<InputColumn>)> {
        let mut columns: Vec<InputColumn> = Vec::new();
        let mut inputs = Vec::with_capacity(models.len());
        for model in &models {
            let places = model.signature().inputs.iter().map(|input| place(&mut columns, input));
            inputs.push(places.collect::<Result<Vec<_>>>()?);
        }
        Ok((Self { models, inputs }, columns))
    }

    pub(crate) fn models(&self) -> &[Arc<dyn Model>] {
        &self.models
    }

    /// The scores of member `i` for a batch.
    pub(crate) fn scores(&self, i: usize, batch: &RecordBatch) -> Result<Vec<f64>> {
        scores_of(self.models[i].as_ref(), batch)
    }

    /// Whether all of them take single rows.
    pub(crate) fn take_rows(&self) -> bool {
        self.models.iter().all(|model| takes_rows(model.as_ref()))
    }

    /// Gives the scores of each member for one row to `use_scores`. Allocates nothing up to 64 inputs
    /// and 16 scores, two small buffers beyond.
    pub(crate) fn each_score(
        &self,
        row: &[Value<'_>],
        scratch: &mut Scratch,
        mut use_scores: impl FnMut(usize, &mut [f64]),
    ) -> Result<()> {
        let (mut cells, mut many_cells) = ([Value::Null; 64], Vec::new());
        let (mut answer, mut many_scores) = ([0.0; 16], Vec::new());
        for (i, (model, inputs)) in self.models.iter().zip(&self.inputs).enumerate() {
            let cells = room(&mut cells, &mut many_cells, inputs.len());
            for (cell, input) in cells.iter_mut().zip(inputs) {
                *cell = row[*input];
            }
            let answer = room(&mut answer, &mut many_scores, model.signature().num_scores());
            if score_row(model.as_ref(), cells, scratch, answer)?.is_none() {
                return Err(Error::unsupported("a member takes batches only"));
            }
            use_scores(i, answer);
        }
        Ok(())
    }

    /// Adds the members as parts.
    pub(crate) fn save_into(&self, mut artifact: Artifact) -> Result<Artifact> {
        for model in &self.models {
            artifact.parts.push(model.save()?);
        }
        Ok(artifact)
    }
}

/// The parts of an artifact as models.
pub(crate) fn load_parts(artifact: &Artifact, codecs: &Codecs) -> Result<Vec<Arc<dyn Model>>> {
    artifact.parts.iter().map(|part| codecs.model(part)).collect()
}

/// What was refused while a stored composite was put together is damage.
pub(crate) fn corrupt(error: Error) -> Error {
    Error::corrupt(error.message().to_owned()).with_source(error)
}

pub(crate) fn takes_rows(model: &dyn Model) -> bool {
    model.row().is_some() || model.dense().is_some()
}

pub(crate) fn scores_of(model: &dyn Model, batch: &RecordBatch) -> Result<Vec<f64>> {
    Predictions::scores_of(model.signature(), &model.predict(batch)?)
}

/// Where `input` stands among `columns`, adding it if it is new.
fn place(columns: &mut Vec<InputColumn>, input: &InputColumn) -> Result<usize> {
    let Some(i) = columns.iter().position(|column| column.name == input.name) else {
        columns.push(input.clone());
        return Ok(columns.len() - 1);
    };
    let column = &mut columns[i];
    if column.data_type != input.data_type {
        return Err(Error::config(format!(
            "input '{}' is {} for one member and {} for another",
            input.name, column.data_type, input.data_type
        )));
    }
    column.nullable &= input.nullable;
    column.domain = union(&column.domain, &input.domain);
    Ok(i)
}

/// What either member saw in training.
fn union(a: &Domain, b: &Domain) -> Domain {
    match (a, b) {
        (Domain::Range { min, max }, Domain::Range { min: other_min, max: other_max }) => {
            Domain::Range { min: min.min(*other_min), max: max.max(*other_max) }
        }
        (Domain::Categories(a), Domain::Categories(b)) => {
            let mut all = [a.as_slice(), b].concat();
            all.sort_unstable();
            all.dedup();
            if all.len() > Domain::MAX_CATEGORIES { Domain::Any } else { Domain::Categories(all) }
        }
        _ => Domain::Any,
    }
}

/// The first `len` places of `few` if it is long enough, else of `many`.
pub(crate) fn room<'b, T: Copy + Default>(few: &'b mut [T], many: &'b mut Vec<T>, len: usize) -> &'b mut [T] {
    if len <= few.len() {
        return &mut few[..len];
    }
    many.resize(len, T::default());
    &mut many[..len]
}

/// The settings of a composite recipe.
pub(crate) fn read_settings<S: DeserializeOwned>(settings: &Json, recipe: &str) -> Result<S> {
    S::deserialize(settings)
        .map_err(|e| Error::config(format!("settings of {recipe} not understood: {e}")).with_source(e))
}

/// All rows in one batch, known to be the same rows.
pub(crate) fn whole(data: &Table) -> Result<Table> {
    let table = Table::from_batch(data.to_batch()?).with_roles(data.roles());
    Ok(table.with_rows_of(data).with_fitted_on(data.fitted_on()))
}

/// `k` folds in the order of the rows, as scikit-learn cuts them: of classes every fold has its share.
pub(crate) fn plain_folds(labels: &Labels, rows: usize, k: usize) -> Result<Vec<Fold>> {
    match &labels.target {
        Target::Classes(target) => stratified_k_fold(target, k, None),
        Target::Numbers(_) => k_fold(rows, k, None),
    }
}

/// A model that was fitted without some rows, and its scores for those.
#[derive(Debug)]
pub(crate) struct FoldFit {
    pub(crate) model: Arc<dyn Model>,
    pub(crate) test: Vec<usize>,
    /// Row-major in the order of `test`, one score for each of the classes of all rows.
    pub(crate) scores: Vec<f64>,
}

/// Fits once a fold on its training rows, and scores its test rows.
pub(crate) fn fit_folds(
    trainer: &dyn Trainer,
    data: &Table,
    task: &Task,
    folds: Vec<Fold>,
    run: &Run,
) -> Result<Vec<FoldFit>> {
    let data = whole(data)?;
    let mut models = Vec::with_capacity(folds.len());
    // All before the first is asked: what a recipe can't learn from is then found in a row of training,
    // and named.
    for (i, fold) in folds.iter().enumerate() {
        run.check()?;
        let train = data.take(&fold.train)?.with_part_of(&data, &format!("out-of-fold scores {}", i + 1), [0]);
        models.push(trainer.fit(&train, run).context("fold", i + 1)?);
    }
    let score = |(model, Fold { test, .. }): (Arc<dyn Model>, Fold)| {
        run.check()?;
        let scores = scores_of(model.as_ref(), &data.take(&test)?.to_batch()?)?;
        let scores = Alignment::new(&model.signature().task, task)?.align(scores);
        Ok(FoldFit { model, test, scores })
    };
    models.into_iter().zip(folds).map(score).collect()
}

/// The scores of all rows by the models that were fitted without them, in the order of the rows.
pub(crate) fn gather(fits: &[FoldFit], rows: usize, width: usize) -> Vec<f64> {
    let mut scores = vec![0.0; rows * width];
    for fit in fits {
        for (row, of_row) in fit.test.iter().zip(fit.scores.chunks_exact(width)) {
            scores[row * width..][..width].copy_from_slice(of_row);
        }
    }
    scores
}

/// Where the scores of a model that may not know all classes stand among those of all.
#[derive(Debug)]
pub(crate) struct Alignment {
    /// `None` if both are the same.
    places: Option<Vec<usize>>,
    width: usize,
}

impl Alignment {
    pub(crate) fn new(from: &Task, to: &Task) -> Result<Self> {
        let width = to.num_scores();
        let places = match (from, to) {
            _ if from == to => None,
            (Task::Classification { classes: from }, Task::Classification { classes: to }) => {
                Some(places(from, to).map_err(|_| {
                    Error::config("a member knows classes that the whole does not: fit it on the same target")
                })?)
            }
            _ => return Err(Error::config("the members predict different things, so their scores don't go together")),
        };
        Ok(Self { places, width })
    }

    /// One score for each of all classes, 0 for those that the model does not know.
    fn align(&self, scores: Vec<f64>) -> Vec<f64> {
        let Some(places) = &self.places else { return scores };
        let mut aligned = vec![0.0; scores.len() / places.len().max(1) * self.width];
        for (to, from) in aligned.chunks_exact_mut(self.width).zip(scores.chunks_exact(places.len())) {
            self.add(to, from, 1.0);
        }
        aligned
    }

    /// Adds `share` times the scores of one row.
    pub(crate) fn add(&self, sum: &mut [f64], scores: &[f64], share: f64) {
        match &self.places {
            None => sum.iter_mut().zip(scores).for_each(|(sum, score)| *sum += share * score),
            Some(places) => places.iter().zip(scores).for_each(|(place, score)| sum[*place] += share * score),
        }
    }
}

fn places(from: &Classes, to: &Classes) -> Result<Vec<usize>> {
    let all: Vec<usize> = (0..from.len()).collect();
    to.indices(&from.labels(&all))
}

/// The signature of a composite fitted on `data`.
pub(crate) fn signature_on(inputs: Vec<InputColumn>, task: Task, data: &Table) -> Signature {
    Signature::new(inputs, task).with_fitted_on(data.fitting_provenance())
}

/// Divides probabilities by their sum; even ones where no class has any.
pub(crate) fn normalise(scores: &mut [f64]) {
    let sum: f64 = scores.iter().sum();
    let even = 1.0 / scores.len() as f64;
    scores.iter_mut().for_each(|score| *score = if sum > 0.0 { *score / sum } else { even });
}

/// Makes sums of `n` scores their means.
pub(crate) fn divide(sums: &mut [f64], n: usize) {
    sums.iter_mut().for_each(|sum| *sum /= n as f64);
}

/// The scores of a model for rows it was not fitted on; where one is not a number, the error names the
/// input that is missing.
pub(crate) fn finite_scores(signature: &Signature, rows: &RecordBatch, scores: Result<Vec<f64>>) -> Result<Vec<f64>> {
    let error = match scores {
        Ok(scores) if scores.iter().all(|score| score.is_finite()) => return Ok(scores),
        Ok(_) => Error::data("the answers for the rows held back are not finite"),
        Err(error) => error,
    };
    for input in &signature.inputs {
        let Some(column) = rows.column_by_name(&input.name) else { continue };
        let missing = |x: Option<f64>| x.is_none_or(|x| !x.is_finite());
        if is_numeric(column.data_type()) && numbers(column, &input.name)?.iter().any(missing) {
            let message = format!(
                "feature '{}' has no value or no finite one in a row that is held back: impute it first, or filter \
                 those rows",
                input.name
            );
            return Err(Error::data(message).with_source(error));
        }
    }
    Err(error)
}
