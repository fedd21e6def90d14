use std::num::NonZeroUsize;
use std::sync::Arc;

use mlops_core::{Model, Named, Result, Run, Table, Trainer};
use serde::{Deserialize, Serialize};

use super::fit::Forest;
use super::model::ForestModel;
use super::recipe::MaxFeatures;
use crate::trees::grow::Growth;

/// Many decision trees whose splits are drawn at random, averaged: scikit-learn's
/// `ExtraTreesClassifier` and `ExtraTreesRegressor` in one; the target decides.
///
/// At each node one threshold is drawn for each of the features tried, and the best of them taken
/// (Geurts, Ernst, Wehenkel, "Extremely randomized trees", 2006); every tree sees all rows. Thresholds
/// lie between bins, of which a feature has at most 255. All else is as in
/// [`RandomForest`](crate::RandomForest).
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::ExtraTrees;
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0]),
///     ("late", Boolean, [false, false, true, true])
/// )?;
/// let flights = Table::from_batch(batch.clone()).with_role("late", Role::Target)?;
/// let model = ExtraTrees::new().with_n_trees(20).fit(&flights, &Run::default().with_seed(7))?;
/// assert_eq!(model.predict(&batch)?.num_rows(), 4);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ExtraTrees {
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

impl Default for ExtraTrees {
    fn default() -> Self {
        Self {
            // 100 is not 0.
            n_trees: NonZeroUsize::MIN.saturating_add(99),
            max_depth: None,
            min_samples_leaf: NonZeroUsize::MIN,
            min_samples_split: 2,
            max_features: MaxFeatures::Auto,
        }
    }
}

impl Named for ExtraTrees {
    const KIND: &'static str = "extra_trees";
}

impl ExtraTrees {
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
                random_cuts: true,
                ..Growth::default()
            })
        };
        Forest { n_trees: self.n_trees.get(), bootstrap: false }.learn(data, run, growth)
    }
}

impl Trainer for ExtraTrees {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}
