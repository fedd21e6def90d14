//! The example `validate` as people run it: what it prints, writes and returns.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SUITE: &str = r#"
extra_columns = "refuse"
[[columns]]
name = "origin"
kind = "category"
checks = [{ check = { one_of = ["EWR", "JFK"] } }]
[[columns]]
name = "dep"
kind = "number"
[[columns]]
name = "arr"
kind = "number"
checks = [{ check = { mean = { max = 100 } }, severity = "warn" }]
[[rows]]
name = "arrives after departing"
condition = "arr >= dep"
severity = "fail"
"#;

const GOOD: &str = "origin,dep,arr\nEWR,5,8\nJFK,6,9\n";
const BAD: &str = "origin,dep,arr\nEWR,5,8\nLAX,6,9\nJFK,7,4\n";

/// Cargo builds the examples beside the tests, unless it is told to build one test alone.
fn example() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let example = test.parent()?.parent()?.join("examples").join(format!("validate{}", std::env::consts::EXE_SUFFIX));
    if !example.exists() {
        mlops::core::conformance::skip(
            "the example",
            "`cargo test` builds it, unless it is told to build one test alone",
        );
        return None;
    }
    Some(example)
}

fn run(example: &Path, arguments: &[&Path]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(example).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn exit_codes_reports_and_quarantine() {
    let Some(example) = example() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (suite, good, bad) = (file("suite.toml", SUITE), file("good.csv", GOOD), file("bad.csv", BAD));
    let option = Path::new;

    let (code, out, _) = run(&example, &[&good, option("--suite"), &suite]);
    assert_eq!(code, 0, "{out}");
    assert!(out.ends_with("passed\n"), "{out}");

    let [quarantine, json, html] = ["out.csv", "out.json", "out.html"].map(|name| directory.path().join(name));
    let outputs = [option("--quarantine"), &quarantine, option("--json"), &json, option("--html"), &html];
    let (code, out, _) = run(&example, &[&[&*bad, option("--suite"), &suite][..], &outputs].concat());
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("row 2: LAX") && out.contains("row 3: arr = 4, dep = 7"), "{out}");
    let rows = fs::read_to_string(&quarantine).unwrap();
    assert_eq!(rows.lines().count(), 3, "{rows}");
    assert!(rows.contains("JFK,7,4,arrives after departing"), "{rows}");
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!((&report["rows"], &report["quarantined"]), (&3.into(), &2.into()));
    assert!(fs::read_to_string(&html).unwrap().ends_with("</html>\n"));

    let typo = file("typo.toml", "[[columns]]\nname = \"a\"\nkindd = \"number\"\n");
    let torn = file("torn.parquet", "PAR1 but no more");
    for (file, suite, says) in [
        (&good, &typo, "kindd"),
        (&torn, &suite, "torn.parquet"),
        (&directory.path().join("none.csv"), &suite, "none.csv"),
    ] {
        let (code, _, error) = run(&example, &[file, option("--suite"), suite]);
        assert!(code == 2 && error.contains(says), "{code}: {error}");
    }
    assert_eq!(run(&example, &[&good]).0, 2);

    let drafted = directory.path().join("drafted.toml");
    assert_eq!(run(&example, &[&good, option("--suggest"), &drafted]).0, 0);
    assert_eq!(run(&example, &[&good, option("--suite"), &drafted]).0, 0);
}
