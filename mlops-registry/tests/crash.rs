//! Programs that are killed with `kill -9` at random instants, and what they leave.
//!
//! This test runs itself as the program to be killed. `MLOPS_CRASH_ROUNDS` says how often; 500 take
//! a few minutes: `MLOPS_CRASH_ROUNDS=500 cargo test --release -p mlops-registry --test crash`.

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{codecs, package_of};
use futures::StreamExt;
use mlops_core::random::SplitMix64;
use mlops_core::{ErrorKind, Registry, RegistryExt, RunEntry, RunId, RunStatus, Tracker, Version};
use mlops_registry::{JsonlTracker, ObjectRegistry};

fn rounds() -> u64 {
    std::env::var("MLOPS_CRASH_ROUNDS").map_or(40, |rounds| rounds.parse().expect("MLOPS_CRASH_ROUNDS is a number"))
}

/// Tells the parent what was acknowledged. The parent may have closed its ears: then go on until killed.
fn acknowledge(what: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "ack {what}").and_then(|()| out.flush());
}

/// A child of one of the tests below; without its variables it is no test.
#[tokio::test]
async fn child() {
    let (Ok(work), Ok(dir)) = (std::env::var("MLOPS_CRASH_WORK"), std::env::var("MLOPS_CRASH_DIR")) else { return };
    match work.as_str() {
        "track" => track(&dir).await,
        alias => publish(&dir, alias).await,
    }
}

async fn publish(dir: &str, alias: &str) {
    let registry = ObjectRegistry::open(dir, codecs()).await.unwrap();
    for seed in u64::from(std::process::id()).. {
        let version = registry.publish(&package_of("flights", seed, 300)).await.unwrap();
        acknowledge(&format!("published {version}"));
        registry.promote(&version, alias).await.unwrap();
        acknowledge(&format!("alias {version}"));
    }
}

async fn track(dir: &str) {
    let tracker = JsonlTracker::open(dir).await.unwrap();
    loop {
        let run = tracker.start_run("flights", "a").await.unwrap();
        acknowledge(&format!("started {run}"));
        for step in 0..20 {
            tracker
                .log(&run, &[RunEntry::metric("m", 1.0, step), RunEntry::param(format!("p{step}"), 1)])
                .await
                .unwrap();
            acknowledge(&format!("logged {run} {step}"));
        }
        tracker.log_artifact(&run, "model.bin", run.0.clone().into()).await.unwrap();
        acknowledge(&format!("kept {run}"));
        tracker.end_run(&run, RunStatus::Finished).await.unwrap();
        acknowledge(&format!("ended {run}"));
    }
}

/// A child at work, and what it told so far.
struct Worker {
    child: Child,
    told: mpsc::Receiver<String>,
}

impl Worker {
    fn start(dir: &Path, work: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
            .env("MLOPS_CRASH_WORK", work)
            .env("MLOPS_CRASH_DIR", dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, told) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            // The last line of a killed program may be cut; it was not acknowledged then.
            for line in lines.map_while(Result::ok) {
                let told = line.split_once("ack ").map(|(_, what)| what.to_owned());
                told.map(|what| sender.send(what));
            }
        });
        Self { child, told }
    }

    /// Kills it `after` its first acknowledgement, or sooner if `at_once`; all it acknowledged.
    fn kill(mut self, after: Duration, at_once: bool) -> Vec<String> {
        let mut told = Vec::new();
        if !at_once {
            match self.told.recv_timeout(Duration::from_secs(60)) {
                Ok(what) => told.push(what),
                Err(_) => {
                    let output = self.child.wait_with_output().unwrap();
                    panic!("the child stopped: {}", String::from_utf8_lossy(&output.stderr));
                }
            }
        }
        thread::sleep(after);
        assert!(self.child.try_wait().unwrap().is_none(), "the child ended by itself");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        told.extend(self.told);
        told
    }
}

/// Mostly after some milliseconds of work, sometimes while it opens the place.
fn instant(rng: &mut SplitMix64) -> (Duration, bool) {
    (Duration::from_micros(rng.below(40_000)), rng.below(8) == 0)
}

#[tokio::test]
async fn a_registry_survives_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = SplitMix64::new(1);
    let mut acknowledged = BTreeSet::new();
    let mut checked = BTreeSet::new();
    let mut in_force = [None, None];
    for round in 0..rounds() {
        let aliases = ["champion", "challenger"];
        let workers = aliases.map(|alias| Worker::start(dir.path(), alias));
        let (after, at_once) = instant(&mut rng);
        let told = workers.map(|worker| worker.kill(after, at_once));
        for (told, last) in told.iter().zip(&mut in_force) {
            for what in told {
                let (what, version) = what.split_once(' ').unwrap();
                let version: Version = version.parse().unwrap();
                match what {
                    "published" => assert!(acknowledged.insert(version), "round {round}: a number was used twice"),
                    _ => *last = Some(version),
                }
            }
        }
        let registry = ObjectRegistry::open(dir.path().to_str().unwrap(), codecs()).await.unwrap();
        let listed: BTreeSet<Version> = registry.list(None).map(Result::unwrap).collect().await;
        assert!(acknowledged.is_subset(&listed), "round {round}: an acknowledged version is gone");
        for version in listed.difference(&checked) {
            registry.fetch(version).await.unwrap_or_else(|e| panic!("round {round}: {version} is torn: {e}"));
        }
        checked.extend(listed.iter().cloned());
        for (alias, last) in aliases.iter().zip(&in_force) {
            let now = registry.aliases("flights").await.unwrap().remove(*alias);
            // The killed program may have moved it once more without telling.
            assert!(now >= *last, "round {round}: {alias} is {now:?}, acknowledged was {last:?}");
            assert!(now.is_none_or(|now| listed.contains(&now)), "round {round}: {alias} points to nothing");
        }
        let next = registry.publish(&package_of("flights", round, 300)).await.unwrap();
        assert!(listed.iter().all(|version| *version < next), "round {round}: a number was used again");
        acknowledged.insert(next);
    }
    let registry = ObjectRegistry::open(dir.path().to_str().unwrap(), codecs()).await.unwrap();
    let collected = registry.gc(Duration::ZERO).await.unwrap();
    assert_eq!(registry.gc(Duration::ZERO).await.unwrap(), mlops_registry::Collected::default());
    for version in &acknowledged {
        registry.fetch(version).await.unwrap();
    }
    let _ = writeln!(std::io::stderr(), "{} rounds, {} versions, then {collected:?}", rounds(), acknowledged.len());
}

#[tokio::test]
async fn a_tracker_survives_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = SplitMix64::new(2);
    let mut runs = 0;
    for round in 0..rounds() {
        let worker = Worker::start(dir.path(), "track");
        let (after, at_once) = instant(&mut rng);
        let told = worker.kill(after, at_once);
        let tracker = JsonlTracker::open(dir.path()).await.unwrap();
        for what in &told {
            let mut words = what.split(' ');
            let (what, run) = (words.next().unwrap(), RunId(words.next().unwrap().to_owned()));
            let record = tracker.run(&run).await.unwrap_or_else(|e| panic!("round {round}: {run} is torn: {e}"));
            match what {
                "started" => runs += 1,
                "logged" => {
                    let step: i64 = words.next().unwrap().parse().unwrap();
                    assert!(record.metrics.len() as i64 > step, "round {round}: an acknowledged point is gone");
                    assert!(record.params.contains_key(&format!("p{step}")));
                    assert_eq!(record.metrics.len(), record.params.len(), "a part of a call was kept");
                }
                "kept" => assert_eq!(tracker.artifact(&run, "model.bin").await.unwrap(), run.0.as_bytes()),
                _ => assert_eq!(record.status, RunStatus::Finished),
            }
        }
        // A run that was interrupted can be taken up again.
        if let Some(last) = told.last() {
            let run = RunId(last.split(' ').nth(1).unwrap().to_owned());
            match tracker.log(&run, &[RunEntry::tag("resumed", round)]).await {
                Ok(()) => assert_eq!(tracker.run(&run).await.unwrap().tags["resumed"], round.to_string()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "round {round}: {error}"),
            }
        }
    }
    let listed: Vec<_> = JsonlTracker::open(dir.path()).await.unwrap().runs("flights").collect().await;
    assert!(listed.iter().all(Result::is_ok));
    assert!(listed.len() >= runs, "{} of {runs} runs are listed", listed.len());
}
