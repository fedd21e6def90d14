use arrow::array::RecordBatch;
use mlops_core::columns::to_matrix;
use mlops_core::{Artifact, Codecs, Dense, Error, Load, Model, Result, RowModel, Signature, Task};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Link, TreeEnsemble};

/// The blob of the tree table; `store.rs` says what is in it.
pub(crate) const TREES: &str = "trees.safetensors";

/// Decision trees as a model: boosted ones, and those that other libraries trained.
///
/// A batch is answered on all cores, 1,024 rows a task; a row alone without an allocation. Both give
/// the same bits.
#[derive(Clone, Debug)]
pub struct TreeModel {
    signature: Signature,
    trees: TreeEnsemble,
    link: Link,
    /// One share an input.
    importances: Option<Vec<f64>>,
}

impl TreeModel {
    /// Trees for a signature; importances are the shares of the gains, if those are known.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) if the outputs make no scores of the
    /// task, or there are no inputs.
    pub(crate) fn new(signature: Signature, trees: TreeEnsemble, link: Link) -> Result<Self> {
        let importances = trees.gains(signature.inputs.len());
        Self { signature, trees, link, importances: None }.checked(importances)
    }

    /// With other importances.
    ///
    /// # Errors
    /// As [`new`](Self::new); if they do not fit the inputs.
    pub(crate) fn checked(mut self, importances: Option<Vec<f64>>) -> Result<Self> {
        let width = self.signature.inputs.len();
        if width == 0 {
            return Err(Error::corrupt("trees without inputs"));
        }
        if !self.link.fits(&self.signature.task, self.trees.num_outputs()) {
            return Err(Error::corrupt(format!(
                "{} outputs of trees make no scores of {:?} by {:?}",
                self.trees.num_outputs(),
                self.signature.task,
                self.link
            )));
        }
        if importances.as_ref().is_some_and(|shares| shares.len() != width || !shares.iter().all(|x| x.is_finite())) {
            return Err(Error::corrupt("the importances of the trees do not fit the inputs"));
        }
        self.importances = importances;
        Ok(self)
    }

    /// How many trees there are, of all classes.
    pub fn num_trees(&self) -> usize {
        self.trees.num_trees()
    }

    /// How many nodes there are, of all trees.
    pub fn num_nodes(&self) -> usize {
        self.trees.num_nodes()
    }

    /// The table.
    pub(crate) fn trees(&self) -> &TreeEnsemble {
        &self.trees
    }

    /// What turns the outputs of the table into scores.
    pub(crate) fn link(&self) -> Link {
        self.link
    }

    /// Writes it down as a component of type `T`.
    pub(crate) fn save_as<T: Load>(&self) -> Result<Artifact> {
        let state = State {
            signature: self.signature.clone(),
            link: Some(self.link),
            outputs: Some(self.trees.num_outputs()),
            importances: self.importances.clone(),
        };
        Ok(Artifact::of::<T>(&state)?.with_blob(TREES, self.trees.to_bytes()?))
    }

    /// Reads what [`save_as`](Self::save_as) wrote; `unsaid` is the link of formats that do not say it.
    pub(crate) fn load_from(artifact: &Artifact, unsaid: Option<fn(&Task) -> Link>) -> Result<Self> {
        let state: State = artifact.state()?;
        let unsaid = unsaid.map(|link| link(&state.signature.task));
        let link = state.link.or(unsaid).ok_or_else(|| Error::corrupt("the state of the trees lacks the link"))?;
        let outputs = match state.outputs {
            Some(outputs) => outputs,
            None => Link::fewest_outputs(&state.signature.task)?,
        };
        let trees = TreeEnsemble::from_bytes(artifact.blob(TREES)?, state.signature.inputs.len(), outputs)?;
        Self { signature: state.signature, trees, link, importances: None }.checked(state.importances)
    }

    fn score_block(&self, rows: &[f64], scores: &mut [f64]) {
        let (width, outputs) = (self.signature.inputs.len(), self.trees.num_outputs());
        let num_scores = self.signature.num_scores();
        if outputs == num_scores {
            self.trees.score_rows(rows, width, scores);
            scores.chunks_exact_mut(num_scores).for_each(|scores| self.link.apply(scores, outputs));
            return;
        }
        let mut estimates = vec![0.0; rows.len() / width * outputs];
        self.trees.score_rows(rows, width, &mut estimates);
        for (scores, estimates) in scores.chunks_exact_mut(num_scores).zip(estimates.chunks_exact(outputs)) {
            scores[..outputs].copy_from_slice(estimates);
            self.link.apply(scores, outputs);
        }
    }
}

impl Model for TreeModel {
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
            .for_each(|(rows, scores)| self.score_block(rows, scores));
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
        self.save_as::<Self>()
    }
}

impl Dense for TreeModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        let outputs = self.trees.num_outputs();
        self.trees.score_row(row, &mut scores[..outputs]);
        self.link.apply(scores, outputs);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<Link>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outputs: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    importances: Option<Vec<f64>>,
}

impl Load for TreeModel {
    const KIND: &'static str = "tree_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        Self::load_from(artifact, None)
    }
}
