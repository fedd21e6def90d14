use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, StringArray};
use arrow::datatypes::{ArrowDictionaryKeyType, ArrowNativeType, DataType};
use arrow::downcast_dictionary_array;
use mlops_core::sketch::{Hit, HyperLogLog, Kll, Moments, TopK};
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::few::take_lengths;
use super::sample::Sample;
use super::{Bins, ProfileOptions, bins};

/// Longer texts are counted by their beginning.
const COUNTED_BYTES: usize = 256;
/// Of longer texts the sample keeps the beginning.
const SAMPLED_BYTES: usize = 48;

/// What is in a column of texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextProfile {
    pub(super) frequent: TopK,
    pub(super) distinct: HyperLogLog,
    lengths: Moments,
    length_quantiles: Kll,
    empty: u64,
    padded: u64,
    /// Profiles of version 1 have none.
    #[serde(default)]
    sample: Sample,
}

impl TextProfile {
    pub(super) fn empty(options: &ProfileOptions) -> Result<Self> {
        Ok(Self {
            frequent: options.texts()?,
            distinct: HyperLogLog::default(),
            lengths: Moments::default(),
            length_quantiles: options.lengths()?,
            empty: 0,
            padded: 0,
            sample: Sample::default(),
        })
    }

    /// The `k` most frequent texts, by descending count; a text of more than 256 bytes is counted
    /// by its beginning, which ends in `…`. Counts are at most [`Hit::error`] too high.
    pub fn top(&self, k: usize) -> Vec<Hit> {
        self.frequent.top(k)
    }

    /// Whether all texts are listed with their exact counts.
    pub fn top_is_exact(&self) -> bool {
        self.frequent.is_exact()
    }

    /// Up to 48 different texts, drawn by their hashes, so that rows and order don't matter; of
    /// longer texts than 48 bytes the beginning.
    pub fn sample(&self) -> impl Iterator<Item = &str> {
        self.sample.texts()
    }

    /// How many are empty.
    pub fn empties(&self) -> u64 {
        self.empty
    }

    /// How many begin or end with white space.
    pub fn padded(&self) -> u64 {
        self.padded
    }

    /// The least number of characters (Unicode scalar values).
    pub fn min_length(&self) -> Option<u64> {
        self.lengths.min().map(|x| x as u64)
    }

    /// The greatest number of characters.
    pub fn max_length(&self) -> Option<u64> {
        self.lengths.max().map(|x| x as u64)
    }

    /// The mean number of characters.
    pub fn mean_length(&self) -> Option<f64> {
        self.lengths.mean()
    }

    /// The numbers of characters counted in at most `bins` bins of equal width; none if there are
    /// no texts.
    pub fn length_histogram(&self, bins: usize) -> Option<Bins> {
        bins::of(&self.length_quantiles, bins, true)
    }

    pub(super) fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        match column.data_type() {
            DataType::Utf8 => self.take(column.len(), column.as_string::<i32>().iter().flatten()),
            DataType::LargeUtf8 => self.take(column.len(), column.as_string::<i64>().iter().flatten()),
            DataType::Utf8View => self.take(column.len(), column.as_string_view().iter().flatten()),
            DataType::Dictionary(..) => {
                let column = column.as_ref();
                downcast_dictionary_array!(
                    column => self.take_dictionary(column.keys(), column.values(), name)?,
                    other => return Err(Error::internal(format!("column '{name}' is {other}, not a dictionary"))),
                );
            }
            other => return Err(Error::internal(format!("column '{name}' is {other}, not text"))),
        }
        Ok(())
    }

    fn take<'a>(&mut self, rows: usize, texts: impl Iterator<Item = &'a str>) {
        let mut lengths = Vec::with_capacity(rows);
        for text in texts {
            lengths.push(length(text));
            self.count(text, xxh3_64(text.as_bytes()), 1);
        }
        take_lengths(&lengths, &mut self.lengths, &mut self.length_quantiles);
    }

    /// Each text of a dictionary is looked at once if that can't be told from taking row after row.
    fn take_dictionary<K: ArrowDictionaryKeyType>(
        &mut self,
        keys: &PrimitiveArray<K>,
        values: &ArrayRef,
        name: &str,
    ) -> Result<()> {
        let values = mlops_core::columns::texts(values, name)?;
        if values.len() <= keys.len() && self.take_counted(keys, &values) {
            return Ok(());
        }
        let rows = keys.iter().flatten().map(ArrowNativeType::as_usize).filter(|key| values.is_valid(*key));
        self.take(keys.len(), rows.map(|key| values.value(key)));
        Ok(())
    }

    /// All or nothing: nothing if it depends on the order of the rows what is forgotten.
    fn take_counted<K: ArrowDictionaryKeyType>(&mut self, keys: &PrimitiveArray<K>, values: &StringArray) -> bool {
        let mut times = vec![0u64; values.len()];
        keys.iter().flatten().for_each(|key| times[key.as_usize()] += 1);
        let used = times.iter().enumerate().filter(|(key, times)| **times > 0 && values.is_valid(*key));
        let used: Vec<(&str, u64, u64)> =
            used.map(|(key, times)| (values.value(key), xxh3_64(values.value(key).as_bytes()), *times)).collect();
        // Where all are listed already, nothing is.
        let listed = used.iter().all(|(text, hash, _)| self.frequent.add_hashed(text, *hash, 0));
        if listed {
            return self.count_all(&used);
        }
        let mut counted = self.clone();
        let exact = self.frequent.is_exact() && counted.count_all(&used) && counted.frequent.is_exact();
        if exact {
            *self = counted;
        }
        exact
    }

    /// All or nothing: nothing if the lengths are too many to be counted.
    fn count_all(&mut self, used: &[(&str, u64, u64)]) -> bool {
        let mut lengths = BTreeMap::new();
        used.iter().for_each(|(text, _, times)| *lengths.entry(length(text)).or_insert(0) += times);
        let lengths: Vec<(f64, u64)> = lengths.into_iter().map(|(length, times)| (f64::from(length), times)).collect();
        if !self.length_quantiles.tally(&lengths) {
            return false;
        }
        lengths.iter().for_each(|(length, times)| self.lengths.add(*length, *times));
        used.iter().for_each(|(text, hash, times)| self.count(text, *hash, *times));
        true
    }

    #[inline]
    fn count(&mut self, text: &str, hash: u64, times: u64) {
        self.empty += if text.is_empty() { times } else { 0 };
        self.padded += if is_padded(text) { times } else { 0 };
        let known = if text.len() <= COUNTED_BYTES {
            self.frequent.add_hashed(text, hash, times)
        } else {
            self.frequent.add(&beginning(text, COUNTED_BYTES), times);
            false
        };
        // What is listed was taken in before, unless it looks like the beginning of another text.
        if !known || text.ends_with('…') {
            self.distinct.insert_hash(hash);
            if self.sample.wants(hash) {
                self.sample.keep(hash, &beginning(text, SAMPLED_BYTES));
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.frequent.merge(&other.frequent);
        self.distinct.merge(&other.distinct);
        self.lengths.merge(&other.lengths);
        self.length_quantiles.merge(&other.length_quantiles);
        self.empty = self.empty.saturating_add(other.empty);
        self.padded = self.padded.saturating_add(other.padded);
        self.sample.merge(&other.sample);
    }

    /// Whether a text that is listed may have been cut.
    pub(super) fn has_cut(&self) -> bool {
        // A character takes one to four bytes.
        self.lengths.max().is_some_and(|longest| longest * 4.0 > COUNTED_BYTES as f64)
            && self.frequent.top(usize::MAX).iter().any(|hit| hit.value.len() > COUNTED_BYTES - 4)
    }

    /// How many texts were taken in.
    pub(super) fn total(&self) -> u64 {
        self.lengths.count()
    }
}

/// The number of characters.
#[inline]
fn length(text: &str) -> u32 {
    let length = if text.is_ascii() { text.len() } else { text.chars().count() };
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[inline]
fn is_padded(text: &str) -> bool {
    let printed = |byte: Option<&u8>| byte.is_none_or(|byte| (0x21..0x7f).contains(byte));
    let bytes = text.as_bytes();
    if printed(bytes.first()) && printed(bytes.last()) {
        return false;
    }
    text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace)
}

/// At most so many bytes, where those that JSON writes longer count as long.
fn beginning(text: &str, bytes: usize) -> Cow<'_, str> {
    let size = |c: char| match c {
        '\0'..' ' => 6,
        '"' | '\\' => 2,
        c => c.len_utf8(),
    };
    let mark = '…';
    let (mut whole, mut kept) = (0, 0);
    for (at, c) in text.char_indices() {
        whole += size(c);
        if whole <= bytes - mark.len_utf8() {
            kept = at + c.len_utf8();
        }
        if whole > bytes {
            return Cow::Owned(format!("{}{mark}", &text[..kept]));
        }
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(beginning("abcdef", 6), "abcdef");
        assert_eq!(beginning("abcdefg", 6), "abc…");
        assert_eq!(beginning("äöüß", 7), "äö…");
        assert_eq!(beginning("\u{1}\u{1}", 9), "\u{1}…");
    }

    #[test]
    fn white_space_at_an_end_is_seen() {
        assert!([" a", "a\t", "\u{a0}a", "a\u{3000}", " "].into_iter().all(is_padded));
        assert!(!["", "a", "a b", "ä", "\u{7f}"].into_iter().any(is_padded));
    }
}
