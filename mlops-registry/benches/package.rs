//! A package of 10 MB: hashed, written, published, loaded. A directory is flushed to the disk, so its
//! figures are the disk's; those in memory are ours.

#[expect(dead_code, reason = "each program takes what it needs")]
#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::sync::Arc;

use common::{codecs, package_of};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mlops_core::{Registry, RunEntry, Tracker};
use mlops_registry::{Digest, Durability, JsonlTracker, ObjectRegistry, PackageFiles};
use object_store::memory::InMemory;
use tokio::runtime::Runtime;

const BYTES: usize = 10_000_000;

fn packages(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("threads can be started");
    let package = package_of("bench", 1, BYTES);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let local = dir.path().to_str().expect("a path of plain text");
    let local = runtime.block_on(ObjectRegistry::open(local, codecs())).expect("an empty directory");
    let memory = || ObjectRegistry::new(Arc::new(InMemory::new()), codecs());

    let mut group = criterion.benchmark_group("10 MB package");
    group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(10);
    let blob = vec![7u8; BYTES];
    group.bench_function("digest of 10 MB", |b| b.iter(|| Digest::of(black_box(&blob))));
    group.bench_function("write and read back in memory", |b| {
        b.iter(|| PackageFiles::of(&package).and_then(|files| files.to_package(&codecs())).expect("a sound package"));
    });
    group.bench_function("publish, in memory", |b| {
        b.iter_batched(
            memory,
            |registry| runtime.block_on(registry.publish(&package)).expect("room for it"),
            BatchSize::PerIteration,
        );
    });
    let mut seed = 1;
    group.bench_function("publish, in a directory", |b| {
        b.iter_batched(
            || {
                seed += 1;
                package_of("bench", seed, BYTES)
            },
            |package| runtime.block_on(local.publish(&package)).expect("room on the disk"),
            BatchSize::PerIteration,
        );
    });
    let version = runtime.block_on(local.publish(&package)).expect("room on the disk");
    group.bench_function("publish again, in a directory", |b| {
        b.iter(|| runtime.block_on(local.publish(&package)).expect("room on the disk"));
    });
    group.bench_function("load, from a directory", |b| {
        b.iter(|| runtime.block_on(local.fetch(&version)).expect("a published version"));
    });
    group.finish();
}

fn lines(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("threads can be started");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = runtime.block_on(JsonlTracker::open(dir.path())).expect("an empty directory");
    let mut group = criterion.benchmark_group("tracker");
    for durability in [Durability::Disk, Durability::Process] {
        let tracker = tracker.clone().with_durability(durability);
        let run = runtime.block_on(tracker.start_run("bench", "run")).expect("room on the disk");
        for points in [1, 1000] {
            let entries: Vec<_> = (0..points).map(|step| RunEntry::metric("loss", 0.5, step)).collect();
            group.throughput(Throughput::Elements(points as u64));
            group.bench_function(format!("log {points}, {durability:?}"), |b| {
                b.iter(|| runtime.block_on(tracker.log(&run, &entries)).expect("room on the disk"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, packages, lines);
criterion_main!(benches);
