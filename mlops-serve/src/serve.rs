use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use mlops_core::{Error, Registry, Result, Server, Shutdown, Tap};

use crate::ServiceBuilder;

/// Serves models of a registry over one or more transports: an
/// [`InferenceService`](crate::InferenceService) with all that belongs to it, in one sentence.
///
/// # Example
/// ```no_run
/// # async fn example(registry: std::sync::Arc<dyn mlops_core::Registry>) -> mlops_core::Result<()> {
/// use mlops_core::Shutdown;
/// use mlops_serve::{Rest, Serve};
///
/// Serve::from(registry)
///     .model("flights@champion")
///     .shadow("flights@challenger")
///     .over(Rest::at("127.0.0.1:8080"))
///     .run(Shutdown::never())
///     .await
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Serve {
    /// Where the models come from.
    pub registry: Arc<dyn Registry>,
    /// The references that are served.
    pub models: Vec<String>,
    /// The references that get copies of the requests.
    pub shadows: Vec<String>,
    /// What carries requests.
    pub servers: Vec<Box<dyn Server>>,
    /// How often the registry is asked what the references mean.
    pub every: Duration,
    /// How the service works.
    pub service: ServiceBuilder,
}

impl From<Arc<dyn Registry>> for Serve {
    fn from(registry: Arc<dyn Registry>) -> Self {
        Self {
            registry,
            models: Vec::new(),
            shadows: Vec::new(),
            servers: Vec::new(),
            every: Duration::from_secs(5),
            service: ServiceBuilder::default(),
        }
    }
}

impl Serve {
    /// Serves what a reference such as `flights@champion` means; see
    /// [`InferenceService::follow`](crate::InferenceService::follow).
    #[must_use]
    pub fn model(mut self, reference: impl Into<String>) -> Self {
        self.models.push(reference.into());
        self
    }

    /// Gives copies of the requests to what a reference means; see
    /// [`InferenceService::shadow`](crate::InferenceService::shadow).
    #[must_use]
    pub fn shadow(mut self, reference: impl Into<String>) -> Self {
        self.shadows.push(reference.into());
        self
    }

    /// Shows answered requests to `tap`.
    #[must_use]
    pub fn tap(mut self, tap: Arc<dyn Tap>) -> Self {
        self.service = self.service.with_tap(tap);
        self
    }

    /// Carries requests over one more transport.
    #[must_use]
    pub fn over(mut self, server: impl Server) -> Self {
        self.servers.push(Box::new(server));
        self
    }

    /// Over REST, at an address such as `127.0.0.1:8080`.
    #[cfg(feature = "rest")]
    #[must_use]
    pub fn rest(self, address: impl Into<String>) -> Self {
        self.over(crate::Rest::at(address))
    }

    /// Asks the registry `every` so often what the references mean.
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Loads the models and serves until `stop`, then finishes what has begun.
    ///
    /// A model that can't be loaded at the start does not keep the others from being served: it is
    /// not ready, logged, and tried again.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) without a model or transport or for a
    /// wrong reference, and as [`Server::serve`].
    pub async fn run(self, stop: Shutdown) -> Result<()> {
        if self.models.is_empty() || self.servers.is_empty() {
            return Err(Error::config(
                "nothing to serve: name a model and a transport, such as rest(\"127.0.0.1:8080\")",
            ));
        }
        let service = self.service.build()?;
        for model in &self.models {
            service.follow(Arc::clone(&self.registry), model, self.every)?;
        }
        for shadow in &self.shadows {
            service.shadow(Arc::clone(&self.registry), shadow, self.every)?;
        }
        let serve = |server: Box<dyn Server>| server.serve(Arc::new(service.clone()), stop.clone());
        try_join_all(self.servers.into_iter().map(serve)).await?;
        service.flush().await;
        Ok(())
    }
}
