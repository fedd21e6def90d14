//! What a Parquet file says of itself, once it is known not to lie about lengths.

use mlops_core::{Error, Result};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::guarded;
use super::thrift::walk;
use crate::source::found::Found;

/// Bytes at the end of a file that are read first: most footers are shorter.
const TAIL: u64 = 64 << 10;

/// Reads the footer of a file.
///
/// # Errors
/// `Corrupt` if it is torn, or if it points outside of the file.
pub(super) fn read(file: &Found) -> Result<ArrowReaderMetadata> {
    let length = file.length()?;
    if length < 12 {
        return Err(not_whole(file, &format!("it has {length} bytes, too few for a footer")));
    }
    let tail = file.range(length.saturating_sub(TAIL)..length)?;
    let (before, end) = tail.split_at(tail.len() - 8);
    match &end[4..] {
        b"PAR1" => {}
        b"PARE" => {
            return Err(Error::unsupported("the footer is encrypted, which is not read here: decrypt the file first")
                .with_context("file", &file.name));
        }
        _ => return Err(not_whole(file, "it does not end with PAR1")),
    }
    let size = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    if size > length - 12 {
        return Err(not_whole(file, &format!("its footer says to have {size} bytes, the file has {length}")));
    }
    let start = length - 8 - size;
    let footer = match before.len().checked_sub(size as usize) {
        Some(begin) => tail.slice(begin..before.len()),
        None => file.range(start..length - 8)?,
    };
    if walk(&footer, []).is_err() {
        return Err(not_whole(file, "its footer is torn, or contradicts itself"));
    }
    guarded(&file.name, || {
        let metadata = ParquetMetaDataReader::decode_metadata(&footer)?;
        ArrowReaderMetadata::try_new(metadata.into(), ArrowReaderOptions::new())
    })
    .and_then(|metadata| check(metadata.metadata(), start).map_err(|why| not_whole(file, &why)).map(|()| metadata))
}

/// Whether all that the footer points to lies before it.
fn check(metadata: &ParquetMetaData, end: u64) -> Result<(), String> {
    for (group, row_group) in metadata.row_groups().iter().enumerate() {
        if row_group.num_rows() < 0 {
            return Err(format!("row group {group} says to have {} rows", row_group.num_rows()));
        }
        for column in row_group.columns() {
            let data = column.data_page_offset();
            let start = column.dictionary_page_offset().map_or(data, |dictionary| dictionary.min(data));
            let range = u64::try_from(start).ok().zip(u64::try_from(column.compressed_size()).ok());
            let stop = range.and_then(|(start, size)| start.checked_add(size));
            if stop.is_none_or(|stop| stop > end) || column.num_values() < 0 {
                return Err(format!(
                    "column '{}' of row group {group} says to have {} bytes at {start}, where the file has none",
                    column.column_path(),
                    column.compressed_size()
                ));
            }
        }
    }
    Ok(())
}

pub(super) fn not_whole(file: &Found, why: &str) -> Error {
    Error::corrupt(format!("not a whole Parquet file: {why}; write it again, or restore it from a copy"))
        .with_context("file", &file.name)
}
