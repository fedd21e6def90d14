use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, Rows, SortField};
use mlops_core::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

/// Marks the end of a chain, and a row without a group; never the number of a row or group.
const NONE: u32 = u32::MAX;

/// Rows numbered by the distinct values of their keys, their *group*, and the way back from a key
/// to its group: a hash of the encoded key, checked against the key itself.
///
/// Built in one pass; holds the encoded keys and some 30 bytes a group. Without key columns all rows
/// are one group.
#[derive(Debug)]
pub(super) struct KeyIndex {
    converter: Option<RowConverter>,
    keys: Option<Rows>,
    heads: HashMap<u64, u32, BuildHasherDefault<Identity>>,
    /// Of each group a row with its key, and the next group of the same hash.
    groups: Vec<(u32, u32)>,
}

impl KeyIndex {
    /// The index of `rows` rows, and the group of each; a row with a null key has none.
    pub(super) fn build(columns: &[ArrayRef], types: &[DataType], rows: usize) -> Result<(Self, Vec<Option<u32>>)> {
        if u32::try_from(rows).is_err() {
            return Err(Error::unsupported(format!("a join with {rows} rows on its right: at most 4,294,967,295")));
        }
        if types.is_empty() {
            let index = Self { converter: None, keys: None, heads: HashMap::default(), groups: vec![(0, NONE)] };
            return Ok((index, vec![Some(0); rows]));
        }
        let converter = RowConverter::new(types.iter().cloned().map(SortField::new).collect())?;
        let keys = converter.convert_columns(columns)?;
        let mut index = Self { converter: None, keys: None, heads: HashMap::default(), groups: Vec::new() };
        let nulls = any_null(columns);
        let group_of = (0..rows)
            .map(|row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then(|| index.group(&keys, row)))
            .collect();
        (index.converter, index.keys) = (Some(converter), Some(keys));
        Ok((index, group_of))
    }

    pub(super) fn num_groups(&self) -> usize {
        self.groups.len()
    }

    /// The group of each of `rows` rows of other data; none if its key is null or unknown here.
    pub(super) fn find(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>> {
        let (Some(converter), Some(keys)) = (&self.converter, &self.keys) else {
            return Ok(vec![Some(0); rows]);
        };
        let wanted = converter.convert_columns(columns)?;
        let nulls = any_null(columns);
        let find = |row| {
            let key = wanted.row(row).data();
            let known = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            known.then(|| self.chained(keys, key, *self.heads.get(&xxh3_64(key))?)).flatten()
        };
        Ok((0..rows).map(find).collect())
    }

    /// The group of a row of the indexed data, a new one if its key is new.
    fn group(&mut self, keys: &Rows, row: usize) -> u32 {
        let key = keys.row(row).data();
        let hash = xxh3_64(key);
        let head = self.heads.get(&hash).copied();
        if let Some(group) = head.and_then(|head| self.chained(keys, key, head)) {
            return group;
        }
        // Rows are fewer than 2³², so their number and that of their groups fit.
        let group = self.groups.len() as u32;
        match self.heads.entry(hash) {
            Entry::Occupied(mut head) => self.groups.push((row as u32, head.insert(group))),
            Entry::Vacant(head) => {
                head.insert(group);
                self.groups.push((row as u32, NONE));
            }
        }
        group
    }

    /// The group with this very key, among those of one hash.
    fn chained(&self, keys: &Rows, key: &[u8], head: u32) -> Option<u32> {
        let mut group = head;
        while group != NONE {
            let (row, next) = self.groups[group as usize];
            if keys.row(row as usize).data() == key {
                return Some(group);
            }
            group = next;
        }
        None
    }
}

fn any_null(columns: &[ArrayRef]) -> Option<NullBuffer> {
    let logical: Vec<_> = columns.iter().map(|column| column.logical_nulls()).collect();
    logical.iter().fold(None, |all, nulls| NullBuffer::union(all.as_ref(), nulls.as_ref()))
}

/// Rows by their group: the rows of group `g` are `rows[starts[g]..starts[g + 1]]`.
#[derive(Debug)]
pub(super) struct Groups {
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl Groups {
    /// Rows without a group are left out; those of a group keep their order. Counting sort.
    pub(super) fn new(group_of: &[Option<u32>], groups: usize) -> Self {
        let mut starts = vec![0u32; groups + 1];
        group_of.iter().flatten().for_each(|group| starts[*group as usize + 1] += 1);
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; starts[groups] as usize];
        for (row, group) in group_of.iter().enumerate() {
            if let Some(group) = group {
                let place = &mut next[*group as usize];
                rows[*place as usize] = row as u32;
                *place += 1;
            }
        }
        Self { starts, rows }
    }

    /// Puts the rows of every group in ascending order of `key`; equal ones keep their order.
    pub(super) fn sort_by_key(&mut self, key: impl Fn(u32) -> i64) {
        for bounds in self.starts.windows(2) {
            self.rows[bounds[0] as usize..bounds[1] as usize].sort_by_key(|row| key(*row));
        }
    }

    pub(super) fn of(&self, group: u32) -> &[u32] {
        &self.rows[self.range(group)]
    }

    /// Where the rows of a group stand among those of all.
    pub(super) fn range(&self, group: u32) -> std::ops::Range<usize> {
        self.starts[group as usize] as usize..self.starts[group as usize + 1] as usize
    }

    /// All rows, group by group.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }
}

/// A hasher of what is a hash already.
#[derive(Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
