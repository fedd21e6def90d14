//! The inputs of the fuzz targets, replayed with the stable toolchain: the seeds, and every input that
//! once broke something. `fuzz/run` looks for new ones.
//!
//! `cargo test --test fuzz_corpus -- --ignored` writes the seeds anew from the stored artifacts of the
//! crates.

#[path = "../fuzz/src/targets/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the fuzzer's programs see more of it")]
mod targets;

#[path = "fuzz_corpus/seeds.rs"]
mod seeds;

use std::fs;
use std::path::{Path, PathBuf};

/// All seeds together must stay small: they are in every clone.
const MOST_BYTES: u64 = 300 << 10;

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder).join(target);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[expect(clippy::print_stdout, reason = "which input it was, if the test fails")]
fn replay(name: &str) {
    let target = targets::find(name);
    let seeds = inputs("seeds", name);
    assert!(!seeds.is_empty(), "no seeds of {name}");
    for path in seeds.into_iter().chain(inputs("regressions", name)) {
        println!("{}", path.display());
        (target.body)(&fs::read(&path).unwrap());
    }
    (target.body)(&[]);
}

macro_rules! replays {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            replay(stringify!($name));
        }
    )*};
}
replays!(
    component,
    csv,
    expectations,
    expr,
    forest,
    infer,
    lightgbm,
    names,
    onnx,
    package,
    parquet,
    profile,
    recipe,
    registry,
    tracker,
    ubj,
    xgboost_json
);

#[test]
fn every_target_is_replayed_and_has_its_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let here = include_str!("fuzz_corpus.rs");
    let replayed = here.split_once("\nreplays!(").unwrap().1.split_once(')').unwrap().0;
    let replayed: Vec<&str> = replayed.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
    assert_eq!(names, replayed);
    for name in names {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "no program of {name}");
        assert!(root.join("fuzz_targets").join(name).with_extension("rs").exists(), "no program of {name}");
    }
}

#[test]
fn the_inputs_are_small() {
    let all = targets::ALL.iter().flat_map(|target| [inputs("seeds", target.name), inputs("regressions", target.name)]);
    let bytes: u64 = all.flatten().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes of inputs, at most {MOST_BYTES}");
}
