use mlops_core::folds::{Fold, Splitter};
use mlops_core::{Result, Table};
use serde::{Deserialize, Serialize};

use super::{
    GroupKFold, HashKFold, KFold, PredefinedSplit, PurgedKFold, ShuffleSplit, StratifiedGroupKFold, StratifiedKFold,
    TimeSeriesSplit,
};

/// Any of the recipes for folds, as one value: what a configuration file names.
///
/// Each recipe turns into it, and is a [`Splitter`] by itself too.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_core::folds::Splitter;
/// use mlops_data::split::{Folds, GroupKFold};
/// # let batch = arrow::array::record_batch!(("customer", Utf8, ["ann", "bob", "ann", "eve"]))?;
///
/// let recipe: Folds = serde_json::from_str(r#"{ "group_k_fold": { "group": "customer", "n_splits": 2 } }"#)?;
/// assert_eq!(recipe, GroupKFold::new(2, "customer").into());
///
/// // One fold judges on Ann's two rows, the other one on the rest.
/// let folds = recipe.folds(&Table::from_batch(batch))?;
/// assert_eq!(folds[0].test, [0, 2]);
/// assert_eq!(folds[1].test, [1, 3]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Folds {
    /// Groups stay together.
    GroupKFold(GroupKFold),
    /// The fold of a row follows from its key alone.
    HashKFold(HashKFold),
    /// Rows as they stand, or shuffled.
    KFold(KFold),
    /// A column says it.
    PredefinedSplit(PredefinedSplit),
    /// Blocks of time, with nothing learned near them.
    PurgedKFold(PurgedKFold),
    /// Independent draws.
    ShuffleSplit(ShuffleSplit),
    /// Groups stay together, and classes in proportion.
    StratifiedGroupKFold(StratifiedGroupKFold),
    /// Classes stay in proportion.
    StratifiedKFold(StratifiedKFold),
    /// Learns from the past, judges on what comes next.
    TimeSeriesSplit(TimeSeriesSplit),
}

impl Default for Folds {
    fn default() -> Self {
        Self::KFold(KFold::default())
    }
}

impl Splitter for Folds {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        match self {
            Self::GroupKFold(recipe) => recipe.folds(data),
            Self::HashKFold(recipe) => recipe.folds(data),
            Self::KFold(recipe) => recipe.folds(data),
            Self::PredefinedSplit(recipe) => recipe.folds(data),
            Self::PurgedKFold(recipe) => recipe.folds(data),
            Self::ShuffleSplit(recipe) => recipe.folds(data),
            Self::StratifiedGroupKFold(recipe) => recipe.folds(data),
            Self::StratifiedKFold(recipe) => recipe.folds(data),
            Self::TimeSeriesSplit(recipe) => recipe.folds(data),
        }
    }
}

macro_rules! from {
    ($($recipe:ident),*) => {$(
        impl From<$recipe> for Folds {
            fn from(recipe: $recipe) -> Self {
                Self::$recipe(recipe)
            }
        }
    )*};
}

from!(
    GroupKFold,
    HashKFold,
    KFold,
    PredefinedSplit,
    PurgedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit
);
