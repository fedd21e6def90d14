//! Lines of `key=value` in blocks.

use std::collections::BTreeMap;
use std::str::FromStr;

use mlops_core::{Error, Result};

/// The header of a file, or a tree.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// As errors call it.
    pub(super) name: String,
    fields: BTreeMap<&'a str, &'a str>,
}

/// The header and the trees of a file; what comes after them is not read.
pub(super) fn blocks(bytes: &[u8]) -> Result<(Block<'_>, Vec<Block<'_>>)> {
    let text = str::from_utf8(bytes)
        .map_err(|e| Error::corrupt("not a text model of LightGBM: it is not UTF-8").with_source(e))?;
    let mut lines = text.lines().map(str::trim_end);
    if lines.next() != Some("tree") {
        return Err(Error::corrupt("not a text model of LightGBM: its first line is not 'tree'"));
    }
    let mut header = Block { name: "the header".to_owned(), fields: BTreeMap::new() };
    let mut trees: Vec<Block<'_>> = Vec::new();
    for line in lines {
        if line == "end of trees" {
            return Ok((header, trees));
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key == "Tree" {
            trees.push(Block { name: format!("tree {}", trees.len()), fields: BTreeMap::new() });
        } else if !key.is_empty() {
            trees.last_mut().unwrap_or(&mut header).fields.insert(key, value);
        }
    }
    Err(Error::corrupt("the LightGBM model is cut off: the line 'end of trees' is missing"))
}

impl<'a> Block<'a> {
    pub(super) fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    pub(super) fn get(&self, key: &str) -> Result<&'a str> {
        let value = self.fields.get(key).copied();
        value.ok_or_else(|| Error::corrupt(format!("{} of the LightGBM model lacks '{key}'", self.name)))
    }

    pub(super) fn number<T: FromStr>(&self, key: &str) -> Result<T> {
        let value = self.get(key)?;
        value.parse().map_err(|_| self.wrong(key, value))
    }

    /// `count` numbers.
    pub(super) fn numbers<T: FromStr>(&self, key: &str, count: usize) -> Result<Vec<T>> {
        let values = self.get(key)?.split_ascii_whitespace();
        let numbers: Vec<T> =
            values.map(|value| value.parse().map_err(|_| self.wrong(key, value))).collect::<Result<_>>()?;
        if numbers.len() != count {
            let (name, seen) = (&self.name, numbers.len());
            return Err(Error::corrupt(format!("'{key}' of {name} has {seen} values, {count} were expected")));
        }
        Ok(numbers)
    }

    fn wrong(&self, key: &str, value: &str) -> Error {
        let value: String = value.chars().take(40).collect();
        Error::corrupt(format!("'{key}' of {} can't be '{value}'", self.name))
    }
}
