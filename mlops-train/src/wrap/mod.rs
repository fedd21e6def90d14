//! Recipes around other recipes.

mod ada_boost;
mod bagging;
mod calibrated;
mod class_weight;
mod conformal;
mod decided;
mod one_vs_rest;
pub(crate) mod platt;
mod rows;
mod stacking;
mod target_map;
mod threshold;
mod transformed_target;

use mlops_core::Codecs;

pub use ada_boost::{AdaBoost, AdaBoostModel};
pub use bagging::{Bagging, BaggingModel};
pub use calibrated::{CalibrateOn, CalibratedClassifier, CalibratedModel, CalibrationMethod};
pub use class_weight::{ClassWeight, ClassWeighted};
pub use conformal::{Conformal, ConformalModel};
pub use decided::{DecidedModel, FixedThreshold, TunedThreshold};
pub use one_vs_rest::{OneVsRest, OneVsRestModel};
pub use stacking::{Stacking, StackingModel};
pub use target_map::TargetMap;
pub use threshold::ThresholdScore;
pub use transformed_target::{TransformedTarget, TransformedTargetModel};

pub(crate) fn codecs() -> Codecs {
    Codecs::empty()
        .with_model::<AdaBoostModel>()
        .with_model::<BaggingModel>()
        .with_model::<CalibratedModel>()
        .with_model::<ConformalModel>()
        .with_model::<DecidedModel>()
        .with_model::<OneVsRestModel>()
        .with_model::<StackingModel>()
        .with_model::<TransformedTargetModel>()
        .with_composite_trainer(AdaBoost::KIND, AdaBoost::read)
        .with_composite_trainer(Bagging::KIND, Bagging::read)
        .with_composite_trainer(CalibratedClassifier::KIND, CalibratedClassifier::read)
        .with_composite_trainer(ClassWeighted::KIND, ClassWeighted::read)
        .with_composite_trainer(Conformal::KIND, Conformal::read)
        .with_composite_trainer(FixedThreshold::KIND, FixedThreshold::read)
        .with_composite_trainer(OneVsRest::KIND, OneVsRest::read)
        .with_composite_trainer(Stacking::KIND, Stacking::read)
        .with_composite_trainer(TransformedTarget::KIND, TransformedTarget::read)
        .with_composite_trainer(TunedThreshold::KIND, TunedThreshold::read)
}
