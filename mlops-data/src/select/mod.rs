//! Which features are worth keeping: scikit-learn's `feature_selection`, with its names and numbers.
//!
//! A selector is a [`Transformer`](mlops_core::Transformer): it looks at numeric features (all of
//! them, or those it is told to), keeps some and drops the rest. Columns it does not look at, and those
//! that are no features (target, weight, id, …), pass through. Once fitted, only what it keeps has to
//! be there.
//!
//! | recipe | keeps the features | by | passes |
//! | --- | --- | --- | --- |
//! | [`VarianceThreshold`] | that are not (nearly) constant | variance | 1 |
//! | [`SelectKBest`] | with the best scores, so many | a [`ScoreFunc`] | 1 |
//! | [`SelectPercentile`] | with the best scores, such a share | a [`ScoreFunc`] | 1 |
//! | [`SelectFpr`] | with small p-values each | a [`ScoreFunc`] | 1 |
//! | [`SelectFdr`] | with small p-values, few of them false | a [`ScoreFunc`] | 1 |
//! | [`SelectFwe`] | with small p-values, none of them false | a [`ScoreFunc`] | 1 |
//! | [`SelectFromModel`] | that a model finds important | [`Model::importances`](mlops_core::Model::importances) | 1 fit |
//! | [`Rfe`] | left when the least important go, one by one | the same | a fit a step |
//! | [`RfeCv`] | of the best number so found | the same, and cross-validation | a fit a step and fold |
//! | [`SequentialFeatureSelector`] | that improve the score, one by one | cross-validation | many fits |
//!
//! Scores that come of sums (variance, F, chi-square) are folded exactly: the same bits for any
//! batches, threads or order of rows, in one pass and bounded memory, shared with other steps.
//!
//! What was learned can be read: `fitted.save()?.state["features"]` has for each feature whether it
//! was selected, and its score, p-value or rank.
//!
//! ```
//! use mlops_core::{Role, Run, Table, Transformer};
//! use mlops_data::select::{ScoreFunc, SelectKBest};
//! # let batch = arrow::array::record_batch!(
//! #     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 2.5, 8.5]),
//! #     ("day", Float64, [1.0, 2.0, 1.0, 2.0, 2.0, 1.0]),
//! #     ("late", Boolean, [false, false, true, true, false, true])
//! # )?;
//! let flights = Table::from_batch(batch).with_role("late", Role::Target)?;
//! let (fitted, kept) = SelectKBest::new(ScoreFunc::FClassif, 1).fit_transform(&flights, &Run::default())?;
//! let names: Vec<_> = kept.schema().fields().iter().map(|field| field.name().as_str()).collect();
//! assert_eq!(names, ["wind", "late"]);
//! assert_eq!(fitted.save()?.state["features"][1]["selected"], false);
//! # Ok::<(), mlops_core::Error>(())
//! ```

mod classes;
mod elimination;
mod fitted;
mod fold;
mod from_model;
mod inputs;
mod mutual_info;
mod neighbours;
mod rfe;
mod rules;
mod score_func;
mod scoring;
mod sequential;
mod trials;
mod univariate;
mod variance;

use mlops_core::Codecs;

pub use self::elimination::Amount;
pub use self::fitted::FeatureScore;
pub use self::from_model::{SelectFromModel, Threshold};
pub use self::mutual_info::{DiscreteFeatures, MutualInfo};
pub use self::rfe::{Rfe, RfeCv};
pub use self::score_func::ScoreFunc;
pub use self::scoring::Scoring;
pub use self::sequential::{Direction, SequentialFeatureSelector};
pub use self::univariate::{SelectFdr, SelectFpr, SelectFwe, SelectKBest, SelectPercentile};
pub use self::variance::VarianceThreshold;

/// All recipes and fitted transforms of this module.
pub(crate) fn codecs() -> Codecs {
    Codecs::empty()
        .with_transformer::<SelectFdr>()
        .with_transformer::<SelectFpr>()
        .with_transformer::<SelectFwe>()
        .with_transformer::<SelectKBest>()
        .with_transformer::<SelectPercentile>()
        .with_transformer::<VarianceThreshold>()
        .with_composite_transformer(SelectFromModel::KIND, SelectFromModel::read)
        .with_composite_transformer(Rfe::KIND, Rfe::read)
        .with_composite_transformer(RfeCv::KIND, RfeCv::read)
        .with_composite_transformer(SequentialFeatureSelector::KIND, SequentialFeatureSelector::read)
        .with_transform::<fitted::FeatureSelection>()
}
