use arrow::array::RecordBatch;
use mlops_core::columns::to_matrix;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Incremental, Load, Model, Result, RowModel, Run, Signature, Table, Task,
    predict_dense,
};
use serde::{Deserialize, Serialize};

use super::discrete::{Categories, CategoryTable, Counts, LinearTable};
use super::gaussian::{Gaussian, GaussianTable};
use crate::training::{TrainingSet, weights_of};

/// A fitted naive Bayes classifier of any kind; it [can go on learning](Incremental).
///
/// Probabilities are those of Bayes' rule, normalised over the classes.
#[derive(Clone, Debug)]
pub struct NaiveBayesModel {
    signature: Signature,
    learned: Learned,
    /// `None` for the shares of the classes in training.
    given_priors: Option<Vec<f64>>,
    /// What follows from all that, for answering.
    table: TableOf,
}

/// Sums over rows, which more rows can be added to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Learned {
    Categories(Categories),
    Counts(Counts),
    Gaussian(Gaussian),
}

#[derive(Clone, Debug)]
enum TableOf {
    Categories(CategoryTable),
    Counts(LinearTable),
    Gaussian(GaussianTable),
}

/// The logarithms of the classes' shares.
#[derive(Debug)]
pub(super) struct Priors {
    pub(super) log: Vec<f64>,
}

/// Rows to learn from.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) matrix: &'a [f64],
    pub(super) width: usize,
    pub(super) names: Vec<&'a str>,
    pub(super) target: &'a [usize],
    pub(super) weights: Option<&'a [f64]>,
}

impl Batch<'_> {
    pub(super) fn rows(&self) -> usize {
        self.target.len()
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.matrix[row * self.width..][..self.width]
    }

    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    pub(super) fn negative(&self, row: usize, feature: usize) -> Error {
        Error::data(format!(
            "feature '{}' is {} in row {}: counts of at least 0 are needed, scale it first (MinMaxScaler) or use GaussianNb",
            self.names[feature],
            self.row(row)[feature],
            row + 1
        ))
    }
}

impl Learned {
    fn learn(&mut self, batch: &Batch<'_>) -> Result<()> {
        match self {
            Self::Categories(categories) => categories.learn(batch),
            Self::Counts(counts) => counts.learn(batch),
            Self::Gaussian(gaussian) => {
                gaussian.learn(batch);
                Ok(())
            }
        }
    }

    fn priors(&self, given: Option<&[f64]>) -> Priors {
        let counts = match self {
            Self::Categories(categories) => categories.counts(),
            Self::Counts(counts) => counts.counts(),
            Self::Gaussian(gaussian) => gaussian.counts(),
        };
        let total: f64 = counts.iter().sum();
        let shares = given.map_or_else(|| counts.iter().map(|count| count / total).collect(), <[f64]>::to_vec);
        Priors { log: shares.into_iter().map(f64::ln).collect() }
    }

    fn table(&self, priors: &Priors) -> TableOf {
        match self {
            Self::Categories(categories) => TableOf::Categories(categories.table(priors)),
            Self::Counts(counts) => TableOf::Counts(counts.table(priors)),
            Self::Gaussian(gaussian) => TableOf::Gaussian(gaussian.table(priors)),
        }
    }

    fn fits(&self, classes: usize, width: usize) -> bool {
        match self {
            Self::Categories(categories) => categories.fits(classes, width),
            Self::Counts(counts) => counts.fits(classes, width),
            Self::Gaussian(gaussian) => gaussian.fits(classes, width),
        }
    }
}

impl NaiveBayesModel {
    /// Learns from a training set, by sums that are still empty.
    pub(super) fn learn(
        set: TrainingSet,
        recipe: &str,
        priors: Option<Vec<f64>>,
        empty: impl FnOnce(usize, usize) -> Learned,
    ) -> Result<Self> {
        let (classes, target) = set.classes(recipe)?;
        if let Some(priors) = &priors {
            check_priors(priors, classes.len())?;
        }
        let mut learned = empty(classes.len(), set.width());
        learned.learn(&Batch {
            matrix: &set.matrix,
            width: set.width(),
            names: set.signature.input_names(),
            target,
            weights: set.weights.as_deref(),
        })?;
        Self::new(set.signature, learned, priors)
    }

    fn new(signature: Signature, learned: Learned, given_priors: Option<Vec<f64>>) -> Result<Self> {
        let table = learned.table(&learned.priors(given_priors.as_deref()));
        let finite = match &table {
            TableOf::Categories(table) => table.is_finite(),
            TableOf::Counts(table) => table.is_finite(),
            TableOf::Gaussian(table) => table.is_finite(),
        };
        if !finite {
            return Err(Error::data(
                "a class leaves no room for what it has not shown: smooth more (alpha or var_smoothing above 0), and \
                 leave out features that are constant",
            ));
        }
        Ok(Self { signature, learned, given_priors, table })
    }

    fn score(&self, row: &[f64], class: usize) -> f64 {
        match &self.table {
            TableOf::Categories(table) => table.score(row, class),
            TableOf::Counts(table) => table.score(row, class),
            TableOf::Gaussian(table) => table.score(row, class),
        }
    }
}

/// Probabilities from the logarithms of their proportions.
fn exponentiate(scores: &mut [f64]) {
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - greatest).exp()).sum();
    let log_sum = greatest + sum.ln();
    scores.iter_mut().for_each(|score| *score = (*score - log_sum).exp());
}

fn check_priors(priors: &[f64], classes: usize) -> Result<()> {
    let sum: f64 = priors.iter().sum();
    if priors.len() == classes && priors.iter().all(|p| *p > 0.0) && (sum - 1.0).abs() < 1e-9 {
        return Ok(());
    }
    Err(Error::config(format!("priors {priors:?}: {classes} shares above 0 that add up to 1 are needed, one a class")))
}

impl Model for NaiveBayesModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        predict_dense(&self.signature, self, batch)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(&State {
            signature: self.signature.clone(),
            learned: self.learned.clone(),
            priors: self.given_priors.clone(),
        })
    }
}

impl Dense for NaiveBayesModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        for (class, score) in scores.iter_mut().enumerate() {
            *score = self.score(row, class);
        }
        exponentiate(scores);
    }
}

impl Incremental for NaiveBayesModel {
    fn partial_fit(&mut self, data: &Table, run: &Run) -> Result<()> {
        run.check()?;
        let Task::Classification { classes } = &self.signature.task else {
            return Err(Error::internal("naive Bayes answers classes"));
        };
        let rows = self.signature.check(&data.to_batch()?)?;
        let names = self.signature.input_names();
        let matrix = to_matrix(&rows, &names)?;
        if let Some(at) = matrix.iter().position(|x| !x.is_finite()) {
            return Err(Error::data(format!(
                "feature '{}' is {} in row {}: impute or filter first",
                names[at % names.len()],
                matrix[at],
                at / names.len() + 1
            )));
        }
        let target = classes.indices(&data.column(data.target()?.name())?)?;
        let weights = weights_of(data)?;
        let batch = Batch { matrix: &matrix, width: names.len(), names, target: &target, weights: weights.as_deref() };
        let mut learned = self.learned.clone();
        learned.learn(&batch)?;
        let mut signature = self.signature.clone();
        signature.fitted_on.extend(&data.fitting_provenance());
        *self = Self::new(signature, learned, self.given_priors.clone())?;
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    learned: Learned,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    priors: Option<Vec<f64>>,
}

impl Load for NaiveBayesModel {
    const KIND: &'static str = "naive_bayes_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, learned, priors } = artifact.state()?;
        let Task::Classification { classes } = &signature.task else {
            return Err(Error::corrupt("naive Bayes answers classes"));
        };
        let (classes, width) = (classes.len(), signature.inputs.len());
        let fits = width > 0 && learned.fits(classes, width);
        if !fits || priors.as_ref().is_some_and(|priors| check_priors(priors, classes).is_err()) {
            return Err(Error::corrupt("the sums of naive Bayes do not fit its inputs and classes"));
        }
        Self::new(signature, learned, priors).map_err(crate::members::corrupt)
    }
}
