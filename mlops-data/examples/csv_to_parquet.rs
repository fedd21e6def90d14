//! Turns a CSV file into a Parquet file, its types inferred from every row.
//!
//! `cargo run --release -p mlops-data --example csv_to_parquet -- trips.csv trips.parquet`
//!
//! `benches/peers/csv_to_parquet.sh` measures it beside another program.

use std::io::Write;
use std::time::Instant;

use mlops_core::{Error, Result, Scan};
use mlops_data::{Csv, ParquetSink, SinkExt};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err(Error::config("name a CSV file and a Parquet file"));
    };
    let start = Instant::now();
    let csv = Csv::at(&from);
    let written = ParquetSink::at(&to).with_overwrite(true).write_scan(&csv, Scan::all()).await?;
    let seconds = start.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{} rows, {} bytes, {seconds:.2} s", written.rows, written.bytes.unwrap_or(0))?;
    Ok(())
}
