use std::collections::BTreeMap;

use mlops_core::{Error, ErrorKind, Result, ResultExt, Version, check_alias, check_name};

use super::ObjectRegistry;
use super::layout::{AliasRecord, Log, aliases, next};

/// Where an alias stands: the number of its last move, and the version it points to, if any.
struct Standing {
    number: u64,
    version: Option<Version>,
}

impl ObjectRegistry {
    /// Removes an alias, if it points to `expected` now; its history stays.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if it points elsewhere or does not exist.
    pub async fn delete_alias(&self, alias: &str, expected: &Version) -> Result<()> {
        self.move_alias(expected.model(), alias, None, Some(expected)).await
    }

    pub(super) async fn move_alias(
        &self,
        model: &str,
        alias: &str,
        to: Option<&Version>,
        expected: Option<&Version>,
    ) -> Result<()> {
        check_alias(alias)?;
        if let Some(to) = to {
            self.check_exists(to).await?;
        }
        let log = Log::alias(model, alias);
        let standing = self.standing(model, alias).await?;
        if standing.version.as_ref() != expected {
            return Err(moved(model, alias, standing.version.as_ref(), expected));
        }
        let number = next(standing.number)?;
        let record = AliasRecord::new(model, alias, number, to.map(Version::number));
        let _writing = self.store.writing().await?;
        if !self.append(&log, number, &record).await? {
            return Err(moved(model, alias, self.standing(model, alias).await?.version.as_ref(), expected));
        }
        let (to, from) = (to.map(Version::number), expected.map(Version::number));
        tracing::info!(target: "mlops::registry", model, alias, to, from, "alias moved");
        Ok(())
    }

    pub(super) async fn resolve_alias(&self, model: &str, alias: &str) -> Result<Version> {
        check_alias(alias)?;
        match self.standing(model, alias).await?.version {
            Some(version) => Ok(version),
            None => Err(self.no_alias(model, alias).await),
        }
    }

    pub(super) async fn all_aliases(&self, model: &str) -> Result<BTreeMap<String, Version>> {
        check_name("model name", model)?;
        self.is_registry().await?;
        let mut found = BTreeMap::new();
        for alias in self.store.children(&aliases(model)).await? {
            if check_alias(&alias).is_ok()
                && let Some(version) = self.standing(model, &alias).await?.version
            {
                found.insert(alias, version);
            }
        }
        Ok(found)
    }

    async fn standing(&self, model: &str, alias: &str) -> Result<Standing> {
        let log = Log::alias(model, alias);
        let number = self.highest(&log).await?;
        if number == 0 {
            return Ok(Standing { number, version: None });
        }
        let record: Option<AliasRecord> = self.record(&log, number).await.context("alias", alias)?;
        let record = record.ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                format!("record {number} of alias '{alias}' was removed while it was read"),
            )
        })?;
        let version = record.to.map(|to| Version::new(model, to)).transpose()?;
        Ok(Standing { number, version })
    }

    async fn no_alias(&self, model: &str, alias: &str) -> Error {
        match (self.highest(&Log::versions(model)).await, self.all_aliases(model).await) {
            (Ok(0), _) => self.no_model(model).await,
            (Ok(_), Ok(aliases)) => {
                let aliases: Vec<String> = aliases.into_keys().collect();
                self.not_found(format!("model '{model}' has no alias '{alias}'; it has [{}]", aliases.join(", ")))
            }
            (Err(error), _) | (_, Err(error)) => error,
        }
    }
}

fn moved(model: &str, alias: &str, now: Option<&Version>, expected: Option<&Version>) -> Error {
    let told = |version: Option<&Version>| version.map_or_else(|| "nothing".to_owned(), Version::to_string);
    Error::new(
        ErrorKind::Conflict,
        format!(
            "alias '{alias}' of '{model}' points to {}, not to {} as expected: read it again and decide anew",
            told(now),
            told(expected)
        ),
    )
}
