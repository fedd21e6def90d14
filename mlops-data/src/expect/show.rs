//! Values as text, for examples in reports.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use mlops_core::Result;

/// The value at `row`, cut after 60 characters.
pub(super) fn show(column: &ArrayRef, row: usize) -> Result<String> {
    const SHOWN: usize = 60;
    let column = without_named_zone(column.slice(row, 1))?;
    let options = FormatOptions::default().with_null("null");
    let text = ArrayFormatter::try_new(&column, &options)?.value(0).try_to_string()?;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Ok(format!("{}…", &text[..end])),
        None => Ok(text),
    }
}

/// Arrow shows times of named zones only with a database of zones, which this build leaves out:
/// they are shown in UTC.
fn without_named_zone(column: ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Timestamp(unit, Some(zone)) if !zone.starts_with(['+', '-']) => {
            Ok(cast(&column, &DataType::Timestamp(*unit, Some(Arc::from("+00:00"))))?)
        }
        _ => Ok(column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{StringArray, TimestampMicrosecondArray};

    #[test]
    fn shows_nulls_long_texts_and_instants() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![None, Some("ü".repeat(70).as_str())]));
        assert_eq!(show(&texts, 0).unwrap(), "null");
        assert_eq!(show(&texts, 1).unwrap(), format!("{}…", "ü".repeat(60)));
        let utc: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"));
        assert_eq!(show(&utc, 0).unwrap(), "1970-01-01T00:00:00Z");
    }
}
