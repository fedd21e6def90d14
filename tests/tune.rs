//! The example `tune`, killed with SIGKILL again and again: it ends with what it would have ended with.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Cargo builds the examples beside the tests, unless it is told to build one test alone.
fn example() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let example = test.parent()?.parent()?.join("examples").join(format!("tune{}", std::env::consts::EXE_SUFFIX));
    if !example.exists() {
        mlops::core::conformance::skip(
            "the example",
            "`cargo test` builds it, unless it is told to build one test alone",
        );
        return None;
    }
    Some(example)
}

fn command(example: &Path, runs: &Path, json: &Path, threads: usize) -> Command {
    let mut command = Command::new(example);
    command.args(["--trials", "9", "--rows", "1500", "--threads"]).arg(threads.to_string());
    command.arg("--runs").arg(runs).arg("--json").arg(json).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A study without what depends on the clock.
fn study(json: &Path) -> Value {
    let mut study: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let fields = study.as_object_mut().unwrap();
    fields.remove("resumed");
    for trial in fields["trials"].as_array_mut().unwrap() {
        for rung in trial["rungs"].as_array_mut().unwrap() {
            rung.as_object_mut().unwrap().remove("fit_seconds");
        }
    }
    study
}

/// How many lines the tracker has written.
fn lines(runs: &Path) -> usize {
    let mut folders = vec![runs.to_owned()];
    let mut lines = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => lines += fs::read_to_string(entry.path()).map_or(0, |text| text.lines().count()),
            }
        }
    }
    lines
}

#[test]
fn a_search_that_was_killed_ends_as_one_that_was_not() {
    let Some(example) = example() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [whole, pieces] = ["whole", "pieces"].map(|name| folder.path().join(name));
    let [whole_json, pieces_json] = ["whole.json", "pieces.json"].map(|name| folder.path().join(name));
    assert!(command(&example, &whole, &whole_json, 2).status().unwrap().success());

    for round in 0..3 {
        let before = lines(&pieces);
        let mut search = command(&example, &pieces, &pieces_json, 1 + round % 2).spawn().unwrap();
        let patience = Instant::now();
        // Some results are kept, then it dies in the middle of the next ones.
        while lines(&pieces) < before + 4 && search.try_wait().unwrap().is_none() {
            assert!(patience.elapsed() < Duration::from_secs(120), "no result in two minutes");
            std::thread::sleep(Duration::from_millis(5));
        }
        search.kill().unwrap();
        search.wait().unwrap();
    }
    assert!(command(&example, &pieces, &pieces_json, 2).status().unwrap().success());
    let resumed: Value = serde_json::from_str(&fs::read_to_string(&pieces_json).unwrap()).unwrap();
    assert!(resumed["resumed"].as_u64().unwrap() >= 3, "nothing was read from the runs of before");
    assert_eq!(study(&pieces_json), study(&whole_json));
}
