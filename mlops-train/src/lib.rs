//! Trainers, metrics, cross-validation and model selection for `mlops`.
//!
//! | recipe | learns | by |
//! | --- | --- | --- |
//! | `LogisticRegression` | classes | Newton's method, sparse where columns are |
//! | `LinearRegression`, `Ridge` | numbers | least squares |
//! | `HistGradientBoosting` | classes or numbers | boosted trees on histograms, missing values and categories |
//! | `RandomForest`, `ExtraTrees` | classes or numbers | averaging trees |
//! | `ElasticNet`, `Lasso` | numbers, by few features | coordinate descent |
//! | `TweedieRegressor`, `PoissonRegressor`, `GammaRegressor` | counts and amounts | Newton's method |
//! | `KNeighbors` | classes or numbers | asking the nearest rows |
//! | `GaussianNb`, `MultinomialNb`, `BernoulliNb`, `ComplementNb`, `CategoricalNb` | classes | Bayes' rule, in one pass |
//! | `IsotonicRegression` | a number that rises or falls with one feature | pooling adjacent violators |
//! | `KMeans`, `GaussianMixture`, `Dbscan` | groups, without a target | Lloyd's algorithm, EM, density |
//! | `Svc`, `Svr` | classes or numbers | support vectors |
//! | `AdaBoost` | classes or numbers | members that learn from the mistakes of those before |
//! | `Voting`, `Stacking`, `Bagging` | whatever their members learn | averaging or learning to combine their scores |
//! | `CalibratedClassifier`, `OneVsRest`, `ClassWeighted` | classes | correcting, dividing or weighing for another recipe |
//! | `FixedThreshold`, `TunedThreshold` | classes | choosing by a threshold or by costs |
//! | `TransformedTarget` | numbers | another recipe on another scale |
//! | `Conformal` | intervals and sets of classes that keep a promise | rows held back from another recipe |
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

mod bayes;
#[cfg(feature = "boosting")]
mod boosting;
mod cluster;
mod cross_validation;
pub mod evaluation;
#[cfg(feature = "foreign")]
pub mod foreign;
#[cfg(feature = "forest")]
mod forest;
mod isotonic;
#[cfg(feature = "linear")]
mod linear;
mod members;
pub mod metrics;
mod neighbors;
pub mod search;
mod selection;
mod svm;
mod tensors;
mod training;
#[cfg(any(feature = "boosting", feature = "foreign", feature = "forest"))]
mod trees;
mod voting;
mod wrap;

pub use bayes::{BernoulliNb, CategoricalNb, ComplementNb, GaussianNb, MultinomialNb, NaiveBayesModel};
#[cfg(feature = "boosting")]
pub use boosting::{HistGradientBoosting, Loss};
pub use cluster::{Covariance, Dbscan, DbscanModel, GaussianMixture, GaussianMixtureModel, KMeans, KMeansModel};
pub use cross_validation::{CrossValidation, CvResult, FoldResult, cross_validate};
pub use evaluation::Evaluation;
#[cfg(feature = "foreign")]
pub use foreign::{Import, OnnxModel};
#[cfg(feature = "forest")]
pub use forest::{ExtraTrees, ForestModel, MaxFeatures, RandomForest};
pub use isotonic::{IsotonicModel, IsotonicRegression};
#[cfg(feature = "linear")]
pub use linear::{
    ElasticNet, GammaRegressor, Lasso, LinearModel, LinearRegression, Link, LogisticModel, LogisticRegression,
    PoissonRegressor, Ridge, TweedieModel, TweedieRegressor,
};
pub use metrics::{
    Accuracy, Average, AveragePrecision, BalancedAccuracy, Binning, Brier, CalibrationCurve, ClassificationReport,
    CohenKappa, ConfusionMatrix, Cost, Coverage, D2Brier, D2LogLoss, D2Pinball, D2Tweedie, DetCurve,
    ExpectedCalibrationError, ExplainedVariance, F1, FBeta, Fold, FoldMetric, GainCurve, HammingLoss, IntervalWidth,
    Jaccard, KappaWeights, LogLoss, Mae, Mape, MatthewsCorrcoef, MaxError, MedianAbsoluteError, Mse, Msle, Multiclass,
    MulticlassAverage, MulticlassAveragePrecision, MulticlassRocAuc, PartialRocAuc, PinballLoss, Precision,
    PrecisionRecallAuc, PrecisionRecallCurve, R2, Recall, Rmse, Rmsle, RocAuc, RocCurve, Scores, TopKAccuracy,
    TweedieDeviance, ZeroDivision, ZeroOneLoss, score,
};
pub use neighbors::{KNeighbors, KNeighborsModel, NeighborWeights};
pub use selection::{Entry, Leaderboard, Selection, compare};
pub use svm::{Kernel, Svc, SvcModel, Svr, SvrModel};
#[cfg(any(feature = "boosting", feature = "foreign", feature = "forest"))]
pub use trees::TreeModel;
pub use voting::{Voting, VotingModel};
pub use wrap::{
    AdaBoost, AdaBoostModel, Bagging, BaggingModel, CalibrateOn, CalibratedClassifier, CalibratedModel,
    CalibrationMethod, ClassWeight, ClassWeighted, Conformal, ConformalModel, DecidedModel, FixedThreshold, OneVsRest,
    OneVsRestModel, Stacking, StackingModel, TargetMap, ThresholdScore, TransformedTarget, TransformedTargetModel,
    TunedThreshold,
};

/// What this crate can read: its recipes and its models.
pub fn codecs() -> mlops_core::Codecs {
    let codecs = estimators().with(wrap::codecs());
    #[cfg(feature = "foreign")]
    let codecs = codecs.with_model::<OnnxModel>();
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
        .with_model::<TweedieModel>()
        .with_trainer::<ElasticNet>()
        .with_trainer::<GammaRegressor>()
        .with_trainer::<Lasso>()
        .with_trainer::<LinearRegression>()
        .with_trainer::<LogisticRegression>()
        .with_trainer::<PoissonRegressor>()
        .with_trainer::<Ridge>()
        .with_trainer::<TweedieRegressor>();
    codecs
}

/// Those that no feature is for.
fn estimators() -> mlops_core::Codecs {
    mlops_core::Codecs::empty()
        .with_model::<DbscanModel>()
        .with_model::<GaussianMixtureModel>()
        .with_model::<IsotonicModel>()
        .with_model::<KMeansModel>()
        .with_model::<KNeighborsModel>()
        .with_model::<NaiveBayesModel>()
        .with_model::<SvcModel>()
        .with_model::<SvrModel>()
        .with_model::<VotingModel>()
        .with_trainer::<BernoulliNb>()
        .with_trainer::<CategoricalNb>()
        .with_trainer::<ComplementNb>()
        .with_trainer::<Dbscan>()
        .with_trainer::<GaussianMixture>()
        .with_trainer::<GaussianNb>()
        .with_trainer::<IsotonicRegression>()
        .with_trainer::<KMeans>()
        .with_trainer::<KNeighbors>()
        .with_trainer::<MultinomialNb>()
        .with_trainer::<Svc>()
        .with_trainer::<Svr>()
        .with_composite_trainer(Voting::KIND, Voting::read)
}
