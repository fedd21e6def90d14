//! Streams that are dropped, and errors on their way through them.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::datatypes::DataType;
use futures::StreamExt;
use mlops_core::{DataSource, Scan};
use mlops_data::Csv;

use crate::Dir;

#[tokio::test]
async fn a_dropped_stream_stops_reading() {
    let dir = Dir::new();
    let path = dir.path("a.csv");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    writeln!(file, "a,b").unwrap();
    (0..200_000).for_each(|i| writeln!(file, "{i},{i}").unwrap());
    file.flush().unwrap();
    drop(file);
    let csv = Csv::at(&path).with_type("a", DataType::Int64).with_type("b", DataType::Int64);
    let mut stream = csv.scan(Scan::all().with_batch_size(10)).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().num_rows(), 10);
    assert!(is_open(&path), "a stream that is alive holds its file");
    drop(stream);
    for _ in 0..200 {
        if !is_open(&path) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the file is still open two seconds after its stream was dropped");
}

/// Whether this process holds the file open; where that can't be told, what the test wants.
fn is_open(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return false };
    entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path))
}
