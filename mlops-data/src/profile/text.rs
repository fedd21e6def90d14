use std::borrow::Cow;

use arrow::array::{Array, StringArray};
use mlops_core::Result;
use mlops_core::sketch::{Hit, HyperLogLog, Kll, Moments, TopK};
use serde::{Deserialize, Serialize};

use super::{Bins, ProfileOptions, bins};

/// Longer texts are counted by their beginning.
const COUNTED_BYTES: usize = 256;

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
}

impl TextProfile {
    pub(super) fn empty(options: &ProfileOptions) -> Result<Self> {
        Ok(Self {
            frequent: options.texts()?,
            distinct: HyperLogLog::default(),
            lengths: Moments::default(),
            length_quantiles: options.quantiles()?,
            empty: 0,
            padded: 0,
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

    pub(super) fn update(&mut self, texts: &StringArray) {
        let mut lengths = Vec::with_capacity(texts.len());
        for text in texts.iter().flatten() {
            lengths.push(text.chars().count() as f64);
            self.distinct.insert_str(text);
            self.frequent.update(&beginning(text));
            self.empty += u64::from(text.is_empty());
            self.padded += u64::from(text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace));
        }
        self.lengths.update_slice(&lengths);
        self.length_quantiles.update_slice(&lengths);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.frequent.merge(&other.frequent);
        self.distinct.merge(&other.distinct);
        self.lengths.merge(&other.lengths);
        self.length_quantiles.merge(&other.length_quantiles);
        self.empty = self.empty.saturating_add(other.empty);
        self.padded = self.padded.saturating_add(other.padded);
    }

    /// Whether a text that is listed may have been cut.
    pub(super) fn has_cut(&self) -> bool {
        // A character takes one to four bytes.
        self.lengths.max().is_some_and(|longest| longest * 4.0 > COUNTED_BYTES as f64)
            && self.frequent.top(usize::MAX).iter().any(|hit| hit.value.len() > COUNTED_BYTES - 4)
    }

    /// How many texts were taken in.
    pub(super) fn count(&self) -> u64 {
        self.lengths.count()
    }
}

fn beginning(text: &str) -> Cow<'_, str> {
    if text.len() <= COUNTED_BYTES {
        return Cow::Borrowed(text);
    }
    let mark = '…';
    let end = text.floor_char_boundary(COUNTED_BYTES - mark.len_utf8());
    Cow::Owned(format!("{}{mark}", &text[..end]))
}
