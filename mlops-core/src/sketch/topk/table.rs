//! The strings that a [`TopK`](super::TopK) lists.

use xxhash_rust::xxh3::xxh3_64;

/// What a string needs when stored besides its own bytes.
const OVERHEAD: usize = 20;

const VACANT: u32 = u32::MAX;

/// Strings with what is known of them: found by their hash in open addressing, their bytes one after
/// the other, so that neither a lookup nor a new string allocates.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    slots: Vec<u32>,
    items: Vec<Item>,
    text: String,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    hash: u64,
    start: usize,
    len: usize,
    entry: Entry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) count: u64,
    pub(super) error: u64,
}

impl Entry {
    pub(super) fn absorb(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.error = self.error.saturating_add(other.error);
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many bytes all strings need when stored.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u64, Entry)> {
        self.items.iter().map(|item| (self.value(item), item.hash, item.entry))
    }

    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.items.iter_mut().map(|item| &mut item.entry)
    }

    /// Where a string is listed.
    #[inline]
    pub(super) fn find(&self, value: &str, hash: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash as usize & mask;
        // At most half of the slots are taken, so the search ends.
        loop {
            let at = self.slots[slot];
            if at == VACANT {
                return None;
            }
            let item = &self.items[at as usize];
            if item.hash == hash && self.value(item) == value {
                return Some(at as usize);
            }
            slot = (slot + 1) & mask;
        }
    }

    pub(super) fn get(&self, at: usize) -> Entry {
        self.items[at].entry
    }

    #[inline]
    pub(super) fn at(&mut self, at: usize) -> &mut Entry {
        &mut self.items[at].entry
    }

    /// Lists a string that is not listed.
    pub(super) fn insert(&mut self, value: &str, hash: u64, entry: Entry) {
        let item = Item { hash, start: self.text.len(), len: value.len(), entry };
        self.text.push_str(value);
        self.bytes += stored_len(value);
        self.items.push(item);
        if self.items.len() * 2 > self.slots.len() {
            self.index((self.items.len() * 4).next_power_of_two());
        } else {
            self.occupy(hash, self.items.len() - 1);
        }
    }

    /// Lists strings, all different, that stand in `text` one after the other, each as long as it says;
    /// `None` if they don't end where the text ends, or not between characters.
    pub(super) fn of(text: String, entries: impl ExactSizeIterator<Item = (usize, Entry)>) -> Option<Self> {
        let mut table = Self { items: Vec::with_capacity(entries.len()), ..Self::default() };
        let mut start = 0_usize;
        for (len, entry) in entries {
            let value = text.get(start..start.checked_add(len)?)?;
            table.bytes += stored_len(value);
            table.items.push(Item { hash: xxh3_64(value.as_bytes()), start, len, entry });
            start += len;
        }
        if start < text.len() {
            return None;
        }
        table.text = text;
        if !table.is_empty() {
            table.index((table.len() * 4).next_power_of_two());
        }
        Some(table)
    }

    /// Keeps the strings with greater counts.
    pub(super) fn retain_above(&mut self, floor: u64) {
        let text = std::mem::take(&mut self.text);
        self.bytes = 0;
        self.items.retain_mut(|item| {
            if item.entry.count <= floor {
                return false;
            }
            let value = &text[item.start..item.start + item.len];
            item.start = self.text.len();
            self.text.push_str(value);
            self.bytes += stored_len(value);
            true
        });
        self.index(self.slots.len());
    }

    /// The count of the first string that doesn't fit into `bytes` with all that are more frequent.
    pub(super) fn count_beyond(&self, bytes: usize) -> u64 {
        let mut sizes: Vec<(u64, usize)> =
            self.items.iter().map(|item| (item.entry.count, stored_len(self.value(item)))).collect();
        let (mut rest, mut room) = (sizes.as_mut_slice(), bytes);
        while !rest.is_empty() {
            let (upper, (count, size), lower) = rest.select_nth_unstable_by(rest.len() / 2, |a, b| b.cmp(a));
            let above: usize = upper.iter().map(|(_, size)| size).sum();
            if above > room {
                rest = upper;
            } else if above + *size > room {
                return *count;
            } else {
                room -= above + *size;
                rest = lower;
            }
        }
        0
    }

    fn value(&self, item: &Item) -> &str {
        &self.text[item.start..item.start + item.len]
    }

    /// Finds place for every item among so many slots, a power of two.
    fn index(&mut self, slots: usize) {
        self.slots.clear();
        self.slots.resize(slots, VACANT);
        for at in 0..self.items.len() {
            self.occupy(self.items[at].hash, at);
        }
    }

    fn occupy(&mut self, hash: u64, at: usize) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != VACANT {
            slot = (slot + 1) & mask;
        }
        // A capacity of 2^24 bounds the number of items.
        self.slots[slot] = at as u32;
    }
}

/// The most bytes that a string needs in JSON, and its overhead.
#[inline]
fn stored_len(value: &str) -> usize {
    let is_escaped = |byte: &u8| (*byte < 32) | (*byte == b'"') | (*byte == b'\\');
    let bytes = value.as_bytes();
    // Hardly any text has one, and whether any has is told many bytes at a time.
    let any = bytes.iter().fold(false, |any, byte| any | is_escaped(byte));
    let escaped = if any { bytes.iter().filter(|byte| is_escaped(byte)).count() } else { 0 };
    OVERHEAD + value.len() + 5 * escaped
}
