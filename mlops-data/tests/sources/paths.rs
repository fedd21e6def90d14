//! Paths, patterns and directories.

use std::fs::{self, File};

use mlops_core::{DataSourceExt, ErrorKind};
use mlops_data::{Csv, Parquet};

use crate::{Dir, assert_error};

#[tokio::test]
async fn what_is_not_there_is_named() {
    let dir = Dir::new();
    let missing = dir.path("nothing.csv");
    assert_error(Csv::at(&missing).read().await, ErrorKind::NotFound, &["nothing.csv", "check the path"]);
    assert_error(Parquet::at(&missing).read().await, ErrorKind::NotFound, &["nothing.csv"]);
    assert_error(Csv::at(dir.path("*.csv")).read().await, ErrorKind::NotFound, &["*.csv", "no file matches"]);
    assert_error(Csv::at("no/such.csv").read().await, ErrorKind::NotFound, &["relative paths start at"]);
}

#[tokio::test]
async fn a_directory_without_files_of_the_format_is_an_error() {
    let dir = Dir::new();
    dir.write("notes.txt", "a\n1\n");
    assert_error(Csv::at(dir.0.path()).read().await, ErrorKind::NotFound, &["nothing to read", ".csv"]);
    assert_error(Parquet::at(dir.0.path()).read().await, ErrorKind::NotFound, &[".parquet"]);
}

#[tokio::test]
async fn a_name_that_looks_like_a_pattern_is_a_name_first() {
    let dir = Dir::new();
    let path = dir.write("a[1].csv", "a\n1\n");
    assert_eq!(Csv::at(path).read().await.unwrap().num_rows(), 1);
    assert_error(Csv::at(dir.path("a[.csv")).read().await, ErrorKind::Config, &["a[.csv", "no pattern"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_may_not_be_read_is_denied() {
    use std::os::unix::fs::PermissionsExt;

    let dir = Dir::new();
    let path = dir.write("secret.csv", "a\n1\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(&path).is_ok() {
        // The superuser may read everything.
        return;
    }
    assert_error(Csv::at(&path).read().await, ErrorKind::Denied, &["secret.csv", "allow this user"]);
}
