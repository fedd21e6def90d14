//! The suites that every implementation must pass, over the ones of this crate.

use std::sync::Arc;

use async_trait::async_trait;
use futures::executor::block_on;
use libtest_mimic::Arguments;
use mlops_core::conformance::{Deploys, Trial, inference, server};
use mlops_core::{Inference, Package, Result, Version};
use mlops_serve::{InferenceService, Rest};

struct InProcess(InferenceService);

#[async_trait]
impl Deploys for InProcess {
    fn service(&self) -> Arc<dyn Inference> {
        Arc::new(self.0.clone())
    }

    async fn deploy(&self, version: Version, package: Package) -> Result<()> {
        self.0.deploy(version, package)
    }
}

fn main() {
    hide_wanted_panics();
    let service = |name| inference(name, || InProcess(InferenceService::new()));
    let without = |trial: Trial| named(trial, |trial| block_on(trial.run()));
    let within = |trial: Trial| named(trial, |trial| runtime().block_on(trial.run()));
    let trials = service("inference_service").into_iter().chain(server("rest", || Rest::at("127.0.0.1:0")));
    let alone = service("inference_service_without_a_runtime").into_iter().map(without);
    libtest_mimic::run(&Arguments::from_args(), trials.map(within).chain(alone).collect()).exit();
}

/// A model that panics is a part of the suite; nobody needs its backtrace.
fn hide_wanted_panics() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some("as this trial wants it") {
            shown(panic);
        }
    }));
}

fn named(trial: Trial, run: impl FnOnce(Trial) + Send + 'static) -> libtest_mimic::Trial {
    let name = trial.name().to_owned();
    libtest_mimic::Trial::test(name, move || {
        run(trial);
        Ok(())
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
