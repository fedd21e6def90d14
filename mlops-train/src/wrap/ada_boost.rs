use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::progress::Progress;
use mlops_core::random::SplitMix64;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Recipe, Result, ResultExt, RowModel, Run, Scratch, Signature, Spec,
    Table, Task, Trainer, Value,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::rows::reweigh;
use crate::members::{Members, corrupt, load_parts, read_settings, room, scores_of, signature_on, whole};
use crate::training::{Labels, Target};

/// A recipe fitted again and again, where rows that were answered wrongly count more: scikit-learn's
/// `AdaBoostClassifier` (SAMME; Zhu and others 2009) and `AdaBoostRegressor` (AdaBoost.R2; Drucker 1997).
///
/// Of classes every member learns all rows by their weight, so the recipe must be one that weighs rows. Of
/// numbers it learns rows drawn in proportion to their weight, by the seed; the answer is the weighted
/// median.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::{AdaBoost, GaussianNb};
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 4.0, 7.0, 1.0, 6.0]),
///     ("late", Boolean, [false, false, true, true, true, false, false, true])
/// )?;
/// let flights = Table::from_batch(batch.clone()).with_role("late", Role::Target)?;
/// let model = AdaBoost::new(GaussianNb::new()).with_n_estimators(5).fit(&flights, &Run::default())?;
/// assert_eq!(model.predict(&batch)?.num_rows(), 8);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct AdaBoost {
    trainer: Box<dyn Trainer>,
    n_estimators: NonZeroUsize,
    learning_rate: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trainer: Spec,
    #[serde(default = "fifty")]
    n_estimators: NonZeroUsize,
    #[serde(default = "one")]
    learning_rate: f64,
}

fn fifty() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(49)
}

fn one() -> f64 {
    1.0
}

impl AdaBoost {
    pub(crate) const KIND: &'static str = "ada_boost";

    /// With scikit-learn's defaults: at most 50 members, and a learning rate of 1.
    pub fn new(trainer: impl Trainer) -> Self {
        Self { trainer: Box::new(trainer), n_estimators: fifty(), learning_rate: one() }
    }

    /// With at most so many members; 0 counts as 1.
    #[must_use]
    pub fn with_n_estimators(mut self, n_estimators: usize) -> Self {
        self.n_estimators = NonZeroUsize::new(n_estimators).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// With another share of what each member counts; above 0.
    #[must_use]
    pub fn with_learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let Settings { trainer, n_estimators, learning_rate } = read_settings(settings, "AdaBoost")?;
        Ok(Box::new(Self { trainer: codecs.trainer(&trainer)?, n_estimators, learning_rate }))
    }

    /// Boosts until there are enough members, or one is perfect or no better than chance.
    fn boost(&self, labels: &Labels, data: &Table, run: &Run) -> Result<Vec<(Arc<dyn Model>, f64)>> {
        let table = whole(data)?;
        let rows = table.to_batch()?;
        let progress = Progress::start("fit: members", Some(self.n_estimators.get() as u64));
        let mut weights: Vec<f64> = (0..table.num_rows()).map(|row| labels.weight(row)).collect();
        let mut members = Vec::new();
        for i in 0..self.n_estimators.get() {
            run.check()?;
            let total: f64 = weights.iter().sum();
            if !(total.is_finite() && total > 0.0) {
                break;
            }
            weights.iter_mut().for_each(|weight| *weight /= total);
            let seed = SplitMix64::stream(run.seed, i as u64).next_u64();
            let sample = match labels.target {
                Target::Classes(_) => reweigh(&table, weights.clone())?,
                Target::Numbers(_) => table.take(&draw(&weights, seed))?.with_rows_of(&table),
            };
            let model = self.trainer.fit(&sample, &run.clone().with_seed(seed)).context("member", i + 1)?;
            let scores = scores_of(model.as_ref(), &rows)?;
            let errors = errors(labels, model.as_ref(), &scores)?;
            let error: f64 = errors.iter().zip(&weights).map(|(error, weight)| error * weight).sum();
            let Some(share) = self.share(labels, error) else {
                if members.is_empty() {
                    return Err(Error::data(format!(
                        "the first member of AdaBoost is wrong about {:.1} % of the rows, no better than chance: choose \
                         another recipe",
                        100.0 * error
                    )));
                }
                break;
            };
            members.push((model, share));
            progress.advance(1);
            if error <= 0.0 {
                break;
            }
            for (weight, of_row) in weights.iter_mut().zip(&errors) {
                *weight *= match labels.target {
                    Target::Classes(_) => (share * of_row).exp(),
                    Target::Numbers(_) => (error / (1.0 - error)).powf((1.0 - of_row) * self.learning_rate),
                };
            }
        }
        Ok(members)
    }

    /// What a member counts that is so often wrong; `None` if it is no better than chance.
    fn share(&self, labels: &Labels, error: f64) -> Option<f64> {
        if error <= 0.0 {
            return Some(1.0);
        }
        match &labels.task {
            Task::Classification { classes } => {
                let others = classes.len() as f64 - 1.0;
                let chance = others / (others + 1.0);
                (error < chance).then(|| self.learning_rate * (((1.0 - error) / error).ln() + others.ln()))
            }
            _ => (error < 0.5).then(|| self.learning_rate * ((1.0 - error) / error).ln()),
        }
    }
}

/// As many rows as there are, in proportion to their weight; ascending.
fn draw(weights: &[f64], seed: u64) -> Vec<usize> {
    let mut rng = SplitMix64::new(seed);
    let mut places: Vec<f64> = (0..weights.len()).map(|_| rng.uniform()).collect();
    places.sort_unstable_by(f64::total_cmp);
    let (mut row, mut end) = (0, weights[0]);
    let at = |place: f64| {
        while place >= end && row + 1 < weights.len() {
            row += 1;
            end += weights[row];
        }
        row
    };
    places.into_iter().map(at).collect()
}

/// How wrong a member is about each row: 0 or 1 about a class, a share of the greatest error about a number.
fn errors(labels: &Labels, model: &dyn Model, scores: &[f64]) -> Result<Vec<f64>> {
    let task = &model.signature().task;
    match &labels.target {
        Target::Classes(target) if *task == labels.task => {
            let decision = &model.signature().decision;
            let chosen = scores.chunks_exact(task.num_scores()).map(|row| decision.choose(row));
            Ok(chosen.zip(target).map(|(chosen, truth)| f64::from(u8::from(chosen != *truth))).collect())
        }
        Target::Numbers(target) if *task == Task::Regression => {
            let errors: Vec<f64> = scores.iter().zip(target).map(|(score, y)| (score - y).abs()).collect();
            let greatest = errors.iter().copied().fold(0.0, f64::max);
            Ok(if greatest > 0.0 { errors.iter().map(|error| error / greatest).collect() } else { errors })
        }
        _ => Err(Error::config("a member of AdaBoost predicts something else than the target")),
    }
}

impl Recipe for AdaBoost {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let (n_estimators, learning_rate) = (self.n_estimators, self.learning_rate);
        Ok(serde_json::to_value(Settings { trainer: self.trainer.to_spec()?, n_estimators, learning_rate })?)
    }
}

impl Trainer for AdaBoost {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return Err(Error::config(format!("learning_rate = {}: it must be above 0", self.learning_rate)));
        }
        let labels = Labels::read(data)?;
        if data.num_rows() == 0 {
            return Err(Error::data("no rows: a model needs rows to learn from"));
        }
        let (models, shares) = self.boost(&labels, data, run)?.into_iter().unzip();
        let (members, inputs) = Members::new(models)?;
        let signature = signature_on(inputs, labels.task, data);
        AdaBoostModel::new(members, shares, signature).map(|model| Arc::new(model) as _)
    }
}

/// A fitted [`AdaBoost`].
#[derive(Debug)]
pub struct AdaBoostModel {
    members: Members,
    /// What each member counts; above 0.
    shares: Vec<f64>,
    signature: Signature,
}

impl AdaBoostModel {
    fn new(members: Members, shares: Vec<f64>, signature: Signature) -> Result<Self> {
        let models = members.models();
        let fits = !models.is_empty()
            && models.len() == shares.len()
            && models.iter().all(|model| model.signature().task == signature.task)
            && matches!(signature.task, Task::Classification { .. } | Task::Regression)
            && shares.iter().all(|share| share.is_finite() && *share > 0.0);
        if !fits {
            return Err(Error::config("the members of AdaBoost and what they count do not fit together"));
        }
        Ok(Self { members, shares, signature })
    }

    /// The members.
    pub fn models(&self) -> &[Arc<dyn Model>] {
        self.members.models()
    }

    /// What each member counts, in their order.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    fn total(&self) -> f64 {
        self.shares.iter().sum()
    }

    /// Adds the vote of member `i` for a class.
    fn vote(&self, i: usize, answer: &[f64], votes: &mut [f64]) {
        let chosen = self.members.models()[i].signature().decision.choose(answer);
        let against = self.shares[i] / (votes.len() as f64 - 1.0);
        votes
            .iter_mut()
            .enumerate()
            .for_each(|(class, vote)| *vote += if class == chosen { self.shares[i] } else { -against });
    }

    /// Votes as probabilities: the softmax of their means, divided by the number of other classes.
    fn finish(&self, votes: &mut [f64]) {
        let scale = self.total() * (votes.len() as f64 - 1.0);
        let greatest = votes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        votes.iter_mut().for_each(|vote| *vote = ((*vote - greatest) / scale).exp());
        crate::members::normalise(votes);
    }

    /// The first answer, in order, with half of the weight up to it.
    fn median(&self, answers: &mut [(f64, f64)]) -> f64 {
        if answers.iter().any(|(answer, _)| answer.is_nan()) {
            return f64::NAN;
        }
        answers.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let half = 0.5 * self.total();
        let mut sum = 0.0;
        for (answer, share) in answers.iter() {
            sum += share;
            if sum >= half {
                return *answer;
            }
        }
        answers.last().map_or(f64::NAN, |last| last.0)
    }
}

impl Model for AdaBoostModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = self.signature.check(batch)?;
        let (rows, width) = (batch.num_rows(), self.signature.num_scores());
        let of_member = |i| self.members.scores(i, &batch);
        let answers = (0..self.shares.len()).map(of_member).collect::<Result<Vec<_>>>()?;
        let mut scores = vec![0.0; rows * width];
        for (row, scores) in scores.chunks_exact_mut(width).enumerate() {
            if self.signature.task == Task::Regression {
                let mut said: Vec<(f64, f64)> = answers.iter().zip(&self.shares).map(|(a, s)| (a[row], *s)).collect();
                scores[0] = self.median(&mut said);
            } else {
                let each = answers.iter().enumerate();
                each.for_each(|(i, answers)| self.vote(i, &answers[row * width..][..width], scores));
                self.finish(scores);
            }
        }
        self.signature.answer(scores)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        self.members.take_rows().then_some(self as _)
    }

    fn save(&self) -> Result<Artifact> {
        let state = State { signature: self.signature.clone(), shares: self.shares.clone() };
        self.members.save_into(Artifact::of::<Self>(&state)?)
    }
}

impl RowModel for AdaBoostModel {
    /// Allocates nothing up to 64 members, a small buffer beyond.
    fn score_row(&self, row: &[Value<'_>], scratch: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        if self.signature.task == Task::Regression {
            let (mut few, mut many) = ([(0.0, 0.0); 64], Vec::new());
            let said = room(&mut few, &mut many, self.shares.len());
            self.members.each_score(row, scratch, |i, answer| said[i] = (answer[0], self.shares[i]))?;
            scores[0] = self.median(said);
            return Ok(());
        }
        scores.fill(0.0);
        self.members.each_score(row, scratch, |i, answer| self.vote(i, answer, scores))?;
        self.finish(scores);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    shares: Vec<f64>,
}

impl Load for AdaBoostModel {
    const KIND: &'static str = "ada_boost_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let State { signature, shares } = artifact.state()?;
        let (members, inputs) = Members::new(load_parts(artifact, codecs)?).map_err(corrupt)?;
        if inputs != signature.inputs {
            return Err(Error::corrupt("the inputs of AdaBoost are not those of its members"));
        }
        Self::new(members, shares, signature).map_err(corrupt)
    }
}
