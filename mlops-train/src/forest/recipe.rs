use std::num::NonZeroUsize;
use std::sync::Arc;

use mlops_core::{Error, Model, Named, Result, Run, Table, Trainer};
use serde::{Deserialize, Serialize};

use super::fit::Forest;
use super::model::ForestModel;
use crate::trees::grow::Growth;

/// Many decision trees, each grown on a bootstrap sample, averaged: scikit-learn's
/// `RandomForestClassifier` and `RandomForestRegressor` in one; the target decides.
///
/// Features are cut into at most 255 bins, so that a split is found by adding up rows by bin; up to
/// 255 different numbers are kept apart. Each tree has a seed of its own, so the forest is the same for
/// any number of threads. Classes are learned as numbers: trees for two classes estimate the
/// probability of the second; for more there are `n_trees` trees for each class, and their estimates
/// are divided by their sum. Rows are drawn evenly and count by their weight.
///
/// A missing value (null or NaN) goes where it lowers the impurity most, or with the many if training
/// saw none. Memory: the features once as `f64`, once as bytes, and for each thread about 32 bytes a
/// row.
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
    pub(super) fn of(self, width: usize, classes: bool) -> Result<usize> {
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
        let growth = |width, classes| {
            Ok(Growth {
                max_depth: self.max_depth.map(usize::from),
                min_samples_leaf: self.min_samples_leaf.get(),
                min_samples_split: self.min_samples_split.max(2),
                features: self.max_features.of(width, classes)?,
                ..Growth::default()
            })
        };
        Forest { n_trees: self.n_trees.get(), bootstrap: true }.learn(data, run, growth)
    }
}

impl Trainer for RandomForest {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}
