//! Texts as the dictionaries that a file holds them in.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Encoding;
use parquet::file::metadata::ColumnChunkMetaData;

/// The footer for the reading of one row group, where those of the columns `wanted` come as dictionaries
/// whose every page is one; `None` if there are none.
pub(super) fn of_group(file: &ArrowReaderMetadata, group: usize, wanted: &[usize]) -> Option<ArrowReaderMetadata> {
    let columns = file.metadata().row_group(group).columns();
    // Where a column is made of several, its parts are counted too.
    let flat = columns.len() == file.schema().fields().len();
    let encoded: Vec<usize> = wanted.iter().copied().filter(|place| flat && is_encoded(&columns[*place])).collect();
    if encoded.is_empty() {
        return None;
    }
    let fields = file.schema().fields().iter().enumerate();
    let fields =
        fields.map(|(place, field)| if encoded.contains(&place) { as_dictionary(field) } else { Arc::clone(field) });
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), file.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    // A column that can't be read so is read as texts.
    ArrowReaderMetadata::try_new(Arc::clone(file.metadata()), options).ok()
}

/// Writers that run out of room for a dictionary go on without: such a chunk is read faster as texts.
fn is_encoded(column: &ColumnChunkMetaData) -> bool {
    let by_page = column.page_encoding_stats_mask();
    by_page.is_some_and(|mask| mask.is_only(Encoding::RLE_DICTIONARY) || mask.is_only(Encoding::PLAIN_DICTIONARY))
}

fn as_dictionary(field: &FieldRef) -> FieldRef {
    let data_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Field::clone(field).with_data_type(data_type))
}
