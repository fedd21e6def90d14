//! Every source and transformer passes the suites of `mlops-core`.

#[path = "../ridge/rows.rs"]
mod features;
mod numeric;
#[path = "../ridge/mod.rs"]
mod ridge;
mod rows;
mod selectors;
mod sources;
mod transformers;

use libtest_mimic::Arguments;
use mlops_core::conformance::Trial;

fn main() {
    let named = |trial: Trial| {
        let name = trial.name().to_owned();
        libtest_mimic::Trial::test(name, move || {
            block_on(trial.run());
            Ok(())
        })
    };
    let trials = sources::trials().into_iter().chain(transformers::trials()).chain(numeric::trials());
    let trials = trials.chain(selectors::trials());
    libtest_mimic::run(&Arguments::from_args(), trials.map(named).collect()).exit();
}

fn block_on(trial: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(trial);
}
