//! The numeric transformers.

use mlops_core::Pipeline;
use mlops_core::conformance::{TransformerSubject, Trial, transformer};
use mlops_data::transform::{
    BinStrategy, Binarizer, Clip, Cyclical, Encode, Extrapolation, KBinsDiscretizer, Knots, MaxAbsScaler, MinMaxScaler,
    MissingIndicator, Norm, Normalizer, OutputDistribution, Pca, PolynomialFeatures, PowerTransformer, QuantileMethod,
    QuantileTransformer, RobustScaler, SimpleImputer, SplineTransformer, TruncatedSvd,
};

use crate::transformers::subject;

pub(crate) fn trials() -> Vec<Trial> {
    let subjects =
        [scale_to_a_range(), rows(), bend(), cut(), spline_transformer(), missing_indicator(), cyclical(), decompose()];
    subjects.into_iter().flatten().flat_map(transformer).collect()
}

fn scale_to_a_range() -> Vec<TransformerSubject> {
    vec![
        subject("min_max_scaler", MinMaxScaler::on(["age", "fare", "distance", "alone"])),
        subject("min_max_scaler_clip", MinMaxScaler::on(["age", "fare"]).with_feature_range(-1.0, 1.0).with_clip()),
        subject("max_abs_scaler", MaxAbsScaler::on(["age", "fare", "alone"])),
        subject("max_abs_scaler_clip", MaxAbsScaler::on(["fare"]).with_clip()),
        subject("robust_scaler", RobustScaler::on(["age", "fare", "alone"])),
        subject("robust_scaler_unit", RobustScaler::on(["fare"]).with_quantile_range(10.0, 80.0).with_unit_variance()),
    ]
}

fn rows() -> Vec<TransformerSubject> {
    let interactions = PolynomialFeatures::on(["distance", "age", "class"]).with_interaction_only().with_bias(false);
    vec![
        subject("normalizer", Normalizer::on(["fare", "age", "alone"])),
        subject("normalizer_max", Normalizer::on(["distance", "class"]).with_norm(Norm::Max)),
        subject("polynomial_features", PolynomialFeatures::on(["fare", "age"]).with_degree(3)),
        subject("polynomial_features_interactions", interactions.with_min_degree(2)),
        subject(
            "polynomial_features_wide",
            PolynomialFeatures::on(["distance", "age", "class", "fare"]).with_degree(4),
        ),
    ]
}

fn bend() -> Vec<TransformerSubject> {
    let box_cox = Pipeline::new().then(Clip::on(["distance"], 1.0, None)).then(PowerTransformer::box_cox(["distance"]));
    let normal = QuantileTransformer::on(["fare"]).with_n_quantiles(9);
    vec![
        subject("power_transformer", PowerTransformer::yeo_johnson(["age", "fare", "class"])),
        subject("power_transformer_box_cox", box_cox),
        subject("quantile_transformer", QuantileTransformer::on(["age", "fare", "alone"])),
        subject("quantile_transformer_normal", normal.with_output_distribution(OutputDistribution::Normal)),
    ]
}

fn cut() -> Vec<TransformerSubject> {
    let bins = KBinsDiscretizer::on(["fare", "distance"]).with_encode(Encode::Ordinal);
    vec![
        subject("k_bins_discretizer", KBinsDiscretizer::on(["age", "fare", "alone"])),
        subject("k_bins_discretizer_k_means", bins.clone().with_strategy(BinStrategy::KMeans)),
        subject("k_bins_discretizer_uniform", bins.clone().with_strategy(BinStrategy::Uniform)),
        subject("k_bins_discretizer_hazen", bins.with_quantile_method(QuantileMethod::Hazen)),
        subject("binarizer", Binarizer::on(["age", "fare", "alone"], 30.0)),
    ]
}

fn spline_transformer() -> Vec<TransformerSubject> {
    let periodic = SplineTransformer::on(["fare"]).with_n_knots(4).with_extrapolation(Extrapolation::Periodic);
    let linear = SplineTransformer::on(["fare"]).with_knots(Knots::Quantile).with_extrapolation(Extrapolation::Linear);
    let strict = SplineTransformer::on(["distance", "class"]).with_extrapolation(Extrapolation::Error).with_bias(false);
    let given = SplineTransformer::on(["fare"]).with_knots(Knots::At(vec![0.0, 1.0, 50.0])).with_degree(1);
    vec![
        subject("spline_transformer", SplineTransformer::on(["age", "fare", "alone"])),
        subject("spline_transformer_periodic", periodic),
        subject("spline_transformer_linear", linear.with_missing_as_zeros()),
        subject("spline_transformer_error", strict),
        subject("spline_transformer_continue", given.with_extrapolation(Extrapolation::Continue)),
    ]
}

fn missing_indicator() -> Vec<TransformerSubject> {
    let strict = MissingIndicator::on(["age", "class", "deck"]).with_error_on_new().with_columns_kept();
    vec![
        subject("missing_indicator", MissingIndicator::on(["age", "fare", "city", "departs", "class"])),
        subject("missing_indicator_error_on_new", strict),
        subject("missing_indicator_all", MissingIndicator::on(["fare", "class"]).with_all_features()),
    ]
}

fn cyclical() -> Vec<TransformerSubject> {
    vec![
        subject("cyclical", Cyclical::on(["age", "fare"], 24.0)),
        subject("cyclical_kept", Cyclical::on(["age", "fare"], 7.5).with_columns_kept()),
    ]
}

fn decompose() -> Vec<TransformerSubject> {
    let complete = || Pipeline::new().then(SimpleImputer::mean(["age", "fare"]));
    let columns = ["age", "fare", "distance", "class"];
    vec![
        subject("pca", complete().then(Pca::on(columns))),
        subject("pca_alone", Pca::on(["distance", "class", "alone"]).with_n_components(2).with_whiten()),
        subject("pca_share", complete().then(Pca::on(columns).with_variance(0.9))),
        subject("truncated_svd", complete().then(TruncatedSvd::on(columns))),
        subject("truncated_svd_alone", TruncatedSvd::on(["distance", "class"]).with_n_components(1)),
    ]
}
