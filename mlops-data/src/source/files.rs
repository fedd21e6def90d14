//! Finding and opening files, with errors that say what to do.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use mlops_core::{Error, ErrorKind, Result};

/// The files that `pattern` stands for, in the order of their names: the file of that name, or else
/// all that match it as a glob. Directories that match are left out.
pub(super) fn find(pattern: &Path) -> Result<Vec<PathBuf>> {
    if pattern.as_os_str().is_empty() {
        return Err(Error::config("the path of a source is empty: name a file or a pattern such as 'data/*.csv'"));
    }
    match fs::metadata(pattern) {
        Ok(found) if found.is_dir() => Err(directory(pattern)),
        Ok(_) => Ok(vec![pattern.to_owned()]),
        Err(error) if error.kind() == io::ErrorKind::NotFound => find_glob(pattern),
        Err(error) => Err(cannot_read(pattern, error)),
    }
}

/// Opens a file for reading.
pub(super) fn open(path: &Path) -> Result<File> {
    let file = File::open(path).map_err(|error| cannot_read(path, error))?;
    let metadata = file.metadata().map_err(|error| cannot_read(path, error))?;
    if metadata.is_dir() { Err(directory(path)) } else { Ok(file) }
}

/// What went wrong with reading `path`, and what to do about it.
pub(super) fn cannot_read(path: &Path, error: io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "; it was there before: was it moved while it was read?",
        io::ErrorKind::PermissionDenied => "; allow this user to read it and to enter its directories",
        _ => "",
    };
    let kind = Error::from(io::Error::from(error.kind())).kind();
    Error::new(kind, format!("can't read the file: {error}{remedy}"))
        .with_context("file", path.display())
        .with_source(error)
}

fn find_glob(pattern: &Path) -> Result<Vec<PathBuf>> {
    let Some(text) = pattern.to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return Err(not_found(pattern, "no such file"));
    };
    let matches = glob::glob(text).map_err(|e| {
        Error::config(format!("'{text}' is no pattern of file names: {e}; write [*] for a star itself")).with_source(e)
    })?;
    let mut files = Vec::new();
    for path in matches {
        let path = path.map_err(|error| {
            let place = error.path().to_owned();
            cannot_read(&place, error.into())
        })?;
        if !path.is_dir() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(not_found(pattern, "no file matches"));
    }
    files.sort();
    Ok(files)
}

fn not_found(pattern: &Path, what: &str) -> Error {
    let place = match std::env::current_dir() {
        Ok(directory) if pattern.is_relative() => format!(" (relative paths start at {})", directory.display()),
        _ => String::new(),
    };
    Error::not_found(format!("{what}: '{}'{place}: check the path", pattern.display()))
}

fn directory(path: &Path) -> Error {
    let path = path.display();
    Error::new(ErrorKind::Config, format!("'{path}' is a directory: name its files, such as '{path}/*.csv'"))
}
