//! The background rows as an Arrow IPC file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::FileWriter;
use bytes::Bytes;
use mlops_core::{Error, Result};

/// More rows than anybody can wait for.
const MOST_ROWS: usize = 1 << 20;
const MAGIC: &[u8] = b"ARROW1";
/// What a message begins with.
const CONTINUATION: u8 = 0xff;

pub(super) fn write(rows: &RecordBatch) -> Result<Vec<u8>> {
    let mut writer = FileWriter::try_new(Vec::new(), rows.schema_ref())?;
    writer.write(rows)?;
    writer.finish()?;
    Ok(writer.into_inner()?)
}

/// All rows of the file.
///
/// A file is a stream with a head and a footer. It is read as the stream: that takes the bytes that are
/// there, where Arrow's reader of files allocates as many as the footer claims.
pub(super) fn read(bytes: &Bytes) -> Result<RecordBatch> {
    let stream = stream_of(bytes).ok_or_else(|| Error::corrupt("the background rows are not an Arrow file"))?;
    // The decoder of Arrow panics on some bytes that no writer makes.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(stream)));
    let decoded = decoded.map_err(|_| Error::corrupt("the background rows contradict their schema"))?;
    let rows = decoded
        .map_err(|e| Error::corrupt(format!("the background rows are not an Arrow file: {e}")).with_source(e))?;
    // Columns of nothing but nulls have no bytes that limit their length.
    if rows.num_rows() > MOST_ROWS {
        return Err(Error::corrupt(format!("{} background rows: at most {MOST_ROWS} are read", rows.num_rows())));
    }
    Ok(rows)
}

fn stream_of(bytes: &Bytes) -> Option<Bytes> {
    let rest = bytes.strip_suffix(MAGIC)?;
    let (rest, footer) = rest.split_last_chunk::<4>()?;
    let end = rest.len().checked_sub(usize::try_from(i32::from_le_bytes(*footer)).ok()?)?;
    // Zeros fill the head up to the alignment that the writer chose.
    let start = MAGIC.len() + bytes.strip_prefix(MAGIC)?.iter().position(|byte| *byte == CONTINUATION)?;
    (start <= end).then(|| bytes.slice(start..end))
}

fn decode(stream: Bytes) -> Result<RecordBatch, ArrowError> {
    let mut decoder = StreamDecoder::new();
    let mut rest = Buffer::from(stream);
    let mut batches = Vec::new();
    while let Some(batch) = decoder.decode(&mut rest)? {
        batches.push(batch);
    }
    decoder.finish()?;
    let schema = batches.first().map(RecordBatch::schema);
    let schema = schema.ok_or_else(|| ArrowError::IpcError("no batch".to_owned()))?;
    concat_batches(&schema, &batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::record_batch;
    use mlops_core::ErrorKind;

    fn rows() -> RecordBatch {
        record_batch!(("km", Float64, [Some(1.5), None]), ("zone", Utf8, ["a", "é"])).unwrap()
    }

    #[test]
    fn rows_come_back() {
        assert_eq!(read(&write(&rows()).unwrap().into()).unwrap(), rows());
        let none = rows().slice(0, 0);
        assert_eq!(read(&write(&none).unwrap().into()).unwrap(), none);
    }

    #[test]
    fn no_cut_and_no_changed_byte_panics_or_asks_for_what_is_not_there() {
        let file = write(&rows()).unwrap();
        for end in 0..file.len() {
            assert_eq!(read(&file[..end].to_vec().into()).unwrap_err().kind(), ErrorKind::Corrupt, "{end}");
        }
        for at in 0..file.len() {
            for byte in [0, 0x7f, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[at] = byte;
                if let Err(error) = read(&changed.into()) {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{at}: {error:?}");
                }
            }
        }
    }
}
