//! What the workspace promises of itself: walls between the rooms, one Arrow, a light default build, and permissive
//! licences only.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const ROOMS: [&str; 5] = ["mlops-data", "mlops-train", "mlops-registry", "mlops-serve", "mlops-monitor"];

fn cargo(args: &[&str]) -> String {
    let cargo = Command::new(env!("CARGO")).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(cargo.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&cargo.stderr));
    String::from_utf8(cargo.stdout).unwrap()
}

fn packages(args: &[&str]) -> Vec<Value> {
    let metadata = cargo(&[&["metadata", "--locked", "--format-version", "1"], args].concat());
    let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn rooms_do_not_depend_on_each_other() {
    let mut edges = Vec::new();
    let packages = packages(&["--no-deps"]);
    let rooms: Vec<_> = packages.iter().filter(|p| ROOMS.contains(&text(p, "name"))).collect();
    assert_eq!(rooms.len(), ROOMS.len());
    for room in rooms {
        for dependency in room["dependencies"].as_array().unwrap() {
            if ROOMS.contains(&text(dependency, "name")) {
                edges.push(format!("{} -> {}", text(room, "name"), text(dependency, "name")));
            }
        }
    }
    assert!(edges.is_empty(), "what two rooms share belongs into mlops-core: {edges:?}");
}

#[test]
fn there_is_one_version_of_arrow_parquet_and_object_store() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages(&[]) {
        versions.entry(text(&package, "name").into()).or_default().insert(text(&package, "version").into());
    }
    for name in ["arrow", "arrow-array", "arrow-schema", "object_store", "parquet"] {
        assert_eq!(versions[name].len(), 1, "{name} is there in the versions {:?}", versions[name]);
    }
}

#[test]
fn default_features_pull_neither_tls_nor_cpp_nor_the_heavy_engines() {
    let tree = cargo(&["tree", "--locked", "--package", "mlops", "--edges", "normal,build", "--prefix", "none"]);
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("arrow"), "the tree was read: {} crates", names.len());
    let unwanted = [
        "aws-lc-sys",
        "ballista",
        "cmake",
        "cxx",
        "cxx-build",
        "datafusion",
        "link-cplusplus",
        "native-tls",
        "openssl",
        "openssl-sys",
        "prost-build",
        "protoc-bin-vendored",
        "ring",
        "rustls",
        "schannel",
        "tonic",
    ];
    let found: Vec<_> = unwanted.iter().filter(|name| names.contains(**name)).collect();
    assert!(found.is_empty(), "default features pull {found:?}");
}

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let deny = include_str!("../deny.toml");
    let list = deny.split_once("allow = [").unwrap().1.split_once(']').unwrap().0;
    let allowed: Vec<&str> =
        list.split(',').map(|name| name.trim().trim_matches('"')).filter(|n| !n.is_empty()).collect();
    let mut refused = Vec::new();
    for package in packages(&["--all-features"]) {
        // SPDX: every part joined by AND must be allowed, and one of the parts joined by OR.
        let expression = text(&package, "license").replace(['(', ')'], "").replace('/', " OR ");
        let is_allowed = |all: &str| all.split(" OR ").any(|name| allowed.contains(&name.trim()));
        if expression.is_empty() || !expression.split(" AND ").all(is_allowed) {
            refused.push(format!("{} {}: {:?}", text(&package, "name"), text(&package, "version"), expression));
        }
    }
    assert!(refused.is_empty(), "not allowed by deny.toml: {refused:#?}");
}
