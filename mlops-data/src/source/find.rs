//! The files that a place stands for.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use glob::Pattern;
use mlops_core::{Error, Result};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;

use super::found::{At, Found, cannot_read, store_error};
use super::place::{Place, Site};

/// The files that `place` stands for, in the order of their names: the file of that name, the files
/// in the directory of that name that have one of `endings`, or all that match it as a pattern.
/// Blocks.
pub(super) fn find(place: &Place, endings: &[&str]) -> Result<Vec<Found>> {
    match place.site()? {
        Site::Local(path) => find_local(&path, endings),
        Site::Stored(store, path) => Bucket { store, runtime: runtime()? }.find(&path, endings),
    }
}

fn runtime() -> Result<Handle> {
    Handle::try_current().map_err(|e| Error::internal("files are looked for outside of a runtime").with_source(e))
}

fn find_local(pattern: &Path, endings: &[&str]) -> Result<Vec<Found>> {
    let paths = match fs::metadata(pattern) {
        Ok(found) if found.is_dir() => {
            let mut files = Vec::new();
            walk(pattern, endings, &mut files)?;
            if files.is_empty() {
                return Err(no_file_in(&pattern.display().to_string(), endings));
            }
            files
        }
        Ok(_) => vec![pattern.to_owned()],
        Err(error) if error.kind() == io::ErrorKind::NotFound => find_glob(pattern)?,
        Err(error) => return Err(cannot_read(&pattern.display().to_string(), error)),
    };
    let fixed = fixed_parts(parts_of(pattern));
    let mut paths = paths;
    paths.sort();
    Ok(paths.into_iter().map(|path| local(path, fixed)).collect())
}

fn local(path: PathBuf, fixed: usize) -> Found {
    let partitions = partitions(parts_of(path.parent().unwrap_or_else(|| Path::new(""))).skip(fixed));
    Found { name: path.display().to_string(), partitions, at: At::Local(path) }
}

/// The parts of a path, but for `.`, which a glob leaves out of what it finds.
fn parts_of(path: &Path) -> impl Iterator<Item = String> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_string_lossy().into_owned())
}

fn walk(directory: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |error| cannot_read(&directory.display().to_string(), error);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_hidden(&name) {
            continue;
        }
        // Follows links, as opening does.
        let found = fs::metadata(&path).map_err(|error| cannot_read(&path.display().to_string(), error))?;
        if found.is_dir() {
            walk(&path, endings, files)?;
        } else if has_ending(&name, endings) {
            files.push(path);
        }
    }
    Ok(())
}

fn find_glob(pattern: &Path) -> Result<Vec<PathBuf>> {
    let Some(text) = pattern.to_str().filter(|text| is_pattern(text)) else {
        return Err(not_found(pattern, "no such file"));
    };
    let matches = glob::glob(text).map_err(|e| bad_pattern(text, e))?;
    let mut files = Vec::new();
    for path in matches {
        let path = path.map_err(|error| {
            let place = error.path().display().to_string();
            cannot_read(&place, error.into())
        })?;
        if !path.is_dir() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(not_found(pattern, "no file matches"));
    }
    Ok(files)
}

/// An object store, looked into from a thread that may block.
struct Bucket {
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
}

impl Bucket {
    fn find(&self, pattern: &str, endings: &[&str]) -> Result<Vec<Found>> {
        let failed = |error| store_error("look for", error).with_context("path", pattern);
        let is_directory = pattern.is_empty() || pattern.ends_with('/');
        if !is_directory {
            let path = object_store::path::Path::parse(pattern).map_err(|e| failed(e.into()))?;
            match self.runtime.block_on(self.store.head(&path)) {
                Ok(meta) => return Ok(vec![self.found(meta, usize::MAX)]),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let parts = || pattern.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
        let fixed = fixed_parts(parts());
        let prefix = parts().take(fixed).collect::<Vec<_>>().join("/");
        let prefix = object_store::path::Path::parse(prefix).map_err(|e| failed(e.into()))?;
        let listed: Vec<ObjectMeta> =
            self.runtime.block_on(self.store.list(Some(&prefix)).try_collect()).map_err(failed)?;
        let by_pattern = is_pattern(pattern);
        let matcher = Pattern::new(pattern).map_err(|e| bad_pattern(pattern, e));
        let matcher = if by_pattern { Some(matcher?) } else { None };
        let mut files: Vec<Found> = listed
            .into_iter()
            .filter(|meta| match &matcher {
                Some(matcher) => matcher.matches_with(meta.location.as_ref(), OPTIONS),
                None => is_shown(&meta.location, fixed) && has_ending(meta.location.as_ref(), endings),
            })
            .map(|meta| self.found(meta, fixed))
            .collect();
        if files.is_empty() {
            let place = format!("{}/{pattern}", self.store);
            return Err(match by_pattern {
                true => Error::not_found(format!("no file matches: '{place}': check the path")),
                false => no_file_in(&place, endings),
            });
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    fn found(&self, meta: ObjectMeta, fixed: usize) -> Found {
        let mut directories: Vec<String> = meta.location.parts().map(|part| part.as_ref().to_owned()).collect();
        directories.pop();
        Found {
            name: meta.location.to_string(),
            partitions: partitions(directories.into_iter().skip(fixed)),
            at: At::Stored { store: Arc::clone(&self.store), meta, runtime: self.runtime.clone() },
        }
    }
}

/// As the local file system's patterns: a star stays in its directory.
const OPTIONS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

fn is_shown(path: &object_store::path::Path, fixed: usize) -> bool {
    !path.parts().skip(fixed).any(|part| is_hidden(part.as_ref()))
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    endings.iter().any(|ending| name.ends_with(ending))
}

/// How many leading parts of a path are no pattern.
fn fixed_parts(parts: impl Iterator<Item = String>) -> usize {
    parts.take_while(|part| !is_pattern(part)).count()
}

/// The keys and values that directories are called by.
fn partitions(directories: impl Iterator<Item = String>) -> Vec<(String, String)> {
    let pair = |name: String| {
        let (key, value) = name.split_once('=')?;
        (!key.is_empty()).then(|| (decoded(key), decoded(value)))
    };
    directories.filter_map(pair).collect()
}

/// Writers of partitions escape characters as a URL does.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn bad_pattern(text: &str, error: glob::PatternError) -> Error {
    Error::config(format!("'{text}' is no pattern of file names: {error}; write [*] for a star itself"))
        .with_source(error)
}

fn no_file_in(place: &str, endings: &[&str]) -> Error {
    Error::not_found(format!(
        "nothing to read at '{place}': no such file, and no file in such a directory that ends in {}: check the path, \
         or name the files by a pattern such as '{}/*'",
        endings.join(", "),
        place.trim_end_matches('/')
    ))
}

fn not_found(pattern: &Path, what: &str) -> Error {
    let place = match std::env::current_dir() {
        Ok(directory) if pattern.is_relative() => format!(" (relative paths start at {})", directory.display()),
        _ => String::new(),
    };
    Error::not_found(format!("{what}: '{}'{place}: check the path", pattern.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_the_directories_that_are_called_so() {
        let of = |parts: &[&str]| partitions(parts.iter().map(|part| (*part).to_owned()));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(of(&["data", "year=2013", "zone=S%C3%BCd%2F1"]), [pair("year", "2013"), pair("zone", "Süd/1")]);
        assert_eq!(of(&["=x", "a=", "50%=%zz"]), [pair("a", ""), pair("50%", "%zz")]);
        assert_eq!(decoded("%FF%é%1"), "%FF%é%1");
    }
}
