//! The suites that every registry and tracker must pass, on ours.

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::{codecs, files_below, package};
use libtest_mimic::Arguments;
use mlops_core::conformance::{LinearModel, Trial, damaged_registry, registry, tracker};
use mlops_core::{Package, Registry, Tracker};
use mlops_registry::{Durability, JsonlTracker, ObjectRegistry};
use object_store::memory::InMemory;

fn main() {
    let named = |trial: Trial| {
        let name = trial.name().to_owned();
        libtest_mimic::Trial::test(name, move || {
            block_on(trial.run());
            Ok(())
        })
    };
    let trials = registries().into_iter().chain(damaged()).chain(trackers());
    libtest_mimic::run(&Arguments::from_args(), trials.map(named).collect()).exit();
}

fn block_on(trial: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap().block_on(trial);
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

fn registries() -> Vec<Trial> {
    let all = [
        registry("directory", local, package),
        registry("in_memory", in_memory, package),
        registry("in_memory_linear", in_memory, linear),
    ];
    all.into_iter().flatten().collect()
}

fn damaged() -> Vec<Trial> {
    let of_file = |file: usize| {
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
        damaged_registry(&format!("directory_with_damaged_blob_{file}"), make, package)
    };
    (0..5).flat_map(of_file).collect()
}

fn trackers() -> Vec<Trial> {
    let make = |durability: Durability| {
        move || async move {
            let tracker = JsonlTracker::open(directory()).await.unwrap();
            Arc::new(tracker.with_durability(durability)) as Arc<dyn Tracker>
        }
    };
    let on_disk = tracker("jsonl", make(Durability::Disk));
    on_disk.into_iter().chain(tracker("jsonl_process", make(Durability::Process))).collect()
}
