use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Named, Result, RowModel, Run, Signature, Table, Task, Trainer,
    predict_dense,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::neighbors::{Index, Metric};
use crate::tensors::{self, Tensor};
use crate::training::Unlabelled;

const CORES: &str = "cores.safetensors";

/// Groups of rows that lie densely together, and rows that belong to none: scikit-learn's `DBSCAN` (Ester
/// and others 1996), by Euclid's distance.
///
/// A row with enough weight of rows around it is a core; cores within reach of each other are one group.
/// Two searches a row in a tree of the rows: fast in up to a dozen dimensions.
///
/// The model keeps the cores. A row belongs to the group of the nearest core within reach, and its score
/// for a group is minus the distance from that group's nearest core; NaN beyond reach. So a row at the edge
/// of two groups is given to the nearer one, where scikit-learn gives it to the one it found first.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table};
/// use mlops_train::Dbscan;
///
/// let batch = arrow::array::record_batch!(("x", Float64, [0.0, 0.1, 0.2, 5.0, 5.1, 5.2, 99.0]))?;
/// let model = Dbscan::new(0.15).with_min_samples(2).learn(&Table::from_batch(batch), &Run::default())?;
/// assert_eq!(model.num_clusters(), 2);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Dbscan {
    /// How far reach is; above 0.
    pub eps: f64,
    /// The weight of rows within reach, its own included, that makes a row a core.
    pub min_samples: usize,
}

impl Default for Dbscan {
    fn default() -> Self {
        Self { eps: 0.5, min_samples: 5 }
    }
}

impl Named for Dbscan {
    const KIND: &'static str = "dbscan";
}

impl Dbscan {
    /// With this reach, and cores of five rows.
    pub fn new(eps: f64) -> Self {
        Self { eps, ..Self::default() }
    }

    /// With another weight that makes a core.
    #[must_use]
    pub fn with_min_samples(mut self, min_samples: usize) -> Self {
        self.min_samples = min_samples;
        self
    }

    /// As [`Trainer::fit`], with the type of the model.
    ///
    /// # Errors
    /// As [`Trainer::fit`], without a target; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for
    /// settings out of range, [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if there is no group.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<DbscanModel> {
        run.check()?;
        if !(self.eps.is_finite() && self.eps > 0.0 && self.min_samples > 0) {
            return Err(Error::config(format!(
                "DBSCAN with eps = {} and min_samples = {}: both must be above 0 and finite",
                self.eps, self.min_samples
            )));
        }
        run.install(|| self.learn_here(data, run))?
    }

    fn learn_here(&self, data: &Table, run: &Run) -> Result<DbscanModel> {
        let set = Unlabelled::read(data)?;
        if u32::try_from(set.rows).is_err() {
            return Err(Error::unsupported("more than 4,294,967,295 rows for DBSCAN: sample them first"));
        }
        let index = Index::new(&set.matrix, set.width(), Metric::EUCLID);
        let cores = self.cores(&set, &index, run)?;
        let labels = self.connect(&set, &index, &cores, run)?;
        let clusters = labels.iter().flatten().max().map_or(0, |last| *last as usize + 1);
        if clusters == 0 {
            return Err(Error::data(format!(
                "no row has {} rows within {}: raise eps or lower min_samples",
                self.min_samples, self.eps
            )));
        }
        let signature = set.signature(clusters)?;
        let kept: Vec<usize> = (0..set.rows).filter(|row| labels[*row].is_some()).collect();
        let points = kept.iter().flat_map(|row| set.row(*row)).copied().collect();
        DbscanModel::new(signature, self.eps, points, kept.iter().filter_map(|row| labels[*row]).collect())
    }

    fn reach(&self) -> f64 {
        Metric::EUCLID.reduce(self.eps)
    }

    /// Which rows are cores.
    fn cores(&self, set: &Unlabelled, index: &Index, run: &Run) -> Result<Vec<bool>> {
        const ROWS: usize = 256;
        let mut cores = vec![false; set.rows];
        cores.par_chunks_mut(ROWS).enumerate().try_for_each(|(part, cores)| {
            run.check()?;
            for (i, core) in cores.iter_mut().enumerate() {
                let mut near = Vec::new();
                index.within(set.row(part * ROWS + i), self.reach(), &mut |found| near.push(found.point));
                // Sums depend on their order.
                near.sort_unstable();
                let weight: f64 = near.iter().map(|point| set.weight(*point as usize)).sum();
                *core = weight >= self.min_samples as f64;
            }
            Ok::<_, Error>(())
        })?;
        Ok(cores)
    }

    /// The group of every core, numbered in the order of their first rows.
    fn connect(&self, set: &Unlabelled, index: &Index, cores: &[bool], run: &Run) -> Result<Vec<Option<u32>>> {
        let mut labels = vec![None; set.rows];
        let mut clusters = 0;
        let mut open = Vec::new();
        for row in 0..set.rows {
            if !cores[row] || labels[row].is_some() {
                continue;
            }
            labels[row] = Some(clusters);
            open.push(row);
            while let Some(row) = open.pop() {
                run.check()?;
                index.within(set.row(row), self.reach(), &mut |found| {
                    let other = found.point as usize;
                    if cores[other] && labels[other].is_none() {
                        labels[other] = Some(clusters);
                        open.push(other);
                    }
                });
            }
            clusters += 1;
        }
        Ok(labels)
    }
}

impl Trainer for Dbscan {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

/// A fitted [`Dbscan`]: its cores.
#[derive(Clone, Debug)]
pub struct DbscanModel {
    signature: Signature,
    eps: f64,
    /// Row-major, as they were given.
    points: Vec<f64>,
    /// The group of every core.
    labels: Vec<u32>,
    index: Index,
}

impl DbscanModel {
    fn new(signature: Signature, eps: f64, points: Vec<f64>, labels: Vec<u32>) -> Result<Self> {
        let index = Index::new(&points, signature.inputs.len(), Metric::EUCLID);
        Ok(Self { signature, eps, points, labels, index })
    }

    /// How many groups there are.
    pub fn num_clusters(&self) -> usize {
        self.signature.num_scores()
    }

    /// How many rows of training were cores.
    pub fn num_cores(&self) -> usize {
        self.labels.len()
    }
}

impl Model for DbscanModel {
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
        let cores = [("points", Tensor::F64(self.points.clone())), ("labels", Tensor::U32(self.labels.clone()))];
        let artifact = Artifact::of::<Self>(&State { signature: self.signature.clone(), eps: self.eps })?;
        Ok(artifact.with_blob(CORES, tensors::write(&cores)?))
    }
}

impl Dense for DbscanModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        scores.fill(f64::NAN);
        if row.iter().any(|x| x.is_nan()) {
            return;
        }
        self.index.within(row, Metric::EUCLID.reduce(self.eps), &mut |near| {
            let score = &mut scores[self.labels[near.point as usize] as usize];
            // NaN is less than any.
            *score = score.max(-near.reduced.sqrt());
        });
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    eps: f64,
}

impl Load for DbscanModel {
    const KIND: &'static str = "dbscan_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, eps } = artifact.state()?;
        let mut cores = tensors::read(artifact.blob(CORES)?)?;
        let mut take = |name| cores.remove(name).ok_or_else(|| Error::corrupt(format!("DBSCAN without its {name}")));
        let (points, labels) = (take("points")?.into_f64()?, take("labels")?.into_u32()?);
        let Task::Clustering { clusters } = signature.task else {
            return Err(Error::corrupt("DBSCAN finds groups"));
        };
        let width = signature.inputs.len();
        let fits = width > 0
            && eps > 0.0
            && eps.is_finite()
            && !labels.is_empty()
            && labels.len().checked_mul(width) == Some(points.len())
            && points.iter().all(|x| x.is_finite())
            && labels.iter().all(|label| (*label as usize) < clusters);
        if !fits {
            return Err(Error::corrupt("the cores of DBSCAN do not fit its inputs and groups"));
        }
        Self::new(signature, eps, points, labels)
    }
}
