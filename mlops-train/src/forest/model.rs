use arrow::array::RecordBatch;
use mlops_core::{Artifact, Codecs, Dense, Load, Model, Result, RowModel, Signature, Task};

use crate::trees::{Link, TreeEnsemble, TreeModel};

/// A fitted [`RandomForest`](crate::RandomForest).
#[derive(Clone, Debug)]
pub struct ForestModel(TreeModel);

impl ForestModel {
    pub(super) fn new(signature: Signature, trees: TreeEnsemble, importances: Vec<f64>) -> Result<Self> {
        let link = link(&signature.task);
        Ok(Self(TreeModel::new(signature, trees, link)?.checked(Some(importances))?))
    }

    /// How many trees there are, of all classes.
    pub fn num_trees(&self) -> usize {
        self.0.num_trees()
    }

    /// How many nodes there are, of all trees.
    pub fn num_nodes(&self) -> usize {
        self.0.num_nodes()
    }
}

impl Model for ForestModel {
    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.0.predict(batch)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn importances(&self) -> Option<Vec<Vec<f64>>> {
        self.0.importances()
    }

    fn save(&self) -> Result<Artifact> {
        self.0.save_as::<Self>()
    }
}

impl Dense for ForestModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        self.0.score_row(row, scores);
    }
}

impl Load for ForestModel {
    const KIND: &'static str = "forest_model";
    const VERSION: u32 = 3;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        Ok(Self(TreeModel::load_from(artifact, Some(link))?))
    }
}

fn link(task: &Task) -> Link {
    if *task == Task::Regression { Link::Identity } else { Link::Normalise }
}
