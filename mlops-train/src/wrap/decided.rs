use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::{
    Artifact, Codecs, Decision, Dense, Error, Load, Model, Recipe, Result, RowModel, Rule, Run, Signature, Spec, Table,
    Task, Trainer,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::threshold::{ThresholdScore, best_threshold};
use crate::members::{corrupt, fit_folds, plain_folds, read_settings, scores_of};
use crate::training::Labels;

/// A classification whose class is chosen by a rule that is known: a threshold, or what each mistake
/// costs. Scikit-learn's `FixedThresholdClassifier`.
///
/// Probabilities stay as they are; [`Signature::decision`] carries the rule, so that a server chooses by
/// it too.
///
/// # Example
/// ```
/// # #[cfg(feature = "linear")] {
/// use mlops_core::{Role, Rule, Run, Table, Trainer};
/// use mlops_train::{FixedThreshold, LogisticRegression};
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 4.0, 7.0]),
///     ("late", Boolean, [false, false, true, true, true, false])
/// )?;
/// let flights = Table::from_batch(batch).with_role("late", Role::Target)?;
/// let early_warning = FixedThreshold::new(LogisticRegression::new(), 0.2);
/// let model = early_warning.fit(&flights, &Run::default())?;
/// assert_eq!(model.signature().decision.rule, Rule::Threshold(0.2));
/// // A delay that nobody was told of costs five times as much as a false alarm.
/// let costs = FixedThreshold::by_costs(LogisticRegression::new(), vec![vec![0.0, 1.0], vec![5.0, 0.0]]);
/// # costs.fit(&flights, &Run::default())?;
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct FixedThreshold {
    trainer: Box<dyn Trainer>,
    rule: Rule,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FixedSettings {
    trainer: Spec,
    rule: Rule,
}

impl FixedThreshold {
    pub(crate) const KIND: &'static str = "fixed_threshold";

    /// Of two classes the second, if it is at least so probable.
    pub fn new(trainer: impl Trainer, threshold: f64) -> Self {
        Self { trainer: Box::new(trainer), rule: Rule::Threshold(threshold) }
    }

    /// The class of least expected cost: `costs[i][j]` is what it costs to choose class `j` where class
    /// `i` is true.
    pub fn by_costs(trainer: impl Trainer, costs: Vec<Vec<f64>>) -> Self {
        Self { trainer: Box::new(trainer), rule: Rule::Costs(costs) }
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let FixedSettings { trainer, rule } = read_settings(settings, "a fixed threshold")?;
        Ok(Box::new(Self { trainer: codecs.trainer(&trainer)?, rule }))
    }
}

impl Recipe for FixedThreshold {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let settings = FixedSettings { trainer: self.trainer.to_spec()?, rule: self.rule.clone() };
        Ok(serde_json::to_value(settings)?)
    }
}

impl Trainer for FixedThreshold {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        let model = self.trainer.fit(data, run)?;
        let decision = keep_set(model.as_ref(), Decision::by(self.rule.clone()));
        Ok(Arc::new(DecidedModel::new(model, decision)?))
    }
}

/// A set that the model gives already stays.
fn keep_set(model: &dyn Model, decision: Decision) -> Decision {
    match model.signature().decision.set_from {
        Some(from) => decision.with_set_from(from),
        None => decision,
    }
}

/// A classification of two classes whose threshold is found on rows the model has not seen:
/// scikit-learn's `TunedThresholdClassifierCV`.
///
/// The recipe is fitted once a fold. For 100 thresholds from the least to the greatest probability of
/// the fold's rows the [`ThresholdScore`] is taken; the curves of all folds are averaged, and the first
/// best threshold is put behind a model that is fitted on all rows.
///
/// # Example
/// ```
/// # #[cfg(feature = "linear")] {
/// use mlops_core::{Role, Rule, Run, Table, Trainer};
/// use mlops_train::{LogisticRegression, ThresholdScore, TunedThreshold};
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 4.0, 7.0, 1.0, 6.0]),
///     ("late", Boolean, [false, false, true, true, true, false, false, true])
/// )?;
/// let flights = Table::from_batch(batch).with_role("late", Role::Target)?;
/// let costs = ThresholdScore::Costs { false_positive: 1.0, false_negative: 5.0 };
/// let model = TunedThreshold::new(LogisticRegression::new(), costs).with_cv(2).fit(&flights, &Run::default())?;
/// assert!(matches!(model.signature().decision.rule, Rule::Threshold(t) if t < 0.5));
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct TunedThreshold {
    trainer: Box<dyn Trainer>,
    score: ThresholdScore,
    cv: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TunedSettings {
    trainer: Spec,
    score: ThresholdScore,
    #[serde(default = "five")]
    cv: usize,
}

fn five() -> usize {
    5
}

impl TunedThreshold {
    pub(crate) const KIND: &'static str = "tuned_threshold";

    /// By `score`, on five folds.
    pub fn new(trainer: impl Trainer, score: ThresholdScore) -> Self {
        Self { trainer: Box::new(trainer), score, cv: five() }
    }

    /// With another number of folds, at least 2.
    #[must_use]
    pub fn with_cv(mut self, cv: usize) -> Self {
        self.cv = cv;
        self
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let TunedSettings { trainer, score, cv } = read_settings(settings, "a tuned threshold")?;
        Ok(Box::new(Self { trainer: codecs.trainer(&trainer)?, score, cv }))
    }
}

impl Recipe for TunedThreshold {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let settings = TunedSettings { trainer: self.trainer.to_spec()?, score: self.score.clone(), cv: self.cv };
        Ok(serde_json::to_value(settings)?)
    }
}

impl Trainer for TunedThreshold {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        let labels = Labels::read(data)?;
        let (classes, target) = labels.classes("a tuned threshold")?;
        if classes.len() != 2 {
            return Err(Error::schema(format!(
                "a threshold tells two classes apart, the target has {}: use FixedThreshold::by_costs",
                classes.len()
            )));
        }
        self.score.check()?;
        let folds = plain_folds(&labels, data.num_rows(), self.cv)?;
        let fits = fit_folds(self.trainer.as_ref(), data, &labels.task, folds, run)?;
        let curves = fits.iter().map(|fit| {
            let scores = fit.test.iter().zip(fit.scores.chunks_exact(2));
            scores.map(|(row, p)| (p[1], target[*row] == 1, labels.weight(*row))).collect::<Vec<_>>()
        });
        let threshold = best_threshold(&curves.collect::<Vec<_>>(), &self.score)?;
        let model = self.trainer.fit(data, run)?;
        let decision = keep_set(model.as_ref(), Decision::by(Rule::Threshold(threshold)));
        Ok(Arc::new(DecidedModel::new(model, decision)?))
    }
}

/// A model whose class is chosen another way: what [`FixedThreshold`], [`TunedThreshold`] and a conformal
/// classification give. Its scores are those of the model inside.
#[derive(Debug)]
pub struct DecidedModel {
    model: Arc<dyn Model>,
    signature: Signature,
}

impl DecidedModel {
    pub(super) fn new(model: Arc<dyn Model>, decision: Decision) -> Result<Self> {
        let signature = model.signature().clone();
        if !matches!(signature.task, Task::Classification { .. }) {
            return Err(Error::schema("a decision is between classes, but the model does not answer classes"));
        }
        Ok(Self { model, signature: signature.with_decision(decision)? })
    }

    /// With more rows that mattered.
    pub(super) fn fitted_on(mut self, data: &Table) -> Self {
        self.signature.fitted_on.extend(&data.fitting_provenance());
        self
    }

    /// The model inside.
    pub fn model(&self) -> &Arc<dyn Model> {
        &self.model
    }
}

impl Model for DecidedModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.signature.answer(scores_of(self.model.as_ref(), batch)?)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        self.model.dense()
    }

    fn row(&self) -> Option<&dyn RowModel> {
        self.model.row()
    }

    fn importances(&self) -> Option<Vec<Vec<f64>>> {
        self.model.importances()
    }

    fn save(&self) -> Result<Artifact> {
        Ok(Artifact::of::<Self>(&State { signature: self.signature.clone() })?.with_part(self.model.save()?))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
}

impl Load for DecidedModel {
    const KIND: &'static str = "decided_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let State { signature } = artifact.state()?;
        let [part] = artifact.parts.as_slice() else {
            return Err(Error::corrupt(format!("a decision is about 1 model, not {}", artifact.parts.len())));
        };
        let model = codecs.model(part)?;
        let inner = model.signature();
        if inner.inputs != signature.inputs || inner.task != signature.task {
            return Err(Error::corrupt("a decision about another model than the one inside"));
        }
        let decided = Self::new(model, signature.decision.clone()).map_err(corrupt)?;
        Ok(Self { signature, ..decided })
    }
}
