//! Our trees as a `TreeEnsembleRegressor` of doubles.

use mlops_core::{Error, Result};

use super::graph::{Attribute, Graph, ML};
use crate::foreign::export::iterations;
use crate::foreign::onnx::tensor::Kind;
use crate::trees::{Step, Test, TreeModel};

/// The lists that describe nodes and leaves.
#[derive(Debug, Default)]
struct Lists {
    trees: Vec<i64>,
    nodes: Vec<i64>,
    features: Vec<i64>,
    thresholds: Vec<f64>,
    modes: Vec<String>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing_yes: Vec<i64>,
    leaf_trees: Vec<i64>,
    leaf_nodes: Vec<i64>,
    leaf_outputs: Vec<i64>,
    leaf_weights: Vec<f64>,
}

/// The outputs of the trees for rows of doubles.
pub(super) fn write(graph: &mut Graph, model: &TreeModel, rows: usize) -> Result<usize> {
    let mut lists = Lists::default();
    let outputs = model.trees().num_outputs();
    for (i, tree) in iterations(model).into_iter().flatten().enumerate() {
        let number = i as i64;
        for (node, branch) in tree.branches.iter().enumerate() {
            lists.trees.push(number);
            lists.nodes.push(node as i64);
            match &branch.step {
                Step::Leaf(leaf) => {
                    lists.push(0, 0.0, "LEAF", [0, 0], false);
                    lists.leaf_trees.push(number);
                    lists.leaf_nodes.push(node as i64);
                    lists.leaf_outputs.push((i % outputs) as i64);
                    lists.leaf_weights.push(tree.values[*leaf]);
                }
                Step::Split(split) => {
                    let Test::AtMost(threshold) = split.test else {
                        return Err(Error::unsupported("splits of codes have no form in ONNX that runtimes agree on"));
                    };
                    if split.zero_is_missing {
                        return Err(Error::unsupported("a split that takes zeros as missing has no form in ONNX"));
                    }
                    // Nothing is at most NaN, nor less than the least number.
                    let (threshold, mode) =
                        if threshold.is_nan() { (f64::NEG_INFINITY, "BRANCH_LT") } else { (threshold, "BRANCH_LEQ") };
                    lists.push(split.feature as i64, threshold, mode, split.children, split.missing_left);
                }
            }
        }
    }
    let scores = graph.node_of(ML, "TreeEnsembleRegressor", &[rows], &lists.attributes(outputs));
    Ok(graph.cast(scores, Kind::F64))
}

impl Lists {
    fn push(&mut self, feature: i64, threshold: f64, mode: &str, [yes, no]: [usize; 2], missing_yes: bool) {
        self.features.push(feature);
        self.thresholds.push(threshold);
        self.modes.push(mode.to_owned());
        self.yes.push(yes as i64);
        self.no.push(no as i64);
        self.missing_yes.push(i64::from(missing_yes));
    }

    fn attributes(self, outputs: usize) -> Vec<(&'static str, Attribute)> {
        vec![
            ("n_targets", Attribute::Int(outputs as i64)),
            ("nodes_falsenodeids", Attribute::Ints(self.no)),
            ("nodes_featureids", Attribute::Ints(self.features)),
            ("nodes_missing_value_tracks_true", Attribute::Ints(self.missing_yes)),
            ("nodes_modes", Attribute::Texts(self.modes)),
            ("nodes_nodeids", Attribute::Ints(self.nodes)),
            ("nodes_treeids", Attribute::Ints(self.trees)),
            ("nodes_truenodeids", Attribute::Ints(self.yes)),
            ("nodes_values_as_tensor", Attribute::Doubles(self.thresholds)),
            ("post_transform", Attribute::Text("NONE")),
            ("target_ids", Attribute::Ints(self.leaf_outputs)),
            ("target_nodeids", Attribute::Ints(self.leaf_nodes)),
            ("target_treeids", Attribute::Ints(self.leaf_trees)),
            ("target_weights_as_tensor", Attribute::Doubles(self.leaf_weights)),
        ]
    }
}
