//! Growing one tree with smartcore, and taking it out of there.

use mlops_core::{Error, Result};
use serde::Deserialize;
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::trees::{Split, Tree};

type Grower = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

/// The training rows in the form smartcore takes them, shared by all trees.
pub(crate) struct Soil {
    features: DenseMatrix<f64>,
    weights: Option<Vec<f64>>,
}

/// How to grow a tree.
#[derive(Clone, Debug)]
pub(crate) struct Growth {
    /// Levels of splits.
    pub(crate) max_depth: Option<u16>,
    pub(crate) min_samples_leaf: usize,
    pub(crate) min_samples_split: usize,
    /// Features tried at each split.
    pub(crate) features: usize,
}

impl Soil {
    /// From a row-major matrix.
    pub(crate) fn new(matrix: &[f64], rows: usize, width: usize, weights: Option<Vec<f64>>) -> Result<Self> {
        // Smartcore halves differences of neighbouring values, which infinities have none of. With
        // the greatest values pulled in, every threshold lies below them, so no row changes sides.
        const LIMIT: f64 = f64::MAX / 4.0;
        let mut columns = vec![0.0; rows * width];
        for (r, row) in matrix.chunks_exact(width).enumerate() {
            for (c, value) in row.iter().enumerate() {
                columns[c * rows + r] = value.clamp(-LIMIT, LIMIT);
            }
        }
        let features = DenseMatrix::new(rows, width, columns, true).map_err(failed)?;
        Ok(Self { features, weights })
    }

    /// Trees on a bootstrap sample each; one a tree.
    ///
    /// Smartcore sorts every feature before it grows the first one, so a few together come cheaper
    /// than one by one.
    pub(crate) fn grow(&self, target: &Vec<f64>, growth: &Growth, trees: usize, seed: u64) -> Result<Vec<Tree>> {
        let mut parameters = RandomForestRegressorParameters::default()
            .with_n_trees(trees)
            .with_m(growth.features)
            .with_min_samples_leaf(growth.min_samples_leaf)
            .with_min_samples_split(growth.min_samples_split)
            .with_seed(seed);
        // Smartcore counts levels of nodes, and the root is one.
        parameters.max_depth = growth.max_depth.map(|depth| depth.saturating_add(1));
        let forest = match &self.weights {
            Some(weights) => Grower::fit_with_weights(&self.features, target, weights, parameters),
            None => Grower::fit(&self.features, target, parameters),
        };
        extract(&forest.map_err(failed)?)
    }
}

fn failed(error: smartcore::error::Failed) -> Error {
    Error::data(format!("smartcore could not grow a tree: {error}")).with_source(error)
}

/// What smartcore writes of a forest. Its trees are private, but serialise.
#[derive(Deserialize)]
struct Written {
    forest_regressor: Option<WrittenForest>,
}

#[derive(Deserialize)]
struct WrittenForest {
    trees: Vec<WrittenTree>,
}

#[derive(Deserialize)]
struct WrittenTree {
    nodes: Vec<WrittenNode>,
}

#[derive(Deserialize)]
struct WrittenNode {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

fn unreadable() -> Error {
    Error::internal("this version of smartcore writes its trees in another form")
}

fn extract(forest: &Grower) -> Result<Vec<Tree>> {
    let text = serde_json::to_vec(forest).map_err(|e| unreadable().with_source(e))?;
    let written: Written = serde_json::from_slice(&text).map_err(|e| unreadable().with_source(e))?;
    Ok(written.forest_regressor.ok_or_else(unreadable)?.trees.into_iter().map(tree).collect())
}

fn tree(written: WrittenTree) -> Tree {
    let mut tree = Tree::default();
    for node in written.nodes {
        match (node.split_value, node.true_child, node.false_child) {
            (Some(threshold), Some(yes), Some(no)) => {
                tree.split(Split::at_most(node.split_feature, threshold, [yes, no]), 0.0, 0.0)
            }
            _ => tree.leaf(&[node.output], 0.0),
        };
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::{Layout, TreeEnsemble};

    #[test]
    fn the_extracted_tree_answers_as_smartcores() {
        let rows = 200;
        let matrix: Vec<f64> = (0..rows).flat_map(|i| [(f64::from(i) * 0.37).sin(), f64::from(i % 7)]).collect();
        let target: Vec<f64> = matrix.chunks_exact(2).map(|x| x[0] * x[1]).collect();
        let soil = Soil::new(&matrix, rows as usize, 2, None).unwrap();
        let parameters = RandomForestRegressorParameters::default().with_n_trees(1).with_m(2).with_seed(5);
        let forest = Grower::fit(&soil.features, &target, parameters).unwrap();
        let expected = forest.predict(&soil.features).unwrap();
        let mut trees = TreeEnsemble::new(Layout::mean(1));
        trees.push(&extract(&forest).unwrap()[0], 0).unwrap();
        assert!(trees.num_nodes() > 20);
        let mut scores = vec![0.0; rows as usize];
        trees.score_rows(&matrix, 2, &mut scores);
        assert_eq!(scores, expected);
    }

    #[test]
    fn infinities_are_told_apart() {
        let matrix = [f64::NEG_INFINITY, -1.0, 1.0, f64::INFINITY].repeat(20);
        let target: Vec<f64> = [1.0, 2.0, 3.0, 4.0].repeat(20);
        let growth = Growth { max_depth: None, min_samples_leaf: 1, min_samples_split: 2, features: 1 };
        let mut trees = TreeEnsemble::new(Layout::mean(1));
        trees.push(&Soil::new(&matrix, 80, 1, None).unwrap().grow(&target, &growth, 1, 1).unwrap()[0], 0).unwrap();
        let mut scores = vec![0.0; 80];
        trees.score_rows(&matrix, 1, &mut scores);
        assert_eq!(scores, target);
    }

    #[test]
    fn depth_counts_splits() {
        let matrix: Vec<f64> = (0..64).map(f64::from).collect();
        let growth = Growth { max_depth: Some(1), min_samples_leaf: 1, min_samples_split: 2, features: 1 };
        let trees = Soil::new(&matrix, 64, 1, None).unwrap().grow(&matrix, &growth, 2, 1).unwrap();
        assert_eq!(trees.iter().map(|tree| tree.branches.len()).collect::<Vec<_>>(), [3, 3]);
    }
}
