use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use mlops_core::Result;

use super::{At, Found, open, same};

impl Found {
    /// Some of its bytes.
    pub(crate) fn range(&self, range: Range<u64>) -> Result<Bytes> {
        Ok(self.ranges(std::slice::from_ref(&range))?.swap_remove(0))
    }

    /// Several parts of its bytes, asked for side by side.
    pub(crate) fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match &self.at {
            At::Local(path) => {
                let bytes = |range: &Range<u64>| read_range(path, range.clone());
                ranges.iter().map(bytes).collect::<io::Result<_>>().map_err(|error| self.cannot_read(error))
            }
            At::Stored { store, meta, runtime } => {
                let gets = ranges.iter().map(|range| {
                    let (store, path) = (Arc::clone(store), meta.location.clone());
                    let options = same(meta).with_range(Some(range.clone()));
                    async move { store.get_opts(&path, options).await?.bytes().await }
                });
                let all = futures::stream::iter(gets.collect::<Vec<_>>()).buffered(8).collect::<Vec<_>>();
                let all: object_store::Result<Vec<Bytes>> = runtime.block_on(all).into_iter().collect();
                let all = all.map_err(|error| self.store_error(error))?;
                let cut = all.iter().zip(ranges).any(|(bytes, range)| bytes.len() as u64 != range.end - range.start);
                if cut { Err(self.cannot_read(io::ErrorKind::UnexpectedEof.into())) } else { Ok(all) }
            }
        }
    }
}

fn read_range(path: &PathBuf, range: Range<u64>) -> io::Result<Bytes> {
    let mut file = open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    let wanted = range.end - range.start;
    if file.take(wanted).read_to_end(&mut bytes)? as u64 != wanted {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.into())
}
