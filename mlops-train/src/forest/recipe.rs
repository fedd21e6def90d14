use std::num::NonZeroUsize;
use std::sync::Arc;

use mlops_core::progress::Progress;
use mlops_core::random::SplitMix64;
use mlops_core::{Error, Model, Named, Result, Run, Table, Trainer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::grow::{Growth, Soil};
use super::importance::importances;
use super::model::ForestModel;
use crate::training::{Target, TrainingSet};
use crate::trees::{Layout, Tree, TreeEnsemble};

/// Many decision trees, each grown on a bootstrap sample, averaged: scikit-learn's
/// `RandomForestClassifier` and `RandomForestRegressor` in one; the target decides.
///
/// Trees are grown by smartcore on all cores of the [`Run`], each from a seed of its own, so the
/// forest is the same for any number of threads. Classes are learned as numbers: trees for two
/// classes estimate the probability of the second; for more there are `n_trees` trees for each
/// class, and their estimates are divided by their sum. Rows are drawn in proportion to their weight.
///
/// NaN is refused at fit; in a row to be answered it counts as greater than every threshold. ±∞ is
/// greater or smaller than every number. Memory: two copies of the features, and for each thread
/// about 16 bytes a value.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::RandomForest;
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0]),
///     ("late", Boolean, [false, false, true, true])
/// )?;
/// let flights = Table::from_batch(batch.clone()).with_role("late", Role::Target)?;
/// let model = RandomForest::new().with_n_trees(20).fit(&flights, &Run::default().with_seed(7))?;
/// assert_eq!(model.predict(&batch)?.num_rows(), 4);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RandomForest {
    /// How many trees (for each class, if there are more than two).
    pub n_trees: NonZeroUsize,
    /// At most so many splits from the root to a leaf; no limit if `None`.
    pub max_depth: Option<u16>,
    /// The least rows of a leaf.
    pub min_samples_leaf: NonZeroUsize,
    /// A node of fewer rows is not split.
    pub min_samples_split: usize,
    /// How many features are tried at each split.
    pub max_features: MaxFeatures,
}

/// How many features, drawn at random, are tried at each split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MaxFeatures {
    /// All of them.
    All,
    /// For classes the square root of their number, for a number all: scikit-learn's defaults.
    #[default]
    Auto,
    /// So many; all if there are fewer.
    Count(NonZeroUsize),
    /// This share of them, at least one.
    Fraction(f64),
    /// The square root of their number.
    Sqrt,
}

impl MaxFeatures {
    fn of(self, width: usize, classes: bool) -> Result<usize> {
        let features = match self {
            Self::Auto if classes => width.isqrt(),
            Self::All | Self::Auto => width,
            Self::Count(count) => count.get(),
            Self::Fraction(share) if share > 0.0 && share <= 1.0 => (share * width as f64) as usize,
            Self::Fraction(share) => {
                return Err(Error::config(format!("max_features = {share} of the features: above 0 and at most 1")));
            }
            Self::Sqrt => width.isqrt(),
        };
        Ok(features.clamp(1, width))
    }
}

impl Default for RandomForest {
    fn default() -> Self {
        // 100 is not 0.
        let n_trees = NonZeroUsize::MIN.saturating_add(99);
        Self {
            n_trees,
            max_depth: None,
            min_samples_leaf: NonZeroUsize::MIN,
            min_samples_split: 2,
            max_features: MaxFeatures::Auto,
        }
    }
}

impl Named for RandomForest {
    const KIND: &'static str = "random_forest";
}

impl RandomForest {
    /// With scikit-learn's defaults: 100 trees of any depth, leaves of one row or more.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another number of trees; 0 counts as 1.
    #[must_use]
    pub fn with_n_trees(mut self, n_trees: usize) -> Self {
        self.n_trees = NonZeroUsize::new(n_trees).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// With at most `max_depth` splits from the root to a leaf.
    #[must_use]
    pub fn with_max_depth(mut self, max_depth: u16) -> Self {
        self.max_depth = Some(max_depth);
        self
    }

    /// With leaves of at least so many rows; 0 counts as 1.
    #[must_use]
    pub fn with_min_samples_leaf(mut self, min_samples_leaf: usize) -> Self {
        self.min_samples_leaf = NonZeroUsize::new(min_samples_leaf).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// With no split of a node of fewer rows.
    #[must_use]
    pub fn with_min_samples_split(mut self, min_samples_split: usize) -> Self {
        self.min_samples_split = min_samples_split;
        self
    }

    /// With another number of features tried at each split.
    #[must_use]
    pub fn with_max_features(mut self, max_features: MaxFeatures) -> Self {
        self.max_features = max_features;
        self
    }

    /// As [`Trainer::fit`], with the type of the model.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for a share of
    /// features that is none.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<ForestModel> {
        run.check()?;
        let set = TrainingSet::read(data)?;
        let growth = Growth {
            max_depth: self.max_depth,
            min_samples_leaf: self.min_samples_leaf.get(),
            min_samples_split: self.min_samples_split.max(2),
            features: self.max_features.of(set.width(), matches!(set.target, Target::Classes(_)))?,
        };
        let targets = targets(&set);
        let soil = Soil::new(&set.matrix, set.rows, set.width(), set.weights.clone())?;
        let trees = run.install(|| self.grow(&soil, &targets, &growth, run))??;
        let mut ensemble = TreeEnsemble::new(Layout::mean(targets.len()));
        for (i, tree) in trees.iter().enumerate() {
            ensemble.push(tree, i / self.n_trees.get())?;
        }
        let weights = set.weights.as_deref();
        let shares =
            run.install(|| importances(&ensemble, &set.matrix, set.signature.inputs.len(), &targets, weights))?;
        ForestModel::new(set.signature, ensemble, shares)
    }

    /// All trees, output by output.
    fn grow(&self, soil: &Soil, targets: &[Vec<f64>], growth: &Growth, run: &Run) -> Result<Vec<Tree>> {
        const TOGETHER: usize = 4;
        let n_trees = self.n_trees.get();
        let groups = n_trees.div_ceil(TOGETHER);
        let progress = Progress::start("fit: trees", Some((n_trees * targets.len()) as u64));
        let grow = |i: usize| {
            run.check()?;
            let group = i % groups;
            let trees = TOGETHER.min(n_trees - group * TOGETHER);
            // The trees of all classes with the same number are grown on the same sample.
            let seed = SplitMix64::stream(run.seed, group as u64).next_u64();
            let grown = soil.grow(&targets[i / groups], growth, trees, seed)?;
            progress.advance(trees as u64);
            Ok(grown)
        };
        let grown = (0..groups * targets.len()).into_par_iter().map(grow).collect::<Result<Vec<_>>>()?;
        Ok(grown.into_iter().flatten().collect())
    }
}

/// What the trees estimate: the number; of two classes, whether it is the second; of more, whether
/// it is the one.
fn targets(set: &TrainingSet) -> Vec<Vec<f64>> {
    let indicator = |target: &[usize], class: usize| -> Vec<f64> {
        target.iter().map(|y| f64::from(u8::from(*y == class))).collect()
    };
    match &set.target {
        Target::Numbers(target) => vec![target.clone()],
        Target::Classes(target) if set.signature.num_scores() == 2 => vec![indicator(target, 1)],
        Target::Classes(target) => (0..set.signature.num_scores()).map(|class| indicator(target, class)).collect(),
    }
}

impl Trainer for RandomForest {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}
