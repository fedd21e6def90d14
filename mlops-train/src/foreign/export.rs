//! What all writers of trees need.

use mlops_core::{Error, Model, Result, Task};

use crate::trees::{Link, Step, TREES, Test, Tree, TreeModel};

/// The trees of a model; a copy of its table.
///
/// # Errors
/// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a model of something else.
pub(super) fn trees_of(model: &dyn Model) -> Result<TreeModel> {
    let artifact = model.save()?;
    // Whatever is a table of trees behind a link is stored as a `TreeModel` is.
    if artifact.blobs.contains_key(TREES) {
        return TreeModel::load_from(&artifact, None);
    }
    Err(Error::unsupported(format!(
        "'{}' is no model of trees alone: write a pipeline without its preparation, other models as ONNX",
        artifact.kind
    )))
}

/// Trees of one value a leaf, to be summed, iteration by iteration: each has a tree an output.
///
/// Where some output starts from something, the first iteration says it; an output with fewer trees
/// than others has trees that say 0.
pub(super) fn iterations(model: &TreeModel) -> Vec<Vec<Tree>> {
    let (trees, outputs) = (model.trees(), model.trees().num_outputs());
    let mut by_output = vec![Vec::new(); outputs];
    if trees.base().iter().any(|base| *base != 0.0) {
        by_output.iter_mut().zip(trees.base()).for_each(|(own, base)| own.push(constant(*base)));
    }
    let width = trees.leaf_width();
    for i in 0..trees.num_trees() {
        let (tree, first) = (trees.tree(i), trees.output_of(i));
        for output in 0..width {
            let share = trees.share_of_a_tree(first + output);
            let values = tree.values.iter().skip(output).step_by(width).map(|value| value * share).collect();
            by_output[first + output].push(Tree { branches: tree.branches.clone(), values });
        }
    }
    let count = by_output.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let tree = |own: &Vec<Tree>, i: usize| own.get(i).cloned().unwrap_or_else(|| constant(0.0));
    (0..count).map(|i| by_output.iter().map(|own| tree(own, i)).collect()).collect()
}

fn constant(value: f64) -> Tree {
    let mut tree = Tree::default();
    tree.leaf(&[value], 0.0);
    tree
}

/// What the scores are to another library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A number by its link.
    Number(Link),
    /// The second of two classes, by the logistic of one output.
    Logistic,
    /// Classes by one logistic each.
    Logistics,
    /// Classes by the softmax.
    Softmax,
    /// Probabilities themselves, by one output (of the second of two classes) or one each.
    Probabilities,
}

impl Target {
    pub(super) fn of(model: &TreeModel) -> Self {
        let several = model.trees().num_outputs() > 1;
        match (&model.signature().task, model.link()) {
            (Task::Classification { .. }, Link::Logistic) if several => Self::Logistics,
            (Task::Classification { .. }, Link::Logistic) => Self::Logistic,
            (Task::Classification { .. }, Link::Softmax) => Self::Softmax,
            (Task::Classification { .. }, _) => Self::Probabilities,
            (_, link) => Self::Number(link),
        }
    }
}

/// Which features are asked for codes anywhere.
pub(super) fn categorical(iterations: &[Vec<Tree>], width: usize) -> Vec<bool> {
    let mut categorical = vec![false; width];
    for branch in iterations.iter().flatten().flat_map(|tree| &tree.branches) {
        if let Step::Split(split) = &branch.step {
            categorical[split.feature] |= matches!(split.test, Test::In { .. });
        }
    }
    categorical
}
