//! The file of a run: its lines are parts, sealed or as they are. The run is read, logged to, and read
//! again.

use std::path::Path;

use bytes::Bytes;
use futures::TryStreamExt;
use mlops::core::{Result, RunEntry, RunId, RunStatus, Tracker};
use mlops::registry::{Durability, JsonlTracker};

use super::parts::{self, Part};
use super::{answered, block_on, seal};

/// A part that is the bytes of the file, not a record.
pub(super) const RAW: u8 = 1;
const RUN: &str = "01a204a5b2da0000ceea0fc088b17498";

pub(super) fn run(data: &[u8]) {
    let line = |part: &Part| if part.tag == RAW { part.bytes.clone() } else { seal::seal(&part.bytes) };
    let lines: Vec<u8> = parts::split(data).iter().flat_map(line).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = folder.path().join("experiments/flights").join(RUN);
    std::fs::create_dir_all(&run).expect("a small folder");
    std::fs::write(run.join("run.jsonl"), lines).expect("a small file");
    answered(block_on(read(folder.path())));
    answered(block_on(log(folder.path())));
}

async fn open(folder: &Path) -> Result<JsonlTracker> {
    Ok(JsonlTracker::open(folder).await?.with_durability(Durability::Process))
}

async fn read(folder: &Path) -> Result<()> {
    let tracker = open(folder).await?;
    let runs: Vec<_> = tracker.runs("flights").try_collect().await?;
    let record = tracker.run(&RunId(RUN.to_owned())).await?;
    assert_eq!(format!("{runs:?}"), format!("{:?}", [&record]));
    for path in record.artifacts.iter().take(4) {
        answered(tracker.artifact(&record.id, path).await);
    }
    Ok(())
}

/// What was acknowledged is there, whatever stood before it.
async fn log(folder: &Path) -> Result<()> {
    let (tracker, id) = (open(folder).await?, RunId(RUN.to_owned()));
    tracker.log(&id, &[RunEntry::param("fuzzed", 1), RunEntry::metric("auc", f64::NAN, 3)]).await?;
    tracker.log_artifact(&id, "plots/a.svg", Bytes::from_static(b"<svg/>")).await?;
    tracker.end_run(&id, RunStatus::Finished).await?;
    let record = open(folder).await?.run(&id).await.expect("what was logged to can be read");
    assert_eq!(record.params["fuzzed"], "1");
    assert_eq!(record.status, RunStatus::Finished);
    let artifact = tracker.artifact(&id, "plots/a.svg").await.expect("what was kept is there");
    assert_eq!(artifact, "<svg/>");
    Ok(())
}
