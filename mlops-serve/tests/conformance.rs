//! The suites that every implementation must pass, over the ones of this crate.

use std::sync::Arc;

use async_trait::async_trait;
use mlops_core::conformance::{Deploys, inference, run_all, server};
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

#[test]
fn the_service_in_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    run_all(inference("InferenceService", || InProcess(InferenceService::new())), |trial| runtime.block_on(trial));
}

#[test]
fn the_service_without_a_runtime() {
    run_all(inference("InferenceService", || InProcess(InferenceService::new())), futures::executor::block_on);
}

#[test]
fn rest() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    run_all(server("Rest", || Rest::at("127.0.0.1:0")), |trial| runtime.block_on(trial));
}
