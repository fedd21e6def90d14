use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::progress::Progress;
use mlops_core::random::SplitMix64;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Named, Result, RowModel, Run, Signature, Table, Task, Trainer,
    predict_dense,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::covariance::{Covariance, Factor, Spread};
use super::lloyd::{lloyd, squared_distance};
use super::seeding::{ROWS, k_means_plus_plus};
use crate::training::Unlabelled;

/// Groups that are normally distributed, found by expectation and maximisation: scikit-learn's
/// `GaussianMixture`.
///
/// Begun at the groups of k-means. A score is the probability that a row is of the group. Every step is a
/// pass over the rows on all cores of the [`Run`], the same for any number of them. Rows count by their
/// weight.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table};
/// use mlops_train::GaussianMixture;
///
/// let batch = arrow::array::record_batch!(("x", Float64, [0.0, 0.2, 0.1, 5.0, 5.2, 5.1]))?;
/// let model = GaussianMixture::new(2).learn(&Table::from_batch(batch), &Run::default())?;
/// assert!(model.converged() && model.weights().iter().all(|w| (w - 0.5).abs() < 1e-6));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GaussianMixture {
    /// How many groups.
    pub n_components: usize,
    /// What the groups' spread may look like.
    pub covariance: Covariance,
    /// What is added to every variance, so that none is 0.
    pub reg_covar: f64,
    /// How often to begin anew; the likeliest result is kept.
    pub n_init: usize,
    /// At most so many steps. If they do not suffice the fit warns and gives what it has.
    pub max_iter: usize,
    /// It is done when a step gains no more of the mean log likelihood.
    pub tol: f64,
    /// The first means, instead of those of k-means: one list a group. It begins once, with every row in
    /// the group of the nearest.
    pub means_init: Option<Vec<Vec<f64>>>,
}

impl Default for GaussianMixture {
    fn default() -> Self {
        Self {
            n_components: 1,
            covariance: Covariance::Full,
            reg_covar: 1e-6,
            n_init: 1,
            max_iter: 100,
            tol: 1e-3,
            means_init: None,
        }
    }
}

impl Named for GaussianMixture {
    const KIND: &'static str = "gaussian_mixture";
}

impl GaussianMixture {
    /// With scikit-learn's defaults.
    pub fn new(n_components: usize) -> Self {
        Self { n_components, ..Self::default() }
    }

    /// With a spread of another form.
    #[must_use]
    pub fn with_covariance(mut self, covariance: Covariance) -> Self {
        self.covariance = covariance;
        self
    }

    /// With something else added to every variance.
    #[must_use]
    pub fn with_reg_covar(mut self, reg_covar: f64) -> Self {
        self.reg_covar = reg_covar;
        self
    }

    /// Begun more often.
    #[must_use]
    pub fn with_n_init(mut self, n_init: usize) -> Self {
        self.n_init = n_init;
        self
    }

    /// With another limit of steps.
    #[must_use]
    pub fn with_max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// With another tolerance.
    #[must_use]
    pub fn with_tol(mut self, tol: f64) -> Self {
        self.tol = tol;
        self
    }

    /// Begun once, with every row in the group of the nearest of these means.
    #[must_use]
    pub fn with_means_init(mut self, means: Vec<Vec<f64>>) -> Self {
        self.n_components = means.len();
        self.means_init = Some(means);
        self
    }

    /// As [`Trainer::fit`], with the type of the model.
    ///
    /// # Errors
    /// As [`Trainer::fit`], without a target; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for
    /// settings out of range, [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for fewer rows than groups,
    /// or a group whose spread is degenerate.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<GaussianMixtureModel> {
        run.check()?;
        self.check()?;
        run.install(|| self.learn_here(data, run))?
    }

    fn check(&self) -> Result<()> {
        let positive = |x: f64| x.is_finite() && x >= 0.0;
        let counts = self.n_components > 0 && self.n_init > 0 && self.max_iter > 0;
        if counts && self.n_components <= Task::MAX_CLUSTERS && positive(self.tol) && positive(self.reg_covar) {
            return Ok(());
        }
        Err(Error::config(format!(
            "a mixture with n_components = {}, n_init = {}, max_iter = {}, tol = {} and reg_covar = {}: counts must be \
             above 0, the others at least 0 and finite",
            self.n_components, self.n_init, self.max_iter, self.tol, self.reg_covar
        )))
    }

    fn learn_here(&self, data: &Table, run: &Run) -> Result<GaussianMixtureModel> {
        let set = Unlabelled::read(data)?;
        if set.rows < self.n_components {
            return Err(Error::data(format!(
                "{} rows of a weight above 0 make no {} groups: ask for fewer, or bring more rows",
                set.rows, self.n_components
            )));
        }
        let begin = |i: u64| -> Result<Vec<f64>> {
            match &self.means_init {
                Some(means) if means.iter().all(|m| m.len() == set.width()) => Ok(means.concat()),
                Some(_) => Err(Error::config(format!("the first means: lists of {} numbers are needed", set.width()))),
                None => {
                    let seed = SplitMix64::stream(run.seed, i).next_u64();
                    let centres = k_means_plus_plus(&set, self.n_components, seed, run)?;
                    Ok(lloyd(&set, centres, 300, 0.0, run)?.centres)
                }
            }
        };
        let beginnings = if self.means_init.is_some() { 1 } else { self.n_init as u64 };
        let mut best: Option<(Mixture, Outcome)> = None;
        for i in 0..beginnings {
            let found = self.climb(&set, &begin(i)?, run)?;
            if best.as_ref().is_none_or(|best| found.1.log_likelihood > best.1.log_likelihood) {
                best = Some(found);
            }
        }
        let (mixture, outcome) = best.ok_or_else(|| Error::internal("a mixture was never begun"))?;
        if !outcome.converged {
            tracing::warn!(iterations = outcome.iterations, "the mixture did not converge: raise max_iter or tol");
        }
        GaussianMixtureModel::new(set.signature(self.n_components)?, mixture, outcome)
    }

    /// Expectation and maximisation from groups around centres.
    fn climb(&self, set: &Unlabelled, centres: &[f64], run: &Run) -> Result<(Mixture, Outcome)> {
        let progress = Progress::start("fit: iterations", None);
        let mut mixture = self.maximise(set, &nearest(set, centres), run)?;
        let mut outcome = Outcome { log_likelihood: f64::NEG_INFINITY, iterations: 0, converged: false };
        while outcome.iterations < self.max_iter && !outcome.converged {
            run.check()?;
            let (responsibilities, log_likelihood) = expect(set, &mixture.factors()?);
            mixture = self.maximise(set, &responsibilities, run)?;
            outcome.iterations += 1;
            outcome.converged = (log_likelihood - outcome.log_likelihood).abs() < self.tol;
            outcome.log_likelihood = log_likelihood;
            progress.advance(1);
        }
        Ok((mixture, outcome))
    }

    /// The mixture that these responsibilities make likeliest.
    fn maximise(&self, set: &Unlabelled, responsibilities: &[f64], run: &Run) -> Result<Mixture> {
        let (width, k) = (set.width(), self.n_components);
        let sums = fold(set, k * (1 + width), |row, sums| {
            for (group, share) in responsibilities[row * k..][..k].iter().enumerate() {
                let share = share * set.weight(row);
                sums[group] += share;
                let of_group = &mut sums[k + group * width..][..width];
                of_group.iter_mut().zip(set.row(row)).for_each(|(sum, x)| *sum += share * x);
            }
        });
        // A group without rows keeps a weight that can be divided by, as in scikit-learn.
        let counts: Vec<f64> = sums[..k].iter().map(|count| count + 10.0 * f64::EPSILON).collect();
        let of_group = |group: usize| sums[k + group * width..][..width].iter().map(move |sum| (group, *sum));
        let means: Vec<Vec<f64>> =
            (0..k).map(|group| of_group(group).map(|(group, sum)| sum / counts[group]).collect()).collect();
        run.check()?;
        let squares = fold(set, k * width * width, |row, sums| {
            for (group, share) in responsibilities[row * k..][..k].iter().enumerate() {
                let share = share * set.weight(row);
                if share == 0.0 {
                    continue;
                }
                let (x, mean) = (set.row(row), &means[group]);
                let sums = &mut sums[group * width * width..][..width * width];
                for i in 0..width {
                    let apart = share * (x[i] - mean[i]);
                    match self.covariance.is_diagonal() {
                        true => sums[i * width + i] += apart * (x[i] - mean[i]),
                        false => (0..=i).for_each(|j| sums[i * width + j] += apart * (x[j] - mean[j])),
                    }
                }
            }
        });
        let spreads = self.covariance.spreads(&squares, &counts, width, self.reg_covar);
        let total: f64 = counts.iter().sum();
        Ok(Mixture { weights: counts.iter().map(|count| count / total).collect(), means, spreads })
    }
}

/// How a climb ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    log_likelihood: f64,
    iterations: usize,
    converged: bool,
}

/// Adds up what every row adds, in pieces of a fixed number of rows and in their order.
fn fold(set: &Unlabelled, size: usize, add: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
    let pieces = set.rows.div_ceil(ROWS * 4);
    let part = |piece: usize| {
        let mut sums = vec![0.0; size];
        (piece * ROWS * 4..set.rows.min((piece + 1) * ROWS * 4)).for_each(|row| add(row, &mut sums));
        sums
    };
    let parts: Vec<Vec<f64>> = (0..pieces).into_par_iter().map(part).collect();
    let mut whole = vec![0.0; size];
    parts.iter().for_each(|part| whole.iter_mut().zip(part).for_each(|(sum, x)| *sum += x));
    whole
}

/// Every row wholly in the group of its nearest centre.
fn nearest(set: &Unlabelled, centres: &[f64]) -> Vec<f64> {
    let (width, k) = (set.width(), centres.len() / set.width());
    let mut responsibilities = vec![0.0; set.rows * k];
    responsibilities.par_chunks_mut(k).zip(set.matrix.par_chunks(width)).for_each(|(shares, row)| {
        let distances = centres.chunks_exact(width).map(|centre| squared_distance(row, centre)).enumerate();
        let nearest = distances.reduce(|best, other| if other.1 < best.1 { other } else { best });
        if let Some((group, _)) = nearest {
            shares[group] = 1.0;
        }
    });
    responsibilities
}

/// The probability of every group for every row, and the weighted mean log likelihood.
fn expect(set: &Unlabelled, groups: &Groups) -> (Vec<f64>, f64) {
    let k = groups.constants.len();
    let mut shares = vec![0.0; set.rows * k];
    let parts: Vec<(f64, f64)> = shares
        .par_chunks_mut(ROWS * k)
        .enumerate()
        .map(|(part, shares)| {
            let (mut sum, mut total) = (0.0, 0.0);
            for (i, shares) in shares.chunks_exact_mut(k).enumerate() {
                let row = part * ROWS + i;
                sum += set.weight(row) * groups.score(set.row(row), shares);
                total += set.weight(row);
            }
            (sum, total)
        })
        .collect();
    let (sum, total) = parts.iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    (shares, sum / total)
}

/// Weight, mean and spread of every group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mixture {
    weights: Vec<f64>,
    means: Vec<Vec<f64>>,
    spreads: Vec<Spread>,
}

impl Mixture {
    /// What the density is computed from.
    fn factors(&self) -> Result<Groups> {
        let factors = self.spreads.iter().map(|spread| {
            spread.factor().ok_or_else(|| {
                Error::data(
                    "a group of the mixture has no spread in some direction: raise reg_covar, lower n_components, or \
                     scale the features",
                )
            })
        });
        let factors = factors.collect::<Result<Vec<_>>>()?;
        let width = self.means.first().map_or(0, Vec::len) as f64;
        let constant = |(weight, factor): (&f64, &Factor)| {
            weight.ln() - 0.5 * (width * std::f64::consts::TAU.ln() + factor.log_determinant())
        };
        let constants = self.weights.iter().zip(&factors).map(constant).collect();
        Ok(Groups { constants, means: self.means.clone(), factors })
    }
}

/// A mixture, ready to be evaluated.
#[derive(Clone, Debug)]
struct Groups {
    constants: Vec<f64>,
    means: Vec<Vec<f64>>,
    factors: Vec<Factor>,
}

impl Groups {
    /// The probability of every group, and the logarithm of the density.
    fn score(&self, row: &[f64], shares: &mut [f64]) -> f64 {
        for (share, ((constant, mean), factor)) in
            shares.iter_mut().zip(self.constants.iter().zip(&self.means).zip(&self.factors))
        {
            *share = constant - 0.5 * factor.squared_distance(row, mean);
        }
        let greatest = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = shares.iter().map(|share| (share - greatest).exp()).sum();
        let density = greatest + sum.ln();
        shares.iter_mut().for_each(|share| *share = (*share - density).exp());
        density
    }
}

impl Trainer for GaussianMixture {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

/// A fitted [`GaussianMixture`].
#[derive(Clone, Debug)]
pub struct GaussianMixtureModel {
    signature: Signature,
    mixture: Mixture,
    outcome: Outcome,
    groups: Groups,
}

impl GaussianMixtureModel {
    fn new(signature: Signature, mixture: Mixture, outcome: Outcome) -> Result<Self> {
        let groups = mixture.factors()?;
        Ok(Self { signature, mixture, outcome, groups })
    }

    /// The share of every group.
    pub fn weights(&self) -> &[f64] {
        &self.mixture.weights
    }

    /// The mean of every group.
    pub fn means(&self) -> &[Vec<f64>] {
        &self.mixture.means
    }

    /// The covariance of the features in a group, row-major.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn covariance(&self, group: usize) -> Vec<f64> {
        self.mixture.spreads[group].matrix(self.signature.inputs.len())
    }

    /// The weighted mean log likelihood of the training rows, before the last step.
    pub fn log_likelihood(&self) -> f64 {
        self.outcome.log_likelihood
    }

    /// Whether the last step gained no more than the tolerance.
    pub fn converged(&self) -> bool {
        self.outcome.converged
    }

    /// How many steps it took.
    pub fn iterations(&self) -> usize {
        self.outcome.iterations
    }
}

impl Model for GaussianMixtureModel {
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
            mixture: self.mixture.clone(),
            outcome: self.outcome,
        })
    }
}

impl Dense for GaussianMixtureModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        self.groups.score(row, scores);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    mixture: Mixture,
    outcome: Outcome,
}

impl Load for GaussianMixtureModel {
    const KIND: &'static str = "gaussian_mixture_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, mixture, outcome } = artifact.state()?;
        let Task::Clustering { clusters } = signature.task else {
            return Err(Error::corrupt("a mixture finds groups"));
        };
        let width = signature.inputs.len();
        let Mixture { weights, means, spreads } = &mixture;
        let fits = width > 0
            && [weights.len(), means.len(), spreads.len()] == [clusters; 3]
            && weights.iter().all(|weight| weight.is_finite() && *weight > 0.0)
            && means.iter().all(|mean| mean.len() == width && mean.iter().all(|x| x.is_finite()))
            && spreads.iter().all(|spread| spread.fits(width));
        if !fits {
            return Err(Error::corrupt("the groups of a mixture do not fit its inputs"));
        }
        Self::new(signature, mixture, outcome).map_err(crate::members::corrupt)
    }
}
