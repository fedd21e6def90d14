//! Walking rows through trees.
//!
//! A step down a tree waits for two loads, and what the next step loads hangs on it; so several walks
//! are taken in step, and their waits overlap: eight trees for one row, eight rows for a batch. Both
//! add leaves in the order of the trees, so that sums agree to the last bit.

use std::ops::Range;

use super::ensemble::{Aggregate, TreeEnsemble};
use super::node::Node;

/// Rows that go through one tree before the next tree is fetched.
const BLOCK: usize = 64;
/// Walks taken in step.
const LANES: usize = 8;

impl TreeEnsemble {
    /// The outputs of one row; allocates nothing.
    pub(crate) fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        if self.is_plain_for(row) {
            self.row_by(row, scores, Node::next_plain);
        } else {
            self.row_by(row, scores, |node, x| node.next(x, &self.words));
        }
    }

    /// The outputs of row-major rows of `width` numbers, with the same bits as row by row.
    pub(crate) fn score_rows(&self, rows: &[f64], width: usize, scores: &mut [f64]) {
        let outputs = self.num_outputs();
        scores.chunks_exact_mut(outputs).for_each(|scores| self.start(scores));
        self.add_rows(0..self.num_trees(), rows, width, scores);
        scores.chunks_exact_mut(outputs).for_each(|scores| self.finish(scores));
    }

    /// Adds what some trees say of rows to their scores.
    pub(crate) fn add_rows(&self, trees: Range<usize>, rows: &[f64], width: usize, scores: &mut [f64]) {
        let blocks = rows.chunks(BLOCK * width).zip(scores.chunks_mut(BLOCK * self.num_outputs()));
        for (rows, scores) in blocks {
            if self.is_plain_for(rows) {
                self.block_by(trees.clone(), rows, width, scores, Node::next_plain);
            } else {
                self.block_by(trees.clone(), rows, width, scores, |node, x| node.next(x, &self.words));
            }
        }
    }

    fn is_plain_for(&self, values: &[f64]) -> bool {
        self.plain && !values.iter().fold(false, |nan, x| nan | x.is_nan())
    }

    #[inline(always)]
    fn row_by(&self, row: &[f64], scores: &mut [f64], next: impl Fn(Node, f64) -> u32) {
        self.start(scores);
        let (groups, rest) = self.roots.as_chunks::<LANES>();
        for (group, roots) in groups.iter().enumerate() {
            let leaves = self.descend(*roots, |_, feature| row[feature], &next);
            for (tree, leaf) in (group * LANES..).zip(leaves) {
                self.add(tree, leaf, scores);
            }
        }
        for (tree, root) in (groups.len() * LANES..).zip(rest) {
            let [leaf] = self.descend([*root], |_, feature| row[feature], &next);
            self.add(tree, leaf, scores);
        }
        self.finish(scores);
    }

    #[inline(always)]
    fn block_by(
        &self,
        trees: Range<usize>,
        rows: &[f64],
        width: usize,
        scores: &mut [f64],
        next: impl Fn(Node, f64) -> u32,
    ) {
        let outputs = self.num_outputs();
        for (tree, root) in trees.clone().zip(&self.roots[trees]) {
            let groups = rows.chunks(LANES * width).zip(scores.chunks_mut(LANES * outputs));
            for (rows, scores) in groups {
                if rows.len() == LANES * width {
                    let leaves = self.descend([*root; LANES], |lane, feature| rows[lane * width + feature], &next);
                    for (leaf, scores) in leaves.into_iter().zip(scores.chunks_exact_mut(outputs)) {
                        self.add(tree, leaf, scores);
                    }
                    continue;
                }
                for (row, scores) in rows.chunks_exact(width).zip(scores.chunks_exact_mut(outputs)) {
                    let [leaf] = self.descend([*root], |_, feature| row[feature], &next);
                    self.add(tree, leaf, scores);
                }
            }
        }
    }

    /// The leaves that walks from `at` end in.
    #[inline(always)]
    fn descend<const N: usize>(
        &self,
        mut at: [u32; N],
        x: impl Fn(usize, usize) -> f64,
        next: &impl Fn(Node, f64) -> u32,
    ) -> [usize; N] {
        let nodes = self.nodes.as_slice();
        loop {
            let mut moved = 0;
            for (lane, at) in at.iter_mut().enumerate() {
                let node = nodes[*at as usize];
                let to = next(node, x(lane, node.feature()));
                moved |= to ^ *at;
                *at = to;
            }
            if moved == 0 {
                return at.map(|leaf| nodes[leaf as usize].leaf_index());
            }
        }
    }

    #[inline(always)]
    fn start(&self, scores: &mut [f64]) {
        match self.layout.aggregate {
            Aggregate::Mean => scores.fill(0.0),
            Aggregate::Sum => scores.copy_from_slice(&self.layout.base),
        }
    }

    #[inline(always)]
    fn add(&self, tree: usize, leaf: usize, scores: &mut [f64]) {
        let first = self.firsts[tree] as usize;
        if self.layout.leaf_width == 1 {
            scores[first] += self.values[leaf];
            return;
        }
        let width = self.layout.leaf_width;
        for (score, value) in scores[first..].iter_mut().zip(&self.values[leaf * width..][..width]) {
            *score += value;
        }
    }

    #[inline(always)]
    fn finish(&self, scores: &mut [f64]) {
        if self.layout.aggregate == Aggregate::Mean {
            for ((score, count), base) in scores.iter_mut().zip(&self.counts).zip(&self.layout.base) {
                *score = base + *score / count.max(1.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ensemble::tests::ensemble;
    use super::super::{CodeSet, Layout, Split, Step, Test, Tree, TreeEnsemble};

    fn score(trees: &TreeEnsemble, row: &[f64]) -> Vec<f64> {
        let mut scores = vec![0.0; trees.num_outputs()];
        trees.score_row(row, &mut scores);
        scores
    }

    #[test]
    fn rows_find_their_leaf() {
        let trees = ensemble(2);
        let nan = f64::NAN;
        let rows = [[1.0, -2.0], [1.0, 0.0], [1.5, 0.0], [nan, 0.0], [0.0, nan], [f64::NEG_INFINITY, f64::INFINITY]];
        for (row, expected) in rows.iter().zip([1.0, 2.0, 3.0, 3.0, 2.0, 2.0]) {
            assert_eq!(score(&trees, row), [expected, 10.0], "{row:?}");
        }
        assert_eq!(score(&ensemble(1), &rows[0]), [5.5]);
    }

    fn one_split(split: Split) -> TreeEnsemble {
        let mut trees = TreeEnsemble::new(Layout::sum(vec![100.0]));
        let mut tree = Tree::default();
        tree.split(split, 2.0, 1.0);
        tree.leaf(&[1.0], 1.0);
        tree.leaf(&[2.0], 1.0);
        trees.push(&tree, 0).unwrap();
        trees
    }

    #[test]
    fn missing_values_go_where_the_node_says() {
        let side = |split: &Split, x: f64| score(&one_split(split.clone()), &[x])[0] - 100.0;
        let right = Split::at_most(0, 1.0, [1, 2]);
        let left = Split { missing_left: true, ..right.clone() };
        assert_eq!([side(&right, f64::NAN), side(&left, f64::NAN), side(&left, 2.0)], [2.0, 1.0, 2.0]);
        let sparse = Split { zero_is_missing: true, ..right.clone() };
        assert_eq!([0.0, -1e-36, f64::NAN, 0.5].map(|x| side(&sparse, x)), [2.0, 2.0, 2.0, 1.0]);

        let set = |unknown_left| Test::In { codes: [0, 3, 40].into_iter().collect(), unknown_left };
        let codes = Split { test: set(false), ..right };
        let xs = [0.0, -0.5, 3.9, 40.0, 1.0, 63.0, 64.0, -1.0, 1e300, f64::NEG_INFINITY, f64::NAN];
        let expected = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0];
        assert_eq!(xs.map(|x| side(&codes, x)), expected);
        let lenient = Split { test: set(true), missing_left: true, ..codes };
        let expected = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(xs.map(|x| side(&lenient, x)), expected);
    }

    #[test]
    fn a_leaf_may_speak_for_neighbours() {
        let mut trees = TreeEnsemble::new(Layout::sum(vec![0.0, 0.5, 0.0]).with_leaf_width(2));
        for first in [1, 0] {
            let mut tree = Tree::default();
            tree.split(Split::at_most(0, 0.0, [1, 2]), 2.0, 1.0);
            tree.leaf(&[1.0, 2.0], 1.0);
            tree.leaf(&[3.0, 4.0], 1.0);
            trees.push(&tree, first).unwrap();
        }
        assert_eq!(score(&trees, &[0.0]), [1.0, 3.5, 2.0]);
        assert_eq!(score(&trees, &[1.0]), [3.0, 7.5, 4.0]);
    }

    /// A tree of random splits over three features, the last of which may be codes.
    fn grown(choices: &[(u8, i8, u8)]) -> Tree {
        let mut tree = Tree::default();
        tree.leaf(&[0.25], 1.0);
        let mut leaves = vec![0];
        for (i, (feature, at, how)) in choices.iter().enumerate() {
            let node = leaves.remove(usize::from(*how) % leaves.len());
            let children = [0.1, 0.7].map(|by| tree.leaf(&[f64::from(*at) + by * i as f64], 1.0));
            let feature = usize::from(feature % 3);
            let codes: CodeSet = [u32::from(at.unsigned_abs()), 2].into_iter().collect();
            let test = match feature {
                2 if how & 1 == 1 => Test::In { codes, unknown_left: how & 8 > 0 },
                _ => Test::AtMost(f64::from(*at) / 8.0),
            };
            let (missing_left, zero_is_missing) = (how & 2 > 0, how & 4 > 0);
            tree.branches[node].step = Step::Split(Split { feature, test, missing_left, zero_is_missing, children });
            leaves.extend(children);
        }
        tree
    }

    proptest! {
        #[test]
        fn blocks_of_rows_give_the_same(
            trees in proptest::collection::vec(proptest::collection::vec((0u8..3, -20i8..20, 0u8..16), 0..12), 1..20),
            plain: bool,
            mean: bool,
            seed: u64,
        ) {
            let layout = if mean { Layout::mean(2) } else { Layout::sum(vec![0.5, -1.0]) };
            let mut ensemble = TreeEnsemble::new(layout);
            for (i, choices) in trees.iter().enumerate() {
                let mask = if plain { 2 } else { 15 };
                let choices: Vec<_> = choices.iter().map(|(f, at, how)| (*f, *at, how & mask)).collect();
                ensemble.push(&grown(&choices), i % 2).unwrap();
            }
            prop_assert!(!plain || ensemble.plain);
            let mut rng = mlops_core::random::SplitMix64::new(seed);
            let mut x = |_| if rng.below(50) == 0 { f64::NAN } else { rng.below(41) as f64 / 8.0 - 2.5 };
            let rows: Vec<f64> = (0..3 * 150).map(&mut x).collect();
            let mut together = vec![0.0; 2 * 150];
            ensemble.score_rows(&rows, 3, &mut together);
            for (row, scores) in rows.chunks_exact(3).zip(together.chunks_exact(2)) {
                prop_assert_eq!(scores, &score(&ensemble, row));
                let mut walked = ensemble.layout.base.clone();
                let mut sums = [0.0; 2];
                for tree in 0..ensemble.num_trees() {
                    let mut end = 0;
                    ensemble.walk(tree, row, |node| end = node);
                    let leaf = ensemble.nodes[ensemble.roots[tree] as usize + end].leaf_index();
                    sums[tree % 2] += ensemble.values[leaf];
                }
                walked.iter_mut().zip(sums).enumerate().for_each(|(i, (w, sum))| {
                    *w += if mean { sum / ensemble.counts[i].max(1.0) } else { sum };
                });
                prop_assert!(scores.iter().zip(&walked).all(|(a, b)| (a - b).abs() < 1e-9));
            }
            let read = TreeEnsemble::from_bytes(&ensemble.to_bytes().unwrap(), 3, 2).unwrap();
            let mut again = vec![0.0; 2 * 150];
            read.score_rows(&rows, 3, &mut again);
            prop_assert_eq!(again, together);
        }
    }
}
