use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::progress::Progress;
use mlops_core::random::SplitMix64;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Recipe, Result, ResultExt, Role, RowModel, Run, Scratch, Signature,
    Spec, Table, Task, Trainer, Value,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::members::{Alignment, Members, corrupt, divide, load_parts, read_settings, signature_on, whole};
use crate::training::{Labels, Target};

/// One recipe fitted on many samples of the rows, averaged: scikit-learn's `BaggingClassifier` and
/// `BaggingRegressor`.
///
/// Each member learns from rows drawn with replacement (or without), and from a share of the features
/// drawn without replacement. The members are fitted on all cores of the [`Run`], each from a seed of
/// its own, so the result is the same for any number of threads. Rows are drawn alike, whatever they
/// weigh; a member then weighs them.
///
/// # Example
/// ```
/// # #[cfg(feature = "linear")] {
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::{Bagging, LogisticRegression};
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 4.0, 7.0, 1.0, 6.0]),
///     ("late", Boolean, [false, false, true, true, true, false, false, true])
/// )?;
/// let flights = Table::from_batch(batch.clone()).with_role("late", Role::Target)?;
/// let model = Bagging::new(LogisticRegression::new()).with_n_estimators(5).fit(&flights, &Run::default())?;
/// assert_eq!(model.predict(&batch)?.num_rows(), 8);
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Bagging {
    trainer: Box<dyn Trainer>,
    drawing: Drawing,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Drawing {
    n_estimators: NonZeroUsize,
    max_samples: f64,
    max_features: f64,
    bootstrap: bool,
}

impl Default for Drawing {
    fn default() -> Self {
        let n_estimators = NonZeroUsize::MIN.saturating_add(9);
        Self { n_estimators, max_samples: 1.0, max_features: 1.0, bootstrap: true }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trainer: Spec,
    #[serde(default)]
    drawing: Drawing,
}

impl Bagging {
    pub(crate) const KIND: &'static str = "bagging";

    /// With scikit-learn's defaults: ten members, each of as many rows as there are, drawn with
    /// replacement, and all features.
    pub fn new(trainer: impl Trainer) -> Self {
        Self { trainer: Box::new(trainer), drawing: Drawing::default() }
    }

    /// With another number of members; 0 counts as 1.
    #[must_use]
    pub fn with_n_estimators(mut self, n_estimators: usize) -> Self {
        self.drawing.n_estimators = NonZeroUsize::new(n_estimators).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// With this share of the rows for each member: above 0 and at most 1.
    #[must_use]
    pub fn with_max_samples(mut self, share: f64) -> Self {
        self.drawing.max_samples = share;
        self
    }

    /// With this share of the features for each member, at least one: above 0 and at most 1.
    #[must_use]
    pub fn with_max_features(mut self, share: f64) -> Self {
        self.drawing.max_features = share;
        self
    }

    /// With rows drawn with or without replacement.
    #[must_use]
    pub fn with_bootstrap(mut self, bootstrap: bool) -> Self {
        self.drawing.bootstrap = bootstrap;
        self
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let Settings { trainer, drawing } = read_settings(settings, "bagging")?;
        Ok(Box::new(Self { trainer: codecs.trainer(&trainer)?, drawing }))
    }
}

impl Drawing {
    fn check(&self) -> Result<()> {
        let share = |x: f64| x > 0.0 && x <= 1.0;
        if share(self.max_samples) && share(self.max_features) {
            return Ok(());
        }
        Err(Error::config(format!(
            "bagging with max_samples = {} and max_features = {}: shares above 0 and at most 1 are needed",
            self.max_samples, self.max_features
        )))
    }

    /// The rows of a member, ascending: drawn again while they are of one class only.
    fn rows(&self, labels: &Labels, rows: usize, rng: &mut SplitMix64) -> Result<Vec<usize>> {
        const TRIALS: usize = 100;
        let n = ((self.max_samples * rows as f64) as usize).max(1);
        for _ in 0..TRIALS {
            let mut drawn: Vec<usize> = match self.bootstrap {
                true => (0..n).map(|_| rng.below(rows as u64) as usize).collect(),
                false => draw(rows, n, rng),
            };
            drawn.sort_unstable();
            let several = match &labels.target {
                Target::Classes(target) => drawn.iter().any(|row| target[*row] != target[drawn[0]]),
                Target::Numbers(_) => true,
            };
            if several {
                return Ok(drawn);
            }
        }
        Err(Error::data(format!(
            "{TRIALS} samples of {n} rows had one class each: raise max_samples, or bring more rows of the rare classes"
        )))
    }

    /// The columns of a member: its features, and all that are no features.
    fn columns(&self, data: &Table, rng: &mut SplitMix64) -> Vec<String> {
        let features = data.features().len();
        let n = ((self.max_features * features as f64) as usize).clamp(1, features.max(1));
        let mut drawn = draw(features, n.min(features), rng);
        drawn.sort_unstable();
        let mut feature = 0;
        let mut keep = |name: &str| {
            if data.roles().of(name) != Role::Feature {
                return true;
            }
            feature += 1;
            drawn.binary_search(&(feature - 1)).is_ok()
        };
        data.schema().fields().iter().map(|field| field.name().clone()).filter(|name| keep(name)).collect()
    }
}

/// `n` different numbers below `of`, in random order.
fn draw(of: usize, n: usize, rng: &mut SplitMix64) -> Vec<usize> {
    let mut all: Vec<usize> = (0..of).collect();
    rng.shuffle(&mut all);
    all.truncate(n);
    all
}

impl Recipe for Bagging {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let settings = Settings { trainer: self.trainer.to_spec()?, drawing: self.drawing.clone() };
        Ok(serde_json::to_value(settings)?)
    }
}

impl Trainer for Bagging {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        self.drawing.check()?;
        let labels = Labels::read(data)?;
        let table = whole(data)?;
        if table.num_rows() == 0 {
            return Err(Error::data("no rows: a model needs rows to learn from"));
        }
        let progress = Progress::start("fit: members", Some(self.drawing.n_estimators.get() as u64));
        let fit = |i: usize| {
            run.check()?;
            let mut rng = SplitMix64::stream(run.seed, i as u64);
            let rows = self.drawing.rows(&labels, table.num_rows(), &mut rng)?;
            let columns = self.drawing.columns(&table, &mut rng);
            let sample = table.take(&rows)?.select(columns)?.with_rows_of(&table);
            // The threads are those it is called on.
            let run = Run::default().with_seed(rng.next_u64()).with_cancel(run.cancel.clone());
            let model = self.trainer.fit(&sample, &run).context("member", i + 1)?;
            progress.advance(1);
            Ok(model)
        };
        let members = 0..self.drawing.n_estimators.get();
        let models = run.install(|| members.into_par_iter().map(fit).collect::<Result<Vec<_>>>())??;
        let (members, inputs) = Members::new(models)?;
        let signature = signature_on(inputs, labels.task, data);
        BaggingModel::new(members, signature).map(|model| Arc::new(model) as _)
    }
}

/// A fitted [`Bagging`].
#[derive(Debug)]
pub struct BaggingModel {
    members: Members,
    /// A member may not have seen all classes.
    alignments: Vec<Alignment>,
    signature: Signature,
}

impl BaggingModel {
    fn new(members: Members, signature: Signature) -> Result<Self> {
        if !matches!(signature.task, Task::Classification { .. } | Task::Regression) {
            return Err(Error::unsupported("bagging averages probabilities or numbers, nothing else"));
        }
        let alignments = members.models().iter().map(|model| Alignment::new(&model.signature().task, &signature.task));
        Ok(Self { alignments: alignments.collect::<Result<_>>()?, members, signature })
    }

    /// The members.
    pub fn models(&self) -> &[Arc<dyn Model>] {
        self.members.models()
    }
}

impl Model for BaggingModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = self.signature.check(batch)?;
        let width = self.signature.num_scores();
        let mut sums = vec![0.0; batch.num_rows() * width];
        for (i, alignment) in self.alignments.iter().enumerate() {
            let scores = self.members.scores(i, &batch)?;
            let of_row = self.members.models()[i].signature().num_scores();
            for (sum, scores) in sums.chunks_exact_mut(width).zip(scores.chunks_exact(of_row)) {
                alignment.add(sum, scores, 1.0);
            }
        }
        divide(&mut sums, self.alignments.len());
        self.signature.answer(sums)
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

impl RowModel for BaggingModel {
    fn score_row(&self, row: &[Value<'_>], scratch: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        scores.fill(0.0);
        self.members.each_score(row, scratch, |i, answer| self.alignments[i].add(scores, answer, 1.0))?;
        divide(scores, self.alignments.len());
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
}

impl Load for BaggingModel {
    const KIND: &'static str = "bagging_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let State { signature } = artifact.state()?;
        let (members, inputs) = Members::new(load_parts(artifact, codecs)?).map_err(corrupt)?;
        if inputs != signature.inputs || members.models().is_empty() {
            return Err(Error::corrupt("the inputs of a bagging are not those of its members"));
        }
        Self::new(members, signature).map_err(corrupt)
    }
}
