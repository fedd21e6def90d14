//! What the rooms must do together: the suites of `mlops-core` on whole pipelines, stored and explained.
//!
//! Each room tries its own implementations in a test of the same name, so
//! `cargo test --workspace --all-features --test conformance -- --list` is the whole specification.

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::sync::{Arc, OnceLock};

use common::{preparation, trips};
use libtest_mimic::Arguments;
use mlops::core::conformance::{
    ExplainerSubject, TrainerSubject, TransformerSubject, Trial, explainer, registry, trainer, transformer,
};
use mlops::monitor::{DriftSuite, ShapleyExplainer};
use mlops::prelude::*;
use mlops::registry::ObjectRegistry;
use mlops::train::{LogisticRegression, RandomForest, Voting};

fn main() {
    let named = |trial: Trial| {
        let name = trial.name().to_owned();
        libtest_mimic::Trial::test(name, move || {
            block_on(trial.run());
            Ok(())
        })
    };
    let trials = [prepared(), trained(), kept(), explained()].into_iter().flatten();
    libtest_mimic::run(&Arguments::from_args(), trials.map(named).collect()).exit();
}

fn block_on(trial: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(trial);
}

fn forest() -> RandomForest {
    RandomForest::new().with_n_trees(5).with_max_depth(4)
}

fn prepared() -> Vec<Trial> {
    transformer(TransformerSubject::new("preparation", preparation(), trips(), mlops::codecs()))
}

fn trained() -> Vec<Trial> {
    let subject = |name: &str, recipe: fn() -> Box<dyn Trainer>| {
        trainer(TrainerSubject::new(name, recipe, trips(), mlops::codecs()))
    };
    let all = [
        subject("prepared_logistic", || Box::new(preparation().train(LogisticRegression::new()))),
        subject("prepared_forest", || Box::new(preparation().train(forest()))),
        subject("prepared_vote", || {
            Box::new(preparation().train(Voting::new().with(LogisticRegression::new()).with(forest())))
        }),
    ];
    all.into_iter().flatten().collect()
}

fn kept() -> Vec<Trial> {
    let make = || async {
        // It stays until the process ends: a registry may outlive its trial's last line.
        let place = tempfile::tempdir().unwrap().keep();
        Arc::new(ObjectRegistry::open(place.to_str().unwrap(), mlops::codecs()).await.unwrap()) as Arc<dyn Registry>
    };
    registry("directory_of_pipelines", make, package)
}

/// All that a package may hold, under this name; fitted once.
fn package(name: &str) -> Package {
    static FITTED: OnceLock<Package> = OnceLock::new();
    let fitted = FITTED.get_or_init(|| {
        let package = common::package("late").with_drift(DriftSuite::default().fit(&trips()).unwrap().as_ref());
        package.unwrap().with_explainer(&ShapleyExplainer::default().fit(&trips()).unwrap()).unwrap()
    });
    let mut package = fitted.clone();
    package.name = name.to_owned();
    package
}

fn explained() -> Vec<Trial> {
    let model = preparation().train(forest()).fit(&trips(), &Run::default()).unwrap();
    let fitted = Arc::new(ShapleyExplainer::default().fit(&trips()).unwrap());
    let rows = trips().to_batch().unwrap().slice(0, 8);
    explainer(ExplainerSubject::new("shapley_of_a_pipeline", fitted, model, rows, mlops::codecs()))
}
