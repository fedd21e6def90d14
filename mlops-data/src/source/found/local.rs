use std::fs::File;

use mlops_core::Result;

use super::{At, Found, open};

impl Found {
    /// The local file, where there is one to be read at several places at once.
    pub(crate) fn open_local(&self) -> Result<Option<File>> {
        match &self.at {
            At::Local(path) => open(path).map(Some).map_err(|error| self.cannot_read(error)),
            At::Stored { .. } => Ok(None),
        }
    }
}
