use std::sync::Arc;

use mlops_core::{Inference, Result, Server, Shutdown, Trigger};
use mlops_serve::{InferenceService, Rest};
use tokio::task::JoinHandle;

/// A REST server on a free port.
pub struct Running {
    pub url: String,
    pub client: reqwest::Client,
    pub stop: Trigger,
    pub serving: JoinHandle<Result<()>>,
}

impl Running {
    pub async fn start(service: &InferenceService, rest: Rest) -> Self {
        let bound = rest.listen().await.unwrap();
        let url = format!("http://{}", bound.local_addr());
        let (stop, told) = Shutdown::new();
        let service: Arc<dyn Inference> = Arc::new(service.clone());
        let serving = tokio::spawn(Box::new(bound).serve(service, told));
        Self { url, client: reqwest::Client::new(), stop, serving }
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
        let answer = self.client.post(format!("{}{path}", self.url)).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub async fn end(self) {
        self.stop.fire();
        self.serving.await.unwrap().unwrap();
    }
}

/// A REST server of this service on a free port.
pub async fn start(service: &InferenceService) -> Running {
    Running::start(service, Rest::at("127.0.0.1:0")).await
}
