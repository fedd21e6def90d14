//! The suites that every registry and tracker must pass, on ours.

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::{codecs, files_below, package};
use mlops_core::conformance::{LinearModel, Trial, damaged_registry, registry, run_all, tracker};
use mlops_core::{Package, Registry, Tracker};
use mlops_registry::{Durability, JsonlTracker, ObjectRegistry};
use object_store::memory::InMemory;

fn run(trials: Vec<Trial>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    run_all(trials, |trial| runtime.block_on(trial));
}

/// A directory that stays until the process ends: a registry may outlive its trial's last line.
fn directory() -> PathBuf {
    tempfile::tempdir().unwrap().keep()
}

async fn local() -> Arc<dyn Registry> {
    Arc::new(ObjectRegistry::open(directory().to_str().unwrap(), codecs()).await.unwrap())
}

async fn in_memory() -> Arc<dyn Registry> {
    Arc::new(ObjectRegistry::new(Arc::new(InMemory::new()), codecs()))
}

fn linear(name: &str) -> Package {
    LinearModel::classification([("x", 2.0), ("y", -1.0)], 1.0).unwrap().package(name).unwrap()
}

#[test]
fn a_registry_in_a_directory() {
    run(registry("directory", local, package));
}

#[test]
fn a_registry_in_memory() {
    run(registry("in_memory", in_memory, package));
    run(registry("in_memory_linear", in_memory, linear));
}

#[test]
fn a_damaged_registry() {
    for file in 0..5 {
        let make = move || async move {
            let dir = directory();
            let registry = ObjectRegistry::open(dir.to_str().unwrap(), codecs()).await.unwrap();
            let damage = move || {
                let files = files_below(&dir.join("blobs"));
                let path = &files[file % files.len()];
                let mut bytes = std::fs::read(path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(path, bytes).unwrap();
            };
            (Arc::new(registry) as Arc<dyn Registry>, damage)
        };
        run(damaged_registry("directory", make, package));
    }
}

#[test]
fn a_tracker_of_lines() {
    let make = |durability: Durability| {
        move || async move {
            let tracker = JsonlTracker::open(directory()).await.unwrap();
            Arc::new(tracker.with_durability(durability)) as Arc<dyn Tracker>
        }
    };
    run(tracker("jsonl", make(Durability::Disk)));
    run(tracker("jsonl_process", make(Durability::Process)));
}
