//! Tree ensembles of `ai.onnx.ml`, as tables of our own.

use std::collections::HashMap;

use mlops_core::{Error, Result};

use super::post::{Labels, Post, greatest, scores};
use super::{Call, Run};
use crate::foreign::onnx::tensor::{Kind, Tensor};
use crate::trees::{CodeSet, Layout, Split, Test, Tree, TreeEnsemble, at_most_f32, below, below_f32};

pub(super) fn compile(op: &str, call: Call<'_>) -> Result<Option<Run>> {
    Ok(Some(match op {
        "TreeEnsembleClassifier" => classifier(call)?,
        "TreeEnsembleRegressor" => {
            let targets = outputs(call.int("n_targets", 1)?)?;
            let leaves = Leaves::read(call, "target", targets)?;
            let post = Post::read(call)?;
            let share = share(call, &call.text("aggregate_function", "SUM")?)?;
            regressor(Table::new(&Nodes::read(call)?, &leaves, share, base(call, targets)?)?, post)
        }
        "TreeEnsemble" => {
            let targets = outputs(call.int("n_targets", 1)?)?;
            let names = ["AVERAGE", "SUM", "MIN", "MAX"];
            let name = usize::try_from(call.int("aggregate_function", 1)?).ok().and_then(|i| names.get(i));
            let name = name.ok_or_else(|| Error::corrupt("an unknown aggregate_function"))?;
            let (nodes, leaves, roots) = read_version_5(call, targets)?;
            let share = if *name == "AVERAGE" { 1.0 / roots as f64 } else { share(call, name)? };
            let post = Post::numbered(call.int("post_transform", 0)?)?;
            regressor(Table::new(&nodes, &leaves, share, vec![0.0; targets])?, post)
        }
        _ => return Ok(None),
    }))
}

fn outputs(count: i64) -> Result<usize> {
    let most = mlops_core::Classes::MAX;
    let count = usize::try_from(count).ok().filter(|count| (1..=most).contains(count));
    count.ok_or_else(|| Error::unsupported(format!("trees of so many targets: 1 to {most} are taken")))
}

/// What a leaf is multiplied by.
fn share(call: Call<'_>, aggregate: &str) -> Result<f64> {
    match aggregate {
        "SUM" => Ok(1.0),
        "AVERAGE" => {
            let mut trees = call.ints("nodes_treeids")?;
            trees.sort_unstable();
            trees.dedup();
            Ok(1.0 / trees.len() as f64)
        }
        other => Err(Error::unsupported(format!("aggregate_function '{other}': SUM and AVERAGE are taken"))),
    }
}

fn base(call: Call<'_>, outputs: usize) -> Result<Vec<f64>> {
    let base = call.numbers("base_values")?;
    match base.len() {
        0 => Ok(vec![0.0; outputs]),
        given if given == outputs => Ok(base),
        given => Err(Error::corrupt(format!("{given} base values for {outputs} outputs"))),
    }
}

/// Trees and the width of the rows that they can take.
#[derive(Debug)]
struct Table {
    trees: TreeEnsemble,
    width: usize,
}

impl Table {
    fn new(nodes: &Nodes, leaves: &Leaves, share: f64, base: Vec<f64>) -> Result<Self> {
        let outputs = base.len();
        let trees = nodes.trees(leaves, share, outputs)?;
        let narrow = trees.iter().all(|tree| tree.only.is_some());
        let width = if narrow { 1 } else { outputs };
        let mut table = TreeEnsemble::new(Layout::sum(base).with_leaf_width(width));
        for grown in &trees {
            match grown.only {
                Some(output) if narrow => {
                    let values = grown.tree.values.iter().skip(output).step_by(outputs).copied().collect();
                    table.push(&Tree { branches: grown.tree.branches.clone(), values }, output)?;
                }
                _ => table.push(&grown.tree, 0)?,
            }
        }
        let width = nodes.features.iter().map(|feature| feature + 1).max().unwrap_or(1);
        Ok(Self { trees: table, width })
    }

    fn scores(&self, x: &Tensor) -> Result<Vec<f64>> {
        let (rows, width) = x.rows()?;
        if width < self.width {
            return Err(Error::corrupt(format!("trees over {} columns for {width}", self.width)));
        }
        let mut scores = vec![0.0; rows * self.trees.num_outputs()];
        self.trees.score_rows(&x.data.numbers()?, width, &mut scores);
        Ok(scores)
    }
}

fn regressor(table: Table, post: Post) -> Run {
    Box::new(move |inputs| {
        let x = inputs.get(0)?;
        let (mut out, width) = (table.scores(x)?, table.trees.num_outputs());
        out.chunks_exact_mut(width).for_each(|row| post.apply(row));
        Ok(vec![scores(out, width, x)?])
    })
}

fn classifier(call: Call<'_>) -> Result<Run> {
    let labels = Labels::read(call, "classlabels_int64s", "classlabels_strings")?;
    let classes = outputs(labels.len() as i64)?;
    let post = Post::read(call)?;
    let mut leaves = Leaves::read(call, "class", classes)?;
    let base_values = call.numbers("base_values")?;
    // Weights of one class alone are about the second of two.
    let one_for_two = classes == 2 && leaves.are_of_one_output();
    let base = if one_for_two {
        leaves.of_first_output();
        vec![base_values.last().copied().unwrap_or(0.0)]
    } else {
        base(call, classes)?
    };
    let positive = leaves.weights.iter().all(|(_, _, weight)| *weight >= 0.0);
    let table = Table::new(&Nodes::read(call)?, &leaves, 1.0, base)?;
    Ok(Box::new(move |inputs| {
        let x = inputs.get(0)?;
        let mut out = table.scores(x)?;
        if one_for_two {
            let probabilities = positive && post != Post::Logistic;
            let two = |score: &f64| if probabilities { [1.0 - score, *score] } else { [-score, *score] };
            out = out.iter().flat_map(two).collect();
        }
        let chosen: Vec<usize> = out.chunks_exact(classes).map(greatest).collect();
        out.chunks_exact_mut(classes).for_each(|row| post.apply(row));
        Ok(vec![labels.pick(&chosen), scores(out, classes, x)?])
    }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Equal,
    Greater,
    GreaterOrEqual,
    Leaf,
    Less,
    LessOrEqual,
    Member,
    NotEqual,
}

impl Mode {
    fn read(name: &str) -> Result<Self> {
        Ok(match name {
            "BRANCH_EQ" => Self::Equal,
            "BRANCH_GT" => Self::Greater,
            "BRANCH_GTE" => Self::GreaterOrEqual,
            "BRANCH_LEQ" => Self::LessOrEqual,
            "BRANCH_LT" => Self::Less,
            "BRANCH_MEMBER" => Self::Member,
            "BRANCH_NEQ" => Self::NotEqual,
            "LEAF" => Self::Leaf,
            other => return Err(Error::unsupported(format!("node mode '{other}'"))),
        })
    }

    fn numbered(number: i64) -> Result<Self> {
        let modes = [
            Self::LessOrEqual,
            Self::Less,
            Self::GreaterOrEqual,
            Self::Greater,
            Self::Equal,
            Self::NotEqual,
            Self::Member,
        ];
        let mode = usize::try_from(number).ok().and_then(|i| modes.get(i));
        mode.copied().ok_or_else(|| Error::corrupt(format!("node mode {number}")))
    }
}

/// The nodes of all trees, one after the other; a child is a place among them.
#[derive(Debug, Default)]
struct Nodes {
    /// Where each tree starts; its root is its first node.
    starts: Vec<usize>,
    features: Vec<usize>,
    modes: Vec<Mode>,
    thresholds: Vec<f64>,
    /// Whether rows are rounded to `f32` before they are compared.
    rounded: bool,
    missing_true: Vec<bool>,
    children: Vec<[usize; 2]>,
    /// The codes of a node that asks for members.
    members: HashMap<usize, Vec<f64>>,
}

impl Nodes {
    fn read(call: Call<'_>) -> Result<Self> {
        let (trees, ids) = (call.ints("nodes_treeids")?, call.ints("nodes_nodeids")?);
        let modes: Vec<Mode> = call.texts("nodes_modes")?.iter().map(|name| Mode::read(name)).collect::<Result<_>>()?;
        let missing = call.ints("nodes_missing_value_tracks_true")?;
        let (yes, no) = (call.ints("nodes_truenodeids")?, call.ints("nodes_falsenodeids")?);
        let mut nodes = Self {
            features: call.counts("nodes_featureids")?,
            thresholds: call.numbers("nodes_values")?,
            rounded: !call.has("nodes_values_as_tensor"),
            missing_true: if missing.is_empty() {
                vec![false; ids.len()]
            } else {
                missing.iter().map(|x| *x != 0).collect()
            },
            modes,
            ..Self::default()
        };
        let lengths =
            [trees.len(), nodes.features.len(), nodes.thresholds.len(), nodes.missing_true.len(), yes.len(), no.len()];
        if lengths.iter().any(|length| *length != ids.len()) || nodes.modes.len() != ids.len() || ids.is_empty() {
            return Err(Error::corrupt("the lists of the nodes are of different lengths, or empty"));
        }
        if !trees.is_sorted() {
            return Err(Error::unsupported("the nodes of a tree are not next to each other"));
        }
        let places: HashMap<(i64, i64), usize> =
            trees.iter().copied().zip(ids.iter().copied()).enumerate().map(|(place, id)| (id, place)).collect();
        if places.len() != ids.len() {
            return Err(Error::corrupt("two nodes have the same number"));
        }
        for (i, mode) in nodes.modes.iter().enumerate() {
            let child = |id: i64| match places.get(&(trees[i], id)) {
                Some(place) => Ok(*place),
                None if *mode == Mode::Leaf => Ok(0),
                None => {
                    Err(Error::corrupt(format!("node {} of tree {} has a child that there is not", ids[i], trees[i])))
                }
            };
            nodes.children.push([child(yes[i])?, child(no[i])?]);
        }
        nodes.starts = (0..trees.len()).filter(|i| *i == 0 || trees[*i] != trees[i - 1]).collect();
        // Leaves have features too, which are not asked for.
        for (feature, mode) in nodes.features.iter_mut().zip(&nodes.modes) {
            if *mode == Mode::Leaf {
                *feature = 0;
            }
        }
        Ok(nodes)
    }

    fn trees(&self, leaves: &Leaves, share: f64, outputs: usize) -> Result<Vec<Grown>> {
        let mut weights: HashMap<usize, Vec<(usize, f64)>> = HashMap::new();
        let places = leaves.places(self)?;
        for ((_, output, weight), place) in leaves.weights.iter().zip(places) {
            weights.entry(place).or_default().push((*output, weight * share));
        }
        let ends = self.starts.iter().skip(1).copied().chain([self.modes.len()]);
        let mut sizes = 0;
        let grow = |(start, end)| {
            let grown = self.grow(start, end, &weights, outputs)?;
            sizes += grown.tree.values.len();
            // A file names each number that is not 0.
            if sizes <= leaves.weights.len() * 4 + 1_000_000 {
                return Ok(grown);
            }
            Err(Error::corrupt(format!("{sizes} numbers of leaves, of which {} are given", leaves.weights.len())))
        };
        self.starts.iter().copied().zip(ends).map(grow).collect()
    }

    fn grow(
        &self,
        start: usize,
        end: usize,
        weights: &HashMap<usize, Vec<(usize, f64)>>,
        outputs: usize,
    ) -> Result<Grown> {
        let mut tree = Tree::default();
        let mut spoken = None;
        let mut single = true;
        for node in start..end {
            if self.modes[node] == Mode::Leaf {
                let mut values = vec![0.0; outputs];
                for (output, weight) in weights.get(&node).into_iter().flatten() {
                    values[*output] += weight;
                    single &= *spoken.get_or_insert(*output) == *output;
                }
                tree.leaf(&values, 0.0);
                continue;
            }
            let children = self.children[node].map(|child| child.wrapping_sub(start));
            tree.split(self.split(node, children)?, 0.0, 0.0);
        }
        Ok(Grown { tree, only: single.then_some(spoken.unwrap_or(0)) })
    }

    fn split(&self, node: usize, [yes, no]: [usize; 2]) -> Result<Split> {
        let threshold = self.thresholds[node];
        let at_most = |x: f64| if self.rounded { at_most_f32(x as f32) } else { x };
        let less = |x: f64| if self.rounded { below_f32(x as f32) } else { below(x) };
        // A test may hold where the node's does not: then the children are exchanged.
        let (test, opposite) = match self.modes[node] {
            Mode::LessOrEqual => (Test::AtMost(at_most(threshold)), false),
            Mode::Less => (Test::AtMost(less(threshold)), false),
            Mode::Greater => (Test::AtMost(at_most(threshold)), true),
            Mode::GreaterOrEqual => (Test::AtMost(less(threshold)), true),
            Mode::Equal => (members(&[threshold])?, false),
            Mode::NotEqual => (members(&[threshold])?, true),
            Mode::Member => (members(self.members.get(&node).map_or(&[], Vec::as_slice))?, false),
            Mode::Leaf => return Err(Error::internal("a leaf is no split")),
        };
        let children = if opposite { [no, yes] } else { [yes, no] };
        let missing_left = self.missing_true[node] != opposite;
        Ok(Split { feature: self.features[node], test, missing_left, zero_is_missing: false, children })
    }
}

/// Equality is a question of codes, which are whole numbers: what a row has is cut to one.
fn members(codes: &[f64]) -> Result<Test> {
    let code = |code: &f64| {
        let whole = (0.0..65_536.0).contains(code) && code.fract() == 0.0;
        whole.then_some(*code as u32).ok_or_else(|| {
            Error::unsupported(format!("a node that asks for {code}: whole numbers from 0 to 65,535 are taken"))
        })
    };
    let codes = codes.iter().map(code).collect::<Result<CodeSet>>()?;
    Ok(Test::In { codes, unknown_left: false })
}

/// A tree whose leaves have a number for each output.
#[derive(Debug)]
struct Grown {
    tree: Tree,
    /// The output that all its leaves speak for.
    only: Option<usize>,
}

/// What leaves say: their numbers, an output, a weight.
#[derive(Debug, Default)]
struct Leaves {
    weights: Vec<((i64, i64), usize, f64)>,
    ids: HashMap<(i64, i64), usize>,
}

impl Leaves {
    fn read(call: Call<'_>, what: &str, outputs: usize) -> Result<Self> {
        let list = |name: &str| call.ints(&format!("{what}_{name}"));
        let (trees, nodes, ids) = (list("treeids")?, list("nodeids")?, call.counts(&format!("{what}_ids"))?);
        let weights = call.numbers(&format!("{what}_weights"))?;
        if [trees.len(), nodes.len(), ids.len()] != [weights.len(); 3] {
            return Err(Error::corrupt("the lists of the leaves are of different lengths"));
        }
        if let Some(id) = ids.iter().find(|id| **id >= outputs) {
            return Err(Error::corrupt(format!("a leaf of output {id} of {outputs}")));
        }
        let weights = trees.into_iter().zip(nodes).zip(ids).zip(weights);
        let weights = weights.map(|((leaf, output), weight)| (leaf, output, weight)).collect();
        let all = call.ints("nodes_treeids")?.into_iter().zip(call.ints("nodes_nodeids")?);
        Ok(Self { weights, ids: all.enumerate().map(|(place, id)| (id, place)).collect() })
    }

    fn are_of_one_output(&self) -> bool {
        self.weights.iter().all(|(_, output, _)| *output == self.weights[0].1)
    }

    fn of_first_output(&mut self) {
        self.weights.iter_mut().for_each(|(_, output, _)| *output = 0);
    }

    /// The places of the leaves among the nodes.
    fn places(&self, nodes: &Nodes) -> Result<Vec<usize>> {
        let place = |((tree, node), _, _): &((i64, i64), usize, f64)| {
            let place =
                self.ids.get(&(*tree, *node)).copied().filter(|place| nodes.modes.get(*place) == Some(&Mode::Leaf));
            place.ok_or_else(|| Error::corrupt(format!("node {node} of tree {tree} is no leaf")))
        };
        self.weights.iter().map(place).collect()
    }
}

/// Version 5 numbers the splits of all trees in one list and their leaves in another; here the leaves
/// of a tree come after its splits.
fn read_version_5(call: Call<'_>, targets: usize) -> Result<(Nodes, Leaves, usize)> {
    let roots = call.counts("tree_roots")?;
    let tensor =
        |name: &str| call.tensor(name)?.ok_or_else(|| Error::corrupt(format!("attribute '{name}' is missing")));
    let splits = tensor("nodes_splits")?;
    let rounded = splits.data.kind() == Kind::F32;
    let thresholds = splits.data.numbers()?;
    let modes = tensor("nodes_modes")?.ints()?.into_iter().map(Mode::numbered).collect::<Result<Vec<_>>>()?;
    let features = call.counts("nodes_featureids")?;
    let (yes, no) = (call.counts("nodes_truenodeids")?, call.counts("nodes_falsenodeids")?);
    let (yes_leaf, no_leaf) = (call.ints("nodes_trueleafs")?, call.ints("nodes_falseleafs")?);
    let missing = call.ints("nodes_missing_value_tracks_true")?;
    let (leaf_targets, leaf_weights) = (call.counts("leaf_targetids")?, tensor("leaf_weights")?.data.numbers()?);
    let count = features.len();
    let lists = [thresholds.len(), modes.len(), yes.len(), no.len(), yes_leaf.len(), no_leaf.len()];
    if lists.iter().any(|length| *length != count)
        || leaf_targets.len() != leaf_weights.len()
        || !(missing.is_empty() || missing.len() == count)
        || roots.is_empty()
    {
        return Err(Error::corrupt("the lists of the trees are of different lengths, or empty"));
    }
    let mut sets = match call.tensor("membership_values")? {
        Some(values) => values.data.numbers()?,
        None => Vec::new(),
    }
    .split(|x| x.is_nan())
    .map(<[f64]>::to_vec)
    .collect::<Vec<_>>()
    .into_iter();
    let sets: Vec<Vec<f64>> =
        modes.iter().map(|mode| if *mode == Mode::Member { sets.next() } else { None }.unwrap_or_default()).collect();
    let (mut nodes, mut leaves) = (Nodes { rounded, ..Nodes::default() }, Leaves::default());
    // No split belongs to two trees, so that there are no more nodes than the file has.
    let mut seen = vec![false; count];
    for (tree, root) in roots.iter().enumerate() {
        let start = nodes.modes.len();
        nodes.starts.push(start);
        // What is still to be read: a split, or a leaf.
        let mut queue = vec![(*root, false)];
        let mut next = 0;
        while next < queue.len() {
            let (at, is_leaf) = queue[next];
            next += 1;
            if is_leaf {
                let (target, weight) = leaf_targets
                    .get(at)
                    .zip(leaf_weights.get(at))
                    .ok_or_else(|| Error::corrupt(format!("leaf {at} is none")))?;
                if *target >= targets {
                    return Err(Error::corrupt(format!("a leaf of target {target} of {targets}")));
                }
                let id = (tree as i64, nodes.modes.len() as i64);
                leaves.ids.insert(id, nodes.modes.len());
                leaves.weights.push((id, *target, *weight));
                nodes.push(0, Mode::Leaf, 0.0, false, [0, 0]);
                continue;
            }
            if at >= count || std::mem::replace(&mut seen[at], true) {
                return Err(Error::corrupt(format!("node {at} is none, or belongs to two branches")));
            }
            let place = start + queue.len();
            if modes[at] == Mode::Member {
                nodes.members.insert(nodes.modes.len(), sets[at].clone());
            }
            nodes.push(
                features[at],
                modes[at],
                thresholds[at],
                missing.get(at).is_some_and(|x| *x != 0),
                [place, place + 1],
            );
            queue.push((yes[at], yes_leaf[at] != 0));
            queue.push((no[at], no_leaf[at] != 0));
        }
    }
    Ok((nodes, leaves, roots.len()))
}

impl Nodes {
    fn push(&mut self, feature: usize, mode: Mode, threshold: f64, missing_true: bool, children: [usize; 2]) {
        self.features.push(feature);
        self.modes.push(mode);
        self.thresholds.push(threshold);
        self.missing_true.push(missing_true);
        self.children.push(children);
    }
}
