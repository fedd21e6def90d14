//! Columns that the names of directories hold.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::compute::kernels::cast_utils::Parser;
use arrow::datatypes::{DataType, Date32Type, Field, FieldRef, Fields, Int64Type, Schema};
use mlops_core::{Error, Expr, Result};

use super::found::Found;
use super::pushdown::conditions;

/// What Hive and those who follow it write for null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The columns of the `key=value` directories, with a row for each file.
#[derive(Debug)]
pub(super) struct Partitions {
    fields: Fields,
    columns: Vec<ArrayRef>,
    files: usize,
}

impl Partitions {
    /// # Errors
    /// If the files do not have the same keys in the same order.
    pub(super) fn of(files: &[Found]) -> Result<Self> {
        let keys: Vec<&str> = files[0].partitions.iter().map(|(key, _)| key.as_str()).collect();
        super::files::refuse_twins(keys.iter().copied())?;
        for file in files {
            if !file.partitions.iter().map(|(key, _)| key.as_str()).eq(keys.iter().copied()) {
                let given: Vec<&str> = file.partitions.iter().map(|(key, _)| key.as_str()).collect();
                return Err(Error::schema(format!(
                    "the directories above it are called by [{}], those of the file '{}' by [{}]: read files of \
                     different partitions as sources of their own",
                    given.join(", "),
                    files[0].name,
                    keys.join(", ")
                ))
                .with_context("file", &file.name));
            }
        }
        let columns = (0..keys.len()).map(|key| typed(files.iter().map(|file| file.partitions[key].1.as_str())));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let field = |(key, column): (&&str, &ArrayRef)| Field::new(*key, column.data_type().clone(), true);
        let fields = keys.iter().zip(&columns).map(field).collect();
        Ok(Self { fields, columns, files: files.len() })
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        self.fields.iter()
    }

    /// The values of a column by file.
    pub(super) fn column(&self, place: usize) -> &ArrayRef {
        &self.columns[place]
    }

    /// Which files may have a row for which `filter` is true.
    pub(super) fn kept_by(&self, filter: &Expr) -> Result<Vec<bool>> {
        let mut kept = vec![true; self.files];
        let options = RecordBatchOptions::new().with_row_count(Some(self.files));
        let schema = Arc::new(Schema::new(self.fields.clone()));
        let values = RecordBatch::try_new_with_options(schema, self.columns.clone(), &options)?;
        for condition in conditions(filter) {
            if condition.columns().iter().all(|name| values.schema_ref().index_of(name).is_ok()) {
                let mask = condition.evaluate_mask(&values)?;
                kept.iter_mut().zip(&mask).for_each(|(kept, passed)| *kept &= passed == Some(true));
            }
        }
        Ok(kept)
    }
}

/// The values in the narrowest type that holds all of them. A number that would be written
/// otherwise, such as `007`, is text.
fn typed<'a>(values: impl Iterator<Item = &'a str> + Clone) -> Result<ArrayRef> {
    let texts: StringArray = values.map(|value| (value != NULL).then_some(value)).collect();
    let all = |fits: fn(&str) -> bool| texts.null_count() < texts.len() && texts.iter().flatten().all(fits);
    let data_type = if all(|text| Int64Type::parse(text).is_some_and(|number| number.to_string() == text)) {
        DataType::Int64
    } else if all(|text| text.len() == 10 && Date32Type::parse(text).is_some()) {
        DataType::Date32
    } else {
        return Ok(Arc::new(texts));
    };
    Ok(cast(&texts, &data_type)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_get_the_narrowest_type() {
        let of = |values: &[&str]| typed(values.iter().copied()).unwrap().data_type().clone();
        assert_eq!(of(&["1", "-20", NULL]), DataType::Int64);
        assert_eq!(of(&["1", "007"]), DataType::Utf8);
        assert_eq!(of(&["2013-01-01", "2016-02-29"]), DataType::Date32);
        assert_eq!(of(&["2013-01-01", "2013-02-29"]), DataType::Utf8);
        assert_eq!(of(&[NULL]), DataType::Utf8);
    }
}
