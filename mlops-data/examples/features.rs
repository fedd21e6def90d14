//! Training rows from a wide feature table, as of each row's time: 17,000 rows and 1,000 features, the subject of
//! `benches/peers/features_polars.py`.
//!
//! ```text
//! cargo build --release -p mlops-data --all-features --example features
//! target/release/examples/features generate DIR
//! /usr/bin/time -v target/release/examples/features join DIR
//! ```
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::sum;
use arrow::datatypes::Float64Type;
use mlops_core::random::SplitMix64;
use mlops_core::{DataSourceExt, Error, Result, Scan};
use mlops_data::Parquet;
use mlops_data::join::AsOf;
use parquet::arrow::ArrowWriter;

const ROWS: usize = 17_000;
const FEATURES: usize = 1_000;
const CUSTOMERS: u64 = 2_000;
const YEAR: u64 = 31_536_000_000_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["generate", dir] => generate(Path::new(dir)),
        ["join", dir] => join(Path::new(dir)).await,
        _ => Err(Error::config("usage: features generate|join DIR")),
    }
}

/// `events.parquet` (customer, time) and `features.parquet` (customer, time, f0 … f999).
fn generate(dir: &Path) -> Result<()> {
    let mut rng = SplitMix64::new(17);
    write(&dir.join("events.parquet"), keys(&mut rng))?;
    let mut columns = keys(&mut rng);
    columns.extend((0..FEATURES).map(|i| {
        // Two decimals, as prices and shares have.
        let feature = Float64Array::from_iter_values((0..ROWS).map(|_| rng.below(10_000) as f64 / 100.0));
        (format!("f{i}"), Arc::new(feature) as ArrayRef)
    }));
    write(&dir.join("features.parquet"), columns)
}

fn keys(rng: &mut SplitMix64) -> Vec<(String, ArrayRef)> {
    let customer = Int64Array::from_iter_values((0..ROWS).map(|_| rng.below(CUSTOMERS) as i64));
    let mut times: Vec<i64> = (0..ROWS).map(|_| rng.below(YEAR) as i64).collect();
    times.sort_unstable();
    let time = TimestampMicrosecondArray::from(times);
    vec![("customer".to_owned(), Arc::new(customer) as ArrayRef), ("time".to_owned(), Arc::new(time))]
}

fn write(path: &Path, columns: Vec<(String, ArrayRef)>) -> Result<()> {
    let batch = RecordBatch::try_from_iter(columns)?;
    let failed = |e| Error::internal("Parquet can't be written").with_source(e);
    let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), None).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.close().map(drop).map_err(failed)
}

async fn join(dir: &Path) -> Result<()> {
    let start = Instant::now();
    let whole = || Scan::all().with_batch_size(ROWS);
    let events = Parquet::at(dir.join("events.parquet")).read_scan(whole()).await?;
    let features = Parquet::at(dir.join("features.parquet")).read_scan(whole()).await?;
    let read = start.elapsed();
    let start = Instant::now();
    let joined = AsOf::latest(&features, "time").by(["customer"]).apply(&events)?;
    let elapsed = start.elapsed();
    let last = joined.column(&format!("f{}", FEATURES - 1))?;
    println!(
        "mlops-data: {} rows, {} columns, {} found, the last feature sums up to {:.2}",
        joined.num_rows(),
        joined.schema().fields().len(),
        last.len() - last.null_count(),
        sum(last.as_primitive::<Float64Type>()).unwrap_or_default()
    );
    println!("read in {read:.2?}, joined in {elapsed:.2?}");
    Ok(())
}
