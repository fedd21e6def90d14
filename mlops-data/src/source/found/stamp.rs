use std::fs;
use std::time::SystemTime;

use mlops_core::Result;

use super::{At, Found};

/// What tells that a file is another one than before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stamp {
    name: String,
    length: u64,
    modified: Option<SystemTime>,
    tag: Option<String>,
}

impl Found {
    /// Of the file as it is now.
    pub(crate) fn stamp(&self) -> Result<Stamp> {
        let (length, modified, tag) = match &self.at {
            At::Local(path) => {
                let found = fs::metadata(path).map_err(|error| self.cannot_read(error))?;
                (found.len(), found.modified().ok(), None)
            }
            At::Stored { meta, .. } => (meta.size, Some(meta.last_modified.into()), meta.e_tag.clone()),
        };
        Ok(Stamp { name: self.name.clone(), length, modified, tag })
    }
}
