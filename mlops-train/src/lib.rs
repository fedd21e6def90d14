//! Trainers, metrics, cross-validation and model selection for `mlops`.
//!
//! | recipe | learns | by |
//! | --- | --- | --- |
//! | `LogisticRegression` | classes | Newton's method, sparse where columns are |
//! | `LinearRegression`, `Ridge` | numbers | least squares |
//! | `HistGradientBoosting` | classes or numbers | boosted trees on histograms, missing values and categories |
//! | `RandomForest`, `ExtraTrees` | classes or numbers | averaging trees |
//! | `Voting` | whatever its members learn | averaging their scores |
//!
//! A recipe learns the target of the table ([`Table::target`](mlops_core::Table::target)) from its
//! features; fitted on the same rows with the same seed it gives the same model for any number of
//! threads. [`metrics`] judge it, [`CrossValidation`] judges the recipe, and [`compare`] chooses
//! among recipes:
//!
//! ```
//! # #[cfg(all(feature = "linear", feature = "forest"))] {
//! use mlops_core::{Role, Run, Table, Trainer};
//! use mlops_train::{CrossValidation, LogLoss, LogisticRegression, RandomForest, RocAuc, Selection, compare};
//!
//! let batch = arrow::array::record_batch!(
//!     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 4.0, 7.0, 1.0, 6.0]),
//!     ("late", Boolean, [false, false, true, true, true, false, false, true])
//! )?;
//! let flights = Table::from_batch(batch).with_role("late", Role::Target)?;
//! let candidates: Vec<(&str, Box<dyn Trainer>)> = vec![
//!     ("logistic", Box::new(LogisticRegression::new())),
//!     ("forest", Box::new(RandomForest::new().with_n_trees(20))),
//! ];
//! let selection = Selection::by(RocAuc).with_metric(LogLoss).with_cross_validation(CrossValidation::new(2));
//! let board = compare(candidates, &flights, &selection, &Run::default())?;
//! assert_eq!(board.entries.len(), 2);
//! let model = &board.best().model;
//! # assert_eq!(model.signature().inputs.len(), 1);
//! # }
//! # Ok::<(), mlops_core::Error>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "boosting")]
mod boosting;
mod cross_validation;
pub mod evaluation;
#[cfg(feature = "foreign")]
pub mod foreign;
#[cfg(feature = "forest")]
mod forest;
#[cfg(feature = "linear")]
mod linear;
pub mod metrics;
pub mod search;
mod selection;
#[cfg(any(feature = "boosting", feature = "forest", feature = "linear"))]
mod training;
#[cfg(any(feature = "boosting", feature = "foreign", feature = "forest"))]
mod trees;
mod voting;

#[cfg(feature = "boosting")]
pub use boosting::{HistGradientBoosting, Loss};
pub use cross_validation::{CrossValidation, CvResult, FoldResult, cross_validate};
pub use evaluation::Evaluation;
#[cfg(feature = "foreign")]
pub use foreign::Import;
#[cfg(feature = "forest")]
pub use forest::{ExtraTrees, ForestModel, MaxFeatures, RandomForest};
#[cfg(feature = "linear")]
pub use linear::{LinearModel, LinearRegression, LogisticModel, LogisticRegression, Ridge};
pub use metrics::{
    Accuracy, Average, AveragePrecision, BalancedAccuracy, Binning, Brier, CalibrationCurve, ClassificationReport,
    CohenKappa, ConfusionMatrix, Cost, Coverage, D2Brier, D2LogLoss, D2Pinball, D2Tweedie, DetCurve,
    ExpectedCalibrationError, ExplainedVariance, F1, FBeta, Fold, FoldMetric, GainCurve, HammingLoss, IntervalWidth,
    Jaccard, KappaWeights, LogLoss, Mae, Mape, MatthewsCorrcoef, MaxError, MedianAbsoluteError, Mse, Msle, Multiclass,
    MulticlassAverage, MulticlassAveragePrecision, MulticlassRocAuc, PartialRocAuc, PinballLoss, Precision,
    PrecisionRecallAuc, PrecisionRecallCurve, R2, Recall, Rmse, Rmsle, RocAuc, RocCurve, Scores, TopKAccuracy,
    TweedieDeviance, ZeroDivision, ZeroOneLoss, score,
};
pub use selection::{Entry, Leaderboard, Selection, compare};
#[cfg(any(feature = "boosting", feature = "foreign", feature = "forest"))]
pub use trees::TreeModel;
pub use voting::{Voting, VotingModel};

/// What this crate can read: its recipes and its models.
pub fn codecs() -> mlops_core::Codecs {
    let codecs =
        mlops_core::Codecs::empty().with_model::<VotingModel>().with_composite_trainer(Voting::KIND, Voting::read);
    #[cfg(any(feature = "boosting", feature = "foreign", feature = "forest"))]
    let codecs = codecs.with_model::<TreeModel>();
    #[cfg(feature = "forest")]
    let codecs = codecs.with_model::<ForestModel>().with_trainer::<ExtraTrees>().with_trainer::<RandomForest>();
    #[cfg(feature = "boosting")]
    let codecs = codecs.with_trainer::<HistGradientBoosting>();
    #[cfg(feature = "linear")]
    let codecs = codecs
        .with_model::<LinearModel>()
        .with_model::<LogisticModel>()
        .with_trainer::<LinearRegression>()
        .with_trainer::<LogisticRegression>()
        .with_trainer::<Ridge>();
    codecs
}
