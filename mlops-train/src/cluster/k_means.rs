use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::progress::Progress;
use mlops_core::random::SplitMix64;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Named, Result, RowModel, Run, Signature, Table, Task, Trainer,
    predict_dense,
};
use serde::{Deserialize, Serialize};

use super::lloyd::{Clustering, lloyd, squared_distance};
use super::seeding::k_means_plus_plus;
use crate::training::Unlabelled;

/// Groups around means: scikit-learn's `KMeans`.
///
/// Lloyd's algorithm from centres by greedy k-means++, with bounds that spare most distances (Hamerly
/// 2010) and the same result; all cores of the [`Run`], the same for any number of them. Rows count by
/// their weight. A score is minus the distance from a centre, so a row belongs to the nearest.
///
/// Scale the features first (`StandardScaler`): distances add them up.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table};
/// use mlops_train::KMeans;
///
/// let batch = arrow::array::record_batch!(("x", Float64, [0.0, 0.2, 5.0, 5.2]), ("y", Float64, [1.0, 1.0, 4.0, 4.0]))?;
/// let model = KMeans::new(2).learn(&Table::from_batch(batch), &Run::default())?;
/// assert!((model.inertia() - 0.04).abs() < 1e-12);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KMeans {
    /// How many groups.
    pub n_clusters: usize,
    /// How often to begin anew; the result of least inertia is kept.
    pub n_init: usize,
    /// At most so many moves of the centres.
    pub max_iter: usize,
    /// It is done when the squared moves of all centres add up to at most this share of the mean variance
    /// of the features.
    pub tol: f64,
    /// The first centres, instead of k-means++: one list a centre. It begins once.
    pub init: Option<Vec<Vec<f64>>>,
}

impl Default for KMeans {
    fn default() -> Self {
        Self { n_clusters: 8, n_init: 1, max_iter: 300, tol: 1e-4, init: None }
    }
}

impl Named for KMeans {
    const KIND: &'static str = "k_means";
}

impl KMeans {
    /// With scikit-learn's defaults: begun once by k-means++, at most 300 moves.
    pub fn new(n_clusters: usize) -> Self {
        Self { n_clusters, ..Self::default() }
    }

    /// Begun more often.
    #[must_use]
    pub fn with_n_init(mut self, n_init: usize) -> Self {
        self.n_init = n_init;
        self
    }

    /// With another limit of moves.
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

    /// Begun once, from these centres.
    #[must_use]
    pub fn with_init(mut self, init: Vec<Vec<f64>>) -> Self {
        self.n_clusters = init.len();
        self.init = Some(init);
        self
    }

    /// As [`Trainer::fit`], with the type of the model: its centres can be looked at.
    ///
    /// # Errors
    /// As [`Trainer::fit`], without a target; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for
    /// settings out of range, [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for fewer rows than groups.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<KMeansModel> {
        run.check()?;
        self.check()?;
        run.install(|| {
            let set = Unlabelled::read(data)?;
            if set.rows < self.n_clusters {
                return Err(Error::data(format!(
                    "{} rows of a weight above 0 make no {} groups: ask for fewer, or bring more rows",
                    set.rows, self.n_clusters
                )));
            }
            let best = self.best(&set, run)?;
            let signature = set.signature(self.n_clusters)?;
            Ok(KMeansModel::new(signature, best))
        })?
    }

    fn check(&self) -> Result<()> {
        let clusters = (1..=Task::MAX_CLUSTERS).contains(&self.n_clusters);
        if clusters && self.n_init > 0 && self.max_iter > 0 && self.tol >= 0.0 && self.tol.is_finite() {
            return Ok(());
        }
        Err(Error::config(format!(
            "k-means with n_clusters = {}, n_init = {}, max_iter = {} and tol = {}: up to {} groups, and numbers above \
             0 (tol may be 0) are needed",
            self.n_clusters,
            self.n_init,
            self.max_iter,
            self.tol,
            Task::MAX_CLUSTERS
        )))
    }

    fn best(&self, set: &Unlabelled, run: &Run) -> Result<Clustering> {
        let tol = self.tol * mean_variance(set);
        if let Some(init) = &self.init {
            let finite = init.iter().flatten().all(|x| x.is_finite());
            if init.len() != self.n_clusters || init.iter().any(|c| c.len() != set.width()) || !finite {
                return Err(Error::config(format!(
                    "the first centres: {} lists of {} finite numbers are needed",
                    self.n_clusters,
                    set.width()
                )));
            }
            return lloyd(set, init.concat(), self.max_iter, tol, run);
        }
        let progress = Progress::start("fit: beginnings", Some(self.n_init as u64));
        let mut best: Option<Clustering> = None;
        for i in 0..self.n_init {
            let seed = SplitMix64::stream(run.seed, i as u64).next_u64();
            let centres = k_means_plus_plus(set, self.n_clusters, seed, run)?;
            let found = lloyd(set, centres, self.max_iter, tol, run)?;
            progress.advance(1);
            if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
                best = Some(found);
            }
        }
        best.ok_or_else(|| Error::internal("k-means was never begun"))
    }
}

/// The mean of the features' variances, each row counting once, as scikit-learn measures.
fn mean_variance(set: &Unlabelled) -> f64 {
    let width = set.width();
    let n = set.rows as f64;
    let mut means = vec![0.0; width];
    let rows = || set.matrix.chunks_exact(width);
    rows().for_each(|row| means.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / n));
    let squares = |row: &[f64]| row.iter().zip(&means).map(|(x, mean)| (x - mean) * (x - mean)).sum::<f64>();
    rows().map(squares).sum::<f64>() / n / width as f64
}

impl Trainer for KMeans {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

/// A fitted [`KMeans`].
#[derive(Clone, Debug)]
pub struct KMeansModel {
    signature: Signature,
    /// Row-major.
    centres: Vec<f64>,
    inertia: f64,
    iterations: usize,
}

impl KMeansModel {
    fn new(signature: Signature, found: Clustering) -> Self {
        let Clustering { centres, inertia, iterations } = found;
        Self { signature, centres, inertia, iterations }
    }

    /// The centres, one list a group.
    pub fn centres(&self) -> impl Iterator<Item = &[f64]> {
        self.centres.chunks_exact(self.signature.inputs.len())
    }

    /// The weighted sum of squared distances of the training rows from their centres.
    pub fn inertia(&self) -> f64 {
        self.inertia
    }

    /// How many moves it took.
    pub fn iterations(&self) -> usize {
        self.iterations
    }
}

impl Model for KMeansModel {
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
            centres: self.centres().map(<[f64]>::to_vec).collect(),
            inertia: self.inertia,
            iterations: self.iterations,
        })
    }
}

impl Dense for KMeansModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        for (score, centre) in scores.iter_mut().zip(self.centres()) {
            *score = -squared_distance(row, centre).sqrt();
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    centres: Vec<Vec<f64>>,
    inertia: f64,
    iterations: usize,
}

impl Load for KMeansModel {
    const KIND: &'static str = "k_means_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, centres, inertia, iterations } = artifact.state()?;
        let width = signature.inputs.len();
        let fits = width > 0
            && signature.task == Task::Clustering { clusters: centres.len() }
            && centres.iter().all(|centre| centre.len() == width && centre.iter().all(|x| x.is_finite()));
        if !fits {
            return Err(Error::corrupt("the centres of k-means do not fit its inputs and groups"));
        }
        Ok(Self { signature, centres: centres.concat(), inertia, iterations })
    }
}
