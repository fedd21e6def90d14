use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use mlops_core::{
    Artifact, Classes, Codecs, Dense, Error, Load, Model, Recipe, Result, ResultExt, RowModel, Run, Scratch, Signature,
    Spec, Table, Task, Trainer, Value,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::rows::replace_column;
use crate::members::{Members, corrupt, load_parts, normalise, read_settings, signature_on, whole};
use crate::training::Labels;

/// A recipe for two classes, fitted once for each of many: is it this class, or another? Scikit-learn's
/// `OneVsRestClassifier`.
///
/// Probabilities are divided by their sum. Two classes take one model.
///
/// # Example
/// ```
/// # #[cfg(feature = "linear")] {
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::{LogisticRegression, OneVsRest};
///
/// let batch = arrow::array::record_batch!(
///     ("size", Float64, [1.0, 1.2, 2.0, 2.2, 3.0, 3.1]),
///     ("kind", Utf8, ["ant", "ant", "bee", "bee", "cat", "cat"])
/// )?;
/// let animals = Table::from_batch(batch.clone()).with_role("kind", Role::Target)?;
/// let model = OneVsRest::new(LogisticRegression::new()).fit(&animals, &Run::default())?;
/// assert_eq!(model.signature().num_scores(), 3);
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct OneVsRest {
    trainer: Box<dyn Trainer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trainer: Spec,
}

impl OneVsRest {
    pub(crate) const KIND: &'static str = "one_vs_rest";

    /// Fits `trainer` once a class.
    pub fn new(trainer: impl Trainer) -> Self {
        Self { trainer: Box::new(trainer) }
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let Settings { trainer } = read_settings(settings, "one against the rest")?;
        Ok(Box::new(Self { trainer: codecs.trainer(&trainer)? }))
    }
}

impl Recipe for OneVsRest {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        Ok(serde_json::to_value(Settings { trainer: self.trainer.to_spec()? })?)
    }
}

impl Trainer for OneVsRest {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        let labels = Labels::read(data)?;
        let (classes, target) = labels.classes("one against the rest")?;
        let table = whole(data)?;
        let name = data.target()?.name();
        let fit = |class: usize| {
            run.check()?;
            let is_it: BooleanArray = target.iter().map(|y| Some(*y == class)).collect();
            let rows = replace_column(&table, name, Arc::new(is_it) as ArrayRef)?;
            self.trainer.fit(&rows, run).context("class", classes.name(class))
        };
        let first = usize::from(classes.len() == 2);
        let models = (first..classes.len()).map(fit).collect::<Result<Vec<_>>>()?;
        let (members, inputs) = Members::new(models)?;
        let signature = signature_on(inputs, labels.task, data);
        OneVsRestModel::new(members, signature).map(|model| Arc::new(model) as _)
    }
}

/// A fitted [`OneVsRest`].
#[derive(Debug)]
pub struct OneVsRestModel {
    members: Members,
    signature: Signature,
}

impl OneVsRestModel {
    fn new(members: Members, signature: Signature) -> Result<Self> {
        let Task::Classification { classes } = &signature.task else {
            return Err(Error::config("one against the rest answers classes"));
        };
        let wanted = if classes.len() == 2 { 1 } else { classes.len() };
        let binary = Task::Classification { classes: Classes::Bool };
        let models = members.models();
        if models.len() != wanted || models.iter().any(|model| model.signature().task != binary) {
            return Err(Error::config("one against the rest needs a model of two classes for each class"));
        }
        Ok(Self { members, signature })
    }

    /// The models, one a class; one in all of two classes.
    pub fn models(&self) -> &[Arc<dyn Model>] {
        self.members.models()
    }

    /// Puts what model `i` says into its place.
    fn put(&self, i: usize, answer: &[f64], scores: &mut [f64]) {
        match scores {
            [negative, positive] => (*negative, *positive) = (answer[0], answer[1]),
            scores => scores[i] = answer[1],
        }
    }
}

fn finish(scores: &mut [f64]) {
    if scores.len() > 2 {
        normalise(scores);
    }
}

impl Model for OneVsRestModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = self.signature.check(batch)?;
        let width = self.signature.num_scores();
        let mut scores = vec![0.0; batch.num_rows() * width];
        for i in 0..self.members.models().len() {
            let answers = self.members.scores(i, &batch)?;
            let rows = scores.chunks_exact_mut(width).zip(answers.chunks_exact(2));
            rows.for_each(|(scores, answer)| self.put(i, answer, scores));
        }
        scores.chunks_exact_mut(width).for_each(finish);
        self.signature.answer(scores)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        self.members.take_rows().then_some(self as _)
    }

    fn save(&self) -> Result<Artifact> {
        self.members.save_into(Artifact::of::<Self>(&State { signature: self.signature.clone() })?)
    }
}

impl RowModel for OneVsRestModel {
    fn score_row(&self, row: &[Value<'_>], scratch: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        self.members.each_score(row, scratch, |i, answer| self.put(i, answer, scores))?;
        finish(scores);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
}

impl Load for OneVsRestModel {
    const KIND: &'static str = "one_vs_rest_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let State { signature } = artifact.state()?;
        let (members, inputs) = Members::new(load_parts(artifact, codecs)?).map_err(corrupt)?;
        if inputs != signature.inputs {
            return Err(Error::corrupt("the inputs of one against the rest are not those of its models"));
        }
        Self::new(members, signature).map_err(corrupt)
    }
}
