use std::collections::BTreeMap;
use std::sync::Arc;

use mlops_core::{Error, ErrorKind, ModelDescription, ModelStatus, Result};

use super::deployed::Deployed;
use super::metrics::ModelMetrics;

/// All that is served at one moment. Never changed: a writer makes the next one and swaps it in, so
/// that a request sees one state from beginning to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelTable {
    models: BTreeMap<String, Endpoint>,
}

/// What is served under one name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoint {
    pub(crate) metrics: Arc<ModelMetrics>,
    /// What answers a request that names no version.
    pub(crate) current: Option<Served>,
    /// What gets copies of the requests to the current version.
    pub(crate) shadow: Option<Arc<Deployed>>,
    /// All versions, by number.
    versions: BTreeMap<u64, Served>,
}

/// A version in its place.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) deployed: Arc<Deployed>,
    pub(crate) description: Arc<ModelDescription>,
}

impl ModelTable {
    /// The version of a model that is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it is not served, [`ErrorKind::Unavailable`] if the model is still
    /// to be loaded.
    pub(crate) fn find(&self, model: &str, version: Option<&str>) -> Result<(&Endpoint, &Served)> {
        let endpoint = self.models.get(model).ok_or_else(|| {
            let names: Vec<&str> = self.models.keys().map(String::as_str).collect();
            Error::not_found(format!("no model '{}' here; served are [{}]", shown(model), names.join(", ")))
        })?;
        let served = match version {
            None => endpoint.current.as_ref().ok_or_else(|| {
                Error::new(ErrorKind::Unavailable, format!("model '{model}' is still to be loaded: try again soon"))
            }),
            Some(version) => endpoint.by_number(version).ok_or_else(|| {
                Error::not_found(format!(
                    "no version '{}' of model '{model}' here; served are [{}]",
                    shown(version),
                    endpoint.numbers().join(", ")
                ))
            }),
        };
        Ok((endpoint, served?))
    }

    /// All models and versions, by name and number.
    pub(crate) fn statuses(&self) -> Vec<ModelStatus> {
        let mut statuses = Vec::new();
        for (name, endpoint) in &self.models {
            statuses.extend(endpoint.numbers().into_iter().map(|number| ModelStatus::new(name, number, true)));
            if endpoint.current.is_none() {
                statuses.push(ModelStatus::new(name, "", false));
            }
        }
        statuses
    }

    /// The names of the models, served or to be.
    pub(crate) fn endpoint(&mut self, name: &str, metrics: impl FnOnce() -> Arc<ModelMetrics>) -> &mut Endpoint {
        let new = || Endpoint { metrics: metrics(), ..Endpoint::default() };
        self.models.entry(name.to_owned()).or_insert_with(new)
    }

    /// Removes a version that is not the current one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it is not served, [`ErrorKind::Conflict`] if it is the current one.
    pub(crate) fn remove(&mut self, model: &str, number: u64) -> Result<()> {
        self.find(model, Some(&number.to_string()))?;
        let endpoint = self.models.entry(model.to_owned()).or_default();
        if endpoint.current_number() == Some(number) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("version {number} of model '{model}' is the current one: deploy another first"),
            ));
        }
        endpoint.versions.remove(&number);
        endpoint.describe();
        Ok(())
    }
}

impl Endpoint {
    /// Makes a version the current one; `retire` names a version to remove.
    pub(crate) fn set_current(&mut self, deployed: Arc<Deployed>, retire: Option<u64>) {
        if let Some(number) = retire {
            self.versions.remove(&number);
        }
        let number = deployed.version.number();
        let description = describe(&deployed, Vec::new());
        self.versions.insert(number, Served { deployed, description });
        self.describe();
        self.current = self.versions.get(&number).cloned();
    }

    /// The number of the current version.
    pub(crate) fn current_number(&self) -> Option<u64> {
        self.current.as_ref().map(|served| served.deployed.version.number())
    }

    fn by_number(&self, number: &str) -> Option<&Served> {
        let current = self.current.as_ref().filter(|served| served.deployed.number == number);
        current.or_else(|| self.versions.values().find(|served| served.deployed.number == number))
    }

    fn numbers(&self) -> Vec<String> {
        self.versions.values().map(|served| served.deployed.number.clone()).collect()
    }

    /// Writes the descriptions anew, which name all versions.
    fn describe(&mut self) {
        let numbers = self.numbers();
        for served in self.versions.values_mut() {
            served.description = describe(&served.deployed, numbers.clone());
        }
        self.current = self.current_number().and_then(|number| self.versions.get(&number).cloned());
    }
}

fn describe(deployed: &Deployed, versions: Vec<String>) -> Arc<ModelDescription> {
    let signature = Arc::clone(&deployed.signature);
    Arc::new(ModelDescription::new(deployed.version.model(), &deployed.number, versions, signature))
}

/// A name from a caller, short enough for a message.
fn shown(name: &str) -> String {
    const MOST: usize = 80;
    if name.chars().count() <= MOST { name.to_owned() } else { name.chars().take(MOST).chain(['…']).collect() }
}
