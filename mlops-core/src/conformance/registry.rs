use std::fmt::{Debug, Display};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt, join, join_all};

use super::Trial;
use crate::{Error, ErrorKind, ModelRef, Package, Pick, Registry, RegistryExt, Result, Version};

/// What a [`Registry`] must do. `make` gives a new, empty one each time; `package` gives a package
/// of the name it is told, of a model that the registry can read back.
///
/// # Example
/// ```no_run
/// # use std::sync::Arc;
/// # use mlops_core::{Package, Registry};
/// # fn check<F: Future<Output = Arc<dyn Registry>> + Send + 'static>(new_registry: impl Fn() -> F + Send + Sync + 'static) {
/// use mlops_core::conformance::{LinearModel, registry, run_all};
///
/// let package = |name: &str| LinearModel::regression([("x", 2.0)], 1.0).unwrap().package(name).unwrap();
/// run_all(registry("my_registry", new_registry, package), |trial| futures::executor::block_on(trial));
/// # }
/// ```
pub fn registry<F>(
    subject: &str,
    make: impl Fn() -> F + Send + Sync + 'static,
    package: impl Fn(&str) -> Package + Send + Sync + 'static,
) -> Vec<Trial>
where
    F: Future<Output = Arc<dyn Registry>> + Send + 'static,
{
    let make: Make = Arc::new(move || make().boxed());
    let suite = Suite { subject: subject.to_owned(), make, package: Arc::new(package) };
    vec![
        suite.trial("gives_back_all_of_a_package", gives_back_all_of_a_package),
        suite.trial("numbers_versions_from_one_and_never_changes_them", numbers_versions),
        suite.trial("refuses_a_package_that_fails_its_self_test", refuses_a_failing_package),
        suite.trial("knows_no_names_that_were_not_published", knows_no_unknown_names),
        suite.trial("refuses_names_that_are_none", refuses_bad_names),
        suite.trial("moves_an_alias_only_from_where_it_is_expected", moves_an_alias_as_expected),
        suite.trial("lets_one_of_many_racing_alias_moves_win", lets_one_move_win),
        suite.trial("keeps_every_promotion_in_a_race_whole", keeps_promotions_whole),
        suite.trial("gives_racing_publishers_different_numbers", gives_different_numbers),
        suite.trial("lists_all_and_only_whole_versions_while_others_publish", lists_whole_versions),
        suite.trial("lists_by_name_and_number", lists_in_order),
    ]
}

/// What a [`Registry`] must do when its store was damaged. `make` gives a new, empty one, and what
/// changes one byte of the package that was published in it.
pub fn damaged_registry<F, D>(
    subject: &str,
    make: impl Fn() -> F + Send + Sync + 'static,
    package: impl Fn(&str) -> Package + Send + Sync + 'static,
) -> Vec<Trial>
where
    F: Future<Output = (Arc<dyn Registry>, D)> + Send + 'static,
    D: FnOnce() + Send + 'static,
{
    let run = move || async move {
        let (registry, damage) = make().await;
        let version = registry.publish(&package("flights")).await.unwrap();
        damage();
        let error = registry.fetch(&version).await.expect_err("a changed byte was not noticed");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    };
    vec![Trial::of_future(format!("{subject}::refuses_a_package_with_a_changed_byte"), run)]
}

type Make = Arc<dyn Fn() -> BoxFuture<'static, Arc<dyn Registry>> + Send + Sync>;

#[derive(Clone)]
struct Suite {
    subject: String,
    make: Make,
    package: Arc<dyn Fn(&str) -> Package + Send + Sync>,
}

impl Suite {
    fn trial<F>(&self, name: &str, run: impl FnOnce(Arc<dyn Registry>, Self) -> F + Send + 'static) -> Trial
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let suite = self.clone();
        Trial::of_future(format!("{}::{name}", self.subject), move || async move {
            let registry = (suite.make)().await;
            run(registry, suite).await;
        })
    }

    fn package(&self, name: &str) -> Package {
        (self.package)(name)
    }

    /// A package that differs from others by its tag.
    fn tagged(&self, name: &str, tag: impl Display) -> Package {
        self.package(name).with_tag("trial", format!("{tag}"))
    }
}

async fn gives_back_all_of_a_package(registry: Arc<dyn Registry>, suite: Suite) {
    let package = suite.tagged("flights", "all").with_score("roc_auc", 0.75).with_score("undefined", f64::NAN);
    let mut package = package.with_description("Late or not? ✈");
    package.drift = Some(package.model.save().unwrap());
    let version = registry.publish(&package).await.unwrap();
    assert_same(&registry.fetch(&version).await.unwrap(), &package);
}

async fn numbers_versions(registry: Arc<dyn Registry>, suite: Suite) {
    for number in 1..=3 {
        let version = registry.publish(&suite.tagged("flights", number)).await.unwrap();
        assert_eq!((version.model(), version.number()), ("flights", number));
        assert_eq!(registry.resolve(&parse("flights")).await.unwrap(), version, "a name alone means the newest");
    }
    for number in 1..=3 {
        let version = registry.resolve(&parse(&format!("flights:{number}"))).await.unwrap();
        let package = registry.fetch(&version).await.unwrap();
        assert_eq!(package.metadata.tags["trial"], number.to_string(), "version {number} was changed");
    }
}

async fn refuses_a_failing_package(registry: Arc<dyn Registry>, suite: Suite) {
    let mut package = suite.package("flights");
    let expected = &package.samples.expected;
    let other = |column: &ArrayRef| match column.len() {
        0 => new_null_array(column.data_type(), 0),
        rows => arrow::compute::concat(&[&column.slice(rows - 1, 1), &column.slice(0, rows - 1)]).unwrap(),
    };
    let rotated = expected.columns().iter().map(other).collect();
    package.samples.expected = RecordBatch::try_new(expected.schema(), rotated).unwrap();
    if package.self_test().is_ok() {
        panic!("the samples of the package must not all have the same answer");
    }
    refused(registry.publish(&package).await, ErrorKind::Data);
    assert!(listed(&registry, None).await.is_empty(), "a refused package was kept");
}

async fn knows_no_unknown_names(registry: Arc<dyn Registry>, suite: Suite) {
    assert!(listed(&registry, None).await.is_empty());
    assert!(listed(&registry, Some("flights")).await.is_empty());
    refused(registry.resolve(&parse("flights")).await, ErrorKind::NotFound);
    let version = registry.publish(&suite.package("flights")).await.unwrap();
    for unknown in ["trips", "flights:2", "flights@champion", "trips:1", "trips@champion"] {
        refused(registry.resolve(&parse(unknown)).await, ErrorKind::NotFound);
    }
    for unknown in ["flights:2", "trips:1"] {
        let unknown: Version = unknown.parse().unwrap();
        refused(registry.fetch(&unknown).await, ErrorKind::NotFound);
        refused(registry.set_alias("champion", &unknown, None).await, ErrorKind::NotFound);
    }
    assert!(registry.aliases("flights").await.unwrap().is_empty());
    assert!(registry.fetch(&version).await.is_ok());
}

async fn refuses_bad_names(registry: Arc<dyn Registry>, suite: Suite) {
    let version = registry.publish(&suite.package("flights")).await.unwrap();
    for alias in ["", "../champion", "a/b", "latest", "v3", "a b", ".hidden"] {
        refused(registry.set_alias(alias, &version, None).await, ErrorKind::Config);
    }
    for model in ["", "..", "a/b", "a\0"] {
        let reference = ModelRef { model: model.to_owned(), pick: Pick::Newest };
        refused(registry.resolve(&reference).await, ErrorKind::Config);
        let mut package = suite.package("flights");
        model.clone_into(&mut package.name);
        refused(registry.publish(&package).await, ErrorKind::Config);
    }
    assert_eq!(listed(&registry, None).await, [version]);
}

async fn moves_an_alias_as_expected(registry: Arc<dyn Registry>, suite: Suite) {
    let first = registry.publish(&suite.tagged("flights", 1)).await.unwrap();
    let second = registry.publish(&suite.tagged("flights", 2)).await.unwrap();
    let other = registry.publish(&suite.package("trips")).await.unwrap();
    refused(registry.set_alias("champion", &first, Some(&second)).await, ErrorKind::Conflict);
    registry.set_alias("champion", &first, None).await.unwrap();
    refused(registry.set_alias("champion", &second, None).await, ErrorKind::Conflict);
    refused(registry.set_alias("champion", &second, Some(&second)).await, ErrorKind::Conflict);
    assert_eq!(registry.resolve(&parse("flights@champion")).await.unwrap(), first, "a refused move moved the alias");
    registry.set_alias("champion", &second, Some(&first)).await.unwrap();
    registry.set_alias("challenger", &first, None).await.unwrap();
    registry.set_alias("champion", &other, None).await.unwrap();
    let aliases: Vec<_> = registry.aliases("flights").await.unwrap().into_iter().collect();
    assert_eq!(aliases, [("challenger".to_owned(), first), ("champion".to_owned(), second.clone())]);
    assert_eq!(registry.load("flights@champion").await.unwrap().0, second);
    assert_eq!(registry.load("trips@champion").await.unwrap().0, other);
}

async fn lets_one_move_win(registry: Arc<dyn Registry>, suite: Suite) {
    const RIVALS: u64 = 8;
    let versions = publish_many(&registry, &suite, RIVALS).await;
    let mut standing = None;
    for _ in 0..4 {
        // A move to where it points already leaves room for another.
        let rivals: Vec<&Version> = versions.iter().filter(|to| Some(*to) != standing.as_ref()).collect();
        let moves = rivals.iter().map(|to| registry.set_alias("champion", to, standing.as_ref()));
        let outcomes = join_all(moves).await;
        let now = registry.resolve(&parse("flights@champion")).await.unwrap();
        let mut winners = Vec::new();
        for (to, outcome) in rivals.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => winners.push(to.clone()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
            }
        }
        assert_eq!(winners, std::slice::from_ref(&now), "exactly one rival must win, and the alias must be there");
        standing = Some(now);
    }
}

async fn keeps_promotions_whole(registry: Arc<dyn Registry>, suite: Suite) {
    let versions = publish_many(&registry, &suite, 6).await;
    for outcome in join_all(versions.iter().map(|to| registry.promote(to, "champion"))).await {
        outcome.unwrap();
    }
    assert!(versions.contains(&registry.resolve(&parse("flights@champion")).await.unwrap()));
    registry.promote(&versions[3], "champion").await.unwrap();
    registry.promote(&versions[3], "champion").await.unwrap();
    assert_eq!(registry.resolve(&parse("flights@champion")).await.unwrap(), versions[3]);
}

async fn gives_different_numbers(registry: Arc<dyn Registry>, suite: Suite) {
    const PUBLISHERS: u64 = 8;
    let packages: Vec<_> = (0..PUBLISHERS).map(|i| suite.tagged("flights", i)).collect();
    let published = join_all(packages.iter().map(|package| registry.publish(package))).await;
    let mut versions: Vec<Version> = published.into_iter().map(Result::unwrap).collect();
    for (version, package) in versions.iter().zip(&packages) {
        assert_same(&registry.fetch(version).await.unwrap(), package);
    }
    versions.sort_unstable();
    assert_eq!(versions.iter().map(Version::number).collect::<Vec<_>>(), (1..=PUBLISHERS).collect::<Vec<_>>());
    assert_eq!(listed(&registry, Some("flights")).await, versions);
}

async fn lists_whole_versions(registry: Arc<dyn Registry>, suite: Suite) {
    const VERSIONS: u64 = 10;
    let publishing = async {
        for i in 0..VERSIONS {
            let version = registry.publish(&suite.tagged("flights", i)).await.unwrap();
            assert!(listed(&registry, None).await.contains(&version), "a published version is not listed");
        }
    };
    let reading = async {
        let mut seen = 0;
        while seen < VERSIONS {
            let versions = listed(&registry, Some("flights")).await;
            assert!(versions.len() as u64 >= seen, "a version is listed no more");
            seen = versions.len() as u64;
            if let Some(newest) = versions.last() {
                registry.fetch(newest).await.expect("a listed version must be whole");
            }
            let_others_work().await;
        }
    };
    join(publishing, reading).await;
}

async fn lists_in_order(registry: Arc<dyn Registry>, suite: Suite) {
    for name in ["b", "a", "B", "a.b", "b"] {
        registry.publish(&suite.package(name)).await.unwrap();
    }
    for _ in 0..10 {
        registry.publish(&suite.package("a")).await.unwrap();
    }
    let all = listed(&registry, None).await;
    assert_eq!(all.len(), 15);
    assert!(all.is_sorted(), "{all:?}");
    let numbers: Vec<u64> = listed(&registry, Some("a")).await.iter().map(Version::number).collect();
    assert_eq!(numbers, (1..=11).collect::<Vec<_>>());
}

async fn publish_many(registry: &Arc<dyn Registry>, suite: &Suite, count: u64) -> Vec<Version> {
    let mut versions = Vec::new();
    for i in 0..count {
        versions.push(registry.publish(&suite.tagged("flights", i)).await.unwrap());
    }
    versions
}

/// A store in memory may never wait by itself.
async fn let_others_work() {
    let mut waited = false;
    poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn listed(registry: &Arc<dyn Registry>, model: Option<&str>) -> Vec<Version> {
    registry.list(model).map(|version| version.unwrap()).collect().await
}

fn parse(reference: &str) -> ModelRef {
    reference.parse().unwrap()
}

fn refused<T: Debug>(result: Result<T>, kind: ErrorKind) {
    let error: Error = result.expect_err("this must be refused");
    assert_eq!(error.kind(), kind, "{error}");
}

fn assert_same(given: &Package, expected: &Package) {
    assert_eq!(given.name, expected.name);
    assert_eq!(given.model.save().unwrap(), expected.model.save().unwrap());
    assert_eq!(given.signature(), expected.signature());
    assert_eq!(given.samples, expected.samples);
    assert_eq!(given.drift, expected.drift);
    assert_eq!(given.explainer, expected.explainer);
    assert_eq!(given.environment, expected.environment);
    // NaN is not equal to itself; written down it is.
    let text = |package: &Package| serde_json::to_string(&package.metadata).unwrap();
    assert_eq!(text(given), text(expected));
}
