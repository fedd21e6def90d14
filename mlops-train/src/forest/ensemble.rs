//! Decision trees as one flat table.

use mlops_core::{Error, Result};

use super::tensors::{self, Tensor};

/// The feature of a node that is a leaf.
const LEAF: u32 = u32::MAX;
/// Rows that go through one tree before the next tree is fetched.
const BLOCK: usize = 64;

/// Decision trees with numbers in their leaves, averaged by output.
///
/// A node is 16 bytes and the two children of a node are neighbours, so a step down a tree costs
/// one cache line at most. A row goes left where `feature <= threshold`; NaN, which is in no order,
/// goes right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TreeEnsemble {
    nodes: Vec<Node>,
    /// Where each tree starts, ascending; the trees of an output are neighbours.
    roots: Vec<u32>,
    outputs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    /// Of a leaf, its value.
    threshold: f64,
    feature: u32,
    /// The right child follows the left one.
    left: u32,
}

impl Node {
    /// The child that a row goes to.
    #[inline]
    fn next(&self, row: &[f64]) -> u32 {
        // `!(a <= b)` and `a > b` differ for NaN.
        let right = u32::from(!matches!(
            row[self.feature as usize].partial_cmp(&self.threshold),
            Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal)
        ));
        self.left + right
    }
}

/// A tree as it was grown.
#[derive(Clone, Debug)]
pub(crate) enum Branch {
    Leaf(f64),
    /// To the first of the children where `feature <= threshold`, else to the second.
    Split {
        feature: usize,
        threshold: f64,
        children: [usize; 2],
    },
}

impl TreeEnsemble {
    /// Without trees.
    pub(crate) fn new(outputs: usize) -> Self {
        Self { nodes: Vec::new(), roots: Vec::new(), outputs }
    }

    /// Adds a tree whose root is the first of `branches`. Trees are added output by output, as many
    /// for each.
    pub(crate) fn push(&mut self, branches: &[Branch]) -> Result<()> {
        let too_large = || Error::unsupported("a forest of more than 4,294,967,295 nodes: limit max_depth or n_trees");
        let index = |i: usize| u32::try_from(i).map_err(|_| too_large());
        let start = self.nodes.len();
        self.roots.push(index(start)?);
        // Breadth first: children come after their parent and next to each other.
        let mut queue = vec![0];
        let mut next = 0;
        while let Some(branch) = queue.get(next).map(|at: &usize| &branches[*at]) {
            next += 1;
            let node = match branch {
                Branch::Leaf(value) => Node { threshold: *value, feature: LEAF, left: 0 },
                Branch::Split { feature, threshold, children } => {
                    let left = index(start + queue.len())?;
                    queue.extend(children);
                    Node { threshold: *threshold, feature: index(*feature)?, left }
                }
            };
            self.nodes.push(node);
        }
        Ok(())
    }

    pub(crate) fn num_trees(&self) -> usize {
        self.roots.len()
    }

    pub(crate) fn num_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The output that a tree belongs to.
    pub(crate) fn output_of(&self, tree: usize) -> usize {
        tree / self.trees_an_output()
    }

    /// How many nodes a tree has.
    pub(crate) fn size_of(&self, tree: usize) -> usize {
        let end = self.roots.get(tree + 1).map_or(self.nodes.len(), |root| *root as usize);
        end - self.roots[tree] as usize
    }

    /// Shows every node that a row passes, counted from the root of the tree.
    pub(crate) fn walk(&self, tree: usize, row: &[f64], mut visit: impl FnMut(usize)) {
        let root = self.roots[tree];
        let mut at = root;
        loop {
            visit((at - root) as usize);
            let node = &self.nodes[at as usize];
            if node.feature == LEAF {
                return;
            }
            at = node.next(row);
        }
    }

    /// Shows every split of a tree: its node, its feature and its children.
    pub(crate) fn splits(&self, tree: usize, mut visit: impl FnMut(usize, usize, [usize; 2])) {
        let root = self.roots[tree] as usize;
        for (i, node) in self.nodes[root..][..self.size_of(tree)].iter().enumerate() {
            if node.feature != LEAF {
                let left = node.left as usize - root;
                visit(i, node.feature as usize, [left, left + 1]);
            }
        }
    }

    fn trees_an_output(&self) -> usize {
        self.roots.len() / self.outputs
    }

    /// The value of the leaf that a row falls into.
    fn leaf(&self, root: u32, row: &[f64]) -> f64 {
        let mut node = &self.nodes[root as usize];
        while node.feature != LEAF {
            node = &self.nodes[node.next(row) as usize];
        }
        node.threshold
    }

    /// The mean of the trees, for each output.
    pub(crate) fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        let trees = self.trees_an_output();
        for (score, roots) in scores.iter_mut().zip(self.roots.chunks_exact(trees)) {
            let mut sum = 0.0;
            for root in roots {
                sum += self.leaf(*root, row);
            }
            *score = sum / trees as f64;
        }
    }

    /// The same for many rows: tree by tree over a block of rows, so that a tree stays in the cache.
    /// The numbers are added in the same order, so the sums are the same to the last bit.
    pub(crate) fn score_rows(&self, rows: &[f64], width: usize, scores: &mut [f64]) {
        let trees = self.trees_an_output();
        let blocks = rows.chunks(BLOCK * width).zip(scores.chunks_mut(BLOCK * self.outputs));
        for (rows, scores) in blocks {
            for (output, roots) in self.roots.chunks_exact(trees).enumerate() {
                let mut sums = [0.0; BLOCK];
                for root in roots {
                    for (sum, row) in sums.iter_mut().zip(rows.chunks_exact(width)) {
                        *sum += self.leaf(*root, row);
                    }
                }
                for (scores, sum) in scores.chunks_exact_mut(self.outputs).zip(sums) {
                    scores[output] = sum / trees as f64;
                }
            }
        }
    }

    /// As safetensors: `threshold`, `feature` and `left` of all nodes, and the `root` of each tree.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        tensors::write(&[
            ("threshold", Tensor::F64(self.nodes.iter().map(|node| node.threshold).collect())),
            ("feature", Tensor::U32(self.nodes.iter().map(|node| node.feature).collect())),
            ("left", Tensor::U32(self.nodes.iter().map(|node| node.left).collect())),
            ("root", Tensor::U32(self.roots.clone())),
        ])
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, and checks that no row of `width` numbers can
    /// lead out of the table or in a circle.
    pub(crate) fn from_bytes(bytes: &[u8], width: usize, outputs: usize) -> Result<Self> {
        let mut tensors = tensors::read(bytes)?;
        let mut take =
            |name| tensors.remove(name).ok_or_else(|| Error::corrupt(format!("the trees lack the tensor '{name}'")));
        let threshold = take("threshold")?.into_f64()?;
        let (feature, left, roots) =
            (take("feature")?.into_u32()?, take("left")?.into_u32()?, take("root")?.into_u32()?);
        if feature.len() != threshold.len() || left.len() != threshold.len() {
            return Err(Error::corrupt("the columns of the tree table differ in length"));
        }
        let nodes = threshold.into_iter().zip(feature).zip(left);
        let nodes = nodes.map(|((threshold, feature), left)| Node { threshold, feature, left }).collect();
        let ensemble = Self { nodes, roots, outputs };
        ensemble.check(width)?;
        Ok(ensemble)
    }

    fn check(&self, width: usize) -> Result<()> {
        let wrong = |what: &str, i: usize| Err(Error::corrupt(format!("the tree table is damaged: {what} at {i}")));
        if self.outputs == 0 || self.roots.is_empty() || !self.roots.len().is_multiple_of(self.outputs) {
            return wrong("the number of trees", self.roots.len());
        }
        if self.roots[0] != 0 || !self.roots.is_sorted_by(|a, b| a < b) {
            return wrong("the starts of the trees", 0);
        }
        let ends = self.roots[1..].iter().map(|root| *root as usize).chain([self.nodes.len()]);
        for (start, end) in self.roots.iter().map(|root| *root as usize).zip(ends) {
            if start >= end || end > self.nodes.len() {
                return wrong("the start of a tree", start);
            }
            for (i, node) in self.nodes.iter().enumerate().take(end).skip(start) {
                // A child after its parent can't be its ancestor, so every way down ends.
                let left = node.left as usize;
                let fits = (node.feature as usize) < width && left > i && left + 1 < end;
                if node.feature != LEAF && !fits {
                    return wrong("a node", i);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x0 <= 1 ? (x1 <= -2 ? 1 : 2) : 3`, and a tree of one leaf.
    fn ensemble(outputs: usize) -> TreeEnsemble {
        let mut ensemble = TreeEnsemble::new(outputs);
        let tree = [
            Branch::Split { feature: 0, threshold: 1.0, children: [2, 1] },
            Branch::Leaf(3.0),
            Branch::Split { feature: 1, threshold: -2.0, children: [3, 4] },
            Branch::Leaf(1.0),
            Branch::Leaf(2.0),
        ];
        ensemble.push(&tree).unwrap();
        ensemble.push(&[Branch::Leaf(10.0)]).unwrap();
        ensemble
    }

    #[test]
    fn rows_find_their_leaf() {
        let trees = ensemble(2);
        let nan = f64::NAN;
        let rows = [[1.0, -2.0], [1.0, 0.0], [1.5, 0.0], [nan, 0.0], [0.0, nan], [f64::NEG_INFINITY, f64::INFINITY]];
        for (row, expected) in rows.iter().zip([1.0, 2.0, 3.0, 3.0, 2.0, 2.0]) {
            let mut scores = [0.0; 2];
            trees.score_row(row, &mut scores);
            assert_eq!(scores, [expected, 10.0], "{row:?}");
        }
        let mut mean = [0.0];
        ensemble(1).score_row(&rows[0], &mut mean);
        assert_eq!(mean, [5.5]);
    }

    #[test]
    fn blocks_of_rows_give_the_same() {
        let trees = ensemble(2);
        let rows: Vec<f64> = (0..300).flat_map(|i| [f64::from(i % 7) - 3.0, f64::from(i % 5) - 4.0]).collect();
        let mut together = vec![0.0; 600];
        trees.score_rows(&rows, 2, &mut together);
        for (row, scores) in rows.chunks_exact(2).zip(together.chunks_exact(2)) {
            let mut alone = [0.0; 2];
            trees.score_row(row, &mut alone);
            assert_eq!(scores, alone);
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let trees = ensemble(2);
        assert_eq!(TreeEnsemble::from_bytes(&trees.to_bytes().unwrap(), 2, 2).unwrap(), trees);
        assert!(TreeEnsemble::from_bytes(&trees.to_bytes().unwrap(), 1, 2).is_err(), "a feature beyond the row");
        assert!(TreeEnsemble::from_bytes(&trees.to_bytes().unwrap(), 2, 3).is_err(), "trees do not divide");
    }

    #[test]
    fn damaged_tables_are_refused() {
        let damages: [fn(&mut TreeEnsemble); 7] = [
            |t| t.nodes[0].left = 0,
            |t| t.nodes[0].left = 5,
            |t| t.nodes[1].left = u32::MAX,
            |t| t.roots[1] = 9,
            |t| t.roots[0] = 1,
            |t| t.roots.clear(),
            |t| t.nodes.clear(),
        ];
        for (i, damage) in damages.into_iter().enumerate() {
            let mut trees = ensemble(1);
            damage(&mut trees);
            let read = TreeEnsemble::from_bytes(&trees.to_bytes().unwrap(), 2, 1);
            assert!(read.is_err(), "damage {i} went unnoticed");
        }
    }
}
