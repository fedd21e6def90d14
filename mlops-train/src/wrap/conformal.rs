use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::random::SplitMix64;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Recipe, Result, ResultExt, RowModel, Run, Scratch, Signature, Spec,
    Table, Task, Trainer, Value,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::decided::DecidedModel;
use crate::members::{Members, corrupt, finite_scores, load_parts, read_settings, scores_of, signature_on, whole};
use crate::training::{Labels, Target};

/// Answers with a promise: intervals that hold the truth, or sets of classes that contain it, for
/// [`coverage`](Self::new) of the rows, whatever the recipe inside, as long as rows to come are like those
/// of training (split conformal prediction).
///
/// A share of the rows, drawn by the seed, is held back from the fit and says how far off the model is:
///
/// | the recipe answers | what is given | by |
/// | --- | --- | --- |
/// | a number | a [`Task::Interval`] of one width | the absolute residuals |
/// | an interval, or with [`with_quantiles`](Self::with_quantiles) | a [`Task::Interval`] of a width that depends on the row | conformalised quantile regression (Romano, Patterson and Candès 2019) |
/// | classes | `predict_set` ([`Decision::set_from`](mlops_core::Decision::set_from)) | one minus the probability of the true class (LAC; Sadinle, Lei and Wasserman 2019) |
///
/// The promise is about rows, each counting once: weights matter to the fit alone.
///
/// # Example
/// ```
/// # #[cfg(feature = "linear")] {
/// use mlops_core::{Role, Run, Table, Task, Trainer};
/// use mlops_train::{Conformal, LinearRegression};
///
/// let batch = arrow::array::record_batch!(
///     ("km", Float64, [1.0, 2.0, 4.0, 5.0, 7.0, 8.0, 9.0, 10.0]),
///     ("minutes", Float64, [5.0, 7.5, 11.0, 13.2, 17.0, 18.8, 21.0, 23.0])
/// )?;
/// let trips = Table::from_batch(batch.clone()).with_role("minutes", Role::Target)?;
/// let recipe = Conformal::new(LinearRegression::new(), 0.75).with_calibration(0.5);
/// let model = recipe.fit(&trips, &Run::default())?;
/// assert_eq!(model.signature().task, Task::Interval { coverage: 0.75 });
/// assert_eq!(model.predict(&batch)?.num_columns(), 2);
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Conformal {
    trainer: Box<dyn Trainer>,
    quantiles: Option<[Box<dyn Trainer>; 2]>,
    coverage: f64,
    calibration: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trainer: Spec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantiles: Option<[Spec; 2]>,
    coverage: f64,
    #[serde(default = "quarter")]
    calibration: f64,
}

fn quarter() -> f64 {
    0.25
}

impl Conformal {
    pub(crate) const KIND: &'static str = "conformal";

    /// Right about this share of the rows; a quarter of the training rows is held back to make sure.
    pub fn new(trainer: impl Trainer, coverage: f64) -> Self {
        Self { trainer: Box::new(trainer), quantiles: None, coverage, calibration: quarter() }
    }

    /// With bounds by two recipes of their own, which learn a low and a high quantile of the target.
    #[must_use]
    pub fn with_quantiles(mut self, lower: impl Trainer, upper: impl Trainer) -> Self {
        self.quantiles = Some([Box::new(lower), Box::new(upper)]);
        self
    }

    /// With another share of the rows held back: above 0 and below 1.
    #[must_use]
    pub fn with_calibration(mut self, share: f64) -> Self {
        self.calibration = share;
        self
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let Settings { trainer, quantiles, coverage, calibration } = read_settings(settings, "a conformal recipe")?;
        let quantiles = match quantiles {
            Some([lower, upper]) => Some([codecs.trainer(&lower)?, codecs.trainer(&upper)?]),
            None => None,
        };
        Ok(Box::new(Self { trainer: codecs.trainer(&trainer)?, quantiles, coverage, calibration }))
    }

    fn check(&self) -> Result<()> {
        let share = |x: f64| x > 0.0 && x < 1.0;
        if share(self.coverage) && share(self.calibration) {
            return Ok(());
        }
        Err(Error::config(format!(
            "a conformal recipe with a coverage of {} and {} of the rows held back: both must be above 0 and below 1",
            self.coverage, self.calibration
        )))
    }

    /// The rows to learn from and those held back, both ascending.
    fn split(&self, rows: usize, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
        let held_back = (rows as f64 * self.calibration).round() as usize;
        let needed = self.rank(held_back);
        if held_back == 0 || held_back >= rows || needed > held_back {
            let least = (self.coverage / (1.0 - self.coverage)).ceil().max(1.0);
            return Err(Error::data(format!(
                "{held_back} of {rows} rows are held back, but a coverage of {} takes at least {least}: bring more \
                 rows, or hold back a greater share",
                self.coverage
            )));
        }
        let mut order: Vec<usize> = (0..rows).collect();
        SplitMix64::new(seed).shuffle(&mut order);
        let (calibration, train) = order.split_at_mut(held_back);
        calibration.sort_unstable();
        train.sort_unstable();
        Ok((train.to_vec(), calibration.to_vec()))
    }

    /// Which of `n` scores, in order, bounds the next one as often as was asked for, from 1.
    fn rank(&self, n: usize) -> usize {
        // A hair less than (n + 1) · coverage, which may lie a rounding error above a whole number.
        (((n + 1) as f64 * self.coverage) * (1.0 - 1e-12)).ceil().max(1.0) as usize
    }

    /// The bound of nonconformity: the `rank`-th least.
    fn bound(&self, mut scores: Vec<f64>) -> f64 {
        scores.sort_unstable_by(f64::total_cmp);
        scores[self.rank(scores.len()) - 1]
    }
}

impl Recipe for Conformal {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let quantiles = match &self.quantiles {
            Some([lower, upper]) => Some([lower.to_spec()?, upper.to_spec()?]),
            None => None,
        };
        let (coverage, calibration) = (self.coverage, self.calibration);
        Ok(serde_json::to_value(Settings { trainer: self.trainer.to_spec()?, quantiles, coverage, calibration })?)
    }
}

impl Trainer for Conformal {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        self.check()?;
        let labels = Labels::read(data)?;
        let table = whole(data)?;
        let (train, held_back) = self.split(table.num_rows(), run.seed)?;
        let part =
            |rows: &[usize], side: u8| Ok::<_, Error>(table.take(rows)?.with_part_of(&table, "conformal", [side]));
        let (train, calibration) = (part(&train, 0)?, part(&held_back, 1)?.to_batch()?);
        let model = self.trainer.fit(&train, run)?;
        run.check()?;
        match &labels.target {
            Target::Classes(target) => {
                let truth = |row: &usize| target[*row];
                self.sets(model, &calibration, held_back.iter().map(truth), &labels.task, data)
            }
            Target::Numbers(target) => {
                let mut models = vec![model];
                for (name, trainer) in ["lower", "upper"].iter().zip(self.quantiles.iter().flatten()) {
                    run.check()?;
                    models.push(trainer.fit(&train, run).context("quantile", name)?);
                }
                let truth: Vec<f64> = held_back.iter().map(|row| target[*row]).collect();
                self.intervals(models, &calibration, &truth, data)
            }
        }
    }
}

impl Conformal {
    fn sets(
        &self,
        model: Arc<dyn Model>,
        rows: &RecordBatch,
        truth: impl Iterator<Item = usize>,
        task: &Task,
        data: &Table,
    ) -> Result<Arc<dyn Model>> {
        if self.quantiles.is_some() {
            return Err(Error::config("quantiles are for numbers, but the target is classes"));
        }
        if model.signature().task != *task {
            return Err(Error::data(
                "a class has no row among those that are learned from: bring more rows of it, or hold back fewer",
            ));
        }
        let width = task.num_scores();
        let scores = finite_scores(model.signature(), rows, scores_of(model.as_ref(), rows))?;
        let of_truth = scores.chunks_exact(width).zip(truth).map(|(p, class)| -p[class]);
        // The bound of minus the probability: no digit is lost.
        let from = -self.bound(of_truth.collect());
        let decision = model.signature().decision.clone().with_set_from(from.clamp(0.0, 1.0));
        Ok(Arc::new(DecidedModel::new(model, decision)?.fitted_on(data)))
    }

    fn intervals(
        &self,
        models: Vec<Arc<dyn Model>>,
        rows: &RecordBatch,
        truth: &[f64],
        data: &Table,
    ) -> Result<Arc<dyn Model>> {
        let (members, inputs) = Members::new(models)?;
        let signature = signature_on(inputs, Task::Interval { coverage: self.coverage }, data);
        let mut model = ConformalModel::new(members, 0.0, signature)?;
        let scores = finite_scores(&model.signature, rows, model.scores(rows))?;
        let beyond = |(row, y): (&[f64], &f64)| (row[1] - y).max(y - row[2]);
        model.margin = self.bound(scores.chunks_exact(3).zip(truth).map(beyond).collect());
        Ok(Arc::new(model))
    }
}

/// A number with the bounds that [`Conformal`] promises.
#[derive(Debug)]
pub struct ConformalModel {
    /// What gives the number, and maybe what gives the bounds.
    members: Members,
    margin: f64,
    signature: Signature,
}

impl ConformalModel {
    fn new(members: Members, margin: f64, signature: Signature) -> Result<Self> {
        let tasks: Vec<&Task> = members.models().iter().map(|model| &model.signature().task).collect();
        match tasks.as_slice() {
            [Task::Regression | Task::Interval { .. }] | [Task::Regression, Task::Regression, Task::Regression] => {}
            _ => {
                return Err(Error::config("a conformal interval needs one model of a number, or three with quantiles"));
            }
        }
        Ok(Self { members, margin, signature })
    }

    /// How far the bounds lie outside of what the model inside says; inside if negative.
    pub fn margin(&self) -> f64 {
        self.margin
    }

    /// The models: of the number, and maybe of the lower and upper quantile.
    pub fn models(&self) -> &[Arc<dyn Model>] {
        self.members.models()
    }

    /// Puts what model `i` says into its place.
    fn put(&self, i: usize, answer: &[f64], scores: &mut [f64]) {
        match (answer, i) {
            ([number], 0) => scores.fill(*number),
            ([bound], i) => scores[i] = *bound,
            (interval, _) => scores.copy_from_slice(interval),
        }
    }

    /// Widens the bounds by the margin. Bounds that cross, before or after (it may be negative), meet.
    fn widen(&self, scores: &mut [f64]) {
        let [_, lower, upper] = scores else { return };
        meet(lower, upper);
        *lower -= self.margin;
        *upper += self.margin;
        meet(lower, upper);
    }

    fn scores(&self, batch: &RecordBatch) -> Result<Vec<f64>> {
        let batch = self.signature.check(batch)?;
        let mut scores = vec![0.0; 3 * batch.num_rows()];
        for i in 0..self.members.models().len() {
            let answers = self.members.scores(i, &batch)?;
            let width = self.members.models()[i].signature().num_scores();
            let rows = scores.chunks_exact_mut(3).zip(answers.chunks_exact(width));
            rows.for_each(|(scores, answer)| self.put(i, answer, scores));
        }
        scores.chunks_exact_mut(3).for_each(|row| self.widen(row));
        Ok(scores)
    }
}

fn meet(lower: &mut f64, upper: &mut f64) {
    if *lower > *upper {
        let middle = 0.5 * *lower + 0.5 * *upper;
        (*lower, *upper) = (middle, middle);
    }
}

impl Model for ConformalModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.signature.answer(self.scores(batch)?)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        self.members.take_rows().then_some(self as _)
    }

    fn save(&self) -> Result<Artifact> {
        let state = State { signature: self.signature.clone(), margin: self.margin };
        self.members.save_into(Artifact::of::<Self>(&state)?)
    }
}

impl RowModel for ConformalModel {
    fn score_row(&self, row: &[Value<'_>], scratch: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        self.members.each_score(row, scratch, |i, answer| self.put(i, answer, scores))?;
        self.widen(scores);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    margin: f64,
}

impl Load for ConformalModel {
    const KIND: &'static str = "conformal_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let State { signature, margin } = artifact.state()?;
        let (members, inputs) = Members::new(load_parts(artifact, codecs)?).map_err(corrupt)?;
        let interval = matches!(signature.task, Task::Interval { .. });
        if inputs != signature.inputs || !interval || !margin.is_finite() {
            return Err(Error::corrupt("the parts of a conformal model do not fit together"));
        }
        Self::new(members, margin, signature).map_err(corrupt)
    }
}
