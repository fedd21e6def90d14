//! A registry on a real S3 server: `tests/services run s3 -- cargo test …`.
#![cfg(feature = "s3")]

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{codecs, package};
use mlops_core::conformance::{registry, run_all, service};
use mlops_core::{Error, ErrorKind, Registry, RegistryExt};
use mlops_registry::ObjectRegistry;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

/// The bucket for tests; the rest is in the usual `AWS_…` variables.
fn bucket() -> Option<String> {
    service("MLOPS_TEST_S3", "tests/services run s3 -- cargo test")
}

/// A place in the bucket that nobody else uses.
fn place(bucket: &str, name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{bucket}/registry-{}/{name} {}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn store(bucket: &str) -> AmazonS3Builder {
    AmazonS3Builder::from_env().with_url(bucket)
}

fn without_secret(error: &Error) {
    let shown = format!("{error}\n{error:?}");
    for secret in ["mlops-test-secret", "hunter2"] {
        assert!(!shown.contains(secret), "a secret is in {shown}");
    }
}

#[test]
fn passes_the_suite() {
    let Some(bucket) = bucket() else { return };
    let make = move || {
        let place = place(&bucket, "suite");
        async move { Arc::new(ObjectRegistry::open(&place, codecs()).await.unwrap()) as Arc<dyn Registry> }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    run_all(registry("s3", make, package), |trial| runtime.block_on(trial));
}

#[tokio::test]
async fn is_there_when_it_is_opened_again() {
    let Some(bucket) = bucket() else { return };
    let place = place(&bucket, "again");
    let version = ObjectRegistry::open(&place, codecs()).await.unwrap().publish(&package("flights")).await.unwrap();
    let again = ObjectRegistry::open(&place, codecs()).await.unwrap();
    again.promote(&version, "champion").await.unwrap();
    assert_eq!(again.load("flights@champion").await.unwrap().1.samples, package("flights").samples);
}

/// What all of the registry rests on: of many who create an object at once, one does.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_puts_only_if_absent() {
    let Some(bucket) = bucket() else { return };
    let store: Arc<AmazonS3> = Arc::new(store(&bucket).build().unwrap());
    for round in 0..10 {
        let path = Path::from(format!("race-{}/{round}", std::process::id()));
        let writers = (0..16_u8).map(|writer| {
            let (store, path) = (Arc::clone(&store), path.clone());
            tokio::spawn(async move {
                let put = store.put_opts(&path, vec![writer; 1000].into(), PutOptions::from(PutMode::Create)).await;
                match put {
                    Ok(_) => Some(writer),
                    Err(object_store::Error::AlreadyExists { .. }) => None,
                    Err(other) => panic!("{other}"),
                }
            })
        });
        let won: Vec<u8> = futures::future::join_all(writers).await.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(won.len(), 1, "{won:?} all think that they created {path}");
        let kept = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(kept, vec![won[0]; 1000]);
    }
}

#[tokio::test]
async fn wrong_credentials_are_denied_and_kept_secret() {
    let Some(bucket) = bucket() else { return };
    if std::env::var("MLOPS_TEST_S3_SERVER").is_ok_and(|server| server == "moto") {
        return drop(std::io::Write::write_all(&mut std::io::stderr(), b"skipped: moto takes any credentials\n"));
    }
    let wrong = [store(&bucket).with_secret_access_key("hunter2"), store(&bucket).with_access_key_id("nobody")];
    for builder in wrong {
        let store: Arc<dyn ObjectStore> = Arc::new(builder.build().unwrap());
        let error = ObjectRegistry::new(store, codecs()).publish(&package("flights")).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Denied, false), "{error}");
        assert!(error.to_string().contains("check the credentials"), "{error}");
        without_secret(&error);
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let Some(_) = bucket() else { return };
    let error = ObjectRegistry::open("s3://no-such-bucket-here/models", codecs()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("no-such-bucket-here"), "{error}");
    without_secret(&error);
    let error = ObjectRegistry::open("s3://", codecs()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}
