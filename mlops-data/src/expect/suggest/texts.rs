use mlops_core::columns::is_text;
use mlops_core::sketch::Hit;

use super::Seen;
use crate::expect::{Column, Measure};
use crate::profile::{TextProfile, categories, type_of_values};

/// A category that was seen less often than this may well have siblings that were not seen at all.
const SEEN_OFTEN: u64 = 10;

impl Seen<'_> {
    pub(super) fn texts(&self, mut draft: Column, texts: &TextProfile) -> Column {
        if !is_text(type_of_values(self.whole)) || self.whole.count() == 0 {
            return draft;
        }
        let hits = texts.top(usize::MAX);
        let values = categories(texts).filter(|values| values.len() as u64 * SEEN_OFTEN <= self.whole.count());
        let closed = match values {
            Some(values) => {
                let rare: u64 = hits.iter().filter(|hit| hit.count < SEEN_OFTEN).map(|hit| hit.count).sum();
                draft = draft.one_of(values);
                if !self.is_calibrated() {
                    draft = draft.or_warn();
                } else if rare > 0 {
                    let share = rare as f64 / self.whole.count() as f64;
                    draft = draft.but_for((3.0 * share).max(0.005)).or_fail();
                } else {
                    draft = draft.or_quarantine();
                }
                draft = self.distinct(draft);
                draft = self.drift(draft, Measure::LInfinity, 0.05);
                rare == 0
            }
            None => false,
        };
        if closed { draft } else { self.shape(draft, texts, &hits) }
    }

    /// What the texts look like.
    fn shape(&self, draft: Column, texts: &TextProfile, hits: &[Hit]) -> Column {
        let (Some(shortest), Some(longest)) = (texts.min_length(), texts.max_length()) else { return draft };
        let draft = match class(hits) {
            // Where not all texts are listed, there may be rare ones of another kind.
            Some(class) if texts.padded() == 0 => {
                let draft = draft.matches(format!("^[{class}]{{{shortest},{longest}}}$"));
                if texts.top_is_exact() { draft } else { draft.but_for(0.005) }
            }
            _ if texts.padded() == 0 => draft.matches(r"(?s)^(\S(.*\S)?)?$").length(..=2 * longest as usize),
            _ => draft.length(..=2 * longest as usize),
        };
        if self.is_calibrated() { draft } else { draft.or_warn() }
    }
}

/// The characters of all texts, if they are few kinds: letters, digits and a few signs of ASCII.
fn class(hits: &[Hit]) -> Option<String> {
    const SIGNS: usize = 4;
    let mut class = String::new();
    let mut signs = Vec::new();
    for c in hits.iter().flat_map(|hit| hit.value.chars()) {
        let kind = match c {
            'A'..='Z' => "A-Z",
            'a'..='z' => "a-z",
            '0'..='9' => "0-9",
            sign if sign.is_ascii_punctuation() => {
                if !signs.contains(&sign) {
                    signs.push(sign);
                }
                continue;
            }
            _ => return None,
        };
        if !class.contains(kind) {
            class.push_str(kind);
        }
    }
    signs.sort_unstable();
    signs.iter().for_each(|sign| class.extend(['\\', *sign]));
    (!class.is_empty() && signs.len() <= SIGNS).then_some(class)
}
