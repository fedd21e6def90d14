//! A CSV file, read by settings that come before its bytes.

use arbitrary::{Result as Taken, Unstructured};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, TimeUnit};
use futures::TryStreamExt;
use mlops::core::{DataSource, Result, Scan};
use mlops::data::Csv;

use super::{answered, block_on};

/// What comes before the bytes of the file.
struct Settings {
    delimiter: char,
    header: bool,
    nulls: &'static [&'static str],
    batch_size: usize,
    declared: u8,
}

fn settings(data: &mut Unstructured<'_>) -> Taken<Settings> {
    const DELIMITERS: [char; 6] = [',', ';', '\t', '|', ' ', '.'];
    const NULLS: [&[&str]; 5] = [&[""], &["NA", ""], &[], &["-", "null"], &[" ", "\"\""]];
    let (dialect, nulls, batch_size, declared): (u8, u8, u8, u8) =
        (data.arbitrary()?, data.arbitrary()?, data.arbitrary()?, data.arbitrary()?);
    let delimiter = match usize::from(dialect >> 1) {
        i if i < DELIMITERS.len() => DELIMITERS[i],
        other => char::from(other as u8),
    };
    let nulls = NULLS[usize::from(nulls) % NULLS.len()];
    Ok(Settings { delimiter, header: dialect & 1 == 0, nulls, batch_size: batch_size.into(), declared })
}

pub(super) fn run(data: &[u8]) {
    let mut data = Unstructured::new(data);
    let Ok(settings) = settings(&mut data) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data.csv");
    std::fs::write(&path, data.take_rest()).expect("a small file");
    let csv = Csv::at(path)
        .with_delimiter(settings.delimiter)
        .with_header(settings.header)
        .with_nulls(settings.nulls.iter().copied());
    let Some(schema) = answered(block_on(csv.schema())) else { return };

    let inferred = read(&csv, 8192);
    // Types were inferred of every value, so there is none that they can't hold.
    let whole = inferred.unwrap_or_else(|e| panic!("{schema:?} was inferred, but {e:?}"));
    let pieces = read(&csv, settings.batch_size).expect("the same rows in other batches");
    assert_eq!(whole, pieces, "batches of {} rows", settings.batch_size);

    if settings.declared > 0 {
        let declared =
            schema.fields().iter().enumerate().fold(csv, |csv, (i, field)| {
                csv.with_type(field.name(), data_type(usize::from(settings.declared) + i))
            });
        if let Some(read) = answered(read(&declared, settings.batch_size)) {
            assert_eq!(read.num_rows(), whole.num_rows());
        }
    }
}

fn read(csv: &Csv, batch_size: usize) -> Result<RecordBatch> {
    block_on(async {
        let schema = csv.schema().await?;
        let batches: Vec<_> = csv.scan(Scan::all().with_batch_size(batch_size)).await?.try_collect().await?;
        assert!(batches.iter().all(|batch| batch.num_rows() <= batch_size.max(1)), "a batch is too long");
        Ok(concat_batches(&schema, &batches)?)
    })
}

fn data_type(i: usize) -> DataType {
    use DataType as D;
    let types = [
        D::Utf8,
        D::Int64,
        D::Float64,
        D::Boolean,
        D::Date32,
        D::Timestamp(TimeUnit::Microsecond, None),
        D::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        D::Int8,
        D::UInt32,
        D::UInt64,
        D::Float32,
        D::Date64,
        D::Time64(TimeUnit::Microsecond),
        D::Decimal128(10, 2),
        D::LargeUtf8,
        D::Timestamp(TimeUnit::Second, Some("+02:00".into())),
    ];
    types[i % types.len()].clone()
}
