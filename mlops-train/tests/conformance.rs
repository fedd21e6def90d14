//! Every trainer and model passes the suite of `mlops-core`.

mod common;

use common::{Kind, rows};
use futures::executor::block_on;
use libtest_mimic::Arguments;
use mlops_core::conformance::{TrainerSubject, Trial, trainer};
use mlops_core::{Codecs, Pipeline, Trainer};
use mlops_train::{
    AdaBoost, Bagging, BernoulliNb, CalibrateOn, CalibratedClassifier, CalibrationMethod, CategoricalNb, ClassWeight,
    ClassWeighted, ComplementNb, Conformal, Covariance, Dbscan, ElasticNet, ExtraTrees, FixedThreshold, GammaRegressor,
    GaussianMixture, GaussianNb, HistGradientBoosting, IsotonicRegression, KMeans, KNeighbors, Kernel, Lasso,
    LinearRegression, LogisticRegression, MultinomialNb, NeighborWeights, OneVsRest, PoissonRegressor, RandomForest,
    Ridge, Stacking, Svc, Svr, TargetMap, ThresholdScore, TransformedTarget, TunedThreshold, TweedieRegressor, Voting,
};

fn main() {
    let named = |trial: Trial| {
        let name = trial.name().to_owned();
        libtest_mimic::Trial::test(name, move || {
            block_on(trial.run());
            Ok(())
        })
    };
    let trials = trials().into_iter().chain(wrapped()).chain(more()).chain(grouped());
    libtest_mimic::run(&Arguments::from_args(), trials.map(named).collect()).exit();
}

fn subject(name: &str, recipe: impl Fn() -> Box<dyn Trainer> + Send + Sync + 'static, kind: Kind) -> Vec<Trial> {
    let codecs = Codecs::default().with(mlops_train::codecs());
    trainer(TrainerSubject::new(name, recipe, rows(120, kind), codecs))
}

fn forest() -> RandomForest {
    RandomForest::new().with_n_trees(10).with_max_depth(5)
}

fn boosting() -> HistGradientBoosting {
    HistGradientBoosting::new().with_max_iter(20).with_min_samples_leaf(5)
}

fn trials() -> Vec<Trial> {
    let logistic = || Box::new(LogisticRegression::new()) as Box<dyn Trainer>;
    let vote = || Voting::new().with(LogisticRegression::new()).with_weighted(forest(), 2.0);
    let mean = || Voting::new().with(LinearRegression::new()).with(forest());
    let all = [
        subject("logistic_regression", logistic, Kind::Bool),
        subject("logistic_regression_of_three", || Box::new(LogisticRegression::new().with_c(3.0)), Kind::ThreeTexts),
        subject("linear_regression", || Box::new(LinearRegression::new()), Kind::Number),
        subject("ridge", || Box::new(Ridge::new(0.5)), Kind::Number),
        subject("random_forest", || Box::new(forest()), Kind::Bool),
        subject("random_forest_of_three", || Box::new(forest()), Kind::ThreeTexts),
        subject("random_forest_of_numbers", || Box::new(forest()), Kind::Number),
        subject("extra_trees", || Box::new(ExtraTrees::new().with_n_trees(10)), Kind::ThreeTexts),
        subject("extra_trees_of_numbers", || Box::new(ExtraTrees::new().with_n_trees(10)), Kind::Number),
        subject("boosting", || Box::new(boosting()), Kind::Bool),
        subject("boosting_of_three", || Box::new(boosting().with_subsample(0.7)), Kind::ThreeTexts),
        subject(
            "boosting_of_numbers",
            || Box::new(boosting().with_max_features(0.5).with_categorical(["hour"])),
            Kind::Number,
        ),
        subject("voting", move || Box::new(vote()), Kind::Bool),
        subject("voting_of_numbers", move || Box::new(mean()), Kind::Number),
        subject("estimator", || Box::new(Pipeline::new().train(LogisticRegression::new())), Kind::Bool),
        subject("estimator_of_numbers", || Box::new(Pipeline::new().train(forest())), Kind::Number),
    ];
    all.into_iter().flatten().collect()
}

fn wrapped() -> Vec<Trial> {
    let logistic = LogisticRegression::new;
    let balanced = ClassWeight::Balanced;
    let costs = ThresholdScore::Costs { false_positive: 1.0, false_negative: 3.0 };
    let table = vec![vec![0.0, 1.0, 2.0], vec![3.0, 0.0, 1.0], vec![1.0, 1.0, 0.0]];
    let sigmoid = move || CalibratedClassifier::new(logistic(), CalibrationMethod::Sigmoid).with_cv(3);
    let isotonic = move || CalibratedClassifier::new(logistic(), CalibrationMethod::Isotonic).with_cv(2);
    let stack = move || Stacking::new(logistic()).with(logistic()).with(forest()).with_cv(3).with_passthrough(true);
    let sum = || Stacking::new(Ridge::new(0.1)).with(LinearRegression::new()).with(forest()).with_cv(3);
    let bag = move || Bagging::new(logistic()).with_n_estimators(4).with_max_features(0.5);
    let bag_of_numbers =
        || Bagging::new(Ridge::new(1.0)).with_n_estimators(3).with_bootstrap(false).with_max_samples(0.7);
    let quantiles = || Conformal::new(forest(), 0.8).with_quantiles(Ridge::new(1.0), LinearRegression::new());
    let mapped = |map: TargetMap| move || TransformedTarget::new(LinearRegression::new(), map.clone());
    let quantile_map = mapped(TargetMap::Quantile { normal: true, n_quantiles: 50 });
    let box_cox = mapped(TargetMap::BoxCox { lambda: None });
    let nested = move || Pipeline::new().train(FixedThreshold::new(sigmoid().with_on(CalibrateOn::LogOdds), 0.3));
    let all = [
        subject("calibrated", move || Box::new(sigmoid()), Kind::Bool),
        subject("calibrated_once", move || Box::new(isotonic().with_ensemble(false)), Kind::Bool),
        subject("calibrated_of_three", move || Box::new(isotonic()), Kind::ThreeTexts),
        subject("stacking", move || Box::new(stack()), Kind::Bool),
        subject("stacking_of_three", move || Box::new(stack().with_passthrough(false)), Kind::ThreeTexts),
        subject("stacking_of_numbers", move || Box::new(sum()), Kind::Number),
        subject("bagging", move || Box::new(bag()), Kind::ThreeTexts),
        subject("bagging_of_numbers", move || Box::new(bag_of_numbers()), Kind::Number),
        subject("one_vs_rest", move || Box::new(OneVsRest::new(logistic())), Kind::ThreeTexts),
        subject("one_vs_rest_of_two", move || Box::new(OneVsRest::new(logistic())), Kind::Bool),
        subject("class_weighted", move || Box::new(ClassWeighted::new(logistic(), balanced.clone())), Kind::ThreeTexts),
        subject("fixed_threshold", move || Box::new(FixedThreshold::new(logistic(), 0.2)), Kind::Bool),
        subject("fixed_costs", move || Box::new(FixedThreshold::by_costs(logistic(), table.clone())), Kind::ThreeTexts),
        subject("tuned_threshold", move || Box::new(TunedThreshold::new(logistic(), costs.clone())), Kind::Bool),
        subject("conformal_sets", move || Box::new(Conformal::new(logistic(), 0.8)), Kind::ThreeTexts),
        subject("conformal", || Box::new(Conformal::new(Ridge::new(1.0), 0.8)), Kind::Number),
        subject("conformal_quantiles", move || Box::new(quantiles()), Kind::Number),
        subject("transformed_target", move || Box::new(quantile_map()), Kind::Number),
        subject("box_cox_target", move || Box::new(box_cox()), Kind::Number),
        subject("isotonic_regression", || Box::new(IsotonicRegression::on("wind")), Kind::Number),
        subject("nested", move || Box::new(nested()), Kind::Bool),
    ];
    all.into_iter().flatten().collect()
}

fn more() -> Vec<Trial> {
    let near = |k| KNeighbors::new(k).with_weights(NeighborWeights::Distance);
    let all = [
        subject("gaussian_nb", || Box::new(GaussianNb::new()), Kind::ThreeTexts),
        subject("bernoulli_nb", || Box::new(BernoulliNb::new().with_binarize(0.5)), Kind::Bool),
        subject("k_neighbors", move || Box::new(near(4)), Kind::ThreeTexts),
        subject("k_neighbors_of_numbers", || Box::new(KNeighbors::new(3).with_p(1.0)), Kind::Number),
        subject("elastic_net", || Box::new(ElasticNet::new(0.01)), Kind::Number),
        subject("lasso", || Box::new(Lasso::new(0.01)), Kind::Number),
        subject("tweedie_regressor", || Box::new(TweedieRegressor::new(1.5).with_alpha(0.01)), Kind::Number),
        subject("poisson_regressor", || Box::new(PoissonRegressor::new(0.1)), Kind::Number),
        subject("gamma_regressor", || Box::new(GammaRegressor::new(0.1)), Kind::Number),
        subject("svc", || Box::new(Svc::new()), Kind::Bool),
        subject("svc_of_three", || Box::new(Svc::new().with_kernel(Kernel::Linear).with_cv(3)), Kind::ThreeTexts),
        subject("svr", || Box::new(Svr::new()), Kind::Number),
        subject("ada_boost", || Box::new(AdaBoost::new(GaussianNb::new()).with_n_estimators(5)), Kind::ThreeTexts),
        subject("ada_boost_of_numbers", || Box::new(AdaBoost::new(Ridge::new(1.0)).with_n_estimators(5)), Kind::Number),
        counted("multinomial_nb", || Box::new(MultinomialNb::new())),
        counted("complement_nb", || Box::new(ComplementNb::new().with_norm(true))),
        counted("categorical_nb", || Box::new(CategoricalNb::new())),
    ];
    all.into_iter().flatten().collect()
}

/// Features that are whole numbers of at least 0.
fn counted(name: &str, recipe: impl Fn() -> Box<dyn Trainer> + Send + Sync + 'static) -> Vec<Trial> {
    let data = rows(120, Kind::ThreeTexts).select(["hour", "hub", "y"]).unwrap();
    trainer(TrainerSubject::new(name, recipe, data, Codecs::default().with(mlops_train::codecs())))
}

fn grouped() -> Vec<Trial> {
    let mixture = |covariance| move || GaussianMixture::new(2).with_covariance(covariance).with_reg_covar(1e-3);
    let (full, tied, spherical) =
        (mixture(Covariance::Full), mixture(Covariance::Tied), mixture(Covariance::Spherical));
    let all = [
        subject("k_means", || Box::new(KMeans::new(4).with_n_init(3)), Kind::Nothing),
        subject("gaussian_mixture", move || Box::new(full()), Kind::Nothing),
        subject("gaussian_mixture_tied", move || Box::new(tied().with_n_init(2)), Kind::Nothing),
        subject("gaussian_mixture_spherical", move || Box::new(spherical()), Kind::Nothing),
        subject("dbscan", || Box::new(Dbscan::new(1.3).with_min_samples(4)), Kind::Nothing),
        subject("prepared_k_means", || Box::new(Pipeline::new().train(KMeans::new(3))), Kind::Nothing),
    ];
    all.into_iter().flatten().collect()
}
