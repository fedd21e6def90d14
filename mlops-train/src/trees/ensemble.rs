//! Decision trees as one flat table.

use mlops_core::{Error, Result};

use super::node::{Node, flag};
use super::tree::{Branch, Split, Step, Test, Tree};

/// Decision trees whose leaves are summed or averaged by output.
///
/// A row goes left where a feature is at most a threshold, or where its code is in a set; a node says
/// where a missing value goes. Each leaf has one value, for the output of its tree, or several for
/// neighbouring outputs.
#[derive(Clone, Debug)]
pub(crate) struct TreeEnsemble {
    pub(super) layout: Layout,
    pub(super) nodes: Vec<Node>,
    /// Where each tree starts, ascending.
    pub(super) roots: Vec<u32>,
    /// The first output of each tree's leaves.
    pub(super) firsts: Vec<u32>,
    /// What the leaves say, leaf by leaf.
    pub(super) values: Vec<f64>,
    /// The words of all code sets.
    pub(super) words: Vec<u32>,
    /// What training knew of the nodes, one of each a node.
    pub(super) stats: Option<Stats>,
    /// Whether every node is a leaf or a threshold to which NaN alone is missing.
    pub(super) plain: bool,
    /// How many trees speak for each output.
    pub(super) counts: Vec<f64>,
}

/// What the leaves of an ensemble are for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    /// What each output starts from.
    pub(crate) base: Vec<f64>,
    /// Values in a leaf.
    pub(crate) leaf_width: usize,
    pub(crate) aggregate: Aggregate,
}

/// What becomes of the leaves that a row falls into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    /// By output, over the trees that speak for it.
    Mean,
    Sum,
}

/// See [`Branch`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stats {
    pub(super) cover: Vec<f64>,
    pub(super) gain: Vec<f64>,
}

impl Layout {
    /// Trees of one value a leaf, summed on top of `base`.
    pub(crate) fn sum(base: Vec<f64>) -> Self {
        Self { base, leaf_width: 1, aggregate: Aggregate::Sum }
    }

    /// Trees of one value a leaf, averaged.
    pub(crate) fn mean(outputs: usize) -> Self {
        Self { base: vec![0.0; outputs], leaf_width: 1, aggregate: Aggregate::Mean }
    }

    /// With leaves that speak for several outputs at once.
    #[must_use]
    pub(crate) fn with_leaf_width(mut self, leaf_width: usize) -> Self {
        self.leaf_width = leaf_width;
        self
    }
}

impl TreeEnsemble {
    /// Without trees.
    pub(crate) fn new(layout: Layout) -> Self {
        let counts = vec![0.0; layout.base.len()];
        let (nodes, roots, firsts, values, words) = Default::default();
        Self { layout, nodes, roots, firsts, values, words, stats: None, plain: true, counts }
    }

    /// Keeps what training knew of the nodes; for an ensemble that has no trees yet.
    #[must_use]
    pub(crate) fn with_stats(mut self) -> Self {
        self.stats = Some(Stats::default());
        self
    }

    /// Adds a tree whose leaves speak for `first` and the outputs after it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) if the branches are no tree, a leaf is
    /// none or `first` is too great, [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported)
    /// for more nodes or features than the table can number.
    pub(crate) fn push(&mut self, tree: &Tree, first: usize) -> Result<()> {
        let wrong = |what: &str| Error::corrupt(format!("tree {} {what}", self.roots.len()));
        if first + self.layout.leaf_width > self.layout.base.len() {
            return Err(wrong("speaks for an output that there is not"));
        }
        let start = index(self.nodes.len())?;
        let first_leaf = self.values.len() / self.layout.leaf_width;
        let leaves = tree.values.len() / self.layout.leaf_width;
        index(self.nodes.len() + tree.branches.len())?;
        // Breadth first: children come after their parent and next to each other.
        let mut queue = Vec::with_capacity(tree.branches.len());
        queue.push(0);
        let mut nodes = Vec::with_capacity(tree.branches.len());
        while let Some(at) = queue.get(nodes.len()) {
            let branch: &Branch = tree.branches.get(*at).ok_or_else(|| wrong("has a child that there is not"))?;
            let node = match &branch.step {
                Step::Leaf(leaf) if *leaf < leaves => Node::leaf(index(first_leaf + leaf)?, start + nodes.len() as u32),
                Step::Leaf(_) => return Err(wrong("has a leaf without a value")),
                Step::Split(split) => {
                    let left = start + queue.len() as u32;
                    queue.extend(split.children);
                    if queue.len() > tree.branches.len() {
                        return Err(wrong("has branches with two parents"));
                    }
                    split_node(split, left, &mut self.words)?
                }
            };
            nodes.push(node);
        }
        if let Some(stats) = &mut self.stats {
            stats.cover.extend(queue.iter().map(|at| tree.branches[*at].cover));
            stats.gain.extend(queue.iter().map(|at| tree.branches[*at].gain));
        }
        self.plain &= nodes.iter().all(|node| is_plain(*node));
        self.nodes.extend(nodes);
        self.values.extend_from_slice(&tree.values);
        self.roots.push(start);
        self.firsts.push(first as u32);
        self.counts[first..][..self.layout.leaf_width].iter_mut().for_each(|count| *count += 1.0);
        Ok(())
    }

    /// Adds the trees of another ensemble of the same layout and without stats.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for more nodes than the table can
    /// number.
    pub(crate) fn append(&mut self, other: &Self) -> Result<()> {
        debug_assert!(self.layout == other.layout && self.stats.is_none() && other.stats.is_none());
        let (nodes, words) = (index(self.nodes.len())?, index(self.words.len())?);
        let leaves = index(self.values.len() / self.layout.leaf_width)?;
        index(self.nodes.len() + other.nodes.len())?;
        index(self.words.len() + other.words.len())?;
        self.nodes.extend(other.nodes.iter().map(|node| node.moved(nodes, leaves, words)));
        self.roots.extend(other.roots.iter().map(|root| root + nodes));
        self.firsts.extend_from_slice(&other.firsts);
        self.values.extend_from_slice(&other.values);
        self.words.extend_from_slice(&other.words);
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, others)| *count += others);
        self.plain &= other.plain;
        Ok(())
    }

    pub(crate) fn num_trees(&self) -> usize {
        self.roots.len()
    }

    pub(crate) fn num_nodes(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn num_outputs(&self) -> usize {
        self.layout.base.len()
    }

    /// What each output starts from.
    pub(crate) fn base(&self) -> &[f64] {
        &self.layout.base
    }

    /// The first output that a tree speaks for.
    pub(crate) fn output_of(&self, tree: usize) -> usize {
        self.firsts[tree] as usize
    }

    pub(super) fn end_of(&self, tree: usize) -> usize {
        self.roots.get(tree + 1).map_or(self.nodes.len(), |root| *root as usize)
    }

    /// Shows every node that a row passes, counted from the root of the tree.
    #[cfg(test)]
    pub(crate) fn walk(&self, tree: usize, row: &[f64], mut visit: impl FnMut(usize)) {
        let root = self.roots[tree];
        let mut at = root;
        loop {
            visit((at - root) as usize);
            let node = self.nodes[at as usize];
            if node.is_leaf() {
                return;
            }
            at = node.next(row[node.feature()], &self.words);
        }
    }

    /// The gains of all splits by feature, as shares that sum to 1; all 0 if no tree has a split,
    /// `None` if they are not known.
    pub(crate) fn gains(&self, width: usize) -> Option<Vec<f64>> {
        let stats = self.stats.as_ref()?;
        let mut shares = vec![0.0; width];
        for (node, gain) in self.nodes.iter().zip(&stats.gain).filter(|(node, _)| !node.is_leaf()) {
            shares[node.feature()] += gain.max(0.0);
        }
        let sum: f64 = shares.iter().sum();
        if sum > 0.0 {
            shares.iter_mut().for_each(|share| *share /= sum);
        }
        Some(shares)
    }
}

/// Two ensembles are equal that are stored as the same bytes.
impl PartialEq for TreeEnsemble {
    fn eq(&self, other: &Self) -> bool {
        matches!((self.to_bytes(), other.to_bytes()), (Ok(a), Ok(b)) if a == b)
    }
}

pub(super) fn is_plain(node: Node) -> bool {
    !node.has(flag::CATEGORICAL | flag::ZERO_IS_MISSING)
}

fn index(i: usize) -> Result<u32> {
    // The children of the last node must have numbers too.
    u32::try_from(i)
        .ok()
        .filter(|i| *i < u32::MAX - 1)
        .ok_or_else(|| Error::unsupported("trees of more than 4,294,967,293 nodes: limit their depth or their number"))
}

fn split_node(split: &Split, left: u32, words: &mut Vec<u32>) -> Result<Node> {
    let number = u32::try_from(split.feature).ok().filter(|number| *number <= flag::FEATURE);
    let mut feature = number.ok_or_else(|| Error::unsupported("trees over more than 134,217,728 features"))?;
    let mut set = |flag, is| feature |= if is { flag } else { 0 };
    set(flag::MISSING_LEFT, split.missing_left);
    set(flag::ZERO_IS_MISSING, split.zero_is_missing);
    Ok(match &split.test {
        Test::AtMost(threshold) => Node::threshold(*threshold, feature, left),
        Test::In { codes, unknown_left } => {
            set(flag::CATEGORICAL, true);
            set(flag::UNKNOWN_LEFT, *unknown_left);
            let start = index(words.len())?;
            words.extend_from_slice(codes.words());
            index(words.len())?;
            Node::set(start, codes.words().len() as u32, feature, left)
        }
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `x0 <= 1 ? (x1 <= -2 ? 1 : 2) : 3` for the first output, and a tree of one leaf for the last.
    pub(in super::super) fn ensemble(outputs: usize) -> TreeEnsemble {
        let mut ensemble = TreeEnsemble::new(Layout::mean(outputs));
        let mut tree = Tree::default();
        tree.split(Split::at_most(0, 1.0, [2, 1]), 4.0, 1.5);
        tree.leaf(&[3.0], 1.0);
        tree.split(Split::at_most(1, -2.0, [3, 4]), 3.0, 0.5);
        tree.leaf(&[1.0], 2.0);
        tree.leaf(&[2.0], 1.0);
        ensemble.push(&tree, 0).unwrap();
        let mut leaf = Tree::default();
        leaf.leaf(&[10.0], 4.0);
        ensemble.push(&leaf, outputs - 1).unwrap();
        ensemble
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let mut leaf = Tree::default();
        leaf.leaf(&[1.0], 1.0);
        let circle = |children| {
            let mut tree = Tree::default();
            tree.split(Split::at_most(0, 1.0, children), 1.0, 1.0);
            tree.leaf(&[1.0], 1.0);
            tree.leaf(&[1.0], 1.0);
            tree
        };
        let mut valueless = leaf.clone();
        valueless.values.clear();
        let mut trees = TreeEnsemble::new(Layout::mean(1));
        for (tree, first) in [
            (Tree::default(), 0),
            (valueless, 0),
            (leaf.clone(), 1),
            (circle([0, 0]), 0),
            (circle([1, 0]), 0),
            (circle([1, 3]), 0),
        ] {
            assert_eq!(trees.push(&tree, first).unwrap_err().kind(), mlops_core::ErrorKind::Corrupt, "{tree:?}");
            assert_eq!((trees.num_trees(), trees.num_nodes()), (0, 0));
        }
        trees.push(&circle([1, 2]), 0).unwrap();
        trees.push(&leaf, 0).unwrap();
    }

    #[test]
    fn ensembles_are_joined() {
        let mut set = Tree::default();
        let test = Test::In { codes: [40].into_iter().collect(), unknown_left: false };
        set.split(Split { test, ..Split::at_most(1, 0.0, [1, 2]) }, 1.0, 1.0);
        set.leaf(&[5.0], 1.0);
        set.leaf(&[6.0], 1.0);
        let (mut joined, mut other) = (ensemble(2), TreeEnsemble::new(Layout::mean(2)));
        joined.push(&set, 0).unwrap();
        let mut expected = joined.clone();
        for _ in 0..2 {
            other.push(&set, 1).unwrap();
            expected.push(&set, 1).unwrap();
        }
        joined.append(&other).unwrap();
        assert_eq!(joined, expected);
        assert_eq!((joined.counts, joined.plain), (expected.counts, false));
    }

    #[test]
    fn gains_are_shares() {
        let mut trees = TreeEnsemble::new(Layout::mean(1)).with_stats();
        let mut tree = Tree::default();
        tree.split(Split::at_most(1, 1.0, [1, 2]), 2.0, 3.0);
        tree.leaf(&[1.0], 1.0);
        tree.split(Split::at_most(0, 1.0, [3, 4]), 1.0, 1.0);
        tree.leaf(&[1.0], 1.0);
        tree.leaf(&[1.0], 1.0);
        trees.push(&tree, 0).unwrap();
        assert_eq!(trees.gains(3).unwrap(), [0.25, 0.75, 0.0]);
        assert_eq!(ensemble(1).gains(2), None);
    }
}
