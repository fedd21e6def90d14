use super::{Seen, extremes, rounded};
use crate::expect::{Column, Kind, Measure};
use crate::profile::{ColumnProfile, Meaning, NumberProfile, Values};

impl Seen<'_> {
    pub(super) fn numbers(&self, mut draft: Column, numbers: &NumberProfile) -> Column {
        if !Kind::Number.takes(self.whole.data_type()) {
            return draft;
        }
        let finite = numbers.nan() == 0 && numbers.infinities() == 0;
        if finite && numbers.finite() > 0 && self.whole.data_type().is_floating() {
            draft = draft.finite().or_quarantine();
        }
        let (Some(min), Some(max)) = (numbers.min(), numbers.max()) else { return draft };
        let rises = self.rises(range);
        if finite {
            draft = within(draft, numbers, (min, max), rises);
            // What is always the same may well be another thing next time.
            draft = if min == max || !self.is_calibrated() { draft.or_warn() } else { draft.or_quarantine() };
        }
        if min == max || rises || self.meaning == Meaning::Identifier {
            return draft;
        }
        draft = self.distinct(draft);
        draft = self.mean(draft);
        self.drift(draft, Measure::Ks, 0.1)
    }

    /// At least half as many different values as usual.
    pub(super) fn distinct(&self, draft: Column) -> Column {
        let counts: Vec<f64> = self.parts.iter().filter_map(|part| Some(part.distinct()?.0)).collect();
        match extremes(&counts) {
            Some((least, _)) if least >= 4.0 && self.is_calibrated() => {
                draft.distinct((least / 2.0) as usize..).or_fail()
            }
            Some((least, _)) if least >= 2.0 => draft.distinct(2..).or_warn(),
            _ => draft,
        }
    }

    fn mean(&self, draft: Column) -> Column {
        let means: Vec<f64> = self.parts.iter().filter_map(|part| mean(part)).collect();
        let deviations: Vec<f64> = self.parts.iter().filter_map(|part| deviation(part)).collect();
        match (extremes(&means), extremes(&deviations)) {
            (Some((least, most)), Some((_, deviation))) if self.is_calibrated() => {
                let room = 1.5 * (most - least) + 0.02 * deviation;
                draft.mean(rounded(least - room)..=rounded(most + room)).or_fail()
            }
            _ => draft,
        }
    }
}

/// The range seen, widened by a quarter but not across 0, and to whole numbers if all are. What rises
/// has no limit above.
fn within(draft: Column, numbers: &NumberProfile, (min, max): (f64, f64), rises: bool) -> Column {
    let room = (max - min) / 4.0;
    let below = if min >= 0.0 { (min - room).max(0.0) } else { min - room };
    let above = if max <= 0.0 { (max + room).min(0.0) } else { max + room };
    let (below, above) = if numbers.fractions() == 0 { (below.floor(), above.ceil()) } else { (below, above) };
    if rises { draft.within(below..) } else { draft.within(below..=above) }
}

fn numbers(part: &ColumnProfile) -> Option<&NumberProfile> {
    match part.values() {
        Values::Number(numbers) => Some(numbers),
        _ => None,
    }
}

fn range(part: &ColumnProfile) -> Option<(f64, f64)> {
    let numbers = numbers(part)?;
    Some((numbers.min()?, numbers.max()?))
}

fn mean(part: &ColumnProfile) -> Option<f64> {
    numbers(part)?.mean()
}

fn deviation(part: &ColumnProfile) -> Option<f64> {
    numbers(part)?.std(0)
}
