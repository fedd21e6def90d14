//! Every trainer and model passes the suite of `mlops-core`.
#![cfg(all(feature = "forest", feature = "linear"))]

mod common;

use common::{Kind, rows};
use mlops_core::conformance::{TrainerSubject, run_all, trainer};
use mlops_core::{Codecs, Pipeline, Trainer};
use mlops_train::{LinearRegression, LogisticRegression, RandomForest, Ridge, Voting};

fn check(name: &str, recipe: impl Fn() -> Box<dyn Trainer> + Send + Sync + 'static, kind: Kind) {
    let codecs = Codecs::default().with(mlops_train::codecs());
    let trials = trainer(TrainerSubject::new(name, recipe, rows(120, kind), codecs));
    run_all(trials, futures::executor::block_on);
}

fn forest() -> RandomForest {
    RandomForest::new().with_n_trees(10).with_max_depth(5)
}

#[test]
fn logistic_regression_of_two_classes() {
    check("logistic_regression", || Box::new(LogisticRegression::new()), Kind::Bool);
}

#[test]
fn logistic_regression_of_three_classes() {
    check("logistic_regression_of_three", || Box::new(LogisticRegression::new().with_c(3.0)), Kind::ThreeTexts);
}

#[test]
fn linear_regression() {
    check("linear_regression", || Box::new(LinearRegression::new()), Kind::Number);
}

#[test]
fn ridge() {
    check("ridge", || Box::new(Ridge::new(0.5)), Kind::Number);
}

#[test]
fn random_forest_of_two_classes() {
    check("random_forest", || Box::new(forest()), Kind::Bool);
}

#[test]
fn random_forest_of_three_classes() {
    check("random_forest_of_three", || Box::new(forest()), Kind::ThreeTexts);
}

#[test]
fn random_forest_of_numbers() {
    check("random_forest_of_numbers", || Box::new(forest()), Kind::Number);
}

#[test]
fn voting() {
    let two = || Voting::new().with(LogisticRegression::new()).with_weighted(forest(), 2.0);
    check("voting", move || Box::new(two()), Kind::Bool);
    let numbers = || Voting::new().with(LinearRegression::new()).with(forest());
    check("voting_of_numbers", move || Box::new(numbers()), Kind::Number);
}

#[test]
fn a_pipeline_that_ends_in_a_model() {
    check("estimator", || Box::new(Pipeline::new().train(LogisticRegression::new())), Kind::Bool);
    check("estimator_of_numbers", || Box::new(Pipeline::new().train(forest())), Kind::Number);
}
