use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Recipe, Result, RowModel, Run, Scratch, Signature, Spec, Table, Task,
    Trainer, Value,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::platt::Sigmoid;
use crate::isotonic::Curve;
use crate::members::{
    Members, corrupt, divide, fit_folds, gather, load_parts, normalise, plain_folds, read_settings, signature_on,
};
use crate::training::Labels;

/// A classification whose probabilities are corrected by what turned out to be true: scikit-learn's
/// `CalibratedClassifierCV`.
///
/// The recipe is fitted once a fold; what it says of the rows it has not seen fits the correction, one
/// for each class (one in all for two). With [`ensemble`](Self::with_ensemble), the models of all
/// folds are kept, each with its own correction, and averaged; without it, the correction is fitted
/// on the rows of all folds at once and put behind one model fitted on all rows: `cv` fits, or one more.
///
/// Like scikit-learn's for a classifier without `decision_function`, the correction is a function of the
/// probability; for one that has it (logistic regression, support vectors), the log odds
/// ([`CalibrateOn::LogOdds`]) give scikit-learn's numbers, and are the better choice.
///
/// # Example
/// ```
/// # #[cfg(feature = "linear")] {
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::{CalibratedClassifier, CalibrationMethod, LogisticRegression};
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 4.0, 7.0, 1.0, 6.0]),
///     ("late", Boolean, [false, false, true, true, true, false, false, true])
/// )?;
/// let flights = Table::from_batch(batch.clone()).with_role("late", Role::Target)?;
/// let recipe = CalibratedClassifier::new(LogisticRegression::new(), CalibrationMethod::Sigmoid).with_cv(2);
/// let model = recipe.fit(&flights, &Run::default())?;
/// assert_eq!(model.predict(&batch)?.num_rows(), 8);
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct CalibratedClassifier {
    trainer: Box<dyn Trainer>,
    method: CalibrationMethod,
    on: CalibrateOn,
    cv: usize,
    ensemble: bool,
}

/// How scores become probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CalibrationMethod {
    /// Any rising curve, which needs a thousand rows or more.
    Isotonic,
    /// Platt's sigmoid, for few rows.
    #[default]
    Sigmoid,
}

/// What the correction is a function of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CalibrateOn {
    /// The logarithm of the odds of the class.
    LogOdds,
    /// The probability of the class.
    #[default]
    Probability,
}

impl CalibrateOn {
    fn of(self, probability: f64) -> f64 {
        // Beyond these odds a double knows no probability.
        const LEAST: f64 = 1e-300;
        match self {
            Self::LogOdds => probability.max(LEAST).ln() - (1.0 - probability).max(f64::EPSILON / 2.0).ln(),
            Self::Probability => probability,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trainer: Spec,
    #[serde(default)]
    method: CalibrationMethod,
    #[serde(default)]
    on: CalibrateOn,
    #[serde(default = "five")]
    cv: usize,
    #[serde(default = "yes")]
    ensemble: bool,
}

fn five() -> usize {
    5
}

fn yes() -> bool {
    true
}

impl CalibratedClassifier {
    pub(crate) const KIND: &'static str = "calibrated_classifier";

    /// With scikit-learn's defaults: five folds, whose models are all kept.
    pub fn new(trainer: impl Trainer, method: CalibrationMethod) -> Self {
        Self { trainer: Box::new(trainer), method, on: CalibrateOn::default(), cv: five(), ensemble: true }
    }

    /// With another number of folds, at least 2.
    #[must_use]
    pub fn with_cv(mut self, cv: usize) -> Self {
        self.cv = cv;
        self
    }

    /// With the models of all folds averaged, or one model fitted on all rows.
    #[must_use]
    pub fn with_ensemble(mut self, ensemble: bool) -> Self {
        self.ensemble = ensemble;
        self
    }

    /// Correcting something else than the probability.
    #[must_use]
    pub fn with_on(mut self, on: CalibrateOn) -> Self {
        self.on = on;
        self
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let Settings { trainer, method, on, cv, ensemble } = read_settings(settings, "a calibrated classifier")?;
        Ok(Box::new(Self { trainer: codecs.trainer(&trainer)?, method, on, cv, ensemble }))
    }

    /// One calibrator a class, or one in all, fitted on the scores of rows.
    fn calibrate(&self, labels: &Labels, rows: &[usize], scores: &[f64]) -> Result<Vec<Calibrator>> {
        let (classes, target) = labels.classes("a calibrated classifier")?;
        let width = classes.len();
        let of_class = |class: usize| {
            let points =
                rows.iter().enumerate().filter(|(_, row)| labels.weight(**row) > 0.0).map(|(i, row)| {
                    (self.on.of(scores[i * width + class]), target[*row] == class, labels.weight(*row))
                });
            Calibrator::fit(self.method, points)
        };
        if width == 2 { Ok(vec![of_class(1)?]) } else { (0..width).map(of_class).collect() }
    }
}

impl Recipe for CalibratedClassifier {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let Self { trainer, method, on, cv, ensemble } = self;
        let settings = Settings { trainer: trainer.to_spec()?, method: *method, on: *on, cv: *cv, ensemble: *ensemble };
        Ok(serde_json::to_value(settings)?)
    }
}

impl Trainer for CalibratedClassifier {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        let labels = Labels::read(data)?;
        let (classes, _) = labels.classes("a calibrated classifier")?;
        let width = classes.len();
        let folds = plain_folds(&labels, data.num_rows(), self.cv)?;
        let fits = fit_folds(self.trainer.as_ref(), data, &labels.task, folds, run)?;
        let mut models = Vec::new();
        let mut calibrators = Vec::new();
        if self.ensemble {
            for fit in fits {
                if fit.model.signature().task != labels.task {
                    return Err(Error::data(
                        "a class is missing from the training rows of a fold: use fewer folds, or \
                         with_ensemble(false)",
                    ));
                }
                calibrators.push(self.calibrate(&labels, &fit.test, &fit.scores)?);
                models.push(fit.model);
            }
        } else {
            let rows: Vec<usize> = (0..data.num_rows()).collect();
            calibrators.push(self.calibrate(&labels, &rows, &gather(&fits, rows.len(), width))?);
            models.push(self.trainer.fit(data, run)?);
        }
        let (members, inputs) = Members::new(models)?;
        let signature = signature_on(inputs, labels.task, data);
        Ok(Arc::new(CalibratedModel { members, calibrators, on: self.on, signature }))
    }
}

/// Turns a score into a probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Calibrator {
    Isotonic(Curve),
    Sigmoid(Sigmoid),
}

impl Calibrator {
    fn fit(method: CalibrationMethod, points: impl Iterator<Item = (f64, bool, f64)>) -> Result<Self> {
        let points: Vec<_> = points.collect();
        if points.is_empty() {
            return Err(Error::data("no rows of a weight above 0 in a fold: there is nothing to calibrate on"));
        }
        Ok(match method {
            CalibrationMethod::Sigmoid => Self::Sigmoid(Sigmoid::fit(&points)),
            CalibrationMethod::Isotonic => {
                let truth = |(score, class, weight): (f64, bool, f64)| (score, f64::from(u8::from(class)), weight);
                Self::Isotonic(Curve::fit(points.into_iter().map(truth), true))
            }
        })
    }

    fn at(&self, score: f64) -> f64 {
        match self {
            Self::Isotonic(curve) => curve.at(score),
            Self::Sigmoid(sigmoid) => sigmoid.at(score),
        }
    }

    fn check(&self) -> Result<()> {
        match self {
            Self::Isotonic(curve) => curve.check(),
            Self::Sigmoid(sigmoid) if sigmoid.is_finite() => Ok(()),
            Self::Sigmoid(_) => Err(Error::corrupt("the coefficients of a sigmoid are finite")),
        }
    }
}

/// A fitted [`CalibratedClassifier`].
#[derive(Debug)]
pub struct CalibratedModel {
    members: Members,
    /// For each member one calibrator a class, or one in all of two classes.
    calibrators: Vec<Vec<Calibrator>>,
    on: CalibrateOn,
    signature: Signature,
}

impl CalibratedModel {
    /// The models before their correction.
    pub fn models(&self) -> &[Arc<dyn Model>] {
        self.members.models()
    }

    /// Corrects the probabilities of member `i` for one row, in place.
    fn correct(&self, i: usize, scores: &mut [f64]) {
        match (self.calibrators[i].as_slice(), scores) {
            ([only], [negative, positive]) => {
                *positive = only.at(self.on.of(*positive));
                *negative = 1.0 - *positive;
            }
            (calibrators, scores) => {
                calibrators.iter().zip(&mut *scores).for_each(|(c, score)| *score = c.at(self.on.of(*score)));
                normalise(scores);
            }
        }
    }

    fn add(&self, i: usize, sum: &mut [f64], scores: &mut [f64]) {
        self.correct(i, scores);
        sum.iter_mut().zip(scores).for_each(|(sum, score)| *sum += *score);
    }
}

impl Model for CalibratedModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = self.signature.check(batch)?;
        let width = self.signature.num_scores();
        let mut sums = vec![0.0; batch.num_rows() * width];
        for i in 0..self.calibrators.len() {
            let mut scores = self.members.scores(i, &batch)?;
            for (sum, scores) in sums.chunks_exact_mut(width).zip(scores.chunks_exact_mut(width)) {
                self.add(i, sum, scores);
            }
        }
        divide(&mut sums, self.calibrators.len());
        self.signature.answer(sums)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        self.members.take_rows().then_some(self as _)
    }

    fn save(&self) -> Result<Artifact> {
        let state = State { signature: self.signature.clone(), on: self.on, calibrators: self.calibrators.clone() };
        self.members.save_into(Artifact::of::<Self>(&state)?)
    }
}

impl RowModel for CalibratedModel {
    fn score_row(&self, row: &[Value<'_>], scratch: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        scores.fill(0.0);
        self.members.each_score(row, scratch, |i, answer| self.add(i, scores, answer))?;
        divide(scores, self.calibrators.len());
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    on: CalibrateOn,
    calibrators: Vec<Vec<Calibrator>>,
}

impl Load for CalibratedModel {
    const KIND: &'static str = "calibrated_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let State { signature, on, calibrators } = artifact.state()?;
        let (members, inputs) = Members::new(load_parts(artifact, codecs)?).map_err(corrupt)?;
        let Task::Classification { classes } = &signature.task else {
            return Err(Error::corrupt("a calibrated model answers classes"));
        };
        let wanted = if classes.len() == 2 { 1 } else { classes.len() };
        let fits = inputs == signature.inputs
            && !calibrators.is_empty()
            && members.models().len() == calibrators.len()
            && members.models().iter().all(|model| model.signature().task == signature.task)
            && calibrators.iter().all(|calibrators| calibrators.len() == wanted);
        if !fits {
            return Err(Error::corrupt("the members and the calibrators of a calibrated model do not fit together"));
        }
        calibrators.iter().flatten().try_for_each(Calibrator::check)?;
        Ok(Self { members, calibrators, on, signature })
    }
}
