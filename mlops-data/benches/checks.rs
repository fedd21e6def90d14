//! What 32 checks cost on top of reading: CPU seconds, wall seconds and peak memory, in one process a
//! mode, so that its peak is its own.
//!
//! ```text
//! MLOPS_BENCH_DATA=data.parquet cargo bench -p mlops-data --all-features --bench checks -- decode|checks|split|suite
//! ```
//!
//! The data are 5 million rows of 20 columns. `decode` reads every column by the Parquet crate alone on
//! one thread, `checks` finds out what fails, `split` sets the rows aside as well, `suite` writes the
//! suite and the sets of it as files. The peer is `peers/checks_polars.py`.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::fs::{self, File};
use std::time::Instant;

use arrow::array::AsArray;
use mlops_core::{DataSourceExt, Scan};
use mlops_data::expect::Period;
use mlops_data::{Column, Expectations, Parquet};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// User and system CPU seconds of this process.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    // Linux counts in hundredths of a second.
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// 12 ranges, 14 checks for null, 3 sets, 2 patterns, and one of uniqueness.
fn suite(countries: Vec<String>, cities: Vec<String>) -> Expectations {
    Expectations::new([
        Column::integer("id").within(1.0..=5e6).never_null().unique(),
        Column::integer("age").within(18.0..=95.0).never_null(),
        Column::integer("quantity").within(1.0..=20.0).never_null().one_of(1i64..=20),
        Column::integer("clicks").within(0.0..=60.0).never_null(),
        Column::number("price").within(0.0..=10_000.0).never_null(),
        Column::number("amount").within(0.0..=200_000.0).never_null(),
        Column::number("discount").within(0.0..=1.0).never_null(),
        Column::number("rating").within(0.0..=5.0).never_null(),
        Column::number("score").within(-6.0..=6.0).never_null(),
        Column::number("ratio").within(0.0..=1.0),
        Column::text("country").never_null().one_of(countries),
        Column::text("city").one_of(cities),
        Column::text("sku").never_null().matches("^[A-Z]+-[0-9]+$"),
        Column::text("email").never_null().matches(r"^[^@\s]+@[^@\s]+\.[a-z]+$"),
        Column::timestamp("birth_date").during(Period::from("1928-01-01").until("2006-01-01")),
        Column::timestamp("created_at").never_null(),
        Column::integer("target").within(0.0..=1.0).never_null(),
    ])
}

/// All different texts of a column.
fn texts(source: &Parquet, name: &str) -> Vec<String> {
    let table = block_on_runtime(source.read_scan(Scan::all().with_columns([name])));
    let mut texts = std::collections::BTreeSet::new();
    for batch in table.batches() {
        texts.extend(batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    texts.into_iter().collect()
}

fn block_on_runtime<T>(work: impl Future<Output = mlops_core::Result<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("threads");
    runtime.block_on(work).expect("data as described")
}

fn main() {
    let Ok(path) = std::env::var("MLOPS_BENCH_DATA") else {
        println!("skipped: MLOPS_BENCH_DATA names no Parquet file of 5 million rows");
        return;
    };
    let mode = std::env::args().nth(1).filter(|mode| !mode.starts_with("--")).unwrap_or_else(|| "checks".to_owned());
    let source = Parquet::at(&path);
    let file = format!("{path}.suite.toml");
    if mode == "suite" {
        let (countries, cities) = (texts(&source, "country"), texts(&source, "city"));
        let sets = serde_json::json!({ "countries": countries, "cities": cities });
        fs::write(format!("{path}.sets.json"), sets.to_string()).expect("a writable directory");
        suite(countries, cities).to_file(&file).expect("a writable directory");
        return;
    }
    let suite = Expectations::from_file(&file).expect("a suite that `suite` wrote");
    let (before, begun) = (cpu(), Instant::now());
    let found = match mode.as_str() {
        "decode" => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).expect("a file")).expect("Parquet");
            let batches = reader.with_batch_size(8_192).build().expect("Parquet");
            format!("{} rows", batches.map(|batch| batch.expect("Parquet").num_rows()).sum::<usize>())
        }
        "split" => block_on_runtime(suite.split_source(&source, |screened| {
            std::hint::black_box(screened);
            Ok(())
        }))
        .to_string(),
        _ => block_on_runtime(suite.check_source(&source)).to_string(),
    };
    println!("{found}");
    println!("{mode}: {:.2} CPU s, {:.2} s, {} MiB", cpu() - before, begun.elapsed().as_secs_f64(), peak_mib());
}
