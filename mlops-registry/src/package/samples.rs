use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use mlops_core::{Error, Result};

/// More sample rows than a package is ever written with, and few enough to replay.
const MAX_ROWS: usize = 1 << 16;

/// A batch as an Arrow IPC stream: schema, dictionaries, one batch, end.
pub(super) fn write(batch: &RecordBatch) -> Result<Bytes> {
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref())?;
    writer.write(batch)?;
    writer.finish()?;
    Ok(writer.into_inner()?.into())
}

/// The one batch of an Arrow IPC stream.
///
/// The decoder takes what is there and never allocates by a length that the bytes claim.
pub(super) fn read(bytes: &Bytes) -> Result<RecordBatch> {
    // The decoder of Arrow panics on some bytes that no writer makes.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(bytes)));
    let batch = decoded.unwrap_or_else(|_| Err(Error::corrupt("the bytes are no Arrow IPC stream")))?;
    if batch.num_rows() == 0 || batch.num_rows() > MAX_ROWS {
        return Err(Error::corrupt(format!("{} sample rows: 1 to {MAX_ROWS} are needed", batch.num_rows())));
    }
    Ok(batch)
}

fn decode(bytes: &Bytes) -> Result<RecordBatch> {
    let no_stream = |e: arrow::error::ArrowError| Error::corrupt(format!("no Arrow IPC stream: {e}")).with_source(e);
    let mut decoder = StreamDecoder::new();
    let mut rest = Buffer::from(bytes.clone());
    let batch = decoder.decode(&mut rest).map_err(no_stream)?;
    let batch = batch.ok_or_else(|| Error::corrupt("an Arrow IPC stream without a batch"))?;
    if decoder.decode(&mut rest).map_err(no_stream)?.is_some() {
        return Err(Error::corrupt("an Arrow IPC stream of more than one batch"));
    }
    decoder.finish().map_err(no_stream)?;
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, StringArray};
    use mlops_core::ErrorKind;
    use proptest::prelude::*;

    fn batch() -> RecordBatch {
        let x: ArrayRef = Arc::new(Float64Array::from(vec![1.5, 2.5, 3.5]));
        let name: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("é")]));
        RecordBatch::try_from_iter([("x", x), ("name", name)]).unwrap()
    }

    #[test]
    fn a_batch_comes_back() {
        assert_eq!(read(&write(&batch()).unwrap()).unwrap(), batch());
        let none = write(&batch().slice(0, 0)).unwrap();
        assert_eq!(read(&none).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_cut_or_a_second_batch_is_noticed() {
        let whole = write(&batch()).unwrap();
        for cut in (0..whole.len() - 8).step_by(7) {
            assert_eq!(read(&whole.slice(..cut)).unwrap_err().kind(), ErrorKind::Corrupt, "{cut}");
        }
        let mut writer = StreamWriter::try_new(Vec::new(), batch().schema_ref()).unwrap();
        writer.write(&batch()).unwrap();
        writer.write(&batch()).unwrap();
        let two = writer.into_inner().unwrap();
        assert_eq!(read(&two.into()).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn changed_bytes_never_end_the_program(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = write(&batch()).unwrap().to_vec();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let _ = read(&bytes.into());
        }
    }
}
