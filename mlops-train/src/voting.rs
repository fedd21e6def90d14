use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Recipe, Result, ResultExt, RowModel, Run, Scratch, Signature, Spec,
    Table, Trainer, Value,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::members::{Members, corrupt, load_parts};

/// Several recipes trained on the same rows, whose scores are averaged: probabilities of classes
/// (soft voting), or numbers.
///
/// Models that err in different ways, such as a linear one and a forest, are better together than
/// each alone. Scikit-learn's `VotingClassifier(voting="soft")` and `VotingRegressor`.
///
/// # Example
/// ```
/// # #[cfg(all(feature = "linear", feature = "forest"))] {
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::{LogisticRegression, RandomForest, Voting};
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 4.0, 7.0, 1.0, 6.0]),
///     ("late", Boolean, [false, false, true, true, true, false, false, true])
/// )?;
/// let flights = Table::from_batch(batch).with_role("late", Role::Target)?;
/// let recipe = Voting::new()
///     .with(LogisticRegression::new())
///     .with_weighted(RandomForest::new().with_n_trees(10), 2.0);
/// let model = recipe.fit(&flights, &Run::default())?;
/// assert_eq!(model.signature().input_names(), ["wind"]);
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Voting {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    trainer: Box<dyn Trainer>,
    weight: f64,
}

impl Voting {
    pub(crate) const KIND: &'static str = "voting";

    /// Without members yet; it needs at least one.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a member that counts once.
    #[must_use]
    pub fn with(self, trainer: impl Trainer) -> Self {
        self.with_weighted(trainer, 1.0)
    }

    /// With a member that counts `weight` times; greater than 0 and finite.
    #[must_use]
    pub fn with_weighted(mut self, trainer: impl Trainer, weight: f64) -> Self {
        self.members.push(Member { trainer: Box::new(trainer), weight });
        self
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let specs = Vec::<MemberSpec>::deserialize(settings).map_err(|e| {
            Error::config(format!("voting is a list of members with a trainer each: {e}")).with_source(e)
        })?;
        let read = |spec: MemberSpec| Ok(Member { trainer: codecs.trainer(&spec.trainer)?, weight: spec.weight });
        Ok(Box::new(Self { members: specs.into_iter().map(read).collect::<Result<_>>()? }))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberSpec {
    trainer: Spec,
    weight: f64,
}

impl Recipe for Voting {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let spec = |member: &Member| Ok(MemberSpec { trainer: member.trainer.to_spec()?, weight: member.weight });
        Ok(serde_json::to_value(self.members.iter().map(spec).collect::<Result<Vec<_>>>()?)?)
    }
}

impl Trainer for Voting {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        let mut models = Vec::with_capacity(self.members.len());
        for (i, member) in self.members.iter().enumerate() {
            let model = member.trainer.fit(data, run);
            models.push(model.context("member", format!("{}: {}", i + 1, member.trainer.kind()))?);
        }
        let weights = self.members.iter().map(|member| member.weight).collect();
        Ok(Arc::new(VotingModel::new(models, weights)?))
    }
}

/// Fitted models whose scores are averaged: what [`Voting`] gives.
#[derive(Debug)]
pub struct VotingModel {
    members: Members,
    /// Greater than 0; their sum is 1.
    shares: Vec<f64>,
    signature: Signature,
}

impl VotingModel {
    fn new(models: Vec<Arc<dyn Model>>, weights: Vec<f64>) -> Result<Self> {
        let first = models.first().ok_or_else(|| Error::config("voting without members: add at least one"))?;
        if weights.len() != models.len() || !weights.iter().all(|w| w.is_finite() && *w > 0.0) {
            return Err(Error::config("each member needs a weight that is finite and greater than 0"));
        }
        let task = first.signature().task.clone();
        if models.iter().any(|model| model.signature().task != task) {
            return Err(Error::config("the members predict different things, so their scores have no average"));
        }
        let sum: f64 = weights.iter().sum();
        let shares = weights.into_iter().map(|weight| weight / sum).collect();
        let (members, inputs) = Members::new(models)?;
        let mut signature = Signature::new(inputs, task);
        members.models().iter().for_each(|model| signature.fitted_on.extend(&model.signature().fitted_on));
        Ok(Self { members, shares, signature })
    }

    /// The members.
    pub fn models(&self) -> &[Arc<dyn Model>] {
        self.members.models()
    }

    /// What each member counts, in their order; the sum is 1.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }
}

impl Model for VotingModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = self.signature.check(batch)?;
        let mut scores = vec![0.0; batch.num_rows() * self.signature.num_scores()];
        for (i, share) in self.shares.iter().enumerate() {
            add(&mut scores, &self.members.scores(i, &batch)?, *share);
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
        self.members.save_into(Artifact::of::<Self>(&json!({ "shares": self.shares }))?)
    }
}

fn add(sum: &mut [f64], scores: &[f64], share: f64) {
    for (sum, score) in sum.iter_mut().zip(scores) {
        *sum += share * score;
    }
}

impl RowModel for VotingModel {
    /// Allocates nothing up to 64 inputs and 16 scores, two small buffers beyond.
    fn score_row(&self, row: &[Value<'_>], scratch: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        scores.fill(0.0);
        self.members.each_score(row, scratch, |i, answer| add(scores, answer, self.shares[i]))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    shares: Vec<f64>,
}

impl Load for VotingModel {
    const KIND: &'static str = "voting_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let State { shares } = artifact.state()?;
        let fitting = (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9;
        if !fitting {
            return Err(Error::corrupt("the shares of the members do not add up to 1"));
        }
        let model = Self::new(load_parts(artifact, codecs)?, shares.clone());
        // Kept as they were written, so that the answers stay equal to the last bit.
        Ok(Self { shares, ..model.map_err(corrupt)? })
    }
}
