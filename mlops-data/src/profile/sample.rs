use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many texts are kept.
const KEPT: usize = 48;

/// Some of the different texts of a column: those with the least hashes, so any subset of the texts
/// is met by its share, and neither order nor repetition nor merging leaves a trace (the
/// "k minimum values" of Beyer, Haas, Reinwald, Sismanis and Gemulla 2007).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<u64, String>", into = "BTreeMap<u64, String>")]
pub(super) struct Sample {
    texts: BTreeMap<u64, String>,
}

impl Sample {
    /// Whether a text with this hash would be kept.
    #[inline]
    pub(super) fn wants(&self, hash: u64) -> bool {
        self.texts.len() < KEPT || self.texts.last_key_value().is_some_and(|(greatest, _)| hash < *greatest)
    }

    pub(super) fn keep(&mut self, hash: u64, text: &str) {
        self.texts.entry(hash).or_insert_with(|| text.to_owned());
        while self.texts.len() > KEPT {
            self.texts.pop_last();
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (hash, text) in &other.texts {
            if self.wants(*hash) {
                self.keep(*hash, text);
            }
        }
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.values().map(String::as_str)
    }
}

impl From<Sample> for BTreeMap<u64, String> {
    fn from(sample: Sample) -> Self {
        sample.texts
    }
}

impl TryFrom<BTreeMap<u64, String>> for Sample {
    type Error = String;

    fn try_from(texts: BTreeMap<u64, String>) -> Result<Self, String> {
        if texts.len() > KEPT {
            return Err(format!("a sample has {} texts, {KEPT} is the most", texts.len()));
        }
        Ok(Self { texts })
    }
}
