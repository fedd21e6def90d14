//! Fitting a recipe on some of the features.

use std::sync::Arc;

use mlops_core::folds::{Fold, Splitter};
use mlops_core::{Codecs, Error, Model, Predictions, Result, ResultExt, Role, Run, Spec, Table, Task, Trainer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::inputs::considered;
use super::scoring::Scoring;
use crate::split::{Folds, KFold, StratifiedKFold};

/// A recipe, and the features and rows to try it on.
pub(super) struct Trials<'a> {
    trainer: &'a dyn Trainer,
    /// The features that are looked at.
    pub(super) names: Vec<String>,
    /// What goes along: the target, and the weight.
    carried: Vec<String>,
    data: Table,
    run: Run,
}

impl<'a> Trials<'a> {
    pub(super) fn new(trainer: &'a dyn Trainer, columns: Option<&[String]>, data: &Table, run: &Run) -> Result<Self> {
        run.check()?;
        let names = considered(data.schema(), data.roles(), columns)?;
        data.target()?;
        let fields = data.schema().fields().iter().map(|field| field.name());
        let goes_along = |name: &&String| matches!(data.roles().of(name), Role::Target | Role::Weight);
        let carried: Vec<String> = fields.filter(goes_along).cloned().collect();
        let chosen = data.select(names.iter().chain(&carried))?;
        // Joined once instead of at every fit.
        let data = Table::from_batch(chosen.to_batch()?).with_roles(data.roles());
        // The work on features or folds is what runs in parallel; a fit takes the threads it is on.
        let mut run = run.clone();
        run.threads = None;
        Ok(Self { trainer, names, carried, data, run })
    }

    fn table(&self, features: &[usize], rows: Option<&[usize]>) -> Result<Table> {
        let names = features.iter().map(|i| &self.names[*i]).chain(&self.carried);
        let chosen = self.data.select(names)?;
        match rows {
            Some(rows) => chosen.take(rows),
            None => Ok(chosen),
        }
    }

    /// Fits on some features, and on all rows unless told which.
    pub(super) fn fit(&self, features: &[usize], rows: Option<&[usize]>) -> Result<Arc<dyn Model>> {
        self.run.check()?;
        self.trainer.fit(&self.table(features, rows)?, &self.run).context("trainer", self.trainer.kind())
    }

    /// How good a model of these features is on the rows held back.
    pub(super) fn score(&self, model: &dyn Model, features: &[usize], test: &[usize], by: Scoring) -> Result<f64> {
        // What earlier steps were fitted on is what the selection is fitted on, so it is no leak here.
        by.score(&Predictions::on_training_rows(model, &self.table(features, Some(test))?)?)
    }

    /// Fits and judges once a fold; the mean score.
    pub(super) fn cross_validate(&self, features: &[usize], folds: &[Fold], by: Scoring) -> Result<f64> {
        let mut sum = 0.0;
        for (i, fold) in folds.iter().enumerate() {
            let score = self
                .fit(features, Some(&fold.train))
                .and_then(|model| self.score(model.as_ref(), features, &fold.test, by));
            sum += score.context("fold", i + 1)?;
        }
        Ok(sum / folds.len() as f64)
    }

    /// What the features count for in each output of the model.
    pub(super) fn importances(&self, model: &dyn Model, features: &[usize]) -> Result<Vec<Vec<f64>>> {
        let known = model.importances().filter(|outputs| !outputs.is_empty()).ok_or_else(|| {
            Error::unsupported(format!(
                "the model of '{}' does not say what its inputs count for: use a recipe whose model does (a linear \
                 one), or SequentialFeatureSelector, which only asks how good a model is",
                self.trainer.kind()
            ))
        })?;
        let inputs = &model.signature().inputs;
        let of_output = |output: &Vec<f64>| {
            let of = |i: &usize| {
                let place = inputs.iter().position(|input| input.name == self.names[*i]);
                place.and_then(|place| output.get(place)).copied()
            };
            features.iter().map(of).collect::<Option<Vec<f64>>>()
        };
        known.iter().map(of_output).collect::<Option<_>>().ok_or_else(|| {
            Error::unsupported(format!(
                "the model of '{}' has other inputs than the features it was given, so they can't be told apart by it",
                self.trainer.kind()
            ))
        })
    }
}

/// The folds to judge by: five of them unless told otherwise, stratified for classes.
pub(super) fn folds(cv: Option<&Folds>, data: &Table) -> Result<Vec<Fold>> {
    let folds = match cv {
        Some(cv) => cv.folds(data)?,
        None => {
            let field = data.target()?;
            match Task::of(&data.column(field.name())?, field)? {
                Task::Classification { .. } => StratifiedKFold::new(5).folds(data)?,
                _ => KFold::new(5).folds(data)?,
            }
        }
    };
    if folds.is_empty() {
        return Err(Error::config("no folds to judge features by: ask for at least one"));
    }
    Ok(folds)
}

/// A selector around a trainer, as plain data.
/// Makes a recipe of a selector around a trainer: a struct of `trainer` and `options`, of which one is `columns`.
macro_rules! around_trainer {
    ($selector:ty, $kind:literal) => {
        impl $selector {
            pub(super) const KIND: &'static str = $kind;

            /// Looks at these columns only; all others stay.
            #[must_use]
            pub fn on<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
                self.options.columns = Some($crate::transform::columns::owned(columns));
                self
            }

            pub(super) fn read(
                settings: &serde_json::Value,
                codecs: &mlops_core::Codecs,
            ) -> mlops_core::Result<Box<dyn mlops_core::Transformer>> {
                let (trainer, options) = $crate::select::trials::read(settings, codecs)?;
                Ok(Box::new(Self { trainer, options }))
            }

            fn trials(
                &self,
                data: &mlops_core::Table,
                run: &mlops_core::Run,
            ) -> mlops_core::Result<$crate::select::trials::Trials<'_>> {
                let columns = self.options.columns.as_deref();
                $crate::select::trials::Trials::new(self.trainer.as_ref(), columns, data, run)
            }
        }

        impl mlops_core::Recipe for $selector {
            fn kind(&self) -> &'static str {
                Self::KIND
            }

            fn settings(&self) -> mlops_core::Result<serde_json::Value> {
                $crate::select::trials::settings(self.trainer.as_ref(), &self.options)
            }
        }
    };
}
pub(super) use around_trainer;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trainer: Spec,
    #[serde(default)]
    options: Json,
}

/// The settings of a selector around a trainer.
pub(super) fn settings(trainer: &dyn Trainer, options: &impl Serialize) -> Result<Json> {
    Ok(json!({ "trainer": trainer.to_spec()?, "options": options }))
}

/// Reads [`settings`] back.
pub(super) fn read<O: DeserializeOwned + Default>(settings: &Json, codecs: &Codecs) -> Result<(Box<dyn Trainer>, O)> {
    let wrong = |e: serde_json::Error| {
        Error::config(format!("a selector around a trainer has a trainer and options: {e}")).with_source(e)
    };
    let Settings { trainer, options } = Settings::deserialize(settings).map_err(wrong)?;
    let options = if options.is_null() { O::default() } else { O::deserialize(&options).map_err(wrong)? };
    Ok((codecs.trainer(&trainer)?, options))
}
