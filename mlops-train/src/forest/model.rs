use arrow::array::RecordBatch;
use mlops_core::columns::to_matrix;
use mlops_core::{Artifact, Codecs, Dense, Error, Load, Model, Result, RowModel, Signature, Task};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ensemble::TreeEnsemble;

const TREES: &str = "trees.safetensors";

/// A fitted [`RandomForest`](crate::RandomForest).
#[derive(Clone, Debug)]
pub struct ForestModel {
    signature: Signature,
    trees: TreeEnsemble,
    /// One share an input; none for a forest written before format 2.
    importances: Option<Vec<f64>>,
}

/// What the trees estimate for a task.
fn outputs(task: &Task) -> Result<usize> {
    match task {
        Task::Regression => Ok(1),
        Task::Classification { classes } => match classes.len() {
            0 | 1 => Err(Error::corrupt("a forest needs at least two classes")),
            2 => Ok(1),
            classes => Ok(classes),
        },
        other => Err(Error::unsupported(format!("a forest can't answer {other:?}"))),
    }
}

impl ForestModel {
    pub(super) fn new(signature: Signature, trees: TreeEnsemble, importances: Vec<f64>) -> Self {
        Self { signature, trees, importances: Some(importances) }
    }

    /// How many trees there are, of all classes.
    pub fn num_trees(&self) -> usize {
        self.trees.num_trees()
    }

    /// How many nodes there are, of all trees.
    pub fn num_nodes(&self) -> usize {
        self.trees.num_nodes()
    }

    /// Turns estimates into scores. Of two classes, `scores` has the estimate first.
    fn finish(&self, scores: &mut [f64]) {
        match scores {
            [_] => {}
            [negative, positive] => (*negative, *positive) = (1.0 - *negative, *negative),
            classes => {
                let sum: f64 = classes.iter().sum();
                let even = 1.0 / classes.len() as f64;
                // A sum of 0: no tree has an opinion.
                classes.iter_mut().for_each(|score| *score = if sum > 0.0 { *score / sum } else { even });
            }
        }
    }

    /// How many of a row's scores the trees estimate.
    fn estimated(&self) -> usize {
        match self.signature.num_scores() {
            2 => 1,
            scores => scores,
        }
    }

    fn score_block(&self, rows: &[f64], width: usize, scores: &mut [f64]) {
        let (outputs, estimated) = (self.signature.num_scores(), self.estimated());
        let mut estimates = vec![0.0; rows.len() / width * estimated];
        self.trees.score_rows(rows, width, &mut estimates);
        for (scores, estimates) in scores.chunks_exact_mut(outputs).zip(estimates.chunks_exact(estimated)) {
            scores[..estimated].copy_from_slice(estimates);
            self.finish(scores);
        }
    }
}

impl Model for ForestModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        const ROWS_A_TASK: usize = 1024;
        let batch = self.signature.check(batch)?;
        let (width, outputs) = (self.signature.inputs.len(), self.signature.num_scores());
        let matrix = to_matrix(&batch, &self.signature.input_names())?;
        let mut scores = vec![0.0; batch.num_rows() * outputs];
        let rows = matrix.par_chunks(width * ROWS_A_TASK);
        rows.zip(scores.par_chunks_mut(outputs * ROWS_A_TASK))
            .for_each(|(rows, scores)| self.score_block(rows, width, scores));
        self.signature.answer(scores)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn importances(&self) -> Option<Vec<Vec<f64>>> {
        self.importances.clone().map(|shares| vec![shares])
    }

    fn save(&self) -> Result<Artifact> {
        let state = State { signature: self.signature.clone(), importances: self.importances.clone() };
        let artifact = Artifact::of::<Self>(&state)?;
        Ok(artifact.with_blob(TREES, self.trees.to_bytes()?))
    }
}

impl Dense for ForestModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        self.trees.score_row(row, &mut scores[..self.estimated()]);
        self.finish(scores);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    importances: Option<Vec<f64>>,
}

impl Load for ForestModel {
    const KIND: &'static str = "forest_model";
    const VERSION: u32 = 2;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, importances } = artifact.state()?;
        let width = signature.inputs.len();
        if width == 0 {
            return Err(Error::corrupt("a forest without inputs"));
        }
        if importances.as_ref().is_some_and(|shares| shares.len() != width || !shares.iter().all(|x| x.is_finite())) {
            return Err(Error::corrupt("the importances of a forest do not fit its inputs"));
        }
        let trees = TreeEnsemble::from_bytes(artifact.blob(TREES)?, width, outputs(&signature.task)?)?;
        Ok(Self { signature, trees, importances })
    }
}
