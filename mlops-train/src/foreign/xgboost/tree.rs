//! One tree of XGBoost: a column a property, a child of -1 where there is none.

use mlops_core::{Error, Result};

use super::value::Value;
use crate::trees::{CodeSet, Split, Test, Tree, below_f32};

/// XGBoost's codes are `f32`.
const MOST_CODES: f64 = 16_777_216.0;

struct Columns<'a> {
    lefts: &'a [f64],
    rights: &'a [f64],
    features: &'a [f64],
    /// Of a leaf what it says.
    conditions: &'a [f64],
    default_lefts: &'a [f64],
    kinds: &'a [f64],
    covers: &'a [f64],
    gains: &'a [f64],
}

impl<'a> Columns<'a> {
    fn read(tree: &'a Value) -> Result<Self> {
        let lefts = tree.numbers("left_children")?;
        let column = |key: &str| tree.exactly(key, lefts.len());
        Ok(Self {
            lefts,
            rights: column("right_children")?,
            features: column("split_indices")?,
            conditions: column("split_conditions")?,
            default_lefts: column("default_left")?,
            kinds: if tree.find("split_type").is_some() { column("split_type")? } else { &[] },
            covers: column("sum_hessian")?,
            gains: column("loss_changes")?,
        })
    }
}

/// Reads a tree over `width` features.
pub(super) fn read(document: &Value, width: usize) -> Result<Tree> {
    let parameters = document.get("tree_param")?;
    if parameters.find("size_leaf_vector").is_some() && parameters.count("size_leaf_vector")? > 1 {
        return Err(Error::unsupported("leaves of several values: train with multi_strategy=one_output_per_tree"));
    }
    let columns = Columns::read(document)?;
    let sets = CodeSets::read(document)?;
    let mut tree = Tree::default();
    for node in 0..columns.lefts.len() {
        if columns.lefts[node] < 0.0 {
            tree.leaf(&[f64::from(columns.conditions[node] as f32)], columns.covers[node]);
            continue;
        }
        let wrong = |what: &str| Error::corrupt(format!("node {node} {what}"));
        let feature = columns.features[node];
        if !(feature >= 0.0 && feature < width as f64) {
            return Err(wrong(&format!("asks for feature {feature} of {width}")));
        }
        // A child of -1 is no node, and the table refuses it.
        let child = |child: f64| if child >= 0.0 { child as usize } else { usize::MAX };
        let children = [child(columns.lefts[node]), child(columns.rights[node])];
        let default_left = columns.default_lefts[node] != 0.0;
        let split = if columns.kinds.get(node) == Some(&1.0) {
            let codes = sets.get(node).ok_or_else(|| wrong("names a set that there is not"))??;
            // What is in the set goes right.
            let (children, missing_left) = ([children[1], children[0]], !default_left);
            let test = Test::In { codes, unknown_left: false };
            Split { feature: feature as usize, test, missing_left, zero_is_missing: false, children }
        } else {
            let threshold = below_f32(columns.conditions[node] as f32);
            Split { missing_left: default_left, ..Split::at_most(feature as usize, threshold, children) }
        };
        tree.split(split, columns.covers[node], columns.gains[node]);
    }
    Ok(tree)
}

/// The sets of codes of a tree: nodes in ascending order, and for each a slice of all codes.
struct CodeSets<'a> {
    nodes: &'a [f64],
    segments: &'a [f64],
    sizes: &'a [f64],
    codes: &'a [f64],
}

impl<'a> CodeSets<'a> {
    fn read(tree: &'a Value) -> Result<Self> {
        if tree.find("categories_nodes").is_none() {
            return Ok(Self { nodes: &[], segments: &[], sizes: &[], codes: &[] });
        }
        let nodes = tree.numbers("categories_nodes")?;
        if !nodes.is_sorted_by(|a, b| a < b) {
            return Err(Error::corrupt("'categories_nodes' are not in ascending order"));
        }
        let segments = tree.exactly("categories_segments", nodes.len())?;
        let sizes = tree.exactly("categories_sizes", nodes.len())?;
        Ok(Self { nodes, segments, sizes, codes: tree.numbers("categories")? })
    }

    fn get(&self, node: usize) -> Option<Result<CodeSet>> {
        let i = self.nodes.binary_search_by(|other| other.total_cmp(&(node as f64))).ok()?;
        let (start, size) = (self.segments[i] as usize, self.sizes[i] as usize);
        let codes = self.codes.get(start..start.checked_add(size)?)?;
        if let Some(code) = codes.iter().find(|code| !(**code >= 0.0 && **code < MOST_CODES)) {
            return Some(Err(Error::corrupt(format!("a set of node {node} has the code {code}"))));
        }
        Some(Ok(codes.iter().map(|code| *code as u32).collect()))
    }
}
