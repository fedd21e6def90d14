use arrow::array::RecordBatch;
use mlops_core::{Artifact, Codecs, Dense, Error, Load, Model, Result, RowModel, Signature, Task, predict_dense};
use serde::{Deserialize, Serialize};

use super::index::{Index, Metric, Near};
use super::recipe::{KNeighbors, NeighborWeights};
use crate::members::room;
use crate::tensors::{self, Tensor};
use crate::training::{Target, TrainingSet};

const ROWS: &str = "rows.safetensors";

/// A fitted [`KNeighbors`]: the rows it has learned from.
#[derive(Clone, Debug)]
pub struct KNeighborsModel {
    signature: Signature,
    recipe: KNeighbors,
    /// Row-major, as they were given.
    matrix: Vec<f64>,
    /// The number, or the index of the class.
    target: Vec<f64>,
    weights: Option<Vec<f64>>,
    index: Index,
}

impl KNeighborsModel {
    pub(super) fn learn(recipe: KNeighbors, set: TrainingSet) -> Result<Self> {
        let target = match set.target {
            Target::Classes(target) => target.into_iter().map(|class| class as f64).collect(),
            Target::Numbers(target) => target,
        };
        Self::new(set.signature, recipe, set.matrix, target, set.weights)
    }

    fn new(
        signature: Signature,
        recipe: KNeighbors,
        matrix: Vec<f64>,
        target: Vec<f64>,
        weights: Option<Vec<f64>>,
    ) -> Result<Self> {
        if u32::try_from(target.len()).is_err() {
            return Err(Error::unsupported("more than 4,294,967,295 rows of neighbours: sample them first"));
        }
        let index = Index::new(&matrix, signature.inputs.len(), Metric(recipe.p));
        Ok(Self { signature, recipe, matrix, target, weights, index })
    }

    /// How many rows it has learned from.
    pub fn num_rows(&self) -> usize {
        self.target.len()
    }

    /// What a neighbour counts, before its distance.
    fn weight(&self, near: Near) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[near.point as usize])
    }

    /// Gives every neighbour and what it counts.
    fn each_vote(&self, found: &[Near], mut vote: impl FnMut(f64, f64)) {
        let metric = Metric(self.recipe.p);
        let same = found.first().is_some_and(|near| metric.distance(near.reduced) == 0.0);
        for near in found {
            let distance = metric.distance(near.reduced);
            let weight = match self.recipe.weights {
                NeighborWeights::Uniform => 1.0,
                NeighborWeights::Distance if same => f64::from(u8::from(distance == 0.0)),
                NeighborWeights::Distance => 1.0 / distance,
            };
            vote(self.target[near.point as usize], weight * self.weight(*near));
        }
    }
}

impl Model for KNeighborsModel {
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
        let state = State { signature: self.signature.clone(), recipe: self.recipe.clone() };
        let mut rows =
            vec![("features", Tensor::F64(self.matrix.clone())), ("target", Tensor::F64(self.target.clone()))];
        rows.extend(self.weights.clone().map(|weights| ("weights", Tensor::F64(weights))));
        Ok(Artifact::of::<Self>(&state)?.with_blob(ROWS, tensors::write(&rows)?))
    }
}

impl Dense for KNeighborsModel {
    /// Allocates nothing up to 64 neighbours, a small buffer beyond.
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        if row.iter().any(|x| x.is_nan()) {
            scores.fill(f64::NAN);
            return;
        }
        let (mut few, mut many) = ([Near::default(); 64], Vec::new());
        let found = room(&mut few, &mut many, self.recipe.n_neighbors);
        self.index.nearest(row, found);
        // A row of infinities is at no distance from anything.
        if found.iter().any(|near| near.point == u32::MAX) {
            scores.fill(f64::NAN);
            return;
        }
        let mut total = 0.0;
        scores.fill(0.0);
        let is_number = self.signature.task == Task::Regression;
        self.each_vote(found, |target, weight| {
            total += weight;
            match is_number {
                true => scores[0] += weight * target,
                false => scores[target as usize] += weight,
            }
        });
        scores.iter_mut().for_each(|score| *score /= total);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    recipe: KNeighbors,
}

impl Load for KNeighborsModel {
    const KIND: &'static str = "k_neighbors_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, recipe } = artifact.state()?;
        let mut rows = tensors::read(artifact.blob(ROWS)?)?;
        let mut take = |name: &str| {
            let tensor = rows.remove(name).map(Tensor::into_f64).transpose()?;
            match tensor {
                Some(values) if !values.iter().all(|x| x.is_finite()) => {
                    Err(Error::corrupt(format!("the {name} of neighbours are not finite")))
                }
                tensor => Ok(tensor),
            }
        };
        let lacks = |what: &str| Error::corrupt(format!("neighbours without {what}"));
        let matrix = take("features")?.ok_or_else(|| lacks("features"))?;
        let target = take("target")?.ok_or_else(|| lacks("targets"))?;
        let weights = take("weights")?;
        let width = signature.inputs.len();
        let known = |y: &f64| match &signature.task {
            Task::Classification { classes } => *y >= 0.0 && *y < classes.len() as f64 && y.fract() == 0.0,
            Task::Regression => true,
            _ => false,
        };
        let fits = width > 0
            && recipe.n_neighbors > 0
            && recipe.p.is_finite()
            && recipe.p >= 1.0
            && recipe.n_neighbors <= target.len()
            && target.len().checked_mul(width) == Some(matrix.len())
            && target.iter().all(known)
            && weights.as_ref().is_none_or(|w| w.len() == target.len() && w.iter().all(|w| *w > 0.0));
        if !fits {
            return Err(Error::corrupt("the rows of neighbours do not fit their signature"));
        }
        Self::new(signature, recipe, matrix, target, weights)
    }
}
