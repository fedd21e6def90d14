//! One tree after another.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use mlops_core::random::SplitMix64;
use mlops_core::{Result, Run};
use rayon::prelude::*;

use super::binned::{Binned, MISSING};
use super::fixed::{Cell, Fixed, add, less};
use super::histogram::{Histogram, Pool, Sparse, build, subtract};
use super::split::{Candidate, Cut, Judge};
use crate::trees::{Split, Step, Tree};

/// Nodes of fewer rows are not worth histograms of all bins.
const DENSE_ROWS: usize = 512;

/// How a tree is grown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Growth {
    /// The best leaves are split first; any number if `None`.
    pub(crate) max_leaves: Option<usize>,
    /// Splits from the root to a leaf.
    pub(crate) max_depth: Option<usize>,
    pub(crate) min_samples_leaf: usize,
    pub(crate) min_samples_split: usize,
    /// The least Hessian of a leaf.
    pub(crate) min_hessian: f64,
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    /// A split has to gain more, in twice the loss.
    pub(crate) min_gain: f64,
    /// Features tried at each node.
    pub(crate) features: usize,
    /// By feature, whether values rise (1) or fall (-1) with it; 0 beyond the end.
    pub(crate) monotonic: Vec<i8>,
    /// Cuts at random in place of the best.
    pub(crate) random_cuts: bool,
    /// What leaves are multiplied by.
    pub(crate) shrinkage: f64,
}

impl Default for Growth {
    fn default() -> Self {
        Self {
            max_leaves: None,
            max_depth: None,
            min_samples_leaf: 1,
            min_samples_split: 2,
            min_hessian: 0.0,
            l1: 0.0,
            l2: 0.0,
            min_gain: 0.0,
            features: usize::MAX,
            monotonic: Vec::new(),
            random_cuts: false,
            shrinkage: 1.0,
        }
    }
}

/// Grows trees on the same rows, and keeps its memory from one to the next.
#[derive(Debug)]
pub(crate) struct Grower<'a> {
    data: &'a Binned,
    growth: &'a Growth,
    in_parallel: bool,
    pool: Pool,
    sparse: Sparse,
    /// The rows of the tree, node by node.
    rows: Vec<u32>,
    /// Whether these are all rows, in order.
    all_rows: bool,
    buffer: Vec<u32>,
    cells: Vec<Cell>,
    /// The features that may be split by.
    features: Vec<usize>,
}

/// A tree, and where its rows came to lie.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    pub(crate) leaves: Vec<LeafRows>,
}

/// The rows of a leaf.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LeafRows {
    /// Its number among the leaves of the tree.
    pub(crate) leaf: usize,
    /// Which of the grower's rows, see [`Grower::rows`].
    pub(crate) rows: Range<usize>,
    /// Where its value must lie.
    pub(crate) bounds: [f64; 2],
}

/// A leaf that may still be split.
#[derive(Debug)]
struct Open {
    branch: usize,
    rows: Range<usize>,
    sums: Cell,
    depth: usize,
    bounds: [f64; 2],
    histograms: Option<Vec<Histogram>>,
    best: Option<Candidate>,
}

impl Open {
    fn gain(&self) -> f64 {
        self.best.as_ref().map_or(f64::NEG_INFINITY, |best| best.gain)
    }
}

/// By gain; of equals the first.
impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain().total_cmp(&other.gain()).then(other.branch.cmp(&self.branch))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Open {}

/// What a tree is being grown from.
struct Growing<'a> {
    fixed: &'a Fixed,
    /// By row of the data.
    cells: &'a [Cell],
    rng: &'a mut SplitMix64,
    tree: Tree,
    leaves: Vec<LeafRows>,
}

impl<'a> Grower<'a> {
    /// On several threads at once, if `in_parallel`, where nodes are large; not for callers that grow
    /// several trees at once.
    pub(crate) fn new(data: &'a Binned, growth: &'a Growth, in_parallel: bool) -> Self {
        Self {
            data,
            growth,
            in_parallel,
            pool: Pool::default(),
            sparse: Sparse::new(),
            rows: Vec::new(),
            all_rows: false,
            buffer: Vec::new(),
            cells: Vec::new(),
            features: Vec::new(),
        }
    }

    /// The rows of the last tree, node by node, in each ascending.
    pub(crate) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Grows a tree on `rows` (all if `None`; ascending), split by `features` (all if `None`).
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`](mlops_core::ErrorKind::Cancelled) between two nodes.
    pub(crate) fn grow(
        &mut self,
        rows: Option<&[u32]>,
        features: Option<&[usize]>,
        fixed: &Fixed,
        cells: &[Cell],
        rng: &mut SplitMix64,
        run: &Run,
    ) -> Result<Grown> {
        self.all_rows = rows.is_none();
        self.rows.clear();
        match rows {
            Some(rows) => self.rows.extend_from_slice(rows),
            None => self.rows.extend(0..self.data.rows() as u32),
        }
        self.features.clear();
        match features {
            Some(features) => self.features.extend_from_slice(features),
            None => self.features.extend(0..self.data.width()),
        }
        let growing = Growing { fixed, cells, rng, tree: Tree::default(), leaves: Vec::new() };
        self.all(growing, run)
    }

    fn all(&mut self, mut growing: Growing<'_>, run: &Run) -> Result<Grown> {
        let mut sums = [0; 2];
        self.rows.iter().for_each(|row| add(&mut sums, growing.cells[*row as usize]));
        let bounds = [f64::NEG_INFINITY, f64::INFINITY];
        let branch = growing.tree.open(growing.fixed.sums(sums).hessian);
        let (depth, histograms, best) = (0, None, None);
        let mut root = Open { branch, rows: 0..self.rows.len(), sums, depth, bounds, histograms, best };
        if self.may_split(&root) {
            root.histograms = self.is_dense(&root).then(|| self.histograms(&root, &growing));
            self.judge(&mut root, &mut growing);
        }
        let mut open = Queue::new(self.growth.max_leaves);
        let mut leaves = 1;
        let most = self.growth.max_leaves.unwrap_or(usize::MAX);
        self.keep(root, &mut open, &mut growing);
        while let Some(node) = open.pop() {
            run.check()?;
            if leaves >= most {
                self.close(node, &mut growing);
                continue;
            }
            leaves += 1;
            let children = self.split(node, &mut growing, leaves < most);
            // The left one is split first where any number may be.
            children.into_iter().rev().for_each(|child| self.keep(child, &mut open, &mut growing));
        }
        Ok(Grown { tree: growing.tree, leaves: growing.leaves })
    }

    fn keep(&mut self, node: Open, open: &mut Queue, growing: &mut Growing<'_>) {
        if node.best.is_some() { open.push(node) } else { self.close(node, growing) }
    }

    fn may_split(&self, node: &Open) -> bool {
        let rows = node.rows.len();
        rows >= self.growth.min_samples_split.max(2 * self.growth.min_samples_leaf)
            && self.growth.max_depth.is_none_or(|depth| node.depth < depth)
    }

    fn is_dense(&self, node: &Open) -> bool {
        let few = self.growth.features.saturating_mul(2) < self.features.len();
        !few && !self.growth.random_cuts && node.rows.len() >= DENSE_ROWS
    }

    fn histograms(&mut self, node: &Open, growing: &Growing<'_>) -> Vec<Histogram> {
        let mut histograms = self.pool.take(self.data.width());
        if self.all_rows && node.rows.len() == self.data.rows() {
            build(self.data, None, growing.cells, &mut histograms, self.in_parallel);
        } else {
            self.gather(node, growing);
            let rows = &self.rows[node.rows.clone()];
            build(self.data, Some(rows), &self.cells, &mut histograms, self.in_parallel);
        }
        histograms
    }

    /// Brings the cells of a node's rows together.
    fn gather(&mut self, node: &Open, growing: &Growing<'_>) {
        self.cells.clear();
        self.cells.extend(self.rows[node.rows.clone()].iter().map(|row| growing.cells[*row as usize]));
    }

    /// Finds the best split of a node.
    fn judge(&mut self, node: &mut Open, growing: &mut Growing<'_>) {
        let judge = Judge { growth: self.growth, fixed: growing.fixed, sums: node.sums, bounds: node.bounds };
        let tried = self.growth.features.min(self.features.len());
        if let Some(histograms) = &node.histograms {
            let features = draw(&mut self.features, tried, growing.rng);
            let best = |feature: &usize| {
                let bins = self.data.bins(*feature);
                let cells = histograms[*feature][..bins.len()].iter().copied().enumerate();
                judge.best(*feature, bins, &histograms[*feature], cells, None)
            };
            node.best = if self.in_parallel && features.len() >= 128 {
                let found: Vec<_> = features.par_iter().with_min_len(32).map(best).collect();
                found.into_iter().fold(None, Candidate::better)
            } else {
                features.iter().map(best).fold(None, Candidate::better)
            };
            return;
        }
        self.gather(node, growing);
        if is_pure(&self.cells, growing.fixed) {
            return;
        }
        let rows = &self.rows[node.rows.clone()];
        let mut left = tried;
        let random = self.growth.random_cuts;
        // Features that are the same in all rows do not count as tried.
        for drawn in 0..self.features.len() {
            if left == 0 {
                break;
            }
            let of = drawn + growing.rng.below((self.features.len() - drawn) as u64) as usize;
            if tried < self.features.len() {
                self.features.swap(drawn, of);
            }
            let feature = self.features[drawn];
            self.sparse.fill(self.data, feature, rows, &self.cells);
            let histogram = self.sparse.histogram();
            let differs = self.sparse.cells().take(2).count() + usize::from(histogram[MISSING] != [0; 2]) > 1;
            if differs {
                let rng = random.then_some(&mut *growing.rng);
                let found = judge.best(feature, self.data.bins(feature), histogram, self.sparse.cells(), rng);
                node.best = Candidate::better(node.best.take(), found);
                left -= 1;
            }
            self.sparse.clear();
        }
    }

    /// Splits a node, and finds the best splits of its children if any will be made.
    fn split(&mut self, mut node: Open, growing: &mut Growing<'_>, goes_on: bool) -> Vec<Open> {
        let Some(best) = node.best.take() else { return Vec::new() };
        let middle = node.rows.start + self.partition(&node, &best);
        let sums = [best.left, less(node.sums, best.left)];
        let bounds = self.child_bounds(&node, &best, growing.fixed);
        let branches = sums.map(|sums| growing.tree.open(growing.fixed.sums(sums).hessian));
        let bins = self.data.bins(best.feature);
        let test = match &best.cut {
            Cut::AtMost(bin) => bins.at_most(*bin),
            Cut::OneOf(set) => {
                let set: Vec<usize> = set.iter().copied().filter(|bin| *bin != MISSING).collect();
                bins.one_of(&set, best.missing_left)
            }
        };
        let (missing_left, children) = (best.missing_left, branches);
        let split = Split { feature: best.feature, test, missing_left, zero_is_missing: false, children };
        growing.tree.branches[node.branch].step = Step::Split(split);
        growing.tree.branches[node.branch].gain = best.gain;
        let ranges = [node.rows.start..middle, middle..node.rows.end];
        let mut children: Vec<Open> = (0..2)
            .map(|i| Open {
                branch: branches[i],
                rows: ranges[i].clone(),
                sums: sums[i],
                depth: node.depth + 1,
                bounds: bounds[i],
                histograms: None,
                best: None,
            })
            .collect();
        if goes_on {
            self.hand_down(node.histograms.take(), &mut children, growing);
            for child in &mut children {
                if self.may_split(child) {
                    self.judge(child, growing);
                }
            }
        }
        self.pool_back(node.histograms);
        children
    }

    /// Gives the children their histograms, those of the larger one by subtraction.
    fn hand_down(&mut self, node: Option<Vec<Histogram>>, children: &mut [Open], growing: &Growing<'_>) {
        let Some(mut histograms) = node else { return };
        let small = usize::from(children[1].rows.len() < children[0].rows.len());
        let large = 1 - small;
        let wanted = [small, large].map(|i| self.may_split(&children[i]) && self.is_dense(&children[i]));
        if wanted == [false, false] {
            self.pool.give(histograms);
            return;
        }
        let of_small = self.histograms(&children[small], growing);
        if wanted[1] {
            subtract(&mut histograms, &of_small);
            children[large].histograms = Some(histograms);
        } else {
            self.pool.give(histograms);
        }
        if wanted[0] {
            children[small].histograms = Some(of_small);
        } else {
            self.pool.give(of_small);
        }
    }

    /// Where the values below must lie, so that every leaf on the one side is at most every leaf on
    /// the other.
    fn child_bounds(&self, node: &Open, best: &Candidate, fixed: &Fixed) -> [[f64; 2]; 2] {
        let monotonic = self.growth.monotonic.get(best.feature).copied().unwrap_or(0);
        if monotonic == 0 {
            return [node.bounds; 2];
        }
        let judge = Judge { growth: self.growth, fixed, sums: node.sums, bounds: node.bounds };
        let [left, right] = [best.left, less(node.sums, best.left)].map(|sums| judge.value(fixed.sums(sums)));
        let middle = left.midpoint(right);
        let (low, high) = ([node.bounds[0], middle], [middle, node.bounds[1]]);
        if monotonic > 0 { [low, high] } else { [high, low] }
    }

    /// Brings the rows that go left to the front; how many they are.
    fn partition(&mut self, node: &Open, best: &Candidate) -> usize {
        let left = best.goes_left();
        let (bins, lane) = self.data.place(best.feature);
        let rows = &mut self.rows[node.rows.clone()];
        self.buffer.resize(rows.len().max(self.buffer.len()), 0);
        let buffer = &mut self.buffer[..rows.len()];
        let (mut to_left, mut to_right) = (0, 0);
        // Written to both sides, of which one goes on: nothing to foresee for the processor.
        for i in 0..rows.len() {
            let row = rows[i];
            let goes_left = left[usize::from(bins[row as usize][lane])];
            rows[to_left] = row;
            buffer[to_right] = row;
            to_left += usize::from(goes_left);
            to_right += usize::from(!goes_left);
        }
        rows[to_left..].copy_from_slice(&buffer[..to_right]);
        to_left
    }

    /// Makes a node a leaf.
    fn close(&mut self, mut node: Open, growing: &mut Growing<'_>) {
        self.pool_back(node.histograms.take());
        let judge = Judge { growth: self.growth, fixed: growing.fixed, sums: node.sums, bounds: node.bounds };
        let value = judge.value(growing.fixed.sums(node.sums)) * self.growth.shrinkage;
        let leaf = growing.tree.values.len();
        growing.tree.values.push(value);
        growing.tree.branches[node.branch].step = Step::Leaf(leaf);
        growing.leaves.push(LeafRows { leaf, rows: node.rows, bounds: node.bounds });
    }

    fn pool_back(&mut self, histograms: Option<Vec<Histogram>>) {
        if let Some(histograms) = histograms {
            self.pool.give(histograms);
        }
    }
}

/// Whether all rows would have the same value, up to rounding: no split can gain.
fn is_pure(cells: &[Cell], fixed: &Fixed) -> bool {
    let Some(first) = cells.first().map(|cell| fixed.sums(*cell)) else { return true };
    cells.iter().map(|cell| fixed.sums(*cell)).all(|sums| {
        let (a, b) = (sums.gradient * first.hessian, first.gradient * sums.hessian);
        (a - b).abs() <= 1e-12 * a.abs()
    })
}

/// Brings `tried` features to the front, drawn at random and in ascending order; all if there are no
/// more.
fn draw<'a>(features: &'a mut [usize], tried: usize, rng: &mut SplitMix64) -> &'a [usize] {
    if tried < features.len() {
        for i in 0..tried {
            let of = i + rng.below((features.len() - i) as u64) as usize;
            features.swap(i, of);
        }
        features[..tried].sort_unstable();
    }
    &features[..tried]
}

/// Leaves that may be split, in the order in which they are.
enum Queue {
    BestFirst(BinaryHeap<Open>),
    LastFirst(Vec<Open>),
}

impl Queue {
    fn new(max_leaves: Option<usize>) -> Self {
        match max_leaves {
            Some(_) => Self::BestFirst(BinaryHeap::new()),
            None => Self::LastFirst(Vec::new()),
        }
    }

    fn push(&mut self, node: Open) {
        match self {
            Self::BestFirst(heap) => heap.push(node),
            Self::LastFirst(stack) => stack.push(node),
        }
    }

    fn pop(&mut self) -> Option<Open> {
        match self {
            Self::BestFirst(heap) => heap.pop(),
            Self::LastFirst(stack) => stack.pop(),
        }
    }
}
