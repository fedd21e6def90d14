use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::poll_fn;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::{ErrorKind, ModelRef, Package, Result, Version};

/// Where packages are kept: versions that never change, and aliases that move.
#[async_trait]
#[diagnostic::on_unimplemented(message = "`{Self}` is not a registry of packages")]
pub trait Registry: Debug + Send + Sync + 'static {
    /// Keeps `package` as the next version of its name. Readers see all of it or nothing; when this
    /// returns, it is durable.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) if the package fails its self-test,
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) or
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store does not take it.
    async fn publish(&self, package: &Package) -> Result<Version>;

    /// The package of a version, every byte checked against its digest.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such version,
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if a byte is not what was published.
    async fn fetch(&self, version: &Version) -> Result<Package>;

    /// The version that a reference means now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such model, version or
    /// alias.
    async fn resolve(&self, model: &ModelRef) -> Result<Version>;

    /// Points `alias` of the version's model to `to`, if it points to `expected` now (`None`: if it
    /// does not exist).
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if it points elsewhere,
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no version `to`.
    async fn set_alias(&self, alias: &str, to: &Version, expected: Option<&Version>) -> Result<()>;

    /// The aliases of a model and where they point.
    ///
    /// # Errors
    /// If the store does not answer.
    async fn aliases(&self, model: &str) -> Result<BTreeMap<String, Version>>;

    /// Every version of `model`, or of all models, by name and number.
    fn list(&self, model: Option<&str>) -> BoxStream<'static, Result<Version>>;
}

/// What every [`Registry`] can do besides.
pub trait RegistryExt: Registry {
    /// Points `alias` to `to`, wherever it points now: reads it and tries again while others move
    /// it, up to 64 times.
    ///
    /// # Errors
    /// As [`Registry::set_alias`]; a conflict means that others moved the alias every time.
    fn promote(&self, to: &Version, alias: &str) -> impl Future<Output = Result<()>> + Send {
        async move {
            // The first try, and one for each of these.
            let mut more = 1..64;
            loop {
                let now = self.aliases(to.model()).await?.remove(alias);
                match self.set_alias(alias, to, now.as_ref()).await {
                    Err(error) if error.kind() == ErrorKind::Conflict && more.next().is_some() => others_first().await,
                    done => return done,
                }
            }
        }
    }

    /// The package that a reference such as `flights@champion` means now.
    ///
    /// # Errors
    /// As [`Registry::resolve`] and [`Registry::fetch`].
    fn load(&self, model: &str) -> impl Future<Output = Result<(Version, Package)>> + Send {
        async move {
            let version = self.resolve(&model.parse()?).await?;
            let package = self.fetch(&version).await?;
            Ok((version, package))
        }
    }
}

impl<R: Registry + ?Sized> RegistryExt for R {}

/// Lets the other tasks of the thread go on before this one.
async fn others_first() {
    let mut waited = false;
    let wait = |context: &mut Context<'_>| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    };
    poll_fn(wait).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::StreamExt;
    use futures::executor::block_on;

    use super::*;
    use crate::Error;

    /// Somebody else is faster this many times.
    #[derive(Debug)]
    struct Contended(AtomicU32);

    #[async_trait]
    impl Registry for Contended {
        async fn publish(&self, _: &Package) -> Result<Version> {
            Err(Error::unsupported("not here"))
        }

        async fn fetch(&self, version: &Version) -> Result<Package> {
            Err(Error::not_found(version.to_string()))
        }

        async fn resolve(&self, model: &ModelRef) -> Result<Version> {
            Err(Error::not_found(model.to_string()))
        }

        async fn set_alias(&self, alias: &str, _: &Version, _: Option<&Version>) -> Result<()> {
            match self.0.fetch_sub(1, Ordering::Relaxed) {
                0 => Ok(()),
                _ => Err(Error::new(ErrorKind::Conflict, format!("{alias} was moved"))),
            }
        }

        async fn aliases(&self, _: &str) -> Result<BTreeMap<String, Version>> {
            Ok(BTreeMap::new())
        }

        fn list(&self, _: Option<&str>) -> BoxStream<'static, Result<Version>> {
            futures::stream::empty().boxed()
        }
    }

    #[test]
    fn a_promotion_tries_again_but_not_for_ever() {
        let version = Version::new("flights", 1).unwrap();
        assert!(block_on(Contended(AtomicU32::new(63)).promote(&version, "champion")).is_ok());
        let error = block_on(Contended(AtomicU32::new(64)).promote(&version, "champion")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
}
