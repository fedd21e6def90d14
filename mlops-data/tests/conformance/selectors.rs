//! The feature selectors.

use mlops_core::conformance::{TransformerSubject, Trial, transformer};
use mlops_core::{Table, Transformer};
use mlops_data::select::{
    DiscreteFeatures, MutualInfo, Rfe, RfeCv, ScoreFunc, SelectFdr, SelectFpr, SelectFromModel, SelectFwe, SelectKBest,
    SelectPercentile, SequentialFeatureSelector, VarianceThreshold,
};
use mlops_data::split::KFold;

use crate::features::{NUMBERS, by_amount, by_label, ridge};

pub(crate) fn trials() -> Vec<Trial> {
    by_score().into_iter().chain(by_model()).flat_map(transformer).collect()
}

fn subject(name: &str, recipe: impl Transformer, data: Table) -> TransformerSubject {
    TransformerSubject::new(name, recipe, data, crate::ridge::codecs())
}

fn by_score() -> Vec<TransformerSubject> {
    let informed = MutualInfo::new().with_discrete_features(DiscreteFeatures::Columns(vec!["d".into()]));
    let classes = ScoreFunc::MutualInfoClassif(informed.clone());
    let numbers = ScoreFunc::MutualInfoRegression(informed);
    vec![
        subject("variance_threshold", VarianceThreshold::new(2.0).on(NUMBERS), by_label()),
        subject("select_k_best", SelectKBest::new(ScoreFunc::FClassif, 2).on(NUMBERS), by_label()),
        subject("select_k_best_chi2", SelectKBest::new(ScoreFunc::Chi2, 1).on(["d", "e"]), by_label()),
        subject("select_k_best_mutual_info_classif", SelectKBest::new(classes, 2).on(NUMBERS), by_label()),
        subject("select_k_best_mutual_info_regression", SelectKBest::new(numbers, 2).on(NUMBERS), by_amount()),
        subject("select_percentile", SelectPercentile::new(ScoreFunc::FRegression, 40.0).on(NUMBERS), by_amount()),
        subject("select_fpr", SelectFpr::new(ScoreFunc::FRegression, 0.01).on(NUMBERS), by_amount()),
        subject("select_fdr", SelectFdr::new(ScoreFunc::FClassif, 0.05).on(NUMBERS), by_label()),
        subject("select_fwe", SelectFwe::new(ScoreFunc::FClassif, 0.05).on(["a", "c", "d"]), by_label()),
    ]
}

fn by_model() -> Vec<TransformerSubject> {
    let rfe_cv = RfeCv::new(ridge()).on(["a", "b", "c"]).with_cv(KFold::new(3));
    let sequential = SequentialFeatureSelector::new(ridge()).on(["a", "b", "c"]).with_cv(KFold::new(3));
    vec![
        subject("select_from_model", SelectFromModel::new(ridge()).on(NUMBERS), by_amount()),
        subject("rfe", Rfe::new(ridge()).on(NUMBERS).with_n_features_to_select(2), by_amount()),
        // Blocks of rows are other blocks when the rows are in another order.
        subject("rfe_cv", rfe_cv, by_amount()).with_row_order(),
        subject("sequential", sequential.with_n_features_to_select(2), by_amount()).with_row_order(),
    ]
}
