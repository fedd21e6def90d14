//! Makes the data that the benches are about: 5 million rows of 20 mixed columns, as Parquet and CSV.
//!
//! ```text
//! cargo run --release -p mlops-data --all-features --example generate -- DIR [ROWS]
//! ```
//!
//! The same number of rows gives the same files. Rows are made in chunks, so memory doesn't grow
//! with their number; a file gets its name once it is whole.

use std::error::Error;
use std::fs::{File, create_dir_all, rename};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::SchemaRef;
use mlops_core::random::SplitMix64;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SEED: u64 = 42;
const ROWS: usize = 5_000_000;
const CHUNK: usize = 1 << 14;
const ROW_GROUP: usize = 1 << 17;
/// 2023-01-01, in days and in microseconds since 1970.
const START_DAY: i32 = 19_358;
const START: i64 = START_DAY as i64 * 86_400_000_000;
const TWO_YEARS: i64 = 2 * 365 * 86_400_000_000;

const COUNTRIES: [&str; 24] = [
    "US", "DE", "GB", "FR", "IN", "BR", "JP", "CA", "IT", "ES", "PL", "NL", "AU", "MX", "SE", "UA", "CH", "AT", "NO",
    "DK", "FI", "PT", "CZ", "IE",
];
const WORDS: [&str; 40] = [
    "the", "order", "arrived", "late", "but", "customer", "was", "happy", "with", "quality", "of", "item", "and",
    "asked", "for", "refund", "because", "parcel", "had", "been", "damaged", "on", "its", "way", "please", "call",
    "back", "tomorrow", "good", "service", "slow", "delivery", "box", "open", "returned", "to", "shop", "again",
    "size", "wrong",
];

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: generate DIR [ROWS]")?;
    let rows = arguments.next().map_or(Ok(ROWS), |rows| rows.parse())?;
    create_dir_all(&dir)?;
    let (mut parquet, mut csv) = (ParquetFile::create(&dir)?, CsvFile::create(&dir)?);
    for start in (0..rows).step_by(CHUNK) {
        let batch = chunk(start, CHUNK.min(rows - start))?;
        let (left, right) = rayon::join(|| parquet.write(&batch), || csv.write(&batch));
        left.and(right)?;
    }
    parquet.finish()?;
    csv.finish()
}

/// The rows from `start` on. Every chunk draws from a sequence of its own.
fn chunk(start: usize, rows: usize) -> Outcome<RecordBatch> {
    let rng = &mut SplitMix64::stream(SEED, (start / CHUNK) as u64);
    let each =
        |rng: &mut SplitMix64, draw: fn(&mut SplitMix64) -> f64| -> Vec<f64> { (0..rows).map(|_| draw(rng)).collect() };
    let (score, clicks) = (each(rng, normal), each(rng, |rng| (-4.0 * (1.0 - rng.uniform()).ln()).floor()));
    let users: Vec<u64> = (0..rows).map(|_| skewed(rng, 2_000_000)).collect();
    let target = score.iter().zip(&clicks).map(|(score, clicks)| {
        let chance = 1.0 / (1.0 + (2.2 - score - 0.15 * clicks).exp());
        i32::from(rng.uniform() < chance)
    });
    let target = Int32Array::from_iter_values(target);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values((start..start + rows).map(|row| row as i64 + 1)))),
        ("age", ints(rng, rows, 0.05, |rng| (42.0 + 15.0 * normal(rng)).clamp(18.0, 95.0) as i32)),
        ("quantity", ints(rng, rows, 0.0, |rng| 1 + skewed(rng, 20) as i32)),
        ("clicks", Arc::new(Int32Array::from_iter_values(clicks.iter().map(|clicks| *clicks as i32)))),
        ("price", floats(rng, rows, 0.02, |rng| cents(4.99 + 495.0 * rng.uniform() * rng.uniform()))),
        ("amount", floats(rng, rows, 0.0, |rng| cents((3.5 + 1.2 * normal(rng)).exp()))),
        ("discount", floats(rng, rows, 0.0, |rng| if rng.uniform() < 0.6 { 0.0 } else { cents(0.5 * rng.uniform()) })),
        ("rating", floats(rng, rows, 0.3, |rng| 1.0 + 0.5 * rng.below(9) as f64)),
        ("score", gappy(rng, &score)),
        ("ratio", floats(rng, rows, 0.0, SplitMix64::uniform)),
        ("is_member", bools(rng, rows, 0.0, 0.35)),
        ("is_mobile", bools(rng, rows, 0.08, 0.6)),
        ("country", texts(rng, rows, 0.01, |rng| COUNTRIES[skewed(rng, 24) as usize].to_owned())),
        ("city", texts(rng, rows, 0.03, |rng| city(skewed(rng, 1000)))),
        ("sku", texts(rng, rows, 0.0, |rng| format!("SKU-{:05}", skewed(rng, 50_000)))),
        ("email", Arc::new(StringArray::from_iter(users.iter().map(|user| email(rng, *user))))),
        (
            "birth_date",
            Arc::new(Date32Array::from_iter_values((0..rows).map(|_| START_DAY - 6_570 - rng.below(28_000) as i32))),
        ),
        ("created_at", created(rng, start, rows)),
        ("note", texts(rng, rows, 0.2, note)),
        ("target", Arc::new(target)),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))?)
}

/// Sum of twelve uniform numbers: nearly normal, and the same bits everywhere.
fn normal(rng: &mut SplitMix64) -> f64 {
    (0..12).map(|_| rng.uniform()).sum::<f64>() - 6.0
}

/// A number below `bound`; the small ones are the frequent ones.
fn skewed(rng: &mut SplitMix64, bound: u64) -> u64 {
    (rng.uniform() * rng.uniform() * bound as f64) as u64
}

fn cents(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

fn some<T>(
    rng: &mut SplitMix64,
    rows: usize,
    nulls: f64,
    draw: impl Fn(&mut SplitMix64) -> T,
) -> impl Iterator<Item = Option<T>> {
    (0..rows).map(move |_| (rng.uniform() >= nulls).then(|| draw(rng)))
}

fn ints(rng: &mut SplitMix64, rows: usize, nulls: f64, draw: impl Fn(&mut SplitMix64) -> i32) -> ArrayRef {
    Arc::new(some(rng, rows, nulls, draw).collect::<Int32Array>())
}

fn floats(rng: &mut SplitMix64, rows: usize, nulls: f64, draw: impl Fn(&mut SplitMix64) -> f64) -> ArrayRef {
    Arc::new(some(rng, rows, nulls, draw).collect::<Float64Array>())
}

fn bools(rng: &mut SplitMix64, rows: usize, nulls: f64, share: f64) -> ArrayRef {
    Arc::new(some(rng, rows, nulls, |rng| rng.uniform() < share).collect::<BooleanArray>())
}

fn texts(rng: &mut SplitMix64, rows: usize, nulls: f64, draw: impl Fn(&mut SplitMix64) -> String) -> ArrayRef {
    Arc::new(some(rng, rows, nulls, draw).collect::<StringArray>())
}

/// With 4 % nulls and 1 % NaN.
fn gappy(rng: &mut SplitMix64, values: &[f64]) -> ArrayRef {
    let gap = |value: &f64| match rng.below(100) {
        0..4 => None,
        4 => Some(f64::NAN),
        _ => Some(*value),
    };
    Arc::new(values.iter().map(gap).collect::<Float64Array>())
}

fn city(index: u64) -> String {
    const ENDS: [&str; 10] = ["ville", " Springs", "burg", "ton", "stadt", "ford", " Falls", "field", "haven", "münde"];
    const STEMS: [&str; 20] = [
        "Alder", "Birch", "Cedar", "Dorn", "Elm", "Fern", "Grün", "Hazel", "Iver", "Juniper", "Kirsch", "Laurel",
        "Maple", "Nord", "Oak", "Pine", "Quill", "Rowan", "Stein", "Thorn",
    ];
    let (stem, rest) = (STEMS[(index % 20) as usize], index / 20);
    let part = ["", "New ", "Old ", "East ", "West "][(rest / 10 % 5) as usize];
    format!("{part}{stem}{}", ENDS[(rest % 10) as usize])
}

/// 1 % are missing and 1 % have no `@`.
fn email(rng: &mut SplitMix64, user: u64) -> Option<String> {
    let domain = ["example.com", "mail.example.org", "example.net"][(user % 3) as usize];
    match rng.below(100) {
        0 => None,
        1 => Some(format!("user{user}.{domain}")),
        _ => Some(format!("user{user}@{domain}")),
    }
}

/// Moments of two years in about the order of the rows.
fn created(rng: &mut SplitMix64, start: usize, rows: usize) -> ArrayRef {
    let moment = |row: usize| {
        let share = ((start + row) as f64 / ROWS as f64).fract();
        START + (share * TWO_YEARS as f64) as i64 + rng.below(3_600_000_000) as i64 / 1000 * 1000
    };
    Arc::new(TimestampMicrosecondArray::from_iter_values((0..rows).map(moment)).with_timezone("+00:00"))
}

fn note(rng: &mut SplitMix64) -> String {
    let words: Vec<&str> = (0..3 + rng.below(12)).map(|_| WORDS[rng.below(WORDS.len() as u64) as usize]).collect();
    words.join(" ")
}

fn schema() -> Outcome<SchemaRef> {
    Ok(chunk(0, 1)?.schema())
}

/// A file that has another name until it is whole.
struct Pending {
    part: PathBuf,
    path: PathBuf,
}

impl Pending {
    fn create(dir: &str, name: &str) -> Outcome<(Self, File)> {
        let path = Path::new(dir).join(name);
        let part = path.with_added_extension("part");
        let file = File::create(&part)?;
        Ok((Self { part, path }, file))
    }

    fn publish(self) -> Outcome<()> {
        Ok(rename(self.part, self.path)?)
    }
}

struct ParquetFile {
    name: Pending,
    writer: ArrowWriter<File>,
}

impl ParquetFile {
    fn create(dir: &str) -> Outcome<Self> {
        let (name, file) = Pending::create(dir, "data.parquet")?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        Ok(Self { name, writer: ArrowWriter::try_new(file, schema()?, Some(properties))? })
    }

    fn write(&mut self, batch: &RecordBatch) -> Outcome<()> {
        Ok(self.writer.write(batch)?)
    }

    fn finish(self) -> Outcome<()> {
        self.writer.close()?;
        self.name.publish()
    }
}

struct CsvFile {
    name: Pending,
    writer: arrow_csv::Writer<BufWriter<File>>,
}

impl CsvFile {
    fn create(dir: &str) -> Outcome<Self> {
        let (name, file) = Pending::create(dir, "data.csv")?;
        Ok(Self { name, writer: arrow_csv::Writer::new(BufWriter::with_capacity(1 << 20, file)) })
    }

    fn write(&mut self, batch: &RecordBatch) -> Outcome<()> {
        Ok(self.writer.write(batch)?)
    }

    fn finish(self) -> Outcome<()> {
        self.writer.into_inner().into_inner().map_err(|error| error.into_error())?.sync_all()?;
        self.name.publish()
    }
}
