//! What `benches/peers` measures of this crate, each as a process of its own.
//!
//! ```text
//! cargo run --release -p mlops-data --all-features --example peer -- decode|profile|merge FILE [COLUMN]...
//! ```
//!
//! `decode` reads every batch of a Parquet file and drops it: the floor that the others are held
//! against. `merge` stores the profiles of every 5,000 rows, of the columns that are named or all, and times their
//! merging. `RAYON_NUM_THREADS` bounds the threads that compute.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::time::Instant;

use futures::TryStreamExt;
use mlops_core::{Accumulator, DataSource, DataSourceExt, Error, Result, Scan};
use mlops_data::profile::ProfileStore;
use mlops_data::{Parquet, Profile};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, path, columns @ ..] = arguments.as_slice() else {
        return Err(Error::config("usage: peer decode|profile|merge FILE [COLUMN]..."));
    };
    let source = Parquet::at(path);
    let scan = if columns.is_empty() { Scan::all() } else { Scan::all().with_columns(columns) };
    match work.as_str() {
        "decode" => {
            let batches = source.scan(scan).await?;
            let rows = batches.try_fold(0, |rows, batch| async move { Ok(rows + batch.num_rows()) }).await?;
            println!("{rows} rows");
        }
        "merge" => merge(&source, scan).await?,
        "profile" => print!("{}", Profile::of_source(&source, scan).await?),
        other => return Err(Error::config(format!("'{other}' is neither decode, merge nor profile"))),
    }
    Ok(())
}

async fn merge(source: &Parquet, scan: Scan) -> Result<()> {
    let table = source.read_scan(scan).await?.rebatch(5_000)?;
    let directory = tempfile::tempdir()?;
    let store = ProfileStore::at(directory.path());
    let mut profiles = Vec::new();
    for (i, batch) in table.batches().iter().enumerate() {
        let mut profile = Profile::empty(table.schema(), &mlops_data::ProfileOptions::default())?;
        profile.update(batch)?;
        store.append(&format!("{i:06}"), &profile)?;
        profiles.push(profile);
    }
    let start = Instant::now();
    let merged = store.merged(..)?.map_or(0, |profile| profile.rows());
    let stored = start.elapsed();
    let start = Instant::now();
    let (parts, mut profiles) = (profiles.len(), profiles.into_iter());
    if let Some(mut all) = profiles.next() {
        profiles.try_for_each(|profile| all.merge(profile))?;
    }
    let width = table.schema().fields().len();
    println!(
        "{parts} profiles of {width} columns, {merged} rows: {stored:.1?} from disk, {:.1?} in memory",
        start.elapsed()
    );
    Ok(())
}
