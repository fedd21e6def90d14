//! A Parquet file, read by a scan that comes before its bytes.

use arbitrary::{Result as Taken, Unstructured};
use futures::TryStreamExt;
use mlops::core::{DataSource, Result, Scan, col, lit};
use mlops::data::Parquet;

use super::{answered, block_on};

/// What comes before the bytes of the file.
fn settings(data: &mut Unstructured<'_>) -> Taken<(usize, u8, u8)> {
    Ok((data.arbitrary::<u8>()?.into(), data.arbitrary()?, data.arbitrary()?))
}

pub(super) fn run(data: &[u8]) {
    let mut data = Unstructured::new(data);
    let Ok((batch_size, column, limit)) = settings(&mut data) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data.parquet");
    std::fs::write(&path, data.take_rest()).expect("a small file");
    let source = Parquet::at(path);
    let Some(schema) = answered(block_on(source.schema())) else { return };

    let everything = Scan::all().with_batch_size(batch_size);
    answered(count(&source, everything.clone()));
    if let Some(field) = schema.fields().get(usize::from(column) % schema.fields().len().max(1)) {
        let filter = col(field.name()).gt_eq(lit(i32::from(limit)));
        let few = everything.with_columns([field.name()]).with_filter(filter).with_limit(limit.into());
        answered(count(&source, few)).inspect(|rows| assert!(*rows <= limit.into()));
    }
}

fn count(source: &Parquet, scan: Scan) -> Result<usize> {
    // A file may claim more rows than any reader would wait for: a few thousand batches are enough.
    const BATCHES: usize = 4096;
    block_on(async {
        let mut batches = source.scan(scan).await?;
        let mut rows = 0;
        for _ in 0..BATCHES {
            let Some(batch) = batches.try_next().await? else { break };
            rows += batch.num_rows();
        }
        Ok(rows)
    })
}
