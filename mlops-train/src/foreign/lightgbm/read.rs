use mlops_core::{Domain, Error, Result};

use super::objective::Objective;
use super::text::{Block, blocks};
use crate::foreign::import::{Feature, Import};
use crate::trees::{CodeSet, Layout, Split, Test, Tree, TreeEnsemble, TreeModel};

/// `decision_type`: whether the split is one of codes, and where a missing value goes.
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

pub(crate) fn read(bytes: &[u8], import: &Import) -> Result<TreeModel> {
    let (header, blocks) = blocks(bytes)?;
    let classes: usize = header.number("num_class")?;
    let outputs: usize = header.number("num_tree_per_iteration")?;
    if classes != outputs || outputs == 0 {
        return Err(Error::corrupt(format!("a LightGBM model of {classes} classes with {outputs} trees an iteration")));
    }
    let line = if header.has("objective") { Some(header.get("objective")?) } else { None };
    let objective = Objective::read(line, classes)?;
    let signature = import.signature(features(&header)?, objective.answer)?;
    let layout = if header.has("average_output") { Layout::mean(outputs) } else { Layout::sum(vec![0.0; outputs]) };
    let mut trees = TreeEnsemble::new(layout);
    if blocks.iter().all(|block| block.has("leaf_count")) {
        trees = trees.with_stats();
    }
    let width = signature.inputs.len();
    for (i, block) in blocks.iter().enumerate() {
        let mut tree = tree(block, width)?;
        tree.values.iter_mut().for_each(|value| *value *= objective.slope);
        trees.push(&tree, i % outputs)?;
    }
    if blocks.is_empty() || blocks.len() % outputs != 0 {
        return Err(Error::corrupt(format!("a LightGBM model of {} trees, {outputs} an iteration", blocks.len())));
    }
    TreeModel::new(signature, trees, objective.link)
}

fn features(header: &Block<'_>) -> Result<Vec<Feature>> {
    let last: usize = header.number("max_feature_idx")?;
    let count = last.checked_add(1).ok_or_else(|| Error::corrupt("'max_feature_idx' of the header is too great"))?;
    let names: Vec<String> = header.numbers("feature_names", count)?;
    let infos = if header.has("feature_infos") { header.get("feature_infos")? } else { "" };
    let domains = infos.split_ascii_whitespace().map(domain).chain(std::iter::repeat(Domain::Any));
    Ok(names.into_iter().zip(domains).map(|(name, domain)| Feature { name, domain }).collect())
}

/// `[min:max]`, a list of codes, or `none`.
fn domain(info: &str) -> Domain {
    let range = info.strip_prefix('[').and_then(|info| info.strip_suffix(']')?.split_once(':'));
    let range = range.and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
    match range {
        Some((min, max)) if f64::is_finite(min) && f64::is_finite(max) => Domain::Range { min, max },
        _ => Domain::Any,
    }
}

fn tree(block: &Block<'_>, width: usize) -> Result<Tree> {
    if block.has("is_linear") && block.get("is_linear")? != "0" {
        return Err(Error::unsupported(format!("{} has linear leaves: train without linear_tree", block.name)));
    }
    let leaves: usize = block.number("num_leaves")?;
    let values: Vec<f64> = block.numbers("leaf_value", leaves)?;
    let splits = leaves.checked_sub(1).ok_or_else(|| Error::corrupt(format!("{} has no leaf", block.name)))?;
    let mut tree = Tree::default();
    if splits > 0 {
        read_splits(block, splits, width, &mut tree)?;
    }
    let cover = optional(block, "leaf_count", leaves)?;
    for (value, cover) in values.iter().zip(cover) {
        tree.leaf(&[*value], cover);
    }
    Ok(tree)
}

fn read_splits(block: &Block<'_>, splits: usize, width: usize, tree: &mut Tree) -> Result<()> {
    let features: Vec<usize> = block.numbers("split_feature", splits)?;
    let thresholds: Vec<f64> = block.numbers("threshold", splits)?;
    let decisions: Vec<u8> = block.numbers("decision_type", splits)?;
    let lefts: Vec<i64> = block.numbers("left_child", splits)?;
    let rights: Vec<i64> = block.numbers("right_child", splits)?;
    let (covers, gains) = (optional(block, "internal_count", splits)?, optional(block, "split_gain", splits)?);
    let sets = CodeSets::read(block)?;
    for i in 0..splits {
        let wrong = |what: &str| Error::corrupt(format!("split {i} of {} {what}", block.name));
        if features[i] >= width {
            return Err(wrong(&format!("asks for feature {} of {width}", features[i])));
        }
        // Leaves come after the splits; a file counts them from -1 downwards.
        let child = |child: i64| match usize::try_from(child) {
            Ok(split) if split < splits => Ok(split),
            Ok(_) => Err(wrong("leads to a split that there is not")),
            Err(_) => {
                usize::try_from(!child).map(|leaf| leaf.saturating_add(splits)).map_err(|_| wrong("leads nowhere"))
            }
        };
        let children = [child(lefts[i])?, child(rights[i])?];
        let split = if decisions[i] & CATEGORICAL > 0 {
            let codes = sets.get(thresholds[i]).ok_or_else(|| wrong("names a set that there is not"))?;
            let test = Test::In { codes, unknown_left: false };
            Split { feature: features[i], test, missing_left: false, zero_is_missing: false, children }
        } else {
            threshold(features[i], thresholds[i], decisions[i], children)
        };
        tree.split(split, covers[i], gains[i]);
    }
    Ok(())
}

fn threshold(feature: usize, threshold: f64, decision: u8, children: [usize; 2]) -> Split {
    let default_left = decision & DEFAULT_LEFT > 0;
    let (missing_left, zero_is_missing) = match decision >> 2 & 3 {
        // Nothing is missing: NaN is read as 0.
        0 => (0.0 <= threshold, false),
        1 => (default_left, true),
        _ => (default_left, false),
    };
    Split { missing_left, zero_is_missing, ..Split::at_most(feature, threshold, children) }
}

/// Numbers that say nothing about answers, and that old versions do not write.
fn optional(block: &Block<'_>, key: &str, count: usize) -> Result<Vec<f64>> {
    if block.has(key) { block.numbers(key, count) } else { Ok(vec![0.0; count]) }
}

/// The sets of codes of a tree.
#[derive(Debug, Default)]
struct CodeSets {
    ends: Vec<usize>,
    words: Vec<u32>,
}

impl CodeSets {
    fn read(block: &Block<'_>) -> Result<Self> {
        let count: usize = if block.has("num_cat") { block.number("num_cat")? } else { 0 };
        if count == 0 {
            return Ok(Self::default());
        }
        let wrong = || Error::corrupt(format!("the code sets of {} do not fit their boundaries", block.name));
        let ends: Vec<usize> = block.numbers("cat_boundaries", count.checked_add(1).ok_or_else(wrong)?)?;
        if !ends.is_sorted() {
            return Err(wrong());
        }
        let words = block.numbers("cat_threshold", ends[count])?;
        Ok(Self { ends, words })
    }

    fn get(&self, number: f64) -> Option<CodeSet> {
        let number = (number >= 0.0 && number.fract() == 0.0).then_some(number as usize)?;
        let (start, end) = (*self.ends.get(number)?, *self.ends.get(number.checked_add(1)?)?);
        Some(CodeSet::from_words(self.words.get(start..end)?.to_vec()))
    }
}
