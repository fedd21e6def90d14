//! Every trainer and model passes the suite of `mlops-core`.

mod common;

use common::{Kind, rows};
use futures::executor::block_on;
use libtest_mimic::Arguments;
use mlops_core::conformance::{TrainerSubject, Trial, trainer};
use mlops_core::{Codecs, Pipeline, Trainer};
use mlops_train::{
    ExtraTrees, HistGradientBoosting, LinearRegression, LogisticRegression, RandomForest, Ridge, Voting,
};

fn main() {
    let named = |trial: Trial| {
        let name = trial.name().to_owned();
        libtest_mimic::Trial::test(name, move || {
            block_on(trial.run());
            Ok(())
        })
    };
    let trials = trials().into_iter();
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
