//! Tree tables as safetensors.
//!
//! | tensor | one for | what |
//! | --- | --- | --- |
//! | `layout` (u32) | the table | the format, 2; values a leaf; 1 if trees are averaged |
//! | `base` (f64) | an output | what it starts from |
//! | `root`, `output` (u32) | a tree | its first node, the first output of its leaves |
//! | `feature` (u32) | a node | 2³² - 1 for a leaf; else the feature, plus 2³⁰ where missing values go left, 2²⁹ where 0 is missing, 2²⁸ for a test of codes, 2²⁷ where unknown codes go left |
//! | `left` (u32) | a node | the left child, which the right one follows; of a leaf 0 |
//! | `threshold` (f64) | a node | what goes left is at most this; the number of a set, of a leaf |
//! | `value` (f64) | a leaf and its outputs | what it says |
//! | `set`, `set_end` (u32) | all sets, a set | bits of codes, and the words up to a set's end |
//! | `cover`, `gain` (f64) | a node | weight of the training rows, what the split lowered the loss by |
//!
//! The last two rows may be missing. Format 1 has `threshold` (of a leaf its value), `feature`, `left`
//! and `root` alone: the same number of trees for each output, averaged.

use mlops_core::{Error, Result};

use super::ensemble::{Aggregate, Layout, Stats, TreeEnsemble, is_plain};
use super::node::{Node, flag};
use super::tensors::{self, Tensor};

const FORMAT: u32 = 2;
const LEAF: u32 = u32::MAX;

impl TreeEnsemble {
    /// Writes the table down.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let too_large = |_| Error::unsupported("a leaf with more than 4,294,967,295 values");
        let mean = u32::from(self.layout.aggregate == Aggregate::Mean);
        let width = u32::try_from(self.layout.leaf_width).map_err(too_large)?;
        let mut sets = Vec::new();
        let threshold = |node: &Node| {
            if node.is_leaf() {
                node.leaf_index() as f64
            } else if node.has(flag::CATEGORICAL) {
                let (start, words) = node.code_set();
                sets.push((start + words) as u32);
                (sets.len() - 1) as f64
            } else {
                node.threshold_value()
            }
        };
        let feature = |node: &Node| if node.is_leaf() { LEAF } else { node.flagged() };
        let left = |node: &Node| if node.is_leaf() { 0 } else { node.left() };
        let mut tensors = vec![
            ("threshold", Tensor::F64(self.nodes.iter().map(threshold).collect())),
            ("value", Tensor::F64(self.values.clone())),
            ("base", Tensor::F64(self.layout.base.clone())),
        ];
        if let Some(stats) = &self.stats {
            tensors.push(("cover", Tensor::F64(stats.cover.clone())));
            tensors.push(("gain", Tensor::F64(stats.gain.clone())));
        }
        tensors.extend([
            ("feature", Tensor::U32(self.nodes.iter().map(feature).collect())),
            ("left", Tensor::U32(self.nodes.iter().map(left).collect())),
            ("root", Tensor::U32(self.roots.clone())),
            ("output", Tensor::U32(self.firsts.clone())),
            ("layout", Tensor::U32(vec![FORMAT, width, mean])),
        ]);
        if !sets.is_empty() {
            tensors.push(("set_end", Tensor::U32(sets)));
            tensors.push(("set", Tensor::U32(self.words.clone())));
        }
        tensors::write(&tensors)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, in this version or an earlier one, and checks
    /// that no row of `width` numbers can lead out of the table or in a circle, and that there are
    /// `outputs` outputs.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) if it is something else.
    pub(crate) fn from_bytes(bytes: &[u8], width: usize, outputs: usize) -> Result<Self> {
        let mut file = File { tensors: tensors::read(bytes)? };
        let ensemble = match file.tensors.remove("layout") {
            Some(layout) => file.read(&layout.into_u32()?)?,
            None => file.read_first_format(outputs)?,
        };
        if ensemble.num_outputs() != outputs {
            return Err(damaged(format!("{} outputs, {outputs} are needed", ensemble.num_outputs())));
        }
        ensemble.check(width)?;
        Ok(ensemble)
    }

    fn check(&self, width: usize) -> Result<()> {
        if self.roots.first() != Some(&0) || !self.roots.is_sorted_by(|a, b| a < b) {
            return Err(damaged("the starts of the trees"));
        }
        for (tree, root) in self.roots.iter().map(|root| *root as usize).enumerate() {
            let end = self.end_of(tree);
            if root >= end || end > self.nodes.len() {
                return Err(damaged(format!("the start of tree {tree}")));
            }
            for (i, node) in self.nodes.iter().enumerate().take(end).skip(root).filter(|(_, node)| !node.is_leaf()) {
                // A child after its parent can't be its ancestor, so every way down ends.
                let left = node.left() as usize;
                if node.feature() >= width || left <= i || left + 1 >= end {
                    return Err(damaged(format!("node {i}")));
                }
            }
        }
        Ok(())
    }
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("the tree table is damaged: {what}"))
}

/// The tensors that were not read yet.
struct File {
    tensors: std::collections::BTreeMap<String, Tensor>,
}

impl File {
    fn take(&mut self, name: &str) -> Result<Tensor> {
        self.tensors.remove(name).ok_or_else(|| Error::corrupt(format!("the trees lack the tensor '{name}'")))
    }

    fn columns(&mut self) -> Result<impl ExactSizeIterator<Item = (f64, u32, u32)> + use<>> {
        let threshold = self.take("threshold")?.into_f64()?;
        let (feature, left) = (self.take("feature")?.into_u32()?, self.take("left")?.into_u32()?);
        if feature.len() != threshold.len() || left.len() != threshold.len() || u32::try_from(left.len()).is_err() {
            return Err(Error::corrupt("the columns of the tree table differ in length"));
        }
        let rows = threshold.into_iter().zip(feature).zip(left);
        Ok(rows.map(|((threshold, feature), left)| (threshold, feature, left)))
    }

    fn read(mut self, layout: &[u32]) -> Result<TreeEnsemble> {
        let (leaf_width, aggregate) = match layout {
            [FORMAT, width, 0] if *width > 0 => (*width as usize, Aggregate::Sum),
            [FORMAT, width, 1] if *width > 0 => (*width as usize, Aggregate::Mean),
            _ => return Err(damaged(format!("the layout {layout:?}"))),
        };
        let layout = Layout { base: self.take("base")?.into_f64()?, leaf_width, aggregate };
        let mut ensemble = TreeEnsemble::new(layout);
        ensemble.values = self.take("value")?.into_f64()?;
        let leaves = ensemble.values.len() / leaf_width;
        let sets = self.sets(&mut ensemble.words)?;
        let mut nodes = Vec::new();
        for (i, (threshold, feature, left)) in self.columns()?.enumerate() {
            let index = |bound: usize| {
                let fits = threshold >= 0.0 && threshold < bound as f64 && threshold.fract() == 0.0;
                if fits { Ok(threshold as usize) } else { Err(damaged(format!("what node {i} refers to"))) }
            };
            nodes.push(if feature == LEAF {
                Node::leaf(index(leaves)? as u32, i as u32)
            } else if feature & flag::LEAF != 0 || left == LEAF {
                return Err(damaged(format!("node {i}")));
            } else if feature & flag::CATEGORICAL != 0 {
                let (start, words) = sets[index(sets.len())?];
                Node::set(start, words, feature, left)
            } else {
                Node::threshold(threshold, feature, left)
            });
        }
        ensemble.plain = nodes.iter().all(|node| is_plain(*node));
        ensemble.nodes = nodes;
        self.trees(&mut ensemble)?;
        Ok(ensemble)
    }

    fn sets(&mut self, words: &mut Vec<u32>) -> Result<Vec<(u32, u32)>> {
        let Some(ends) = self.tensors.remove("set_end") else { return Ok(Vec::new()) };
        *words = self.take("set")?.into_u32()?;
        let ends = ends.into_u32()?;
        if !ends.is_sorted() || ends.last().is_some_and(|end| *end as usize > words.len()) {
            return Err(damaged("the ends of the sets"));
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        Ok(starts.zip(&ends).map(|(start, end)| (start, end - start)).collect())
    }

    fn trees(&mut self, ensemble: &mut TreeEnsemble) -> Result<()> {
        ensemble.roots = self.take("root")?.into_u32()?;
        ensemble.firsts = self.take("output")?.into_u32()?;
        let (outputs, width) = (ensemble.num_outputs(), ensemble.layout.leaf_width);
        let inside = ensemble.firsts.iter().all(|first| *first as usize + width <= outputs);
        if ensemble.firsts.len() != ensemble.roots.len() || !inside {
            return Err(damaged("the outputs of the trees"));
        }
        for first in &ensemble.firsts {
            ensemble.counts[*first as usize..][..width].iter_mut().for_each(|count| *count += 1.0);
        }
        let Some(cover) = self.tensors.remove("cover") else { return Ok(()) };
        let stats = Stats { cover: cover.into_f64()?, gain: self.take("gain")?.into_f64()? };
        if stats.cover.len() != ensemble.nodes.len() || stats.gain.len() != ensemble.nodes.len() {
            return Err(damaged("what training knew of the nodes"));
        }
        ensemble.stats = Some(stats);
        Ok(())
    }

    fn read_first_format(mut self, outputs: usize) -> Result<TreeEnsemble> {
        let mut ensemble = TreeEnsemble::new(Layout::mean(outputs));
        for (i, (threshold, feature, left)) in self.columns()?.enumerate() {
            ensemble.nodes.push(if feature == LEAF {
                ensemble.values.push(threshold);
                Node::leaf(ensemble.values.len() as u32 - 1, i as u32)
            } else if feature > flag::FEATURE || left == LEAF {
                return Err(damaged(format!("node {i}")));
            } else {
                Node::threshold(threshold, feature, left)
            });
        }
        ensemble.roots = self.take("root")?.into_u32()?;
        let trees = ensemble.roots.len();
        if outputs == 0 || trees == 0 || !trees.is_multiple_of(outputs) {
            return Err(damaged(format!("{trees} trees for {outputs} outputs")));
        }
        ensemble.firsts = (0..trees).map(|tree| (tree / (trees / outputs)) as u32).collect();
        ensemble.counts = vec![(trees / outputs) as f64; outputs];
        Ok(ensemble)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ensemble::tests::ensemble;
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let trees = ensemble(2);
        let read = TreeEnsemble::from_bytes(&trees.to_bytes().unwrap(), 2, 2).unwrap();
        assert_eq!(read, trees);
        assert_eq!(read.counts, trees.counts);
        assert!(TreeEnsemble::from_bytes(&trees.to_bytes().unwrap(), 1, 2).is_err(), "a feature beyond the row");
        assert!(TreeEnsemble::from_bytes(&trees.to_bytes().unwrap(), 2, 3).is_err(), "other outputs");
    }

    #[test]
    fn damaged_tables_are_refused() {
        let damages: [fn(&mut TreeEnsemble); 9] = [
            |t| t.nodes[0] = Node::threshold(1.0, 0, 0),
            |t| t.nodes[0] = Node::threshold(1.0, 0, 5),
            |t| t.nodes[0] = Node::leaf(9, 0),
            |t| t.roots[1] = 9,
            |t| t.roots[0] = 1,
            |t| t.roots.clear(),
            |t| t.firsts[0] = 1,
            |t| t.layout.leaf_width = 0,
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
