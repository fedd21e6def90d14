//! Numbering distinct keys: hash tables that hold short texts themselves, and are read without an
//! allocation or a pointer to follow.

use arrow::array::{Array, StringArray};
use xxhash_rust::xxh3::xxh3_64;

/// An open-addressing table of codes by their keys.
#[derive(Clone, Debug)]
struct Slots<K> {
    /// Keys with 1 + their code, which is 0 where nothing is.
    entries: Vec<(K, u32)>,
    /// How far a hash is shifted to give a place.
    shift: u32,
}

/// What a table holds of a key.
trait Key: Copy + Default + Eq {
    /// The upper bits are the good ones.
    fn hash(self) -> u64;
}

impl<K: Key> Default for Slots<K> {
    fn default() -> Self {
        Self { entries: vec![Default::default(); 1 << 4], shift: 64 - 4 }
    }
}

impl<K: Key> Slots<K> {
    /// The code of the key, if `is_it`, or the place where it belongs.
    #[inline]
    fn find(&self, key: K, is_it: impl Fn(usize) -> bool) -> Result<usize, usize> {
        let mask = self.entries.len() - 1;
        let mut place = (key.hash() >> self.shift) as usize;
        loop {
            let (known, code) = self.entries[place & mask];
            if code == 0 {
                return Err(place & mask);
            }
            let code = code as usize - 1;
            if known == key && is_it(code) {
                return Ok(code);
            }
            place += 1;
        }
    }

    /// What is at the place where the search for a key begins.
    #[inline]
    fn first(&self, key: K) -> (K, u32) {
        self.entries[(key.hash() >> self.shift) as usize & (self.entries.len() - 1)]
    }

    #[inline]
    fn put(&mut self, place: usize, key: K, code: usize) {
        assert!(code < u32::MAX as usize, "a column of more than four thousand million different keys");
        self.entries[place] = (key, code as u32 + 1);
        // At most 13 of 16 places are taken: fewer would be faster, but for the caches.
        if (code + 1) * 16 > self.entries.len() * 13 {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let empty = vec![Default::default(); self.entries.len() * 2];
        self.shift -= 1;
        for entry in std::mem::replace(&mut self.entries, empty) {
            if let (1.., Err(place)) = (entry.1, self.find(entry.0, |_| false)) {
                self.entries[place] = entry;
            }
        }
    }
}

/// Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4).
impl Key for i64 {
    #[inline]
    fn hash(self) -> u64 {
        (self as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// A text of up to 15 bytes, or the hash of a longer one: its first bytes, and its last ones with its
/// length or [`Word::LONG`] in the lowest byte of them, which holds nothing else that is not in the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Word {
    first: u64,
    last: u64,
}

impl Word {
    const LONG: u64 = 0xff;

    #[inline]
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let len = bytes.len() as u64;
        if len > 15 {
            return Self { first: xxh3_64(bytes), last: Self::LONG };
        }
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            // At least one byte is in both.
            return Self { first: u64::from_le_bytes(*first), last: u64::from_le_bytes(*last) & !0xff | len };
        }
        let first = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
            }
            _ if bytes.is_empty() => 0,
            _ => [0, bytes.len() / 2, bytes.len() - 1].iter().fold(0, |word, i| word << 8 | u64::from(bytes[*i])),
        };
        Self { first, last: len }
    }

    fn is_long(self) -> bool {
        self.last == Self::LONG
    }
}

/// The halves of the product of both words.
impl Key for Word {
    #[inline]
    fn hash(self) -> u64 {
        let product = u128::from(self.first ^ 0xA076_1D64_78BD_642F) * u128::from(self.last ^ 0xE703_7ED1_A0B4_28DB);
        ((product >> 64) as u64 ^ product as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// Different whole numbers, numbered in the order in which they are first met.
#[derive(Clone, Debug, Default)]
pub(super) struct Ints {
    slots: Slots<i64>,
    keys: Vec<i64>,
}

impl Ints {
    #[inline]
    pub(super) fn find(&self, key: i64) -> Option<usize> {
        self.slots.find(key, |_| true).ok()
    }

    /// The number of a key, which is the next one if it is new.
    #[inline]
    pub(super) fn intern(&mut self, key: i64) -> usize {
        self.slots.find(key, |_| true).unwrap_or_else(|place| {
            self.slots.put(place, key, self.keys.len());
            self.keys.push(key);
            self.keys.len() - 1
        })
    }

    /// The keys by their numbers.
    pub(super) fn keys(&self) -> &[i64] {
        &self.keys
    }
}

/// Different texts, numbered in the order in which they are first met.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    slots: Slots<Word>,
    text: String,
    /// Where each text ends.
    ends: Vec<usize>,
}

impl Texts {
    #[inline]
    pub(super) fn find(&self, key: &str) -> Option<usize> {
        self.place(Word::of(key), key).ok()
    }

    /// The numbers of many keys; `null` for nulls, `unknown` for a key that is not there.
    pub(super) fn find_all(&self, keys: &impl Column, null: usize, unknown: usize) -> Vec<usize> {
        in_blocks(self, keys, null, |texts, key| texts.find(key).unwrap_or(unknown))
    }

    /// The numbers of many keys, of which new ones get the next numbers; `null` for nulls.
    pub(super) fn intern_all(&mut self, keys: &impl Column, null: usize) -> Vec<usize> {
        in_blocks(self, keys, null, |texts, key| texts.intern(key))
    }

    /// The number of a key, which is the next one if it is new.
    #[inline]
    pub(super) fn intern(&mut self, key: &str) -> usize {
        let word = Word::of(key);
        self.place(word, key).unwrap_or_else(|place| {
            self.slots.put(place, word, self.ends.len());
            self.text.push_str(key);
            self.ends.push(self.text.len());
            self.ends.len() - 1
        })
    }

    #[inline]
    fn place(&self, word: Word, key: &str) -> Result<usize, usize> {
        self.slots.find(word, |code| !word.is_long() || self.get(code) == key)
    }

    /// The text with this number.
    #[inline]
    pub(super) fn get(&self, code: usize) -> &str {
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.text[start..self.ends[code]]
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|code| self.get(code))
    }
}

/// The numbers of keys by `number_of`, which is only asked where the first entry looked at is another.
///
/// A block of entries is fetched before any is compared, so that the processor waits for memory once a
/// block, not once a key.
fn in_blocks<T: std::borrow::Borrow<Texts>>(
    mut texts: T,
    keys: &impl Column,
    null: usize,
    mut number_of: impl FnMut(&mut T, &str) -> usize,
) -> Vec<usize> {
    const BLOCK: usize = 32;
    let mut numbers = Vec::with_capacity(keys.rows());
    let mut fetched = [(None, Word::default(), (Word::default(), 0)); BLOCK];
    for start in (0..keys.rows()).step_by(BLOCK) {
        let rows = start..keys.rows().min(start + BLOCK);
        let count = rows.len();
        for (fetched, row) in fetched.iter_mut().zip(rows) {
            let key = keys.text(row);
            let word = Word::of(key.unwrap_or_default());
            *fetched = (key, word, texts.borrow().slots.first(word));
        }
        for (key, word, (known, code)) in &fetched[..count] {
            numbers.push(match key {
                None => null,
                Some(_) if *code > 0 && known == word && !word.is_long() => *code as usize - 1,
                Some(key) => number_of(&mut texts, key),
            });
        }
    }
    numbers
}

/// Rows of texts.
pub(super) trait Column {
    fn rows(&self) -> usize;

    /// The text in a row; `None` for null.
    fn text(&self, row: usize) -> Option<&str>;
}

impl Column for StringArray {
    fn rows(&self) -> usize {
        self.len()
    }

    #[inline]
    fn text(&self, row: usize) -> Option<&str> {
        self.is_valid(row).then(|| self.value(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbered_as_they_come_and_found_again() {
        let (mut texts, mut ints) = (Texts::default(), Ints::default());
        let text = |i: usize| format!("key {}", i * i);
        // Floats as keys have all of their bits at one end.
        let int = |i: usize| (i as f64).to_bits() as i64;
        for i in 0..5_000 {
            assert_eq!((texts.find(&text(i)), ints.find(int(i))), (None, None));
            assert_eq!((texts.intern(&text(i)), ints.intern(int(i))), (i, i));
        }
        for i in 0..5_000 {
            assert_eq!((texts.intern(&text(i)), ints.intern(int(i))), (i, i));
            assert_eq!((texts.find(&text(i)), ints.find(int(i))), (Some(i), Some(i)));
            assert_eq!((texts.get(i), ints.keys()[i]), (text(i).as_str(), int(i)));
        }
        assert_eq!((texts.find(""), texts.intern("")), (None, 5_000));
        assert_eq!(texts.get(5_000), "");
    }

    #[test]
    fn texts_of_any_length_are_told_apart() {
        let mut texts = Texts::default();
        let mut all: Vec<String> = (0..40).map(|len| "a".repeat(len)).collect();
        for len in 1..40 {
            // One other letter, at every place; and nothing but an end that looks like padding.
            all.extend((0..len).map(|at| "a".repeat(at) + "b" + &"a".repeat(len - at - 1)));
            all.push("a".repeat(len - 1) + "\0");
        }
        let codes: Vec<usize> = all.iter().map(|text| texts.intern(text)).collect();
        assert_eq!(codes, (0..all.len()).collect::<Vec<_>>());
        assert!(all.iter().enumerate().all(|(i, text)| texts.find(text) == Some(i) && texts.get(i) == text));
    }
}
