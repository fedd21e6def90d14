//! Trees out of the table again, for those that write them down elsewhere.

use super::ensemble::{Aggregate, TreeEnsemble};
use super::node::{Node, flag};
use super::tree::{Branch, CodeSet, Split, Step, Test, Tree};

impl TreeEnsemble {
    /// The tree as it could have been [`push`](Self::push)ed; its branches are in the order of the
    /// table. Cover and gain are 0 where they are not known.
    pub(crate) fn tree(&self, tree: usize) -> Tree {
        let (root, end) = (self.roots[tree] as usize, self.end_of(tree));
        let width = self.layout.leaf_width;
        let mut unfolded = Tree::default();
        for (i, node) in self.nodes[root..end].iter().enumerate() {
            let step = if node.is_leaf() {
                unfolded.values.extend_from_slice(&self.values[node.leaf_index() * width..][..width]);
                Step::Leaf(unfolded.values.len() / width - 1)
            } else {
                Step::Split(self.split(*node, root))
            };
            let (cover, gain) = self.stats.as_ref().map_or((0.0, 0.0), |s| (s.cover[root + i], s.gain[root + i]));
            unfolded.branches.push(Branch { step, cover, gain });
        }
        unfolded
    }

    /// Values in a leaf.
    pub(crate) fn leaf_width(&self) -> usize {
        self.layout.leaf_width
    }

    /// What the leaves of an output are multiplied by before they are summed.
    pub(crate) fn share_of_a_tree(&self, output: usize) -> f64 {
        match self.layout.aggregate {
            Aggregate::Mean => 1.0 / self.counts[output].max(1.0),
            Aggregate::Sum => 1.0,
        }
    }

    /// Whether it is known what training knew of the nodes.
    pub(crate) fn has_stats(&self) -> bool {
        self.stats.is_some()
    }

    fn split(&self, node: Node, root: usize) -> Split {
        let left = node.left() as usize - root;
        let test = if node.has(flag::CATEGORICAL) {
            let (start, words) = node.code_set();
            let codes = CodeSet::from_words(self.words[start..][..words].to_vec());
            Test::In { codes, unknown_left: node.has(flag::UNKNOWN_LEFT) }
        } else {
            Test::AtMost(node.threshold_value())
        };
        Split {
            feature: node.feature(),
            test,
            missing_left: node.has(flag::MISSING_LEFT),
            zero_is_missing: node.has(flag::ZERO_IS_MISSING),
            children: [left, left + 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Layout;
    use super::super::ensemble::tests::ensemble;
    use super::*;

    #[test]
    fn what_was_unfolded_is_the_same_table() {
        let trees = ensemble(2);
        let mut again = TreeEnsemble::new(Layout::mean(2));
        for tree in 0..trees.num_trees() {
            again.push(&trees.tree(tree), trees.output_of(tree)).unwrap();
        }
        assert_eq!(again, trees);
    }
}
