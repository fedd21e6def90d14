//! What the tracker promises beyond its trait: of files, of damage, of other writers.

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{copy_dir, files_below};
use futures::StreamExt;
use mlops_core::{ErrorKind, RunEntry, RunStatus, Tracker};
use mlops_registry::JsonlTracker;
use proptest::prelude::*;

async fn open(dir: &Path) -> JsonlTracker {
    JsonlTracker::open(dir).await.unwrap()
}

fn lines(dir: &Path) -> PathBuf {
    files_below(dir).into_iter().find(|file| file.ends_with("run.jsonl")).unwrap()
}

#[tokio::test]
async fn a_run_of_version_1_is_read_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tracker.v1"), dir.path());
    let tracker = open(dir.path()).await;
    let record = tracker.runs("flights").next().await.unwrap().unwrap();
    let run = record.id;
    assert_eq!((record.params["alpha"].as_str(), record.tags["note"].as_str()), ("0.5", "first"));
    assert_eq!(record.metrics.len(), 2);
    assert!(record.metrics[1].value.is_nan());
    assert_eq!(*tracker.artifact(&run, "plots/roc.svg").await.unwrap(), *b"<svg/>");
    tracker.log(&run, &[RunEntry::tag("note", "second")]).await.unwrap();
    assert_eq!(tracker.run(&run).await.unwrap().tags["note"], "second");
}

/// Made once: `cargo test -p mlops-registry --test tracker -- --ignored write_version_1`.
#[tokio::test]
#[ignore = "writes the files that another test reads forever"]
async fn write_version_1() {
    let tracker = open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tracker.v1")).await;
    let run = tracker.start_run("flights", "ridge").await.unwrap();
    let entries = [
        RunEntry::param("alpha", 0.5),
        RunEntry::metric("auc", 0.75, 1),
        RunEntry::metric("auc", f64::NAN, 2),
        RunEntry::tag("note", "first"),
    ];
    tracker.log(&run, &entries).await.unwrap();
    tracker.log_artifact(&run, "plots/roc.svg", "<svg/>".into()).await.unwrap();
}

#[tokio::test]
async fn another_program_goes_on_where_one_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let run = open(dir.path()).await.start_run("flights", "a").await.unwrap();
    let (one, two) = (open(dir.path()).await, open(dir.path()).await);
    one.log(&run, &[RunEntry::param("alpha", 1)]).await.unwrap();
    let error = two.log(&run, &[RunEntry::param("alpha", 2)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    two.log(&run, &[RunEntry::param("beta", 1)]).await.unwrap();
    one.end_run(&run, RunStatus::Finished).await.unwrap();
    one.end_run(&run, RunStatus::Finished).await.unwrap();
    assert_eq!(two.log(&run, &[RunEntry::param("gamma", 1)]).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(two.run(&run).await.unwrap().params.len(), 2);
    assert_eq!(two.experiments().await.unwrap(), ["flights"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn trackers_on_one_directory_do_not_mix_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let run = open(dir.path()).await.start_run("flights", "a").await.unwrap();
    let mut writers = Vec::new();
    for writer in 0..4 {
        let (tracker, run) = (open(dir.path()).await, run.clone());
        writers.push(tokio::spawn(async move {
            for step in 0..25 {
                tracker.log(&run, &[RunEntry::metric(format!("m{writer}"), 1.0, step)]).await.unwrap();
                tracker.run(&run).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(open(dir.path()).await.run(&run).await.unwrap().metrics.len(), 100);
}

#[tokio::test]
async fn a_torn_line_is_left_out_and_then_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let run = open(dir.path()).await.start_run("flights", "a").await.unwrap();
    open(dir.path()).await.log(&run, &[RunEntry::param("alpha", 1)]).await.unwrap();
    let (file, whole) = (lines(dir.path()), fs::read(lines(dir.path())).unwrap());
    open(dir.path()).await.log(&run, &[RunEntry::param("beta", 1)]).await.unwrap();
    let all = fs::read(&file).unwrap();
    for cut in (whole.len()..all.len()).step_by(9) {
        fs::write(&file, &all[..cut]).unwrap();
        let tracker = open(dir.path()).await;
        assert_eq!(tracker.run(&run).await.unwrap().params.len(), 1, "cut at {cut}");
        tracker.log(&run, &[RunEntry::tag("after", cut)]).await.unwrap();
        let record = open(dir.path()).await.run(&run).await.unwrap();
        assert_eq!((record.params.len(), record.tags["after"].as_str()), (1, cut.to_string().as_str()));
    }
}

#[tokio::test]
async fn a_run_whose_start_was_torn_was_never_there() {
    let dir = tempfile::tempdir().unwrap();
    let tracker = open(dir.path()).await;
    let run = tracker.start_run("flights", "a").await.unwrap();
    let bytes = fs::read(lines(dir.path())).unwrap();
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        fs::write(lines(dir.path()), &bytes[..cut]).unwrap();
        assert_eq!(open(dir.path()).await.run(&run).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(open(dir.path()).await.runs("flights").count().await, 0);
    }
}

#[tokio::test]
async fn damage_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let run = open(dir.path()).await.start_run("flights", "a").await.unwrap();
    open(dir.path()).await.log(&run, &[RunEntry::param("alpha", 1)]).await.unwrap();
    let file = lines(dir.path());
    let sound = fs::read(&file).unwrap();
    for place in (0..sound.len() - 1).step_by(5) {
        let mut bytes = sound.clone();
        bytes[place] ^= 4;
        fs::write(&file, bytes).unwrap();
        let error = open(dir.path()).await.run(&run).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("run.jsonl") && error.message().contains("line "), "{error}");
        let error = open(dir.path()).await.log(&run, &[RunEntry::param("beta", 1)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_leftovers_go() {
    let dir = tempfile::tempdir().unwrap();
    let tracker = open(dir.path()).await;
    let run = tracker.start_run("flights", "a").await.unwrap();
    tracker.log_artifact(&run, "a.txt", "content".into()).await.unwrap();
    let file = files_below(dir.path()).into_iter().find(|file| !file.ends_with("run.jsonl")).unwrap();
    fs::write(&file, "c0ntent").unwrap();
    let error = tracker.artifact(&run, "a.txt").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("a.txt"), "{error}");
    fs::write(file.with_file_name("x#12"), "left by a writer that died").unwrap();
    tracker.log_artifact(&run, "b.txt", "content".into()).await.unwrap();
    assert_eq!(*tracker.artifact(&run, "a.txt").await.unwrap(), *b"content", "equal files are one");
    assert_eq!(files_below(dir.path()).len(), 2);
}

#[tokio::test]
async fn a_tracker_needs_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below")] {
        assert_eq!(JsonlTracker::open(path).await.unwrap_err().kind(), ErrorKind::Config);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_cut_and_any_bytes_after_it_leave_what_was_before(
        keep in any::<prop::sample::Index>(),
        noise in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let tracker = open(dir.path()).await;
            let run = tracker.start_run("flights", "a").await.unwrap();
            for step in 0..3 {
                tracker.log(&run, &[RunEntry::metric("m", 1.0, step)]).await.unwrap();
            }
            let file = lines(dir.path());
            let bytes = fs::read(&file).unwrap();
            let cut = keep.index(bytes.len() + 1);
            let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
            let noise: Vec<u8> = noise.into_iter().filter(|byte| *byte != b'\n').collect();
            fs::write(&file, [&bytes[..cut], &noise].concat()).unwrap();
            let tracker = open(dir.path()).await;
            match tracker.run(&run).await {
                Ok(record) => assert_eq!(record.metrics.len() + 1, whole),
                Err(error) => assert!(whole == 0 && error.kind() == ErrorKind::NotFound, "{error}"),
            }
        });
    }
}
