//! Files as they should be, and every way in which they are not.
#![cfg(all(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]

mod csv;
mod parquet_files;
mod paths;
mod places;
mod streams;

use std::fs::{self, File};
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use mlops_core::{Error, ErrorKind, Table};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn parquet(&self, name: &str, batch: &RecordBatch) -> PathBuf {
        let path = self.path(name);
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        path
    }
}

/// The error must be of `kind` and say all of `says`.
#[track_caller]
fn assert_error(result: Result<Table, Error>, kind: ErrorKind, says: &[&str]) {
    let error = result.map(|table| table.num_rows()).expect_err("bad input was read");
    assert_eq!(error.kind(), kind, "{error:?}");
    for text in says {
        assert!(error.to_string().contains(text), "'{text}' is not in: {error}");
    }
}

fn types(table: &Table) -> Vec<DataType> {
    table.schema().fields().iter().map(|field| field.data_type().clone()).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}
