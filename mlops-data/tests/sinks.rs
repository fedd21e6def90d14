//! Sinks: what is written comes back, and nobody ever sees a part of it.
#![cfg(all(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]

#[path = "common/formats.rs"]
mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch};
use common::{formats, rows};
use futures::StreamExt;
use mlops_core::random::SplitMix64;
use mlops_core::{DataSourceExt, Error, ErrorKind, Scan, Table};
use mlops_data::sink::Compression;
use mlops_data::{ArrowIpc, ArrowIpcSink, Csv, CsvSink, MemorySource, Parquet, ParquetSink, Place, SinkExt};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::TempDir;

fn table() -> Table {
    Table::new(rows(0, 0).schema(), vec![rows(1, 300), rows(2, 0), rows(3, 77)]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_comes_back_from_files_and_stores() {
    let dir = TempDir::new().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for (name, sink, source) in formats() {
        let places = [
            Place::from(&dir.path().join("deep/er").join(format!("a.{name}"))),
            Place::in_store(Arc::clone(&store), format!("deep/a.{name}")),
        ];
        for place in places {
            let table = table();
            let written = sink(place.clone()).write_table(&table).await.unwrap();
            assert_eq!(written.rows, 377, "{name}");
            assert!(written.bytes > Some(1000), "{name}: {written:?}");
            let back = source(place, Arc::clone(table.schema())).read().await.unwrap();
            assert_eq!(back.to_batch().unwrap(), table.to_batch().unwrap(), "{name}");
        }
        let empty = Place::from(&dir.path().join(format!("empty.{name}")));
        sink(empty.clone()).write_table(&Table::from_batch(rows(0, 0))).await.unwrap();
        if !["tsv", "jsonl"].contains(&name) {
            assert_eq!(source(empty, rows(0, 0).schema()).read().await.unwrap().num_rows(), 0, "{name}");
        }
    }
}

#[tokio::test]
async fn a_name_is_taken_once_unless_overwriting_is_allowed() {
    let dir = TempDir::new().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for place in [Place::from(&dir.path().join("a.csv")), Place::in_store(store, "a.csv")] {
        let sink = CsvSink::at(place.clone());
        sink.write_table(&Table::from_batch(rows(1, 10))).await.unwrap();
        let error = sink.write_table(&Table::from_batch(rows(2, 20))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("with_overwrite(true)"), "{error}");
        assert_eq!(Csv::at(place.clone()).read().await.unwrap().num_rows(), 10);
        sink.with_overwrite(true).write_table(&Table::from_batch(rows(2, 20))).await.unwrap();
        assert_eq!(Csv::at(place).read().await.unwrap().num_rows(), 20);
    }
    assert_eq!(names(dir.path()), ["a.csv"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_one_wins() {
    let dir = TempDir::new().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for place in [Place::from(&dir.path().join("a.parquet")), Place::in_store(store, "a.parquet")] {
        let writers = (1..9).map(|i| {
            let place = place.clone();
            async move { ParquetSink::at(place).write_table(&Table::from_batch(rows(i, 100 * i as usize))).await }
        });
        let results = futures::future::join_all(writers).await;
        let won: Vec<u64> = results.iter().filter_map(|result| Some(result.as_ref().ok()?.rows)).collect();
        assert_eq!(won.len(), 1, "{results:?}");
        let lost = results.iter().filter_map(|result| result.as_ref().err());
        assert!(lost.map(Error::kind).all(|kind| kind == ErrorKind::Conflict), "{results:?}");
        assert_eq!(Parquet::at(place).read().await.unwrap().num_rows() as u64, won[0]);
    }
    assert_eq!(names(dir.path()), ["a.parquet"]);
}

#[tokio::test]
async fn large_objects_are_uploaded_in_parts() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let place = Place::in_store(Arc::clone(&store), "lake/a.arrow");
    let table = Table::new(rows(0, 0).schema(), (0..10).map(|seed| rows(seed, 40_000)).collect::<Vec<_>>()).unwrap();
    for sink in [ArrowIpcSink::at(place.clone()), ArrowIpcSink::at(place.clone()).with_overwrite(true)] {
        let written = sink.write_table(&table).await.unwrap();
        assert!(written.bytes > Some(16 << 20), "{written:?}");
        assert_eq!(ArrowIpc::at(place.clone()).read().await.unwrap().num_rows(), 400_000);
        assert_eq!(store.list(None).count().await, 1, "no temporary object is left");
    }
    let path = object_store::path::Path::from("lake/a.arrow");
    let before = store.head(&path).await.unwrap();
    let error = ArrowIpcSink::at(place).write_table(&table).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(store.head(&path).await.unwrap().e_tag, before.e_tag);
}

#[tokio::test]
async fn an_error_or_a_drop_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for (name, sink, _) in formats() {
        for place in [Place::from(&dir.path().join(format!("a.{name}"))), Place::in_store(Arc::clone(&store), name)] {
            let sink = sink(place);
            let batches = vec![Ok(rows(1, 500)), Err(Error::data("row 501 is wrong"))];
            let error = sink.write(rows(0, 0).schema(), futures::stream::iter(batches).boxed()).await.unwrap_err();
            assert!(error.to_string().contains("row 501 is wrong"), "{error}");

            let endless = futures::stream::iter(vec![Ok(rows(1, 500))]).chain(futures::stream::pending());
            let write = sink.write(rows(0, 0).schema(), endless.boxed());
            assert!(tokio::time::timeout(Duration::from_millis(30), write).await.is_err());

            let other = Table::from_batch(arrow::array::record_batch!(("x", Int64, [1])).unwrap());
            let batches = futures::stream::iter(other.batches().to_vec()).map(Ok).boxed();
            assert_eq!(sink.write(rows(0, 0).schema(), batches).await.unwrap_err().kind(), ErrorKind::Schema);
        }
    }
    for _ in 0..200 {
        if names(dir.path()).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(names(dir.path()), Vec::<String>::new());
    assert_eq!(store.list(None).count().await, 0);
}

#[tokio::test]
async fn what_a_format_has_no_form_for_is_refused() {
    let dir = TempDir::new().unwrap();
    let list = arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Int64Type, _, _>([Some([Some(1)])]);
    let batch = RecordBatch::try_from_iter([("list", Arc::new(list) as ArrayRef)]).unwrap();
    let error =
        CsvSink::at(dir.path().join("a.csv").as_path()).write_table(&Table::from_batch(batch)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("'list'"), "{error}");
    let error = CsvSink::at(dir.path()).write_table(&table()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn leftovers_of_the_dead_are_removed_and_those_of_the_living_are_not() {
    let dir = TempDir::new().unwrap();
    let (dead, alive) = (dir.path().join(".a.csv.#1"), dir.path().join(".a.csv.#2"));
    fs::write(&dead, "torn").unwrap();
    let file = fs::File::create(&alive).unwrap();
    file.lock().unwrap();
    CsvSink::at(dir.path().join("a.csv")).write_table(&table()).await.unwrap();
    assert_eq!(names(dir.path()), [".a.csv.#2", "a.csv"]);
    assert_eq!(Csv::at(dir.path()).read().await.unwrap().num_rows(), 377);
}

#[tokio::test]
async fn settings_are_plain_data() {
    let sink = ParquetSink::at("s3://lake/a.parquet").with_compression(Compression::Zstd);
    let json = serde_json::to_string(&sink).unwrap();
    assert_eq!(
        json,
        r#"{"path":"s3://lake/a.parquet","overwrite":false,"compression":"zstd","row_group_rows":262144}"#
    );
    assert_eq!(serde_json::from_str::<ParquetSink>(&json).unwrap(), sink);
}

#[tokio::test]
async fn a_scan_is_written_as_it_streams() {
    let dir = TempDir::new().unwrap();
    let source = MemorySource::new(table());
    let path = dir.path().join("a.parquet");
    let scan = Scan::all().with_columns(["int", "row"]).with_limit(100);
    assert_eq!(ParquetSink::at(&path).write_scan(&source, scan.clone()).await.unwrap().rows, 100);
    let back = Parquet::at(&path).read().await.unwrap().to_batch().unwrap();
    assert_eq!(back, source.read_scan(scan).await.unwrap().to_batch().unwrap());
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Programs that are killed with `kill -9` at random instants of their commits.
///
/// `MLOPS_CRASH_ROUNDS` says how often; 1,000 take about a minute:
/// `MLOPS_CRASH_ROUNDS=1000 cargo test --release -p mlops-data --test sinks crash`.
mod crash {
    use super::*;

    fn rounds() -> u64 {
        std::env::var("MLOPS_CRASH_ROUNDS").map_or(30, |rounds| rounds.parse().expect("MLOPS_CRASH_ROUNDS is a number"))
    }

    /// The child of the test below; without its variable it is no test.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn child() {
        let Ok(dir) = std::env::var("MLOPS_SINK_CRASH_DIR") else { return };
        let formats = formats();
        for step in u64::from(std::process::id()) << 20.. {
            let (name, sink, _) = &formats[step as usize % formats.len()];
            // Names that are new, and one that is replaced again and again.
            let path = Path::new(&dir).join(format!("{step}.{name}"));
            sink(Place::from(&path)).write_table(&Table::from_batch(rows(step, 200))).await.unwrap();
            acknowledge(&format!("{step}.{name}"));
            let replaced = ParquetSink::at(Path::new(&dir).join("latest.parquet")).with_overwrite(true);
            replaced.write_table(&Table::from_batch(rows(step, 200))).await.unwrap();
            acknowledge("latest.parquet");
        }
    }

    /// Tells the parent, which may have closed its ears: then go on until killed.
    fn acknowledge(what: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "ack {what}").and_then(|()| out.flush());
    }

    fn start(dir: &Path) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--nocapture", "--test-threads", "1"])
            .env("MLOPS_SINK_CRASH_DIR", dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Kills the child a moment after its first file; all that it acknowledged.
    fn kill(mut child: Child, after: Duration) -> Vec<String> {
        let told = |line: &str| line.split_once("ack ").map(|(_, what)| what.to_owned());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = lines.by_ref().find_map(|line| told(&line)).expect("the child wrote a file");
        std::thread::sleep(after);
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        // The last line may be cut; it was not acknowledged then.
        let mut all = vec![first];
        all.extend(lines.filter_map(|line| told(&line)));
        all
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_torn_file_is_ever_visible() {
        let dir = TempDir::new().unwrap();
        let mut rng = SplitMix64::new(1);
        let (mut seen, mut left) = (0, 0);
        for round in 0..rounds() {
            let mut acknowledged = kill(start(dir.path()), Duration::from_micros(rng.below(30_000)));
            // The last line of a killed program may be cut in its middle.
            if let Some(last) = acknowledged.pop().filter(|last| dir.path().join(last).exists()) {
                acknowledged.push(last)
            }
            for name in acknowledged {
                assert!(dir.path().join(&name).exists(), "round {round}: '{name}' was acknowledged and is gone");
            }
            for name in names(dir.path()) {
                if name.starts_with('.') {
                    left += 1;
                    continue;
                }
                let format = name.split_once('.').unwrap().1.to_owned();
                let (_, _, source) = formats().into_iter().find(|(name, ..)| *name == format).unwrap();
                let source = source(Place::from(&dir.path().join(&name)), rows(0, 0).schema());
                let read =
                    source.read().await.unwrap_or_else(|error| panic!("round {round}: '{name}' is torn: {error}"));
                assert_eq!(read.num_rows(), 200, "round {round}: '{name}'");
                seen += 1;
                if name != "latest.parquet" {
                    fs::remove_file(dir.path().join(&name)).unwrap();
                }
            }
            // What a killed writer left is removed by the next one to the same place.
            for leftover in names(dir.path()).into_iter().filter(|name| name.starts_with('.')) {
                let place = leftover[1..].rsplit_once(".#").unwrap().0.to_owned();
                let sink = ParquetSink::at(dir.path().join(place)).with_overwrite(true);
                sink.write_table(&Table::from_batch(rows(round, 200))).await.unwrap();
                assert!(!dir.path().join(leftover).exists(), "round {round}: a leftover stays");
            }
            for name in names(dir.path()).into_iter().filter(|name| name != "latest.parquet") {
                fs::remove_file(dir.path().join(name)).unwrap();
            }
        }
        let _ = writeln!(std::io::stderr(), "{} kills, {seen} whole files seen, {left} hidden leftovers", rounds());
    }
}
